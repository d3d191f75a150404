//! The fleet's brake: when so much of the fleet would fall at once that a broken measurement is likelier than less load.
//!
//! Pure: numbers and times come in as values. Which falls count, and what is done about them, belongs to the pass.

use std::{fmt, time::Duration};

use headroom_policy_engine::{Replicas, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Notice;

/// When the brake trips, and for how long it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BrakeSettings {
    /// The share of all replicas that may fall in one pass, above 0 and up to 1, with which nothing is held.
    pub max_fall: f64,
    /// It trips only where at least so many workloads fall.
    pub least: u32,
    /// For how long it holds, and then lets go. Above zero.
    pub hold: Duration,
}

/// What the workloads of a pass would lose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Falls {
    /// The replicas that all of them have now.
    pub replicas: u32,
    /// How many of these would go.
    pub lost: u32,
    /// How many workloads would lose some.
    pub workloads: u32,
}

/// That the brake has tripped: kept in the state, so that the passes of other processes know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tripped {
    /// When.
    pub at: Timestamp,
    /// When still too much would have fallen without it, for the last time.
    pub held_at: Timestamp,
    /// What would have fallen when it tripped.
    pub falls: Falls,
}

/// What the brake does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It waits for a fall that is too deep.
    Armed,
    /// Nothing falls until then.
    Holding {
        /// The first moment at which something may.
        until: Timestamp,
        /// What it is held for.
        tripped: Tripped,
    },
    /// What is still wanted after so long is let through, until then.
    LettingGo,
}

impl BrakeSettings {
    /// A brake that holds nothing.
    pub const OFF: Self = Self {
        max_fall: 1.0,
        least: u32::MAX,
        hold: Duration::from_secs(1),
    };

    /// Whether so much is too much.
    pub(crate) fn is_too_much(&self, falls: &Falls) -> bool {
        falls.workloads >= self.least && f64::from(falls.lost) > self.max_fall * f64::from(falls.replicas)
    }

    /// What a person should know of it at `now`; `None` where it holds nothing.
    #[must_use]
    pub fn notice(&self, tripped: Option<&Tripped>, now: Timestamp) -> Option<Notice> {
        match self.phase(tripped, None, now) {
            Phase::Holding { until, tripped } => Some(Notice::FleetBrake {
                falls: tripped.falls,
                until,
            }),
            Phase::Armed | Phase::LettingGo => None,
        }
    }

    /// Whether it can trip at all.
    fn is_on(&self) -> bool {
        self.max_fall < 1.0
    }

    /// What the brake does at `now`, where it tripped as `tripped` says, and the workloads were looked at before in a pass
    /// at `last`.
    ///
    /// It holds for its time. Where still too much was wanted in the second half of that, or whenever they were looked at
    /// for the last time, it is no passing error, and is let through for as long again, or in the first pass after it;
    /// else it is armed at once. A look from before it tripped says nothing of that. A clock that went back behind the
    /// moment it tripped arms it too, and what is still too deep trips it anew.
    pub(crate) fn phase(&self, tripped: Option<&Tripped>, last: Option<Timestamp>, now: Timestamp) -> Phase {
        let Some(&tripped) = tripped.filter(|tripped| self.is_on() && now >= tripped.at) else {
            return Phase::Armed;
        };
        let until = tripped.at.plus(self.hold);
        if now < until {
            return Phase::Holding { until, tripped };
        }
        let last = last.filter(|last| *last >= tripped.at);
        let half = tripped.at.plus(self.hold / 2);
        let lasted = tripped.held_at >= last.map_or(half, |last| half.min(last));
        let is_first = last.is_some_and(|last| last < until);
        if lasted && (is_first || now < until.plus(self.hold)) {
            Phase::LettingGo
        } else {
            Phase::Armed
        }
    }
}

impl Falls {
    /// Adds a workload that has `current` replicas and would lose `lost` of them.
    pub(crate) fn add(&mut self, current: Replicas, lost: u32) {
        self.replicas = self.replicas.saturating_add(current.get());
        self.lost = self.lost.saturating_add(lost);
        self.workloads = self.workloads.saturating_add(u32::from(lost > 0));
    }

    /// Takes back what was added of a workload.
    pub(crate) fn remove(&mut self, current: Replicas, lost: u32) {
        self.replicas = self.replicas.saturating_sub(current.get());
        self.lost = self.lost.saturating_sub(lost);
        self.workloads = self.workloads.saturating_sub(u32::from(lost > 0));
    }
}

impl fmt::Display for Falls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            replicas,
            lost,
            workloads,
        } = self;
        write!(
            f,
            "{workloads} workloads would lose {lost} of all {replicas} replicas at once"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOLD: Duration = Duration::from_secs(600);
    const START: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn settings(max_fall: f64) -> BrakeSettings {
        BrakeSettings {
            max_fall,
            least: 5,
            hold: HOLD,
        }
    }

    fn falls(workloads: u32, lost: u32, replicas: u32) -> Falls {
        Falls {
            replicas,
            lost,
            workloads,
        }
    }

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn tripped(held_at: u64) -> Tripped {
        Tripped {
            at: START,
            held_at: after(held_at),
            falls: Falls::default(),
        }
    }

    fn phase(held_at: u64, now: u64) -> Phase {
        settings(0.5).phase(Some(&tripped(held_at)), None, after(now))
    }

    /// The phase in a pass that comes after one at `last`.
    fn phase_after(held_at: u64, last: Timestamp, now: u64) -> Phase {
        settings(0.5).phase(Some(&tripped(held_at)), Some(last), after(now))
    }

    #[test]
    fn more_than_the_share_of_enough_workloads_is_too_much() {
        let half = settings(0.5);
        assert!(half.is_too_much(&falls(5, 51, 100)));
        assert!(!half.is_too_much(&falls(5, 50, 100)), "not more than half");
        assert!(!half.is_too_much(&falls(4, 99, 100)), "too few workloads");
        assert!(!half.is_too_much(&falls(0, 0, 0)));
        assert!(!settings(1.0).is_too_much(&falls(100, 100, 100)), "off");
    }

    #[test]
    fn it_holds_for_its_time_and_then_lets_go_of_what_is_still_wanted() {
        let until = after(600);
        let tripped = tripped(0);
        assert_eq!(phase(0, 0), Phase::Holding { until, tripped });
        assert_eq!(phase(0, 599), Phase::Holding { until, tripped });
        assert_eq!(phase(300, 600), Phase::LettingGo);
        assert_eq!(phase(300, 1199), Phase::LettingGo);
        assert_eq!(phase(300, 1200), Phase::Armed);
    }

    #[test]
    fn an_error_that_passed_lets_nothing_go() {
        assert_eq!(phase(299, 600), Phase::Armed);
        assert_eq!(phase_after(299, after(570), 600), Phase::Armed);
    }

    #[test]
    fn what_was_wanted_when_it_was_last_looked_at_is_let_go() {
        assert_eq!(phase_after(0, after(0), 600), Phase::LettingGo);
        assert_eq!(phase_after(100, after(100), 700), Phase::LettingGo);
        assert_eq!(phase_after(0, after(100), 600), Phase::Armed, "whole in between");
        assert_eq!(phase_after(0, after(400), 600), Phase::Armed, "whole in between");
        assert_eq!(phase_after(300, after(570), 600), Phase::LettingGo);
    }

    #[test]
    fn passes_farther_apart_than_it_holds_let_go_once() {
        assert_eq!(phase_after(0, after(0), 1500), Phase::LettingGo);
        assert_eq!(phase_after(0, after(1500), 3000), Phase::Armed);
        assert_eq!(phase_after(300, after(599), 1200), Phase::LettingGo);
        assert_eq!(phase_after(300, after(600), 1200), Phase::Armed);
    }

    #[test]
    fn a_look_from_before_it_tripped_says_nothing() {
        let before = Timestamp::from_unix_millis(START.unix_millis() - 1);
        assert_eq!(phase_after(0, before, 600), Phase::Armed);
        assert_eq!(phase_after(300, before, 600), Phase::LettingGo);
    }

    #[test]
    fn a_clock_that_went_back_and_a_brake_that_is_off_hold_nothing() {
        let tripped = Tripped {
            at: after(10),
            held_at: after(10),
            falls: Falls::default(),
        };
        assert_eq!(settings(0.5).phase(Some(&tripped), None, START), Phase::Armed);
        assert_eq!(settings(1.0).phase(Some(&tripped), None, after(20)), Phase::Armed);
        assert_eq!(settings(0.5).phase(None, None, after(20)), Phase::Armed);
    }

    proptest! {
        #[test]
        fn a_deeper_fall_of_more_workloads_is_never_less_too_much(
            max_fall in 0.01_f64..1.0, least in 1_u32..10, workloads in 0_u32..20, lost in 0_u32..500, more in 0_u32..500, replicas in 500_u32..1000
        ) {
            let brake = BrakeSettings { max_fall, least, hold: HOLD };
            let deeper = falls(workloads + 1, (lost + more).min(replicas), replicas);
            prop_assert!(!brake.is_too_much(&falls(workloads, lost, replicas)) || brake.is_too_much(&deeper));
        }

        #[test]
        fn it_never_holds_for_longer_than_its_time(held_at in 0_u64..2000, now in 0_u64..5000) {
            if let Phase::Holding { until, .. } = phase(held_at, now) {
                prop_assert!(until.since(START) <= HOLD && now < 600);
            }
        }
    }
}
