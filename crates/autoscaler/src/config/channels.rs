//! Notification channels: read and checked, and not carried out by this version.

use super::{
    at::{At, Named},
    lint::Lint,
    place::Place,
    problem::{Finding, ProblemKind},
    raw::RawNotify,
    reader::{Reader, absent},
    servers::{check_name, unknown_name},
};
use crate::Secret;

/// The channels that `notify` can name, `slack.NAME` and `email.NAME`, after checking each.
pub(super) fn channels(raw: Option<&RawNotify>, reader: &mut Reader<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let Some(raw) = raw else {
        return names;
    };
    for (name, slack) in all(raw.slack.as_ref()) {
        check_name("a channel", name, reader);
        let webhook = slack.webhook.as_ref();
        required(
            name,
            "webhook",
            webhook.map(|text| text.place),
            "\"env:SLACK_WEBHOOK\"",
            reader,
        );
        if let Some(webhook) = webhook {
            reader.secret("webhook", webhook);
        }
        nothing_told(name, slack.on.as_ref(), reader);
        names.push(format!("slack.{}", name.value));
    }
    for (name, email) in all(raw.email.as_ref()) {
        check_name("a channel", name, reader);
        let smtp = email.smtp.as_ref();
        required(
            name,
            "smtp",
            smtp.map(|text| text.place),
            "\"env:SMTP_URL\"",
            reader,
        );
        required(
            name,
            "from",
            email.from.as_ref().map(|text| text.place),
            "\"headroom@example.com\"",
            reader,
        );
        required(
            name,
            "to",
            email.to.as_ref().map(|text| text.place),
            "\"ops@example.com\"",
            reader,
        );
        if let Some(smtp) = smtp {
            reader.secret("smtp", smtp);
        }
        for (key, addresses) in [("from", &email.from), ("to", &email.to)] {
            if let Some(addresses) = addresses {
                check_addresses(key, addresses, reader);
            }
        }
        nothing_told(name, email.on.as_ref(), reader);
        names.push(format!("email.{}", name.value));
    }
    names
}

fn all<T>(named: Option<&Named<T>>) -> &[(At<String>, T)] {
    named.map_or(&[], |named| &named.0)
}

fn required(name: &At<String>, key: &str, value: Option<Place>, example: &str, reader: &mut Reader<'_>) {
    if value.is_none() {
        let message = format!("the channel `{}` has no `{key}`", name.value);
        reader.report(absent(message, name.place, format!("set {key} = {example}")));
    }
}

fn nothing_told<T>(name: &At<String>, on: Option<&At<Vec<T>>>, reader: &mut Reader<'_>) {
    if let Some(on) = on
        && on.value.is_empty()
    {
        let text = format!("the channel `{}` is told of nothing", name.value);
        reader.lint(Lint::ChannelToldOfNothing, on.place, &text);
    }
}

fn check_addresses(key: &str, text: &At<String>, reader: &mut Reader<'_>) {
    let Some(Secret::Plain(_)) = reader.place_of_secret(key, &text.value, text.place) else {
        return;
    };
    let is_address = |address: &str| {
        address.split_once('@').is_some_and(|(user, domain)| {
            !user.is_empty() && !domain.is_empty() && !address.contains(|symbol: char| symbol.is_whitespace())
        })
    };
    if let Some(bad) = text
        .value
        .split(',')
        .map(str::trim)
        .find(|address| !is_address(address))
    {
        let finding = Finding::new(ProblemKind::BadValue, format!("`{bad}` is no mail address"));
        reader.report(
            finding
                .at(text.place)
                .help("write \"a@example.com, b@example.com\", or \"env:NAME\""),
        );
    }
}

/// Reports a channel that nothing defines.
pub(super) fn check_channels(wanted: &[At<String>], known: &[String], reader: &mut Reader<'_>) {
    for channel in wanted.iter().filter(|channel| !known.contains(&channel.value)) {
        let message = format!("there is no channel `{}`", channel.value);
        let names = known.iter().map(String::as_str);
        let table = match channel.value.split_once('.') {
            Some(("slack" | "email", _)) => format!("[notify.{}]", channel.value),
            Some(_) | None => format!(
                "[notify.slack.{}], and call it `slack.{}`",
                channel.value, channel.value
            ),
        };
        reader.report(unknown_name(message, channel, names, &table));
    }
}
