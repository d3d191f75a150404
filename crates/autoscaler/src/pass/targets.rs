//! Tending and reading targets, each with a deadline of its own.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use headroom_actuator::{ScaleTarget, TargetError, TargetState};
use headroom_policy_engine::{Outcome, Timestamp};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use super::{Autoscaler, Managed, report::in_one_line, states::Taken};
use crate::store::OpenIntent;

/// The most targets that are tended and read at once: each may start processes and open sockets.
const AT_ONCE: usize = 64;
/// What is waited beyond a deadline that a target has itself: until a command is gone and its output read, or the
/// cluster's own error is there, which names the cause.
const GRACE: Duration = Duration::from_secs(1);

/// A workload that is due, with its target as it was read.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) taken: Taken,
    pub(super) read: Result<TargetState, TargetError>,
    /// A change that was open, and what became of it.
    pub(super) settled: Option<(OpenIntent, Outcome)>,
    /// Why replicas that died could not be replaced.
    pub(super) tend_error: Option<String>,
}

/// The targets of a pass while they are tended and read.
pub(super) struct Reads<'a> {
    begun: Instant,
    reads: FuturesUnordered<BoxFuture<'a, Due>>,
}

impl<'a> Reads<'a> {
    /// Begins to tend and read the targets of `taken`.
    pub(super) fn begin(autoscaler: &'a Autoscaler, taken: Vec<Taken>, now: Timestamp) -> Self {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let read = |taken: Taken| {
            let managed = &autoscaler.workloads[taken.index];
            let patience = patience(&managed.target, autoscaler.deadline);
            let permits = Arc::clone(&permits);
            let read = async move {
                // Never closed, so there is always a permit to wait for.
                let _permit = permits.acquire().await;
                let tended = tend(managed, patience, now).await;
                Due {
                    read: read_one(managed, patience, now).await,
                    taken,
                    settled: None,
                    tend_error: tended.err().map(|error| in_one_line(&error)),
                }
            };
            read.boxed()
        };
        Self {
            begun: Instant::now(),
            reads: taken.into_iter().map(read).collect(),
        }
    }

    /// Those that have answered when `span` has passed since the beginning, or all when they have before.
    pub(super) async fn within(&mut self, span: Duration) -> Vec<Due> {
        let end = self.begun + span;
        let mut answered = Vec::with_capacity(self.reads.len());
        while let Ok(Some(due)) = timeout_at(end, self.reads.next()).await {
            answered.push(due);
        }
        answered
    }

    /// All that are left. Each has a deadline.
    pub(super) async fn rest(self) -> Vec<Due> {
        self.reads.collect().await
    }
}

async fn tend(managed: &Managed, patience: Duration, now: Timestamp) -> Result<(), TargetError> {
    let Some(actuator) = managed.access.writer() else {
        return Ok(());
    };
    let tended = timeout(patience, actuator.tend(&managed.target, now)).await;
    tended.unwrap_or(Err(TargetError::NoAnswer { after: patience }))
}

pub(super) async fn read_one(
    managed: &Managed,
    patience: Duration,
    now: Timestamp,
) -> Result<TargetState, TargetError> {
    let reader = managed.access.reader();
    let read = timeout(patience, reader.read(std::slice::from_ref(&managed.target), now)).await;
    match read {
        Ok(mut states) => states.pop().unwrap_or(Err(TargetError::Unsupported)),
        Err(_) => Err(TargetError::NoAnswer { after: patience }),
    }
}

/// How long is waited for `target`: its commands have deadlines of their own, which the user has set.
pub(super) fn patience(target: &ScaleTarget, deadline: Duration) -> Duration {
    match target {
        ScaleTarget::Process(_) => deadline,
        ScaleTarget::Kubernetes(_) => deadline.saturating_add(GRACE),
        ScaleTarget::Command(command) => {
            let commands = if command.ready.is_some() { 2 } else { 1 };
            deadline.max(command.timeout.saturating_mul(commands).saturating_add(GRACE))
        }
    }
}
