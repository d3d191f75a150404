//! Why a value cannot stand in a policy.

use std::time::Duration;

use thiserror::Error;

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
    /// The low mark is not under the high one.
    #[error("`low`, {low}, must lie under `high`, {high}")]
    CrossedMarks {
        /// The mark above which the count rises.
        high: f64,
        /// The mark below which the count falls.
        low: f64,
    },
    /// No time without load before the count is set to zero.
    #[error("the time without load before the count is set to zero must be above zero")]
    Idle,
    /// A count of zero that nothing would end.
    #[error("a count of zero needs a metric that starts the workload again")]
    NoActivation,
    /// A tolerance that is negative or not finite.
    #[error("a tolerance must be a number from zero up, not {value}")]
    Tolerance {
        /// What was asked for.
        value: f64,
    },
    /// A limit of scaling up that is negative or not finite.
    #[error("a limit of scaling up must be a number from zero up, not {value}")]
    ScaleUpLimit {
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
