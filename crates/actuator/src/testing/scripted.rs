//! Targets in memory that do as they are told, count what was written, and fail on demand.

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use futures::future::join_all;
use headroom_policy_engine::{CountOrigin, Readiness, Replicas, Timestamp, Workload, WorkloadId};

use crate::{Actuator, ReplicaEndpoint, ScaleTarget, TargetError, TargetReader, TargetState};

/// Targets of any kind, known by their workload.
///
/// A target that was not put was never started. What is written is what is read next, and all of it is ready at once.
#[derive(Debug, Default)]
pub struct ScriptedActuator {
    world: Mutex<World>,
}

#[derive(Debug, Default)]
struct World {
    states: BTreeMap<WorkloadId, TargetState>,
    reads: BTreeMap<WorkloadId, Fault>,
    write_faults: BTreeMap<WorkloadId, Fault>,
    writes: Vec<Write>,
    tended: Vec<WorkloadId>,
}

/// A count that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Whose.
    pub workload: WorkloadId,
    /// The count before.
    pub from: Replicas,
    /// The count after.
    pub to: Replicas,
    /// The time of the pass that wrote it.
    pub at: Timestamp,
}

/// How a target misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It refuses.
    Refuse,
    /// It never answers, and does not do what was asked.
    Hang,
    /// It does what was asked and never answers.
    HangAfterwards,
}

impl ScriptedActuator {
    /// Nothing was ever started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The target of `workload` has `count` replicas, all ready.
    pub fn put(&self, workload: &WorkloadId, count: Replicas) {
        self.put_state(
            workload,
            TargetState {
                workload: ready(count),
                identity: None,
                pods: None,
                replicas: Vec::new(),
            },
        );
    }

    /// The target of `workload` is like `state`.
    pub fn put_state(&self, workload: &WorkloadId, state: TargetState) {
        self.world().states.insert(workload.clone(), state);
    }

    /// The target of `workload` has these replicas, and wants no others.
    pub fn put_replicas(&self, workload: &WorkloadId, replicas: Vec<ReplicaEndpoint>) {
        let count = Replicas::new(u32::try_from(replicas.len()).unwrap_or(u32::MAX));
        self.put_state(
            workload,
            TargetState {
                workload: ready(count),
                identity: None,
                pods: None,
                replicas,
            },
        );
    }

    /// Reading the target of `workload` goes wrong from now on; `None`: works again.
    pub fn fail_reads(&self, workload: &WorkloadId, fault: Option<Fault>) {
        put_fault(&mut self.world().reads, workload, fault);
    }

    /// Writing to the target of `workload` goes wrong from now on; `None`: works again.
    pub fn fail_writes(&self, workload: &WorkloadId, fault: Option<Fault>) {
        put_fault(&mut self.world().write_faults, workload, fault);
    }

    /// All that was written, in its order.
    pub fn writes(&self) -> Vec<Write> {
        self.world().writes.clone()
    }

    /// The workloads that were tended, in their order, once for each time.
    pub fn tended(&self) -> Vec<WorkloadId> {
        self.world().tended.clone()
    }

    /// The count of `workload` now.
    pub fn count(&self, workload: &WorkloadId) -> Replicas {
        self.world()
            .states
            .get(workload)
            .map_or(Replicas::ZERO, |state| state.workload.current)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read_one(&self, workload: &WorkloadId) -> Result<TargetState, TargetError> {
        let (fault, state) = {
            let world = self.world();
            (
                world.reads.get(workload).copied(),
                world.states.get(workload).cloned(),
            )
        };
        match fault {
            Some(Fault::Refuse) => Err(refusal()),
            Some(Fault::Hang | Fault::HangAfterwards) => pending().await,
            None => Ok(state.unwrap_or_else(never_started)),
        }
    }
}

fn put_fault(faults: &mut BTreeMap<WorkloadId, Fault>, workload: &WorkloadId, fault: Option<Fault>) {
    match fault {
        Some(fault) => faults.insert(workload.clone(), fault),
        None => faults.remove(workload),
    };
}

fn ready(count: Replicas) -> Workload {
    let readiness = Readiness::Known {
        ready: count,
        longest_unready: None,
    };
    Workload {
        readiness,
        ..Workload::running(count)
    }
}

fn never_started() -> TargetState {
    let workload = Workload {
        origin: CountOrigin::NeverStarted,
        ..ready(Replicas::ZERO)
    };
    TargetState {
        workload,
        identity: None,
        pods: None,
        replicas: Vec::new(),
    }
}

fn refusal() -> TargetError {
    TargetError::Io {
        what: "the target refuses".to_owned(),
        source: std::io::Error::other("as scripted"),
    }
}

#[async_trait]
impl TargetReader for ScriptedActuator {
    async fn read(&self, targets: &[ScaleTarget], _now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        join_all(targets.iter().map(|target| self.read_one(target.workload()))).await
    }
}

#[async_trait]
impl Actuator for ScriptedActuator {
    async fn tend(&self, target: &ScaleTarget, _now: Timestamp) -> Result<(), TargetError> {
        self.world().tended.push(target.workload().clone());
        Ok(())
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        let workload = target.workload();
        let fault = self.world().write_faults.get(workload).copied();
        match fault {
            Some(Fault::Refuse) => return Err(refusal()),
            Some(Fault::Hang) => return pending().await,
            Some(Fault::HangAfterwards) | None => {}
        }
        let found = self.count(workload);
        if found != from {
            return Err(TargetError::Conflict {
                expected: from,
                found,
            });
        }
        self.put(workload, to);
        self.world().writes.push(Write {
            workload: workload.clone(),
            from,
            to,
            at: now,
        });
        match fault {
            None => Ok(()),
            Some(_) => pending().await,
        }
    }
}
