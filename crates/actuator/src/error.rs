//! Why a target could not be read or set.

use std::{error::Error as StdError, io, time::Duration};

use headroom_cluster::ClusterError;
use headroom_policy_engine::Replicas;
use thiserror::Error;

/// An error of any kind, as the source of one of ours.
pub type BoxError = Box<dyn StdError + Send + Sync>;

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
    /// Reading did not end in time.
    #[error("the target did not answer within {after:?}")]
    NoAnswer {
        /// The deadline.
        after: Duration,
    },
    /// Writing did not end in time, so it may have been carried out or not. Reading the target settles it.
    #[error("the target did not confirm the new count within {after:?}")]
    Unanswered {
        /// The deadline.
        after: Duration,
    },
    /// Somebody else works on the same replicas and does not finish.
    #[error("another headroom has been working on these replicas for {after:?}")]
    Busy {
        /// How long this one waited for the other.
        after: Duration,
    },
    /// Processes outlived SIGKILL: the kernel does not let go of them.
    #[error("{processes} processes are still there {after:?} after they were killed")]
    StillRunning {
        /// How many.
        processes: usize,
        /// How long ago they were killed.
        after: Duration,
    },
    /// The records of the replicas could not be read or written.
    #[error("the records of the replicas could not be used")]
    Records(#[source] BoxError),
    /// The cluster could not be asked, or refused.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster could not be asked how things stand, and nothing was written: nothing had been sent yet, or what was
    /// sent had been refused.
    #[error(transparent)]
    NotWritten(ClusterError),
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

impl TargetError {
    /// Whether a write that ended like this may have been carried out all the same.
    ///
    /// Then the count that was intended stands or falls with what the target says when it is read next.
    #[must_use]
    pub fn leaves_outcome_unknown(&self) -> bool {
        match self {
            Self::Unanswered { .. } | Self::TimedOut { .. } => true,
            Self::Cluster(error) => error.leaves_outcome_unknown(),
            Self::Start { .. }
            | Self::Failed { .. }
            | Self::NotACount { .. }
            | Self::Conflict { .. }
            | Self::NoAnswer { .. }
            | Self::Busy { .. }
            | Self::StillRunning { .. }
            | Self::Records(_)
            | Self::NotWritten(_)
            | Self::Io { .. }
            | Self::Unsupported => false,
        }
    }
}

fn said(stderr: &str) -> String {
    if stderr.is_empty() {
        String::new()
    } else {
        format!(": {stderr}")
    }
}
