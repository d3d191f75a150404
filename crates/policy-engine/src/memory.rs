//! What is remembered about one workload between evaluations.

/// What is remembered about one workload between evaluations: bounded in size, versioned, and enough to give the
/// same next decision after a restart.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Memory {}

impl Memory {
    /// Remembers what became of `decision`. Only a change that was written counts as a scale event.
    pub fn record_outcome(
        &mut self,
        _decision: &crate::Decision,
        _outcome: crate::Outcome,
        _now: crate::Timestamp,
    ) {
    }
}
