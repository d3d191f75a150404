//! Stage 8: the bounds. They act at once, whatever the stages before them held (I2).

use super::Course;
use crate::{Reason, ReplicaBounds, Step, StepSink};

pub(super) fn run(course: &mut Course, bounds: ReplicaBounds, steps: &mut impl StepSink) {
    let wanted = course.wanted;
    let bounded = bounds.clamp(wanted);
    if bounded == wanted {
        return;
    }
    steps.record(|| Step::Bounded {
        wanted,
        bounded,
        bounds,
    });
    let (current, too_much) = (course.current, wanted > bounded);
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
