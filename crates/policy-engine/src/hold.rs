//! What holds a workload from outside the engine: what each hold holds, until when, and how it is called.
//!
//! The stages read off a hold what to do: `wait` those of one direction, `permit` those that forbid writing. What the
//! engine finds out by itself (replicas that stay unready, flapping, a clock that went back) is no hold of this kind.

mod query;
mod words;

use std::{sync::Arc, time::Duration};

pub use self::query::WhyUnknown;
pub(crate) use self::words::{Ending, FLEET_BRAKE, LEAVE_REQUESTS, ONE_HEADROOM};
use crate::{Operator, Reason, Replicas, Timestamp};

/// What holds a workload from outside the engine. Each holds one direction, or all writing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Hold {
    /// A person paused it. Holds all writing.
    Paused {
        /// When the pause ends by itself; `None` when somebody has to resume.
        until: Option<Timestamp>,
    },
    /// Something else scales it too, and one of the two has to go. Holds all writing.
    SecondScaler {
        /// What it is, as its users call it: `HorizontalPodAutoscaler/api`.
        name: Arc<str>,
        /// The count that it wants; `None` where it does not tell. Only compared with: it decides nothing.
        #[cfg_attr(feature = "serde", serde(default))]
        wants: Option<Replicas>,
    },
    /// Another headroom set the count last, and this one, by what it remembers, before that. Holds all writing, until a
    /// person or a deploy sets the count. Where this one never set it, it [holds nothing](crate::Memory::begin): the other
    /// may have been this one, by a state that was lost.
    SecondHeadroom {
        /// Which one, by the name under which it writes (Kubernetes: its field manager).
        by: Arc<str>,
    },
    /// Something sets what the replicas request of a resource that the count follows the utilization of: with other
    /// requests the same use is another utilization, so that the two would chase each other. Holds all writing.
    RequestsSet {
        /// What it is, as its users call it: `VerticalPodAutoscaler/api`.
        by: Arc<str>,
        /// Of which resources, as in `cpu and memory`.
        resources: Arc<str>,
        /// When it sets them, in its own words, as in `Recreate`.
        mode: Arc<str>,
    },
    /// The target is on its way out, and setting its count would only be in the way. Holds all writing.
    BeingDeleted,
    /// New replicas cannot start or keep dying. Holds scaling up.
    FailingToStart {
        /// How many of the wanted replicas are failing.
        failing: Replicas,
    },
    /// Somebody asked that the count does not fall. Holds scaling down; the bounds still act.
    ScaleDownHeld {
        /// Who or what asked for it.
        by: HoldSource,
        /// When it ends by itself; `None` when it lasts as long as it is told.
        until: Option<Timestamp>,
    },
    /// Old replicas are being replaced by new ones, so there may be fewer that serve than it seems. Holds scaling down.
    RollingOut {
        /// Its deadline: a rollout that is not done by then holds nothing any more. `None` where it has none.
        until: Option<Timestamp>,
    },
    /// Somebody else keeps setting the count. A fight must not end at the low count, so this holds scaling down.
    Contested {
        /// Who, as the target tells; `None` where it does not.
        by: Option<Arc<str>>,
        /// When it ends, if the count is left alone until then; `None`: not by waiting.
        until: Option<Timestamp>,
    },
    /// Too much of the whole fleet would fall at once, which is rather a broken measurement than less load. Holds
    /// scaling down.
    FleetBrake {
        /// When it ends by itself.
        until: Timestamp,
    },
}

/// What a hold holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// Scaling up. The count may fall, and bounds and fallback may still raise it.
    Up,
    /// Scaling down. The count may rise, and bounds may still lower it.
    Down,
    /// All writing: the count stays, also outside its bounds.
    Writing,
}

/// Who or what asked for a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum HoldSource {
    /// A person, for a time.
    Override(Operator),
    /// A query of the policy, for as long as it has a value other than zero: an alert that is firing.
    Query(Arc<str>),
    /// A query of the policy of which it cannot be known whether it has such a value.
    UnknownQuery {
        /// The query.
        query: Arc<str>,
        /// Why not.
        why: WhyUnknown,
    },
}

impl Hold {
    /// What it holds.
    #[must_use]
    pub const fn held(&self) -> Held {
        match self {
            Self::Paused { .. }
            | Self::SecondScaler { .. }
            | Self::SecondHeadroom { .. }
            | Self::RequestsSet { .. }
            | Self::BeingDeleted => Held::Writing,
            Self::FailingToStart { .. } => Held::Up,
            Self::ScaleDownHeld { .. }
            | Self::RollingOut { .. }
            | Self::Contested { .. }
            | Self::FleetBrake { .. } => Held::Down,
        }
    }

    /// When it ends by itself; `None` where it does not.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Paused { until }
            | Self::ScaleDownHeld { until, .. }
            | Self::RollingOut { until }
            | Self::Contested { until, .. } => *until,
            Self::FleetBrake { until } => Some(*until),
            Self::SecondScaler { .. }
            | Self::SecondHeadroom { .. }
            | Self::RequestsSet { .. }
            | Self::BeingDeleted
            | Self::FailingToStart { .. } => None,
        }
    }

    /// Whether it holds anything at `now`: not from its end on.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.until().is_none_or(|until| now < until)
    }

    /// How long it is from `now` until it ends by itself; `None` where it does not.
    #[must_use]
    pub fn ends_after(&self, now: Timestamp) -> Option<Duration> {
        self.until().map(|until| until.since(now))
    }

    /// The reason of a decision that it settles.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Paused { .. } => Reason::Paused,
            Self::SecondScaler { .. } => Reason::SecondScaler,
            Self::SecondHeadroom { .. } => Reason::SecondHeadroom,
            Self::RequestsSet { .. } => Reason::RequestsSet,
            Self::BeingDeleted => Reason::BeingDeleted,
            Self::FailingToStart { .. } => Reason::FailingToStart,
            Self::ScaleDownHeld { .. } => Reason::ScaleDownHeld,
            Self::RollingOut { .. } => Reason::RollingOut,
            Self::Contested { .. } => Reason::Contested,
            Self::FleetBrake { .. } => Reason::FleetBrake,
        }
    }

    /// Whether it holds under the HPA's semantics too: what people asked for, and what forbids writing. The others are
    /// guards that the HPA has not.
    #[must_use]
    pub const fn holds_the_hpa(&self) -> bool {
        match self {
            Self::Paused { .. }
            | Self::SecondScaler { .. }
            | Self::SecondHeadroom { .. }
            | Self::RequestsSet { .. }
            | Self::BeingDeleted
            | Self::ScaleDownHeld { .. } => true,
            Self::FailingToStart { .. }
            | Self::RollingOut { .. }
            | Self::Contested { .. }
            | Self::FleetBrake { .. } => false,
        }
    }

    /// Of those of `holds` that hold `held` at `now`, the one that lasts longest; of equal ones the first.
    pub(crate) fn longest<'a>(
        holds: impl IntoIterator<Item = &'a Self>,
        held: Held,
        now: Timestamp,
    ) -> Option<&'a Self> {
        let end = |hold: &Self| hold.until().unwrap_or(Timestamp::MAX);
        holds
            .into_iter()
            .filter(|hold| hold.held() == held && hold.is_in_force(now))
            .reduce(|longest, hold| if end(hold) > end(longest) { hold } else { longest })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn paused(seconds: Option<u64>) -> Hold {
        let until = seconds.map(|seconds| NOW.plus(Duration::from_secs(seconds)));
        Hold::Paused { until }
    }

    #[test]
    fn nothing_is_held_from_the_end_on() {
        let end = NOW.plus(Duration::from_secs(30));
        let millisecond = Duration::from_millis(1);
        for hold in [
            paused(Some(30)),
            Hold::RollingOut { until: Some(end) },
            Hold::FleetBrake { until: end },
        ] {
            assert!(hold.is_in_force(end.minus(millisecond)), "{hold:?}");
            assert!(!hold.is_in_force(end), "{hold:?}");
            assert_eq!(hold.ends_after(NOW), Some(Duration::from_secs(30)));
        }
        assert!(Hold::BeingDeleted.is_in_force(Timestamp::MAX));
        assert_eq!(Hold::BeingDeleted.ends_after(NOW), None);
    }

    #[test]
    fn of_several_the_one_that_lasts_longest_counts_and_of_equal_ones_the_first() {
        #[track_caller]
        fn check(holds: &[Hold], expected: Option<&Hold>) {
            assert_eq!(Hold::longest(holds, Held::Writing, NOW), expected);
        }
        check(&[paused(Some(0)), Hold::RollingOut { until: None }], None);
        check(&[paused(Some(10)), paused(Some(20))], Some(&paused(Some(20))));
        check(&[paused(Some(10)), Hold::BeingDeleted], Some(&Hold::BeingDeleted));
        check(&[paused(None), Hold::BeingDeleted], Some(&paused(None)));
    }
}
