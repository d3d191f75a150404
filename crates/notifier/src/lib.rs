//! Tells people what headroom did and why, without noise and without losing a failure.
//!
//! A [`Notice`] is what happened, typed. Words are made of it as late as possible, in the language of whoever reads them,
//! and a channel ([`Notifier`]) puts those into the form of its medium.

#[cfg(test)]
mod any;
mod channel;
pub mod delivery;
mod email;
mod event;
mod heartbeat;
mod http;
mod notice;
mod progress;
mod sample;
#[cfg(test)]
mod script;
mod secret;
mod slack;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod webhook;
mod words;

pub use channel::{Language, Message, Notifier, Receipt, SendError, Style};
#[cfg(any(test, feature = "testing"))]
pub use email::mail_html;
pub use email::{
    AddressesError, EmailError, EmailNotifier, EmailOptions, SmtpUrlError, check_mail_recipients,
    check_mail_sender, check_smtp_url,
};
pub use event::{
    Change, Digest, Event, EventKind, Failure, ReplicaCounts, Unknown, UnknownMetric, WorkloadDigest,
};
pub use heartbeat::{Heartbeat, HeartbeatOptions};
pub use http::{HttpOptions, HttpSetupError};
pub use notice::{Links, Notice, NoticeId, Severity, Stage};
pub use sample::sample;
pub use secret::{Hidden, SecretReader};
pub use slack::{SLACK_API, SlackNotifier, SlackOptions, SlackSetupError, SlackWay};
pub use webhook::{PAGERDUTY_EVENTS, WebhookForm, WebhookNotifier, WebhookOptions, notice_schema};
use words::Text;
