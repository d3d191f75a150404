//! The state on disk, `state.db`: what is remembered of each workload, intents, decisions, tables of processes and
//! readings of replicas, in one SQLite file.
//!
//! Owns the file: who may read it, its version, that one of an earlier version is brought to this one, and that one
//! which cannot be used is moved aside and never overwritten. What stands in the parts of it belongs to those who hand it
//! over. Pauses, overrides and locks are files of their own.

mod brake;
mod history;
mod intents;
mod left;
mod open;
mod outbox;
mod pass;
mod processes;
mod retention;
mod schema;
mod upgrade;

use std::{
    fmt, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use headroom_policy_engine::Timestamp;
use rusqlite::Connection;
use thiserror::Error;

pub use self::{
    history::{History, HistoryQuery, HistoryRow, WorkloadStatus},
    intents::Intent,
};
pub(crate) use self::{
    intents::OpenIntent,
    outbox::Told,
    pass::{Decided, Finished, Remembered, RowId},
};
use crate::{HistorySettings, Notice};

/// The file of the state.
const FILE: &str = "state.db";
/// How long to wait for another process that is writing.
const BUSY: Duration = Duration::from_secs(5);

/// The state of one directory.
pub struct Store {
    dir: PathBuf,
    rights: Rights,
    connection: Mutex<Connection>,
    /// How often the file was replaced since it was opened.
    replaced: AtomicU32,
    is_new: bool,
    /// What this state is called among all states, as long as nobody loses it.
    name: Box<str>,
    history: HistorySettings,
    /// Reads what waits to be told, so that nobody who decides waits for that: with how often the file was replaced.
    reader: Mutex<Option<(u32, Connection)>>,
    /// What became of the file since it was opened.
    notices: Mutex<Vec<Notice>>,
}

/// Which file a state stood in when it was read, and what others had written to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation {
    replaced: u32,
    /// SQLite's own number, which tells something only while the file is the same.
    written: i64,
}

/// What a transaction survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// That the machine loses its power.
    Machine,
    /// That the process is killed. A loss of power may undo it, together with all that came after it, and it costs no wait
    /// for the disk.
    Process,
}

/// What may be done with the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    Write,
    /// Only what reads, for `plan`, `explain` and the like: nothing in the directory changes.
    Read,
}

/// A state that was opened, with what a person should know about it.
#[derive(Debug)]
pub struct Opened {
    /// The state.
    pub store: Store,
    /// Whether it had to be set aside, or cannot be used.
    pub notices: Vec<Notice>,
}

/// Why the state could not be used.
///
/// A file that is corrupt, somebody else's or from a newer version is no error: it is set aside as it is. One from an
/// earlier version is brought to this one; where that fails, it is left as it was, and the error says why.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The directory or a file in it could not be made, moved or read.
    #[error("{} could not be {action}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, such as `made`.
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// SQLite refused.
    #[error("{}", shown(source))]
    Sqlite {
        /// Why.
        #[from]
        source: rusqlite::Error,
    },
    /// A value could not be turned into what is stored.
    #[error("{what} could not be stored: {reason}")]
    Encode {
        /// What it was.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// What is stored is not what this headroom would have stored.
    #[error("{what} in the state cannot be read: {reason}")]
    Decode {
        /// What it is.
        what: &'static str,
        /// Why not.
        reason: String,
    },
    /// The state was opened only to be read.
    #[error("the state was opened only to be read")]
    ReadOnly,
}

/// SQLite's own words, such as `disk I/O error`.
fn shown(error: &rusqlite::Error) -> String {
    if let rusqlite::Error::SqliteFailure(_, Some(words)) = error {
        words.clone()
    } else {
        error.to_string()
    }
}

impl Store {
    /// Opens the state of `state_dir` to read and write; makes it if need be, and brings one of an earlier version to
    /// this one. `now` names what is set aside.
    ///
    /// # Errors
    /// When the directory cannot be made or written, or a state of an earlier version cannot be brought to this one.
    pub fn open(state_dir: &Path, history: HistorySettings, now: Timestamp) -> Result<Opened, StoreError> {
        open::writable(state_dir, history, now)
    }

    /// Opens the state of `state_dir` only to read it. Where there is none, or none that can be used, it is empty; one of
    /// an earlier version is read from a copy in memory.
    ///
    /// # Errors
    /// When it is there and cannot be read at all.
    pub fn open_read_only(state_dir: &Path, history: HistorySettings) -> Result<Opened, StoreError> {
        open::read_only(state_dir, history)
    }

    /// The directory it stands in.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.dir
    }

    /// Whether nothing was remembered of any workload when it was opened.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// What this state is called among all states: eight digits of base 16, made with it. It is lost with the memories
    /// that it is of, and comes along where they do.
    #[must_use]
    pub const fn name(&self) -> &str {
        &self.name
    }

    /// Whether it was opened only to be read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.rights == Rights::Read
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A thread that panicked in a transaction has rolled it back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` in one transaction: all of it is durable when this returns, or none.
    fn transaction<T>(
        &self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.transaction_that_survives(Durability::Machine, work)
    }

    fn transaction_that_survives<T>(
        &self,
        durability: Durability,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.is_read_only() {
            return Err(StoreError::ReadOnly);
        }
        let mut connection = self.connection();
        let done = match durability {
            Durability::Machine => in_transaction(&mut connection, work),
            Durability::Process => without_waiting(&mut connection, work),
        };
        if let Err(error) = &done
            && let Some(reason) = error.corruption()
        {
            let waiting = outbox::count(&connection);
            let replaced = open::replace(&mut connection, &self.dir, &self.name, reason);
            // Not before: whoever reads opens the file anew because of it.
            self.replaced.fetch_add(1, Ordering::Release);
            let notice = replaced?;
            outbox::say_left_behind(waiting);
            self.notices
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(notice);
        }
        done
    }

    /// What became of the file since this was last asked: one that turns out to be corrupt is set aside, and the next
    /// pass is a first one.
    pub(crate) fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.notices.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes when another process has written since, or the file is another one. As long as it is the same, what was
    /// read is still so.
    pub(crate) fn generation(&self) -> Result<Generation, StoreError> {
        let connection = self.connection();
        Ok(Generation {
            replaced: self.replaced.load(Ordering::Relaxed),
            written: connection.pragma_query_value(None, "data_version", |row| row.get(0))?,
        })
    }

    /// Brings what is in the log into the file, and waits for whoever writes at this moment.
    pub(crate) fn settle(&self) -> Result<(), StoreError> {
        if !self.is_read_only() {
            self.connection()
                .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    /// The readings of replicas as they were last saved; `None` when there are none.
    pub(crate) fn readings(&self) -> Result<Option<Vec<u8>>, StoreError> {
        use rusqlite::OptionalExtension as _;
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT body FROM readings WHERE id = 1")?;
        Ok(statement.query_row([], |row| row.get(0)).optional()?)
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// [`in_transaction`], without waiting for the disk.
fn without_waiting<T>(
    connection: &mut Connection,
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let done = in_transaction(connection, work);
    connection.pragma_update(None, "synchronous", "FULL")?;
    done
}

impl StoreError {
    /// Why the file is corrupt, if this says so.
    fn corruption(&self) -> Option<String> {
        match self {
            Self::Sqlite { source } if open::is_corrupt(source) => Some(shown(source)),
            Self::Sqlite { .. }
            | Self::Io { .. }
            | Self::Encode { .. }
            | Self::Decode { .. }
            | Self::ReadOnly => None,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("dir", &self.dir)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// Makes `dir` if need be, for its owner alone. One that is there keeps its rights.
pub(crate) fn make_private_dir(dir: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Takes the rights of all but the owner from `file`.
fn make_private(file: &Path) -> io::Result<()> {
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600))
}

/// A moment as a column holds it.
const fn millis(at: Timestamp) -> i64 {
    at.unix_millis()
}
