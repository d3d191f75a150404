//! An outbox and channels that end with the process that uses them.

#![expect(clippy::unwrap_used, reason = "the world of a test is right")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use async_trait::async_trait;
use headroom_autoscaler::Store;
use headroom_notifier::{
    Message, Notice, Notifier, Receipt, SendError,
    delivery::{Addressed, Adopted, Change, ChannelName, Outbox, OutboxError, RowId, View},
    testing::ScriptedChannel,
};
use headroom_policy_engine::Timestamp;
use tokio::{sync::Notify, time::Instant};

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

/// The outbox as one process sees it.
#[derive(Debug)]
pub(super) struct MortalOutbox {
    pub(super) store: Arc<Store>,
    pub(super) life: Arc<Life>,
    pub(super) when: When,
}

fn dead<T>() -> Result<T, OutboxError> {
    Err(OutboxError {
        reason: "the process was killed".to_owned(),
    })
}

impl Outbox for MortalOutbox {
    fn put(&self, notices: &[Addressed], now: Timestamp) -> Result<(), OutboxError> {
        let done = self.life.step(self.when, || self.store.put(notices, now));
        done.unwrap_or_else(dead)
    }

    fn view(&self, channel: &ChannelName) -> Result<View, OutboxError> {
        if self.life.is_over() {
            dead()
        } else {
            self.store.view(channel)
        }
    }

    fn notices(&self, rows: &[RowId]) -> Result<Vec<Notice>, OutboxError> {
        if self.life.is_over() {
            dead()
        } else {
            self.store.notices(rows)
        }
    }

    fn told(&self, channel: &ChannelName, incident: &str) -> Result<Vec<Notice>, OutboxError> {
        if self.life.is_over() {
            dead()
        } else {
            self.store.told(channel, incident)
        }
    }

    fn apply(&self, channel: &ChannelName, changes: &[Change], now: Timestamp) -> Result<(), OutboxError> {
        let done = self
            .life
            .step(self.when, || self.store.apply(channel, changes, now));
        done.unwrap_or_else(dead)
    }

    fn adopt(&self, channels: &[ChannelName], now: Timestamp) -> Result<Adopted, OutboxError> {
        self.store.adopt(channels, now)
    }
}

/// What a channel has, whichever process handed it over.
#[derive(Debug, Default)]
pub(super) struct Receiver {
    pub(super) channel: ScriptedChannel,
    pub(super) arrived_at: Mutex<Vec<Instant>>,
}

/// A channel as one process sees it.
#[derive(Debug)]
pub(super) struct MortalChannel {
    pub(super) receiver: Arc<Receiver>,
    pub(super) life: Arc<Life>,
    pub(super) when: When,
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
        let answer = self.receiver.channel.send(message).await;
        let arrived = self.receiver.channel.arrived().len();
        self.receiver
            .arrived_at
            .lock()
            .unwrap()
            .resize(arrived, Instant::now());
        if before.is_none() {
            return std::future::pending().await;
        }
        answer
    }

    fn preview(&self, message: &Message) -> String {
        self.receiver.channel.preview(message)
    }

    fn can_edit(&self) -> bool {
        self.receiver.channel.can_edit()
    }
}
