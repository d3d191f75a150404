//! Why something happened, and what there is one line each of: which parts there are, of which the languages say each.

use super::{Clock, Words};
use crate::{Event, Failure, Notice};

/// Why, of what goes on or happened once; `None` where the title says all there is.
pub(super) fn reason(notice: &Notice, words: &dyn Words) -> Option<String> {
    let together = |said: Vec<String>| (!said.is_empty()).then(|| words.together(&said));
    match &notice.event {
        Event::Scaled { why, .. }
        | Event::AtMax { why, .. }
        | Event::AtMin { why, .. }
        | Event::Fallback { why, .. } => together(why.iter().map(|step| words.step(step)).collect()),
        Event::Held { condition } | Event::ResetBy { condition } => words.condition(condition),
        Event::Blind { metrics } => together(metrics.iter().map(|metric| words.unknown(metric)).collect()),
        Event::Error { failure } => Some(error_of(failure).to_owned()),
        Event::Threshold {
            metric,
            value,
            above,
            is_ratio,
            lasting,
        } => {
            let [value, above] = [value, above].map(|value| words.measured(*value, *is_ratio));
            Some(words.above(metric, &value, &above, &words.span(*lasting)))
        }
        Event::Recovered { .. }
        | Event::Paused { .. }
        | Event::Resumed
        | Event::Overridden { .. }
        | Event::PolicyChanged { .. }
        | Event::Digest(_) => None,
    }
}

/// What there is one line each of.
pub(super) fn list(notice: &Notice, clock: &Clock<'_>) -> Vec<String> {
    let words = clock.words;
    match &notice.event {
        Event::PolicyChanged { changes } => changes.iter().map(|change| words.changed(change)).collect(),
        Event::Digest(digest) => {
            let each = digest.workloads.iter();
            each.map(|of| words.of_workload(of, clock)).collect()
        }
        Event::Scaled { .. }
        | Event::AtMax { .. }
        | Event::AtMin { .. }
        | Event::Fallback { .. }
        | Event::Recovered { .. }
        | Event::Held { .. }
        | Event::ResetBy { .. }
        | Event::Blind { .. }
        | Event::Error { .. }
        | Event::Paused { .. }
        | Event::Resumed
        | Event::Overridden { .. }
        | Event::Threshold { .. } => Vec::new(),
    }
}

/// Why it could not be done, in the words of what refused or failed.
fn error_of(failure: &Failure) -> &str {
    match failure {
        Failure::Unreadable { error }
        | Failure::NotWritten { error, .. }
        | Failure::NotConfirmed { error, .. }
        | Failure::Pass { error }
        | Failure::Channel { error, .. } => error,
    }
}
