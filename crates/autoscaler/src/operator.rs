//! What people ask for beside the policy: pauses, overrides and silences, in one file of their own, `pauses.json`.
//!
//! The file is apart from the state, so that it survives when the state is set aside. It is replaced as a whole and
//! durably, and a file that cannot be read is an error: what a person asked for is never forgotten silently.

mod overriding;
mod pause;
mod saved;

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headroom_notifier::delivery::Silence;
use headroom_policy_engine::{Timestamp, WorkloadId};
use thiserror::Error;

pub use self::{
    overriding::{Override, OverrideAsks, OverrideError, ScaleDown},
    pause::Pause,
};

/// The file. It began with pauses alone, and whoever looks for those finds everything.
const FILE: &str = "pauses.json";
/// Where the next version of the file is written before it takes its place.
const NEXT: &str = "pauses.json.next";
/// Held while the file is changed.
const LOCK: &str = "pauses.lock";

/// Silences are kept for so long after their end.
const KEPT_AFTER_ITS_END: Duration = Duration::from_secs(24 * 3600);

/// Why what people asked for could not be read or changed.
#[derive(Debug, Error)]
pub enum OperatorError {
    /// The file is there and is none of ours.
    #[error(
        "the pauses and overrides in {} cannot be read: {reason}; mend the file, or move it away and pause and override \
         again what should be",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file could not be read or written.
    #[error("the pauses and overrides in {} could not be {action}", path.display())]
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

impl OperatorError {
    /// What is wrong, without the file and the way out.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Unreadable { reason, .. } => reason.clone(),
            Self::Io { source, .. } => source.to_string(),
        }
    }
}

/// What people ask for, as it stands in the file: also what has ended by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorActs {
    /// The pauses, by workload: at most one each.
    pub pauses: Vec<Pause>,
    /// The overrides, by workload and person: at most one each.
    pub overrides: Vec<Override>,
    /// The times in which people do not want to be told, by workload: at most one each, and one for all.
    pub silences: Vec<Silence>,
}

impl OperatorActs {
    /// What has not ended at `now`, and silences that ended lately: what began in one is told of after it.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.pauses.retain(|pause| pause.holds(now));
        self.overrides.retain(|one| one.holds(now));
        self.silences
            .retain(|one| now < one.until.plus(KEPT_AFTER_ITS_END));
        self
    }
}

/// What people ask for, while it is changed.
#[derive(Debug, Default)]
struct Acts {
    pauses: BTreeMap<WorkloadId, Pause>,
    /// Several people may override one workload; what one of them says anew goes before what they said.
    overrides: BTreeMap<(WorkloadId, Option<Arc<str>>), Override>,
    silences: BTreeMap<Option<WorkloadId>, Silence>,
}

impl From<OperatorActs> for Acts {
    fn from(acts: OperatorActs) -> Self {
        let pauses = acts.pauses.into_iter();
        let overrides = acts.overrides.into_iter();
        let silences = acts.silences.into_iter();
        Self {
            silences: silences.map(|one| (one.workload.clone(), one)).collect(),
            pauses: pauses.map(|pause| (pause.workload.clone(), pause)).collect(),
            overrides: overrides.map(|one| (one.key(), one)).collect(),
        }
    }
}

impl From<Acts> for OperatorActs {
    fn from(acts: Acts) -> Self {
        Self {
            pauses: acts.pauses.into_values().collect(),
            overrides: acts.overrides.into_values().collect(),
            silences: acts.silences.into_values().collect(),
        }
    }
}

/// The file of what people ask for, in a state directory.
#[derive(Clone, Debug)]
pub struct OperatorFile {
    dir: PathBuf,
}

impl OperatorFile {
    /// The file in `state_dir`, neither of which need be there yet.
    #[must_use]
    pub fn new(state_dir: &Path) -> Self {
        Self {
            dir: state_dir.to_owned(),
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// All that stands in it, also what has ended by itself.
    ///
    /// # Errors
    /// When the file is there and cannot be read. It must not be taken for an empty one.
    pub fn acts(&self) -> Result<OperatorActs, OperatorError> {
        let bytes = match fs::read(self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(OperatorActs::default()),
            Err(source) => return Err(self.io("read", source)),
        };
        saved::read(&bytes).map_err(|reason| OperatorError::Unreadable {
            path: self.path(),
            reason,
        })
    }

    /// Pauses one workload, in place of a pause it has.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn pause(&self, pause: Pause) -> Result<(), OperatorError> {
        self.change(Some(pause.since), |acts| {
            acts.pauses.insert(pause.workload.clone(), pause);
        })
    }

    /// Ends the pause of one workload, and returns it; `None` when there was none.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn resume(&self, workload: &WorkloadId) -> Result<Option<Pause>, OperatorError> {
        self.change(None, |acts| acts.pauses.remove(workload))
    }

    /// Overrides the bounds of one workload, in place of what the same person asked for there, which is returned.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn override_bounds(&self, one: Override) -> Result<Option<Override>, OperatorError> {
        self.change(Some(one.since), |acts| acts.overrides.insert(one.key(), one))
    }

    /// Ends all overrides of one workload, and returns them.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn end_overrides(&self, workload: &WorkloadId) -> Result<Vec<Override>, OperatorError> {
        self.change(None, |acts| {
            let ended = acts.overrides.extract_if(.., |(id, _), _| id == workload);
            ended.map(|(_, one)| one).collect()
        })
    }

    /// Tells nobody of a workload, or of any, for a time; in place of a silence it has.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn silence(&self, silence: Silence) -> Result<(), OperatorError> {
        self.change(Some(silence.from), |acts| {
            acts.silences.insert(silence.workload.clone(), silence);
        })
    }

    /// Ends the silence of a workload, or the one of all, at `now`. Returns it as it was; `None` where there was none.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn end_silence(
        &self,
        workload: Option<&WorkloadId>,
        now: Timestamp,
    ) -> Result<Option<Silence>, OperatorError> {
        self.change(Some(now), |acts| {
            let silence = acts.silences.get_mut(&workload.cloned())?;
            let was = silence.is_in_force(now).then(|| silence.clone());
            silence.until = silence.until.min(now);
            was
        })
    }

    /// Changes what stands in the file. What has ended at `now` goes.
    fn change<T>(
        &self,
        now: Option<Timestamp>,
        change: impl FnOnce(&mut Acts) -> T,
    ) -> Result<T, OperatorError> {
        let written = |source| self.io("written", source);
        crate::store::make_private_dir(&self.dir).map_err(written)?;
        let lock = private(&self.dir.join(LOCK)).map_err(written)?;
        lock.lock().map_err(written)?;
        let acts = self.acts()?;
        let mut acts = Acts::from(match now {
            Some(now) => acts.at(now),
            None => acts,
        });
        let result = change(&mut acts);
        self.save(acts.into()).map_err(written)?;
        Ok(result)
    }

    /// Replaces the file: the new one is on disk before it takes the old one's name.
    fn save(&self, acts: OperatorActs) -> io::Result<()> {
        let text = saved::written(acts)?;
        let next = self.dir.join(NEXT);
        let mut file = private(&next)?;
        file.set_len(0)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&next, self.path())?;
        File::open(&self.dir)?.sync_all()
    }

    fn io(&self, action: &'static str, source: io::Error) -> OperatorError {
        OperatorError::Io {
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

#[cfg(test)]
mod tests;
