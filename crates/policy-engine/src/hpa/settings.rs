//! What holds for all HPAs of a controller: its flags and its feature gates (`hpa-semantics` §1).

use std::time::Duration;

use crate::{PolicyError, Tolerance};

/// What the HPA's controller is set to.
///
/// The periods of starting pods hold under headroom's own semantics too; the rest only where the semantics are the HPA's.
#[derive(Clone, Debug, PartialEq)]
pub struct HpaSettings {
    /// `--horizontal-pod-autoscaler-tolerance`, one number for both directions.
    pub tolerance: Tolerance,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`: how long after its start a pod's CPU samples are doubted.
    pub cpu_initialization: Duration,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`: a pod that became unready so soon after its start was
    /// never ready.
    pub initial_readiness_delay: Duration,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`.
    pub downscale_stabilization: Duration,
    /// How far a count without `behavior` may rise in one round.
    pub scale_up_limit: ScaleUpLimit,
    /// Which features are on.
    pub gates: Gates,
    /// What a count of zero means.
    pub zero: ZeroReplicasRule,
}

impl Default for HpaSettings {
    /// As kube-controller-manager is set when nobody sets it, in its version 1.36.
    fn default() -> Self {
        Self {
            tolerance: Tolerance::TENTH,
            cpu_initialization: Duration::from_secs(300),
            initial_readiness_delay: Duration::from_secs(30),
            downscale_stabilization: Duration::from_secs(300),
            scale_up_limit: ScaleUpLimit::default(),
            gates: Gates::default(),
            zero: ZeroReplicasRule::default(),
        }
    }
}

/// How far a count without `behavior` may rise in one round: to `factor` times itself, and to `minimum` in any case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaleUpLimit {
    factor: f64,
    minimum: f64,
}

impl ScaleUpLimit {
    /// To `factor` times the count, and to `minimum` in any case. The HPA has 2 and 4.
    ///
    /// # Errors
    /// When one is negative or not finite.
    pub fn new(factor: f64, minimum: f64) -> Result<Self, PolicyError> {
        for value in [factor, minimum] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(PolicyError::ScaleUpLimit { value });
            }
        }
        Ok(Self { factor, minimum })
    }

    /// The most replicas after `current`.
    #[expect(clippy::cast_possible_truncation, reason = "saturating is what is meant")]
    pub(crate) fn most(self, current: i32) -> i32 {
        (self.factor * f64::from(current)).max(self.minimum) as i32
    }
}

impl Default for ScaleUpLimit {
    fn default() -> Self {
        Self {
            factor: 2.0,
            minimum: 4.0,
        }
    }
}

/// Which features of the HPA are on, by the names of their gates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// `HPAScaleToZero`: a minimum of zero, and the mark of a count that the HPA brought to zero.
    pub scale_to_zero: bool,
    /// `HPAConfigurableTolerance`: a tolerance for each direction (KEP-4951). On since 1.35.
    pub configurable_tolerance: bool,
    /// `PodLevelResources`: what a pod as a whole asks for counts (KEP-2837). On since 1.34.
    pub pod_level_resources: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            scale_to_zero: false,
            configurable_tolerance: true,
            pod_level_resources: true,
        }
    }
}

/// What a count of zero means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroReplicasRule {
    /// Scaling is off, unless the HPA brought the count to zero itself and marked it so (1.37 on).
    #[default]
    ScaledToZeroCondition,
    /// Scaling is off where the minimum is above zero, and on where it is zero (before 1.37).
    MinReplicas,
}
