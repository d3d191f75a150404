//! Why a target could not be read or set.

use std::{io, time::Duration};

use headroom_policy_engine::Replicas;
use thiserror::Error;

/// Why a target could not be read or set.
#[derive(Debug, Error)]
pub enum TargetError {
    /// The command could not be started.
    #[error("`{command}` could not be started")]
    Start {
        /// The program and its arguments.
        command: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The command ended with a failure.
    #[error("`{command}` ended with {status}{}", said(stderr))]
    Failed {
        /// The program and its arguments.
        command: String,
        /// How it ended, such as `exit status: 1`.
        status: String,
        /// The last it said on stderr, shortened.
        stderr: String,
    },
    /// The command took too long and was ended.
    #[error("`{command}` did not end within {after:?}{}", said(stderr))]
    TimedOut {
        /// The program and its arguments.
        command: String,
        /// Its deadline.
        after: Duration,
        /// The last it said on stderr, shortened.
        stderr: String,
    },
    /// The command did not print a count.
    #[error("`{command}` printed `{printed}`; it must print one whole number from 0 up")]
    NotACount {
        /// The program and its arguments.
        command: String,
        /// What it printed, shortened.
        printed: String,
    },
    /// Somebody else changed the count in between.
    #[error("the count was changed to {found} by somebody else while {expected} was decided on")]
    Conflict {
        /// The count that was decided on.
        expected: Replicas,
        /// The count that is there now.
        found: Replicas,
    },
    /// The records of the replicas could not be read or written.
    #[error("the records of the replicas could not be used")]
    Records(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something on this machine failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The adapter does not scale targets of this kind.
    #[error("this adapter does not scale targets of this kind")]
    Unsupported,
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}
