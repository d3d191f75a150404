//! Why one replica's part is missing.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use crate::exposition::ExpositionError;

/// Why one replica's part is missing.
#[derive(Clone, Debug, PartialEq, Error)]
pub(super) enum Lost {
    #[error("{reason}")]
    NoAddress { reason: Arc<str> },
    #[error("no answer within {after:?}")]
    TimedOut { after: Duration },
    #[error("could not be reached: {reason}")]
    Unreachable { reason: String },
    #[error("answered with status {status}")]
    Rejected { status: u16 },
    #[error(transparent)]
    Malformed(#[from] ExpositionError),
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("{series} is {value}, which no counter can be")]
    NotACounter { series: String, value: f64 },
    #[error("more than {limit} series match")]
    TooManySeries { limit: usize },
    #[error("readings of {limit} series are kept already, and there is no room for more")]
    NoRoom { limit: usize },
}
