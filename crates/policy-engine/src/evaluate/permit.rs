//! Stage 9: holds that forbid writing. Only here may the result lie outside the bounds. What would have been decided
//! stays in the steps, and the memory has learned by now (I42).

use super::{Course, Evaluation};
use crate::{CountOrigin, Hold, Memory, Reason, Replicas, Step, StepSink};

pub(super) fn run(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    if !paused(course, at, steps) && is_off(at, memory) {
        off(course, steps);
    }
}

/// Keeps the count where a person paused the workload; whether one did.
pub(super) fn paused(course: &mut Course, at: Evaluation<'_>, steps: &mut impl StepSink) -> bool {
    let paused = at.workload.holds.iter().find(|hold| match hold {
        Hold::Paused { until } => until.is_none_or(|until| at.now < until),
        Hold::FailingToStart { .. } | Hold::ScaleDownHeld { .. } => false,
    });
    if let Some(hold) = paused {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::Forbidden {
            wanted,
            kept,
            hold: Some(hold.clone()),
            ends_after: hold.ends_after(at.now),
        });
        course.wanted = kept;
        course.reason = Reason::Paused;
    }
    paused.is_some()
}

/// Keeps the count that somebody set.
pub(super) fn off(course: &mut Course, steps: &mut impl StepSink) {
    let (wanted, kept) = (course.wanted, course.current);
    steps.record(|| Step::Forbidden {
        wanted,
        kept,
        hold: None,
        ends_after: None,
    });
    course.wanted = kept;
    course.reason = Reason::Off;
}

/// Whether a person set the count to zero. It is headroom's own where memory or the target says that headroom wrote it,
/// or where nothing is known and the policy has a zero (design: zero).
fn is_off(at: Evaluation<'_>, memory: &Memory) -> bool {
    if at.workload.current > Replicas::ZERO {
        return false;
    }
    let remembered = memory.last_written();
    let wrote_it = remembered == Some(Replicas::ZERO) && !memory.overruled;
    match at.workload.origin {
        CountOrigin::NeverStarted | CountOrigin::WrittenByHeadroom => false,
        CountOrigin::WrittenByOthers => !wrote_it,
        CountOrigin::Read => !wrote_it && (remembered.is_some() || at.policy.zero.is_none()),
    }
}
