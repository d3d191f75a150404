//! Copies of a command on this machine.
//!
//! Owns keeping as many running as are wanted, through restarts of headroom and of the machine. The count that is
//! wanted, and each process with its start time and port, stand in [`ProcessRecords`]; every headroom that comes later
//! finds the same replicas there. When it ends it leaves them running.

mod keeper;
mod kernel;
mod lock;
mod ready;
mod records;
mod snapshot;
mod spawn;
mod table;

use std::{sync::Arc, thread, time::Duration};

use async_trait::async_trait;
use futures::{
    future::join_all,
    stream::{self, StreamExt as _},
};
use headroom_policy_engine::{CountOrigin, Hold, Readiness, Replicas, Timestamp, Workload};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};
use tracing::warn;

use self::{
    keeper::{Keeper, Own},
    snapshot::Snapshot,
    table::{Ready, Replica},
};
pub use self::{records::ProcessRecords, table::ProcessTable};
use crate::{
    Actuator, ProcessTarget, ReplicaAddress, ReplicaEndpoint, ScaleTarget, TargetError, TargetReader,
    TargetState,
};

/// The most ready checks of one target under way at once.
const CHECKS_AT_ONCE: usize = 128;
/// The pause between two looks at replicas that are being stopped.
const INTERVAL: Duration = Duration::from_millis(20);
/// How long killed processes may take to be gone.
const KILLED: Duration = Duration::from_secs(5);

/// Reads targets of kind process. It starts no process, signals none and changes no record.
#[derive(Clone, Debug)]
pub struct ProcessReader {
    records: Arc<dyn ProcessRecords>,
}

impl ProcessReader {
    /// Reads what stands in `records`, and asks the replicas named there.
    pub fn new(records: Arc<dyn ProcessRecords>) -> Self {
        Self { records }
    }
}

/// Reads, keeps and sets targets of kind process.
///
/// Each replica is started with `PORT`, and with `HEADROOM_WORKLOAD`, `HEADROOM_REPLICA`, `HEADROOM_SLOT` and
/// `HEADROOM_STATE`, by which it is found again. Dropping the actuator leaves the replicas running.
#[derive(Debug)]
pub struct ProcessActuator {
    reader: ProcessReader,
    own: Arc<Own>,
}

impl ProcessActuator {
    /// Keeps replicas as `records` say, and adopts those that an earlier headroom started.
    pub fn new(records: Arc<dyn ProcessRecords>) -> Self {
        Self {
            reader: ProcessReader::new(records),
            own: Arc::default(),
        }
    }

    /// Ends all replicas of `target`: SIGTERM, the drain time, SIGKILL. Returns when none is left.
    ///
    /// As many replicas are wanted as before, and the next [`Actuator::tend`] would start them again. `now` is the
    /// time of the call.
    ///
    /// # Errors
    /// When the records cannot be used, or processes outlive SIGKILL.
    pub async fn stop_all(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError> {
        let target = process(target)?;
        let begun = Instant::now();
        loop {
            let passed = begun.elapsed();
            let left = self
                .work(target, now.plus(passed), |keeper| keeper.end_all())
                .await?;
            if left == 0 {
                return Ok(());
            }
            if passed > target.drain.saturating_add(KILLED) {
                return Err(TargetError::StillRunning {
                    processes: left,
                    after: KILLED,
                });
            }
            sleep(INTERVAL).await;
        }
    }

    /// Kills all replicas of every target this actuator has worked on, and what they started, without asking them.
    ///
    /// The last resort of a caller that must leave nothing behind, for a panic hook or a `Drop`: it blocks (for a
    /// second at most), and needs neither the runtime nor the records. Returns how many processes are left.
    pub fn kill_all(&self) -> usize {
        let mut left = usize::MAX;
        for _ in 0..50 {
            left = self.kill_once().unwrap_or(left);
            if left == 0 {
                break;
            }
            thread::sleep(INTERVAL);
        }
        left
    }

    fn kill_once(&self) -> Option<usize> {
        let touched = self.own.touched()?;
        let snapshot = Snapshot::take().ok()?;
        let marked = touched
            .iter()
            .flat_map(|(workload, state)| snapshot.marked(workload, state));
        Some(marked.map(|(stat, _)| stat.kill()).count())
    }

    /// Does `work` under the lock of the target, away from the threads that serve others.
    ///
    /// Once begun it is done to its end, also when the future is dropped: nothing is left half recorded.
    async fn work<T: Send + 'static>(
        &self,
        target: &Arc<ProcessTarget>,
        now: Timestamp,
        work: impl FnOnce(&Keeper) -> Result<T, TargetError> + Send + 'static,
    ) -> Result<T, TargetError> {
        let lock = lock::take(target).await?;
        let (target, own) = (Arc::clone(target), Arc::clone(&self.own));
        let records = Arc::clone(&self.reader.records);
        blocking(move || {
            let done = work(&Keeper::new(target, records, own, now)?);
            drop(lock);
            done
        })
        .await
    }
}

#[async_trait]
impl TargetReader for ProcessReader {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        let each = targets.iter().map(async |target| {
            let seen = self.look(process(target)?, now).await?;
            Ok(seen.state)
        });
        join_all(each).await
    }
}

#[async_trait]
impl TargetReader for ProcessActuator {
    /// Reads as [`ProcessReader`] does, and records which replicas became ready or ceased to be.
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        let each = targets.iter().map(async |target| {
            let target = process(target)?;
            let seen = self.reader.look(target, now).await?;
            if let Some(news) = seen.news
                && let Err(error) = self.work(target, now, move |keeper| keeper.note_ready(&news)).await
            {
                // What was read is true all the same; only how long it has been so may be forgotten.
                warn!(workload = %target.workload, error = &error as &dyn std::error::Error, "readiness was not recorded");
            }
            Ok(seen.state)
        });
        join_all(each).await
    }
}

#[async_trait]
impl Actuator for ProcessActuator {
    async fn tend(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError> {
        self.work(process(target)?, now, Keeper::tend).await
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        self.work(process(target)?, now, move |keeper| keeper.set(from, to))
            .await
    }
}

fn process(target: &ScaleTarget) -> Result<&Arc<ProcessTarget>, TargetError> {
    match target {
        ScaleTarget::Process(target) => Ok(target),
        ScaleTarget::Kubernetes(_) | ScaleTarget::Command(_) => Err(TargetError::Unsupported),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, TargetError> + Send + 'static,
) -> Result<T, TargetError> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        let what = "the work on the replicas was cut short".to_owned();
        Err(TargetError::Io {
            what,
            source: error.into(),
        })
    })
}

/// One target as it was found.
struct Seen {
    state: TargetState,
    /// Which replicas are ready, where that is not what the records say.
    news: Option<Vec<(u64, Ready)>>,
}

impl ProcessReader {
    async fn look(&self, target: &Arc<ProcessTarget>, now: Timestamp) -> Result<Seen, TargetError> {
        let Some((mut table, alive)) = self.find(target, now).await? else {
            return Ok(Seen {
                state: never_started(),
                news: None,
            });
        };
        let checks = alive.iter().map(|replica| {
            let (sequence, port, ready) = (replica.sequence, replica.port, &target.ready);
            async move { (sequence, ready::ask(ready, port).await) }
        });
        // Collected first: a stream over borrowed closures is not known to be `Send`.
        let checks: Vec<_> = checks.collect();
        let mut seen: Vec<(u64, Ready)> = stream::iter(checks).buffered(CHECKS_AT_ONCE).collect().await;
        let endpoints = alive
            .iter()
            .zip(&seen)
            .map(|(replica, (_, ready))| endpoint(replica, *ready));
        let endpoints: Vec<ReplicaEndpoint> = endpoints.collect();
        let dead = table.replicas().map(|replica| replica.sequence);
        let dead = dead.filter(|sequence| !seen.iter().any(|(alive, _)| alive == sequence));
        let dead: Vec<(u64, Ready)> = dead.map(|sequence| (sequence, Ready::No)).collect();
        seen.extend(dead);
        let is_news = table.note_ready(&seen, now);
        let workload = workload(&table, &seen, now);
        Ok(Seen {
            state: TargetState {
                workload,
                identity: None,
                pods: None,
                replicas: endpoints,
            },
            news: is_news.then_some(seen),
        })
    }

    /// The table, and those of its wanted replicas that live.
    async fn find(
        &self,
        target: &Arc<ProcessTarget>,
        now: Timestamp,
    ) -> Result<Option<(ProcessTable, Vec<Replica>)>, TargetError> {
        let (target, records) = (Arc::clone(target), Arc::clone(&self.records));
        blocking(move || {
            let boot = keeper::boot()?;
            let table = keeper::load(&target, &*records, &boot, now)?;
            Ok(table.map(|table| {
                let wanted = table.slots.iter().filter_map(|slot| slot.replica.as_ref());
                let alive = wanted
                    .filter(|replica| replica.process.is_alive(&boot))
                    .cloned()
                    .collect();
                (table, alive)
            }))
        })
        .await
    }
}

fn never_started() -> TargetState {
    let workload = Workload {
        origin: CountOrigin::NeverStarted,
        readiness: Readiness::Known {
            ready: Replicas::ZERO,
            longest_unready: None,
        },
        ..Workload::running(Replicas::ZERO)
    };
    TargetState {
        workload,
        identity: None,
        pods: None,
        replicas: Vec::new(),
    }
}

fn endpoint(replica: &Replica, ready: Ready) -> ReplicaEndpoint {
    ReplicaEndpoint {
        id: replica.id.as_str().into(),
        address: ReplicaAddress::Url(format!("http://127.0.0.1:{}", replica.port).into()),
        ready: ready == Ready::Yes,
    }
}

fn workload(table: &ProcessTable, seen: &[(u64, Ready)], now: Timestamp) -> Workload {
    let ready = seen.iter().filter(|(_, ready)| *ready == Ready::Yes).count();
    let waiting = table
        .slots
        .iter()
        .filter_map(|slot| Some(now.since(slot.unready_since?)));
    // After all were stopped there are fewer slots than wanted replicas, and nothing says since when.
    let missing = (count(table.slots.len()) < table.wanted()).then_some(Duration::ZERO);
    let failing = table.failing();
    Workload {
        // Nobody else writes the table.
        origin: CountOrigin::WrittenByHeadroom,
        readiness: Readiness::Known {
            ready: count(ready),
            longest_unready: waiting.max().max(missing),
        },
        holds: (failing > 0)
            .then(|| Hold::FailingToStart {
                failing: count(failing),
            })
            .into_iter()
            .collect(),
        ..Workload::running(table.wanted())
    }
}

fn count(replicas: usize) -> Replicas {
    Replicas::new(u32::try_from(replicas).unwrap_or(u32::MAX))
}
