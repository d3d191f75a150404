//! Since when there has been no load, for counts of zero.

use std::time::Duration;

use crate::Timestamp;

/// A time in which every metric was known and zero.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct IdleTime {
    since: Timestamp,
    /// The newest evaluation of it.
    seen: Timestamp,
}

impl IdleTime {
    /// `before` with one more evaluation without load. What lies farther back than `reach` is not known to have been
    /// without, so time starts anew after a gap (I16).
    pub(crate) fn seen(before: Option<Self>, now: Timestamp, reach: Duration) -> Self {
        match before {
            Some(idle) if now.since(idle.seen) <= reach => Self { seen: now, ..idle },
            Some(_) | None => Self {
                since: now,
                seen: now,
            },
        }
    }

    /// For how long.
    pub(crate) fn lasts(self) -> Duration {
        self.seen.since(self.since)
    }

    pub(crate) fn shifted_back(self, by: Duration) -> Self {
        Self {
            since: self.since.minus(by),
            seen: self.seen.minus(by),
        }
    }
}
