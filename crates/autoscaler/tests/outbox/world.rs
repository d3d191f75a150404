//! An outbox and channels that end with the process that uses them.

#![expect(clippy::unwrap_used, reason = "the world of a test is right")]

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use async_trait::async_trait;
use headroom_autoscaler::Store;
use headroom_notifier::{
    Message, Notice, Notifier, Receipt, SendError, Stage,
    delivery::{Addressed, Change, ChannelName, Now, Outbox, OutboxError, RowId, Thread, View},
    testing::ScriptedChannel,
};
use headroom_policy_engine::Timestamp;
use tokio::sync::Notify;

/// Whether a process is alive, and when it is killed.
#[derive(Debug, Default)]
pub(super) struct Life {
    is_over: AtomicBool,
    /// Steps that are left; negative where it is not killed.
    left: AtomicI64,
    over: Notify,
}

/// On which side of a step a process is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

impl Life {
    /// One that is killed in the step with this number; never where there is none.
    pub(super) fn new(step: Option<i64>) -> Self {
        Self {
            left: AtomicI64::new(step.unwrap_or(-1)),
            ..Self::default()
        }
    }

    pub(super) async fn over(&self) {
        while !self.is_over() {
            self.over.notified().await;
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.over.notify_waiters();
        self.over.notify_one();
    }

    /// Does a step that leaves something behind, unless the process has been killed, or is in it.
    fn step<T>(&self, when: When, work: impl FnOnce() -> T) -> Option<T> {
        if self.is_over() {
            return None;
        }
        let is_last = self.left.fetch_sub(1, Ordering::SeqCst) == 0;
        if is_last && when == When::Before {
            self.end();
            return None;
        }
        let done = work();
        if is_last {
            self.end();
            return None;
        }
        Some(done)
    }
}

/// What is wrong with the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing can be written.
    Full,
    /// Nothing can be read either.
    Unreadable,
}

/// The disk that the state is on.
#[derive(Debug, Default)]
pub(super) struct Disk(Mutex<Option<Fault>>);

impl Disk {
    pub(super) fn set(&self, fault: Option<Fault>) {
        *self.0.lock().unwrap() = fault;
    }

    fn writes(&self) -> Result<(), OutboxError> {
        self.check(&[Fault::Full, Fault::Unreadable])
    }

    fn reads(&self) -> Result<(), OutboxError> {
        self.check(&[Fault::Unreadable])
    }

    fn check(&self, faults: &[Fault]) -> Result<(), OutboxError> {
        match *self.0.lock().unwrap() {
            Some(fault) if faults.contains(&fault) => Err(OutboxError {
                reason: format!("{fault:?}"),
            }),
            Some(_) | None => Ok(()),
        }
    }
}

/// The outbox as one process sees it.
#[derive(Debug)]
pub(super) struct MortalOutbox {
    pub(super) store: Arc<Store>,
    pub(super) life: Arc<Life>,
    pub(super) disk: Arc<Disk>,
    pub(super) when: When,
}

fn dead<T>() -> Result<T, OutboxError> {
    Err(OutboxError {
        reason: "the process was killed".to_owned(),
    })
}

impl MortalOutbox {
    fn read<T>(&self, read: impl FnOnce() -> Result<T, OutboxError>) -> Result<T, OutboxError> {
        if self.life.is_over() {
            return dead();
        }
        self.disk.reads()?;
        read()
    }

    fn write<T>(&self, write: impl FnOnce() -> Result<T, OutboxError>) -> Result<T, OutboxError> {
        self.disk.writes()?;
        self.life.step(self.when, write).unwrap_or_else(dead)
    }
}

impl Outbox for MortalOutbox {
    fn put(&self, notices: &[Addressed], now: Timestamp) -> Result<(), OutboxError> {
        self.write(|| self.store.put(notices, now))
    }

    fn view(&self, channel: &ChannelName) -> Result<View, OutboxError> {
        self.read(|| self.store.view(channel))
    }

    fn notices(&self, rows: &[RowId]) -> Result<Vec<Notice>, OutboxError> {
        self.read(|| self.store.notices(rows))
    }

    fn told(&self, channel: &ChannelName, incident: &str) -> Result<Vec<Notice>, OutboxError> {
        self.read(|| self.store.told(channel, incident))
    }

    fn going_on(&self, channel: &ChannelName) -> Result<Vec<Notice>, OutboxError> {
        self.read(|| self.store.going_on(channel))
    }

    fn thread(&self, channel: &ChannelName, incident: &str) -> Result<Option<Thread>, OutboxError> {
        self.read(|| self.store.thread(channel, incident))
    }

    fn told_of(&self, incident: &str) -> Result<Vec<ChannelName>, OutboxError> {
        self.read(|| self.store.told_of(incident))
    }

    fn apply(&self, channel: &ChannelName, changes: &[Change], now: Timestamp) -> Result<(), OutboxError> {
        self.write(|| self.store.apply(channel, changes, now))
    }

    fn channels(&self) -> Result<Vec<ChannelName>, OutboxError> {
        self.read(|| self.store.channels())
    }
}

/// What a channel has, whichever process handed it over.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    pub(super) channel: ScriptedChannel,
    /// When each message arrived.
    pub(super) arrived_at: Mutex<Vec<Timestamp>>,
    failed_at: Mutex<Vec<Timestamp>>,
    /// The incidents of which it refused to say that they have ended.
    refused: Mutex<BTreeSet<String>>,
}

impl Receiver {
    pub(super) fn of(channel: ScriptedChannel) -> Arc<Self> {
        Arc::new(Self {
            channel,
            ..Self::default()
        })
    }

    /// Whether it failed to take something at that time or later.
    pub(super) fn failed_after(&self, at: Timestamp) -> bool {
        self.failed_at.lock().unwrap().iter().any(|failed| *failed >= at)
    }

    pub(super) fn refused_end_of(&self, incident: &str) -> bool {
        self.refused.lock().unwrap().contains(incident)
    }

    async fn send(&self, message: &Message, now: &Now) -> Result<Receipt, SendError> {
        let answer = self.channel.send(message).await;
        let arrived = self.channel.arrived().len();
        self.arrived_at.lock().unwrap().resize(arrived, now());
        if answer.is_err() {
            self.failed_at.lock().unwrap().push(now());
        }
        if matches!(answer, Err(SendError::Refused { .. })) {
            let ends = message
                .fresh()
                .iter()
                .filter(|notice| matches!(notice.stage, Stage::Closed { .. }));
            self.refused.lock().unwrap().extend(ends.map(Notice::incident));
        }
        answer
    }
}

/// A channel as one process sees it.
pub(super) struct MortalChannel {
    pub(super) receiver: Arc<Receiver>,
    pub(super) life: Arc<Life>,
    pub(super) when: When,
    pub(super) now: Now,
}

impl fmt::Debug for MortalChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.receiver.fmt(f)
    }
}

#[async_trait]
impl Notifier for MortalChannel {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        // Sending is a step: one that is killed after it has sent, and does not learn so.
        if self.life.is_over() {
            return std::future::pending().await;
        }
        let before = self.life.step(self.when, || ());
        if before.is_none() && self.when == When::Before {
            return std::future::pending().await;
        }
        let answer = self.receiver.send(message, &self.now).await;
        if before.is_none() {
            return std::future::pending().await;
        }
        answer
    }

    fn preview(&self, message: &Message) -> String {
        self.receiver.channel.preview(message)
    }

    fn forgets(&self) -> bool {
        self.receiver.channel.forgets()
    }

    fn can_edit(&self) -> bool {
        self.receiver.channel.can_edit()
    }
}
