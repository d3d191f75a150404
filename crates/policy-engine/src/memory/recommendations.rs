//! The log of recommendations, from before any stabilization or limit (I21), in slots of bounded number.

#[cfg(feature = "serde")]
mod packed;

use std::{collections::VecDeque, time::Duration};

#[cfg(feature = "serde")]
pub(super) use packed::Unpacked;

use crate::{Replicas, Timestamp, hpa::Recommended, time::millis};

/// So many recommendations are kept as they are.
const EXACT_SLOTS: usize = 256;
/// Slots for the longest window of those beyond.
const COARSE_SLOTS: u32 = 256;
/// All slots, the one before the longest window, and one that is being filled.
const MAX_SLOTS: usize = 512 + 2;
/// Distances between evaluations that are remembered.
const SPACINGS: usize = 8;
/// The share of a window that must be covered before it is judged by, in percent.
const COVERED_PERCENT: i64 = 80;

/// How far one recommendation reaches (design: max(2 × interval, 2 × the median spacing), at most 15 minutes).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reach;

impl Reach {
    /// The furthest any recommendation reaches.
    pub(crate) const LONGEST: Duration = Duration::from_secs(15 * 60);
}

/// The recommendations of one span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "packed::Packed", into = "packed::Packed")
)]
struct Slot {
    /// The first of them.
    start: Timestamp,
    /// The newest of them: the slot is forgotten by it, so late, never early.
    newest: Timestamp,
    high: Replicas,
    low: Replicas,
    /// The first and newest of those that were made with every metric known.
    complete: Option<(Timestamp, Timestamp)>,
    /// What no recommendation reached between those two.
    gap: Duration,
}

/// Recommendations that count in a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaving {
    pub(crate) low: Replicas,
    pub(crate) high: Replicas,
    /// After so long they no longer count, if passes go on as before.
    pub(crate) after: Duration,
}

/// The log of recommendations.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Recommendations {
    slots: VecDeque<Slot>,
    /// The last distances between evaluations, newest last.
    spacings: VecDeque<Duration>,
}

impl Recommendations {
    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Whether there is a recommendation from before `now`.
    pub(crate) fn reaches_back_from(&self, now: Timestamp) -> bool {
        self.slots.front().is_some_and(|slot| slot.start < now)
    }

    #[cfg(feature = "serde")]
    pub(crate) fn is_sound(&self, last: Option<Timestamp>) -> bool {
        let each = self.slots.iter().all(|slot| {
            let complete = slot.complete.is_none_or(|(first, newest)| {
                slot.start <= first && first <= newest && newest <= slot.newest
            });
            slot.start <= slot.newest && slot.low <= slot.high && complete
        });
        let in_order = self
            .slots
            .iter()
            .zip(self.slots.iter().skip(1))
            .all(|(slot, next)| slot.newest <= next.start);
        let not_later = self.slots.back().is_none_or(|slot| Some(slot.newest) <= last);
        let bounded = self.slots.len() <= MAX_SLOTS && self.spacings.len() <= SPACINGS;
        each && in_order && not_later && bounded
    }

    /// Takes note of the distance between two evaluations.
    pub(crate) fn note_spacing(&mut self, spacing: Duration) {
        if self.spacings.len() == SPACINGS {
            self.spacings.pop_front();
        }
        self.spacings.push_back(spacing);
    }

    /// The median of the last eight distances.
    pub(crate) fn usual_spacing(&self) -> Option<Duration> {
        let mut sorted = [Duration::ZERO; SPACINGS];
        let known = &mut sorted[..self.spacings.len().min(SPACINGS)];
        for (to, from) in known.iter_mut().zip(&self.spacings) {
            *to = *from;
        }
        known.sort_unstable();
        known.get(known.len() / 2).copied()
    }

    /// How far a recommendation reaches, with an evaluation every `interval`.
    pub(crate) fn reach(&self, interval: Duration) -> Duration {
        let spacing = self.usual_spacing().unwrap_or_default().max(interval);
        spacing.saturating_mul(2).min(Reach::LONGEST)
    }

    /// Logs a recommendation. One that is not `complete` (a metric was unknown) holds a count up and covers nothing.
    pub(crate) fn add(
        &mut self,
        now: Timestamp,
        replicas: Replicas,
        complete: bool,
        reach: Duration,
        longest: Duration,
    ) {
        let exact = Duration::from_millis(1);
        let width = if self.slots.len() < EXACT_SLOTS {
            exact
        } else {
            (longest / COARSE_SLOTS).max(exact)
        };
        let full = self.slots.len() >= MAX_SLOTS;
        if let Some(slot) = self.slots.back_mut()
            && (full || now.since(slot.start) < width)
        {
            slot.add(now, replicas, complete, reach);
            return;
        }
        self.slots.push_back(Slot {
            start: now,
            newest: now,
            high: replicas,
            low: replicas,
            complete: complete.then_some((now, now)),
            gap: Duration::ZERO,
        });
    }

    /// Widens what was logged last, where it is not known which of these was recommended.
    pub(crate) fn widen(&mut self, [low, high]: [Replicas; 2]) {
        if let Some(slot) = self.slots.back_mut() {
            slot.low = slot.low.min(low);
            slot.high = slot.high.max(high);
        }
    }

    /// Takes over the log that `other` has. The distances between evaluations stay those of this one.
    pub(crate) fn take_log(&mut self, other: Self) {
        self.slots = other.slots;
    }

    /// Forgets what lies before the longest window, except for the newest of it.
    pub(crate) fn forget(&mut self, now: Timestamp, longest: Duration) {
        let start = now.minus(longest);
        while self.slots.get(1).is_some_and(|second| second.newest < start) {
            self.slots.pop_front();
        }
    }

    /// The highest recommendation that counts in the `window` before `now`; `None` when none does.
    pub(crate) fn highest(&self, now: Timestamp, window: Duration, reach: Duration) -> Option<Replicas> {
        self.counting(now, window, reach).map(|slot| slot.high).max()
    }

    /// The lowest recommendation that counts in the `window` before `now`; `None` when none does.
    pub(crate) fn lowest(&self, now: Timestamp, window: Duration, reach: Duration) -> Option<Replicas> {
        self.counting(now, window, reach).map(|slot| slot.low).min()
    }

    /// All of them, oldest first, as the HPA's functions take them.
    pub(crate) fn log(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = Recommended> {
        self.slots.iter().map(move |slot| Recommended {
            lowest: slot.low.as_hpa(),
            highest: slot.high.as_hpa(),
            age: now.since(slot.newest),
        })
    }

    /// Those within the window, and the newest one before it where it reaches in.
    fn counting(&self, now: Timestamp, window: Duration, reach: Duration) -> impl Iterator<Item = &Slot> {
        let start = now.minus(window);
        let inside = self.slots.partition_point(|slot| slot.newest <= start);
        let before = inside
            .checked_sub(1)
            .and_then(|index| self.slots.get(index))
            .filter(|slot| slot.newest.plus(reach) > start && !window.is_zero());
        before
            .into_iter()
            .chain(self.slots.range(inside.min(self.slots.len())..))
    }

    /// Those that count in the `window` before `now`, newest first. Each leaves it once a newer one lies before it too, or
    /// it no longer reaches in.
    pub(crate) fn leaving(
        &self,
        now: Timestamp,
        window: Duration,
        reach: Duration,
    ) -> impl Iterator<Item = Leaving> {
        let counting = self.counting(now, window, reach).count();
        let mut next = None;
        self.slots.iter().rev().take(counting).map(move |slot| {
            let reached = slot.newest.plus(reach);
            let end = next
                .replace(slot.newest)
                .map_or(reached, |next| reached.min(next));
            Leaving {
                low: slot.low,
                high: slot.high,
                after: end.plus(window).since(now),
            }
        })
    }

    /// Whether the complete recommendations cover enough of the `window` before `now` (I16, I19).
    pub(crate) fn covers(&self, now: Timestamp, window: Duration, reach: Duration) -> bool {
        let (covered, window) = (self.covered(now, window, reach), millis(window));
        covered.saturating_mul(100) >= window.saturating_mul(COVERED_PERCENT)
    }

    /// How much of a `window` has to be covered before it is judged by.
    pub(crate) fn needed(window: Duration) -> Duration {
        let percent = u64::try_from(millis(window).saturating_mul(COVERED_PERCENT)).unwrap_or_default();
        Duration::from_millis(percent.div_ceil(100))
    }

    /// How much of the `window` before `now` complete recommendations cover.
    pub(crate) fn known(&self, now: Timestamp, window: Duration, reach: Duration) -> Duration {
        Duration::from_millis(u64::try_from(self.covered(now, window, reach)).unwrap_or_default())
    }

    /// The same in whole milliseconds: this reads the whole log whenever less would do.
    fn covered(&self, now: Timestamp, window: Duration, reach: Duration) -> i64 {
        let (now, window, reach) = (now.unix_millis(), millis(window), millis(reach));
        let mut end = now.saturating_sub(window);
        let mut covered: i64 = 0;
        for slot in &self.slots {
            let Some((first, newest)) = slot.complete else {
                continue;
            };
            let until = newest.unix_millis().saturating_add(reach).min(now);
            if until > end {
                let span = until.saturating_sub(first.unix_millis().max(end));
                let gap = if slot.gap.is_zero() { 0 } else { millis(slot.gap) };
                covered = covered.saturating_add(span.saturating_sub(gap).max(0));
                end = until;
            }
        }
        covered
    }

    pub(crate) fn shift_back(&mut self, by: Duration) {
        for slot in &mut self.slots {
            slot.start = slot.start.minus(by);
            slot.newest = slot.newest.minus(by);
            slot.complete = slot
                .complete
                .map(|(first, newest)| (first.minus(by), newest.minus(by)));
        }
    }
}

impl Slot {
    fn add(&mut self, now: Timestamp, replicas: Replicas, complete: bool, reach: Duration) {
        self.newest = self.newest.max(now);
        self.high = self.high.max(replicas);
        self.low = self.low.min(replicas);
        if complete {
            let (first, newest) = self.complete.unwrap_or((now, now));
            self.gap = self.gap.saturating_add(now.since(newest).saturating_sub(reach));
            self.complete = Some((first, newest.max(now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const WINDOW: Duration = Duration::from_secs(300);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_millis(second * 1000)
    }

    fn log(entries: impl IntoIterator<Item = (i64, u32)>) -> Recommendations {
        let mut log = Recommendations::default();
        for (second, replicas) in entries {
            log.add(at(second), Replicas::new(replicas), true, MINUTE, WINDOW);
        }
        log
    }

    #[test]
    fn the_newest_one_before_the_window_counts_while_it_reaches_in() {
        let log = log([(0, 9), (100, 7), (400, 3)]);
        assert_eq!(
            log.highest(at(400), WINDOW, MINUTE),
            Some(Replicas::new(7)),
            "100 reaches to 160"
        );
        assert_eq!(
            log.highest(at(500), WINDOW, MINUTE),
            Some(Replicas::new(3)),
            "the window starts at 200"
        );
    }

    #[test]
    fn a_window_is_covered_when_four_fifths_of_it_are() {
        let every_minute = |until: i64| log((0..=until / 60).map(|minute| (minute * 60, 1)));
        assert!(
            every_minute(240).covers(at(240), Duration::from_secs(300), MINUTE),
            "240 of 300 s"
        );
        assert!(
            !every_minute(180).covers(at(239), Duration::from_secs(300), MINUTE),
            "239 of 300 s"
        );
    }

    #[test]
    fn a_gap_is_not_covered() {
        let log = log([(0, 1), (60, 1), (3600, 1)]);
        assert!(!log.covers(at(3600), WINDOW, MINUTE));
    }

    #[test]
    fn what_was_made_without_every_metric_covers_nothing() {
        let mut log = Recommendations::default();
        for second in (0..=300).step_by(15) {
            log.add(at(second), Replicas::new(5), false, MINUTE, WINDOW);
        }
        assert!(!log.covers(at(300), WINDOW, MINUTE));
        assert_eq!(
            log.highest(at(300), WINDOW, MINUTE),
            Some(Replicas::new(5)),
            "and holds the count up"
        );
    }

    #[test]
    fn slots_stay_bounded_and_forget_late() {
        let mut log = Recommendations::default();
        let longest = Duration::from_secs(3600);
        for tenth in 0..200_000_i64 {
            let now = Timestamp::from_unix_millis(tenth * 100);
            log.add(
                now,
                Replicas::new(u32::from(tenth == 100_000) * 50),
                true,
                MINUTE,
                longest,
            );
            log.forget(now, longest);
            assert!(log.slots.len() <= MAX_SLOTS);
        }
        // The one 50 was at 10,000 s; the window of an hour ends at 13,600 s.
        assert_eq!(
            log.highest(at(13_599), longest, MINUTE),
            Some(Replicas::ZERO),
            "it has been forgotten by 20,000 s"
        );
        let mut log = Recommendations::default();
        log.add(at(0), Replicas::new(50), true, MINUTE, longest);
        log.add(at(3599), Replicas::new(1), true, MINUTE, longest);
        log.forget(at(3599), longest);
        assert_eq!(log.highest(at(3599), longest, MINUTE), Some(Replicas::new(50)));
    }

    #[test]
    fn the_usual_spacing_shrugs_off_one_long_sleep() {
        let mut log = Recommendations::default();
        assert_eq!(log.usual_spacing(), None);
        for seconds in [15, 15, 3600, 15] {
            log.note_spacing(Duration::from_secs(seconds));
        }
        assert_eq!(log.usual_spacing(), Some(Duration::from_secs(15)));
        assert_eq!(log.reach(Duration::from_secs(20)), Duration::from_secs(40));
    }

    proptest! {
        #[test]
        fn a_recommendation_leaves_the_window_when_it_is_said_to(
            entries in proptest::collection::vec((1_i64..200_000, 0_u32..50), 1..40),
            later in 0_i64..100_000,
            window in 1_u64..1_200,
            reach in 0_u64..300,
        ) {
            let (window, reach) = (Duration::from_secs(window), Duration::from_secs(reach));
            let mut log = Recommendations::default();
            let mut now = at(0);
            for (millis, replicas) in entries {
                now = now.plus(Duration::from_millis(millis.unsigned_abs()));
                log.add(now, Replicas::new(replicas), true, reach, window);
            }
            now = now.plus(Duration::from_millis(later.unsigned_abs()));
            for (place, leaving) in log.leaving(now, window, reach).enumerate() {
                let left_at = |then| log.counting(then, window, reach).count() <= place;
                prop_assert!(left_at(now.plus(leaving.after)));
                prop_assert!(!left_at(now.plus(leaving.after - Duration::from_millis(1))));
            }
        }
    }
}
