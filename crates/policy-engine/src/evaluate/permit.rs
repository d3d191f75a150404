//! Stage 9: holds that forbid writing. Only here may the result lie outside the bounds. What would have been decided
//! stays in the steps, and the memory has learned by now (I42).

use super::Course;
use crate::{
    CountOrigin, Hold, Memory, Reason, ReplicaBounds, Replicas, Step, StepSink, Timestamp, Workload,
};

pub(super) fn run(
    course: &mut Course,
    bounds: ReplicaBounds,
    workload: &Workload,
    memory: &Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    let paused = workload.holds.iter().find(|hold| match hold {
        Hold::Paused { until } => until.is_none_or(|until| now < until),
        Hold::FailingToStart { .. } => false,
    });
    let reason = match paused {
        Some(_) => Reason::Paused,
        None if is_off(bounds, workload, memory) => Reason::Off,
        None => return,
    };
    let (wanted, kept) = (course.wanted, course.current);
    steps.record(|| Step::Forbidden {
        wanted,
        kept,
        hold: paused.cloned(),
    });
    course.wanted = kept;
    course.reason = reason;
}

/// A zero that headroom did not write is a person's, unless nothing was ever written and the policy allows zero
/// (design: zero).
fn is_off(bounds: ReplicaBounds, workload: &Workload, memory: &Memory) -> bool {
    workload.current == Replicas::ZERO
        && workload.origin == CountOrigin::Read
        && match memory.last_written() {
            Some(written) => written != Replicas::ZERO || memory.overruled,
            None => bounds.min() > Replicas::ZERO,
        }
}
