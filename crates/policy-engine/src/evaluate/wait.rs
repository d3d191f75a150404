//! Stage 6: holds that wait for something to be better, each for one direction.

use std::time::Duration;

use super::{Course, Evaluation, limit};
use crate::{
    Direction, Hold, Memory, Readiness, Reason, Replicas, Step, StepSink, Timestamp, Workload, WorkloadPolicy,
};

/// A replica that has been starting for so many times its usual time is stuck (design: guards' numbers).
const STUCK_AFTER: u32 = 3;

pub(super) fn run(
    course: &mut Course,
    policy: &WorkloadPolicy,
    workload: &Workload,
    memory: &Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    if course.rises() {
        not_ready(course, policy, workload.readiness, memory, now, steps);
        failing_to_start(course, &workload.holds, steps);
    }
    if course.falls() {
        scale_down_held(course, &workload.holds, now, steps);
        flapping(course, policy, memory, now, steps);
        clock_went_back(course, memory, steps);
    }
}

/// What holds under any semantics: what a person asked for, and a clock that went back.
pub(super) fn asked_for(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    if course.falls() {
        scale_down_held(course, &at.workload.holds, at.now, steps);
        clock_went_back(course, memory, steps);
    }
}

/// New replicas do not become ready: grow no further than the change limits allow from the ready ones.
fn not_ready(
    course: &mut Course,
    policy: &WorkloadPolicy,
    readiness: Readiness,
    memory: &Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    let Readiness::Known {
        ready,
        longest_unready: Some(starting_for),
    } = readiness
    else {
        return;
    };
    if starting_for <= policy.guards.startup.saturating_mul(STUCK_AFTER) {
        return;
    }
    let room =
        limit::room(&policy.scale_up.limits, Direction::Up, ready, memory, now).map_or(1, |(room, _)| room);
    let cap = Replicas::new(ready.get().saturating_add(room)).max(course.current);
    let wanted = course.wanted;
    if wanted > cap {
        steps.record(|| Step::HeldNotReady {
            wanted,
            kept: cap,
            ready,
            starting_for,
        });
        course.hold_to(cap, Reason::NotReady);
    }
}

fn failing_to_start(course: &mut Course, holds: &[Hold], steps: &mut impl StepSink) {
    let failing = holds.iter().find_map(|hold| match hold {
        Hold::FailingToStart { failing } => Some(*failing),
        Hold::Paused { .. } | Hold::ScaleDownHeld { .. } => None,
    });
    if let Some(failing) = failing
        && course.rises()
    {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::HeldFailing {
            wanted,
            kept,
            failing,
        });
        course.hold_to(kept, Reason::FailingToStart);
    }
}

/// Somebody asked that the count does not fall.
fn scale_down_held(course: &mut Course, holds: &[Hold], now: Timestamp, steps: &mut impl StepSink) {
    let held = holds.iter().find_map(|hold| match hold {
        Hold::ScaleDownHeld { by, until } => until.is_none_or(|until| now < until).then_some((by, hold)),
        Hold::Paused { .. } | Hold::FailingToStart { .. } => None,
    });
    if let Some((by, hold)) = held {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::HeldScaleDown {
            wanted,
            kept,
            by: by.clone(),
            ends_after: hold.ends_after(now),
        });
        course.hold_to(kept, Reason::ScaleDownHeld);
    }
}

/// The count turned around too often within an hour.
fn flapping(
    course: &mut Course,
    policy: &WorkloadPolicy,
    memory: &Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    let (reversals, allowed) = (memory.reversals_within_an_hour(now), policy.guards.max_reversals);
    if reversals > allowed && course.falls() {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::HeldFlapping {
            wanted,
            kept,
            reversals,
            allowed,
            ends_after: memory.fewer_reversals_after(allowed, now),
        });
        course.hold_to(kept, Reason::Flapping);
    }
}

/// The clock went back: what is recent is not certain in this pass (I15).
fn clock_went_back(course: &mut Course, memory: &Memory, steps: &mut impl StepSink) {
    if let Some(back) = memory.clock_back.filter(|back| *back > Duration::ZERO)
        && course.falls()
    {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::HeldClock { wanted, kept, back });
        course.hold_to(kept, Reason::ClockWentBack);
    }
}

#[cfg(test)]
mod tests;
