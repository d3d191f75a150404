//! Hands what waits over to the channels, each for itself, and records what became of it.
//!
//! Whoever decides is never held up by it: a wake-up is a flag, and what it reads and writes it does on threads of its own.

mod desk;
mod log;
mod unrecorded;

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use headroom_policy_engine::Timestamp;
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, interval, timeout, timeout_at},
};
use tracing::{error, warn};

use super::{
    Addressed, Change, ChannelName, ChannelRules, MemoryOutbox, Outbox, OutboxError, QueueBound, Silence,
    orphans,
};
use crate::Notifier;
use desk::Desk;

/// How long a message that is on its way may take once somebody has said stop.
const FINISHING: Duration = Duration::from_secs(1);
/// How often a loop looks after what waits for channels that are gone.
const LOOKS_FOR_ORPHANS: Duration = Duration::from_secs(3600);
/// What memory holds while the outbox keeps nothing.
const SPARE: QueueBound = QueueBound {
    notices: 1000,
    bytes: 2 << 20,
};

/// Tells the time of day.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A channel, and how it is used.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: ChannelName,
    /// Who hands messages over.
    pub notifier: Arc<dyn Notifier>,
    /// What it is told, how much of it, and when.
    pub rules: ChannelRules,
    /// Who is told where it does not take what is urgent, in this order.
    pub alternates: Vec<ChannelName>,
}

/// What a dispatcher is made of.
pub struct Parts {
    /// All channels that there are.
    pub channels: Vec<Channel>,
    /// Where what is to be told is kept.
    pub outbox: Arc<dyn Outbox>,
    /// The clock.
    pub now: Now,
    /// The cluster's name, for what is told about the channels themselves.
    pub cluster: Option<Arc<str>>,
}

/// Hands what waits over to the channels. One process does so for one outbox at a time.
pub struct Dispatcher {
    desks: Vec<Arc<Desk>>,
    shared: Arc<Shared>,
}

/// What all channels have in common.
struct Shared {
    outbox: Arc<dyn Outbox>,
    /// What the outbox could not keep.
    spare: MemoryOutbox,
    now: Now,
    cluster: Option<Arc<str>>,
    silences: RwLock<Arc<[Silence]>>,
    /// One channel at a time is thought about, so that what waits is in memory for one.
    planning: Mutex<()>,
    /// Whether one channel gave something to another since this was looked at.
    handed_on: AtomicBool,
    /// Wakes each channel's task.
    wakers: Vec<Arc<Notify>>,
}

impl Shared {
    fn wake_all(&self) {
        for waker in &self.wakers {
            waker.notify_one();
        }
    }

    /// While this is held, nobody else plans or settles.
    fn alone(&self) -> MutexGuard<'_, ()> {
        self.planning.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dispatcher {
    /// A dispatcher of these parts, which does nothing by itself.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let shared = Arc::new(Shared {
            outbox: parts.outbox,
            spare: MemoryOutbox::beside(SPARE),
            now: parts.now,
            cluster: parts.cluster,
            silences: RwLock::new(Arc::from([])),
            planning: Mutex::default(),
            handed_on: AtomicBool::default(),
            wakers: parts.channels.iter().map(|_| Arc::default()).collect(),
        });
        let channels = parts.channels.into_iter().zip(&shared.wakers);
        let desk = |(channel, woken)| Arc::new(Desk::new(channel, Arc::clone(woken), Arc::clone(&shared)));
        Self {
            desks: channels.map(desk).collect(),
            shared: Arc::clone(&shared),
        }
    }

    /// Lets it look at once at what waits, because there is something new. Never waits.
    pub fn wake(&self) {
        self.shared.wake_all();
    }

    /// From now on people do not want to be told in these times. Those that have ended are better kept for a day.
    pub fn set_silences(&self, silences: Vec<Silence>) {
        *self
            .shared
            .silences
            .write()
            .unwrap_or_else(PoisonError::into_inner) = silences.into();
        self.wake();
    }

    /// Keeps in memory what could not be kept in the outbox. It ends with this process.
    ///
    /// # Errors
    /// When there is as much in memory already as may be.
    pub fn keep(&self, notices: &[Addressed]) -> Result<(), OutboxError> {
        let notices: Vec<_> = notices
            .iter()
            .map(|addressed| self.with_those_told(addressed))
            .collect();
        let kept = self.shared.spare.put(&notices, (self.shared.now)());
        self.wake();
        kept
    }

    /// `addressed`, to whoever was told that it began as well. Where that is not known that may be anybody: whoever was
    /// not told leaves it out.
    fn with_those_told(&self, addressed: &Addressed) -> Addressed {
        let told_of = |incident: &str| {
            let told = self.shared.outbox.told_of(incident);
            let knows = |desk: &&Arc<Desk>| {
                told.as_ref().map_or(true, |told| told.contains(desk.name())) || desk.has_told(incident)
            };
            let told = self.desks.iter().filter(knows).map(|desk| desk.name().clone());
            Ok::<_, Infallible>(told.collect())
        };
        let Ok(to) = addressed.channels(told_of);
        Addressed {
            to,
            ..addressed.clone()
        }
    }

    /// So many notices are kept in memory alone, on all channels together.
    #[must_use]
    pub fn in_memory(&self) -> usize {
        self.shared.spare.len()
    }

    /// Hands over what waits and what comes, until `shutdown` is done; then it ends within about a second. What is not
    /// handed over by then waits for the next start.
    pub async fn run(&self, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(false);
        let mut desks = JoinSet::new();
        for desk in &self.desks {
            desks.spawn(Arc::clone(desk).run(stopped.clone()));
        }
        let mut shutdown = pin!(shutdown);
        let mut orphans = interval(LOOKS_FOR_ORPHANS);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                _ = orphans.tick() => self.look_after_orphans().await,
                Some(ended) = desks.join_next() => report(ended),
            }
        }
        // Everybody who listens has a receiver, so this fails only where nobody does.
        let _ = stop.send(true);
        let all = async { while desks.join_next().await.is_some() {} };
        if timeout(FINISHING, all).await.is_err() {
            desks.shutdown().await;
        }
    }

    /// Hands over what is due before `deadline` has passed, for a run that ends: what came together is not waited for
    /// any longer. What is left waits for the next run. So many messages were taken.
    pub async fn flush(&self, deadline: Duration) -> usize {
        let until = Instant::now() + deadline;
        self.look_after_orphans().await;
        let mut sent = 0;
        loop {
            let desks = self.desks.iter().map(|desk| Arc::clone(desk).flush(until));
            sent += join_all(desks).await.into_iter().sum::<usize>();
            let handed_on = self.shared.handed_on.swap(false, Ordering::Relaxed);
            if !handed_on || Instant::now() >= until {
                break;
            }
        }
        // Where that takes too long, the next run does it.
        let _ = timeout_at(until, join_all(self.desks.iter().map(Desk::repeat))).await;
        sent
    }

    /// Looks after what waits for channels that nobody delivers here.
    async fn look_after_orphans(&self) {
        let channels: Vec<_> = self.desks.iter().map(|desk| desk.name().clone()).collect();
        let shared = Arc::clone(&self.shared);
        match tokio::task::spawn_blocking(move || shared.look_after_orphans(&channels)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(error = %error, "what waits to be told cannot be read"),
            Err(error) => error!(error = %error, "delivery ended with a fault in headroom"),
        }
    }
}

impl Shared {
    fn look_after_orphans(&self, channels: &[ChannelName]) -> Result<(), OutboxError> {
        let now = (self.now)();
        for gone in self.outbox.channels()? {
            if channels.contains(&gone) {
                continue;
            }
            let _alone = self.alone();
            let changes = orphans::look_after(&gone, &self.outbox.view(&gone)?, channels, now);
            if changes.is_empty() {
                continue;
            }
            self.outbox.apply(&gone, &changes, now)?;
            let is_passed_on = |change: &&Change| matches!(change, Change::PassOn { .. });
            let passed_on = changes.iter().filter(is_passed_on).count();
            let removed: usize = changes.iter().map(removed).sum();
            warn!(channel = %gone, passed_on, removed, "notices wait for a channel that nothing is sent to");
            self.wake_all();
        }
        Ok(())
    }
}

/// So many notices are removed by `change`.
fn removed(change: &Change) -> usize {
    if let Change::Remove { rows } = change {
        rows.len()
    } else {
        0
    }
}

/// A channel's task that ends by itself ended with a fault.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(error = %error, "delivery through a channel ended with a fault in headroom");
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = self.desks.iter().map(|desk| desk.name().as_str());
        f.debug_list().entries(channels).finish()
    }
}

#[cfg(test)]
mod tests;
