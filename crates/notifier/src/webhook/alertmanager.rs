//! Alertmanager's alerts: what opens fires until what closes ends it; what happens once fires for a while.
//!
//! Alertmanager ends an alert by itself unless it is told again or until when it lasts. headroom tells once, so an alert
//! that has opened says a time far off.

use std::{collections::BTreeMap, time::Duration};

use headroom_policy_engine::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::rfc3339;
use crate::{
    Notice, Stage, Style, Text,
    words::{cut, one_line, page},
};

/// Where alerts are taken.
pub(super) const PATH: &str = "/api/v2/alerts";

/// How long what happens once fires, which is enough for Alertmanager's usual waits before it tells of it.
const ONCE: Duration = Duration::from_secs(15 * 60);
/// How long what has opened fires if nobody closes it.
const OPENED: Duration = Duration::from_secs(30 * 86_400);
/// The longest value of a label.
const MAX_LABEL: usize = 300;

/// An alert, as Alertmanager's API v2 takes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    labels: BTreeMap<&'static str, String>,
    annotations: BTreeMap<&'static str, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "Option::is_none")]
    generator_url: Option<String>,
}

/// The alerts that `notices` are, as seen at `now`: of those about the same thing the newest.
pub(super) fn alerts(notices: &[Notice], style: &Style, now: Timestamp) -> Value {
    let mut alerts: Vec<Alert> = Vec::new();
    for notice in notices.iter().rev() {
        let alert = alert(notice, style, now);
        if alerts.iter().all(|newer| newer.labels != alert.labels) {
            alerts.push(alert);
        }
    }
    alerts.reverse();
    serde_json::to_value(alerts).unwrap_or_default()
}

fn alert(notice: &Notice, style: &Style, now: Timestamp) -> Alert {
    let text = Text::of(notice, style);
    let latest = notice.at.max(now);
    let (starts_at, ends_at) = match notice.stage {
        Stage::Once => (notice.at, latest.plus(ONCE)),
        Stage::Opened => (notice.at, latest.plus(OPENED)),
        Stage::Closed { .. } => (notice.since(), notice.at),
    };
    Alert {
        labels: labels(notice, &text),
        annotations: annotations(notice, &text),
        starts_at: rfc3339(starts_at),
        ends_at: rfc3339(ends_at),
        generator_url: notice.links.dashboard.as_deref().and_then(page),
    }
}

/// By these Alertmanager routes an alert, and knows it again when it ends: nothing in them changes meanwhile.
fn labels(notice: &Notice, text: &Text) -> BTreeMap<&'static str, String> {
    let namespace = text
        .workload
        .as_deref()
        .and_then(|workload| workload.split_once('/'));
    let all = [
        ("alertname", Some(name(notice))),
        ("severity", Some(notice.severity.code().to_owned())),
        ("event", Some(notice.event.opened_as().code().to_owned())),
        ("incident", Some(notice.event.subject())),
        ("cluster", text.cluster.clone()),
        ("namespace", namespace.map(|(namespace, _)| namespace.to_owned())),
        ("workload", text.workload.clone()),
        ("test", notice.is_test.then(|| "true".to_owned())),
    ];
    all.into_iter()
        .filter_map(|(name, value)| Some((name, cut(&one_line(&value?), MAX_LABEL))))
        .filter(|(_, value)| !value.is_empty())
        .collect()
}

/// `HeadroomAtMax` and the like.
fn name(notice: &Notice) -> String {
    let words = notice.event.opened_as().code().split('_').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    format!("Headroom{}", words.collect::<String>())
}

fn annotations(notice: &Notice, text: &Text) -> BTreeMap<&'static str, String> {
    let sentences: Vec<&str> = [&text.reason, &text.next]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let lines: Vec<&str> = sentences
        .into_iter()
        .chain(text.list.iter().map(String::as_str))
        .filter(|line| !line.is_empty())
        .collect();
    let mut all = BTreeMap::from([("summary", text.title.clone()), ("command", text.command.clone())]);
    if !lines.is_empty() {
        all.insert("description", lines.join("\n"));
    }
    let links = [
        ("runbook_url", &notice.links.runbook),
        ("dashboard_url", &notice.links.dashboard),
    ];
    for (name, url) in links {
        if let Some(url) = url.as_deref().and_then(page) {
            all.insert(name, url);
        }
    }
    all
}
