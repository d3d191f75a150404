//! The single values of a notice, and where it leads.

use std::sync::Arc;

use headroom_policy_engine::{Operator, Timestamp};
use url::Url;

use super::{Clock, Fact, Label, Link, MAX_URL, MAX_VALUE, Words, cut, one_line};
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

/// Where to look further, as far as it can be followed.
pub(super) fn links(notice: &Notice, words: &dyn Words) -> Vec<Link> {
    let link = |label, url: &Option<Arc<str>>| {
        Some(Link {
            label: words.label(label),
            url: page(url.as_deref()?)?,
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

/// `url` as RFC 3986 has it and without a login, where it leads to a page and is not longer than links are.
pub(crate) fn page(url: &str) -> Option<String> {
    let url = Url::parse(url.trim()).ok()?;
    let is_page = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !is_page {
        return None;
    }
    let query = url.query().map(|query| format!("?{query}"));
    let fragment = url.fragment().map(|fragment| format!("#{fragment}"));
    let rest = [Some(url.path().to_owned()), query, fragment];
    let rest: String = rest.into_iter().flatten().collect();
    let encoded: String = rest.chars().map(encoded).collect();
    let page = format!("{}{encoded}", url.origin().ascii_serialization());
    (page.len() <= MAX_URL).then_some(page)
}

/// A character of a path or of what follows it, as RFC 3986 has it.
fn encoded(char: char) -> String {
    if char.is_ascii_alphanumeric() || "-._~:/?#@!$&'()*+,;=%".contains(char) {
        return char.to_string();
    }
    let mut bytes = [0; 4];
    let bytes = char.encode_utf8(&mut bytes).bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_one_as_rfc_3986_has_it_or_none() {
        assert_eq!(
            page("https://user:pass@g.example/d?var-x[]=a|b&y={z}#한").as_deref(),
            Some("https://g.example/d?var-x%5B%5D=a%7Cb&y=%7Bz%7D#%ED%95%9C")
        );
        assert_eq!(
            page("HTTPS://g.example/`<>\" x").as_deref(),
            Some("https://g.example/%60%3C%3E%22%20x")
        );
        for url in [
            "",
            "javascript:x",
            "!here",
            "ftp://x.example/",
            "https://",
            &format!("https://x.example/{}", "x".repeat(2000)),
        ] {
            assert_eq!(page(url), None, "{url}");
        }
    }
}
