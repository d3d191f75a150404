//! Target tracking as the HPA does it (`hpa-semantics` §6: tolerance is a closed band, formulas round up).

use super::watermarks;
use crate::{MetricRule, Observation, Replicas, Tolerance};

/// How far from a whole number a quotient may lie and still be meant as one (I6): float noise, not load.
pub(super) const WHOLE: f64 = 1e-9;

/// The count at which the value would meet its target, in proportion (HPA `Utilization` and `Value`).
pub(super) fn in_proportion(value: f64, target: f64, current: Replicas, tolerance: Tolerance) -> Replicas {
    let ratio = value / target;
    if tolerance.contains(ratio) {
        current
    } else {
        round_up(ratio * f64::from(current.get()))
    }
}

/// The count that shares the value out (HPA `AverageValue`, §6.6).
pub(super) fn shared(value: f64, target: f64, current: Replicas, tolerance: Tolerance) -> Replicas {
    let ratio = value / (target * f64::from(current.get()));
    if tolerance.contains(ratio) {
        current
    } else {
        round_up(value / target)
    }
}

/// Rounds up, so that the load fits; float noise above a whole number is not load (I6).
pub(super) fn round_up(replicas: f64) -> Replicas {
    let whole = replicas.round();
    let up = if (replicas - whole).abs() <= WHOLE * whole.max(1.0) {
        whole
    } else {
        replicas.ceil()
    };
    to_replicas(up)
}

/// A whole number as a count, moved into the range of replicas.
pub(super) fn to_replicas(whole: f64) -> Replicas {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "moved into the range of replicas"
    )]
    Replicas::new(whole.clamp(0.0, f64::from(Replicas::LIMIT.get())) as u32)
}

/// The target, or of several thresholds or marks the one nearest to the value.
pub(in crate::evaluate) fn target_of(rule: &MetricRule, seen: &Observation, current: Replicas) -> f64 {
    let value = match seen {
        Observation::Fresh(sample) | Observation::Partial(sample) | Observation::Stale { sample, .. } => {
            sample.value
        }
        Observation::Missing { .. } => f64::MAX,
    };
    let nearest = |value: f64, thresholds: [Option<f64>; 2]| {
        let distance = |threshold: &f64| (threshold - value).abs();
        let known = thresholds.into_iter().flatten();
        known
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .unwrap_or_default()
    };
    match rule {
        MetricRule::Utilization(target) => target.get(),
        MetricRule::PerReplica(target) | MetricRule::Value(target) => target.get(),
        MetricRule::Watermarks(marks) => nearest(
            watermarks::compared(*marks, value, current),
            [Some(marks.high().get()), Some(marks.low().get())],
        ),
        MetricRule::Step(rule) => nearest(
            value,
            [rule.above(), rule.below()].map(|breach| Some(breach?.threshold)),
        ),
    }
}
