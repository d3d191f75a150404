//! The fleet's brake in a pass: counts what would fall over all its cohorts, and decides again where that is too much.

use std::sync::{Mutex, MutexGuard, PoisonError};

use headroom_policy_engine::{Hold, Replicas, Semantics, Timestamp};

use super::{Autoscaler, Pass, cohort::Item};
use crate::{
    BrakeSettings, DecisionRecord, Falls, Mode, Notice, Tripped, Verdict, WorkloadSettings, brake::Phase,
};

/// The brake in one pass.
#[derive(Debug)]
pub(super) struct Brake {
    settings: BrakeSettings,
    /// When its workloads were looked at before.
    last_pass: Option<Timestamp>,
    counted: Mutex<Counted>,
}

/// What the cohorts have counted until now.
#[derive(Debug)]
struct Counted {
    falls: Falls,
    tripped: Option<Tripped>,
}

/// What one workload has, and would lose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fall {
    current: Replicas,
    lost: u32,
}

impl Brake {
    /// The brake, where it tripped before as `tripped` says, in a pass over workloads that were looked at before in one at
    /// `last_pass`.
    pub(super) fn new(
        settings: BrakeSettings,
        tripped: Option<Tripped>,
        last_pass: Option<Timestamp>,
    ) -> Self {
        Self {
            settings,
            last_pass,
            counted: Mutex::new(Counted {
                falls: Falls::default(),
                tripped,
            }),
        }
    }

    /// What a person should know of it after the pass.
    pub(super) fn notice(&self, now: Timestamp) -> Option<Notice> {
        self.settings.notice(self.counted().tripped.as_ref(), now)
    }

    /// Counts the falls of one cohort onto those of the others. Until when they are held, and that the brake has tripped;
    /// `None` where they may go on.
    ///
    /// Of a cohort that comes later nothing is known yet, so an early one is judged by the workloads until now.
    fn count(&self, falls: impl Iterator<Item = Fall>, now: Timestamp) -> Option<(Timestamp, Tripped)> {
        let mut counted = self.counted();
        let before = counted.falls.lost;
        for fall in falls {
            counted.falls.add(fall.current, fall.lost);
        }
        if counted.falls.lost == before {
            return None;
        }
        let falls = counted.falls;
        let is_too_much = self.settings.is_too_much(&falls);
        let phase = self.settings.phase(counted.tripped.as_ref(), self.last_pass, now);
        let (until, tripped) = match phase {
            Phase::Holding { until, tripped } => {
                let is_of_this_pass = tripped.at == now;
                let held = Tripped {
                    held_at: if is_too_much { now } else { tripped.held_at },
                    falls: if is_of_this_pass { falls } else { tripped.falls },
                    ..tripped
                };
                (until, held)
            }
            Phase::Armed if is_too_much => {
                let tripped = Tripped {
                    at: now,
                    held_at: now,
                    falls,
                };
                (now.plus(self.settings.hold), tripped)
            }
            Phase::Armed | Phase::LettingGo => return None,
        };
        counted.tripped = Some(tripped);
        Some((until, tripped))
    }

    /// Takes back what was counted of the workload of `record`, which is about to be decided about anew.
    pub(super) fn forget(&self, record: &DecisionRecord, settings: &WorkloadSettings) {
        if let Some(fall) = fall(record, settings) {
            self.counted().falls.remove(fall.current, fall.lost);
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        // Each change is one step, so a panic leaves nothing half done.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Autoscaler {
    /// Holds what would fall in `items`, where that is too much of the fleet. What is to be kept of that, if anything.
    ///
    /// Nothing of them has been recorded or written yet. Those that fall are decided about again at the same moment, which is
    /// as if the hold had been known from the start; where nothing is held, nothing is done twice.
    pub(super) fn brake(&self, pass: &Pass, items: &mut [Item]) -> Option<Tripped> {
        let settings = |item: &Item| &self.workloads[item.index()].settings;
        let falls = items.iter().filter_map(|item| fall(&item.record, settings(item)));
        let (until, tripped) = pass.brake.count(falls, pass.now)?;
        for item in items {
            let managed = &self.workloads[item.index()];
            if fall(&item.record, &managed.settings).is_some_and(|fall| fall.lost > 0) {
                item.hold(managed, Hold::FleetBrake { until }, pass.now);
            }
        }
        Some(tripped)
    }
}

/// What the workload of `record` would lose because of its load; `None` where it does not count.
///
/// What lies above the highest count that is allowed is lost in any case.
fn fall(record: &DecisionRecord, settings: &WorkloadSettings) -> Option<Fall> {
    let Verdict::Decided { target, decision, .. } = &record.verdict else {
        return None;
    };
    if record.mode != Mode::Apply || settings.policy.semantics != Semantics::Headroom {
        return None;
    }
    let current = decision.current();
    let allowed = current.min(target.bounds.over(settings.policy.bounds).max());
    Some(Fall {
        current,
        lost: allowed.get().saturating_sub(decision.desired().get()),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn brake() -> Brake {
        let settings = BrakeSettings {
            max_fall: 0.5,
            least: 5,
            hold: Duration::from_secs(600),
        };
        Brake::new(settings, None, None)
    }

    /// So many workloads with ten replicas, each of which would lose `lost`.
    fn cohort(workloads: usize, lost: u32) -> impl Iterator<Item = Fall> {
        let current = Replicas::new(10);
        std::iter::repeat_n(Fall { current, lost }, workloads)
    }

    #[test]
    fn a_slow_cohort_counts_with_what_fell_before() {
        let brake = brake();
        assert_eq!(brake.count(cohort(4, 9), NOW), None, "too few");
        let (until, tripped) = brake.count(cohort(1, 9), NOW).expect("five of five");
        assert_eq!(until, NOW.plus(Duration::from_secs(600)));
        assert_eq!(tripped.falls.workloads, 5);
        let (_, tripped) = brake.count(cohort(3, 9), NOW).expect("it holds");
        assert_eq!((tripped.at, tripped.falls.workloads), (NOW, 8));
    }

    #[test]
    fn workloads_that_stay_count_with_their_replicas() {
        let brake = brake();
        assert_eq!(brake.count(cohort(10, 0), NOW), None);
        assert_eq!(brake.count(cohort(10, 9), NOW), None, "90 of 200");
        assert!(brake.count(cohort(5, 9), NOW).is_some(), "135 of 250");
    }

    #[test]
    fn what_is_not_too_much_is_held_and_is_not_what_it_tripped_for() {
        let brake = brake();
        assert!(brake.count(cohort(5, 9), NOW).is_some());
        let tripped = brake.counted().tripped;
        let later = NOW.plus(Duration::from_secs(400));
        let next = Brake::new(brake.settings, tripped, Some(NOW));
        let (_, held) = next.count(cohort(4, 9), later).expect("they are held");
        assert_eq!(held.held_at, NOW);
        let (_, held) = next.count(cohort(1, 9), later).expect("they are held");
        assert_eq!(held.held_at, later, "five in the pass");
    }

    #[test]
    fn what_is_decided_about_anew_counts_once() {
        let brake = brake();
        assert_eq!(brake.count(cohort(4, 9), NOW), None, "too few");
        for fall in cohort(4, 9) {
            brake.counted().falls.remove(fall.current, fall.lost);
        }
        assert_eq!(brake.count(cohort(4, 9), NOW), None, "they are the same four");
        assert_eq!(brake.counted().falls.workloads, 4);
    }

    #[test]
    fn a_cohort_in_which_nothing_falls_keeps_nothing() {
        let brake = brake();
        assert!(brake.count(cohort(5, 9), NOW).is_some());
        let later = NOW.plus(Duration::from_secs(30));
        assert_eq!(brake.count(cohort(5, 0), later), None);
    }
}
