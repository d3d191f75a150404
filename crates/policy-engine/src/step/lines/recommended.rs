//! The line of one metric: its value with its unit, what it is compared with, and what it asks for.

use std::fmt;

use crate::{
    Arithmetic, Compared, MetricName, MetricRule, MissingCause, Observation, Pending, Proposal, StepRule,
    Terms, Votes, Watermarks,
    step::words::{Number, Span, observed},
};

pub(super) fn line(
    f: &mut fmt::Formatter<'_>,
    metric: &MetricName,
    seen: &Observation,
    terms: &Terms,
    pending: Option<Pending>,
    proposal: Proposal,
) -> fmt::Result {
    let without = match proposal {
        Proposal::Ignored => ", and is ignored",
        Proposal::Blocks => ", so nothing is scaled down",
        Proposal::Replicas(_) | Proposal::NoVote => "",
    };
    let asks = Asks {
        terms,
        pending,
        proposal,
        seen,
    };
    match (seen, proposal) {
        (Observation::Missing { cause }, Proposal::Blocks | Proposal::Ignored) => {
            write!(f, "{metric} is unknown ({cause}){without}")
        }
        (
            Observation::Missing {
                cause: MissingCause::NoReplicas,
            },
            _,
        ) => write!(f, "{metric} is asked of the replicas, and there are none: {asks}"),
        (
            Observation::Missing {
                cause: MissingCause::NotANumber,
            },
            _,
        ) => write!(
            f,
            "{metric} is not a number, as a quantile over no requests is: {asks}"
        ),
        (Observation::Missing { cause }, _) => {
            write!(f, "{metric} is unknown ({cause}), which counts as zero: {asks}")
        }
        (Observation::Stale { sample, age }, _) => {
            let (value, age) = (terms.quantity(sample.value), Span(*age));
            write!(
                f,
                "{metric} was {value} {age} ago, which is too old to act on{without}"
            )
        }
        (Observation::Fresh(sample), _) => {
            write!(f, "{metric} is {}: {asks}", terms.compared(sample.value))
        }
        (Observation::Partial(sample), _) => write!(
            f,
            "{metric}, measured only in part, is {}: {asks}, and nothing is scaled down",
            terms.compared(sample.value)
        ),
    }
}

/// A value in the unit of its metric.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    value: f64,
    unit: Unit,
}

#[derive(Clone, Copy, Debug)]
enum Unit {
    /// A fraction, said in percent.
    Percent,
    /// Whatever the metric counts.
    Plain,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit {
            Unit::Percent => write!(f, "{} %", Number(self.number())),
            Unit::Plain => Number(self.number()).fmt(f),
        }
    }
}

impl Quantity {
    /// Whether the number that is shown is below the value.
    pub(super) fn is_said_as_less(self) -> bool {
        self.said() < self.number()
    }

    /// Whether the number that is shown is above the value.
    pub(super) fn is_said_as_more(self) -> bool {
        self.said() > self.number()
    }

    /// The value as it is counted in its unit.
    fn number(self) -> f64 {
        match self.unit {
            Unit::Percent => self.value * 100.0,
            Unit::Plain => self.value,
        }
    }

    /// The number that is shown for it.
    fn said(self) -> f64 {
        let shown = Number(self.number()).to_string();
        shown.parse().unwrap_or(self.number())
    }
}

/// What is known of a metric, in its unit.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    terms: &'a Terms,
    seen: &'a Observation,
}

impl fmt::Display for Observed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        observed(f, self.seen, |value| self.terms.quantity(value))
    }
}

impl Terms {
    /// `value` in the unit of this metric, for people.
    #[must_use]
    pub const fn quantity(&self, value: f64) -> Quantity {
        let unit = match self.rule {
            MetricRule::Utilization(_) => Unit::Percent,
            MetricRule::PerReplica(_)
            | MetricRule::Value(_)
            | MetricRule::Watermarks(_)
            | MetricRule::Step(_) => Unit::Plain,
        };
        Quantity { value, unit }
    }

    /// What is known of this metric, in its unit, for people.
    #[must_use]
    pub const fn observed<'a>(&'a self, seen: &'a Observation) -> Observed<'a> {
        Observed { terms: self, seen }
    }

    /// `value` and how it stands to what it is compared with.
    fn compared(&self, value: f64) -> String {
        let shown = self.quantity(value);
        match (self.rule, self.arithmetic) {
            (MetricRule::Utilization(target), arithmetic) => {
                let of = match arithmetic {
                    Arithmetic::EachPod => " of what its pods request",
                    Arithmetic::Headroom | Arithmetic::Hpa { .. } => "",
                };
                format!("at {shown}{of}, {}", self.against(value, target.get()))
            }
            (MetricRule::Value(target), _) => {
                format!("{shown}, {}", self.against(value, target.get()))
            }
            (MetricRule::PerReplica(target), Arithmetic::EachPod) => {
                format!("{shown} for each replica, {}", self.against(value, target.get()))
            }
            (MetricRule::PerReplica(target), Arithmetic::Headroom | Arithmetic::Hpa { .. }) => {
                format!("{shown}, at {} for each replica", self.quantity(target.get()))
            }
            (MetricRule::Watermarks(marks), _) => match marks.compared() {
                Compared::Value => format!("{shown}, {}", between_marks(marks, value)),
                Compared::PerReplica => {
                    let share = value / f64::from(self.current.get().max(1));
                    let (each, marks) = (Number(share), between_marks(marks, share));
                    format!("{shown}, which is {each} for each replica and {marks}")
                }
            },
            (MetricRule::Step(rule), _) => format!("{shown}, {}", between_thresholds(&rule, value)),
        }
    }

    fn against(&self, value: f64, target: f64) -> String {
        let side = if self.tolerance.contains(value / target) {
            "near"
        } else if value > target {
            "above"
        } else {
            "below"
        };
        format!("{side} its target of {}", self.quantity(target))
    }
}

/// Where a value stands to the thresholds of a step rule.
fn between_thresholds(rule: &StepRule, value: f64) -> String {
    let [above, below] = [rule.above(), rule.below()].map(|breach| breach.map(|breach| breach.threshold));
    match (above, below) {
        (Some(above), _) if value > above => format!("above {}", Number(above)),
        (_, Some(below)) if value < below => format!("below {}", Number(below)),
        (Some(above), Some(below)) => format!("between {} and {}", Number(below), Number(above)),
        (Some(above), None) => format!("not above {}", Number(above)),
        (None, Some(below)) => format!("not below {}", Number(below)),
        // No step rule is without thresholds.
        (None, None) => String::from("compared with nothing"),
    }
}

/// Where what is compared stands to the marks.
fn between_marks(marks: Watermarks, value: f64) -> String {
    let (low, high) = (marks.low().get(), marks.high().get());
    if value > high {
        format!("above its high mark of {}", Number(high))
    } else if value < low {
        format!("below its low mark of {}", Number(low))
    } else {
        format!("between its marks of {} and {}", Number(low), Number(high))
    }
}

/// What a known metric asks for.
struct Asks<'a> {
    terms: &'a Terms,
    pending: Option<Pending>,
    proposal: Proposal,
    seen: &'a Observation,
}

impl fmt::Display for Asks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pending, self.proposal) {
            (Some(Pending { replicas, after }), _) if after.is_zero() => {
                write!(f, "asks for {replicas} with its next sample, if it stays there")
            }
            (Some(Pending { replicas, after }), _) => {
                write!(f, "asks for {replicas} in {}, if it stays there", Span(after))
            }
            (None, Proposal::Replicas(replicas)) if replicas == self.terms.current => {
                f.write_str("asks for no change")
            }
            (None, Proposal::Replicas(replicas)) => write!(f, "asks for {replicas}"),
            (None, Proposal::NoVote) => f.write_str(self.why_not()),
            (None, Proposal::Ignored | Proposal::Blocks) => self.proposal.fmt(f),
        }
    }
}

impl Asks<'_> {
    /// Why it asks for nothing.
    fn why_not(&self) -> &'static str {
        match (self.seen, self.terms.votes) {
            (Observation::Partial(_), _) => "asks for no more",
            (Observation::Fresh(_), Votes::UpOnly) => "may only ask for more, and does not",
            (Observation::Fresh(_) | Observation::Stale { .. } | Observation::Missing { .. }, _) => {
                "asks for nothing"
            }
        }
    }
}
