//! What people are told: what happened, to whom, how bad it is, and whether it goes on.

use std::{fmt, sync::Arc, time::Duration};

use headroom_policy_engine::{Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};

use crate::{Event, EventKind};

/// What people are told, before it is put into words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What tells it from every other one.
    pub id: NoticeId,
    /// When it happened.
    pub at: Timestamp,
    /// The cluster's name; `None` where the configuration gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Arc<str>>,
    /// The workload; `None` for what is about headroom itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadId>,
    /// So many further workloads of which the same is told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub also: u32,
    /// How soon somebody has to look.
    pub severity: Severity,
    /// Whether it goes on.
    pub stage: Stage,
    /// What happened.
    pub event: Event,
    /// Where to look further.
    #[serde(default, skip_serializing_if = "Links::is_empty")]
    pub links: Links,
    /// Whether somebody only tries whether notices arrive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_test: bool,
}

/// What tells a notice from every other one. The same for each attempt to send it and on each channel, so that a receiver
/// can leave out what it has already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NoticeId(pub Arc<str>);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How soon somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nobody has to.
    Info,
    /// Before long.
    Warning,
    /// At once: it does not end by itself, or nothing is looked after until it does.
    Critical,
}

impl Severity {
    /// As machines name it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The one whose [`Self::code`] is `code`.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Critical]
            .into_iter()
            .find(|severity| severity.code() == code)
    }
}

impl From<headroom_policy_engine::Severity> for Severity {
    fn from(of_condition: headroom_policy_engine::Severity) -> Self {
        match of_condition {
            headroom_policy_engine::Severity::Notice => Self::Info,
            headroom_policy_engine::Severity::Warning => Self::Warning,
            headroom_policy_engine::Severity::Critical => Self::Critical,
        }
    }
}

/// Whether what happened goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It happened, and that is all.
    Once,
    /// It goes on since then. It is closed by a notice with the same [`Notice::incident`].
    Opened,
    /// It has ended.
    Closed {
        /// After it had gone on for so long.
        after: Duration,
    },
}

/// Where to look further.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbook: Option<Arc<str>>,
    /// The workload's dashboard, with the time range filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dashboard: Option<Arc<str>>,
}

impl Links {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.runbook.is_none() && self.dashboard.is_none()
    }
}

impl Notice {
    /// What kind of event it is, as `on` of a channel names it.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        self.event.kind()
    }

    /// What goes on, the same when it opens and when it closes: the key by which receivers leave out what they know and
    /// close what they opened. Of what happens once, all that happens to the workload in that way.
    #[must_use]
    pub fn incident(&self) -> String {
        let cluster = self.cluster.as_deref().unwrap_or("headroom");
        let subject = self.event.subject();
        match &self.workload {
            // It may go on with several at once more than once at a time.
            Some(_) if self.also > 0 => format!("{cluster}/*/{subject}/{}", self.since().unix_millis()),
            Some(workload) => format!("{cluster}/{workload}/{subject}"),
            None => format!("{cluster}/headroom/{subject}"),
        }
    }

    /// The command that tells more; for people to run.
    #[must_use]
    pub fn command(&self) -> String {
        let workload = self.workload.as_ref().map(WorkloadId::as_str);
        match (&self.event, workload) {
            (Event::Digest(_), _) => "headroom history".to_owned(),
            (Event::PolicyChanged { .. }, Some(workload)) => {
                format!("headroom config show {workload} --origin")
            }
            (_, Some(workload)) => format!("headroom explain {workload}"),
            (_, None) => "headroom status".to_owned(),
        }
    }

    /// When it began: for what has ended, before it went on for so long.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        match self.stage {
            Stage::Once | Stage::Opened => self.at,
            Stage::Closed { after } => self.at.minus(after),
        }
    }
}
