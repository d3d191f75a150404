//! All the rules for one workload, as types that cannot be wrong.
//!
//! Values are checked where they enter, here; after that no stage checks them again. Text such as `"5m"` belongs
//! to the configuration.

use std::{fmt, sync::Arc, time::Duration};

use thiserror::Error;

use crate::{ReplicaBounds, Replicas};

/// The rules for one workload.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadPolicy {
    /// The fewest and most replicas.
    pub bounds: ReplicaBounds,
    /// What the load is read from. The order is that of the observations.
    pub metrics: Vec<MetricPolicy>,
    /// How the count may rise.
    pub scale_up: ScalingRules,
    /// How the count may fall.
    pub scale_down: ScalingRules,
    /// What to do when nothing is known for long; `None` holds the count.
    pub fallback: Option<Fallback>,
    /// The numbers of the guards.
    pub guards: Guards,
    /// How often the workload is evaluated.
    pub interval: EvaluationInterval,
}

/// The name of a metric in its policy, shared so that a step can carry it without copying.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MetricName(Arc<str>);

impl MetricName {
    /// The metric called `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The rules for one metric.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricPolicy {
    /// Its name in the policy.
    pub name: MetricName,
    /// How its value becomes a count.
    pub rule: MetricRule,
    /// Which proposals count.
    pub votes: Votes,
    /// What an unknown value means.
    pub on_missing: OnMissing,
    /// The band around the target without action. Step rules have none.
    pub tolerance: Tolerance,
}

/// How the value of a metric becomes a count of replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MetricRule {
    /// The value is the fraction of capacity in use; the count follows in proportion (HPA `Utilization`).
    Utilization(TargetUtilization),
    /// The value is a total to be shared: so much for each replica (HPA `AverageValue`).
    PerReplica(Target),
    /// The value itself is to be met; the count follows in proportion (HPA `Value`).
    Value(Target),
    /// Steps of replicas while a threshold is breached (AWS step scaling, Prometheus `for`).
    Step(StepRule),
}

/// A target above zero and finite, in the metric's own unit.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Target(f64);

impl Target {
    /// The target `value`.
    ///
    /// # Errors
    /// When `value` is not finite or not above zero.
    pub fn new(value: f64) -> Result<Self, PolicyError> {
        if value.is_finite() && value > 0.0 {
            Ok(Self(value))
        } else {
            Err(PolicyError::Target { value })
        }
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// The fraction of capacity that is wanted in use: above zero, at most 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TargetUtilization(f64);

impl TargetUtilization {
    /// The fraction `value`; 0.7 is 70 %.
    ///
    /// # Errors
    /// When `value` is not above zero or above 1. (Use above 100 % of requests is legal for the HPA; a target there
    /// would be reached only by throttled or evicted pods.)
    pub fn new(value: f64) -> Result<Self, PolicyError> {
        if value > 0.0 && value <= 1.0 {
            Ok(Self(value))
        } else {
            Err(PolicyError::Utilization { value })
        }
    }

    /// The bare fraction.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Steps of replicas while a threshold is breached. Has at least one side; `below` lies under `above`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRule {
    above: Option<Breach>,
    below: Option<Breach>,
}

/// One side of a step rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Breach {
    /// The value beyond which the rule is breached, in the metric's own unit. Finite, not negative.
    pub threshold: f64,
    /// How long the breach has to last before a step, and between two steps; `None`: one stabilization window, at
    /// least two intervals, between steps, and the first at once.
    pub lasting: Option<Duration>,
    /// How many replicas a step adds or removes. At least 1.
    pub step: Replicas,
}

impl StepRule {
    /// A rule that adds above, removes below, or both.
    ///
    /// # Errors
    /// When both sides are absent, a threshold is no load, a step is zero, or `below` is not under `above`.
    pub fn new(above: Option<Breach>, below: Option<Breach>) -> Result<Self, PolicyError> {
        if above.is_none() && below.is_none() {
            return Err(PolicyError::NoStep);
        }
        for breach in [above, below].into_iter().flatten() {
            if !(breach.threshold.is_finite() && breach.threshold >= 0.0) {
                return Err(PolicyError::Threshold {
                    value: breach.threshold,
                });
            }
            if breach.step == Replicas::ZERO {
                return Err(PolicyError::EmptyStep);
            }
        }
        if let (Some(high), Some(low)) = (above, below)
            && low.threshold >= high.threshold
        {
            return Err(PolicyError::CrossedSteps {
                above: high.threshold,
                below: low.threshold,
            });
        }
        Ok(Self { above, below })
    }

    /// The side that adds.
    #[must_use]
    pub const fn above(&self) -> Option<Breach> {
        self.above
    }

    /// The side that removes.
    #[must_use]
    pub const fn below(&self) -> Option<Breach> {
        self.below
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

/// How the count may move in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalingRules {
    /// How far back recommendations count.
    pub stabilization: StabilizationWindow,
    /// How much may change per period.
    pub limits: ChangeLimits,
}

/// How far back recommendations count before the count moves: 0 to 1 hour (HPA `stabilizationWindowSeconds`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StabilizationWindow(Duration);

impl StabilizationWindow {
    /// The longest window, 1 hour.
    pub const LONGEST: Duration = Duration::from_secs(3600);

    /// A window of `span`.
    ///
    /// # Errors
    /// When it is longer than an hour.
    pub fn new(span: Duration) -> Result<Self, PolicyError> {
        if span <= Self::LONGEST {
            Ok(Self(span))
        } else {
            Err(PolicyError::Window { span })
        }
    }

    /// The bare span.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// How much may change per period in one direction (HPA `policies` and `selectPolicy`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeLimits {
    /// Which of several limits counts.
    pub select: LimitSelection,
    /// The limits; empty means no limit.
    pub limits: Vec<ChangeLimit>,
}

/// Which of several change limits counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum LimitSelection {
    /// The one that allows the most change.
    #[default]
    Max,
    /// The one that allows the least change.
    Min,
    /// The direction is switched off.
    Disabled,
}

/// How much may change within one sliding period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChangeLimit {
    amount: ChangeAmount,
    period: Duration,
}

/// An amount of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum ChangeAmount {
    /// So many replicas (HPA `Pods`).
    Replicas(u32),
    /// So many percent of the count at the start of the period (HPA `Percent`).
    Percent(u32),
}

impl ChangeLimit {
    /// The longest period, 30 minutes (HPA's).
    pub const LONGEST_PERIOD: Duration = Duration::from_secs(1800);

    /// At most `amount` within any `period`.
    ///
    /// # Errors
    /// When the amount is zero, or the period is not between 1 second and 30 minutes.
    pub fn new(amount: ChangeAmount, period: Duration) -> Result<Self, PolicyError> {
        let (ChangeAmount::Replicas(number) | ChangeAmount::Percent(number)) = amount;
        if number == 0 {
            return Err(PolicyError::EmptyLimit);
        }
        if period < Duration::from_secs(1) || period > Self::LONGEST_PERIOD {
            return Err(PolicyError::LimitPeriod { period });
        }
        Ok(Self { amount, period })
    }

    /// How much.
    #[must_use]
    pub const fn amount(self) -> ChangeAmount {
        self.amount
    }

    /// Within which period.
    #[must_use]
    pub const fn period(self) -> Duration {
        self.period
    }
}

/// What to do when no deciding metric is known for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// At least so many replicas, within the bounds.
    pub replicas: Replicas,
    /// After so long without knowledge.
    pub after: Duration,
}

/// The numbers of the guards that hold a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guards {
    /// How long a replica takes from its start to being ready. After three times that it counts as stuck.
    pub startup: Duration,
    /// How many reversals of written changes within an hour are allowed before scaling down is held.
    pub max_reversals: u32,
}

/// How often a workload is evaluated: above zero, at most 10 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EvaluationInterval(Duration);

impl EvaluationInterval {
    /// The longest interval, 10 minutes: beyond it a window could not be covered.
    pub const LONGEST: Duration = Duration::from_secs(600);

    /// One evaluation every `span`.
    ///
    /// # Errors
    /// When it is zero or above 10 minutes.
    pub fn new(span: Duration) -> Result<Self, PolicyError> {
        if span.is_zero() || span > Self::LONGEST {
            Err(PolicyError::Interval { span })
        } else {
            Ok(Self(span))
        }
    }

    /// The bare span.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

/// Why a value cannot stand in a policy.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum PolicyError {
    /// A target that is not finite or not above zero.
    #[error("a target must be above zero, not {value}")]
    Target {
        /// What was asked for.
        value: f64,
    },
    /// A target utilization outside of (0, 1].
    #[error("a target utilization must be above 0 % and at most 100 %, not {} %", value * 100.0)]
    Utilization {
        /// What was asked for, as a fraction.
        value: f64,
    },
    /// A step rule without sides.
    #[error("a step rule needs `above` or `below`")]
    NoStep,
    /// A threshold that no load can have.
    #[error("a threshold must be a number from zero up, not {value}")]
    Threshold {
        /// What was asked for.
        value: f64,
    },
    /// A step of no replicas.
    #[error("a step must add or remove at least one replica")]
    EmptyStep,
    /// The side that removes lies above the side that adds.
    #[error("`below`, {below}, must lie under `above`, {above}")]
    CrossedSteps {
        /// The threshold that adds.
        above: f64,
        /// The threshold that removes.
        below: f64,
    },
    /// A tolerance that is negative or not finite.
    #[error("a tolerance must be a number from zero up, not {value}")]
    Tolerance {
        /// What was asked for.
        value: f64,
    },
    /// A stabilization window that is too long.
    #[error("a stabilization window must be at most 1 h, not {span:?}")]
    Window {
        /// What was asked for.
        span: Duration,
    },
    /// A change limit that allows nothing.
    #[error("a change limit must allow at least 1; to switch a direction off, set `select = \"disabled\"`")]
    EmptyLimit,
    /// A period of a change limit out of range.
    #[error("the period of a change limit must be from 1 s to 30 min, not {period:?}")]
    LimitPeriod {
        /// What was asked for.
        period: Duration,
    },
    /// An interval out of range.
    #[error("an interval must be above zero and at most 10 min, not {span:?}")]
    Interval {
        /// What was asked for.
        span: Duration,
    },
}
