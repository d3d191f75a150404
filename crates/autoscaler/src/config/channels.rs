//! Who is told: channels and their settings, and which of them a workload names.

mod mail;

use std::{collections::BTreeSet, num::NonZeroU32, sync::Arc};

use headroom_notifier::{
    EventKind, Language, Severity, Style,
    delivery::{ChannelName, ChannelRules, Deadlines, QueueBound, QuietHours},
};
use jiff::tz::TimeZone;

use super::{
    Origins,
    at::{At, Named},
    lint::Lint,
    place::Place,
    problem::{Finding, ProblemKind},
    raw::{self, RawChannel, RawNotify, RawSlack, RawWebhook, RawWorkload, WebhookForm},
    reader::{Reader, absent, conflict},
    schedules,
    servers::{check_name, unknown_name},
    tree::{Node, Table, Value},
    variables::Variables,
    words::{self, HoursText, SecretText},
};
use crate::{
    ChannelSettings, Configuration, HeartbeatSettings, Medium, NotifySettings, PlainSecret, Routes, Secret,
};

/// What a channel is told of that does not say.
const USUAL: [EventKind; 11] = [
    EventKind::Scaled,
    EventKind::AtMax,
    EventKind::Fallback,
    EventKind::Recovered,
    EventKind::Held,
    EventKind::ResetBy,
    EventKind::Blind,
    EventKind::Error,
    EventKind::Paused,
    EventKind::Resumed,
    EventKind::Overridden,
];

/// Reads the channels; what could not be read was reported. Also the names of all, so that one with a problem is no unknown
/// name too.
pub(super) fn channels(raw: &RawNotify, reader: &mut Reader<'_>) -> (NotifySettings, Vec<String>) {
    let common = Style {
        language: language(raw.language.as_ref()).unwrap_or_default(),
        timezone: raw
            .timezone
            .as_ref()
            .and_then(|text| schedules::zone(text, reader))
            .unwrap_or(TimeZone::UTC),
    };
    let mut all = All {
        common,
        settings: NotifySettings::default(),
        names: Vec::new(),
    };
    for (name, slack) in listed(raw.slack.as_ref()) {
        all.add("slack", name, slack.channel(), reader, |reader| {
            self::slack(name, slack, reader)
        });
    }
    for (name, email) in listed(raw.email.as_ref()) {
        all.add("email", name, email.channel(), reader, |reader| {
            mail::email(name, email, reader)
        });
    }
    for (name, webhook) in listed(raw.webhook.as_ref()) {
        all.add("webhook", name, webhook.channel(), reader, |reader| {
            self::webhook(name, webhook, reader)
        });
    }
    let allow_http = is_set(raw.allow_http.as_ref());
    all.settings.heartbeat = raw.heartbeat.as_ref().and_then(|text| {
        let url = address("heartbeat", text, allow_http, reader)?;
        Some(HeartbeatSettings { url, allow_http })
    });
    for (_, channels) in listed(raw.namespaces.as_ref()) {
        check_channels(&channels.value, &all.names, reader);
    }
    (all.settings, all.names)
}

struct All {
    common: Style,
    settings: NotifySettings,
    names: Vec<String>,
}

impl All {
    fn add(
        &mut self,
        kind: &str,
        name: &At<String>,
        raw: RawChannel<'_>,
        reader: &mut Reader<'_>,
        medium: impl FnOnce(&mut Reader<'_>) -> Option<Medium>,
    ) {
        check_name("a channel", name, reader);
        let full = format!("{kind}.{}", name.value);
        let medium = medium(reader);
        let rest = self.settings_of(name, &full, raw, medium, reader);
        self.settings.channels.extend(rest);
        self.names.push(full);
    }

    fn settings_of(
        &self,
        name: &At<String>,
        full: &str,
        raw: RawChannel<'_>,
        medium: Option<Medium>,
        reader: &mut Reader<'_>,
    ) -> Option<ChannelSettings> {
        let timezone = match raw.timezone {
            Some(text) => schedules::zone(text, reader),
            None => Some(self.common.timezone.clone()),
        };
        let span = |text, reader: &mut Reader<'_>| reader.duration(text).map(|at| at.value);
        let (group_wait, group_interval) = (span(raw.group_wait, reader), span(raw.group_interval, reader));
        let max_per_hour = raw.max_per_hour.and_then(|number| most(number, reader));
        let quiet_hours = match raw.quiet_hours {
            Some(text) => hours(text, timezone.clone(), reader).map(Some),
            None => Some(None),
        };
        let digest = match raw.digest {
            Some(text) => schedules::expression(text, reader).map(Some),
            None => Some(None),
        };
        let on: BTreeSet<EventKind> = match raw.on {
            Some(on) => on.value.iter().map(|event| kind(event.value)).collect(),
            None => USUAL.into_iter().collect(),
        };
        if let Some(at) = raw.on
            && on.is_empty()
            && raw.digest.is_none()
        {
            let text = format!("the channel `{}` is told of nothing", name.value);
            reader.lint(Lint::ChannelToldOfNothing, at.place, &text);
        }
        Some(ChannelSettings {
            name: full.into(),
            medium: medium?,
            rules: ChannelRules {
                on: Some(on),
                least: raw.severity.map_or(Severity::Info, |at| severity(at.value)),
                group_wait: group_wait?,
                group_interval: group_interval?,
                max_per_hour: Some(max_per_hour?),
                quiet_hours: quiet_hours?,
                bound: QueueBound::USUAL,
                deadlines: Deadlines::USUAL,
            },
            style: Style {
                language: language(raw.language).unwrap_or(self.common.language),
                timezone: timezone?,
            },
            digest: digest?,
        })
    }
}

fn slack(name: &At<String>, raw: &RawSlack, reader: &mut Reader<'_>) -> Option<Medium> {
    let allow_http = is_set(raw.allow_http.as_ref());
    match (&raw.webhook, &raw.token) {
        (Some(webhook), Some(token)) => {
            let keys = [("webhook", webhook.place), ("token", token.place)];
            reader.report(conflict(
                format!("the channel `{}` has two ways to Slack", name.value),
                &keys,
                "keep one: a bot's `token` can edit what it has sent",
            ));
            None
        }
        (None, None) => {
            let message = format!("the channel `{}` has no `webhook` and no `token`", name.value);
            let help = "set webhook = \"env:SLACK_WEBHOOK\", or token = \"env:SLACK_BOT_TOKEN\" and channel = \"C…\"";
            reader.report(absent(message, name.place, help));
            None
        }
        (Some(webhook), None) => {
            unused(
                "channel",
                raw.channel.as_ref().map(|text| text.place),
                "`webhook`",
                reader,
            );
            unused(
                "api",
                raw.api.as_ref().map(|text| text.place),
                "`webhook`",
                reader,
            );
            let url = address("webhook", webhook, allow_http, reader)?;
            Some(Medium::SlackWebhook { url, allow_http })
        }
        (None, Some(token)) => {
            let token = reader.secret("token", token);
            let channel = given(name, "channel", raw.channel.as_ref(), "\"C0123456789\"", reader)?;
            Some(Medium::SlackBot {
                token: token?,
                channel: channel.value.clone(),
                api: raw.api.as_ref().map(|api| api.value.clone()),
                allow_http,
            })
        }
    }
}

fn webhook(name: &At<String>, raw: &RawWebhook, reader: &mut Reader<'_>) -> Option<Medium> {
    let allow_http = is_set(raw.allow_http.as_ref());
    let url = |reader: &mut Reader<'_>| match &raw.url {
        Some(text) => address("url", text, allow_http, reader).map(Some),
        None => Some(None),
    };
    let needed = |reader: &mut Reader<'_>| {
        given(name, "url", raw.url.as_ref(), "\"env:WEBHOOK_URL\"", reader)?;
        url(reader)?
    };
    let authorization = optional("authorization", raw.authorization.as_ref(), reader);
    let ca = optional("ca", raw.ca.as_ref(), reader);
    let authorization_at = raw.authorization.as_ref().map(|text| text.place);
    let (secret_at, key_at) = (
        raw.secret.as_ref().map(|text| text.place),
        raw.routing_key.as_ref().map(|text| text.place),
    );
    match raw.form.as_ref().map(|form| form.value) {
        Some(WebhookForm::Headroom) | None => {
            unused("routing_key", key_at, "form = \"headroom\"", reader);
            let secret = optional("secret", raw.secret.as_ref(), reader);
            let url = needed(reader);
            Some(Medium::Webhook {
                url: url?,
                secret: secret?,
                authorization: authorization?,
                ca: ca?,
                allow_http,
            })
        }
        Some(WebhookForm::Pagerduty) => {
            unused("secret", secret_at, "form = \"pagerduty\"", reader);
            unused("authorization", authorization_at, "form = \"pagerduty\"", reader);
            let key = given(
                name,
                "routing_key",
                raw.routing_key.as_ref(),
                "\"env:PAGERDUTY_ROUTING_KEY\"",
                reader,
            );
            let routing_key = key.and_then(|text| reader.secret("routing_key", text));
            let url = url(reader)?;
            Some(Medium::PagerDuty {
                routing_key: routing_key?,
                url,
                ca: ca?,
                allow_http,
            })
        }
        Some(WebhookForm::Alertmanager) => {
            unused("secret", secret_at, "form = \"alertmanager\"", reader);
            unused("routing_key", key_at, "form = \"alertmanager\"", reader);
            let url = needed(reader);
            Some(Medium::Alertmanager {
                url: url?,
                authorization: authorization?,
                ca: ca?,
                allow_http,
            })
        }
    }
}

fn listed<T>(named: Option<&Named<T>>) -> &[(At<String>, T)] {
    named.map_or(&[], |named| &named.0)
}

fn is_set(flag: Option<&At<bool>>) -> bool {
    flag.is_some_and(|flag| flag.value)
}

/// Reports a key that means nothing beside what else the channel has.
fn unused(key: &str, is_set: Option<Place>, beside: &str, reader: &mut Reader<'_>) {
    if let Some(place) = is_set {
        let message = format!("`{key}` does nothing with {beside}");
        reader.report(
            Finding::new(ProblemKind::Conflict, message)
                .at(place)
                .help("remove the line"),
        );
    }
}

/// A key that a channel has to have.
fn given<'t, T>(
    name: &At<String>,
    key: &str,
    value: Option<&'t At<T>>,
    example: &str,
    reader: &mut Reader<'_>,
) -> Option<&'t At<T>> {
    if value.is_none() {
        let message = format!("the channel `{}` has no `{key}`", name.value);
        reader.report(absent(message, name.place, format!("set {key} = {example}")));
    }
    value
}

/// Where a secret stands that need not be given.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether it could be read, as elsewhere in here"
)]
fn optional(key: &str, text: Option<&At<SecretText>>, reader: &mut Reader<'_>) -> Option<Option<Secret>> {
    match text {
        Some(text) => reader.secret(key, text).map(Some),
        None => Some(None),
    }
}

/// Where a URL stands. One in plain text has to be a URL with TLS, unless others are allowed.
fn address(key: &str, text: &At<SecretText>, allow_http: bool, reader: &mut Reader<'_>) -> Option<Secret> {
    let secret = reader.secret(key, text)?;
    if let Secret::Plain(PlainSecret(url)) = &secret
        && !(url.starts_with("https://") || (allow_http && url.starts_with("http://")))
    {
        let message = format!("`{key}` is no URL that begins with https://");
        let help = if url.starts_with("http://") {
            "write https://, or allow_http = true where nobody else can read along"
        } else {
            "write \"env:NAME\", \"file:PATH\", or \"https://…\""
        };
        reader.report(
            Finding::new(ProblemKind::BadValue, message)
                .at(text.place)
                .help(help),
        );
        return None;
    }
    Some(secret)
}

/// Hours of each day, on the clocks of `zone`; a zone that is none was reported.
fn hours(text: &At<HoursText>, zone: Option<TimeZone>, reader: &mut Reader<'_>) -> Option<QuietHours> {
    let (from, until) = reader.word(words::hours(&text.value.0), text.place)?;
    QuietHours::new(from, until, zone?).ok()
}

fn most(number: &At<i64>, reader: &mut Reader<'_>) -> Option<NonZeroU32> {
    let most = u32::try_from(number.value)
        .ok()
        .filter(|number| *number <= 3600)
        .and_then(NonZeroU32::new);
    if most.is_none() {
        let message = format!("`max_per_hour` must be from 1 to 3600, not {}", number.value);
        let finding = Finding::new(ProblemKind::BadValue, message).at(number.place);
        reader.report(finding.help(
            "write max_per_hour = 20; to be told of nothing but what is critical: severity = \"critical\"",
        ));
    }
    most
}

fn language(raw: Option<&At<raw::Language>>) -> Option<Language> {
    Some(match raw?.value {
        raw::Language::En => Language::En,
        raw::Language::Ko => Language::Ko,
    })
}

const fn severity(raw: raw::Severity) -> Severity {
    match raw {
        raw::Severity::Info => Severity::Info,
        raw::Severity::Warning => Severity::Warning,
        raw::Severity::Critical => Severity::Critical,
    }
}

const fn kind(raw: raw::Event) -> EventKind {
    match raw {
        raw::Event::Scaled => EventKind::Scaled,
        raw::Event::AtMax => EventKind::AtMax,
        raw::Event::AtMin => EventKind::AtMin,
        raw::Event::Fallback => EventKind::Fallback,
        raw::Event::Recovered => EventKind::Recovered,
        raw::Event::Held => EventKind::Held,
        raw::Event::ResetBy => EventKind::ResetBy,
        raw::Event::Blind => EventKind::Blind,
        raw::Event::Error => EventKind::Error,
        raw::Event::Paused => EventKind::Paused,
        raw::Event::Resumed => EventKind::Resumed,
        raw::Event::Overridden => EventKind::Overridden,
        raw::Event::PolicyChanged => EventKind::PolicyChanged,
        raw::Event::Threshold => EventKind::Threshold,
    }
}

/// Who is told of what is about no workload: whoever `[defaults]` names, and everybody where it names nobody.
pub(super) fn general(
    defaults: Option<&Table>,
    cluster: Option<&str>,
    (channels, known): (&[ChannelSettings], &[String]),
    reader: &mut Reader<'_>,
) -> Routes {
    let mut named = |key: &str| {
        let list = defaults.and_then(|defaults| defaults.get(key));
        let names = list.map_or_else(Vec::new, |list| {
            names_without_workload(&list.node, cluster, reader)
        });
        check_channels(&names, known, reader);
        names
            .iter()
            .map(|name| ChannelName::from(name.value.as_str()))
            .collect::<Vec<_>>()
    };
    let mut routes = Routes {
        channels: named("notify"),
        critical: named("notify_critical"),
        ..Routes::default()
    };
    if routes.channels.is_empty() && routes.critical.is_empty() {
        routes.channels = channels.iter().map(|channel| channel.name.clone()).collect();
    }
    routes
}

/// The names of a list, but for those that have a workload's own variables in them.
fn names_without_workload(list: &Node, cluster: Option<&str>, reader: &mut Reader<'_>) -> Vec<At<String>> {
    let mut list = list.clone();
    if let Value::List(names) = &mut list.value {
        let is_of_workload = |text: &str| text.contains("${namespace}") || text.contains("${name}");
        names.retain(|name| !matches!(&name.value, Value::Text(text) if is_of_workload(text)));
    }
    let variables = Variables {
        cluster,
        ..Variables::default()
    };
    variables.substitute_in(&mut list, reader.findings);
    // One of another type was reported.
    list.read().unwrap_or_default()
}

/// Who is told of a workload; `None` after reporting what is wrong.
pub(super) fn routes(raw: &RawWorkload, known: &[String], reader: &mut Reader<'_>) -> Option<Routes> {
    let mut named = |channels: Option<&At<Vec<At<String>>>>| {
        let channels = channels.map_or(&[][..], |channels| &channels.value);
        check_channels(channels, known, reader);
        channels
            .iter()
            .map(|channel| ChannelName::from(channel.value.as_str()))
            .collect()
    };
    let (channels, critical) = (named(raw.notify.as_ref()), named(raw.notify_critical.as_ref()));
    let runbook = link("runbook", raw.runbook.as_ref(), reader);
    let dashboard = link("dashboard", raw.dashboard.as_ref(), reader);
    Some(Routes {
        channels,
        critical,
        runbook: runbook?,
        dashboard: dashboard?,
        thresholds: Vec::new(),
        effective: Vec::new(),
    })
}

/// Keeps what is in effect for the workloads of which some channel is told when that changes.
pub(super) fn keep_effective(configuration: &mut Configuration, origins: &Origins) {
    let Configuration {
        settings, workloads, ..
    } = configuration;
    let is_told = |name: &ChannelName| {
        let channel = settings
            .notify
            .channels
            .iter()
            .find(|channel| channel.name == *name);
        let on = channel.and_then(|channel| channel.rules.on.as_ref());
        on.is_some_and(|on| on.contains(&EventKind::PolicyChanged))
    };
    for workload in workloads {
        if workload.routes.channels.iter().any(is_told) {
            let keys = origins.effective(&workload.id).into_iter();
            workload.routes.effective = keys.map(|key| (key.key.into(), key.value.into())).collect();
        }
    }
}

/// A URL that people follow.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether it could be read, as elsewhere in here"
)]
fn link(key: &str, text: Option<&At<String>>, reader: &mut Reader<'_>) -> Option<Option<Arc<str>>> {
    let Some(text) = text else {
        return Some(None);
    };
    let url = text.value.as_str();
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    if !is_url
        || url.contains(|symbol: char| {
            symbol.is_whitespace() || symbol.is_control() || "<>\"|".contains(symbol)
        })
    {
        let finding = Finding::new(ProblemKind::BadValue, format!("`{key}` is no URL")).at(text.place);
        reader.report(finding.help("write \"https://…\", with %20 for a blank"));
        return None;
    }
    Some(Some(url.into()))
}

/// Reports a channel that nothing defines.
fn check_channels(wanted: &[At<String>], known: &[String], reader: &mut Reader<'_>) {
    for channel in wanted.iter().filter(|channel| !known.contains(&channel.value)) {
        let message = format!("there is no channel `{}`", channel.value);
        let names = known.iter().map(String::as_str);
        let table = match channel.value.split_once('.') {
            Some(("slack" | "email" | "webhook", _)) => format!("[notify.{}]", channel.value),
            Some(_) | None => format!(
                "[notify.slack.{}], and call it `slack.{}`",
                channel.value, channel.value
            ),
        };
        reader.report(unknown_name(message, channel, names, &table));
    }
}
