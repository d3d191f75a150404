//! What goes on with one workload that people were told of, or will be if it lasts: so that what opens also closes.
//!
//! Kept in the state beside the workload's memory, and changed only where something opens or closes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headroom_notifier::{Change, Event, EventKind, Severity, Stage, Unknown};
use headroom_policy_engine::{Observation, Outcome, Replicas, Timestamp};
use serde::{Deserialize, Serialize};

use super::condition::{Condition, conditions, why};
use crate::{DecisionRecord, Pause, Routes};

/// What goes on with one workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Incidents {
    /// What goes on, in the order in which it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    open: Vec<Incident>,
    /// The policy's keys and values when it was looked at last; empty before that, and where nobody is told of changes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    policy: BTreeMap<Arc<str>, Arc<str>>,
    /// Whether the state has another text of it.
    #[serde(skip)]
    has_changed: bool,
}

/// Something that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Incident {
    /// What it is about, as [`Event::subject`] has it.
    subject: Arc<str>,
    /// Since when.
    since: Timestamp,
    /// What people were told when it opened; `None` where it has not gone on for long enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Told>,
}

/// What people were told when something opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Told {
    severity: Severity,
    event: Event,
    /// For how long it has to be gone before it counts as ended, so that what comes and goes is told of once.
    patience: Duration,
    /// Since when it has been gone; `None` while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gone_since: Option<Timestamp>,
}

/// What a pass saw of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// The decision.
    pub(crate) record: &'a DecisionRecord,
    /// The pause that is in force.
    pub(crate) pause: Option<&'a Pause>,
    /// Whether what people asked for could be read.
    pub(crate) acts_are_known: bool,
    /// What the fallback keeps; `None` while it is not in force.
    pub(crate) fallback: Option<Replicas>,
}

/// Something to tell of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct News {
    /// When it happened.
    pub(crate) at: Timestamp,
    pub(crate) severity: Severity,
    pub(crate) stage: Stage,
    pub(crate) event: Event,
}

impl Incidents {
    /// What the state has of it; what cannot be read is begun anew.
    pub(crate) fn read(text: Option<&str>) -> Self {
        let read = text.and_then(|text| serde_json::from_str(text).ok());
        read.unwrap_or_default()
    }

    /// What the state is to have of it; `None` where it has that already.
    pub(crate) fn take_change(&mut self) -> Option<String> {
        let has_changed = std::mem::take(&mut self.has_changed);
        has_changed.then(|| serde_json::to_string(self).ok()).flatten()
    }

    /// Learns from what a pass saw. `wanted` says of which kinds anybody wants to be told.
    pub(crate) fn learn(
        &mut self,
        seen: Seen<'_>,
        routes: &Routes,
        wanted: impl Fn(EventKind) -> bool,
    ) -> Vec<News> {
        let record = seen.record;
        let mut news = Vec::new();
        let now = record.at;
        if let Some(scaled) = scaled(record).filter(|_| wanted(EventKind::Scaled)) {
            news.push(News::once(now, scaled));
        }
        self.note_policy(routes, now, &mut news);
        let goes_on = || conditions(seen, &routes.thresholds).filter(|one| wanted(one.kind()));
        for condition in goes_on() {
            self.note(&condition, record, &mut news);
        }
        // Of a target that cannot be read nobody knows what has ended.
        if !self.open.is_empty() && record.decision().is_some() {
            self.close(goes_on, seen, &mut news);
        }
        news
    }

    /// Ends all that goes on, because nobody is told of the workload any more.
    pub(crate) fn end_all(&mut self, now: Timestamp) -> Vec<News> {
        let is_empty = self.open.is_empty() && self.policy.is_empty();
        self.has_changed |= !is_empty;
        self.policy.clear();
        let told = self.open.drain(..).filter_map(|incident| {
            let told = incident.told?;
            let gone_since = told.gone_since.unwrap_or(now);
            Some(told.ended(incident.since, gone_since, now))
        });
        told.collect()
    }

    /// Notes that `condition` holds, and tells of it once it has held for long enough.
    fn note(&mut self, condition: &Condition<'_>, record: &DecisionRecord, news: &mut Vec<News>) {
        let now = record.at;
        let index = match self
            .open
            .iter()
            .position(|incident| condition.is_about(&incident.subject))
        {
            Some(index) => index,
            None => {
                self.has_changed = true;
                self.open.push(Incident {
                    subject: condition.subject().into(),
                    since: now,
                    told: None,
                });
                self.open.len() - 1
            }
        };
        let incident = &mut self.open[index];
        if let Some(told) = &mut incident.told {
            self.has_changed |= told.gone_since.take().is_some();
            return;
        }
        if now.since(incident.since) < condition.patience() {
            return;
        }
        self.has_changed = true;
        let (severity, event) = (condition.severity(), condition.event(record));
        incident.told = Some(Told {
            severity,
            event: event.clone(),
            patience: condition.patience(),
            gone_since: None,
        });
        news.push(News {
            at: now,
            severity,
            stage: Stage::Opened,
            event,
        });
    }

    /// Ends what does not go on any more.
    fn close<'r, I: Iterator<Item = Condition<'r>>>(
        &mut self,
        goes_on: impl Fn() -> I,
        seen: Seen<'_>,
        news: &mut Vec<News>,
    ) {
        let now = seen.record.at;
        let mut has_changed = false;
        self.open.retain_mut(|incident| {
            if goes_on().any(|condition| condition.is_about(&incident.subject)) {
                return true;
            }
            let may_go_on = |told: &Told| seen.leaves_open(&told.event);
            if incident.told.as_ref().is_some_and(may_go_on) {
                return true;
            }
            has_changed |= incident
                .told
                .as_ref()
                .is_none_or(|told| told.gone_since.is_none());
            let Some(told) = &mut incident.told else {
                return false;
            };
            let gone_since = *told.gone_since.get_or_insert(now);
            if now.since(gone_since) < told.patience {
                return true;
            }
            has_changed = true;
            news.push(told.ended(incident.since, gone_since, now));
            false
        });
        self.has_changed |= has_changed;
    }

    /// Tells of a policy that is another than before.
    fn note_policy(&mut self, routes: &Routes, now: Timestamp, news: &mut Vec<News>) {
        let is_same = self.policy.len() == routes.effective.len()
            && routes
                .effective
                .iter()
                .all(|(key, value)| self.policy.get(key) == Some(value));
        if is_same {
            return;
        }
        self.has_changed = true;
        let is_known = !self.policy.is_empty() && !routes.effective.is_empty();
        let before = std::mem::replace(&mut self.policy, routes.effective.iter().cloned().collect());
        if is_known {
            let changes = changes(&before, &self.policy);
            news.push(News::once(now, Event::PolicyChanged { changes }));
        }
    }
}

impl Told {
    /// The end of it, which began at `since`.
    fn ended(&self, since: Timestamp, gone_since: Timestamp, now: Timestamp) -> News {
        News {
            at: now,
            severity: self.severity,
            stage: Stage::Closed {
                after: gone_since.since(since),
            },
            event: ended(self.event.clone()),
        }
    }
}

impl Seen<'_> {
    /// Whether nobody can tell from this whether `event`, of which nothing is seen, goes on.
    fn leaves_open(&self, event: &Event) -> bool {
        match event {
            Event::AtMax { .. } | Event::AtMin { .. } => self.record.is_blind(),
            Event::Threshold { metric, .. } => self.record.metrics.iter().any(|one| {
                one.name == *metric
                    && !matches!(one.observation, Observation::Fresh(_) | Observation::Partial(_))
            }),
            Event::Paused { .. } | Event::Overridden { .. } => !self.acts_are_known,
            Event::Scaled { .. }
            | Event::Fallback { .. }
            | Event::Recovered { .. }
            | Event::Held { .. }
            | Event::ResetBy { .. }
            | Event::Blind { .. }
            | Event::Error { .. }
            | Event::Resumed
            | Event::PolicyChanged { .. }
            | Event::Digest(_) => false,
        }
    }
}

/// What people are told when `event`, that went on, has ended.
fn ended(event: Event) -> Event {
    match event {
        Event::Fallback { .. } => Event::Recovered {
            from: Unknown::Fallback,
        },
        Event::Blind { .. } => Event::Recovered { from: Unknown::Blind },
        Event::Paused { .. } => Event::Resumed,
        Event::Scaled { .. }
        | Event::AtMax { .. }
        | Event::AtMin { .. }
        | Event::Recovered { .. }
        | Event::Held { .. }
        | Event::ResetBy { .. }
        | Event::Error { .. }
        | Event::Resumed
        | Event::Overridden { .. }
        | Event::PolicyChanged { .. }
        | Event::Threshold { .. }
        | Event::Digest(_) => event,
    }
}

impl News {
    /// Something that happened, and that is all.
    pub(super) const fn once(at: Timestamp, event: Event) -> Self {
        Self {
            at,
            severity: Severity::Info,
            stage: Stage::Once,
            event,
        }
    }
}

/// A change of the count that was written.
pub(super) fn scaled(record: &DecisionRecord) -> Option<Event> {
    let decision = record.decision()?;
    let is_written = record.outcome() == Some(Outcome::Written) && decision.direction().is_some();
    is_written.then(|| Event::Scaled {
        from: decision.current(),
        to: decision.desired(),
        why: why(record),
    })
}

/// What is other in `after`, by key.
fn changes(before: &BTreeMap<Arc<str>, Arc<str>>, after: &BTreeMap<Arc<str>, Arc<str>>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (key, value) in before {
        let now = after.get(key);
        if now != Some(value) {
            changes.push(Change {
                key: Arc::clone(key),
                before: Some(Arc::clone(value)),
                after: now.cloned(),
            });
        }
    }
    let is_new = |(key, _): &(&Arc<str>, &Arc<str>)| !before.contains_key(*key);
    changes.extend(after.iter().filter(is_new).map(|(key, value)| Change {
        key: Arc::clone(key),
        before: None,
        after: Some(Arc::clone(value)),
    }));
    changes
}
