//! The line of each step: what was asked for, what changed it, what is left, and what to expect next where that is known.
//!
//! For somebody who has just been woken and does not know how the engine works.

mod recommended;
mod why_not;

use std::{fmt, time::Duration};

use super::{Bound, Stabilizing, Step, words::Span};
use crate::{
    BoundSource, ChangeAmount, ChangeLimit, Direction, FallbackAction, Observation, Replicas, hold::Ending,
};

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recommended {
                metric,
                seen,
                terms,
                pending,
                proposal,
            } => recommended::line(f, metric, seen, terms, *pending, *proposal),
            Self::Combined {
                replicas,
                by: Some(metric),
            } => write!(
                f,
                "{} recommended: {metric} asks for the most",
                is_or_are(*replicas)
            ),
            Self::Combined { replicas, by: None } => {
                write!(f, "no metric asks for a count, so it stays at {replicas}")
            }
            Self::KeptForUnknown {
                wanted,
                kept,
                metric,
                seen,
            } => {
                write!(f, "{wanted} would be enough, but {metric} ")?;
                match seen {
                    Observation::Fresh(_) | Observation::Partial(_) => {
                        f.write_str("is measured only in part")?;
                    }
                    Observation::Stale { age, .. } => write!(f, "was last known {} ago", Span(*age))?,
                    Observation::Missing { cause } => write!(f, "is unknown ({cause})")?,
                }
                write!(f, ": stays at {kept}")
            }
            Self::KeptForGroup {
                wanted,
                kept,
                group,
                metric,
            } => write!(
                f,
                "{wanted} would be enough, but {metric} does not ask for less, and all metrics of the group {group} have \
                 to: stays at {kept}"
            ),
            Self::Stabilized {
                wanted,
                kept,
                direction,
                window,
                by,
            } => stabilized(f, (*wanted, *kept), *direction, window.get(), by),
            Self::Limited {
                wanted,
                allowed,
                direction,
                limit,
                room_after,
            } => {
                f.write_str(&asked(*wanted, *allowed))?;
                match limit {
                    Some(limit) => write!(f, ", and {}: {allowed} for now", may_change(*limit, *direction))?,
                    None => write!(f, ", but scaling {direction} is switched off: stays at {allowed}")?,
                }
                and_then(f, *direction, *room_after)
            }
            Self::LimitedAsHpa {
                wanted,
                allowed,
                direction,
                room_after,
            } => {
                let asked = asked(*wanted, *allowed);
                write!(
                    f,
                    "{asked}, and the HPA's limit of scaling {direction} allows {allowed} for now"
                )?;
                and_then(f, *direction, *room_after)
            }
            Self::SelectorRefused { kept, selector } => write!(
                f,
                "the target's selector is {selector}, so nobody can tell which pods are its own and no metric is looked \
                 at: stays at {kept}"
            ),
            Self::HeldNotReady {
                wanted,
                kept,
                ready,
                starting_for,
            } => write!(
                f,
                "{} wanted, but only {} ready and another has been starting for {}: no more than {kept} until it is ready",
                is_or_are(*wanted),
                is_or_are(*ready),
                Span(*starting_for)
            ),
            Self::Held {
                wanted,
                kept,
                hold,
                ends_after,
            } => {
                let (asked, ending) = (
                    asked(*wanted, *kept),
                    Ending {
                        hold,
                        after: *ends_after,
                    },
                );
                write!(f, "{asked}, but {hold}: stays at {kept} {ending}")
            }
            Self::Restored { wanted, raised, by } => write!(
                f,
                "{by} set the count back as it deployed: {raised} again at once, as before, instead of {wanted}"
            ),
            Self::RestoreDelayed {
                wanted,
                count,
                by,
                after,
            } => write!(
                f,
                "{by} set the count back again as it deployed, which {count} was before, and it is restored once a minute at \
                 most: {wanted} until then, {count} in {}",
                Span(*after)
            ),
            Self::HeldFlapping {
                wanted,
                kept,
                reversals,
                allowed,
                ends_after,
            } => write!(
                f,
                "{wanted} would be enough, but the count has turned around {} within an hour and {allowed} are allowed: \
                 stays at {kept} for another {}",
                times(*reversals),
                Span(*ends_after)
            ),
            Self::HeldClock { wanted, kept, back } => write!(
                f,
                "{wanted} would be enough, but the clock was set back by {}, so ages are not certain: stays at {kept} in \
                 this pass",
                Span(*back)
            ),
            Self::FellBack {
                wanted,
                raised,
                action,
                unknown_for,
                metric,
            } => {
                match metric {
                    Some(metric) => write!(f, "{metric} has not been known")?,
                    None => f.write_str("nothing has been known of the load")?,
                }
                let does = match action {
                    FallbackAction::AtLeast(_) => "asks for",
                    FallbackAction::Hold => "keeps",
                    FallbackAction::LastKnown => "keeps to the last known recommendation:",
                };
                let span = Span(*unknown_for);
                write!(
                    f,
                    " for {span}, so the fallback {does} {raised} instead of {wanted}"
                )
            }
            Self::KeptAfterFallback {
                wanted,
                kept,
                known_for,
                after,
            } => write!(
                f,
                "{wanted} would be enough, but after a fallback the load has to be known for {} again, and has been for \
                 {}: {kept} for another {}",
                Span(*after),
                Span(*known_for),
                Span(after.saturating_sub(*known_for))
            ),
            Self::Activated {
                wanted,
                raised,
                metric,
            } => write!(
                f,
                "there is load again, says {metric}: {raised} at once instead of {wanted}"
            ),
            Self::KeptFromZero {
                wanted,
                kept,
                idle_for,
                idle,
            } => {
                write!(f, "{wanted} would be enough, but ")?;
                match *idle_for {
                    Duration::ZERO => write!(f, "not before there has been no load for {}", Span(*idle))?,
                    _ => write!(
                        f,
                        "there has been no load for only {} of {}",
                        Span(*idle_for),
                        Span(*idle)
                    )?,
                }
                let left = idle.saturating_sub(*idle_for);
                write!(f, ": {kept} for at least another {}", Span(left))
            }
            Self::Bounded {
                wanted,
                bounded,
                bounds,
                by,
            } => {
                let (asked, bound) = (asked(*wanted, *bounded), Bound::of(*wanted, *bounded));
                let only_one = bounds.min() == bounds.max();
                write!(
                    f,
                    "{asked}, and {}",
                    bound_says(bound, *bounded, by.as_ref(), only_one)
                )
            }
            Self::Forbidden {
                wanted,
                kept,
                hold,
                ends_after,
            } => {
                if wanted != kept {
                    write!(f, "{wanted} would be set, but ")?;
                }
                match hold {
                    Some(hold) => {
                        let ending = Ending {
                            hold,
                            after: *ends_after,
                        };
                        write!(f, "{hold}: stays at {kept} {ending}")
                    }
                    None => write!(
                        f,
                        "somebody set the count to {kept}, and that switches scaling off: stays at {kept} until somebody \
                         sets another"
                    ),
                }
            }
        }
    }
}

fn stabilized(
    f: &mut fmt::Formatter<'_>,
    (wanted, kept): (Replicas, Replicas),
    direction: Direction,
    window: Duration,
    by: &Stabilizing,
) -> fmt::Result {
    let asked = asked(wanted, kept);
    let window_span = Span(window);
    match by {
        Stabilizing::Recommendations { easing } => {
            let were = match direction {
                Direction::Up => "or fewer were enough",
                Direction::Down => "or more were needed",
            };
            write!(
                f,
                "{asked}, but {kept} {were} within the last {window_span}: {kept} for now"
            )?;
            // The next count and the last one say enough.
            let last = easing.last().filter(|_| easing.len() > 1);
            for level in easing.first().into_iter().chain(last) {
                write!(f, ", {} in {}", level.replicas, Span(level.after))?;
            }
            if easing.is_empty() {
                Ok(())
            } else {
                f.write_str(" if the load stays as it is")
            }
        }
        Stabilizing::Gaps { known, needed } if known >= needed => {
            write!(
                f,
                "{asked}, but nothing is remembered from before: stays at {kept} in this pass"
            )
        }
        Stabilizing::Gaps { known, needed } => write!(
            f,
            "{asked}, but of the last {window_span} only {} are known and {} are needed: stays at {kept} for at least \
             another {}",
            // In whole seconds, and rather too late than too early.
            Span(Duration::from_secs(known.as_secs())),
            Span(*needed),
            Span(needed.saturating_sub(Duration::from_secs(known.as_secs())))
        ),
        Stabilizing::Raised { ago } => write!(
            f,
            "{asked}, but replicas were added {} ago, and nothing is removed for {window_span} after that: stays at {kept} \
             for at least another {}",
            Span(*ago),
            Span(window.saturating_sub(*ago))
        ),
        Stabilizing::Undone { ago } => write!(
            f,
            "{asked}, but the count was lowered {} ago and somebody else has raised it since, and it is not lowered again for \
             {window_span} after that: stays at {kept} for at least another {}",
            Span(*ago),
            Span(window.saturating_sub(*ago))
        ),
    }
}

/// What a bound says, which is the only count allowed where it is the other one too.
fn bound_says(bound: Bound, replicas: Replicas, by: Option<&BoundSource>, is_only_one: bool) -> String {
    match (by, bound) {
        (None, Bound::Maximum) => format!("the maximum is {replicas}"),
        (None, Bound::Minimum) => format!("the minimum is {replicas}"),
        (Some(by), Bound::Maximum) if is_only_one => format!("{by} keeps it at {replicas}"),
        (Some(by), Bound::Maximum) => format!("{by} allows at most {replicas}"),
        (Some(by), Bound::Minimum) => format!("{by} asks for at least {replicas}"),
    }
}

/// What a limit says of one direction.
fn may_change(limit: ChangeLimit, direction: Direction) -> String {
    let changed = match direction {
        Direction::Up => "added",
        Direction::Down => "removed",
    };
    let period = Span(limit.period());
    match limit.amount() {
        ChangeAmount::Replicas(replicas) => format!("at most {replicas} may be {changed} within {period}"),
        ChangeAmount::Percent(percent) => format!("at most {percent} % may be {changed} within {period}"),
    }
}

/// What a limit allows next.
fn and_then(f: &mut fmt::Formatter<'_>, direction: Direction, after: Option<Duration>) -> fmt::Result {
    let further = match direction {
        Direction::Up => "more",
        Direction::Down => "fewer",
    };
    match after {
        Some(Duration::ZERO) => write!(f, ", {further} in the next pass"),
        Some(after) => write!(f, ", {further} in {}", Span(after)),
        None => Ok(()),
    }
}

/// What was asked for, against what is left of it.
fn asked(wanted: Replicas, left: Replicas) -> String {
    if wanted > left {
        format!("{} wanted", is_or_are(wanted))
    } else {
        format!("{wanted} would be enough")
    }
}

fn is_or_are(count: Replicas) -> String {
    if count.get() == 1 {
        "1 is".to_owned()
    } else {
        format!("{count} are")
    }
}

fn times(count: u32) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}
