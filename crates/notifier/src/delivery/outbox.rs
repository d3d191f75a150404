//! The port: what is to be told is kept here until a channel took it, with what has to be known of what was told.

use std::{collections::HashSet, fmt, sync::Arc};

use headroom_policy_engine::{Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{EventKind, Notice, NoticeId, Receipt, Severity, Stage};

/// Keeps what is to be told until a channel took it, however this process ends.
///
/// For each channel there is one who delivers, so what is said of a channel's threads and standing is written by nobody
/// else. Whoever decides puts notices beside that at any time.
pub trait Outbox: fmt::Debug + Send + Sync {
    /// Adds notices, all or none. Those that close something also go to whoever was told, or is about to be told, that
    /// it opened. One that waits for a channel already is not added to it again.
    ///
    /// # Errors
    /// When they could not be kept.
    fn put(&self, notices: &[Addressed], now: Timestamp) -> Result<(), OutboxError>;

    /// What waits for `channel`, and what has to be known for deciding about it.
    ///
    /// # Errors
    /// When it could not be read.
    fn view(&self, channel: &ChannelName) -> Result<View, OutboxError>;

    /// The notices of `rows` in their order; those that are gone, or cannot be read, are left out.
    ///
    /// # Errors
    /// When they could not be read.
    fn notices(&self, rows: &[RowId]) -> Result<Vec<Notice>, OutboxError>;

    /// The notices in the message of [`Thread::receipt`], oldest first, where it can be changed.
    ///
    /// # Errors
    /// When they could not be read.
    fn told(&self, channel: &ChannelName, incident: &str) -> Result<Vec<Notice>, OutboxError>;

    /// What goes on as `channel` was told, where the other side [forgets](crate::Notifier::forgets).
    ///
    /// # Errors
    /// When it could not be read.
    fn going_on(&self, channel: &ChannelName) -> Result<Vec<Notice>, OutboxError>;

    /// What `channel` was told about `incident`; `None` where that is nothing.
    ///
    /// # Errors
    /// When it could not be read.
    fn thread(&self, channel: &ChannelName, incident: &str) -> Result<Option<Thread>, OutboxError>;

    /// The channels that were told, or are about to be, that `incident` goes on.
    ///
    /// # Errors
    /// When it could not be read.
    fn told_of(&self, incident: &str) -> Result<Vec<ChannelName>, OutboxError>;

    /// Records `changes` of `channel`, in their order, all or none.
    ///
    /// # Errors
    /// When they could not be recorded.
    fn apply(&self, channel: &ChannelName, changes: &[Change], now: Timestamp) -> Result<(), OutboxError>;

    /// The channels that something waits for, whether or not there are such channels.
    ///
    /// # Errors
    /// When it could not be read.
    fn channels(&self) -> Result<Vec<ChannelName>, OutboxError>;
}

/// Why what is to be told could not be kept or read.
#[derive(Debug, Error)]
#[error("{reason}")]
pub struct OutboxError {
    /// Why not.
    pub reason: String,
}

/// The name of a channel, such as `slack.ops`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelName(pub Arc<str>);

impl ChannelName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ChannelName {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A notice, and the channels that are to hand it over.
#[derive(Clone, Debug, PartialEq)]
pub struct Addressed {
    /// What is told.
    pub notice: Notice,
    /// By which channels.
    pub to: Vec<ChannelName>,
    /// Who is told where these do not take it; `None` for the alternates of each channel.
    pub then: Option<Vec<ChannelName>>,
}

impl Addressed {
    /// `notice` for `to`, and the alternates of each.
    #[must_use]
    pub const fn new(notice: Notice, to: Vec<ChannelName>) -> Self {
        Self {
            notice,
            to,
            then: None,
        }
    }

    /// Every channel that is given it: those that it is for, and of an end also those who know that it goes on, as `told_of`
    /// says of the incident.
    ///
    /// # Errors
    /// Those of `told_of`.
    pub fn channels<E>(
        &self,
        told_of: impl FnOnce(&str) -> Result<Vec<ChannelName>, E>,
    ) -> Result<Vec<ChannelName>, E> {
        let mut all = self.to.clone();
        if Phase::from(self.notice.stage) == Phase::Closed {
            let know = told_of(&self.notice.incident())?.into_iter();
            all.extend(know.filter(|channel| !self.to.contains(channel)));
        }
        Ok(all)
    }

    /// Where it is, whichever channel asks: each has it [besides itself](Route::besides).
    #[must_use]
    pub fn route(&self) -> Route {
        Route {
            also: self.to.clone(),
            then: self.then.clone(),
        }
    }
}

/// Where a notice is besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The other channels that it was given to before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<ChannelName>,
    /// Those who are told where this channel does not take it; `None` for the channel's own alternates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Vec<ChannelName>>,
}

impl Route {
    /// It, as `channel` has it, which is not besides itself.
    #[must_use]
    pub fn besides(mut self, channel: &ChannelName) -> Self {
        self.also.retain(|other| other != channel);
        self
    }

    /// Who is told next where the channel `from`, with these `alternates`, does not take it, and where it is besides then.
    #[must_use]
    pub fn next(&self, from: &ChannelName, alternates: &[ChannelName]) -> Option<(ChannelName, Self)> {
        let chain = self.then.as_deref().unwrap_or(alternates);
        let mut left = chain
            .iter()
            .filter(|channel| *channel != from && !self.also.contains(channel))
            .cloned();
        let next = left.next()?;
        let mut also = self.also.clone();
        also.push(from.clone());
        let then = Some(left.collect());
        Some((next, Self { also, then }))
    }
}

/// A notice's place in an outbox. Grows with the time at which it was put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub i64);

/// [`Stage`] without its facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// [`Stage::Once`].
    Once,
    /// [`Stage::Opened`].
    Opened,
    /// [`Stage::Closed`].
    Closed,
}

impl Phase {
    /// As machines name it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Opened => "opened",
            Self::Closed => "closed",
        }
    }

    /// The one whose [`Self::code`] is `code`.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        [Self::Once, Self::Opened, Self::Closed]
            .into_iter()
            .find(|phase| phase.code() == code)
    }
}

impl From<Stage> for Phase {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Once => Self::Once,
            Stage::Opened => Self::Opened,
            Stage::Closed { .. } => Self::Closed,
        }
    }
}

/// A notice that waits for a channel: all that deciding about it takes, and not what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Where it stands.
    pub row: RowId,
    /// Which it is.
    pub id: NoticeId,
    /// [`Notice::incident`]: notices of one incident are one thread.
    pub incident: Arc<str>,
    /// The workload; `None` for what is about headroom itself.
    pub workload: Option<WorkloadId>,
    /// What kind of event it is.
    pub kind: EventKind,
    /// [`crate::Event::opened_as`]: what kind of event began it.
    pub opened_as: EventKind,
    /// How soon somebody has to look.
    pub severity: Severity,
    /// Whether it goes on.
    pub phase: Phase,
    /// Since when it waits.
    pub put_at: Timestamp,
    /// What it says takes so many bytes.
    pub bytes: u32,
    /// How often it was about to be sent.
    pub attempts: u32,
    /// The key of the message it was about to be sent in and may have arrived with; `None` where it has not arrived.
    pub claimed: Option<Arc<str>>,
    /// When it may be tried again.
    pub retry_at: Option<Timestamp>,
    /// Where it is besides.
    pub route: Route,
    /// Whether another channel was given it, because this one did not take it.
    pub is_passed_on: bool,
}

impl Waiting {
    /// `notice` as it waits in `row`, `bytes` long, from `put_at` on.
    #[must_use]
    pub fn of(notice: &Notice, row: RowId, bytes: u32, put_at: Timestamp) -> Self {
        Self {
            row,
            id: notice.id.clone(),
            incident: notice.incident().into(),
            workload: notice.workload.clone(),
            kind: notice.kind(),
            opened_as: notice.event.opened_as(),
            severity: notice.severity,
            phase: notice.stage.into(),
            put_at,
            bytes,
            attempts: 0,
            claimed: None,
            retry_at: None,
            route: Route::default(),
            is_passed_on: false,
        }
    }

    /// Whether headroom itself never holds it back: what is critical, and each failure.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        self.severity == Severity::Critical || self.kind == EventKind::Error
    }
}

/// What a channel was told about an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// [`Notice::incident`].
    pub incident: Arc<str>,
    /// The newest message about it, as the channel finds it again; `None` where it is not known whether one arrived.
    pub receipt: Option<Receipt>,
    /// When that message was sent first.
    pub began_at: Timestamp,
    /// When something was sent about it last.
    pub last_at: Timestamp,
    /// So many notices are in that message.
    pub notices: u32,
    /// How severe what goes on is, as it was told; `None` where nothing goes on that was told.
    pub open: Option<Severity>,
}

/// A message that counts against the limit of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Its key.
    pub key: Arc<str>,
    /// When it was answered, or began to be sent where no answer is known yet.
    pub at: Timestamp,
}

/// How a channel is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// So many attempts have failed since the last one that did not.
    #[serde(default)]
    pub failures: u32,
    /// Until when only what is urgent is tried, because attempts fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_until: Option<Timestamp>,
    /// Until when the other side wants to be left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub busy_until: Option<Timestamp>,
    /// Why the last attempt failed, in the other side's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Arc<str>>,
    /// So many notices were left out since the last message.
    #[serde(default)]
    pub left_out: u32,
    /// The messages of the last hour that count against the limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<Sent>,
    /// That people were told that it does not take what it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
}

impl Standing {
    /// As it is where it was like `self`, and `later` is what became of it since for one who did not know that.
    pub(super) fn joined(mut self, later: Self) -> Self {
        self.failures = self.failures.max(later.failures);
        self.rest_until = self.rest_until.max(later.rest_until);
        self.busy_until = self.busy_until.max(later.busy_until);
        self.last_error = later.last_error.or(self.last_error);
        self.left_out = self.left_out.saturating_add(later.left_out);
        self.sent
            .retain(|sent| later.sent.iter().all(|other| other.key != sent.key));
        self.sent.extend(later.sent);
        self.failing = later.failing.or(self.failing);
        self
    }
}

/// That a channel does not take what it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: Timestamp,
    /// When it did not take something last; `None` for [`Self::since`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
    /// Why not, in the other side's words.
    pub error: Arc<str>,
}

/// What deciding about a channel takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// What waits, in the order of rows.
    pub waiting: Vec<Waiting>,
    /// The threads of what waits, as far as there are.
    pub threads: Vec<Thread>,
    /// How the channel is.
    pub standing: Standing,
}

impl View {
    /// As it is once `change` is recorded.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Claim { rows, key } => self.each(rows, |one| {
                one.claimed = Some(Arc::clone(key));
                one.attempts = one.attempts.saturating_add(1);
            }),
            Change::Release { rows, retry_at } => self.each(rows, |one| {
                one.claimed = None;
                one.retry_at = Some(*retry_at);
            }),
            Change::Retry { rows, retry_at } => self.each(rows, |one| one.retry_at = Some(*retry_at)),
            Change::Remove { rows } => {
                let gone: HashSet<_> = rows.iter().collect();
                self.waiting.retain(|one| !gone.contains(&one.row));
            }
            Change::PassOn { row, .. } => self.each(&[*row], |one| one.is_passed_on = true),
            Change::Thread { thread, .. } => {
                self.threads.retain(|known| known.incident != thread.incident);
                self.threads.push(thread.clone());
            }
            Change::Standing(standing) => self.standing = standing.clone(),
            Change::Put(_) => {}
        }
    }

    fn each(&mut self, rows: &[RowId], change: impl Fn(&mut Waiting)) {
        self.waiting
            .iter_mut()
            .filter(|one| rows.contains(&one.row))
            .for_each(change);
    }
}

/// What is recorded of a channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// These are about to be sent in the message with this key, and may have arrived from now on.
    Claim {
        /// Which.
        rows: Vec<RowId>,
        /// The message's key.
        key: Arc<str>,
    },
    /// These were not taken and have not arrived.
    Release {
        /// Which.
        rows: Vec<RowId>,
        /// When they may be tried again.
        retry_at: Timestamp,
    },
    /// These were not taken, or it is not known whether they were.
    Retry {
        /// Which.
        rows: Vec<RowId>,
        /// When they may be tried again.
        retry_at: Timestamp,
    },
    /// These are done with: taken, or left out.
    Remove {
        /// Which.
        rows: Vec<RowId>,
    },
    /// This one is given to another channel too.
    PassOn {
        /// Which.
        row: RowId,
        /// To whom, and where it is besides then; `None` where it has it already.
        to: Option<(ChannelName, Route)>,
    },
    /// This is what was told about an incident.
    Thread {
        /// What is known of it.
        thread: Thread,
        /// The notices that are needed again: those in its message where it can be changed, what goes on where the other
        /// side forgets; `None` where those are as they were.
        notices: Option<Vec<Notice>>,
    },
    /// The channel is like this.
    Standing(Standing),
    /// This is to be told by other channels.
    Put(Addressed),
}

impl Change {
    /// It, about those of its rows that are meant; `None` where none of them is. What is about no row is as it was.
    pub(super) fn about(self, is_meant: impl Fn(RowId) -> bool) -> Option<Self> {
        let meant = |rows: Vec<RowId>| {
            let rows: Vec<_> = rows.into_iter().filter(|row| is_meant(*row)).collect();
            (!rows.is_empty()).then_some(rows)
        };
        Some(match self {
            Self::Claim { rows, key } => Self::Claim {
                rows: meant(rows)?,
                key,
            },
            Self::Release { rows, retry_at } => Self::Release {
                rows: meant(rows)?,
                retry_at,
            },
            Self::Retry { rows, retry_at } => Self::Retry {
                rows: meant(rows)?,
                retry_at,
            },
            Self::Remove { rows } => Self::Remove { rows: meant(rows)? },
            Self::PassOn { row, .. } if !is_meant(row) => return None,
            Self::PassOn { .. } | Self::Thread { .. } | Self::Standing(_) | Self::Put(_) => self,
        })
    }

    /// Whether it is about rows, and not about the channel or others.
    pub(super) const fn is_about_rows(&self) -> bool {
        match self {
            Self::Claim { .. }
            | Self::Release { .. }
            | Self::Retry { .. }
            | Self::Remove { .. }
            | Self::PassOn { .. } => true,
            Self::Thread { .. } | Self::Standing(_) | Self::Put(_) => false,
        }
    }
}
