//! Stage 6: holds that wait for something to be better, each for one direction.

use std::{cmp::Ordering, time::Duration};

use super::{Course, Evaluation, limit};
use crate::{Direction, Held, Hold, Memory, Reason, Replicas, Step, StepSink};

pub(super) fn run(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    if course.rises() {
        not_ready(course, at, memory, steps);
    }
    let fight = memory.resets.fight(at.now);
    held(course, at, at.workload.holds.iter().chain(&fight), steps);
    if course.falls() {
        flapping(course, at, memory, steps);
    }
    if course.falls() {
        clock_went_back(course, memory, steps);
    }
}

/// What holds under the HPA's semantics too: what people asked for, and a clock that went back.
pub(super) fn as_hpa(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    let holds = at.workload.holds.iter().filter(|hold| hold.holds_the_hpa());
    held(course, at, holds, steps);
    if course.falls() {
        clock_went_back(course, memory, steps);
    }
}

/// Keeps the count where one of `holds` is of the direction it would move in.
fn held<'a>(
    course: &mut Course,
    at: Evaluation<'_>,
    holds: impl Iterator<Item = &'a Hold>,
    steps: &mut impl StepSink,
) {
    let direction = match course.wanted.cmp(&course.current) {
        Ordering::Greater => Held::Up,
        Ordering::Less => Held::Down,
        Ordering::Equal => return,
    };
    let Some(hold) = Hold::longest(holds, direction, at.now) else {
        return;
    };
    let (wanted, kept) = (course.wanted, course.current);
    steps.record(|| Step::Held {
        wanted,
        kept,
        hold: hold.clone(),
        ends_after: hold.ends_after(at.now),
    });
    course.hold_to(kept, hold.reason());
}

/// New replicas do not become ready: grow no further than the change limits allow from the ready ones.
fn not_ready(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    let Some((ready, starting_for)) = at.policy.guards.stuck(at.workload.readiness) else {
        return;
    };
    let limits = &at.policy.scale_up.limits;
    let room = limit::room(limits, Direction::Up, ready, memory, at.now).map_or(1, |(room, _)| room);
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

/// The count turned around too often within an hour.
fn flapping(course: &mut Course, at: Evaluation<'_>, memory: &Memory, steps: &mut impl StepSink) {
    let allowed = at.policy.guards.max_reversals;
    if let Some(reversals) = memory.reversals_above(allowed, at.now) {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::HeldFlapping {
            wanted,
            kept,
            reversals,
            allowed,
            ends_after: memory.fewer_reversals_after(allowed, at.now),
        });
        course.hold_to(kept, Reason::Flapping);
    }
}

/// The clock went back: what is recent is not certain in this pass (I15).
fn clock_went_back(course: &mut Course, memory: &Memory, steps: &mut impl StepSink) {
    if let Some(back) = memory.clock_back.filter(|back| *back > Duration::ZERO) {
        let (wanted, kept) = (course.wanted, course.current);
        steps.record(|| Step::HeldClock { wanted, kept, back });
        course.hold_to(kept, Reason::ClockWentBack);
    }
}

#[cfg(test)]
mod tests;
