//! What holds or raises a count whatever the load says: the fallback, the guards, and how often is looked.

use std::time::Duration;

use super::PolicyError;
use crate::Replicas;

/// What to do when no deciding metric is known for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// At least so many replicas, within the bounds.
    pub replicas: Replicas,
    /// After so long without knowledge.
    pub after: Duration,
}

/// The numbers of the guards that hold a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// How long a replica takes from its start to being ready. After three times that it counts as stuck.
    pub startup: Duration,
    /// How many reversals of written changes within an hour are allowed before scaling down is held.
    pub max_reversals: u32,
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
