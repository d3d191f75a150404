//! All that telling people takes, in one process: who is told of what, and who hands it over.

use std::{
    collections::BTreeSet,
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use headroom_notifier::{
    Heartbeat,
    delivery::{Addressed, Dispatcher, Parts, Silence},
};
use headroom_policy_engine::{Timestamp, WorkloadId};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::{error, warn};

use super::{Channels, NotifySettings, Teller};
use crate::{
    Clock, DecisionRecord, DeliveryLock, Notice, PassRecord, Store, StoreError, pass::in_one_line,
    store::Told,
};

/// How often a loop tries to become the one who hands notices over, because a one-shot does so for a while.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked for workloads that nobody looks at any more.
const LOOKS_FOR_LEFT: Duration = Duration::from_secs(600);

/// All that telling people takes. By default nobody is told of anything.
#[derive(Default)]
pub struct Notifications {
    pub(crate) teller: Teller,
    dispatcher: Option<Dispatcher>,
    heartbeat: Option<Beating>,
    /// Those that the dispatcher knows.
    silences: Mutex<Vec<Silence>>,
    /// The workloads whose last pass was blind, or failed: a loop looks at some of them in one pass, and at others in another.
    unwell: Mutex<BTreeSet<WorkloadId>>,
    /// The workloads that others look at.
    others: Vec<WorkloadId>,
    /// When it was looked for workloads that nobody looks at any more.
    looked_for_left: Mutex<Option<Timestamp>>,
}

/// A heartbeat of which one is under way at a time.
struct Beating {
    heartbeat: Arc<Heartbeat>,
    under_way: Arc<Semaphore>,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("teller", &self.teller)
            .finish_non_exhaustive()
    }
}

impl Notifications {
    /// Tells whom `settings` name, by `channels`, of what `store` keeps.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn new(
        cluster: Option<&str>,
        settings: &NotifySettings,
        channels: Channels,
        store: &Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let fleet = store.fleet_incidents()?;
        let outbox = Arc::clone(store);
        let Channels {
            usable: channels,
            heartbeat,
            ..
        } = channels;
        let dispatcher = (!channels.is_empty()).then(|| {
            Dispatcher::new(Parts {
                channels,
                outbox,
                now: Arc::new(move || clock.now()),
                cluster: cluster.map(Arc::from),
            })
        });
        Ok(Self {
            teller: Teller::new(cluster, settings, fleet.as_deref()),
            dispatcher,
            heartbeat: heartbeat.map(|heartbeat| Beating {
                heartbeat: Arc::new(heartbeat),
                under_way: Arc::new(Semaphore::new(1)),
            }),
            silences: Mutex::default(),
            unwell: Mutex::default(),
            others: settings.others.clone(),
            looked_for_left: Mutex::default(),
        })
    }

    /// Lets `record` keep `told` with what the state is to have of the fleet, and says that there is something to hand over.
    /// Where it could not be kept, it is kept in memory. Belongs where what is begun is done, whoever waits for it.
    ///
    /// # Errors
    /// Those of `record`.
    pub(crate) fn record<T>(
        &self,
        told: &[Addressed],
        record: impl FnOnce(&Told<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let recorded = self.teller.keep(told, record);
        match &recorded {
            Ok(_) if told.is_empty() => {}
            Ok(_) => self.wake(),
            Err(_) => self.keep(told),
        }
        recorded
    }

    /// Says that there is something to hand over. Waits for nothing.
    pub(crate) fn wake(&self) {
        if let Some(dispatcher) = &self.dispatcher {
            dispatcher.wake();
        }
    }

    /// Keeps in memory what the state could not.
    fn keep(&self, told: &[Addressed]) {
        let Some(dispatcher) = self.dispatcher.as_ref().filter(|_| !told.is_empty()) else {
            return;
        };
        if let Err(error) = dispatcher.keep(told) {
            error!(
                error = in_one_line(&error),
                "some of what people should be told is lost"
            );
        }
    }

    /// Says when people do not want to be told.
    pub(crate) fn set_silences(&self, silences: Vec<Silence>) {
        let mut known = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dispatcher) = self.dispatcher.as_ref().filter(|_| *known != silences) {
            known.clone_from(&silences);
            dispatcher.set_silences(silences);
        }
    }

    /// Hands over what is due, again and again until `shutdown` is done.
    pub(crate) async fn run(
        &self,
        store: &Store,
        command: &str,
        clock: &dyn Clock,
        shutdown: impl Future<Output = ()>,
    ) {
        let Some(dispatcher) = &self.dispatcher else {
            return;
        };
        let mut shutdown = pin!(shutdown);
        let lock = tokio::select! {
            biased;
            () = &mut shutdown => None,
            lock = delivery_lock(store, command, clock) => Some(lock),
        };
        if lock.is_some() {
            dispatcher.run(shutdown).await;
        }
        self.say_lost();
    }

    /// Hands over what is due within `deadline`, and leaves the rest to the next run, or to whoever else does so. What is
    /// in memory alone is left to nobody: see [`Self::say_lost`].
    pub(crate) async fn flush(&self, store: &Store, command: &str, now: Timestamp, deadline: Duration) {
        let Some(dispatcher) = &self.dispatcher else {
            return;
        };
        match DeliveryLock::try_acquire(store.state_dir(), command, now) {
            Ok(Ok(_lock)) => drop(dispatcher.flush(deadline).await),
            Ok(Err(_)) => {}
            Err(error) => warn!(
                error = in_one_line(&error),
                "what people are told is left to the next run"
            ),
        }
    }

    /// Says how many notices end with this process.
    pub(crate) fn say_lost(&self) {
        let notices = self.dispatcher.as_ref().map_or(0, Dispatcher::in_memory);
        if notices > 0 {
            error!(
                notices,
                "could neither be kept nor handed over, so nobody is told of them"
            );
        }
    }

    /// The workloads that others look at.
    pub(crate) fn others(&self) -> &[WorkloadId] {
        &self.others
    }

    /// Whether it is time to look for workloads that nobody looks at any more; it counts as looked for from then on.
    pub(crate) fn looks_for_left(&self, now: Timestamp) -> bool {
        let mut looked = self
            .looked_for_left
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A clock that went back must not put this off for long.
        let is_due = looked.is_none_or(|last| now.since(last) >= LOOKS_FOR_LEFT || last > now);
        if is_due {
            *looked = Some(now);
        }
        is_due
    }

    /// Notes with which workloads a pass went well. Whether that is all of which any pass has told.
    pub(crate) fn note_health(&self, record: &PassRecord) -> bool {
        let is_well = |decision: &DecisionRecord| decision.error().is_none() && !decision.is_blind();
        let mut unwell = self.unwell.lock().unwrap_or_else(PoisonError::into_inner);
        for decision in &record.decisions {
            if is_well(decision) {
                unwell.remove(&decision.workload);
            } else {
                unwell.insert(decision.workload.clone());
            }
        }
        let is_whole = record.skipped.is_empty() && !record.notices.iter().any(Notice::is_failure);
        is_whole && unwell.is_empty()
    }

    /// Tells whoever listens for it that a pass could see everything. Waits for nothing, and one at a time.
    pub(crate) fn beat(&self) {
        let Some(Beating { heartbeat, under_way }) = &self.heartbeat else {
            return;
        };
        let Ok(permit) = Arc::clone(under_way).try_acquire_owned() else {
            return;
        };
        let heartbeat = Arc::clone(heartbeat);
        tokio::spawn(async move {
            if let Err(error) = heartbeat.beat().await {
                warn!(error = in_one_line(&error), "the heartbeat did not arrive");
            }
            drop(permit);
        });
    }

    /// Waits until a heartbeat that is under way has arrived, at most for `deadline`.
    pub(crate) async fn beaten(&self, deadline: Duration) {
        if let Some(Beating { under_way, .. }) = &self.heartbeat {
            // One that does not arrive has its own deadline, and says so by itself.
            let _ = timeout(deadline, under_way.acquire()).await;
        }
    }
}

/// Waits until nobody else hands over the notices of `store`.
async fn delivery_lock(store: &Store, command: &str, clock: &dyn Clock) -> DeliveryLock {
    let mut is_said = false;
    loop {
        match DeliveryLock::try_acquire(store.state_dir(), command, clock.now()) {
            Ok(Ok(lock)) => return lock,
            Ok(Err(_)) => {}
            Err(error) if !is_said => {
                is_said = true;
                warn!(
                    error = in_one_line(&error),
                    "nobody can hand over what people are told"
                );
            }
            Err(_) => {}
        }
        sleep(RETRY).await;
    }
}
