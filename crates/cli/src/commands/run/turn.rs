//! Whether somebody else is making a pass on the same state at this moment.
//!
//! Looks at the lock that every pass holds, and takes nothing: who comes a moment later waits for the lock as usual.

use std::{
    fs::{File, TryLockError},
    io::Read as _,
    path::Path,
    time::Duration,
};

use headroom_autoscaler::Holder;
use headroom_policy_engine::Timestamp;

/// The lock that is held for one pass, in the state directory.
const PASS_LOCK: &str = "pass.lock";

/// Who is making a pass, as far as that can be read.
#[derive(Debug)]
pub(super) struct UnderWay(Option<Holder>);

impl UnderWay {
    /// The pass that is under way on `state_dir`; `None` when there is none, or when it cannot be looked at.
    ///
    /// One that has taken longer than `patience` is stuck, and is left to the lock itself to report.
    pub(super) fn find(state_dir: &Path, patience: Duration, now: Timestamp) -> Option<Self> {
        let mut file = File::open(state_dir.join(PASS_LOCK)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            Ok(()) | Err(TryLockError::Error(_)) => return None,
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        let holder: Option<Holder> = serde_json::from_str(&text).ok();
        let is_stuck = holder
            .as_ref()
            .is_some_and(|holder| now.since(holder.since) > patience);
        (!is_stuck).then_some(Self(holder))
    }
}

impl std::fmt::Display for UnderWay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(holder) => holder.fmt(f),
            None => f.write_str("another headroom"),
        }
    }
}
