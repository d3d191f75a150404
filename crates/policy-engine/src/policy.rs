//! All the rules for one workload, as types that cannot be wrong.
//!
//! Values are checked where they enter, here; after that no stage checks them again. Text such as `"5m"` belongs
//! to the configuration.

mod error;
mod guards;
mod limits;
mod names;
mod rule;
mod watermarks;
mod zero;

use std::sync::Arc;

pub use self::{
    error::PolicyError,
    guards::{EvaluationInterval, Fallback, FallbackAction, FallbackWhen, Guards},
    limits::{ChangeAmount, ChangeLimit, ChangeLimits, LimitSelection, ScalingRules, StabilizationWindow},
    names::{GroupName, MetricName},
    rule::{Breach, MetricRule, StepRule, Target, TargetUtilization},
    watermarks::{Compared, Watermarks},
    zero::ScaleToZero,
};
use crate::{
    OwnBounds, ReplicaBounds,
    hpa::{HpaSettings, MetricKind},
};

/// The rules for one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadPolicy {
    /// Whose rules decide.
    pub semantics: Semantics,
    /// What the HPA's controller is set to. Its periods of starting pods hold under headroom's own semantics too.
    pub hpa: Arc<HpaSettings>,
    /// The fewest and most replicas.
    pub bounds: ReplicaBounds,
    /// Whether the count may be zero, below those bounds; `None`: never. Holds under headroom's own semantics; the HPA's
    /// have bounds from zero.
    pub zero: Option<ScaleToZero>,
    /// What the load is read from. The order is that of the observations.
    pub metrics: Vec<MetricPolicy>,
    /// How the count may rise.
    pub scale_up: ScalingRules,
    /// How the count may fall.
    pub scale_down: ScalingRules,
    /// What to do when too little is known for long; `None` holds the count.
    pub fallback: Option<Fallback>,
    /// The numbers of the guards.
    pub guards: Guards,
    /// How often the workload is evaluated.
    pub interval: EvaluationInterval,
}

/// Whose rules decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Semantics {
    /// headroom's own, which differ from the HPA's where the HPA is known to do what nobody asked for.
    #[default]
    Headroom,
    /// The HPA's, exactly.
    Hpa(HpaPath),
}

/// Which of the HPA's two ways of limiting a count is taken. An empty `behavior` already selects the newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum HpaPath {
    /// `behavior` is not set: the window of the controller, and its limit of scaling up. The policy's rules for the
    /// directions hold nothing.
    #[default]
    WithoutBehavior,
    /// `behavior` is set, and the policy's rules for the directions are what it says.
    WithBehavior,
}

/// The rules for one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPolicy {
    /// Its name in the policy.
    pub name: MetricName,
    /// What it is a value of. Those of pods are worked out pod by pod, as the HPA does.
    pub kind: MetricKind,
    /// How its value becomes a count.
    pub rule: MetricRule,
    /// Which proposals count.
    pub votes: Votes,
    /// What an unknown value means.
    pub on_missing: OnMissing,
    /// The band around the target without action. Step rules and watermarks have none.
    pub tolerance: Tolerance,
    /// The group it belongs to: the count falls only where every metric of a group asks for less. A rule that can only
    /// add never does, so a group with one never lets the count fall.
    pub group: Option<GroupName>,
    /// Whether its load starts a workload that stands at zero.
    pub activation: Activation,
}

/// Whether the load of a metric starts a workload that stands at zero. For metrics that are known without replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// It does not.
    #[default]
    None,
    /// Any value above zero does.
    FromZero,
}

impl WorkloadPolicy {
    /// A policy that follows `metrics` within `bounds`, under headroom's own semantics, with nothing beside that: never
    /// zero, no fallback, no guards.
    #[must_use]
    pub fn following(
        metrics: Vec<MetricPolicy>,
        bounds: ReplicaBounds,
        scale_up: ScalingRules,
        scale_down: ScalingRules,
        interval: EvaluationInterval,
    ) -> Self {
        Self {
            semantics: Semantics::Headroom,
            hpa: Arc::default(),
            bounds,
            zero: None,
            metrics,
            scale_up,
            scale_down,
            fallback: None,
            guards: Guards::NONE,
            interval,
        }
    }

    /// The bounds of this policy alone, for a record.
    #[must_use]
    pub const fn own_bounds(&self) -> OwnBounds {
        OwnBounds {
            bounds: self.bounds,
            zero: self.zero.is_some(),
        }
    }
}

impl MetricPolicy {
    /// A metric that may raise and lower, forbids lowering while it is unknown, belongs to no group and starts nothing.
    #[must_use]
    pub fn new(name: MetricName, kind: MetricKind, rule: MetricRule, tolerance: Tolerance) -> Self {
        Self {
            name,
            kind,
            rule,
            votes: Votes::UpAndDown,
            on_missing: OnMissing::Block,
            tolerance,
            group: None,
            activation: Activation::None,
        }
    }
}

/// Which proposals of a metric count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Votes {
    /// All.
    #[default]
    UpAndDown,
    /// Only those above the current count (`scale_down = false`).
    UpOnly,
}

/// What an unknown value of a metric means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum OnMissing {
    /// No vote, and nothing scales down.
    #[default]
    Block,
    /// No vote.
    Ignore,
    /// No load: said by the user of a metric that is absent when idle. Holds only for an answer without any series.
    Zero,
}

/// The band around the target inside which no change is made, as fractions of the target. Finite, not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "saved::Tolerance")
)]
pub struct Tolerance {
    up: f64,
    down: f64,
}

impl Tolerance {
    /// No change between `1 − down` and `1 + up` times the target, both ends included.
    ///
    /// # Errors
    /// When one is negative or not finite.
    pub fn new(up: f64, down: f64) -> Result<Self, PolicyError> {
        for value in [up, down] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(PolicyError::Tolerance { value });
            }
        }
        Ok(Self { up, down })
    }

    /// A tenth in both directions, as the HPA has it.
    pub const TENTH: Self = Self { up: 0.1, down: 0.1 };

    /// Whether the ratio of a value to its target asks for no change.
    #[must_use]
    pub fn contains(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }

    /// The fraction above the target without scaling up.
    #[must_use]
    pub const fn up(self) -> f64 {
        self.up
    }

    /// The fraction below the target without scaling down.
    #[must_use]
    pub const fn down(self) -> f64 {
        self.down
    }
}

/// A tolerance as it is written in a record, before it is known to be one.
#[cfg(feature = "serde")]
mod saved {
    use super::PolicyError;

    #[derive(serde::Deserialize)]
    pub(super) struct Tolerance {
        up: f64,
        down: f64,
    }

    impl TryFrom<Tolerance> for super::Tolerance {
        type Error = PolicyError;

        fn try_from(saved: Tolerance) -> Result<Self, PolicyError> {
            Self::new(saved.up, saved.down)
        }
    }
}
