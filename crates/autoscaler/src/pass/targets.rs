//! Tending and reading targets, each with a deadline of its own.

use std::{future::Future, time::Duration};

use futures::{StreamExt as _, stream::FuturesUnordered};
use headroom_actuator::{ScaleTarget, TargetError, TargetState};
use headroom_policy_engine::Timestamp;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{Autoscaler, Managed, report::in_one_line, states::Taken};

/// The most targets that are tended and read at once: each may start processes and open sockets.
const AT_ONCE: usize = 64;
/// What a command may take beyond its own deadline, until it is gone and its output read.
const GRACE: Duration = Duration::from_secs(1);

/// A workload that is due, with its target as it was read.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) taken: Taken,
    pub(super) read: Result<TargetState, TargetError>,
    /// Why replicas that died could not be replaced.
    pub(super) tend_error: Option<String>,
}

/// Tends and reads the targets of `taken`. Returns those that answered within the deadline, and, to be waited for, the
/// others.
pub(super) async fn read(
    autoscaler: &Autoscaler,
    taken: Vec<Taken>,
    now: Timestamp,
) -> (Vec<Due>, impl Future<Output = Vec<Due>>) {
    let permits = std::sync::Arc::new(Semaphore::new(AT_ONCE));
    let mut reads: FuturesUnordered<_> = taken
        .into_iter()
        .map(|taken| {
            let managed = &autoscaler.workloads[taken.index];
            let patience = patience(&managed.target, autoscaler.deadline);
            let permits = std::sync::Arc::clone(&permits);
            async move {
                // Never closed, so there is always a permit to wait for.
                let _permit = permits.acquire().await;
                let tend_error = tend(managed, patience, now)
                    .await
                    .err()
                    .map(|error| in_one_line(&error));
                Due {
                    read: read_one(managed, patience, now).await,
                    taken,
                    tend_error,
                }
            }
        })
        .collect();
    let deadline = Instant::now() + autoscaler.deadline;
    let mut in_time = Vec::with_capacity(reads.len());
    while let Ok(Some(due)) = tokio::time::timeout_at(deadline, reads.next()).await {
        in_time.push(due);
    }
    (in_time, reads.collect())
}

async fn tend(managed: &Managed, patience: Duration, now: Timestamp) -> Result<(), TargetError> {
    let Some(actuator) = managed.access.writer() else {
        return Ok(());
    };
    let tended = timeout(patience, actuator.tend(&managed.target, now)).await;
    tended.unwrap_or(Err(TargetError::NoAnswer { after: patience }))
}

async fn read_one(managed: &Managed, patience: Duration, now: Timestamp) -> Result<TargetState, TargetError> {
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
        ScaleTarget::Command(command) => {
            let commands = if command.ready.is_some() { 2 } else { 1 };
            deadline.max(command.timeout.saturating_mul(commands).saturating_add(GRACE))
        }
    }
}
