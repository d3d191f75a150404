//! The conditions of an HPA's status (`hpa-semantics` §11), and what a round leaves in them.

use std::{fmt, time::Duration};

use crate::{ConditionStatus, MetricName, Replicas, Timestamp};

use super::{ChangeBefore, LimitReason, MetricError, SelectorState, StabilizeReason};

/// A condition of an HPA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ConditionType {
    /// Whether the target can be read and written.
    AbleToScale,
    /// Whether metrics give a count.
    ScalingActive,
    /// Whether a limit or a bound changed the count.
    ScalingLimited,
    /// Whether the HPA brought the count to zero (1.37 on).
    ScaledToZero,
}

/// Why a condition is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(
    missing_docs,
    reason = "the names are the HPA's, and its documentation says what they mean"
)]
pub enum ConditionReason {
    SucceededGetScale,
    FailedGetScale,
    ReadyForNewScale,
    ScaleUpStabilized,
    ScaleDownStabilized,
    SucceededRescale,
    FailedUpdateScale,
    ValidMetricFound,
    ScalingDisabled,
    InvalidSelector,
    AmbiguousSelector,
    FailedGetResourceMetric,
    FailedGetContainerResourceMetric,
    FailedGetPodsMetric,
    FailedGetObjectMetric,
    FailedGetExternalMetric,
    InvalidMetricSourceType,
    DesiredWithinRange,
    TooFewReplicas,
    TooManyReplicas,
    ScaleUpLimit,
    ScaleDownLimit,
    ScaledToZero,
    NotScaledToZero,
}

/// What holds of one condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Condition {
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why.
    pub reason: ConditionReason,
    /// Since when it has this status. Another reason alone does not move it.
    pub since: Timestamp,
}

/// All conditions of an HPA. One that no round has reached is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Conditions {
    able_to_scale: Option<Condition>,
    scaling_active: Option<Condition>,
    scaling_limited: Option<Condition>,
    scaled_to_zero: Option<Condition>,
}

impl Conditions {
    /// The condition of this type; `None` where no round has reached it.
    #[must_use]
    pub const fn get(&self, kind: ConditionType) -> Option<Condition> {
        match kind {
            ConditionType::AbleToScale => self.able_to_scale,
            ConditionType::ScalingActive => self.scaling_active,
            ConditionType::ScalingLimited => self.scaling_limited,
            ConditionType::ScaledToZero => self.scaled_to_zero,
        }
    }

    /// Those that are there, in the order of their types.
    pub fn iter(&self) -> impl Iterator<Item = (ConditionType, Condition)> {
        let types = [
            ConditionType::AbleToScale,
            ConditionType::ScalingActive,
            ConditionType::ScalingLimited,
            ConditionType::ScaledToZero,
        ];
        let all = *self;
        types
            .into_iter()
            .filter_map(move |kind| Some((kind, all.get(kind)?)))
    }

    /// Sets one. It has had its status since `now` where that is another one than before.
    pub fn set(
        &mut self,
        kind: ConditionType,
        status: ConditionStatus,
        reason: ConditionReason,
        now: Timestamp,
    ) {
        let since = match self.get(kind) {
            Some(before) if before.status == status => before.since,
            Some(_) | None => now,
        };
        *self.slot(kind) = Some(Condition {
            status,
            reason,
            since,
        });
    }

    pub(crate) fn remove(&mut self, kind: ConditionType) {
        *self.slot(kind) = None;
    }

    pub(crate) fn is_true(&self, kind: ConditionType) -> bool {
        self.get(kind)
            .is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    const fn slot(&mut self, kind: ConditionType) -> &mut Option<Condition> {
        match kind {
            ConditionType::AbleToScale => &mut self.able_to_scale,
            ConditionType::ScalingActive => &mut self.scaling_active,
            ConditionType::ScalingLimited => &mut self.scaling_limited,
            ConditionType::ScaledToZero => &mut self.scaled_to_zero,
        }
    }
}

impl fmt::Display for ConditionType {
    /// The name that the HPA has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Display for ConditionReason {
    /// The name that the HPA has for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<StabilizeReason> for ConditionReason {
    fn from(reason: StabilizeReason) -> Self {
        match reason {
            StabilizeReason::ReadyForNewScale => Self::ReadyForNewScale,
            StabilizeReason::ScaleUpStabilized => Self::ScaleUpStabilized,
            StabilizeReason::ScaleDownStabilized => Self::ScaleDownStabilized,
        }
    }
}

impl From<LimitReason> for ConditionReason {
    fn from(reason: LimitReason) -> Self {
        match reason {
            LimitReason::DesiredWithinRange => Self::DesiredWithinRange,
            LimitReason::TooFewReplicas => Self::TooFewReplicas,
            LimitReason::TooManyReplicas => Self::TooManyReplicas,
            LimitReason::ScaleUpLimit => Self::ScaleUpLimit,
            LimitReason::ScaleDownLimit => Self::ScaleDownLimit,
        }
    }
}

/// What an HPA remembers between two rounds, to go on where it stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HpaState {
    /// What it proposed, and how long ago; `None` when it has never seen its target.
    pub recommendations: Option<Vec<(Replicas, Duration)>>,
    /// The increases it wrote.
    pub scale_up_events: Vec<ChangeBefore>,
    /// The decreases it wrote.
    pub scale_down_events: Vec<ChangeBefore>,
    /// The conditions of its status.
    pub conditions: Conditions,
    /// `status.desiredReplicas`.
    pub desired: Option<Replicas>,
}

/// What a round of one workload came to, for its status.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RoundStatus {
    /// The count that was decided last: what an HPA has in `status.desiredReplicas`. `None` where none ever was.
    pub desired: Option<Replicas>,
    /// Whether another count was written.
    pub rescaled: bool,
    /// Why the round ended with an error. It may have scaled all the same.
    pub error: Option<RoundError>,
    /// The HPA's conditions; none under headroom's own semantics.
    pub conditions: Conditions,
}

/// Why a round ended with an error.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RoundError {
    /// The target could not be read.
    TargetUnreadable,
    /// The selector of the target cannot be used.
    Selector(SelectorState),
    /// A metric failed; the first one is named.
    Metric {
        /// Which one.
        metric: MetricName,
        /// Why.
        error: MetricError,
    },
    /// There is no metric at all.
    NoMetrics,
    /// The new count could not be written.
    NotWritten,
}

impl fmt::Display for RoundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TargetUnreadable => f.write_str("the target could not be read"),
            Self::Selector(selector) => write!(f, "the target's selector is {selector}"),
            Self::Metric { metric, error } => write!(f, "{metric} has no value: {error}"),
            Self::NoMetrics => f.write_str("there is no metric"),
            Self::NotWritten => f.write_str("the new count could not be written"),
        }
    }
}
