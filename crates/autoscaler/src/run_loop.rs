//! When passes begin: once, or again and again until somebody says stop.
//!
//! Owns due times, overlap and the end. What a pass does is its own.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use headroom_policy_engine::WorkloadId;
use tokio::{
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout},
};
use tracing::{error, info, warn};

use crate::{
    Autoscaler, Clock, LeaderLock, Leadership, LockError, LockHolder, PassError, PassRecord, Which,
    pass::in_one_line,
};

/// How long passes may go on once somebody has said stop. Together with [`SETTLING`] less than two seconds.
const FINISHING: Duration = Duration::from_millis(1300);
/// How long a one-shot run may take to hand over what people are told. The rest is left to the next run.
const TELLING: Duration = Duration::from_secs(10);
/// How often a loop looks whether a digest is due.
const DIGESTS_EVERY: Duration = Duration::from_secs(30);
/// How long the state may take to come to rest after that.
const SETTLING: Duration = Duration::from_millis(400);

/// What came of a one-shot pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Once {
    /// It was made.
    Done(PassRecord),
    /// A loop works on the same state, so there was nothing to do.
    AlreadyRunning(LockHolder),
    /// Somebody else is making a pass on the same state at this moment, so there was nothing to do.
    UnderWay(LockHolder),
}

/// How a loop ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoopEnd {
    /// It was told to stop.
    Stopped(LoopSummary),
    /// Another loop works on the same state, so this one did not begin.
    AlreadyRunning(LockHolder),
}

/// What a loop did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoopSummary {
    /// Passes that ended.
    pub passes: u64,
    /// Passes that could not be made.
    pub failed: u64,
    /// Passes that were abandoned at the end. What they left open is settled by the next start.
    pub abandoned: u64,
    /// How often a workload was due and still in an earlier pass.
    pub skipped: u64,
}

/// Makes one pass within its deadline, unless a loop works on the same state, or another pass is under way there.
///
/// What people are told of it is in the state, and is handed over by [`finish_once`].
///
/// # Errors
/// When the pass could not be made, or did not end in time; also when the one under way is stuck.
pub async fn run_once(
    autoscaler: &Autoscaler,
    clock: &dyn Clock,
    which: Which<'_>,
) -> Result<Once, PassError> {
    let store = autoscaler.store();
    if store.is_read_only() {
        // Looking ahead disturbs nobody.
        return autoscaler.locked_pass(clock, which).await.map(Once::Done);
    }
    if let Some(holder) = LeaderLock::holder(store.state_dir())? {
        return Ok(Once::AlreadyRunning(holder));
    }
    let passed = autoscaler.pass_unless_under_way(clock, which).await?;
    Ok(passed.map_or_else(Once::UnderWay, Once::Done))
}

/// Ends a run of one pass: hands over what people are told of it, or of why it could not be made, unless `stop` is done, and
/// brings the state to rest. Takes a little more than ten seconds at most, and leaves what is not handed over by then to the
/// next run.
pub async fn finish_once(autoscaler: &Autoscaler, clock: &dyn Clock, stop: impl Future<Output = ()>) {
    let store = autoscaler.store();
    if store.is_read_only() {
        return;
    }
    let (notifications, command) = (autoscaler.notifications(), autoscaler.command());
    let telling = async {
        let until = Instant::now() + TELLING;
        // A digest that takes long must not leave the others without time.
        let digests = autoscaler.make_digests(clock.now());
        if timeout(TELLING / 2, digests).await.is_err() {
            warn!("there was no time for a digest, which is left to the next run");
        }
        let left = until.saturating_duration_since(Instant::now());
        notifications.flush(store, command, clock.now(), left).await;
    };
    let telling = async { futures::join!(telling, notifications.beaten(TELLING)) };
    tokio::select! {
        biased;
        () = stop => {}
        ((), ()) = telling => {}
    }
    notifications.say_lost();
    settle(autoscaler).await;
}

/// Makes digests when they are due, for as long as somebody hands them over.
async fn make_digests(autoscaler: &Autoscaler, clock: &dyn Clock) {
    loop {
        autoscaler.make_digests(clock.now()).await;
        sleep(DIGESTS_EVERY).await;
    }
}

/// Makes passes over each workload at its interval, the first at once, until `shutdown` is done.
///
/// A pass for the workloads that are due begins without waiting for an earlier one. After `shutdown` passes are finished,
/// or abandoned, within two seconds. A pass that cannot be made is logged, and the next one is made all the same.
///
/// # Errors
/// When the lock of the loop cannot be used.
pub async fn run(
    autoscaler: Arc<Autoscaler>,
    clock: Arc<dyn Clock>,
    shutdown: impl Future<Output = ()>,
) -> Result<LoopEnd, LockError> {
    let dir = autoscaler.store().state_dir();
    let _leader = match LeaderLock::acquire(dir, autoscaler.command(), clock.now()).await? {
        Leadership::Taken(lock) => lock,
        Leadership::HeldBy(holder) => return Ok(LoopEnd::AlreadyRunning(LockHolder(holder))),
    };
    let (stop_telling, told_to_stop) = oneshot::channel::<()>();
    let telling = {
        let (autoscaler, clock) = (Arc::clone(&autoscaler), Arc::clone(&clock));
        tokio::spawn(async move {
            let (notifications, command) = (autoscaler.notifications(), autoscaler.command());
            let shutdown = async {
                // Also where whoever would say so is gone.
                let _ = told_to_stop.await;
            };
            tokio::select! {
                () = notifications.run(autoscaler.store(), command, &*clock, shutdown) => {}
                () = make_digests(&autoscaler, &*clock) => {}
            }
        })
    };
    let mut due = DueTimes::from_now(&autoscaler);
    let mut passes = JoinSet::new();
    let mut summary = LoopSummary::default();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = passes.join_next() => summary.count(ended),
            () = due.wait() => {
                let (autoscaler, clock) = (Arc::clone(&autoscaler), Arc::clone(&clock));
                let workloads = due.take();
                passes.spawn(async move {
                    autoscaler.locked_pass(&*clock, Which::These(&workloads)).await
                });
            }
        }
    }
    drop(stop_telling);
    futures::join!(finish(passes, &mut summary), finish_telling(telling));
    settle(&autoscaler).await;
    info!(passes = summary.passes, skipped = summary.skipped, "stopped");
    Ok(LoopEnd::Stopped(summary))
}

/// Lets passes end by themselves for a while, and then abandons them.
async fn finish(mut passes: JoinSet<Result<PassRecord, PassError>>, summary: &mut LoopSummary) {
    let all = async {
        while let Some(ended) = passes.join_next().await {
            summary.count(ended);
        }
    };
    if timeout(FINISHING, all).await.is_err() {
        passes.abort_all();
        while let Some(ended) = passes.join_next().await {
            summary.count(ended);
        }
    }
}

/// Lets a message that is under way arrive. What has not been handed over by then is in the state.
async fn finish_telling(telling: JoinHandle<()>) {
    let stop = telling.abort_handle();
    match timeout(FINISHING, telling).await {
        Ok(Err(error)) if error.is_panic() => {
            error!(
                error = in_one_line(&error),
                "telling people ended with a fault in headroom"
            );
        }
        Ok(Ok(()) | Err(_)) => {}
        Err(_) => stop.abort(),
    }
}

/// Brings the state to rest. What is not done in time is done by the next start.
async fn settle(autoscaler: &Autoscaler) {
    let store = Arc::clone(autoscaler.store());
    let settled = timeout(SETTLING, tokio::task::spawn_blocking(move || store.settle())).await;
    if let Ok(Ok(Err(error))) = settled {
        error!(
            error = in_one_line(&error),
            "the state could not be brought to rest"
        );
    }
}

impl LoopSummary {
    fn count(&mut self, ended: Result<Result<PassRecord, PassError>, tokio::task::JoinError>) {
        match ended {
            Ok(Ok(record)) => {
                self.passes += 1;
                self.skipped += u64::try_from(record.skipped.len()).unwrap_or(u64::MAX);
            }
            Ok(Err(error)) => {
                self.failed += 1;
                error!(error = in_one_line(&error), "a pass could not be made");
            }
            Err(error) if error.is_cancelled() => self.abandoned += 1,
            Err(error) => {
                self.failed += 1;
                error!(
                    error = in_one_line(&error),
                    "a pass ended with a fault in headroom"
                );
            }
        }
    }
}

/// When each workload is due next, on a clock that nobody sets.
#[derive(Debug)]
struct DueTimes(Vec<DueTime>);

#[derive(Debug)]
struct DueTime {
    workload: WorkloadId,
    interval: Duration,
    next: Instant,
}

impl DueTimes {
    /// All are due now.
    fn from_now(autoscaler: &Autoscaler) -> Self {
        let now = Instant::now();
        let due = |managed: &crate::Managed| DueTime {
            workload: managed.settings.id.clone(),
            interval: managed.settings.policy.interval.get(),
            next: now,
        };
        Self(autoscaler.workloads().iter().map(due).collect())
    }

    /// Waits until some workload is due; for ever where there is none.
    async fn wait(&self) {
        match self.0.iter().map(|due| due.next).min() {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    }

    /// The workloads that are due. Each is due again at the next multiple of its interval that is not past.
    fn take(&mut self) -> Vec<WorkloadId> {
        let now = Instant::now();
        let mut workloads = Vec::new();
        for due in self.0.iter_mut().filter(|due| due.next <= now) {
            workloads.push(due.workload.clone());
            due.next = next_after(due.next, due.interval, now);
        }
        workloads
    }
}

/// The first of `last` + k × `interval` (k at least 1) that lies after `now`.
fn next_after(last: Instant, interval: Duration, now: Instant) -> Instant {
    let interval = interval.max(Duration::from_millis(1));
    let behind = now.saturating_duration_since(last).as_nanos();
    let steps = behind / interval.as_nanos() + 1;
    let ahead = interval.as_nanos().saturating_mul(steps);
    last + Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_times_are_left_out_and_the_rhythm_is_kept() {
        let start = Instant::now();
        let seconds = Duration::from_secs;
        let next = |now: u64| next_after(start, seconds(30), start + seconds(now)) - start;
        assert_eq!(
            [next(0), next(29), next(30), next(100)].map(|span| span.as_secs()),
            [30, 30, 60, 120]
        );
    }
}
