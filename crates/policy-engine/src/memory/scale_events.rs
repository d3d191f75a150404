//! Written changes of one direction, for the change limits.

use std::{collections::VecDeque, time::Duration};

use crate::{ChangeLimit, Timestamp, hpa::ChangeBefore};

/// So many changes are kept as they are.
const EXACT_EVENTS: usize = 256;
/// Beyond those, changes less than this apart are kept as one, with the newer time.
const GRAIN: Duration = Duration::from_secs(1);
/// The exact ones, and one for each second of the longest period, and the newest.
const MAX_EVENTS: usize = EXACT_EVENTS + 1801;

/// Written changes of one direction, oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ScaleEvents(VecDeque<Event>);

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Event {
    /// The first of those that are kept as one.
    start: Timestamp,
    at: Timestamp,
    amount: u32,
}

impl ScaleEvents {
    /// Adds a change by `amount` replicas.
    pub fn add(&mut self, now: Timestamp, amount: u32) {
        while self
            .0
            .front()
            .is_some_and(|first| now.since(first.at) >= ChangeLimit::LONGEST_PERIOD)
        {
            self.0.pop_front();
        }
        let is_exact = self.0.len() < EXACT_EVENTS;
        match self.0.back_mut() {
            Some(last) if !is_exact && now.since(last.start) < GRAIN => {
                last.at = last.at.max(now);
                last.amount = last.amount.saturating_add(amount);
            }
            _ => {
                if self.0.len() == MAX_EVENTS {
                    self.0.pop_front();
                }
                self.0.push_back(Event {
                    start: now,
                    at: now,
                    amount,
                });
            }
        }
    }

    /// All changes that are remembered, oldest first, each with its age.
    pub fn changes(&self, now: Timestamp) -> impl Iterator<Item = ChangeBefore> + Clone {
        self.0
            .iter()
            .map(move |event| (event.amount, now.since(event.at)))
    }

    /// When the newest change was; it is never forgotten.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        self.0.back().map(|event| event.at)
    }

    /// The amounts of those that are no older than `longest`, oldest first.
    pub fn live(&self, longest: Duration, now: Timestamp) -> impl Iterator<Item = u32> {
        let changes = self.changes(now);
        changes
            .filter(move |(_, age)| *age <= longest)
            .map(|(amount, _)| amount)
    }

    /// The sum of the changes within the `period` before `now`; one exactly as old no longer counts.
    #[cfg(test)]
    pub(crate) fn within(&self, period: Duration, now: Timestamp) -> u32 {
        self.0
            .iter()
            .rev()
            .take_while(|event| now.since(event.at) < period)
            .fold(0, |sum: u32, event| sum.saturating_add(event.amount))
    }

    /// The changes within the `period` before `now`, newest first, with their times.
    pub(crate) fn each_within(
        &self,
        period: Duration,
        now: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, u32)> {
        self.0
            .iter()
            .rev()
            .take_while(move |event| now.since(event.at) < period)
            .map(|event| (event.at, event.amount))
    }

    #[cfg(feature = "serde")]
    pub(crate) fn is_bounded(&self) -> bool {
        self.0.len() <= MAX_EVENTS
    }

    pub(crate) fn shift_back(&mut self, by: Duration) {
        for event in &mut self.0 {
            event.start = event.start.minus(by);
            event.at = event.at.minus(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    #[test]
    fn a_change_exactly_as_old_as_the_period_no_longer_counts() {
        let mut events = ScaleEvents::default();
        events.add(at(0), 4);
        assert_eq!(events.within(Duration::from_secs(15), at(14_999)), 4);
        assert_eq!(events.within(Duration::from_secs(15), at(15_000)), 0);
    }

    #[test]
    fn many_changes_within_a_second_add_up_and_are_forgotten_late() {
        let mut events = ScaleEvents::default();
        for _ in 0..EXACT_EVENTS {
            events.add(at(0), 1);
        }
        assert_eq!(events.0.len(), EXACT_EVENTS, "few are kept as they are");
        events.add(at(500), 1);
        events.add(at(900), 2);
        events.add(at(1_000), 4);
        assert_eq!(events.0.len(), EXACT_EVENTS + 1);
        let within = events.within(Duration::from_secs(15), at(15_500));
        assert_eq!(within, 8, "the last one at 0 s is as young as the one at 0.9 s");
    }

    #[test]
    fn their_number_is_bounded() {
        let mut events = ScaleEvents::default();
        for second in 0..10_000 {
            events.add(at(second * 1000), 1);
        }
        assert!(events.0.len() <= MAX_EVENTS);
    }
}
