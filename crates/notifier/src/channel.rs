//! The port: what a channel is handed, and what it says became of it.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::Notice;

/// So long handing a message over may take, in however many steps. Who delivers waits no longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(30);

/// A channel: puts notices into the form of its medium and hands them over.
///
/// Does not retry, group or hold anything back: that is decided before, and alike for all channels. Ends within the time
/// that it was made with, whatever the other side does.
#[async_trait]
pub trait Notifier: fmt::Debug + Send + Sync {
    /// Hands `message` over.
    ///
    /// # Errors
    /// When it was not taken, or it is not known whether it was. Never with anything secret in it.
    async fn send(&self, message: &Message) -> Result<Receipt, SendError>;

    /// The message as it would be sent, for people to look at: without anything secret.
    fn preview(&self, message: &Message) -> String;

    /// Whether a message that was sent can be changed, so that later notices of the same incident go into it.
    fn can_edit(&self) -> bool {
        false
    }

    /// Whether the other side may forget what goes on while it does, so that it is sent again every minute until its end.
    fn forgets(&self) -> bool {
        false
    }
}

/// What a channel is to hand over: notices that belong together, of one cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// What tells it from every other one, the same for each attempt.
    pub key: String,
    /// The notices, oldest first, at least one.
    pub notices: Vec<Notice>,
    /// Of these, so many at the beginning were sent before, in the message of `earlier`. Less than all.
    pub told: usize,
    /// The message that was sent before about the same; `None` where this is the first.
    pub earlier: Option<Receipt>,
    /// So many notices were left out before this one, because there were too many.
    pub left_out: u32,
}

impl Message {
    /// A message with one notice, the first about its incident.
    #[must_use]
    pub fn of(notice: Notice) -> Self {
        Self {
            key: notice.id.to_string(),
            notices: vec![notice],
            told: 0,
            earlier: None,
            left_out: 0,
        }
    }

    /// The notices that were not sent before.
    #[must_use]
    pub fn fresh(&self) -> &[Notice] {
        self.notices.get(self.told..).unwrap_or_default()
    }
}

/// What a channel needs to find a message again that it sent: for itself alone to read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Receipt(pub String);

/// Why a message was not taken.
#[derive(Debug, Error)]
pub enum SendError {
    /// The other side wants to be left alone for a while, and nobody has the message.
    #[error("{reason}")]
    Busy {
        /// For so long, where it says so.
        after: Option<Duration>,
        /// In its words.
        reason: String,
    },
    /// It could not be reached or did not answer, or did so for a part of the message alone. It is not known whether it has
    /// the message, so that it is tried again as it was.
    #[error("{reason}")]
    Unanswered {
        /// What went wrong.
        reason: String,
    },
    /// It refused the message, and would refuse it again.
    #[error("{reason}")]
    Refused {
        /// Why, in its words.
        reason: String,
    },
    /// Some of those it was for have it, and the others never will.
    #[error("{reason}")]
    Partly {
        /// What the others' side said.
        reason: String,
        /// Of those who have it.
        receipt: Receipt,
    },
}

impl SendError {
    /// The same of a message that a part of is there already: the rest has to follow under the same key.
    pub(crate) fn of_the_rest(self) -> Self {
        match self {
            Self::Busy { after: _, reason } => Self::Unanswered { reason },
            other @ (Self::Unanswered { .. } | Self::Refused { .. } | Self::Partly { .. }) => other,
        }
    }
}

/// How words are made for whoever reads a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// In which language.
    pub language: Language,
    /// In whose time.
    pub timezone: TimeZone,
}

/// A language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Korean.
    Ko,
}
