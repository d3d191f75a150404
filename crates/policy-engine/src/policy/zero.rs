//! Whether the count may be zero, and what starts the workload again.

use std::time::Duration;

use super::{Activation, MetricName, MetricPolicy, PolicyError};

/// The count may be set to zero once there has been no load for a time, and some metric starts it again.
///
/// It is made from the metrics of the policy, so that there is none without a metric that starts the workload again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleToZero {
    idle: Duration,
    activation: Vec<MetricName>,
}

impl ScaleToZero {
    /// To zero after `idle` in which every one of `metrics` was known and zero; from zero as soon as one of those that
    /// are marked as [`Activation::FromZero`] is not.
    ///
    /// # Errors
    /// When `idle` is zero, or no metric is marked.
    pub fn new(idle: Duration, metrics: &[MetricPolicy]) -> Result<Self, PolicyError> {
        if idle.is_zero() {
            return Err(PolicyError::Idle);
        }
        let marked = metrics.iter().filter(|metric| match metric.activation {
            Activation::FromZero => true,
            Activation::None => false,
        });
        let activation: Vec<_> = marked.map(|metric| metric.name.clone()).collect();
        if activation.is_empty() {
            return Err(PolicyError::NoActivation);
        }
        Ok(Self { idle, activation })
    }

    /// For how long there has to be no load.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// The metrics that start the workload again. Never empty.
    #[must_use]
    pub fn activation(&self) -> &[MetricName] {
        &self.activation
    }
}
