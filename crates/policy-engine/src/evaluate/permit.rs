//! Stage 9: holds that forbid writing. Only here may the result lie outside the bounds. What would have been decided
//! stays in the steps, and the memory has learned by now (I42).

use super::{Course, Evaluation};
use crate::{CountOrigin, Hold, Memory, Reason, ReplicaBounds, Replicas, Step, StepSink, Workload};

pub(super) fn run(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    if !paused(course, at, steps) && is_off(at.policy.bounds, at.workload, memory) {
        forbid(course, Reason::Off, None, steps);
    }
}

/// Keeps the count where a person paused the workload; whether one did.
pub(super) fn paused(course: &mut Course, at: Evaluation<'_>, steps: &mut impl StepSink) -> bool {
    let paused = at.workload.holds.iter().find(|hold| match hold {
        Hold::Paused { until } => until.is_none_or(|until| at.now < until),
        Hold::FailingToStart { .. } | Hold::ScaleDownHeld { .. } => false,
    });
    if paused.is_some() {
        forbid(course, Reason::Paused, paused, steps);
    }
    paused.is_some()
}

fn forbid(course: &mut Course, reason: Reason, hold: Option<&Hold>, steps: &mut impl StepSink) {
    let (wanted, kept) = (course.wanted, course.current);
    steps.record(|| Step::Forbidden {
        wanted,
        kept,
        hold: hold.cloned(),
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
