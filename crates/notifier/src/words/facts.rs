//! The single values of a notice, and where it leads.

use std::sync::Arc;

use headroom_policy_engine::{Operator, Timestamp};

use super::{Clock, Fact, Label, Link, MAX_URL, MAX_VALUE, Words, cut, one_line, utf16_len};
use crate::{Event, Notice, Stage};

/// The single values.
pub(super) fn facts(notice: &Notice, clock: &Clock<'_>) -> Vec<Fact> {
    let words = clock.words;
    let mut facts = Vec::new();
    let mut add = |label: Label, value: String| {
        facts.push(Fact {
            label: words.label(label),
            value: cut(&one_line(&value), MAX_VALUE),
        });
    };
    match &notice.event {
        Event::Scaled { from, to, .. } => add(Label::Replicas, format!("{from} → {to}")),
        Event::AtMax {
            max: limit, wanted, ..
        } => {
            add(Label::Maximum, limit.to_string());
            add(Label::Needed, wanted.to_string());
        }
        Event::AtMin {
            min: limit, wanted, ..
        } => {
            add(Label::Minimum, limit.to_string());
            add(Label::Needed, wanted.to_string());
        }
        Event::Fallback { replicas, .. } => add(Label::Replicas, replicas.to_string()),
        Event::Paused { operator, until } => of_operator(operator, *until, notice, clock, &mut add),
        Event::Overridden {
            operator,
            min,
            max,
            until,
            holds_scale_down: _,
        } => {
            for (label, bound) in [(Label::Minimum, min), (Label::Maximum, max)] {
                if let Some(bound) = bound {
                    add(label, bound.to_string());
                }
            }
            of_operator(operator, *until, notice, clock, &mut add);
        }
        Event::Threshold {
            value,
            above,
            is_ratio,
            lasting,
            metric: _,
        } => {
            add(Label::Measured, words.measured(*value, *is_ratio));
            add(Label::Threshold, words.measured(*above, *is_ratio));
            add(Label::Lasted, words.span(*lasting));
        }
        Event::Recovered { .. }
        | Event::Held { .. }
        | Event::ResetBy { .. }
        | Event::Blind { .. }
        | Event::Error { .. }
        | Event::Resumed
        | Event::PolicyChanged { .. }
        | Event::Digest(_) => {}
    }
    if let Stage::Closed { .. } = notice.stage {
        add(Label::Since, clock.short(notice.since()));
    }
    facts
}

fn of_operator(
    operator: &Operator,
    until: Option<Timestamp>,
    notice: &Notice,
    clock: &Clock<'_>,
    add: &mut impl FnMut(Label, String),
) {
    if let Some(by) = &operator.by {
        add(Label::By, by.to_string());
    }
    if let Some(reason) = &operator.reason {
        add(Label::TheirReason, reason.to_string());
    }
    let goes_on = !matches!(notice.stage, Stage::Closed { .. });
    if let Some(until) = until.filter(|_| goes_on) {
        add(Label::Until, clock.short(until));
    }
}

/// Where to look further.
pub(super) fn links(notice: &Notice, words: &dyn Words) -> Vec<Link> {
    let link = |label, url: &Option<Arc<str>>| {
        let url = url.as_deref()?;
        let is_whole = utf16_len(url) <= MAX_URL && one_line(url) == url;
        is_whole.then(|| Link {
            label: words.label(label),
            url: url.to_owned(),
        })
    };
    [
        link(Label::Runbook, &notice.links.runbook),
        link(Label::Dashboard, &notice.links.dashboard),
    ]
    .into_iter()
    .flatten()
    .collect()
}
