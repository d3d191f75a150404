//! headroom's own JSON: a versioned object, kept apart from the types it is made of.
//!
//! Members are added without a new version; one that changes its meaning or goes raises [`VERSION`].

mod event;

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::Serialize;
use serde_json::Value;

use self::event::EventObject;
use super::rfc3339;
use crate::{
    Language, Message, Notice, Severity, Stage, Style, Text,
    words::{cut, page, utf16_len},
};

/// The version of the object.
const VERSION: u32 = 1;
/// The longest text of those that are others' words, in UTF-16 code units.
const MAX_TEXT: usize = 2000;

/// The published schema of what a webhook of headroom's own form is sent.
#[must_use]
pub fn notice_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<MessageObject>();
    schema.insert("title".to_owned(), "What headroom sends to a webhook".into());
    schema.into()
}

/// What is sent of `message`: what was not sent before.
pub(super) fn of(message: &Message, style: &Style) -> Value {
    let object = MessageObject {
        version: VERSION,
        key: shortened(&message.key),
        left_out: message.left_out,
        notices: message
            .fresh()
            .iter()
            .map(|notice| NoticeObject::of(notice, style))
            .collect(),
    };
    serde_json::to_value(object).unwrap_or_default()
}

/// Others' words in what is sent, no longer than they have to be.
fn shortened(text: &str) -> String {
    if utf16_len(text) <= MAX_TEXT {
        text.to_owned()
    } else {
        cut(text, MAX_TEXT)
    }
}

/// Notices that belong together, of one cluster.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Message")]
struct MessageObject {
    /// The version of this object. Members are added without a new one.
    #[schemars(schema_with = "version")]
    version: u32,
    /// What tells the message from every other one, the same for each attempt to send it; also the header
    /// `Idempotency-Key`.
    key: String,
    /// So many notices were left out before this message, because there were too many.
    left_out: u32,
    /// The notices, oldest first.
    #[schemars(length(min = 1))]
    notices: Vec<NoticeObject>,
}

/// What happened, to whom, how bad it is, and whether it goes on.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Notice")]
struct NoticeObject {
    /// What tells it from every other one, on every channel and for each attempt.
    id: String,
    /// When it happened.
    #[schemars(schema_with = "moment")]
    at: String,
    /// When it began: for what has ended, before it went on.
    #[schemars(schema_with = "moment")]
    since: String,
    /// The cluster's name; `null` where the configuration gives none.
    cluster: Option<String>,
    /// The workload; `null` for what is about headroom itself.
    workload: Option<String>,
    /// So many further workloads of which the same is told; 0 for most.
    also: u32,
    /// What goes on: the same when it opens and when it closes.
    incident: String,
    /// How soon somebody has to look.
    severity: SeverityCode,
    /// Whether it goes on.
    stage: StageCode,
    /// For how long it went on, in seconds; `null` unless it has ended.
    lasted: Option<f64>,
    /// Whether somebody only tries whether notices arrive.
    is_test: bool,
    /// What happened.
    event: EventObject,
    /// The same in words.
    text: TextObject,
    /// The command that tells more.
    command: String,
    /// The address of a page with what to do; `null` where there is none.
    runbook: Option<String>,
    /// The address of the dashboard, with the time range filled in; `null` where there is none.
    dashboard: Option<String>,
}

/// How soon somebody has to look: `info`: nobody has to; `warning`: before long; `critical`: at once.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Severity")]
enum SeverityCode {
    Info,
    Warning,
    Critical,
}

/// Whether it goes on: `once`: it happened, and that is all; `opened`: since then; `closed`: it has ended.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Stage")]
enum StageCode {
    Once,
    Opened,
    Closed,
}

/// A notice in words, of which each is one line.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Text")]
struct TextObject {
    /// In which language.
    language: LanguageCode,
    /// Which cluster, which workload, and what.
    title: String,
    /// Why; `null` where the title says all there is.
    reason: Option<String>,
    /// What happens next; `null` where that is not known.
    next: Option<String>,
    /// Single values, each with its name.
    facts: Vec<FactObject>,
    /// What there is one line each of.
    list: Vec<String>,
    /// When it happened, in local time.
    at: String,
}

/// A language.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Language")]
enum LanguageCode {
    En,
    Ko,
}

/// A single value with its name.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Fact")]
struct FactObject {
    /// What it is.
    label: String,
    /// The value with its unit.
    value: String,
}

impl NoticeObject {
    fn of(notice: &Notice, style: &Style) -> Self {
        let text = Text::of(notice, style);
        let (stage, lasted) = match notice.stage {
            Stage::Once => (StageCode::Once, None),
            Stage::Opened => (StageCode::Opened, None),
            Stage::Closed { after } => (StageCode::Closed, Some(after.as_secs_f64())),
        };
        Self {
            id: shortened(&notice.id.0),
            at: rfc3339(notice.at),
            since: rfc3339(notice.since()),
            cluster: notice.cluster.as_deref().map(shortened),
            workload: notice.workload.as_ref().map(ToString::to_string),
            also: notice.also,
            incident: shortened(&notice.incident()),
            severity: match notice.severity {
                Severity::Info => SeverityCode::Info,
                Severity::Warning => SeverityCode::Warning,
                Severity::Critical => SeverityCode::Critical,
            },
            stage,
            lasted,
            is_test: notice.is_test,
            event: EventObject::of(&notice.event),
            command: text.command.clone(),
            runbook: notice.links.runbook.as_deref().and_then(page),
            dashboard: notice.links.dashboard.as_deref().and_then(page),
            text: TextObject::of(text, style.language),
        }
    }
}

impl TextObject {
    fn of(text: Text, language: Language) -> Self {
        Self {
            language: match language {
                Language::En => LanguageCode::En,
                Language::Ko => LanguageCode::Ko,
            },
            title: text.title,
            reason: text.reason,
            next: text.next,
            facts: text
                .facts
                .into_iter()
                .map(|fact| FactObject {
                    label: fact.label.to_owned(),
                    value: fact.value,
                })
                .collect(),
            list: text.list,
            at: text.at,
        }
    }
}

fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "const": VERSION })
}

/// A moment: RFC 3339 in UTC.
fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// A moment, or `null`.
fn moment_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "date-time" })
}
