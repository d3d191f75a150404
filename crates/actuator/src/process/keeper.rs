//! One round of work on the replicas of one target: adopt, bury, drain, start, with every step recorded so that the
//! next headroom can go on from wherever this one is killed.
//!
//! What is wanted is saved before anything is done about it, and what was started bears a mark by which it is found
//! should its record not have been saved. Nothing here waits: what takes time is looked at again in the next round.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use headroom_policy_engine::{Replicas, Timestamp, WorkloadId};
use process_wrap::tokio::ChildWrapper;
use rustix::process::Signal;
use tracing::{info, warn};

use super::{
    ProcessRecords, ProcessTable,
    kernel::{Stat, boot_id},
    snapshot::Snapshot,
    spawn::{self, Mark, bound_log, log_file, state_of},
    table::{Draining, FailureKind, Ready, Replica},
};
use crate::{
    ProcessTarget, TargetError,
    program::{locate, written},
};

/// What this headroom knows besides the records, and nobody needs after it.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// The replicas that this process started, to be reaped.
    children: Mutex<HashMap<WorkloadId, Vec<Child>>>,
    /// The workloads whose unrecorded replicas were looked for since the records were last in doubt.
    searched: Mutex<HashSet<WorkloadId>>,
    /// The workloads that were worked on, with their state.
    touched: Mutex<HashMap<WorkloadId, PathBuf>>,
}

/// A process that this one started, and did not reap.
#[derive(Debug)]
struct Child {
    pid: u32,
    handle: Box<dyn ChildWrapper>,
}

impl Own {
    /// The workloads that were worked on; `None` while somebody else looks.
    pub(super) fn touched(&self) -> Option<Vec<(WorkloadId, PathBuf)>> {
        let touched = self.touched.try_lock().ok()?;
        Some(
            touched
                .iter()
                .map(|(id, state)| (id.clone(), state.clone()))
                .collect(),
        )
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is a single insertion or removal, so a panic elsewhere leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The records of `target`, or what they must have been: lost records are made up from the replicas that run.
///
/// Without records and replicas it is `None`: nothing was ever started.
pub(super) fn load(
    target: &ProcessTarget,
    records: &dyn ProcessRecords,
    boot: &str,
    now: Timestamp,
) -> Result<Option<ProcessTable>, TargetError> {
    if let Some(table) = records.load(&target.workload).map_err(TargetError::Records)? {
        return Ok(Some(table));
    }
    let mut table = ProcessTable::new();
    let found = unrecorded(target, &table, boot, now)?;
    if found.is_empty() {
        return Ok(None);
    }
    table.want(Replicas::new(u32::try_from(found.len()).unwrap_or(u32::MAX)));
    table.fit(now);
    take_in(&mut table, found, now);
    Ok(Some(table))
}

/// A replica that runs and stands in no record, with the slot it was started for.
struct Unrecorded {
    slot: Option<u32>,
    replica: Replica,
}

/// The replicas of `target` that are not in `table`.
fn unrecorded(
    target: &ProcessTarget,
    table: &ProcessTable,
    boot: &str,
    now: Timestamp,
) -> Result<Vec<Unrecorded>, TargetError> {
    let snapshot = take_snapshot()?;
    let recorded: HashSet<&str> = table.replicas().map(|replica| replica.id.as_str()).collect();
    let found = snapshot.replicas(&target.workload, &state_of(target), boot);
    let found = found
        .into_iter()
        .filter(|(_, mark)| !recorded.contains(mark.id.as_str()));
    let replica = |(process, mark): (_, &Mark)| Unrecorded {
        slot: mark.slot,
        replica: Replica {
            sequence: table.sequence(&mark.id).unwrap_or_default(),
            id: mark.id.clone(),
            process,
            port: mark.port.unwrap_or_default(),
            started_at: now,
        },
    };
    Ok(found.map(replica).collect())
}

fn take_in(table: &mut ProcessTable, found: Vec<Unrecorded>, now: Timestamp) {
    for Unrecorded { slot, mut replica } in found {
        if replica.sequence == 0 {
            // Of a table that is lost: oldest first, it gets a new number and keeps its id.
            replica.sequence = table.reserve(1).start;
        }
        info!(
            replica = replica.id,
            pid = replica.process.pid,
            "adopted a replica that was not recorded"
        );
        table.adopt(slot, replica, now);
    }
}

fn take_snapshot() -> Result<Snapshot, TargetError> {
    Snapshot::take().map_err(|source| TargetError::Io {
        what: "cannot list processes in /proc".to_owned(),
        source,
    })
}

/// The kernel's boot id.
pub(super) fn boot() -> Result<String, TargetError> {
    boot_id().map_err(|source| TargetError::Io {
        what: "cannot read the boot id in /proc".to_owned(),
        source,
    })
}

/// One round of work on one target, whose lock the caller holds.
#[derive(Debug)]
pub(super) struct Keeper {
    target: Arc<ProcessTarget>,
    records: Arc<dyn ProcessRecords>,
    own: Arc<Own>,
    boot: String,
    now: Timestamp,
}

impl Keeper {
    pub(super) fn new(
        target: Arc<ProcessTarget>,
        records: Arc<dyn ProcessRecords>,
        own: Arc<Own>,
        now: Timestamp,
    ) -> Result<Self, TargetError> {
        locked(&own.touched).insert(target.workload.clone(), state_of(&target));
        Ok(Self {
            target,
            records,
            own,
            boot: boot()?,
            now,
        })
    }

    /// Makes what runs what is wanted, as far as that can be done at once.
    pub(super) fn tend(&self) -> Result<(), TargetError> {
        let Some((saved, mut table)) = self.table()? else {
            return Ok(());
        };
        let starting = self.prepare(saved.as_ref(), &mut table)?;
        self.carry_out(&mut table, starting)
    }

    /// Wants `to` replicas where `from` were wanted, and begins to make it so.
    pub(super) fn set(&self, from: Replicas, to: Replicas) -> Result<(), TargetError> {
        let (saved, mut table) = self.table()?.unwrap_or_else(|| (None, ProcessTable::new()));
        if table.wanted() != from {
            return Err(TargetError::Conflict {
                expected: from,
                found: table.wanted(),
            });
        }
        if to > from {
            // Said now, to whoever asked for it, instead of wanting what cannot be.
            let search = self.target.environment.get("PATH").map(AsRef::as_ref);
            locate(&self.target.command, &self.target.directory, search).map_err(|source| {
                TargetError::Start {
                    command: written(&self.target.command),
                    source,
                }
            })?;
        }
        table.want(to);
        let starting = self.prepare(saved.as_ref(), &mut table)?;
        if let Err(error) = self.carry_out(&mut table, starting) {
            // The count is wanted, and durably so. The rest is made up for in the next round.
            warn!(workload = %self.target.workload, error = &error as &dyn std::error::Error, "not all replicas follow");
        }
        Ok(())
    }

    /// Records which replicas are ready.
    pub(super) fn note_ready(&self, seen: &[(u64, Ready)]) -> Result<(), TargetError> {
        let table = self
            .records
            .load(&self.target.workload)
            .map_err(TargetError::Records)?;
        if let Some(mut table) = table
            && table.note_ready(seen, self.now)
        {
            self.save(&table)?;
        }
        Ok(())
    }

    /// Begins or goes on to end all replicas. Returns how many are left. As many are wanted afterwards as before.
    pub(super) fn end_all(&self) -> Result<usize, TargetError> {
        let Some((saved, mut table)) = self.table()? else {
            return Ok(0);
        };
        self.reap();
        table.drain_all();
        self.save_changes(saved.as_ref(), &table)?;
        let saved = table.clone();
        self.end_draining(&mut table)?;
        self.save_changes(Some(&saved), &table)?;
        Ok(table.draining.len())
    }

    /// The table as it was saved, if it was, and as it must be: with replicas whose record was not saved.
    fn table(&self) -> Result<Option<(Option<ProcessTable>, ProcessTable)>, TargetError> {
        let saved = self
            .records
            .load(&self.target.workload)
            .map_err(TargetError::Records)?;
        let Some(saved) = saved else {
            let rebuilt = load(&self.target, &*self.records, &self.boot, self.now)?;
            return Ok(rebuilt.map(|table| (None, table)));
        };
        let mut table = saved.clone();
        if !locked(&self.own.searched).contains(&self.target.workload) {
            // Those that died leave their slots first, or who took their place would be surplus.
            self.bury(&mut table)?;
            let found = unrecorded(&self.target, &table, &self.boot, self.now)?;
            take_in(&mut table, found, self.now);
        }
        Ok(Some((Some(saved), table)))
    }

    fn save(&self, table: &ProcessTable) -> Result<(), TargetError> {
        let saved = self
            .records
            .save(&self.target.workload, table)
            .map_err(TargetError::Records);
        let mut searched = locked(&self.own.searched);
        if saved.is_ok() {
            searched.insert(self.target.workload.clone());
        } else {
            searched.remove(&self.target.workload);
        }
        saved
    }

    fn save_changes(&self, saved: Option<&ProcessTable>, table: &ProcessTable) -> Result<(), TargetError> {
        if saved == Some(table) {
            locked(&self.own.searched).insert(self.target.workload.clone());
            return Ok(());
        }
        self.save(table)
    }

    /// Brings the table up to date and saves what is going to be done. Returns the numbers of replicas to start.
    fn prepare(
        &self,
        saved: Option<&ProcessTable>,
        table: &mut ProcessTable,
    ) -> Result<std::ops::Range<u64>, TargetError> {
        self.bury(table)?;
        table.fit(self.now);
        let due = table.slots.iter().filter(|slot| slot.is_due(self.now)).count();
        let starting = table.reserve(due);
        self.save_changes(saved, table)?;
        Ok(starting)
    }

    fn carry_out(&self, table: &mut ProcessTable, starting: std::ops::Range<u64>) -> Result<(), TargetError> {
        let saved = table.clone();
        let drained = self.end_draining(table);
        let started = self.start_missing(table, starting);
        self.save_changes(Some(&saved), table)?;
        for slot in &table.slots {
            let path = log_file(&self.target, slot.number);
            bound_log(&path).map_err(|source| TargetError::Io {
                what: format!("cannot set {} aside", path.display()),
                source,
            })?;
        }
        drained.and(started)
    }

    /// Asks how the children of this process ended that did.
    fn reap(&self) -> HashMap<u32, ExitStatus> {
        let mut children = locked(&self.own.children);
        let Some(children) = children.get_mut(&self.target.workload) else {
            return HashMap::new();
        };
        let mut ended = HashMap::new();
        children.retain_mut(|child| match child.handle.try_wait() {
            Ok(None) => true,
            Ok(Some(status)) => {
                ended.insert(child.pid, status);
                false
            }
            Err(_) => false,
        });
        ended
    }

    /// Empties the slots of replicas that ended. What they left running is ended too.
    fn bury(&self, table: &mut ProcessTable) -> Result<(), TargetError> {
        let ended = self.reap();
        let mut snapshot = None;
        let mut leftovers = Vec::new();
        for slot in &mut table.slots {
            let Some(replica) = slot
                .replica
                .take_if(|replica| !replica.process.is_alive(&self.boot))
            else {
                continue;
            };
            if replica.process.boot != self.boot {
                slot.vacate(self.now);
                continue;
            }
            let snapshot = match &mut snapshot {
                Some(snapshot) => snapshot,
                empty @ None => empty.insert(take_snapshot()?),
            };
            if !snapshot.members(&replica, &self.boot).is_empty() {
                // Overdue from the start: nothing that a dead replica left is waited for.
                let asked_at = Some(Timestamp::MIN);
                leftovers.push(Draining {
                    number: slot.number,
                    replica: replica.clone(),
                    asked_at,
                });
            }
            let status = ended.get(&replica.process.pid).map(ToString::to_string);
            let (id, pid) = (replica.id.clone(), replica.process.pid);
            slot.replica = Some(replica);
            let wait = slot.fail(FailureKind::Ended, self.now);
            warn!(
                workload = %self.target.workload, replica = id, pid,
                status = status.as_deref().unwrap_or("unknown"), failures = slot.failures, ?wait,
                log = %log_file(&self.target, slot.number).display(), "a replica ended by itself"
            );
        }
        table.draining.append(&mut leftovers);
        Ok(())
    }

    /// Asks those that drain to end, kills those that take too long, and forgets those that are gone.
    fn end_draining(&self, table: &mut ProcessTable) -> Result<(), TargetError> {
        if table.draining.is_empty() {
            return Ok(());
        }
        let snapshot = take_snapshot()?;
        table.draining.retain_mut(|draining| {
            let members = snapshot.members(&draining.replica, &self.boot);
            if !members.is_empty() {
                self.end(draining, &members);
            }
            !members.is_empty()
        });
        Ok(())
    }

    fn end(&self, draining: &mut Draining, members: &[Stat]) {
        let process = &draining.replica.process;
        if draining.asked_at.is_none() && self.target.drain > Duration::ZERO {
            info!(workload = %self.target.workload, replica = draining.replica.id, pid = process.pid, "a replica drains");
            if process.is_alive(&self.boot) {
                process.signal_group(Signal::TERM, &self.boot);
            } else {
                members.iter().for_each(|member| member.signal(Signal::TERM));
            }
        }
        // A clock that went back would make it later than now, and the wait longer than it is to be.
        let asked_at = draining
            .asked_at
            .map_or(self.now, |asked_at| asked_at.min(self.now));
        draining.asked_at = Some(asked_at);
        if self.now.since(asked_at) >= self.target.drain {
            info!(
                workload = %self.target.workload, replica = draining.replica.id, pid = process.pid,
                processes = members.len(), "a replica is killed"
            );
            process.signal_group(Signal::KILL, &self.boot);
            members.iter().for_each(|member| member.kill());
        }
    }

    /// Starts a replica in each slot that is due. Returns the first reason why one could not be started.
    fn start_missing(
        &self,
        table: &mut ProcessTable,
        starting: std::ops::Range<u64>,
    ) -> Result<(), TargetError> {
        let mut taken: Vec<u16> = table.replicas().map(|replica| replica.port).collect();
        let mut first = Ok(());
        for sequence in starting {
            let id = table.id(sequence);
            let Some(slot) = table.slots.iter_mut().find(|slot| slot.is_due(self.now)) else {
                break;
            };
            match spawn::start(&self.target, &id, slot.number, &taken, &self.boot) {
                Ok(started) => {
                    let (process, port) = (started.process, started.port);
                    info!(workload = %self.target.workload, replica = id, pid = process.pid, port, "a replica starts");
                    taken.push(port);
                    let mut children = locked(&self.own.children);
                    children
                        .entry(self.target.workload.clone())
                        .or_default()
                        .push(Child {
                            pid: process.pid,
                            handle: started.child,
                        });
                    slot.replica = Some(Replica {
                        sequence,
                        id,
                        process,
                        port,
                        started_at: self.now,
                    });
                    slot.retry_at = None;
                }
                Err(source) => {
                    slot.fail(FailureKind::CannotStart, self.now);
                    let error = TargetError::Start {
                        command: written(&self.target.command),
                        source,
                    };
                    first = first.and(Err(error));
                }
            }
        }
        first
    }
}
