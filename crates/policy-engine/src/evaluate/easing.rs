//! What a stabilization window allows later, as its recommendations grow older and leave it.

use std::time::Duration;

use crate::{Direction, Easing, Replicas};

/// At most so many levels are told. Of more, those before the last are left out: what is told comes late, never early.
const MAX_LEVELS: usize = 8;

/// The levels between `kept` and `wanted`, soonest first. Takes the recommendations that count, newest first, each with the
/// time after which it no longer does.
pub(super) fn levels(
    newest_first: impl Iterator<Item = (Replicas, Duration)>,
    direction: Direction,
    kept: Replicas,
    wanted: Replicas,
) -> Vec<Easing> {
    let holds_back = |one: Replicas, other: Replicas| match direction {
        Direction::Up => one < other,
        Direction::Down => one > other,
    };
    let mut levels = Vec::new();
    let mut left = wanted;
    for (recommended, after) in newest_first {
        if !holds_back(kept, left) {
            break;
        }
        if holds_back(recommended, left) {
            levels.push(Easing {
                after,
                replicas: left,
            });
            left = recommended;
        }
    }
    levels.reverse();
    if levels.len() > MAX_LEVELS {
        levels.drain(MAX_LEVELS - 1..levels.len() - 1);
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recommendations with the seconds after which they leave, newest first; levels as seconds and counts.
    #[track_caller]
    fn check(log: &[(u32, u64)], direction: Direction, kept: u32, wanted: u32, expected: &[(u64, u32)]) {
        let log = log
            .iter()
            .map(|&(count, after)| (Replicas::new(count), Duration::from_secs(after)));
        let levels = levels(log, direction, Replicas::new(kept), Replicas::new(wanted));
        let levels: Vec<_> = levels
            .iter()
            .map(|level| (level.after.as_secs(), level.replicas.get()))
            .collect();
        assert_eq!(levels, expected);
    }

    #[test]
    fn a_fall_goes_to_the_highest_of_what_is_left() {
        let log = [(2, 300), (3, 200), (7, 150), (5, 100), (9, 50)];
        check(&log, Direction::Down, 9, 2, &[(50, 7), (150, 3), (200, 2)]);
        check(&log, Direction::Down, 7, 2, &[(150, 3), (200, 2)]);
    }

    #[test]
    fn a_rise_goes_to_the_lowest_of_what_is_left() {
        let log = [(9, 60), (6, 45), (8, 30), (4, 15)];
        check(&log, Direction::Up, 4, 9, &[(15, 6), (45, 9)]);
    }

    #[test]
    fn of_many_levels_the_next_ones_and_the_last_are_told() {
        let log: Vec<(u32, u64)> = (1..=20).map(|step| (step, 100 - u64::from(step))).collect();
        let told = levels(
            log.iter()
                .map(|&(count, after)| (Replicas::new(count), Duration::from_secs(after))),
            Direction::Down,
            Replicas::new(20),
            Replicas::new(1),
        );
        assert_eq!(told.len(), MAX_LEVELS);
        let ends = [told[0], told[MAX_LEVELS - 1]].map(|level| level.replicas.get());
        assert_eq!(ends, [19, 1]);
    }
}
