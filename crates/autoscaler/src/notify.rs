//! Who is told of what: the settings of channels, and what decisions mean for them.

mod channels;
mod collective;
mod condition;
mod digest;
mod incidents;
mod notifications;
mod router;
mod teller;

use std::{sync::Arc, time::Duration};

use headroom_notifier::{
    Style,
    delivery::{ChannelName, ChannelRules},
};
use headroom_policy_engine::WorkloadId;

use self::incidents::News;
pub use self::{
    channels::{Channels, UnusableChannel},
    notifications::Notifications,
};
pub(crate) use self::{
    digest::Digesting,
    incidents::{Incidents, Seen},
    teller::{DueDigest, Lesson, Teller},
};
use crate::{CronExpression, Secret};

/// Who can be told.
#[derive(Clone, Debug, Default)]
pub struct NotifySettings {
    /// The channels, in the order of the configuration.
    pub channels: Vec<ChannelSettings>,
    /// Who is told of what is about no workload, but about headroom itself: whoever `[defaults]` names, or everybody.
    pub general: Routes,
    /// What is asked after each pass that could see everything.
    pub heartbeat: Option<HeartbeatSettings>,
    /// The workloads that are scaled too, but by nobody who has these settings.
    pub others: Vec<WorkloadId>,
}

/// A URL that is asked after each pass that could see everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// The URL.
    pub url: Secret,
    /// Whether it may be one without TLS.
    pub allow_http: bool,
}

/// One channel.
#[derive(Clone, Debug)]
pub struct ChannelSettings {
    /// What `notify` calls it, such as `slack.ops`.
    pub name: ChannelName,
    /// What it is.
    pub medium: Medium,
    /// What it is told, how much of it, and when.
    pub rules: ChannelRules,
    /// Its language and its clocks.
    pub style: Style,
    /// When a digest is sent, on its clocks.
    pub digest: Option<CronExpression>,
}

/// What a channel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Medium {
    /// An incoming webhook of Slack.
    SlackWebhook {
        /// The webhook.
        url: Secret,
        /// Whether it may be one without TLS.
        allow_http: bool,
    },
    /// A bot in Slack.
    SlackBot {
        /// Its token.
        token: Secret,
        /// The channel's ID.
        channel: String,
        /// Another place than Slack's own API; `None`: that.
        api: Option<String>,
        /// Whether that may be a URL without TLS.
        allow_http: bool,
    },
    /// Mail.
    Email {
        /// The server, with its user and password.
        smtp: Secret,
        /// The address it comes from.
        from: String,
        /// The addresses it goes to, separated by commas.
        to: Secret,
        /// The authorities to trust instead of the system's.
        ca: Option<Secret>,
        /// Whether mail may be handed over without TLS.
        allow_plaintext: bool,
    },
    /// headroom's own JSON, to whoever takes it.
    Webhook {
        /// Where to.
        url: Secret,
        /// What it is signed with; `None`: it is not.
        secret: Option<Secret>,
        /// The header `Authorization`; `None`: there is none.
        authorization: Option<Secret>,
        /// The authorities to trust instead of the system's.
        ca: Option<Secret>,
        /// Whether it may be a URL without TLS.
        allow_http: bool,
    },
    /// PagerDuty's Events v2.
    PagerDuty {
        /// The integration key.
        routing_key: Secret,
        /// Another place than PagerDuty's own; `None`: that.
        url: Option<Secret>,
        /// The authorities to trust instead of the system's.
        ca: Option<Secret>,
        /// Whether it may be one without TLS.
        allow_http: bool,
    },
    /// An Alertmanager.
    Alertmanager {
        /// Its base URL.
        url: Secret,
        /// The header `Authorization`; `None`: there is none.
        authorization: Option<Secret>,
        /// The authorities to trust instead of the system's.
        ca: Option<Secret>,
        /// Whether it may be one without TLS.
        allow_http: bool,
    },
}

/// Who is told of a workload, and what notices about it link to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Routes {
    /// The channels.
    pub channels: Vec<ChannelName>,
    /// The channels that are also told of what is critical.
    pub critical: Vec<ChannelName>,
    /// What to do when something is wrong with it.
    pub runbook: Option<Arc<str>>,
    /// Its dashboard, with `{from}` and `{to}` for the time around what happened.
    pub dashboard: Option<Arc<str>>,
    /// When people are told that a metric is high: one for each of its metrics, in their order.
    pub thresholds: Vec<Threshold>,
    /// The policy's keys and values, where some channel is told when they change.
    pub effective: Vec<(Arc<str>, Arc<str>)>,
}

/// When people are told that a metric is high, whether or not the count changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// Above this; `None`: above its own target.
    pub above: Option<f64>,
    /// For so long.
    pub lasting: Duration,
}

#[cfg(test)]
mod tests;
