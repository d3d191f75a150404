//! One pass over workloads: read targets and load, decide, record, write, record, hand on.
//!
//! Owns the order, and that a change is written only after the intent to write it is durable. What to decide is the
//! engine's; when a pass begins belongs to the loop or to the caller.

mod brake;
mod cohort;
mod digests;
mod endpoints;
mod evaluate;
mod left;
mod observe;
mod past;
mod paused;
mod report;
mod states;
mod targets;
mod telling;

use std::{collections::HashSet, sync::Arc, time::Duration};

use headroom_actuator::{Access, ProcessActuator, ScaleTarget};
use headroom_metrics_source::ScrapeSource;
use headroom_policy_engine::{Timestamp, WorkloadId};
use thiserror::Error;
use tokio::sync::broadcast;

pub(crate) use self::evaluate::{Found, conclude, decide, freshness};
pub use self::observe::{SourceId, Sources};
pub(crate) use self::report::in_one_line;
use self::{
    brake::Brake,
    cohort::Cohort,
    report::{Outages, Unannotated},
    states::{States, Taken},
    targets::{Due, Reads},
};
use crate::{
    BrakeSettings, Clock, DecisionRecord, FirstPass, LockError, LockHolder, Notice, Notifications,
    OperatorActs, OperatorFile, PassRecord, Store, StoreError, WorkloadSettings,
    lock::{PassGuard, PassLock},
};

/// How many passes a listener may fall behind before it misses some.
const LISTENER_BACKLOG: usize = 64;
/// The targets that have answered by then go on without the others.
const AT_ONCE: Duration = Duration::from_millis(500);
/// Passes farther apart than this cannot scale down: no recommendation reaches that far.
const LONGEST_REACH: Duration = Duration::from_secs(15 * 60);

/// Everything that makes decisions about a set of workloads and carries them out.
#[derive(Debug)]
pub struct Autoscaler {
    workloads: Vec<Managed>,
    sources: Sources,
    scrape: Option<Arc<ScrapeSource>>,
    processes: Option<Arc<ProcessActuator>>,
    store: Arc<Store>,
    states: Arc<States>,
    operator: OperatorFile,
    lock: Option<PassLock>,
    command: String,
    brake: BrakeSettings,
    notifications: Arc<Notifications>,
    deadline: Duration,
    pass_deadline: Duration,
    outages: Outages,
    unannotated: Unannotated,
    listeners: broadcast::Sender<Arc<PassRecord>>,
    /// What was found out while the parts were put together, for the first pass to say.
    first_notices: std::sync::Mutex<Vec<Notice>>,
}

/// What an [`Autoscaler`] is made of. [`Assembly`](crate::Assembly) makes it from a configuration.
#[derive(Debug)]
pub struct Parts {
    /// The workloads, in the order in which they are shown.
    pub workloads: Vec<Managed>,
    /// Where their load is read.
    pub sources: Sources,
    /// The source among them that keeps readings of replicas, which belong to the state.
    pub scrape: Option<Arc<ScrapeSource>>,
    /// What keeps the processes of this machine, if there is such a thing.
    pub processes: Option<Arc<ProcessActuator>>,
    /// The state.
    pub store: Arc<Store>,
    /// What the first pass has to say.
    pub notices: Vec<Notice>,
    /// What this process is called in the locks, such as `headroom run --once`.
    pub command: String,
    /// When too much of the fleet would fall at once.
    pub brake: BrakeSettings,
    /// Who is told of what.
    pub notifications: Notifications,
    /// How long a target may take to answer before those that did go on without it.
    pub deadline: Duration,
    /// The deadline of a whole pass. One that takes more than twice that is stuck.
    pub pass_deadline: Duration,
}

/// One workload and how its target is reached.
#[derive(Clone, Debug)]
pub struct Managed {
    /// Its settings.
    pub settings: WorkloadSettings,
    /// Its target.
    pub target: ScaleTarget,
    /// How the target is reached. Where nothing may be written, what writes is not there.
    pub access: Access,
}

/// Which workloads a pass is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// All of them.
    All,
    /// These, as far as they are known.
    These(&'a [WorkloadId]),
}

impl<'a> Which<'a> {
    /// Those that were named; `None`: all.
    fn named(self) -> Option<HashSet<&'a WorkloadId>> {
        match self {
            Self::All => None,
            Self::These(ids) => Some(ids.iter().collect()),
        }
    }
}

/// Why a pass could not be made at all.
#[derive(Debug, Error)]
pub enum PassError {
    /// Another pass is stuck, or the lock cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// What is remembered cannot be read.
    #[error("the state could not be read")]
    State(#[source] StoreError),
    /// The pass did not end within its deadline. What it was doing is settled by the next one.
    #[error("the pass did not end within {after:?}")]
    TimedOut {
        /// Its deadline.
        after: Duration,
    },
}

impl Autoscaler {
    /// An autoscaler of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts {
            workloads,
            sources,
            scrape,
            processes,
            store,
            mut notices,
            command,
            brake,
            notifications,
            deadline,
            pass_deadline,
        } = parts;
        // A state that was set aside has said so already.
        if store.is_new() && notices.is_empty() {
            notices.push(Notice::NoMemory {
                state_dir: store.state_dir().to_owned(),
                first: FirstPass::default(),
            });
        }
        let writes = !store.is_read_only();
        Self {
            operator: OperatorFile::new(store.state_dir()),
            lock: writes.then(|| PassLock::new(store.state_dir(), &command, pass_deadline)),
            states: Arc::new(States::new(Arc::clone(&store))),
            workloads,
            sources,
            scrape,
            processes,
            store,
            command,
            brake,
            notifications: Arc::new(notifications),
            deadline,
            pass_deadline,
            outages: Outages::default(),
            unannotated: Unannotated::default(),
            listeners: broadcast::Sender::new(LISTENER_BACKLOG),
            first_notices: std::sync::Mutex::new(notices),
        }
    }

    /// Who is told of what.
    pub(crate) fn notifications(&self) -> &Notifications {
        &self.notifications
    }

    /// The workloads, in the order in which they are shown.
    #[must_use]
    pub fn workloads(&self) -> &[Managed] {
        &self.workloads
    }

    /// The state.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What keeps the processes of this machine, for who wants to end them; `None` where nothing may be written.
    #[must_use]
    pub const fn processes(&self) -> Option<&Arc<ProcessActuator>> {
        self.processes.as_ref()
    }

    /// Every pass from now on. A listener that is slow misses the oldest ones, and delays nothing.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<PassRecord>> {
        self.listeners.subscribe()
    }

    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    /// Makes one pass under `pass.lock`, at the time when the lock was had and within its deadline.
    ///
    /// # Errors
    /// When another pass is stuck, the state cannot be read, or the deadline is over.
    pub async fn locked_pass(&self, clock: &dyn Clock, which: Which<'_>) -> Result<PassRecord, PassError> {
        let passed = async {
            let _lock: Option<Arc<PassGuard>> = match &self.lock {
                Some(lock) => Some(lock.acquire(clock).await?),
                None => None,
            };
            self.pass_in_time(clock.now(), which).await
        };
        let passed = passed.await;
        self.tell_of_failure(passed.as_ref().err(), which, clock.now())
            .await;
        passed
    }

    /// The same, unless another pass is under way: then says whose.
    ///
    /// # Errors
    /// As [`Self::locked_pass`].
    pub(crate) async fn pass_unless_under_way(
        &self,
        clock: &dyn Clock,
        which: Which<'_>,
    ) -> Result<Result<PassRecord, LockHolder>, PassError> {
        let passed = async {
            let _lock: Option<Arc<PassGuard>> = match self.lock.as_ref().map(|lock| lock.acquire_now(clock)) {
                Some(acquired) => match acquired? {
                    Ok(guard) => Some(guard),
                    Err(holder) => return Ok(Err(holder)),
                },
                None => None,
            };
            self.pass_in_time(clock.now(), which).await.map(Ok)
        };
        let passed = passed.await;
        self.tell_of_failure(passed.as_ref().err(), which, clock.now())
            .await;
        passed
    }

    async fn pass_in_time(&self, now: Timestamp, which: Which<'_>) -> Result<PassRecord, PassError> {
        let ended = tokio::time::timeout(self.pass_deadline, self.pass(now, which)).await;
        ended.unwrap_or(Err(PassError::TimedOut {
            after: self.pass_deadline,
        }))
    }

    /// Makes one pass over the workloads that `which` names, at the time `now`.
    ///
    /// The caller sees to it that no other process makes a pass on the same state; [`Self::locked_pass`] does. Passes of
    /// one autoscaler may overlap: a workload that is in one is skipped by the other.
    ///
    /// A pass that is dropped midway leaves intents behind, which the next one settles by reading the targets.
    ///
    /// # Errors
    /// When the state cannot be read. A state that cannot be written is a [`Notice`]: then nothing is written anywhere.
    pub async fn pass(&self, now: Timestamp, which: Which<'_>) -> Result<PassRecord, PassError> {
        let named = which.named();
        let due = self.workloads.iter().enumerate();
        let due = due.filter(|(_, managed)| {
            named
                .as_ref()
                .is_none_or(|named| named.contains(&managed.settings.id))
        });
        let checked_out = self
            .states
            .check_out(due.map(|(index, managed)| (index, &managed.settings.id)), now);
        let checked_out = checked_out.map_err(PassError::State)?;
        let last = last_pass(&checked_out.taken);
        let mut pass = Pass::begin(self, last, now).map_err(PassError::State)?;
        pass.notices.extend(checked_out.notices);
        pass.note_spacing(last);

        let mut decided: Vec<(usize, DecisionRecord)> = Vec::new();
        for cohort in self.cohorts(&pass, checked_out.taken).await {
            decided.extend(cohort.records);
            pass.notices.extend(cohort.notices);
        }
        pass.notices.extend(self.store.take_notices());
        pass.notices.extend(pass.brake.notice(now));
        decided.sort_by_key(|(index, _)| *index);
        pass.note_rebuilt(decided.iter().map(|(_, record)| record));
        let record = PassRecord {
            at: now,
            decisions: decided.into_iter().map(|(_, record)| record).collect(),
            skipped: checked_out.skipped,
            notices: pass.notices,
        };
        self.tell_of_pass(&record).await;
        self.hand_on(&record);
        Ok(record)
    }

    /// Takes the workloads through the pass: those whose targets answer at once together, so that what is asked for them is
    /// asked together; slower ones follow, so that they delay nobody.
    async fn cohorts(&self, pass: &Pass, taken: Vec<Taken>) -> [Cohort; 3] {
        let mut reads = Reads::begin(self, taken, pass.now);
        let at_once = reads.within(AT_ONCE.min(self.deadline)).await;
        let slower = async {
            let in_time = reads.within(self.deadline).await;
            let late = async { self.cohort(pass, reads.rest().await).await };
            futures::join!(self.cohort(pass, in_time), late)
        };
        let (first, (second, third)) = futures::join!(self.cohort(pass, at_once), slower);
        [first, second, third]
    }

    /// Gives the record to whoever listens. None of them can delay the next pass.
    fn hand_on(&self, record: &PassRecord) {
        report::log(record);
        if self.listeners.receiver_count() > 0 {
            // Fails only when the last listener has just gone.
            let _ = self.listeners.send(Arc::new(record.clone()));
        }
    }
}

/// What holds for one pass.
#[derive(Debug)]
struct Pass {
    now: Timestamp,
    acts: Acts,
    brake: Brake,
    notices: Vec<Notice>,
}

/// What people ask for in a pass.
#[derive(Debug)]
enum Acts {
    /// This.
    Known(OperatorActs),
    /// It cannot be read, so everything counts as paused.
    Unreadable,
}

impl Pass {
    /// Begins a pass over workloads that were looked at before in one at `last`.
    fn begin(autoscaler: &Autoscaler, last: Option<Timestamp>, now: Timestamp) -> Result<Self, StoreError> {
        let brake = Brake::new(autoscaler.brake, autoscaler.store.tripped()?, last);
        let first = &autoscaler.first_notices;
        let mut notices =
            std::mem::take(&mut *first.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let acts = match autoscaler.operator.acts() {
            Ok(acts) => {
                let mut acts = acts.at(now);
                autoscaler
                    .notifications
                    .set_silences(std::mem::take(&mut acts.silences));
                Acts::Known(acts)
            }
            Err(error) => {
                notices.push(Notice::PausesUnreadable {
                    path: autoscaler.operator.path(),
                    reason: error.reason(),
                });
                Acts::Unreadable
            }
        };
        Ok(Self {
            now,
            acts,
            brake,
            notices,
        })
    }

    /// Says of how many workloads the past made up for a state that is not there.
    fn note_rebuilt<'r>(&mut self, records: impl Iterator<Item = &'r DecisionRecord>) {
        let count = records.fold(FirstPass::default(), FirstPass::with);
        for notice in &mut self.notices {
            if let Notice::NoMemory { first, .. } = notice {
                *first = count;
            }
        }
    }

    /// Says so when no workload was looked at for so long that nothing remembered reaches to now.
    fn note_spacing(&mut self, last: Option<Timestamp>) {
        let spacing = last.map_or(Duration::ZERO, |last| self.now.since(last));
        if spacing > LONGEST_REACH {
            self.notices.push(Notice::TooFarApart { spacing });
        }
    }
}

/// When one of these workloads was looked at for the last time; `None` where nothing is remembered of any.
fn last_pass(taken: &[Taken]) -> Option<Timestamp> {
    let looks = taken
        .iter()
        .filter_map(|taken| taken.remembered().memory.last_evaluated());
    looks.max()
}
