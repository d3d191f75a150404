//! One headroom at a time works on the replicas of a workload.
//!
//! A process that is being started holds the lock too until it has become the command: it is a copy of headroom until
//! then, and shares its open files. So a headroom that takes the lock over from one that was killed finds every
//! process that the other started with its mark already on it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::spawn::file_stem;
use crate::{ProcessTarget, TargetError};

/// How long one waits for another headroom. Its work on one target takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// The pause between two attempts.
const INTERVAL: Duration = Duration::from_millis(5);

/// Takes the lock of the target's workload. It is held for as long as the file is open.
pub(super) async fn take(target: &ProcessTarget) -> Result<File, TargetError> {
    let path = target.log_directory.join(format!("{}.lock", file_stem(target)));
    let failed = |source| TargetError::Io {
        what: format!("cannot lock {}", path.display()),
        source,
    };
    let open = || -> io::Result<File> {
        fs::create_dir_all(&target.log_directory)?;
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
    };
    let file = open().map_err(failed)?;
    let end = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                return Err(TargetError::Busy { after: PATIENCE });
            }
            Err(TryLockError::WouldBlock) => sleep(INTERVAL).await,
        }
    }
}
