//! Marks: between them nothing changes, and outside the count is moved until the value meets the nearer one
//! (`decision-quality` §4.10; Datadog's WatermarkPodAutoscaler).

use super::target::{WHOLE, round_up, to_replicas};
use crate::{Compared, Replicas, Watermarks};

/// The count nearest to `current` at which the value lies between the marks.
///
/// Those are the counts from ⌈load / high⌉ to ⌊load / low⌋. Where the marks lie so near to each other that no count
/// fits between them, the high mark wins: falling to a count that has to rise again would never come to rest (I25).
pub(super) fn between(marks: Watermarks, value: f64, current: Replicas) -> Replicas {
    let load = match marks.compared() {
        Compared::PerReplica => value,
        // From zero a product with nothing means nothing, as with a target (HPA §6.5).
        Compared::Value => value * f64::from(current.get().max(1)),
    };
    let fewest = round_up(load / marks.high().get());
    let most = round_down(load / marks.low().get()).max(fewest);
    current.clamp(fewest, most)
}

/// Rounds down; float noise below a whole number is not load (I6).
fn round_down(replicas: f64) -> Replicas {
    let whole = replicas.round();
    if (replicas - whole).abs() <= WHOLE * whole.max(1.0) {
        to_replicas(whole)
    } else {
        to_replicas(replicas.floor())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Target;

    fn marks(compared: Compared, low: f64, high: f64) -> Watermarks {
        let mark = |mark| Target::new(mark).unwrap();
        Watermarks::new(compared, mark(low), mark(high)).unwrap()
    }

    #[track_caller]
    fn check(marks: Watermarks, current: u32, value: f64, expected: u32) {
        let got = between(marks, value, Replicas::new(current));
        assert_eq!(got, Replicas::new(expected), "{current} replicas at {value}");
    }

    #[test]
    fn between_the_marks_nothing_changes_both_included() {
        let share = marks(Compared::PerReplica, 50.0, 100.0);
        for value in [500.0, 700.0, 1000.0] {
            check(share, 10, value, 10);
        }
        let itself = marks(Compared::Value, 0.6, 0.8);
        for value in [0.6, 0.7, 0.8] {
            check(itself, 10, value, 10);
        }
    }

    #[test]
    fn above_it_rises_to_the_high_mark_and_below_it_falls_to_the_low_one() {
        let share = marks(Compared::PerReplica, 50.0, 100.0);
        check(share, 10, 1001.0, 11);
        check(share, 10, 1950.0, 20);
        check(share, 10, 499.0, 9);
        check(share, 10, 120.0, 2);
        // CPU between 60 % and 80 %: at 85 % ten become ⌈10.6⌉, at 40 % ⌊6.7⌋.
        let itself = marks(Compared::Value, 0.6, 0.8);
        check(itself, 10, 0.85, 11);
        check(itself, 10, 0.4, 6);
        check(itself, 10, 0.59, 9);
    }

    #[test]
    fn float_noise_at_a_mark_is_not_load() {
        check(marks(Compared::PerReplica, 0.1, 0.3), 3, 0.1 + 0.2, 3);
        check(marks(Compared::PerReplica, 0.1, 5.0), 3, 0.1 + 0.2 - 1e-17, 3);
    }

    #[test]
    fn where_no_count_fits_between_the_marks_the_high_one_wins() {
        // 150 shared by one is above 120, by two below 100: two stay two, and one becomes two.
        let near = marks(Compared::PerReplica, 100.0, 120.0);
        check(near, 1, 150.0, 2);
        check(near, 2, 150.0, 2);
    }

    #[test]
    fn from_zero_what_there_is_is_shared_out() {
        check(marks(Compared::PerReplica, 50.0, 100.0), 0, 250.0, 3);
        check(marks(Compared::PerReplica, 50.0, 100.0), 0, 0.0, 0);
        check(marks(Compared::Value, 50.0, 100.0), 0, 250.0, 3);
        check(marks(Compared::Value, 50.0, 100.0), 0, 0.0, 0);
        check(
            marks(Compared::Value, 1e-300, 1e-299),
            u32::MAX,
            f64::MAX,
            Replicas::LIMIT.get(),
        );
    }

    proptest! {
        #[test]
        fn i25_a_steady_load_comes_to_rest_at_once_and_under_the_high_mark(
            low in 1.0..500.0_f64,
            times in 1.001..5.0_f64,
            load in 0.0..100_000.0_f64,
            current in 1_u32..2000,
        ) {
            let marks = marks(Compared::PerReplica, low, low * times);
            let settled = between(marks, load, Replicas::new(current));
            prop_assert_eq!(between(marks, load, settled), settled);
            let share = load / f64::from(settled.get().max(1));
            prop_assert!(share <= marks.high().get() * (1.0 + 1e-9));
        }

        #[test]
        fn i32_more_load_never_means_fewer(
            low in 1.0..500.0_f64,
            times in 1.001..5.0_f64,
            load in 0.0..1000.0_f64,
            more in 0.0..1000.0_f64,
            current in 0_u32..50,
            compared in prop_oneof![Just(Compared::PerReplica), Just(Compared::Value)],
        ) {
            let marks = marks(compared, low, low * times);
            let count = |load| between(marks, load, Replicas::new(current));
            prop_assert!(count(load) <= count(load + more));
        }
    }
}
