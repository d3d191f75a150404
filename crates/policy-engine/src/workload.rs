//! What is known about the thing that is scaled: its count, and how many of its replicas can serve.

use std::{sync::Arc, time::Duration};

use crate::{ActiveBounds, Hold, RaisedCondition, Replicas, Timestamp, hpa::SelectorState};

/// One workload at the moment of evaluation, as its target tells.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Workload {
    /// The wanted count (Kubernetes: `spec.replicas` of the scale).
    pub current: Replicas,
    /// The count that is there (Kubernetes: `status.replicas` of the scale); `None` where the target does not tell.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub observed: Option<Replicas>,
    /// What can be said of the target's selector.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "SelectorState::is_usable")
    )]
    pub selector: SelectorState,
    /// Where the wanted count comes from.
    pub origin: CountOrigin,
    /// The deploy that set the wanted count; `None` where somebody set it for itself, or nothing tells.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub deploy: Option<Deploy>,
    /// How many replicas can serve.
    pub readiness: Readiness,
    /// What holds the workload from outside the engine. Empty for most.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub holds: Vec<Hold>,
    /// What else the target tells that somebody has to look at. It holds nothing by itself. Empty for most.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub raised: Vec<RaisedCondition>,
    /// What schedules and overrides ask for at this moment. None for most.
    #[cfg_attr(feature = "serde", serde(default))]
    pub bounds: ActiveBounds,
}

impl Workload {
    /// A target that was read and has nothing to say but its count.
    #[must_use]
    pub fn running(current: Replicas) -> Self {
        Self {
            current,
            observed: None,
            selector: SelectorState::Usable,
            origin: CountOrigin::Read,
            deploy: None,
            readiness: Readiness::Unknown,
            holds: Vec::new(),
            raised: Vec::new(),
            bounds: ActiveBounds::default(),
        }
    }
}

/// A change of the wanted count by whoever wrote the template of the replicas too, as Helm and Argo CD do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Deploy {
    /// Who deployed, by the name it gives itself (Kubernetes: the field manager).
    pub by: Arc<str>,
    /// When, by the target's clock.
    pub at: Timestamp,
}

/// Where a wanted count comes from. Decides what a count of zero means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum CountOrigin {
    /// It was read from the target, and nothing tells who wrote it. Of a zero, memory tells: one that headroom did not
    /// write is a person's, and the workload is off. Where nothing is remembered either, it is headroom's where the policy
    /// has a zero.
    Read,
    /// The target tells that headroom wrote it (Kubernetes: the field manager of `spec.replicas`).
    WrittenByHeadroom,
    /// The target tells that somebody else wrote it. A zero that memory does not know as headroom's is a person's.
    WrittenByOthers,
    /// Nothing was ever started here: the bounds apply at once, and zero means nothing.
    NeverStarted,
}

/// How many replicas can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Readiness {
    /// The target does not tell. The not-ready guard is off.
    Unknown,
    /// The target tells.
    Known {
        /// Replicas that can serve now.
        ready: Replicas,
        /// How long the replica that has waited longest has been starting without becoming ready; `None` when all are.
        longest_unready: Option<Duration>,
    },
}
