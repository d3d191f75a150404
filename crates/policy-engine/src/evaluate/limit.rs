//! Stage 5: how much may change per period.
//!
//! A limit holds for every window of its length, also for those that are not aligned with anything (I22): what was
//! added within the last period is taken off what may be added now. Percents are of the count at the period's
//! start and round up to at least one replica, so that a range can always be crossed (I23). The HPA's own sums, which
//! let changes of the other direction give room back, differ (`hpa-semantics` §10.3).

use std::{iter, time::Duration};

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
            direction,
            limit,
            room_after: room_after(limits, direction, course.current, allowed, memory, now),
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
    let changes = changes(limit.period(), memory, now);
    let windows = windows(limit, direction, current, changes);
    windows.map(|(_, left)| left).min().unwrap_or_default()
}

/// How long it takes until the limits have room for one more, once `allowed` is written now; `None` where waiting does not
/// help.
fn room_after(
    limits: &ChangeLimits,
    direction: Direction,
    current: Replicas,
    allowed: Replicas,
    memory: &Memory,
    now: Timestamp,
) -> Option<Duration> {
    let each = limits.limits.iter().map(|&limit| {
        let written = (now, direction, allowed.get().abs_diff(current.get()));
        let changes = iter::once(written).chain(changes(limit.period(), memory, now));
        let mut windows = windows(limit, direction, allowed, changes);
        // A window ends to count when the change it begins with does, so the newest full one lasts longest.
        let full = windows.find(|(_, left)| *left == 0);
        let began_with = full.and_then(|(change, _)| change);
        began_with.map_or(Duration::ZERO, |at| at.plus(limit.period()).since(now))
    });
    match limits.select {
        LimitSelection::Disabled => None,
        LimitSelection::Max => each.min(),
        LimitSelection::Min => each.max(),
    }
}

/// The changes of both directions within the `period` before `now`, newest first.
fn changes(
    period: Duration,
    memory: &Memory,
    now: Timestamp,
) -> impl Iterator<Item = (Timestamp, Direction, u32)> {
    let mut ups = memory.increases.each_within(period, now).peekable();
    let mut downs = memory.decreases.each_within(period, now).peekable();
    iter::from_fn(move || {
        let is_up = match (ups.peek(), downs.peek()) {
            (Some(up), Some(down)) => up.0 >= down.0,
            (up, _) => up.is_some(),
        };
        let (direction, next) = if is_up {
            (Direction::Up, ups.next())
        } else {
            (Direction::Down, downs.next())
        };
        next.map(|(at, amount)| (at, direction, amount))
    })
}

/// What `limit` leaves to change in each window that holds now: the one that begins now, and one that begins right before
/// each of the changes, newest first, with the time of that change.
fn windows(
    limit: ChangeLimit,
    direction: Direction,
    current: Replicas,
    newest_first: impl Iterator<Item = (Timestamp, Direction, u32)>,
) -> impl Iterator<Item = (Option<Timestamp>, u32)> {
    let mut count = i64::from(current.get());
    let mut used = 0_u32;
    let from_now = (None, allowance(limit, count));
    let earlier = newest_first.map(move |(at, changed, amount)| {
        let change = i64::from(amount);
        count = count.saturating_add(match changed {
            Direction::Up => -change,
            Direction::Down => change,
        });
        if changed == direction {
            used = used.saturating_add(amount);
        }
        (Some(at), allowance(limit, count).saturating_sub(used))
    });
    iter::once(from_now).chain(earlier)
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
    use proptest::prelude::*;

    use super::*;
    use crate::{Decision, Outcome, evaluate::world::any_limits};

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

    proptest! {
        #[test]
        fn there_is_room_again_when_it_is_said_to(
            limits in any_limits(),
            changes in proptest::collection::vec((1_i64..40, 50_u32..1_000), 0..12),
            direction in prop_oneof![Just(Direction::Up), Just(Direction::Down)],
        ) {
            let (mut memory, mut second, mut current) = (Memory::default(), 0, 500);
            for (later, to) in changes {
                second += later;
                wrote(&mut memory, current, to, second);
                current = to;
            }
            let left = |memory: &Memory, current: u32, now| {
                room(&limits, direction, Replicas::new(current), memory, now).map(|(room, _)| room)
            };
            let now = at(second + 1);
            let change = left(&memory, current, now).unwrap();
            let allowed = match direction {
                Direction::Up => current + change,
                Direction::Down => current.saturating_sub(change),
            };
            // Nothing is left to remove, so no limit would say anything.
            prop_assume!(allowed > 0);
            let (from, to) = (Replicas::new(current), Replicas::new(allowed));
            let after = room_after(&limits, direction, from, to, &memory, now).unwrap();
            wrote(&mut memory, current, allowed, second + 1);
            prop_assert!(left(&memory, allowed, now.plus(after)) > Some(0));
            let just_before = now.plus(after).minus(Duration::from_millis(1));
            prop_assert!(after.is_zero() || left(&memory, allowed, just_before) == Some(0));
        }
    }
}
