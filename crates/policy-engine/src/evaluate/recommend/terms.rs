//! On what terms a metric asks for replicas, forwards and backwards: what a value asks for, and which values ask for a
//! count.
//!
//! Backwards is found by trying. What a rule asks for never falls as its value rises, so halving the range of floats finds
//! the last one before a step exactly, whatever the rule rounds. A new rule is written forwards alone.

use super::target::{asked_at, in_proportion};
use crate::{
    MetricPolicy, MetricRule, Milli, Replicas, Tolerance, Votes,
    evaluate::Evaluation,
    hpa::{HpaTarget, ScaleCounts, one_value_replicas},
};

/// On what terms a metric asks for replicas at one moment: enough to say what any other value would have asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Terms {
    /// How its value becomes a count.
    pub rule: MetricRule,
    /// Which proposals count.
    pub votes: Votes,
    /// The band around the target without action. Step rules have none.
    pub tolerance: Tolerance,
    /// The count that was wanted at that moment.
    pub current: Replicas,
    /// Whose arithmetic works it out.
    pub arithmetic: Arithmetic,
}

/// Whose arithmetic works a count out, and from what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Arithmetic {
    /// headroom's, from one number.
    Headroom,
    /// The HPA's, from one number.
    Hpa {
        /// The count that was there (`status.replicas` of the scale).
        observed: Replicas,
    },
    /// The HPA's, pod by pod. What another value would ask for is said as if every pod were ready.
    EachPod,
}

/// The values for which a metric asks for a count.
///
/// Where `least` is above `most`, none asks for exactly that many: up to `most` fewer are asked for, from `least` on more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Values {
    /// The least value that asks for so many or more, from zero up; `None` where none does.
    pub least: Option<f64>,
    /// The most that asks for so many or fewer, or for nothing; `None` where even zero asks for more.
    pub most: Option<f64>,
}

impl Values {
    /// Whether there is a value that asks for exactly so many.
    #[must_use]
    pub fn has_any(self) -> bool {
        matches!((self.least, self.most), (Some(least), Some(most)) if least <= most)
    }
}

impl Terms {
    /// The terms of `metric` in this evaluation.
    pub(in crate::evaluate) fn of(metric: &MetricPolicy, at: Evaluation<'_>, arithmetic: Arithmetic) -> Self {
        Self {
            rule: metric.rule,
            votes: metric.votes,
            tolerance: metric.tolerance,
            current: at.workload.current,
            arithmetic,
        }
    }

    /// What `value` asks for, of a step rule once it has lasted; `None` where it asks for nothing. Never falls as the
    /// value rises.
    ///
    /// The HPA takes the pods that can serve into account; here all of them can.
    #[must_use]
    pub fn asks_for(&self, value: f64) -> Option<Replicas> {
        let current = self.current;
        let replicas = match self.arithmetic {
            Arithmetic::Headroom => asked_at(&self.rule, value, current, self.tolerance)?,
            Arithmetic::Hpa { observed } => {
                let scale = ScaleCounts {
                    spec: current.as_hpa(),
                    status: observed.as_hpa(),
                };
                let value = Milli::from_value(value);
                Replicas::of_hpa(one_value_replicas(
                    value,
                    target(&self.rule)?,
                    self.tolerance,
                    scale,
                )?)
            }
            Arithmetic::EachPod => in_proportion(value, self.mean_target()?, current, self.tolerance),
        };
        (replicas > current || self.votes == Votes::UpAndDown).then_some(replicas)
    }

    /// The values for which the metric asks for `want` replicas, by the same arithmetic as forwards.
    #[must_use]
    pub fn values_for(&self, want: Replicas) -> Values {
        let (zero, end) = (0.0, f64::MAX);
        // Nothing is less than any count.
        let reaches = |value| self.asks_for(value) >= Some(want);
        let exceeds = |value| self.asks_for(value) > Some(want);
        Values {
            least: (reaches(zero) || reaches(end)).then(|| first(reaches)),
            most: match (exceeds(zero), exceeds(end)) {
                (true, _) => None,
                (false, false) => Some(end),
                (false, true) => Some(first(exceeds).next_down()),
            },
        }
    }

    /// Whether what another value would ask for is said as if every replica were ready.
    #[must_use]
    pub const fn assumes_ready(&self) -> bool {
        match (self.arithmetic, self.rule) {
            (Arithmetic::EachPod, _) | (Arithmetic::Hpa { .. }, MetricRule::Value(_)) => true,
            (Arithmetic::Headroom | Arithmetic::Hpa { .. }, _) => false,
        }
    }

    /// What the mean over the pods is compared with; `None` for rules that have no such thing.
    const fn mean_target(&self) -> Option<f64> {
        match self.rule {
            MetricRule::Utilization(target) => Some(target.get()),
            MetricRule::PerReplica(target) | MetricRule::Value(target) => Some(target.get()),
            MetricRule::Watermarks(_) | MetricRule::Step(_) => None,
        }
    }
}

impl Arithmetic {
    /// That of `metric` where the HPA decides.
    pub(in crate::evaluate) fn hpa(metric: &MetricPolicy, at: Evaluation<'_>) -> Self {
        if metric.kind.is_of_pods() {
            Self::EachPod
        } else {
            Self::Hpa {
                observed: at.workload.observed.unwrap_or(at.workload.current),
            }
        }
    }

    /// That of `metric` under headroom's own semantics.
    pub(in crate::evaluate) const fn own(metric: &MetricPolicy) -> Self {
        if metric.kind.is_of_pods() {
            Self::EachPod
        } else {
            Self::Headroom
        }
    }
}

/// The target of a rule as the HPA has it; `None` where it has no such rule.
pub(super) fn target(rule: &MetricRule) -> Option<HpaTarget> {
    match rule {
        MetricRule::Utilization(target) => Some(HpaTarget::Utilization(target.percent())),
        MetricRule::PerReplica(target) => Some(HpaTarget::AverageValue(target.milli())),
        MetricRule::Value(target) => Some(HpaTarget::Value(target.milli())),
        MetricRule::Watermarks(_) | MetricRule::Step(_) => None,
    }
}

/// The first value from zero up for which `holds`, which then holds for all above. The largest float where none is.
fn first(holds: impl Fn(f64) -> bool) -> f64 {
    // The bits of floats from zero up are in the order of the floats.
    let (mut low, mut high) = (0_f64.to_bits(), f64::MAX.to_bits());
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(f64::from_bits(middle)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    f64::from_bits(low)
}
