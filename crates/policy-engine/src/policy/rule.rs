//! How the value of a metric becomes a count: targets to track, and steps while a threshold is breached.

use std::time::Duration;

use super::{PolicyError, Watermarks};
use crate::{Milli, Replicas};

/// How the value of a metric becomes a count of replicas.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum MetricRule {
    /// The value is the fraction of capacity in use; the count follows in proportion (HPA `Utilization`).
    Utilization(TargetUtilization),
    /// The value is a total to be shared: so much for each replica (HPA `AverageValue`).
    PerReplica(Target),
    /// The value itself is to be met; the count follows in proportion (HPA `Value`).
    Value(Target),
    /// Nothing changes while the value lies between two marks (Datadog's WatermarkPodAutoscaler).
    Watermarks(Watermarks),
    /// Steps of replicas while a threshold is breached (AWS step scaling, Prometheus `for`).
    Step(StepRule),
}

/// A target above zero and finite, in the metric's own unit.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "f64", into = "f64")
)]
pub struct Target {
    value: f64,
    milli: Milli,
}

impl Target {
    /// The target `value`.
    ///
    /// # Errors
    /// When `value` is not finite or not above zero.
    pub fn new(value: f64) -> Result<Self, PolicyError> {
        if value.is_finite() && value > 0.0 {
            Ok(Self {
                value,
                milli: Milli::from_value(value),
            })
        } else {
            Err(PolicyError::Target { value })
        }
    }

    /// The target of so many thousandths, exactly.
    ///
    /// # Errors
    /// When there are none.
    pub fn from_milli(milli: Milli) -> Result<Self, PolicyError> {
        if milli > Milli::ZERO {
            Ok(Self {
                value: milli.value(),
                milli,
            })
        } else {
            Err(PolicyError::Target { value: milli.value() })
        }
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.value
    }

    /// The target in whole thousandths, at least one, as the HPA counts.
    #[must_use]
    pub const fn milli(self) -> Milli {
        self.milli
    }
}

/// The fraction of capacity that is wanted in use: above zero. Above 1 only of what pods ask for (HPA).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "f64", into = "f64")
)]
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

    /// So many percent of what the pods ask for (HPA `averageUtilization`). Pods may use more than they ask for.
    ///
    /// # Errors
    /// When `percent` is not above zero.
    pub fn of_requests(percent: i32) -> Result<Self, PolicyError> {
        let value = f64::from(percent) / 100.0;
        if percent > 0 {
            Ok(Self(value))
        } else {
            Err(PolicyError::Utilization { value })
        }
    }

    /// The target in whole percent, at least one, as the HPA counts.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "saturating is what is meant")]
    pub fn percent(self) -> i32 {
        ((self.0 * 100.0).round() as i32).max(1)
    }

    /// The bare fraction.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Steps of replicas while a threshold is breached. Has at least one side; `below` lies under `above`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "saved::StepRule")
)]
pub struct StepRule {
    above: Option<Breach>,
    below: Option<Breach>,
}

/// One side of a step rule.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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

/// Rules as they are written in a record, before they are known to be ones.
#[cfg(feature = "serde")]
mod saved {
    use super::{Breach, PolicyError, Target, TargetUtilization};

    impl From<Target> for f64 {
        fn from(target: Target) -> Self {
            target.get()
        }
    }

    impl TryFrom<f64> for Target {
        type Error = PolicyError;

        fn try_from(value: f64) -> Result<Self, PolicyError> {
            Self::new(value)
        }
    }

    impl From<TargetUtilization> for f64 {
        fn from(target: TargetUtilization) -> Self {
            target.get()
        }
    }

    impl TryFrom<f64> for TargetUtilization {
        type Error = PolicyError;

        /// Also above 1, as targets of what pods ask for may be.
        fn try_from(value: f64) -> Result<Self, PolicyError> {
            if value.is_finite() && value > 0.0 {
                Ok(Self(value))
            } else {
                Err(PolicyError::Utilization { value })
            }
        }
    }

    #[derive(serde::Deserialize)]
    pub(super) struct StepRule {
        above: Option<Breach>,
        below: Option<Breach>,
    }

    impl TryFrom<StepRule> for super::StepRule {
        type Error = PolicyError;

        fn try_from(saved: StepRule) -> Result<Self, PolicyError> {
            Self::new(saved.above, saved.below)
        }
    }
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn a_saved_target_may_be_above_all_that_pods_ask_for_and_is_never_nothing() {
        let read = |text: &str| {
            serde_json::from_str::<TargetUtilization>(text)
                .ok()
                .map(TargetUtilization::get)
        };
        assert_eq!(
            ["1.5", "0.7", "0.0", "-0.5"].map(read),
            [Some(1.5), Some(0.7), None, None]
        );
    }
}
