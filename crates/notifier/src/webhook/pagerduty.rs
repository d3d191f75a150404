//! PagerDuty's events: what opens triggers an incident, what closes resolves it.
//!
//! What is only to be known is no event: PagerDuty is there to wake people. A test always is one. Of an incident that has
//! several notices in one message only the newest is sent, so that nobody is woken by what is over.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{hash, rfc3339};
use crate::{
    Notice, Severity, Stage, Style, Text,
    words::{cut, utf16_len},
};

/// The longest key of an incident, by the documentation of the Events API v2, as the limits below.
const MAX_KEY: usize = 255;
/// The longest summary.
const MAX_SUMMARY: usize = 1024;
/// The longest of the other texts, for which the documentation has no limit.
const MAX_TEXT: usize = 255;

/// An event, but for the key of the integration.
pub(super) struct Event {
    /// Which incident it is of.
    pub(super) dedup_key: String,
    body: Value,
}

impl Event {
    fn of(notice: &Notice, style: &Style, dedup_key: String) -> Self {
        let body = match notice.stage {
            Stage::Closed { .. } => json!({ "event_action": "resolve", "dedup_key": dedup_key }),
            Stage::Once | Stage::Opened => trigger(notice, &Text::of(notice, style), &dedup_key),
        };
        Self { dedup_key, body }
    }

    /// The whole event, for the integration with `routing_key`.
    pub(super) fn with_key(self, routing_key: &str) -> Value {
        let mut body = self.body;
        if let Value::Object(event) = &mut body {
            event.insert("routing_key".to_owned(), routing_key.into());
        }
        body
    }
}

/// The events that `notices` are, in order.
pub(super) fn events(notices: &[Notice], style: &Style) -> Vec<Event> {
    let wakes = |notice: &&Notice| notice.severity > Severity::Info || notice.is_test;
    let mut seen = HashSet::new();
    let newest_first = notices.iter().rev().filter(wakes).filter_map(|notice| {
        let key = key(notice);
        seen.insert(key.clone()).then(|| Event::of(notice, style, key))
    });
    let mut events: Vec<Event> = newest_first.collect();
    events.reverse();
    events
}

fn trigger(notice: &Notice, text: &Text, key: &str) -> Value {
    let whose = text.cluster.as_deref().unwrap_or("headroom");
    let workload = text.workload.as_deref();
    let source = workload.map_or_else(|| whose.to_owned(), |workload| format!("{whose} {workload}"));
    let links: Vec<Value> = text
        .links
        .iter()
        .map(|link| json!({ "href": link.url, "text": link.label }))
        .collect();
    let mut event = json!({
        "event_action": "trigger",
        "dedup_key": key,
        "client": "headroom",
        "links": links,
        "payload": {
            "summary": cut(&text.title, MAX_SUMMARY),
            "source": cut(&source, MAX_TEXT),
            "severity": notice.severity.code(),
            "timestamp": rfc3339(notice.at),
            "component": workload.map(|workload| cut(workload, MAX_TEXT)),
            "group": cut(whose, MAX_TEXT),
            "class": notice.kind().code(),
            "custom_details": details(text),
        },
    });
    // Absent, and not null, where there is none.
    if workload.is_none()
        && let Some(payload) = event.get_mut("payload").and_then(Value::as_object_mut)
    {
        payload.remove("component");
    }
    event
}

/// What shows below the summary.
fn details(text: &Text) -> Map<String, Value> {
    let mut details = Map::new();
    let mut add = |name: &str, value: Value| {
        details.insert(name.to_owned(), value);
    };
    for (name, said) in [("why", &text.reason), ("next", &text.next)] {
        if let Some(said) = said {
            add(name, said.as_str().into());
        }
    }
    for fact in &text.facts {
        add(fact.label, fact.value.as_str().into());
    }
    if !text.list.is_empty() {
        add("list", text.list.clone().into());
    }
    add("command", text.command.as_str().into());
    details
}

/// The key of the incident, the same when it opens and when it closes. What happens once is an incident each time.
fn key(notice: &Notice) -> String {
    let test = if notice.is_test { "test/" } else { "" };
    let incident = notice.incident();
    let key = match notice.stage {
        Stage::Once => format!("{test}{incident}/{}", notice.id),
        Stage::Opened | Stage::Closed { .. } => format!("{test}{incident}"),
    };
    if utf16_len(&key) <= MAX_KEY && key.len() <= MAX_KEY {
        return key;
    }
    let hash = hash(&key);
    // In bytes, which are never fewer than characters.
    let mut end = MAX_KEY - hash.len() - 1;
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}/{hash}", key.get(..end).unwrap_or_default())
}
