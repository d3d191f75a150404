//! Who may work on a state directory: `pass.lock`, held for one pass, `leader.lock`, held for life by the loop, and
//! `notify.lock`, held by whoever hands notices over.
//!
//! All are locks of the operating system on a file, so they end with their holder, however it ends. What stands in
//! the file tells people who that is; nothing is decided by it but whether a pass is stuck.

use std::{
    fmt,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use headroom_policy_engine::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::time::{Instant, sleep};
use tracing::warn;

use crate::Clock;

/// The name of the lock that is held for one pass.
const PASS_LOCK: &str = "pass.lock";
/// The name of the lock that the loop holds for life.
const LEADER_LOCK: &str = "leader.lock";
/// The name of the lock that is held by whoever hands notices over.
const DELIVERY_LOCK: &str = "notify.lock";
/// How often a lock that is taken is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// For so long a new loop tries to become the leader, because a one-shot looks at the lock for a moment.
const LEADER_PATIENCE: Duration = Duration::from_millis(500);

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The number of its process.
    pub pid: u32,
    /// What it was started as, such as `headroom run`.
    pub command: String,
    /// The machine it runs on.
    pub host: String,
    /// Since when it holds the lock.
    pub since: Timestamp,
}

impl Holder {
    /// This process, called `command`, from `since` on.
    #[must_use]
    pub fn this_process(command: &str, since: Timestamp) -> Self {
        Self {
            pid: std::process::id(),
            command: command.to_owned(),
            host: host(),
            since,
        }
    }
}

/// The name of this machine, as its kernel has it.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "this machine".to_owned(),
        name => name.to_owned(),
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid, command, host, ..
        } = self;
        write!(f, "`{command}` (process {pid} on {host})")
    }
}

/// Why a lock could not be had.
#[derive(Debug, Error)]
pub enum LockError {
    /// A pass has been holding the lock for more than twice its deadline.
    #[error("a pass has been under way for {held_for:?}, more than twice its deadline: {}", named(holder.as_ref()))]
    Stuck {
        /// Who holds it, as far as can be read.
        holder: Option<Holder>,
        /// For how long.
        held_for: Duration,
    },
    /// The file could not be used.
    #[error("the lock {} could not be used", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

fn named(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "its holder is not known".to_owned(), Holder::to_string)
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
struct Held {
    file: File,
}

impl Drop for Held {
    /// Closing the file would not do: a process that another thread is starting is a copy of this one for a moment, with
    /// the same open files, and a lock is held until the last of them is closed.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            warn!(error = %error, "a lock could not be given back, and is once its file is closed");
        }
    }
}

/// What came of trying to take a lock.
enum Attempt {
    Taken(Held),
    HeldBy(Option<Holder>),
}

/// Takes `path` for `holder`, if nobody has it.
fn attempt(path: &Path, holder: &Holder) -> io::Result<Attempt> {
    take(open(path)?, holder)
}

fn take(mut file: File, holder: &Holder) -> io::Result<Attempt> {
    match file.try_lock() {
        Ok(()) => {
            say_who(&mut file, holder);
            Ok(Attempt::Taken(Held { file }))
        }
        Err(TryLockError::WouldBlock) => Ok(Attempt::HeldBy(read_holder(&mut file))),
        Err(TryLockError::Error(source)) => Err(source),
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options.open(path)
}

/// Writes who holds the lock. It is held all the same where that cannot be written, because the disk is full.
fn say_who(file: &mut File, holder: &Holder) {
    if let Err(error) = write_holder(file, holder) {
        warn!(error = %error, "who holds a lock cannot be written to its file");
    }
}

fn write_holder(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(holder)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

/// Who the file names; `None` while the holder is about to write it, or when it is no text of ours.
fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

/// `pass.lock` of a state directory. Passes of one process that overlap hold it together.
#[derive(Debug)]
pub(crate) struct PassLock {
    path: PathBuf,
    command: String,
    /// Held longer than this, a pass is stuck.
    patience: Duration,
    held: Mutex<Weak<PassGuard>>,
}

/// The lock of a pass, until it is dropped.
#[derive(Debug)]
pub(crate) struct PassGuard {
    held: Mutex<Held>,
}

impl PassLock {
    /// The lock in `state_dir`, for passes with this deadline.
    pub(crate) fn new(state_dir: &Path, command: &str, pass_deadline: Duration) -> Self {
        Self {
            path: state_dir.join(PASS_LOCK),
            command: command.to_owned(),
            patience: pass_deadline.saturating_mul(2),
            held: Mutex::default(),
        }
    }

    /// Waits until the lock is free, and takes it.
    ///
    /// # Errors
    /// [`LockError::Stuck`] once the holder has had it for twice the deadline of a pass.
    pub(crate) async fn acquire(&self, clock: &dyn Clock) -> Result<Arc<PassGuard>, LockError> {
        let begun = Instant::now();
        loop {
            let now = clock.now();
            let holder = match self.try_acquire(now)? {
                Ok(guard) => return Ok(guard),
                Err(holder) => holder,
            };
            // By what the holder wrote, or, where that cannot be read, by how long we have waited.
            let held_for = holder
                .as_ref()
                .map_or(begun.elapsed(), |holder| now.since(holder.since))
                .max(begun.elapsed());
            if held_for > self.patience {
                return Err(LockError::Stuck { holder, held_for });
            }
            sleep(RETRY).await;
        }
    }

    /// Takes the lock where it is free; otherwise says who makes a pass.
    ///
    /// # Errors
    /// [`LockError::Stuck`] where the holder has had it for twice the deadline of a pass.
    pub(crate) fn acquire_now(
        &self,
        clock: &dyn Clock,
    ) -> Result<Result<Arc<PassGuard>, LockHolder>, LockError> {
        let now = clock.now();
        let holder = match self.try_acquire(now)? {
            Ok(guard) => return Ok(Ok(guard)),
            Err(holder) => holder,
        };
        let held_for = holder
            .as_ref()
            .map_or(Duration::ZERO, |holder| now.since(holder.since));
        if held_for > self.patience {
            Err(LockError::Stuck { holder, held_for })
        } else {
            Ok(Err(LockHolder(holder)))
        }
    }

    /// Takes the lock, or shares the one that another pass of this process holds; otherwise says who has it.
    fn try_acquire(&self, now: Timestamp) -> Result<Result<Arc<PassGuard>, Option<Holder>>, LockError> {
        let holder = Holder::this_process(&self.command, now);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(guard) = held.upgrade() {
            // A new pass begins: others see that this process is not stuck.
            guard.renew(&holder);
            return Ok(Ok(guard));
        }
        match attempt(&self.path, &holder).map_err(|source| self.io(source))? {
            Attempt::HeldBy(holder) => Ok(Err(holder)),
            Attempt::Taken(lock) => {
                let guard = Arc::new(PassGuard {
                    held: Mutex::new(lock),
                });
                *held = Arc::downgrade(&guard);
                Ok(Ok(guard))
            }
        }
    }

    fn io(&self, source: io::Error) -> LockError {
        LockError::Io {
            path: self.path.clone(),
            source,
        }
    }
}

impl PassGuard {
    fn renew(&self, holder: &Holder) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        say_who(&mut held.file, holder);
    }
}

/// Whether this process is the one that loops over a state directory.
#[derive(Debug)]
pub enum Leadership {
    /// It is, until the lock is dropped.
    Taken(LeaderLock),
    /// Another one is.
    HeldBy(Option<Holder>),
}

/// `leader.lock`, until it is dropped.
#[derive(Debug)]
pub struct LeaderLock {
    _held: Held,
}

impl LeaderLock {
    /// Becomes the leader of `state_dir`, or says who is.
    ///
    /// # Errors
    /// When the lock's file cannot be used.
    pub async fn acquire(state_dir: &Path, command: &str, now: Timestamp) -> Result<Leadership, LockError> {
        let path = state_dir.join(LEADER_LOCK);
        let holder = Holder::this_process(command, now);
        let begun = Instant::now();
        loop {
            let attempt = attempt(&path, &holder).map_err(|source| LockError::Io {
                path: path.clone(),
                source,
            })?;
            match attempt {
                Attempt::Taken(held) => return Ok(Leadership::Taken(Self { _held: held })),
                Attempt::HeldBy(other) if begun.elapsed() > LEADER_PATIENCE => {
                    return Ok(Leadership::HeldBy(other));
                }
                Attempt::HeldBy(_) => sleep(RETRY).await,
            }
        }
    }

    /// Who leads `state_dir`; `Ok(None)` when nobody does. Changes nothing.
    ///
    /// # Errors
    /// When the lock's file is there and cannot be used.
    pub fn holder(state_dir: &Path) -> Result<Option<LockHolder>, LockError> {
        let path = state_dir.join(LEADER_LOCK);
        let fail = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fail(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(LockHolder(read_holder(&mut file)))),
            Err(TryLockError::Error(source)) => Err(fail(source)),
        }
    }
}

/// `notify.lock`, until it is dropped: one process at a time hands over the notices of a state directory.
#[derive(Debug)]
pub struct DeliveryLock {
    _held: Held,
}

impl DeliveryLock {
    /// Takes the lock of `state_dir` where it is free; otherwise says who hands notices over. Never waits.
    ///
    /// # Errors
    /// When the lock's file cannot be used.
    pub fn try_acquire(
        state_dir: &Path,
        command: &str,
        now: Timestamp,
    ) -> Result<Result<Self, LockHolder>, LockError> {
        let path = state_dir.join(DELIVERY_LOCK);
        match attempt(&path, &Holder::this_process(command, now)) {
            Ok(Attempt::Taken(held)) => Ok(Ok(Self { _held: held })),
            Ok(Attempt::HeldBy(holder)) => Ok(Err(LockHolder(holder))),
            Err(source) => Err(LockError::Io { path, source }),
        }
    }
}

/// Who holds a lock, as far as its file can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockHolder(pub Option<Holder>);

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(holder) => holder.fmt(f),
            None => f.write_str("another headroom"),
        }
    }
}

#[cfg(test)]
mod tests;
