//! Stage 5: how much may change per period.
//!
//! A limit holds for every window of its length, also for those that are not aligned with anything (I22): what was
//! added within the last period is taken off what may be added now. Percents are of the count at the period's
//! start and round up to at least one replica, so that a range can always be crossed (I23). The HPA's own sums, which
//! let changes of the other direction give room back, differ (`hpa-semantics` §10.3).

use super::Course;
use crate::{
    ChangeAmount, ChangeLimit, ChangeLimits, Direction, LimitSelection, Memory, Reason, Replicas, Step,
    StepSink, Timestamp, WorkloadPolicy,
};

pub(super) fn run(
    course: &mut Course,
    policy: &WorkloadPolicy,
    memory: &Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    let wanted = course.wanted;
    let (direction, limits) = if course.rises() {
        (Direction::Up, &policy.scale_up.limits)
    } else if course.falls() {
        (Direction::Down, &policy.scale_down.limits)
    } else {
        return;
    };
    let Some((room, limit)) = room(limits, direction, course.current, memory, now) else {
        return;
    };
    let allowed = match direction {
        Direction::Up => wanted.min(Replicas::new(course.current.get().saturating_add(room))),
        Direction::Down => wanted.max(Replicas::new(course.current.get().saturating_sub(room))),
    };
    if allowed != wanted {
        steps.record(|| Step::Limited {
            wanted,
            allowed,
            limit,
        });
        course.hold_to(allowed, Reason::ChangeLimited);
    }
}

/// How many replicas the limits leave to change, and the limit that decides; `None` without limits.
pub(super) fn room(
    limits: &ChangeLimits,
    direction: Direction,
    current: Replicas,
    memory: &Memory,
    now: Timestamp,
) -> Option<(u32, Option<ChangeLimit>)> {
    let each = limits
        .limits
        .iter()
        .map(|&limit| (left_of(limit, direction, current, memory, now), Some(limit)));
    match limits.select {
        LimitSelection::Disabled => Some((0, None)),
        LimitSelection::Max => each.max_by_key(|&(room, _)| room),
        LimitSelection::Min => each.min_by_key(|&(room, _)| room),
    }
}

fn left_of(
    limit: ChangeLimit,
    direction: Direction,
    current: Replicas,
    memory: &Memory,
    now: Timestamp,
) -> u32 {
    let mut ups = memory.increases.each_within(limit.period(), now).peekable();
    let mut downs = memory.decreases.each_within(limit.period(), now).peekable();
    let (mut count, mut used) = (i64::from(current.get()), 0_u32);
    let mut left = allowance(limit, count);
    // Walks back from now: a window begins right after each change, and at the start of the period.
    loop {
        let is_up = match (ups.peek(), downs.peek()) {
            (None, None) => return left,
            (Some(up), Some(down)) => up.0 >= down.0,
            (up, _) => up.is_some(),
        };
        let (_, amount) = if is_up { ups.next() } else { downs.next() }.unwrap_or((now, 0));
        let change = i64::from(amount);
        count = count.saturating_add(if is_up { -change } else { change });
        if is_up == (direction == Direction::Up) {
            used = used.saturating_add(amount);
        }
        left = left.min(allowance(limit, count).saturating_sub(used));
    }
}

/// How much `limit` allows in a window that begins with `count` replicas.
fn allowance(limit: ChangeLimit, count: i64) -> u32 {
    match limit.amount() {
        ChangeAmount::Replicas(replicas) => replicas,
        ChangeAmount::Percent(percent) => {
            let count = u64::try_from(count).unwrap_or(0);
            let part = count.saturating_mul(u64::from(percent)).div_ceil(100).max(1);
            u32::try_from(part).unwrap_or(u32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Decision, Outcome};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_millis(second * 1000)
    }

    fn wrote(memory: &mut Memory, from: u32, to: u32, second: i64) {
        let decision = Decision::Scale {
            from: Replicas::new(from),
            to: Replicas::new(to),
            reason: Reason::AboveTarget,
        };
        memory.record_outcome(&decision, Outcome::Written, at(second));
    }

    fn limits(select: LimitSelection, amounts: &[ChangeAmount]) -> ChangeLimits {
        let limit = |&amount| ChangeLimit::new(amount, Duration::from_secs(60)).unwrap();
        ChangeLimits {
            select,
            limits: amounts.iter().map(limit).collect(),
        }
    }

    #[track_caller]
    fn check(
        memory: &Memory,
        limits: &ChangeLimits,
        direction: Direction,
        current: u32,
        second: i64,
        room_left: u32,
    ) {
        let got = room(limits, direction, Replicas::new(current), memory, at(second)).map(|(room, _)| room);
        assert_eq!(got, Some(room_left));
    }

    #[test]
    fn percents_are_of_the_count_at_the_start_of_the_period() {
        let mut memory = Memory::default();
        let half = limits(LimitSelection::Max, &[ChangeAmount::Percent(50)]);
        check(&memory, &half, Direction::Up, 10, 0, 5);
        wrote(&mut memory, 10, 15, 0);
        check(&memory, &half, Direction::Up, 15, 59, 0);
        check(&memory, &half, Direction::Up, 15, 60, 8);
    }

    #[test]
    fn a_percent_rounds_up_to_at_least_one() {
        let memory = Memory::default();
        let one = limits(LimitSelection::Max, &[ChangeAmount::Percent(1)]);
        check(&memory, &one, Direction::Down, 3, 0, 1);
        check(&memory, &one, Direction::Up, 0, 0, 1);
    }

    #[test]
    fn a_fall_gives_no_room_back_for_a_rise() {
        let mut memory = Memory::default();
        let four = limits(LimitSelection::Max, &[ChangeAmount::Replicas(4)]);
        wrote(&mut memory, 10, 14, 0);
        wrote(&mut memory, 14, 10, 5);
        check(&memory, &four, Direction::Up, 10, 10, 0);
    }

    #[test]
    fn of_several_limits_the_selected_one_counts() {
        let memory = Memory::default();
        let amounts = [ChangeAmount::Replicas(4), ChangeAmount::Percent(100)];
        check(
            &memory,
            &limits(LimitSelection::Max, &amounts),
            Direction::Up,
            10,
            0,
            10,
        );
        check(
            &memory,
            &limits(LimitSelection::Min, &amounts),
            Direction::Up,
            10,
            0,
            4,
        );
        check(
            &memory,
            &limits(LimitSelection::Disabled, &amounts),
            Direction::Up,
            10,
            0,
            0,
        );
        assert_eq!(
            room(
                &limits(LimitSelection::Max, &[]),
                Direction::Up,
                Replicas::new(10),
                &memory,
                at(0)
            ),
            None
        );
    }
}
