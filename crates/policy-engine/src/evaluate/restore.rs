//! After stage 6: a count that a deploy set back is restored in one step. Exempt from stabilization, limits and guards.
//!
//! What it was before was decided on by all of them, and the fight over a count must not end at the low one.

use super::{Course, Evaluation};
use crate::{Memory, Reason, Replicas, Step, StepSink};

pub(super) fn run(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    let Some(restore) = memory.resets.restore(at.now) else {
        return;
    };
    let (wanted, raised, by) = (course.wanted, restore.from.min(Replicas::LIMIT), restore.by);
    if wanted >= raised {
        return;
    }
    if restore.after.is_zero() {
        steps.record(|| Step::Restored { wanted, raised, by });
        course.wanted = raised;
        course.reason = Reason::Restored;
    } else {
        steps.record(|| Step::RestoreDelayed {
            wanted,
            count: raised,
            by,
            after: restore.after,
        });
        course.hold_to(wanted, Reason::Contested);
    }
}

#[cfg(test)]
mod tests;
