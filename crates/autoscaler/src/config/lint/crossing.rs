//! How long change limits make the way between the bounds: the sums of the engine's stage of limits, for a count that
//! goes one way and as fast as it may.

use std::time::Duration;

use headroom_policy_engine::{
    ChangeAmount, ChangeLimit, ChangeLimits, Direction, LimitSelection, ReplicaBounds,
};

/// The longest time that the way between the bounds should take.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// How far a count comes that goes from one bound to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crossing {
    /// All the way, after this long.
    Within(Duration),
    /// In an hour only to this count.
    NotInAnHour(u64),
}

/// One limit and what of it is used.
struct Window {
    limit: ChangeLimit,
    /// The sum of the changes within the last period.
    used: u64,
    /// The first change within the last period.
    oldest: usize,
}

impl Window {
    /// When the next change leaves the period.
    fn next(&self, changes: &[(Duration, u64)]) -> Option<Duration> {
        let (at, _) = changes.get(self.oldest)?;
        Some(at.saturating_add(self.limit.period()))
    }

    /// Forgets the changes that are a period old.
    fn forget(&mut self, changes: &[(Duration, u64)], now: Duration) {
        while self.next(changes).is_some_and(|leaves| leaves <= now) {
            self.used -= changes.get(self.oldest).map_or(0, |(_, amount)| *amount);
            self.oldest += 1;
        }
    }

    /// How much may change now: a percent is of the count at the start of the period, and at least one.
    fn room(&self, count: u64, direction: Direction) -> u64 {
        let allowed = match self.limit.amount() {
            ChangeAmount::Replicas(replicas) => u64::from(replicas),
            ChangeAmount::Percent(percent) => {
                let at_start = match direction {
                    Direction::Up => count.saturating_sub(self.used),
                    Direction::Down => count.saturating_add(self.used),
                };
                at_start.saturating_mul(u64::from(percent)).div_ceil(100).max(1)
            }
        };
        allowed.saturating_sub(self.used)
    }
}

/// How far `limits` let a count come; `None` where nothing limits it, or the direction is switched off.
pub(super) fn crossing(
    bounds: ReplicaBounds,
    direction: Direction,
    limits: &ChangeLimits,
) -> Option<Crossing> {
    let (min, max) = (u64::from(bounds.min().get()), u64::from(bounds.max().get()));
    let (mut count, end) = match direction {
        Direction::Up => (min, max),
        Direction::Down => (max, min),
    };
    let window = |limit: &ChangeLimit| Window {
        limit: *limit,
        used: 0,
        oldest: 0,
    };
    let mut windows: Vec<Window> = limits.limits.iter().map(window).collect();
    let mut changes: Vec<(Duration, u64)> = Vec::new();
    let mut now = Duration::ZERO;
    loop {
        for window in &mut windows {
            window.forget(&changes, now);
        }
        let rooms = windows.iter().map(|window| window.room(count, direction));
        let room = match limits.select {
            LimitSelection::Max => rooms.max(),
            LimitSelection::Min => rooms.min(),
            LimitSelection::Disabled => None,
        }?;
        let change = room.min(count.abs_diff(end));
        if change > 0 {
            count = match direction {
                Direction::Up => count + change,
                Direction::Down => count - change,
            };
            changes.push((now, change));
            for window in &mut windows {
                window.used += change;
            }
        }
        if count == end {
            return Some(Crossing::Within(now));
        }
        now = windows.iter().filter_map(|window| window.next(&changes)).min()?;
        if now > AN_HOUR {
            return Some(Crossing::NotInAnHour(count));
        }
    }
}

#[cfg(test)]
mod tests {
    use headroom_policy_engine::Replicas;

    use super::*;

    const MAX: LimitSelection = LimitSelection::Max;
    const MIN: LimitSelection = LimitSelection::Min;

    fn of(
        bounds: (u32, u32),
        direction: Direction,
        select: LimitSelection,
        limits: &[&str],
    ) -> Option<Crossing> {
        let (min, max) = (Replicas::new(bounds.0), Replicas::new(bounds.1));
        let bounds = ReplicaBounds::new(min, max).or_else(|_| ReplicaBounds::from_zero(max));
        let bounds = bounds.unwrap();
        let limits = limits
            .iter()
            .map(|text| crate::config::words::change(text).unwrap());
        let limits = ChangeLimits {
            select,
            limits: limits.collect(),
        };
        crossing(bounds, direction, &limits)
    }

    #[track_caller]
    fn takes(
        bounds: (u32, u32),
        direction: Direction,
        select: LimitSelection,
        limits: &[&str],
        seconds: u64,
    ) {
        let within = Crossing::Within(Duration::from_secs(seconds));
        assert_eq!(of(bounds, direction, select, limits), Some(within));
    }

    #[test]
    fn each_step_but_the_first_waits_for_a_period() {
        takes((2, 10), Direction::Up, MAX, &["1 per 5m"], 7 * 300);
        takes((2, 13), Direction::Down, MAX, &["4 per 1m"], 2 * 60);
        takes((2, 14), Direction::Up, MAX, &["1 per 5m"], 11 * 300);
        takes((4, 4), Direction::Up, MAX, &["1 per 5m"], 0);
    }

    #[test]
    fn an_hour_and_no_more_is_an_hour() {
        takes((1, 14), Direction::Up, MAX, &["1 per 5m"], 3600);
        let farther = of((1, 15), Direction::Up, MAX, &["1 per 5m"]);
        assert_eq!(farther, Some(Crossing::NotInAnHour(14)));
    }

    #[test]
    fn percents_are_of_the_count_at_the_start_of_the_period_and_at_least_one() {
        takes((2, 40), Direction::Up, MAX, &["100% per 1m"], 4 * 60);
        takes((2, 40), Direction::Down, MAX, &["50% per 1m"], 3 * 60);
        takes((1, 4), Direction::Up, MAX, &["1% per 1m"], 2 * 60);
        takes((0, 4), Direction::Up, MAX, &["100% per 1m"], 2 * 60);
        takes((1, 1000), Direction::Down, MAX, &["100% per 30m"], 0);
        takes(
            (5, 10),
            Direction::Down,
            MIN,
            &["1 per 1m", "50% per 10m"],
            4 * 60,
        );
    }

    #[test]
    fn limits_work_together_at_every_step() {
        // By fives up to 50, by tenths from there.
        let (fives, tenths) = ("5 per 5m", "10% per 5m");
        takes((10, 50), Direction::Up, MAX, &[fives, tenths], 7 * 300);
        takes((50, 67), Direction::Up, MAX, &[fives, tenths], 2 * 300);
        takes((10, 67), Direction::Up, MAX, &[fives, tenths], 10 * 300);
        // What both allow: the long period stops what the short one lets through.
        takes((1, 7), Direction::Up, MIN, &["1 per 1m", "3 per 10m"], 12 * 60);
        takes((1, 7), Direction::Up, MAX, &["1 per 1m", "3 per 10m"], 3 * 60);
    }

    #[test]
    fn what_nothing_limits_or_switches_off_takes_no_time() {
        assert_eq!(of((2, 40), Direction::Up, MAX, &[]), None);
        let disabled = of((2, 40), Direction::Up, LimitSelection::Disabled, &["1 per 5m"]);
        assert_eq!(disabled, None);
    }
}
