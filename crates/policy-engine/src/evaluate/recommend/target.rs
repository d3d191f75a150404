//! What a value asks for. Target tracking as the HPA does it (`hpa-semantics` §6: tolerance is a closed band, formulas round
//! up).

use super::{step_rule::asked_once_lasted, watermarks};
use crate::{MetricRule, Replicas, Tolerance};

/// How far from a whole number a quotient may lie and still be meant as one (I6): float noise, not load.
pub(super) const WHOLE: f64 = 1e-9;

/// What `rule` asks for at `value`, a step rule once its breach has lasted; `None` where it asks for nothing. More load
/// never asks for fewer (I32).
pub(super) fn asked_at(
    rule: &MetricRule,
    value: f64,
    current: Replicas,
    tolerance: Tolerance,
) -> Option<Replicas> {
    Some(match rule {
        MetricRule::Utilization(target) => in_proportion(value, target.get(), current, tolerance),
        // From zero neither the tolerance nor a product with nothing means anything (HPA §6.5).
        MetricRule::Value(target) if current == Replicas::ZERO => round_up(value / target.get()),
        MetricRule::Value(target) => in_proportion(value, target.get(), current, tolerance),
        MetricRule::PerReplica(target) => shared(value, target.get(), current, tolerance),
        MetricRule::Watermarks(marks) => watermarks::between(*marks, value, current),
        MetricRule::Step(rule) => return asked_once_lasted(rule, value, current),
    })
}

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
fn shared(value: f64, target: f64, current: Replicas, tolerance: Tolerance) -> Replicas {
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
