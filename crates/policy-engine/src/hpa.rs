//! What the Kubernetes HorizontalPodAutoscaler decides, exactly: its operations, each one a function.
//!
//! Written from the rules in `hpa-semantics` (the sections named in these modules), which describe the `autoscaling/v2`
//! controller of Kubernetes 1.36; the conformance cases in `tests/conformance` check each function and the whole round.
//! The stages that decide as the HPA does are composed of nothing else. The functions know nothing of stages, steps or
//! memory.
//!
//! Quantities are whole milli-units, counts 32-bit and ratios `f64` in the order of operations that the HPA has,
//! because some answers turn on the last bit. What the HPA leaves to overflow saturates here.

mod classify;
mod conditions;
mod events;
mod limits;
mod ratio;
mod replicas;
mod requests;
mod samples;
mod selector;
mod settings;
mod stabilize;

use thiserror::Error;

pub(crate) use self::replicas::one_value_replicas;
pub use self::{
    classify::{PodClass, StartingPods, classify_pods},
    conditions::{Condition, ConditionReason, ConditionType, Conditions, HpaState, RoundError, RoundStatus},
    events::store_scale_event,
    limits::{
        ChangeBefore, Changes, HpaBounds, HpaRules, LimitReason, Limited, change_within, complete_rules,
        rate_limit, rate_limit_legacy, scale_down_limit, scale_up_limit,
    },
    ratio::{UsageRatio, UtilizationRatio, usage_ratio, utilization_ratio},
    replicas::{Asked, HpaTarget, MetricReplicas, ScaleCounts, Shown, desired_replicas},
    requests::pod_requests,
    samples::{Aggregated, PodSample, PodSamples, aggregate_samples},
    selector::{Labels, Requirement, Selector, SelectorError, SelectorState, Wants, check_selector},
    settings::{Gates, HpaSettings, ScaleUpLimit, ZeroReplicasRule},
    stabilize::{Recommended, StabilizeReason, Stabilized, Windows, stabilize, stabilize_legacy},
};
use crate::{ContainerId, Resource};

/// What a metric is a value of (the types of `autoscaling/v2`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A resource that the pods use.
    Resource(Resource),
    /// A resource that one container of each pod uses.
    ContainerResource(Resource, ContainerId),
    /// A metric of each pod.
    Pods,
    /// A metric of one object.
    Object,
    /// One number from anywhere, such as a query.
    #[default]
    External,
    /// None that the HPA has.
    Unsupported,
}

impl MetricKind {
    /// Whether it is measured pod by pod.
    #[must_use]
    pub const fn is_of_pods(self) -> bool {
        match self {
            Self::Resource(_) | Self::ContainerResource(..) | Self::Pods => true,
            Self::Object | Self::External | Self::Unsupported => false,
        }
    }
}

/// Why a metric gives no count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum MetricError {
    /// The source failed.
    #[error("the source failed")]
    Source,
    /// The source answered with nothing.
    #[error("the source had no samples")]
    NoMetrics,
    /// The selector matches no pod.
    #[error("the selector matches no pod")]
    NoPods,
    /// There are samples, and none can be used.
    #[error("no pod has a sample that can be used yet")]
    NoMetricsForTargetedPods,
    /// The samples are of other pods, or the pods ask for nothing.
    #[error("the samples are of other pods, or the pods request nothing")]
    NoMetricsMatchKnownPods,
    /// A container does not say how much of the resource it asks for.
    #[error("a container has no request for the resource")]
    MissingRequest,
    /// A pod has no container with the name that is asked for.
    #[error("a pod has no container of that name")]
    ContainerNotFound,
    /// The HPA has no metric of this kind.
    #[error("the HPA has no such kind of metric")]
    UnknownKind,
    /// The HPA has no target of this kind for this metric.
    #[error("the HPA has no such target for this kind of metric")]
    WrongTarget,
}
