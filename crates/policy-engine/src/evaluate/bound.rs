//! Stage 8: the bounds. They act at once, whatever the stages before them held (I2).

use super::{Course, Evaluation};
use crate::{Reason, ReplicaBounds, Step, StepSink};

/// Moves the count into `bounds`, which are those of `at` as the semantics have them.
pub(super) fn run(course: &mut Course, at: Evaluation<'_>, bounds: ReplicaBounds, steps: &mut impl StepSink) {
    let wanted = course.wanted;
    let bounded = bounds.clamp(wanted);
    if bounded == wanted {
        return;
    }
    let (current, too_much) = (course.current, wanted > bounded);
    steps.record(|| {
        let active = &at.workload.bounds;
        let by = if too_much {
            active.maximum_by(at.policy.bounds)
        } else {
            active.minimum_by()
        };
        Step::Bounded {
            wanted,
            bounded,
            bounds,
            by: by.cloned(),
        }
    });
    course.wanted = bounded;
    course.reason = if bounded == current {
        if too_much {
            Reason::AtMaximum
        } else {
            Reason::AtMinimum
        }
    } else if bounds.contains(current) {
        // The way is the metrics'; only its end is the bounds'.
        course.reason
    } else {
        Reason::OutOfBounds
    };
}

#[cfg(test)]
mod tests;
