//! Pauses: workloads a person has stopped headroom from writing to.

use headroom_policy_engine::{Hold, Timestamp, WorkloadId};

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
