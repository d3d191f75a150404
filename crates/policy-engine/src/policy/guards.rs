//! What holds or raises a count whatever the load says: the fallback, the guards, and how often is looked.

use std::time::Duration;

use super::PolicyError;
use crate::{Readiness, Replicas};

/// A replica that has been starting for longer than so many times its usual time is stuck (design: guards' numbers).
const STUCK_AFTER: u32 = 3;

/// What to do when too little has been known of the load for long. Counted by the clock, not by failures.
///
/// A metric *decides* unless its unknown values are ignored; where all are ignored, all decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// What to do.
    pub action: FallbackAction,
    /// After so long; and for so long the load has to be known again before the count may fall below what the
    /// fallback kept.
    pub after: Duration,
    /// What has to be unknown.
    pub when: FallbackWhen,
}

/// What a fallback does. None lowers the count, and all stay within the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum FallbackAction {
    /// At least so many replicas.
    AtLeast(Replicas),
    /// The count stays.
    Hold,
    /// At least what was recommended when enough was known for the last time.
    LastKnown,
}

/// What has to be unknown before a fallback begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum FallbackWhen {
    /// Every deciding metric.
    #[default]
    All,
    /// Any one deciding metric for all that time.
    Any,
}

/// The numbers of the guards that hold a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// How long a replica takes from its start to being ready. After three times that it counts as stuck.
    pub startup: Duration,
    /// How many reversals of written changes within an hour are allowed before scaling down is held.
    pub max_reversals: u32,
}

impl Guards {
    /// None: no replica counts as stuck, and no count as flapping.
    pub const NONE: Self = Self {
        startup: Duration::MAX,
        max_reversals: u32::MAX,
    };

    /// Where a replica is stuck in starting: how many can serve, and for how long it has been starting. `None` where none
    /// is, or readiness is not known.
    pub(crate) fn stuck(&self, readiness: Readiness) -> Option<(Replicas, Duration)> {
        match readiness {
            Readiness::Known {
                ready,
                longest_unready: Some(starting_for),
            } if starting_for > self.startup.saturating_mul(STUCK_AFTER) => Some((ready, starting_for)),
            Readiness::Known { .. } | Readiness::Unknown => None,
        }
    }
}

/// How often a workload is evaluated: above zero, at most 10 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvaluationInterval(Duration);

impl EvaluationInterval {
    /// The longest interval, 10 minutes: beyond it a window could not be covered.
    pub const LONGEST: Duration = Duration::from_secs(600);

    /// One evaluation every `span`.
    ///
    /// # Errors
    /// When it is zero or above 10 minutes.
    pub fn new(span: Duration) -> Result<Self, PolicyError> {
        if span.is_zero() || span > Self::LONGEST {
            Err(PolicyError::Interval { span })
        } else {
            Ok(Self(span))
        }
    }

    /// The bare span.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}
