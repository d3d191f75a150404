//! Pauses: workloads a person has stopped headroom from writing to, in a file of their own, `pauses.json`.
//!
//! The file is apart from the state, so that it survives when the state is set aside. It is replaced as a whole and
//! durably, and a file that cannot be read is an error: a pause is never forgotten silently.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use headroom_policy_engine::{Hold, Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The file of the pauses.
const FILE: &str = "pauses.json";
/// Where the next version of the file is written before it takes its place.
const NEXT: &str = "pauses.json.next";
/// Held while the file is changed.
const LOCK: &str = "pauses.lock";
/// The version of the file's format.
const VERSION: u32 = 1;

/// A workload that a person has paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Which workload.
    pub workload: WorkloadId,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself; `None`: somebody has to resume.
    pub until: Option<Timestamp>,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// Who.
    pub by: Option<String>,
}

impl Pause {
    /// Whether it holds the workload at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// What the engine is told.
    pub(crate) const fn hold(&self) -> Hold {
        Hold::Paused { until: self.until }
    }
}

/// Why pauses could not be read or changed.
#[derive(Debug, Error)]
pub enum PauseError {
    /// The file is there and is none of ours.
    #[error(
        "the pauses in {} cannot be read: {reason}; mend the file, or move it away and pause again what should be \
         paused",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file could not be read or written.
    #[error("the pauses in {} could not be {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: `read` or `written`.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The pauses of a state directory.
#[derive(Clone, Debug)]
pub struct Pauses {
    dir: PathBuf,
}

impl Pauses {
    /// The pauses in `state_dir`, which need not be there yet.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.to_owned(),
        }
    }

    /// The file they stand in.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// All pauses, by workload, also those that have ended by themselves.
    ///
    /// # Errors
    /// When the file is there and cannot be read. It must not be taken for no pauses.
    pub fn list(&self) -> Result<Vec<Pause>, PauseError> {
        Ok(self.load()?.into_values().collect())
    }

    /// Pauses one workload, in place of a pause it has.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn pause(&self, pause: Pause) -> Result<(), PauseError> {
        let now = pause.since;
        self.change(|pauses| {
            pauses.retain(|_, other| other.holds(now));
            pauses.insert(pause.workload.clone(), pause);
        })
    }

    /// Ends the pause of one workload, and returns it; `None` when there was none.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn resume(&self, workload: &WorkloadId) -> Result<Option<Pause>, PauseError> {
        let mut ended = None;
        self.change(|pauses| ended = pauses.remove(workload))?;
        Ok(ended)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<WorkloadId, Pause>)) -> Result<(), PauseError> {
        let written = |source| self.io("written", source);
        crate::store::make_private_dir(&self.dir).map_err(written)?;
        let lock = private(&self.dir.join(LOCK)).map_err(written)?;
        lock.lock().map_err(written)?;
        let mut pauses = self.load()?;
        change(&mut pauses);
        self.save(pauses).map_err(written)
    }

    fn load(&self) -> Result<BTreeMap<WorkloadId, Pause>, PauseError> {
        let bytes = match fs::read(self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(source) => return Err(self.io("read", source)),
        };
        let unreadable = |reason: String| PauseError::Unreadable {
            path: self.path(),
            reason,
        };
        let saved: Saved = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        if saved.version != VERSION {
            return Err(unreadable(format!(
                "it has version {}, and this headroom knows version {VERSION}",
                saved.version
            )));
        }
        let pauses = saved.pauses.into_iter().map(|saved| {
            let pause = Pause::try_from(saved)?;
            Ok((pause.workload.clone(), pause))
        });
        let read: Result<_, jiff::Error> = pauses.collect();
        read.map_err(|error| unreadable(error.to_string()))
    }

    /// Replaces the file: the new one is on disk before it takes the old one's name.
    fn save(&self, pauses: BTreeMap<WorkloadId, Pause>) -> io::Result<()> {
        let saved = Saved {
            version: VERSION,
            pauses: pauses.into_values().map(SavedPause::from).collect(),
        };
        let mut text = serde_json::to_vec_pretty(&saved)?;
        text.push(b'\n');
        let next = self.dir.join(NEXT);
        let mut file = private(&next)?;
        file.set_len(0)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&next, self.path())?;
        File::open(&self.dir)?.sync_all()
    }

    fn io(&self, action: &'static str, source: io::Error) -> PauseError {
        PauseError::Io {
            path: self.path(),
            action,
            source,
        }
    }
}

/// Opens a file that only its owner may read, making it if need be.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    pauses: Vec<SavedPause>,
}

/// A pause as it stands in the file, with times that people can read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPause {
    workload: WorkloadId,
    since: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl From<Pause> for SavedPause {
    fn from(pause: Pause) -> Self {
        Self {
            workload: pause.workload,
            since: written(pause.since),
            until: pause.until.map(written),
            reason: pause.reason,
            by: pause.by,
        }
    }
}

impl TryFrom<SavedPause> for Pause {
    type Error = jiff::Error;

    fn try_from(saved: SavedPause) -> Result<Self, jiff::Error> {
        Ok(Self {
            workload: saved.workload,
            since: read(&saved.since)?,
            until: saved.until.as_deref().map(read).transpose()?,
            reason: saved.reason,
            by: saved.by,
        })
    }
}

/// A moment as people write it. One beyond what can be written is the last one that can, which nobody will see.
fn written(at: Timestamp) -> String {
    let earliest_or_latest = if at.unix_millis() < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    let at = jiff::Timestamp::from_millisecond(at.unix_millis());
    at.unwrap_or(earliest_or_latest).to_string()
}

fn read(text: &str) -> Result<Timestamp, jiff::Error> {
    let at: jiff::Timestamp = text.parse()?;
    Ok(Timestamp::from_unix_millis(at.as_millisecond()))
}

#[cfg(test)]
mod tests;
