//! Decides what to do about one workload, and records how it got there.

use crate::{Decision, Memory, Observations, Reason, StepSink, Timestamp, Workload, WorkloadPolicy};

/// Decides what to do about one workload, and records how it got there.
pub fn evaluate(
    _policy: &WorkloadPolicy,
    workload: &Workload,
    _seen: &Observations,
    _memory: &mut Memory,
    _now: Timestamp,
    _steps: &mut impl StepSink,
) -> Decision {
    Decision::Hold {
        at: workload.current,
        reason: Reason::OnTarget,
    }
}
