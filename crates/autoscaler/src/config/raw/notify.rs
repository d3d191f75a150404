//! Who is told: the keys of channels.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{
    at::{At, Named},
    words::{CronText, DurationText, HoursText, SecretText, ZoneText},
};

/// Who is told.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(in crate::config) struct RawNotify {
    /// The language of what is told, where a channel does not say.
    pub(in crate::config) language: Option<At<Language>>,
    /// The zone whose clocks are meant and shown, where a channel does not say.
    pub(in crate::config) timezone: Option<At<ZoneText>>,
    /// A URL that is asked once after each pass that could see everything, so that whoever watches it notices silence. Not
    /// after one that was blind or failed.
    #[schemars(example = "env:HEARTBEAT_URL")]
    pub(in crate::config) heartbeat: Option<At<SecretText>>,
    /// Whether `heartbeat` may be a URL without TLS.
    pub(in crate::config) allow_http: Option<At<bool>>,
    /// The channels of the workloads of a namespace, where neither they nor their templates say: before those of
    /// `[defaults]`.
    #[schemars(extend("x-example" = "shop = [\"slack.shop\"]"))]
    pub(in crate::config) namespaces: Option<Named<At<Vec<At<String>>>>>,
    /// Slack channels, by a name of your choice; `notify` calls one `slack.NAME`.
    pub(in crate::config) slack: Option<Named<RawSlack>>,
    /// Mail, by a name of your choice; `notify` calls one `email.NAME`.
    pub(in crate::config) email: Option<Named<RawEmail>>,
    /// Webhooks, by a name of your choice; `notify` calls one `webhook.NAME`.
    pub(in crate::config) webhook: Option<Named<RawWebhook>>,
}

/// What every kind of channel has.
#[derive(Debug)]
pub(in crate::config) struct RawChannel<'a> {
    pub(in crate::config) on: Option<&'a At<Vec<At<Event>>>>,
    pub(in crate::config) severity: Option<&'a At<Severity>>,
    pub(in crate::config) language: Option<&'a At<Language>>,
    pub(in crate::config) timezone: Option<&'a At<ZoneText>>,
    pub(in crate::config) group_wait: Option<&'a At<DurationText>>,
    pub(in crate::config) group_interval: Option<&'a At<DurationText>>,
    pub(in crate::config) max_per_hour: Option<&'a At<i64>>,
    pub(in crate::config) quiet_hours: Option<&'a At<HoursText>>,
    pub(in crate::config) digest: Option<&'a At<CronText>>,
}

/// Defines the keys of a kind of channel: its own, and those that every kind has.
macro_rules! channel {
    ($(#[$about:meta])* $kind:literal $name:ident { $($(#[$own_about:meta])* $own:ident: $type:ty,)* }) => {
        $(#[$about])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        #[schemars(extend("x-table" = $kind))]
        pub(in crate::config) struct $name {
            $($(#[$own_about])* pub(in crate::config) $own: Option<At<$type>>,)*
            /// What it is told of. When it is not set: everything but `at_min`, `threshold` and `policy_changed`.
            pub(in crate::config) on: Option<At<Vec<At<Event>>>>,
            /// The least severity that it is told of. What closes is told wherever it was told that it opened.
            pub(in crate::config) severity: Option<At<Severity>>,
            /// Its language.
            pub(in crate::config) language: Option<At<Language>>,
            /// The zone whose clocks are meant and shown.
            #[schemars(example = "Asia/Seoul")]
            pub(in crate::config) timezone: Option<At<ZoneText>>,
            /// How long something is held back for more of the same to go with it. Nothing critical is.
            pub(in crate::config) group_wait: Option<At<DurationText>>,
            /// How long after a message more of the same is put together, into it where it can be edited.
            pub(in crate::config) group_interval: Option<At<DurationText>>,
            /// The most messages within an hour. What is critical, and digests, do not count.
            pub(in crate::config) max_per_hour: Option<At<i64>>,
            /// When nothing is sent but what is critical; it is sent afterwards.
            #[schemars(example = "22:00-07:00")]
            pub(in crate::config) quiet_hours: Option<At<HoursText>>,
            /// When a digest is sent of what happened since the one before.
            #[schemars(example = "0 9 * * *")]
            pub(in crate::config) digest: Option<At<CronText>>,
        }

        impl $name {
            /// What every kind of channel has.
            pub(in crate::config) const fn channel(&self) -> RawChannel<'_> {
                RawChannel {
                    on: self.on.as_ref(),
                    severity: self.severity.as_ref(),
                    language: self.language.as_ref(),
                    timezone: self.timezone.as_ref(),
                    group_wait: self.group_wait.as_ref(),
                    group_interval: self.group_interval.as_ref(),
                    max_per_hour: self.max_per_hour.as_ref(),
                    quiet_hours: self.quiet_hours.as_ref(),
                    digest: self.digest.as_ref(),
                }
            }
        }
    };
}

channel! {
    /// A Slack channel: by an incoming webhook, or as a bot, which can edit what it has sent.
    "slack" RawSlack {
        /// Its incoming webhook.
        #[schemars(example = "env:SLACK_WEBHOOK")]
        webhook: SecretText,
        /// The token of a bot with `chat:write`; needs `channel`.
        #[schemars(example = "env:SLACK_BOT_TOKEN")]
        token: SecretText,
        /// The channel's ID, for `token`.
        #[schemars(example = &"C0123456789")]
        channel: String,
        /// Where Slack's API is, for `token`, where that is not Slack's own place: `https://slack-gov.com/api`.
        #[schemars(example = "https://slack-gov.com/api")]
        api: String,
        /// Whether `webhook` or `api` may be a URL without TLS.
        allow_http: bool,
    }
}

channel! {
    /// Mail.
    "email" RawEmail {
        /// The mail server, as a URL with its user and password: `smtp://` with STARTTLS, `smtps://` with TLS from the start.
        #[schemars(example = "env:SMTP_URL")]
        smtp: SecretText,
        /// The address it comes from.
        #[schemars(example = "headroom@example.com")]
        from: String,
        /// The addresses it goes to, separated by commas; or `env:NAME`, where they stand.
        #[schemars(example = "env:EMAIL_RECIPIENTS")]
        to: String,
        /// The authorities to trust instead of the system's, as PEM.
        #[schemars(example = "file:ca.pem")]
        ca: SecretText,
        /// Whether mail may be handed over without TLS.
        allow_plaintext: bool,
    }
}

channel! {
    /// A program that is told.
    "webhook" RawWebhook {
        /// What it is sent: headroom's own JSON, or what PagerDuty (Events v2) or an Alertmanager (v2) takes.
        form: WebhookForm,
        /// Where to. An Alertmanager's base URL, without `/api/v2`. PagerDuty needs none.
        #[schemars(example = "env:WEBHOOK_URL")]
        url: SecretText,
        /// What `form = "headroom"` is signed with.
        #[schemars(example = "env:WEBHOOK_SECRET")]
        secret: SecretText,
        /// The integration key, for PagerDuty.
        #[schemars(example = "env:PAGERDUTY_ROUTING_KEY")]
        routing_key: SecretText,
        /// The header `Authorization` of a request, such as `Bearer …`. Not for PagerDuty.
        #[schemars(example = "env:WEBHOOK_AUTHORIZATION")]
        authorization: SecretText,
        /// The authorities to trust instead of the system's, as PEM.
        #[schemars(example = "file:ca.pem")]
        ca: SecretText,
        /// Whether `url` may be one without TLS.
        allow_http: bool,
    }
}

/// What people can be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Event {
    Scaled,
    AtMax,
    AtMin,
    Fallback,
    Recovered,
    Held,
    ResetBy,
    Blind,
    Error,
    Paused,
    Resumed,
    Overridden,
    PolicyChanged,
    Threshold,
}

/// How soon somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Severity {
    Info,
    Warning,
    Critical,
}

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Language {
    En,
    Ko,
}

/// What a webhook is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum WebhookForm {
    Headroom,
    Pagerduty,
    Alertmanager,
}
