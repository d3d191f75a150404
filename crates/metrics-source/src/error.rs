//! Why a query has no number.

use std::time::Duration;

use headroom_policy_engine::MissingCause;
use thiserror::Error;

/// Why a query has no number, with what a person needs to mend it. The engine sees only [`ObserveError::cause`].
#[derive(Debug, Error)]
pub enum ObserveError {
    /// The source answered, and nothing matched.
    #[error("no series matched the query")]
    NoData,
    /// Several series matched where one number was meant.
    #[error("the query matched {found} series; it must match one")]
    Ambiguous {
        /// How many matched.
        found: u32,
    },
    /// The answer has another shape than one number.
    #[error("the query gives a {got}; it must give one number")]
    WrongType {
        /// What it gave, in the source's words (`matrix`, `string`).
        got: String,
    },
    /// The value is NaN.
    #[error("the value is not a number (NaN)")]
    NotANumber,
    /// The value is infinite.
    #[error("the value is infinite")]
    Infinite,
    /// No answer within the deadline.
    #[error("no answer within {after:?}")]
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// The source could not be reached.
    #[error("the metrics server could not be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The source answered with an error.
    #[error("the metrics server answered {status}: {message}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The source's own words, shortened.
        message: String,
    },
    /// The answer could not be read.
    #[error("the answer could not be read: {reason}")]
    Malformed {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The answer is larger than what is read.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// A rate needs an earlier reading.
    #[error("no rate yet: it needs two readings, {rate_over:?} apart")]
    NoRateYet {
        /// The window of the rate.
        rate_over: Duration,
    },
    /// There was no replica to ask, or none answered.
    #[error("none of {asked} replicas answered{}", first.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoReplicas {
        /// How many were asked.
        asked: usize,
        /// Why the first one did not.
        first: Option<String>,
    },
    /// The source does not know what it would have answered before.
    #[error("the past of this source is not known")]
    NoPast,
    /// What was asked at the same time would have another meaning in the past.
    #[error("{what} means another moment in a query about the past")]
    OtherMoment {
        /// The part of the query, in its own words.
        what: &'static str,
    },
    /// The source does not answer queries of this kind.
    #[error("this source does not answer queries of this kind")]
    Unsupported,
}

impl ObserveError {
    /// What the engine is told.
    #[must_use]
    pub const fn cause(&self) -> MissingCause {
        match self {
            Self::NoData => MissingCause::NoData,
            Self::Ambiguous { found } => MissingCause::Ambiguous { series: *found },
            Self::WrongType { .. } => MissingCause::WrongType,
            Self::NotANumber => MissingCause::NotANumber,
            Self::Infinite => MissingCause::Infinite,
            Self::TimedOut { .. } => MissingCause::TimedOut,
            Self::Unreachable(_) => MissingCause::Unreachable,
            Self::Rejected { status, .. } => MissingCause::Rejected { status: *status },
            Self::Malformed { .. } => MissingCause::Malformed,
            Self::TooLarge { .. } => MissingCause::TooLarge,
            Self::NoRateYet { .. } => MissingCause::NoRateYet,
            Self::NoReplicas { .. } => MissingCause::NoReplicas,
            Self::NoPast | Self::OtherMoment { .. } | Self::Unsupported => MissingCause::NotAsked,
        }
    }
}
