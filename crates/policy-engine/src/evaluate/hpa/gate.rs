//! What a round turns on before any metric is looked at (`hpa-semantics` §7.1, §8), and what a count of zero means.

use crate::{
    Memory, MetricPolicy, Replicas, SelectorState,
    evaluate::Evaluation,
    hpa::{ConditionType, MetricKind, ZeroReplicasRule},
    memory::ZeroMark,
};

/// What a round turns on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gate<'a> {
    /// The metrics.
    Metrics,
    /// The count is outside its bounds: it moves inside, whatever the metrics say.
    Jump,
    /// Scaling is off, because somebody set the count to zero.
    Disabled,
    /// The target's selector cannot be used.
    Selector,
    /// Too many metrics failed; this is the first.
    Failed(&'a MetricPolicy),
    /// There is no metric.
    NoMetrics,
}

/// What the round turns on, before any metric (§8, §7.1).
pub(super) fn gate<'a>(at: Evaluation<'a>, memory: &mut Memory) -> Gate<'a> {
    let (current, bounds) = (at.workload.current, at.bounds());
    if current == Replicas::ZERO && !may_leave_zero(at, memory) {
        if zero_mark(at) == ZeroMark::Removed
            && let Some(round) = &mut memory.hpa
        {
            round.conditions.remove(ConditionType::ScaledToZero);
        }
        Gate::Disabled
    } else if current > Replicas::ZERO && !bounds.contains(current) {
        Gate::Jump
    } else if at.workload.selector == SelectorState::Usable {
        Gate::Metrics
    } else {
        Gate::Selector
    }
}

/// Whether a count of zero is the HPA's own, or one that it may change.
fn may_leave_zero(at: Evaluation<'_>, memory: &Memory) -> bool {
    let has_minimum = at.policy.bounds.min() > Replicas::ZERO;
    match at.policy.hpa.zero {
        ZeroReplicasRule::MinReplicas => !has_minimum,
        ZeroReplicasRule::ScaledToZeroCondition => {
            let marked = at.policy.hpa.gates.scale_to_zero
                && memory
                    .hpa
                    .as_ref()
                    .is_some_and(|round| round.conditions.is_true(ConditionType::ScaledToZero));
            marked && (has_minimum || has_signal_from_outside(at))
        }
    }
}

/// Whether a metric is there that pods are not needed for.
fn has_signal_from_outside(at: Evaluation<'_>) -> bool {
    at.policy.metrics.iter().any(|metric| match metric.kind {
        MetricKind::Object | MetricKind::External => true,
        MetricKind::Resource(_)
        | MetricKind::ContainerResource(..)
        | MetricKind::Pods
        | MetricKind::Unsupported => false,
    })
}

pub(super) fn zero_mark(at: Evaluation<'_>) -> ZeroMark {
    if at.policy.hpa.zero == ZeroReplicasRule::MinReplicas {
        ZeroMark::Unknown
    } else if !at.policy.hpa.gates.scale_to_zero {
        ZeroMark::Removed
    } else if at.policy.bounds.min() == Replicas::ZERO && has_signal_from_outside(at) {
        ZeroMark::Allowed
    } else {
        ZeroMark::Never
    }
}
