//! What time it is, for everything that is not handed the time: the port [`Clock`] and its two clocks.
//!
//! Waiting is not its business: the loop waits on tokio's time, which no wall clock can move.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use headroom_policy_engine::Timestamp;
use tokio::time::Instant;

/// Tells the time of day.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's clock. People and time servers may set it, so it can go back.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let epoch = Timestamp::from_unix_millis(0);
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => epoch.plus(since),
            Err(before) => epoch.minus(before.duration()),
        }
    }
}

/// A clock that starts at a given moment and follows tokio's time, paused time included.
///
/// For what runs on a time of its own: tests of the loop, and load that is played back.
#[derive(Clone, Copy, Debug)]
pub struct FollowingClock {
    start: Timestamp,
    started: Instant,
}

impl FollowingClock {
    /// A clock that now says `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        Self {
            start,
            started: Instant::now(),
        }
    }

    /// How long the clock has been running.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Clock for FollowingClock {
    fn now(&self) -> Timestamp {
        self.start.plus(self.started.elapsed())
    }
}
