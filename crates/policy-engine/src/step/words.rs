//! The words for steps, decisions and what they are made of. Made once, here; everybody shows the same.

use std::{fmt, time::Duration};

use super::{Explanation, Proposal};
use crate::{
    BoundSource, ChangeAmount, ChangeLimit, Decision, Direction, MissingCause, Observation, Operator, Reason,
    SelectorState,
};

/// A number as a person writes it: four significant digits, no trailing zeros.
#[derive(Clone, Copy, Debug)]
pub struct Number(pub f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        let size = value.abs();
        if size == 0.0 {
            return f.write_str("0");
        }
        if !(1e-4..1e9).contains(&size) {
            return write!(f, "{value:.3e}");
        }
        let digits = if size >= 1000.0 {
            0
        } else if size >= 100.0 {
            1
        } else if size >= 10.0 {
            2
        } else if size >= 1.0 {
            3
        } else {
            4
        };
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            &text
        };
        f.write_str(text)
    }
}

/// The seconds of a day.
const DAY: u64 = 86_400;
/// Spans of so many seconds or more are said in days.
const IN_DAYS: u64 = 2 * DAY;

/// A span as a person says it: `40 s`, `2 min`, `1 h 5 min`, `3 d`.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds >= IN_DAYS {
            return match (seconds / DAY, seconds % DAY / 3600) {
                (days, 0) => write!(f, "{days} d"),
                (days, hours) => write!(f, "{days} d {hours} h"),
            };
        }
        match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
            (0, 0, _) if self.0.subsec_millis() > 0 && seconds < 10 => {
                write!(f, "{} s", Number(self.0.as_secs_f64()))
            }
            (0, 0, seconds) => write!(f, "{seconds} s"),
            (0, minutes, 0) => write!(f, "{minutes} min"),
            (0, minutes, seconds) => write!(f, "{minutes} min {seconds} s"),
            (hours, 0, _) => write!(f, "{hours} h"),
            (hours, minutes, _) => write!(f, "{hours} h {minutes} min"),
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

impl fmt::Display for ChangeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.amount() {
            ChangeAmount::Replicas(replicas) => write!(f, "{replicas} per {}", Span(self.period())),
            ChangeAmount::Percent(percent) => write!(f, "{percent} % per {}", Span(self.period())),
        }
    }
}

impl fmt::Display for MissingCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("nobody asked for it"),
            Self::NoData => f.write_str("no series matched"),
            Self::Ambiguous { series } => write!(f, "{series} series matched instead of one"),
            Self::WrongType => f.write_str("the answer is not one number"),
            Self::NotANumber => f.write_str("the value is not a number"),
            Self::Infinite => f.write_str("the value is infinite"),
            Self::Negative => f.write_str("the value is negative"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Unreachable => f.write_str("the source could not be reached"),
            Self::Rejected { status } => write!(f, "the source answered {status}"),
            Self::Malformed => f.write_str("the answer could not be read"),
            Self::TooLarge => f.write_str("the answer is too large"),
            Self::ClockSkew => f.write_str("the source's clock is off"),
            Self::NoRateYet => f.write_str("a rate needs a second reading"),
            Self::NoReplicas => f.write_str("no replica answered"),
            Self::Unusable { why } => why.fmt(f),
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        observed(f, self, Number)
    }
}

/// What is known of a metric, its value as `shown` says it.
pub(super) fn observed<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    seen: &Observation,
    shown: impl Fn(f64) -> T,
) -> fmt::Result {
    match seen {
        Observation::Fresh(sample) => shown(sample.value).fmt(f),
        Observation::Partial(sample) => write!(f, "{} (measured only in part)", shown(sample.value)),
        Observation::Stale { sample, age } => {
            let (value, age) = (shown(sample.value), Span(*age));
            write!(f, "{value} ({age} old, too old to act on)")
        }
        Observation::Missing { cause } => write!(f, "unknown ({cause})"),
    }
}

impl Reason {
    /// The reason as machines name it, as in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AboveTarget => "above_target",
            Self::BelowTarget => "below_target",
            Self::Restored => "restored",
            Self::OutOfBounds => "out_of_bounds",
            Self::Fallback => "fallback",
            Self::Recovering => "recovering",
            Self::Activated => "activated",
            Self::NotIdle => "not_idle",
            Self::OnTarget => "on_target",
            Self::AtMaximum => "at_maximum",
            Self::AtMinimum => "at_minimum",
            Self::Stabilizing => "stabilizing",
            Self::ChangeLimited => "change_limited",
            Self::MetricUnknown => "metric_unknown",
            Self::GroupDisagrees => "group_disagrees",
            Self::Blind => "blind",
            Self::SelectorUnusable => "selector_unusable",
            Self::NotReady => "not_ready",
            Self::FailingToStart => "failing_to_start",
            Self::ScaleDownHeld => "scale_down_held",
            Self::RollingOut => "rolling_out",
            Self::Contested => "contested",
            Self::FleetBrake => "fleet_brake",
            Self::Flapping => "flapping",
            Self::ClockWentBack => "clock_went_back",
            Self::Paused => "paused",
            Self::SecondScaler => "second_scaler",
            Self::SecondHeadroom => "second_headroom",
            Self::RequestsSet => "requests_set",
            Self::BeingDeleted => "being_deleted",
            Self::Off => "off",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AboveTarget => "a metric is above its target",
            Self::BelowTarget => "every metric is below its target",
            Self::Restored => "a deploy had set the count back",
            Self::OutOfBounds => "the count was outside its bounds",
            Self::Fallback => "too little is known about the load, so the fallback applies",
            Self::Recovering => "the load has been known again for too short a time since the fallback",
            Self::Activated => "there is load again",
            Self::NotIdle => "there has been load too recently for a count of zero",
            Self::OnTarget => "the load fits the count",
            Self::AtMaximum => "more is wanted, and the maximum is reached",
            Self::AtMinimum => "less would do, and the minimum is reached",
            Self::Stabilizing => "the load has not asked for it for long enough",
            Self::ChangeLimited => "the change limit allows no more for now",
            Self::MetricUnknown => "less would do, but a metric is unknown",
            Self::GroupDisagrees => "less would do, but not for every metric of a group",
            Self::Blind => "nothing is known about the load",
            Self::SelectorUnusable => "the target's selector cannot be used",
            Self::NotReady => "replicas that were added do not become ready",
            Self::FailingToStart => "replicas cannot start",
            Self::ScaleDownHeld => "less would do, and somebody asked that the count does not fall",
            Self::RollingOut => "less would do, and a rollout is under way",
            Self::Contested => "somebody else keeps setting another count",
            Self::FleetBrake => "less would do, and too much of the fleet would scale down at once",
            Self::Flapping => "the count turned around too often",
            Self::ClockWentBack => "the clock went back",
            Self::Paused => "scaling is paused",
            Self::SecondScaler => "something else scales the target too",
            Self::SecondHeadroom => "another headroom scales the target too",
            Self::RequestsSet => "something sets the requests that the count follows",
            Self::BeingDeleted => "the target is being deleted",
            Self::Off => "somebody set the count to zero",
        })
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scale { from, to, reason } => write!(f, "{from} → {to}: {reason}"),
            Self::Hold { at, reason } => write!(f, "stays at {at}: {reason}"),
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicas(replicas) => write!(f, "asks for {replicas}"),
            Self::NoVote => f.write_str("asks for nothing"),
            Self::Ignored => f.write_str("is ignored"),
            Self::Blocks => f.write_str("forbids scaling down"),
        }
    }
}

impl fmt::Display for SelectorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Usable => "usable",
            Self::Missing => "missing",
            Self::Invalid => "unreadable",
            Self::Ambiguous => "shared with another autoscaler",
        })
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(by) => write!(f, "the override of {by}")?,
            None => f.write_str("an override")?,
        }
        match &self.reason {
            Some(reason) => write!(f, " ({reason})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for BoundSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schedule(name) => write!(f, "the schedule `{name}`"),
            Self::Override(operator) => operator.fmt(f),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (930.0, "930"),
            (0.7, "0.7"),
            (0.1 + 0.2, "0.3"),
            (1234.567, "1235"),
            (100.0, "100"),
            (2.5, "2.5"),
            (99.999, "100"),
            (1e12, "1.000e12"),
        ] {
            assert_eq!(Number(value).to_string(), text);
        }
    }

    #[test]
    fn spans_are_said_in_two_units_at_most() {
        for (millis, text) in [
            (500, "0.5 s"),
            (40_000, "40 s"),
            (120_000, "2 min"),
            (90_000, "1 min 30 s"),
            (3_900_000, "1 h 5 min"),
            (129_600_000, "36 h"),
            (172_800_000, "2 d"),
            (1_795_698_000_000, "20783 d 13 h"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
