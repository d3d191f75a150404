//! Objects by a watch that goes on between passes, and that knows whether it is in step with the cluster.
//!
//! A watch lasts a minute at most and is then begun anew where it ended, so that a connection that died without a
//! word is found out. What was heard longer ago than that, or lost and not found again soon, is not known any more: it
//! is listed anew, and known when a watch goes on from there.

use std::{collections::BTreeMap, mem, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, pin_mut};
use http::Request;
use kube::core::WatchEvent;
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tracing::{info, warn};

use super::{Collection, Kept, Objects, RawOf, Source, list::list};
use crate::{ClusterError, connection::Equipped, meta::Identified as _, resource::Action};

/// How long the server keeps one watch open.
const LASTS: Duration = Duration::from_secs(50);
/// What is silent for longer is not there any more.
const SILENT: Duration = Duration::from_secs(70);
/// How long what was known counts after the watch was lost.
const LOST: Duration = Duration::from_secs(10);
/// A watch that has lasted so long goes on, although it said nothing: one that has failed ends at once.
const GOES_ON: Duration = Duration::from_millis(250);
/// The first and the longest pause before another attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// The objects of a collection, kept in step by a task that ends with this value.
pub(super) struct Watched<K: Kept> {
    source: Source<K>,
    held: Arc<watch::Sender<Held<K>>>,
    task: AbortHandle,
}

/// What is known, and how well.
struct Held<K> {
    objects: BTreeMap<Box<str>, Arc<K>>,
    /// The same for readers, made when one asks.
    snapshot: Option<Arc<Objects<K>>>,
    state: State,
    /// When the server was last heard.
    heard: Instant,
}

#[derive(Clone, Debug)]
enum State {
    /// Not listed yet.
    Unknown,
    /// Listed, and the watch goes on.
    InStep,
    /// No watch since then.
    Lost {
        since: Instant,
        cause: ClusterError,
        /// Whether it was listed before, and no change is known to be missing.
        was_known: bool,
    },
}

impl<K: Kept> Drop for Watched<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<K: Kept> Watched<K> {
    /// Begins to watch.
    pub(super) fn begin(source: Source<K>) -> Self {
        let held = Arc::new(watch::Sender::new(Held {
            objects: BTreeMap::new(),
            snapshot: None,
            state: State::Unknown,
            heard: Instant::now(),
        }));
        let watcher = Watcher {
            action: Action::watch(&source.resource, &source.namespace),
            source: source.clone(),
            held: Arc::clone(&held),
            pause: PAUSES.0,
            lost_since: None,
            is_said: false,
        };
        let task = tokio::spawn(watcher.keep_up()).abort_handle();
        Self { source, held, task }
    }

    /// The objects as they are now; waits for the watch to be in step as long as a request may take. One that has been
    /// lost for longer than that, since what was known does not count any more, is not waited for.
    pub(super) async fn objects(&self) -> Result<Arc<Objects<K>>, ClusterError> {
        let mut changes = self.held.subscribe();
        let deadline = self.source.connection.deadline();
        let settled = changes.wait_for(|held| held.is_in_step() || held.is_not_awaited(deadline));
        // What came of it is read below; without an answer in time it is what it was.
        drop(timeout_at(self.source.until(), settled).await);
        let mut answer = Err(ClusterError::OutOfStep {
            what: self.source.to_string(),
            since: Duration::ZERO,
            cause: None,
        });
        self.held.send_if_modified(|held| {
            answer = held.answer(&self.source);
            false
        });
        answer
    }
}

impl<K> Held<K> {
    fn is_in_step(&self) -> bool {
        match &self.state {
            State::Unknown => false,
            State::InStep => self.heard.elapsed() < SILENT,
            State::Lost { since, was_known, .. } => *was_known && since.elapsed() < LOST,
        }
    }

    /// Whether waiting changes nothing.
    fn is_hopeless(&self) -> bool {
        match &self.state {
            State::Lost { cause, .. } => is_hopeless(cause),
            State::Unknown | State::InStep => false,
        }
    }

    /// Whether nobody waits any more, where a request may take `deadline`: in a long outage many who ask one after the
    /// other would each wait in vain.
    fn is_not_awaited(&self, deadline: Duration) -> bool {
        match &self.state {
            State::Lost { since, .. } => self.is_hopeless() || since.elapsed() >= LOST + deadline,
            State::Unknown | State::InStep => false,
        }
    }

    fn answer(&mut self, source: &Source<K>) -> Result<Arc<Objects<K>>, ClusterError>
    where
        K: Kept,
    {
        if self.is_in_step() {
            let objects = &self.objects;
            let snapshot = self
                .snapshot
                .get_or_insert_with(|| Arc::new(Objects::new(objects)));
            return Ok(Arc::clone(snapshot));
        }
        let (since, cause) = match &self.state {
            State::Lost { cause, .. } if self.is_hopeless() => return Err(cause.clone()),
            State::Lost { since, cause, .. } => (since.elapsed(), Some(Box::new(cause.clone()))),
            State::Unknown | State::InStep => (self.heard.elapsed(), None),
        };
        Err(ClusterError::OutOfStep {
            what: source.to_string(),
            since,
            cause,
        })
    }

    fn is_known(&self) -> bool {
        match &self.state {
            State::Unknown => false,
            State::InStep => true,
            State::Lost { was_known, .. } => *was_known,
        }
    }
}

/// Whether waiting does not end `cause`: the kind is not served, or the permission is missing.
const fn is_hopeless(cause: &ClusterError) -> bool {
    matches!(
        cause,
        ClusterError::NotFound { .. } | ClusterError::Forbidden { .. }
    )
}

/// What a watch says.
type Event<K> = Result<WatchEvent<RawOf<K>>, kube::Error>;

/// How a watch ended.
enum Ended {
    /// The server ended it, as it does after a while.
    InOrder,
    /// The version that it should go on from is not there any more.
    TooOld,
}

/// Keeps a collection in step.
struct Watcher<K: Kept> {
    source: Source<K>,
    action: Action,
    held: Arc<watch::Sender<Held<K>>>,
    pause: Duration,
    /// Since when the watch is lost.
    lost_since: Option<Instant>,
    /// Whether that was said.
    is_said: bool,
}

impl<K: Kept> Watcher<K> {
    async fn keep_up(mut self) {
        loop {
            match list(&self.source, self.source.until()).await {
                Ok(collection) => {
                    let version = self.take(collection);
                    self.follow(version).await;
                }
                Err(error) => self.lose(error).await,
            }
        }
    }

    /// Watches on from `version`, until the collection has to be listed anew.
    async fn follow(&mut self, mut version: String) {
        loop {
            let begun = Instant::now();
            match self.watch(&mut version).await {
                Ok(Ended::InOrder) if begun.elapsed() < GOES_ON => self.rest().await,
                Ok(Ended::InOrder) => {}
                Ok(Ended::TooOld) => return self.rest().await,
                // It would be said again from this version on, and is missing as long as it is not listed.
                Err(error @ ClusterError::Unreadable { .. }) => return self.lose(error).await,
                Err(error) => self.lose(error).await,
            }
            if !self.held.borrow().is_in_step() {
                return;
            }
        }
    }

    async fn watch(&mut self, version: &mut String) -> Result<Ended, ClusterError> {
        let equipped = self.source.connection.client().await?;
        let ended = self.listen(&equipped, version).await;
        if matches!(ended, Err(ClusterError::Unauthorized { .. })) {
            self.source.connection.refused(&equipped);
        }
        ended
    }

    async fn listen(&mut self, equipped: &Equipped, version: &mut String) -> Result<Ended, ClusterError> {
        let patience = self.source.connection.deadline();
        let request = self.request(version)?;
        let answer = equipped.client.request_events::<RawOf<K>>(request);
        match timeout(patience, answer).await {
            Ok(Ok(events)) => {
                let begun = Instant::now();
                let ended = self.hear(events, version).await;
                if begun.elapsed() >= self.pause {
                    self.pause = PAUSES.0;
                }
                ended
            }
            Ok(Err(error)) => self.judged(error),
            Err(_) => Err(ClusterError::NoAnswer {
                action: self.action.to_string(),
                after: patience,
            }),
        }
    }

    /// Takes in what a watch says, until it ends.
    async fn hear(
        &mut self,
        events: impl Stream<Item = Event<K>>,
        version: &mut String,
    ) -> Result<Ended, ClusterError> {
        pin_mut!(events);
        let mut patience = GOES_ON;
        loop {
            match timeout(patience, events.next()).await {
                Ok(None) => return Ok(Ended::InOrder),
                Ok(Some(Ok(WatchEvent::Error(status)))) => return self.judged(kube::Error::Api(status)),
                Ok(Some(Ok(event))) => self.apply(event, version),
                Ok(Some(Err(error))) => return self.judged(error),
                Err(_) if patience == GOES_ON => {}
                Err(_) => {
                    return Err(ClusterError::NoAnswer {
                        action: self.action.to_string(),
                        after: SILENT,
                    });
                }
            }
            self.find();
            patience = SILENT;
        }
    }

    fn judged(&self, error: kube::Error) -> Result<Ended, ClusterError> {
        let error = self.source.connection.judge(error, &self.action);
        if matches!(error, ClusterError::Gone { .. }) {
            Ok(Ended::TooOld)
        } else {
            Err(error)
        }
    }

    fn request(&self, version: &str) -> Result<Request<Vec<u8>>, ClusterError> {
        let collection = self.source.resource.collection(&self.source.namespace);
        let lasts = LASTS.as_secs();
        let path = format!(
            "{collection}?watch=1&allowWatchBookmarks=true&timeoutSeconds={lasts}&resourceVersion={version}"
        );
        Request::get(path)
            .body(Vec::new())
            .map_err(|error| ClusterError::Unreadable {
                action: self.action.to_string(),
                reason: error.to_string(),
            })
    }

    fn apply(&self, event: WatchEvent<RawOf<K>>, version: &mut String) {
        match event {
            WatchEvent::Added(raw) | WatchEvent::Modified(raw) => {
                raw.version().clone_into(version);
                let (name, object) = self.source.keep(raw);
                self.change(|objects| {
                    objects.insert(name, object);
                });
            }
            WatchEvent::Deleted(raw) => {
                raw.version().clone_into(version);
                self.change(|objects| {
                    objects.remove(raw.name());
                });
            }
            WatchEvent::Bookmark(bookmark) => *version = bookmark.metadata.resource_version,
            // Looked at before, because it ends the watch.
            WatchEvent::Error(_) => {}
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<Box<str>, Arc<K>>)) {
        self.held.send_modify(|held| {
            change(&mut held.objects);
            held.snapshot = None;
        });
    }

    /// Takes over what was listed, all at once. Returns its version. A watch that was lost is not found by that.
    fn take(&self, collection: Collection<K>) -> String {
        self.held.send_modify(|held| {
            held.objects = collection.objects;
            held.snapshot = None;
            held.heard = Instant::now();
            if matches!(held.state, State::Unknown) {
                held.state = State::InStep;
            }
        });
        collection.version
    }

    /// The watch goes on.
    fn find(&mut self) {
        self.held.send_modify(|held| {
            held.state = State::InStep;
            held.heard = Instant::now();
        });
        let lost_since = self.lost_since.take();
        let was_said = mem::take(&mut self.is_said);
        if let Some(since) = lost_since.filter(|_| was_said) {
            info!(what = %self.source, lost_for = ?since.elapsed(), "the watch goes on");
        }
    }

    /// The watch is lost. Said once for each outage, but where whoever asks is told at once and knows whether that
    /// matters: what was known a moment ago still counts for a while. Then waits for the next attempt.
    async fn lose(&mut self, cause: ClusterError) {
        let is_told = is_hopeless(&cause) && !self.held.borrow().is_in_step();
        if is_told {
            // Whoever asks says so, and a later outage is one of its own.
            self.is_said = false;
        } else if !self.is_said {
            warn!(what = %self.source, error = %cause, "the watch is lost");
            self.is_said = true;
        }
        let since = *self.lost_since.get_or_insert_with(Instant::now);
        self.held.send_modify(|held| {
            held.state = State::Lost {
                since,
                was_known: held.is_known() && !matches!(cause, ClusterError::Unreadable { .. }),
                cause,
            };
        });
        self.rest().await;
    }

    async fn rest(&mut self) {
        sleep(crate::connection::jittered(self.pause)).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
    }
}
