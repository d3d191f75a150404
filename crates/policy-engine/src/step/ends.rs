//! When what a step holds back is let go.

use std::time::Duration;

use super::{Stabilizing, Step};
use crate::{Direction, Hold, Replicas};

/// When something that keeps a count from being decided goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself after so long, if the load asks for the same until then. Zero: in the next pass.
    After(Duration),
    /// By itself, and not before so long has passed.
    NotBefore(Duration),
    /// Not by waiting: once what it is about is another, or somebody changes it.
    Open,
}

impl Step {
    /// When this step no longer keeps the count from `want`; `None` for steps that keep it from nothing.
    #[must_use]
    pub fn end(&self, want: Replicas) -> Option<End> {
        match self {
            Self::Recommended { .. } | Self::Combined { .. } => None,
            Self::Stabilized {
                direction,
                window,
                by,
                ..
            } => Some(match by {
                Stabilizing::Recommendations { easing } => {
                    let lets_through = |replicas: Replicas| match direction {
                        Direction::Up => replicas >= want,
                        Direction::Down => replicas <= want,
                    };
                    let level = easing.iter().find(|level| lets_through(level.replicas));
                    match (level, easing.last()) {
                        (Some(level), _) => End::After(level.after),
                        (None, Some(last)) => End::NotBefore(last.after),
                        (None, None) => End::Open,
                    }
                }
                Stabilizing::Gaps { known, needed } => End::NotBefore(needed.saturating_sub(*known)),
                Stabilizing::Raised { ago } | Stabilizing::Undone { ago } => {
                    End::NotBefore(window.get().saturating_sub(*ago))
                }
            }),
            Self::Limited {
                allowed, room_after, ..
            }
            | Self::LimitedAsHpa {
                allowed, room_after, ..
            } => Some(match room_after {
                Some(after) if want.get().abs_diff(allowed.get()) == 1 => End::After(*after),
                Some(after) => End::NotBefore(*after),
                None => End::Open,
            }),
            Self::Held { hold, ends_after, .. } => Some(match (hold, ends_after) {
                // It may be done long before its deadline.
                (Hold::RollingOut { .. }, _) | (_, None) => End::Open,
                // Each time that somebody else sets the count begins it anew.
                (Hold::Contested { .. }, Some(after)) => End::NotBefore(*after),
                (_, Some(after)) => End::After(*after),
            }),
            Self::Forbidden { ends_after, .. } => Some(ends_after.map_or(End::Open, End::After)),
            // In the next pass the load decides again.
            Self::Restored { .. } => Some(End::NotBefore(Duration::ZERO)),
            Self::RestoreDelayed { after, .. } => Some(End::After(*after)),
            Self::HeldFlapping { ends_after, .. } => Some(End::After(*ends_after)),
            Self::HeldClock { .. } => Some(End::After(Duration::ZERO)),
            Self::KeptAfterFallback { known_for, after, .. } => {
                Some(End::After(after.saturating_sub(*known_for)))
            }
            Self::KeptFromZero { idle_for, idle, .. } => Some(End::After(idle.saturating_sub(*idle_for))),
            Self::KeptForUnknown { .. }
            | Self::KeptForGroup { .. }
            | Self::SelectorRefused { .. }
            | Self::HeldNotReady { .. }
            | Self::FellBack { .. }
            | Self::Activated { .. }
            | Self::Bounded { .. } => Some(End::Open),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HoldSource, Operator, Timestamp};

    #[test]
    fn a_limit_lets_the_next_replica_through_after_its_time_and_more_not_before() {
        let after = Duration::from_secs(40);
        let limited = |room_after| Step::Limited {
            wanted: Replicas::new(9),
            allowed: Replicas::new(6),
            direction: Direction::Up,
            limit: None,
            room_after,
        };
        let ends = [7, 8].map(|want| limited(Some(after)).end(Replicas::new(want)));
        assert_eq!(ends, [Some(End::After(after)), Some(End::NotBefore(after))]);
        assert_eq!(limited(None).end(Replicas::new(7)), Some(End::Open));
    }

    #[test]
    fn a_hold_ends_when_it_says_unless_it_may_end_sooner_or_begin_anew() {
        let after = Duration::from_secs(40);
        let until = Some(Timestamp::from_unix_millis(40_000));
        let held = |hold| {
            let step = Step::Held {
                wanted: Replicas::new(4),
                kept: Replicas::new(9),
                hold,
                ends_after: Some(after),
            };
            step.end(Replicas::new(4))
        };
        assert_eq!(held(Hold::RollingOut { until }), Some(End::Open));
        assert_eq!(
            held(Hold::Contested { by: None, until }),
            Some(End::NotBefore(after))
        );
        let by = HoldSource::Override(Operator::default());
        assert_eq!(held(Hold::ScaleDownHeld { by, until }), Some(End::After(after)));
    }
}
