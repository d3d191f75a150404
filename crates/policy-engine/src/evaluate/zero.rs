//! A count of zero, in stage 8: where it is allowed, and what ends it.
//!
//! To zero only after the idle window, in which every metric was known and zero at every evaluation (I40). From zero at
//! once when a metric that starts the workload shows any load, also where that is measured in part: no tolerance, window
//! or limit lies in the way (I41).

use super::{Course, Evaluation, recommend::Proposals};
use crate::{CountOrigin, Memory, Reason, Replicas, ScaleToZero, Step, StepSink, memory::IdleTime};

/// Whether the count may rest at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// It may.
    AtZero,
    /// The bounds act, from one up.
    Above,
}

pub(super) fn run(
    course: &mut Course,
    at: Evaluation<'_>,
    proposals: &Proposals<'_>,
    memory: &mut Memory,
    steps: &mut impl StepSink,
) -> Rest {
    let Some(zero) = &at.policy.zero else {
        memory.idle = None;
        return Rest::Above;
    };
    memory.idle = proposals.loads.are_none().then(|| {
        let reach = memory.recommendations.reach(at.policy.interval.get());
        IdleTime::seen(memory.idle, at.now, reach)
    });
    // A schedule or an override that asks for replicas gets them.
    if course.wanted > Replicas::ZERO || at.workload.bounds.floor.is_some() {
        return Rest::Above;
    }
    if course.current == Replicas::ZERO {
        from_zero(course, at, proposals, steps)
    } else {
        to_zero(course, at, zero, memory.idle, steps)
    }
}

fn from_zero(
    course: &mut Course,
    at: Evaluation<'_>,
    proposals: &Proposals<'_>,
    steps: &mut impl StepSink,
) -> Rest {
    if let Some(metric) = proposals.loads.signal {
        let (wanted, raised) = (course.wanted, at.bounds().above_zero().min());
        steps.record(|| Step::Activated {
            wanted,
            raised,
            metric: metric.clone(),
        });
        course.wanted = raised;
        course.reason = Reason::Activated;
        return Rest::Above;
    }
    match at.workload.origin {
        // Nobody decided on that zero, and nobody has seen that there is no load.
        CountOrigin::NeverStarted => Rest::Above,
        CountOrigin::Read | CountOrigin::WrittenByHeadroom | CountOrigin::WrittenByOthers => Rest::AtZero,
    }
}

fn to_zero(
    course: &mut Course,
    at: Evaluation<'_>,
    zero: &ScaleToZero,
    idle: Option<IdleTime>,
    steps: &mut impl StepSink,
) -> Rest {
    let idle_for = idle.map(IdleTime::lasts);
    if idle_for.is_some_and(|idle_for| idle_for >= zero.idle()) {
        return Rest::AtZero;
    }
    let (wanted, kept) = (course.wanted, at.bounds().above_zero().min());
    steps.record(|| Step::KeptFromZero {
        wanted,
        kept,
        idle_for: idle_for.unwrap_or_default(),
        idle: zero.idle(),
    });
    course.hold_to(kept, Reason::NotIdle);
    Rest::Above
}

#[cfg(test)]
mod tests;
