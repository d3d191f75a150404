//! The words for steps: each tells what came in, what held or moved it, and what is left.

use std::fmt;

use super::{Number, Span};
use crate::{Direction, Observation, Step};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recommended {
                metric,
                seen,
                target,
                proposal,
            } => match seen {
                Observation::Missing { .. } => write!(f, "{metric} is {seen}: {proposal}"),
                Observation::Fresh(_) | Observation::Partial(_) | Observation::Stale { .. } => {
                    write!(f, "{metric} is {seen} against {}: {proposal}", Number(*target))
                }
            },
            Self::Combined {
                replicas,
                by: Some(metric),
            } => {
                write!(f, "{replicas} recommended; {metric} asks for the most")
            }
            Self::Combined { replicas, by: None } => {
                write!(f, "{replicas} recommended; no metric asks for a change")
            }
            Self::KeptForUnknown { wanted, kept, metric } => {
                write!(
                    f,
                    "{wanted} would do, but {metric} is not fully known: stays at {kept}"
                )
            }
            Self::KeptForGroup {
                wanted,
                kept,
                group,
                metric,
            } => {
                write!(
                    f,
                    "{wanted} would do, but {metric} of the group {group} does not ask for less: stays at {kept}"
                )
            }
            Self::Stabilized {
                wanted,
                kept,
                direction: Direction::Up,
                window,
                ..
            } => {
                write!(
                    f,
                    "{wanted} wanted; recommendations of the last {} allow {kept}",
                    Span(window.get())
                )
            }
            Self::Stabilized {
                wanted,
                kept,
                direction: Direction::Down,
                window,
                covered: true,
            } => {
                write!(
                    f,
                    "{wanted} would do; within the last {} more was needed: {kept}",
                    Span(window.get())
                )
            }
            Self::Stabilized {
                wanted,
                kept,
                direction: Direction::Down,
                window,
                covered: false,
            } => write!(
                f,
                "{wanted} would do, but too little is known of the last {}: stays at {kept}",
                Span(window.get())
            ),
            Self::Limited {
                wanted,
                allowed,
                limit: Some(limit),
            } => {
                write!(f, "{wanted} wanted; the change limit of {limit} allows {allowed}")
            }
            Self::Limited {
                wanted,
                allowed,
                limit: None,
            } => {
                write!(
                    f,
                    "{wanted} wanted; this direction is switched off: stays at {allowed}"
                )
            }
            Self::LimitedAsHpa {
                wanted,
                allowed,
                direction,
            } => write!(
                f,
                "{wanted} wanted; the HPA's limit of scaling {direction} allows {allowed}"
            ),
            Self::SelectorRefused { kept, selector } => write!(
                f,
                "the target's selector is {selector}, so nobody can tell which pods are its own: stays at {kept}"
            ),
            Self::HeldNotReady {
                wanted,
                kept,
                ready,
                starting_for,
            } => write!(
                f,
                "{wanted} wanted; only {ready} are ready and one has been starting for {}: {kept}",
                Span(*starting_for)
            ),
            Self::HeldFailing {
                wanted,
                kept,
                failing,
            } => {
                write!(
                    f,
                    "{wanted} wanted; {failing} replicas cannot start: stays at {kept}"
                )
            }
            Self::HeldScaleDown { wanted, kept, by, .. } => {
                write!(f, "{wanted} would do; {by} forbids scaling down: stays at {kept}")
            }
            Self::HeldFlapping {
                wanted,
                kept,
                reversals,
            } => {
                write!(
                    f,
                    "{wanted} would do; the count turned around {reversals} times within an hour: stays at {kept}"
                )
            }
            Self::HeldClock { wanted, kept, back } => {
                write!(
                    f,
                    "{wanted} would do; the clock went back by {}: stays at {kept} this time",
                    Span(*back)
                )
            }
            Self::FellBack {
                wanted,
                raised,
                unknown_for,
                metric,
            } => {
                write!(f, "{wanted} wanted; ")?;
                match metric {
                    Some(metric) => write!(f, "{metric} has not been known")?,
                    None => f.write_str("nothing has been known")?,
                }
                write!(f, " for {}: the fallback asks for {raised}", Span(*unknown_for))
            }
            Self::Activated {
                wanted,
                raised,
                metric,
            } => write!(f, "{wanted} wanted; {metric} shows load: {raised}"),
            Self::KeptFromZero {
                wanted,
                kept,
                idle_for,
                idle,
            } => write!(
                f,
                "{wanted} would do; there has been no load for {} of the {} before that: {kept}",
                Span(*idle_for),
                Span(*idle)
            ),
            Self::KeptAfterFallback {
                wanted,
                kept,
                known_for,
                after,
            } => write!(
                f,
                "{wanted} would do; the load has been known again for {} of the {} after a fallback: {kept}",
                Span(*known_for),
                Span(*after)
            ),
            Self::Bounded {
                wanted,
                bounded,
                bounds,
                by: Some(by),
            } => {
                if wanted < bounded {
                    write!(f, "{wanted} would do; {by} asks for at least {bounded}")
                } else if bounds.min() == bounds.max() {
                    write!(f, "{wanted} wanted; {by} keeps it at {bounded}")
                } else {
                    write!(f, "{wanted} wanted; {by} allows at most {bounded}")
                }
            }
            Self::Bounded {
                wanted,
                bounded,
                bounds,
                by: None,
            } => {
                write!(f, "{wanted} wanted; the bounds of {bounds} allow {bounded}")
            }
            Self::Forbidden {
                wanted,
                kept,
                hold: Some(hold),
            } => {
                write!(f, "{wanted} would be set; {hold}: stays at {kept}")
            }
            Self::Forbidden {
                wanted,
                kept,
                hold: None,
            } => {
                write!(
                    f,
                    "{wanted} would be set; somebody set the count to {kept}, so it stays"
                )
            }
        }
    }
}
