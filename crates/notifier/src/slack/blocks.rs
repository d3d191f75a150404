//! A message as Slack's blocks, within Slack's limits for any text.

use serde_json::{Value, json};

use super::mrkdwn::{code, escaped, link};
use crate::{
    Notice, Style, Text,
    words::{Label, cut, utf16_len},
};

/// The longest header, by the documentation of Slack's blocks, as all limits here. In UTF-16 code units.
const MAX_HEADER: usize = 150;
/// The longest text of a section.
pub(super) const MAX_SECTION: usize = 3000;
/// The most fields of a section.
pub(super) const MAX_FIELDS: usize = 10;
/// What shows in notifications and where blocks do not. Slack would take ten times as much.
const MAX_FALLBACK: usize = 4000;
/// The longest reason, which shares its section with what comes next.
const MAX_REASON: usize = 2000;
const MAX_NEXT: usize = 900;
/// The longest value of a field; Slack would take 2,000.
const MAX_VALUE: usize = 300;
/// The longest element of a context, of which Slack takes ten.
const MAX_ELEMENT: usize = 2200;
/// The longest line of a list.
const MAX_LINE: usize = 400;
/// All of a list, so that a message never is longer than Slack takes.
const MAX_LIST: usize = 4000;

/// What is sent of `notices`.
pub(super) fn payload(notices: &[Notice], left_out: u32, style: &Style) -> Value {
    let Some(text) = Text::of_all(notices, left_out, style) else {
        return json!({});
    };
    json!({ "text": fallback(&text), "blocks": blocks(&text, style) })
}

fn headline(text: &Text) -> String {
    format!("{} {} · {}", text.mark.symbol(), text.mark_word, text.title)
}

fn fallback(text: &Text) -> String {
    let reason = text.reason.as_deref().unwrap_or_default();
    escaped(format!("{}\n{reason}", headline(text)).trim_end(), MAX_FALLBACK)
}

fn blocks(text: &Text, style: &Style) -> Vec<Value> {
    let header = json!({
        "type": "header",
        "text": { "type": "plain_text", "text": cut(&headline(text), MAX_HEADER), "emoji": true },
    });
    let sections = why(text, style)
        .into_iter()
        .map(|markup| json!({ "type": "section", "text": mrkdwn(markup) }));
    let lists = list(text)
        .into_iter()
        .map(|markup| json!({ "type": "section", "text": mrkdwn(markup) }));
    std::iter::once(header)
        .chain(sections)
        .chain(fields(text))
        .chain(lists)
        .chain(
            text.left_out
                .as_deref()
                .map(|left_out| context(vec![escaped(left_out, MAX_ELEMENT)])),
        )
        .chain(std::iter::once(context(last(text))))
        .collect()
}

/// Why, and what comes next.
fn why(text: &Text, style: &Style) -> Option<String> {
    let said = [
        (Label::Why, &text.reason, MAX_REASON),
        (Label::Next, &text.next, MAX_NEXT),
    ];
    let lines: Vec<String> = said
        .into_iter()
        .filter_map(|(label, said, max)| {
            let said = escaped(said.as_deref()?, max);
            Some(format!("*{}:* {said}", label.word(style.language)))
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn fields(text: &Text) -> Option<Value> {
    let fields: Vec<Value> = text
        .facts
        .iter()
        .take(MAX_FIELDS)
        .map(|fact| mrkdwn(format!("*{}*\n{}", fact.label, escaped(&fact.value, MAX_VALUE))))
        .collect();
    (!fields.is_empty()).then(|| json!({ "type": "section", "fields": fields }))
}

/// The lines of the list, in as many sections as they need; the last line says where there were too many.
fn list(text: &Text) -> Vec<String> {
    let mut sections: Vec<String> = Vec::new();
    let mut total = 0;
    for line in &text.list {
        let mut line = format!("• {}\n", escaped(line, MAX_LINE));
        total += utf16_len(&line);
        let is_too_much = total > MAX_LIST;
        if is_too_much {
            line = "…".to_owned();
        }
        match sections.last_mut() {
            Some(section) if utf16_len(section) + utf16_len(&line) <= MAX_SECTION => section.push_str(&line),
            _ => sections.push(line),
        }
        if is_too_much {
            break;
        }
    }
    sections
        .into_iter()
        .map(|section| section.trim_end().to_owned())
        .collect()
}

/// When, how to learn more, and where to look.
fn last(text: &Text) -> Vec<String> {
    let links = text.links.iter().filter_map(|to| link(to, MAX_ELEMENT));
    [escaped(&text.at, MAX_ELEMENT), code(&text.command, MAX_ELEMENT)]
        .into_iter()
        .chain(links)
        .collect()
}

fn context(elements: Vec<String>) -> Value {
    let elements: Vec<Value> = elements.into_iter().map(mrkdwn).collect();
    json!({ "type": "context", "elements": elements })
}

/// Markup in which nothing is found that is not marked, such as a channel in somebody's words.
fn mrkdwn(markup: String) -> Value {
    json!({ "type": "mrkdwn", "text": markup, "verbatim": true })
}
