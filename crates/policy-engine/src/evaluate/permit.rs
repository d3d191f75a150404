//! Stage 9: holds that forbid writing. Only here may the result lie outside the bounds. What would have been decided
//! stays in the steps, and the memory has learned by now (I42).

use super::{Course, Evaluation};
use crate::{CountOrigin, Held, Hold, Memory, Reason, Replicas, Step, StepSink};

pub(super) fn run(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    if !forbidden(course, at, steps) && is_off(at, memory) {
        off(course, steps);
    }
}

/// Keeps the count where a hold forbids writing; whether one does.
pub(super) fn forbidden(course: &mut Course, at: Evaluation<'_>, steps: &mut impl StepSink) -> bool {
    let hold = Hold::longest(&at.workload.holds, Held::Writing, at.now);
    if let Some(hold) = hold {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::Forbidden {
            wanted,
            kept,
            hold: Some(hold.clone()),
            ends_after: hold.ends_after(at.now),
        });
        course.wanted = kept;
        course.reason = hold.reason();
    }
    hold.is_some()
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

/// Whether a person set the count to zero. A deploy that did is no person: its zero is undone. The zero is headroom's own
/// where memory or the target says that headroom wrote it, or where nothing is known and the policy has a zero (design:
/// zero).
fn is_off(at: Evaluation<'_>, memory: &Memory) -> bool {
    if at.workload.current > Replicas::ZERO || memory.resets.is_open() {
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
