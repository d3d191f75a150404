//! The words for holds: what holds, and until when.

use std::{fmt, time::Duration};

use super::{Hold, HoldSource};
use crate::step::Span;

/// What the fleet's brake holds for.
pub(crate) const FLEET_BRAKE: &str = "too much of the fleet would scale down at once";

/// What ends the hold of a second headroom.
pub(crate) const ONE_HEADROOM: &str = "take the workload from the policies of one of the two, or let it compare with mode = \"shadow\" \
    there, and then set another count once by hand";

/// What ends the hold of what sets requests.
pub(crate) const LEAVE_REQUESTS: &str = "set its updatePolicy.updateMode to \"Off\", or leave the resource out of controlledResources in its \
    containerPolicies";

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused { .. } => f.write_str("scaling is paused"),
            Self::SecondScaler { name, .. } => write!(f, "{name} scales it too, and two scalers would fight"),
            Self::SecondHeadroom { by } => {
                write!(
                    f,
                    "another headroom ({by}) has set the count since, and two would fight"
                )
            }
            Self::RequestsSet { by, resources, mode } => write!(
                f,
                "{by} sets the requests of {resources} (updateMode {mode}), which the count follows, and the two would \
                 chase each other"
            ),
            Self::BeingDeleted => f.write_str("the target is being deleted"),
            Self::FailingToStart { failing } if failing.get() == 1 => {
                f.write_str("1 replica cannot start or stay up")
            }
            Self::FailingToStart { failing } => write!(f, "{failing} replicas cannot start or stay up"),
            Self::ScaleDownHeld { by, .. } => write!(f, "{by} forbids scaling down"),
            Self::RollingOut { .. } => f.write_str("a rollout is under way"),
            Self::Contested { by: Some(by), .. } => write!(f, "{by} keeps setting another count"),
            Self::Contested { by: None, .. } => f.write_str("somebody else keeps setting another count"),
            Self::FleetBrake { .. } => f.write_str(FLEET_BRAKE),
        }
    }
}

impl fmt::Display for HoldSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override(operator) => operator.fmt(f),
            Self::Query(query) => write!(f, "the query `{query}`, which has a value,"),
            Self::UnknownQuery { query, why } => {
                write!(
                    f,
                    "the query `{query}`, of which it cannot be known whether it has a value ({why}),"
                )
            }
        }
    }
}

/// For how long the count stays where `hold` keeps it, after a number: `for another 5 min`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending<'a> {
    pub(crate) hold: &'a Hold,
    pub(crate) after: Option<Duration>,
}

impl fmt::Display for Ending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.hold, self.after) {
            (Hold::RollingOut { .. }, Some(left)) => {
                write!(f, "until it is done, for another {} at most", Span(left))
            }
            (Hold::RollingOut { .. }, None) => f.write_str("until it is done"),
            (Hold::Contested { .. }, Some(left)) => {
                write!(f, "for another {}, if the count is left alone", Span(left))
            }
            (_, Some(left)) => write!(f, "for another {}", Span(left)),
            (Hold::Paused { .. }, None) => f.write_str("until somebody resumes it"),
            (Hold::SecondScaler { .. }, None) => f.write_str(
                "until only one of them is left: delete it, or compare the two with mode = \"shadow\"",
            ),
            (Hold::SecondHeadroom { .. }, None) => {
                write!(f, "until somebody else sets it: {ONE_HEADROOM}")
            }
            (Hold::RequestsSet { .. }, None) => write!(f, "until it sets none of them: {LEAVE_REQUESTS}"),
            (Hold::BeingDeleted, None) => f.write_str("until it is gone"),
            (
                Hold::ScaleDownHeld {
                    by: HoldSource::Override(_),
                    ..
                },
                None,
            ) => f.write_str("until that is ended"),
            (
                Hold::ScaleDownHeld {
                    by: HoldSource::Query(_),
                    ..
                },
                None,
            ) => f.write_str("for as long as it has one"),
            (
                Hold::ScaleDownHeld {
                    by: HoldSource::UnknownQuery { .. },
                    ..
                },
                None,
            ) => f.write_str("until that can be known"),
            (Hold::FailingToStart { .. } | Hold::Contested { .. } | Hold::FleetBrake { .. }, None) => {
                f.write_str("until that ends")
            }
        }
    }
}
