//! The same about many workloads at once: a Prometheus that is down is one thing to be told of, and not one for each
//! workload that asks it.
//!
//! Channel by channel, because teams have their own: what goes on with several workloads that a channel is told of becomes
//! one notice there, and is closed when it goes on with none of them any more.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use headroom_notifier::{
    Event, Notice, Severity, Stage,
    delivery::{Addressed, ChannelName},
};
use headroom_policy_engine::{Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};

use super::router::id;

/// From so many workloads on, of which a channel would be told the same in one pass, it is told once of all.
const MANY: usize = 4;
/// For so long after it began the same about others belongs to it: an outage is noticed by each in a pass of its own.
const JOINED_FOR: Duration = Duration::from_secs(120);

/// What goes on with many workloads at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Collectives(Vec<Collective>);

/// The same about several workloads, as one channel is told of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Collective {
    channel: ChannelName,
    /// What kind of thing goes on.
    subject: Arc<str>,
    since: Timestamp,
    /// With whom it still does.
    affected: BTreeSet<WorkloadId>,
    /// What was told: about the first of them, with the number of the others.
    told: Notice,
}

impl Collectives {
    /// Puts together what `told`, of one pass, tells a channel of many workloads. Whether anything was put together, or what
    /// was put together before has changed.
    pub(super) fn fold(&mut self, told: &mut Vec<Addressed>) -> bool {
        let mut has_changed = false;
        let mut begun: Vec<Collective> = Vec::new();
        for Addressed { notice, to, .. } in told.iter_mut() {
            let Some(workload) = &notice.workload else {
                continue;
            };
            let subject = kind(&notice.event);
            match notice.stage {
                Stage::Once => {}
                Stage::Opened => to.retain(|channel| {
                    if let Some(collective) = self.joined_by(channel, &subject, notice) {
                        has_changed |= collective.affected.insert(workload.clone());
                        return false;
                    }
                    match begun.iter_mut().find(|one| one.is(channel, &subject)) {
                        Some(collective) => {
                            collective.affected.insert(workload.clone());
                        }
                        None => begun.push(Collective::of(channel, &subject, workload, notice)),
                    }
                    true
                }),
                Stage::Closed { .. } => has_changed |= self.leave(workload, &subject, notice, to),
            }
        }
        begun.retain(|collective| collective.affected.len() >= MANY);
        has_changed |= !begun.is_empty();
        self.begin(begun, told);
        self.end(told);
        // Whoever was told that something goes on is told of its end, whether or not anybody is to be told by now.
        told.retain(|one| !one.to.is_empty() || matches!(one.notice.stage, Stage::Closed { .. }));
        has_changed
    }

    /// What `notice` belongs to, because it has begun at about the same time. What is critical is told of each workload that
    /// comes later.
    fn joined_by(
        &mut self,
        channel: &ChannelName,
        subject: &str,
        notice: &Notice,
    ) -> Option<&mut Collective> {
        let is_joined = |one: &&mut Collective| {
            one.is(channel, subject)
                && one.since <= notice.at
                && notice.at.since(one.since) < JOINED_FOR
                && notice.severity < Severity::Critical
        };
        self.0.iter_mut().find(is_joined)
    }

    /// Takes `workload` out of what goes on with several; those channels are told when it has ended with all of them. Whether
    /// it was in any.
    fn leave(
        &mut self,
        workload: &WorkloadId,
        subject: &str,
        notice: &Notice,
        to: &mut Vec<ChannelName>,
    ) -> bool {
        let mut was_in = false;
        for collective in self.0.iter_mut().filter(|one| *one.subject == *subject) {
            if !collective.affected.remove(workload) {
                continue;
            }
            was_in = true;
            to.retain(|channel| *channel != collective.channel);
            if collective.affected.is_empty() {
                // What it says when it ends is what the last one says.
                collective.told.event = notice.event.clone();
                collective.told.at = notice.at;
            }
        }
        was_in
    }

    /// Tells once of each of `begun` instead of once for each workload.
    fn begin(&mut self, begun: Vec<Collective>, told: &mut Vec<Addressed>) {
        for mut collective in begun {
            for one in told.iter_mut() {
                let is_in = one.notice.stage == Stage::Opened
                    && kind(&one.notice.event) == *collective.subject
                    && one
                        .notice
                        .workload
                        .as_ref()
                        .is_some_and(|id| collective.affected.contains(id));
                if is_in {
                    one.to.retain(|channel| *channel != collective.channel);
                }
            }
            collective.told.also = u32::try_from(collective.affected.len() - 1).unwrap_or(u32::MAX);
            collective.told.id = id(&collective.told);
            told.push(Addressed::new(
                collective.told.clone(),
                vec![collective.channel.clone()],
            ));
            self.0.push(collective);
        }
    }

    /// Closes what goes on with nobody any more.
    fn end(&mut self, told: &mut Vec<Addressed>) {
        for collective in self.0.extract_if(.., |one| one.affected.is_empty()) {
            let mut notice = collective.told;
            notice.stage = Stage::Closed {
                after: notice.at.since(collective.since),
            };
            notice.id = id(&notice);
            told.push(Addressed::new(notice, vec![collective.channel]));
        }
    }
}

/// What is the same of several workloads, whoever it is about with each.
fn kind(event: &Event) -> String {
    if let Event::Held { condition } | Event::ResetBy { condition } = event {
        condition.code().to_owned()
    } else {
        event.subject()
    }
}

impl Collective {
    /// The first that a channel would be told.
    fn of(channel: &ChannelName, subject: &str, workload: &WorkloadId, notice: &Notice) -> Self {
        Self {
            channel: channel.clone(),
            subject: subject.into(),
            since: notice.at,
            affected: BTreeSet::from([workload.clone()]),
            told: notice.clone(),
        }
    }

    fn is(&self, channel: &ChannelName, subject: &str) -> bool {
        self.channel == *channel && *self.subject == *subject
    }
}
