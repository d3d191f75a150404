//! What people are told of passes: learns from each decision what is new, and who is told of it.
//!
//! Decides nothing about when and how it is told: that is the notifier's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headroom_notifier::{
    Digest, Event, EventKind, Failure, Severity, Stage,
    delivery::{Addressed, ChannelName},
};
use headroom_policy_engine::{Timestamp, WorkloadId};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    Incidents, News, NotifySettings, Routes, Seen,
    collective::Collectives,
    incidents::scaled,
    router::{About, Router},
};
use crate::{
    CronExpression, DecisionRecord, Mode, Notice, PassRecord, WorkloadSettings,
    schedule::{first_moment, latest_begun, moment_of, on_the_calendar},
    store::{RowId, StoreError, Told},
};

/// Learns from passes what people are told.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    router: Router,
    general: Routes,
    digests: Vec<Due>,
    fleet: Mutex<Fleet>,
}

/// When a channel gets a digest.
#[derive(Debug)]
struct Due {
    channel: ChannelName,
    cron: CronExpression,
    zone: TimeZone,
}

/// What goes on with the fleet, and belongs to no single workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Fleet {
    #[serde(default)]
    collectives: Collectives,
    /// Since when passes fail; `None` while they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failing: Option<Failing>,
    /// Until when each channel has had digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    digests: BTreeMap<ChannelName, Timestamp>,
    /// Whether the state has another text of it.
    #[serde(skip)]
    is_unsaved: bool,
}

/// Passes that fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Failing {
    since: Timestamp,
    error: Arc<str>,
    /// They have ended when a pass went well for each of these; with the next one that does where there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    workloads: BTreeSet<WorkloadId>,
}

/// One workload to learn from.
#[derive(Debug)]
pub(crate) struct Lesson<'a> {
    pub(crate) settings: &'a WorkloadSettings,
    /// What was decided, once it is known what became of it.
    pub(crate) seen: Option<Seen<'a>>,
    /// The row of a change that an earlier pass left open, and that turned out to be written.
    pub(crate) settled: Option<RowId>,
    pub(crate) incidents: &'a mut Incidents,
}

/// A digest that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueDigest {
    pub(crate) channel: ChannelName,
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

impl Teller {
    /// Tells whom `settings` name. `fleet` is what was known of the fleet before, as [`Self::take_unsaved`] had it;
    /// what cannot be read is begun anew.
    pub(crate) fn new(cluster: Option<&str>, settings: &NotifySettings, fleet: Option<&str>) -> Self {
        let fleet = fleet.and_then(|text| serde_json::from_str(text).ok());
        let digests = settings.channels.iter().filter_map(|channel| {
            let cron = channel.digest.clone()?;
            let (channel, zone) = (channel.name.clone(), channel.style.timezone.clone());
            Some(Due { channel, cron, zone })
        });
        Self {
            router: Router::new(cluster, settings),
            general: settings.general.clone(),
            digests: digests.collect(),
            fleet: Mutex::new(fleet.unwrap_or_default()),
        }
    }

    /// Learns from decisions of one pass, where `settled` reads the decision of a change that an earlier one left open. What
    /// nobody is told of costs nothing.
    pub(crate) fn learn<'a>(
        &self,
        lessons: impl Iterator<Item = Lesson<'a>>,
        settled: impl Fn(RowId) -> Option<DecisionRecord>,
    ) -> Vec<Addressed> {
        let mut told = Vec::new();
        for lesson in lessons {
            let Lesson {
                settings,
                seen,
                settled: row,
                incidents,
            } = lesson;
            let routes = &settings.routes;
            let about = About {
                workload: Some(&settings.id),
                routes,
            };
            let mut tell = |news: News| told.extend(self.router.address(about, news));
            if settings.mode != Mode::Apply || routes.is_nobody() {
                let ended = seen.map(|seen| incidents.end_all(seen.record.at));
                ended.into_iter().flatten().for_each(tell);
                continue;
            }
            let wanted = |kind| self.router.is_wanted(routes, kind);
            if let Some(record) = row.filter(|_| wanted(EventKind::Scaled)).and_then(&settled)
                && let Some(event) = scaled(&record)
            {
                tell(News::once(record.at, event));
            }
            if let Some(seen) = seen {
                incidents.learn(seen, routes, wanted).into_iter().for_each(tell);
            }
        }
        self.together(told)
    }

    /// Ends all that goes on with workloads that nobody looks at any more. Whoever knows of it is told.
    pub(crate) fn end(
        &self,
        left: impl IntoIterator<Item = (WorkloadId, Incidents)>,
        now: Timestamp,
    ) -> Vec<Addressed> {
        let routes = Routes::default();
        let mut told = Vec::new();
        for (id, mut incidents) in left {
            let about = About {
                workload: Some(&id),
                routes: &routes,
            };
            let ended = incidents.end_all(now).into_iter();
            told.extend(ended.filter_map(|news| self.router.address(about, news)));
        }
        self.together(told)
    }

    /// What is told of many workloads at once, told once.
    fn together(&self, mut told: Vec<Addressed>) -> Vec<Addressed> {
        if !told.is_empty() {
            let mut fleet = self.fleet();
            fleet.is_unsaved |= fleet.collectives.fold(&mut told);
        }
        told
    }

    /// Learns from a whole pass what is about no workload. `is_named` says which workloads there still are.
    pub(crate) fn learn_pass(
        &self,
        record: &PassRecord,
        is_named: impl Fn(&WorkloadId) -> bool,
    ) -> Vec<Addressed> {
        let failed: Vec<String> = record
            .notices
            .iter()
            .filter(|one| one.is_failure())
            .map(Notice::to_string)
            .collect();
        let mut told: Vec<Addressed> = if failed.is_empty() {
            self.note_success(record, is_named).into_iter().collect()
        } else {
            let failing = Failing {
                since: record.at,
                error: failed.join("; ").into(),
                workloads: BTreeSet::new(),
            };
            self.note_failure(failing).into_iter().collect()
        };
        for notice in record.notices.iter().filter(|notice| notice.is_worth_telling()) {
            let event = failure(&notice.to_string());
            told.extend(self.address(Severity::Warning, Stage::Once, event, record.at));
        }
        told
    }

    /// Learns that a pass over `workloads` could not be made, and why.
    pub(crate) fn learn_failure(
        &self,
        error: &str,
        workloads: BTreeSet<WorkloadId>,
        now: Timestamp,
    ) -> Vec<Addressed> {
        let failing = Failing {
            since: now,
            error: error.into(),
            workloads,
        };
        self.note_failure(failing).into_iter().collect()
    }

    /// Lets `record` keep `notices`, with what the state is to have of the fleet: what that is, is found out only where it is
    /// recorded, and counts as unsaved again where it is not.
    ///
    /// # Errors
    /// Those of `record`.
    pub(crate) fn keep<T>(
        &self,
        notices: &[Addressed],
        record: impl FnOnce(&Told<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let told = Told {
            notices,
            fleet_incidents: Some(&|| self.take_unsaved()),
        };
        record(&told).inspect_err(|_| self.fleet().is_unsaved = true)
    }

    /// What the state is to have of the fleet; `None` where it has that already. Counts as saved from then on.
    pub(super) fn take_unsaved(&self) -> Option<String> {
        let mut fleet = self.fleet();
        std::mem::take(&mut fleet.is_unsaved).then(|| fleet.text())
    }

    /// Whether the state is to have another text of the fleet.
    pub(crate) fn is_unsaved(&self) -> bool {
        self.fleet().is_unsaved
    }

    /// Whether some channel gets digests.
    pub(crate) fn has_digests(&self) -> bool {
        !self.digests.is_empty()
    }

    /// Learns until when channels have had digests from what is known of the fleet: another process may have made them.
    pub(crate) fn learn_digests(&self, fleet: &str) {
        let Ok(Fleet { digests, .. }) = serde_json::from_str(fleet) else {
            return;
        };
        let mut fleet = self.fleet();
        for (channel, until) in digests {
            let known = fleet.digests.entry(channel).or_insert(until);
            *known = until.max(*known);
        }
    }

    /// The digests that are due at `now`. A channel that has never had one begins now.
    pub(crate) fn digests_due(&self, now: Timestamp) -> Vec<DueDigest> {
        let mut fleet = self.fleet();
        let before = fleet.digests.len();
        let due = self.digests.iter().filter_map(|Due { channel, cron, zone }| {
            let since = *fleet.digests.entry(channel.clone()).or_insert(now);
            let until = latest(cron, zone, now).filter(|until| *until > since)?;
            let channel = channel.clone();
            Some(DueDigest {
                channel,
                since,
                until,
            })
        });
        let due = due.collect();
        let has_begun = fleet.digests.len() != before;
        fleet.is_unsaved |= has_begun;
        due
    }

    /// Takes note that there is nothing more to make of `due`.
    pub(crate) fn note_digest(&self, due: &DueDigest) {
        let mut fleet = self.fleet();
        fleet.digests.insert(due.channel.clone(), due.until);
        fleet.is_unsaved = true;
    }

    /// Who is told of `digest`, which is for one channel.
    pub(crate) fn address_digest(&self, channel: &ChannelName, digest: Digest, now: Timestamp) -> Addressed {
        let routes = Routes {
            channels: vec![channel.clone()],
            ..Routes::default()
        };
        let about = About {
            workload: None,
            routes: &routes,
        };
        let news = News {
            at: now,
            severity: Severity::Info,
            stage: Stage::Once,
            event: Event::Digest(digest),
        };
        self.router.address_to(about, news, vec![channel.clone()])
    }

    fn note_failure(&self, failing: Failing) -> Option<Addressed> {
        let mut fleet = self.fleet();
        if let Some(known) = &mut fleet.failing {
            let before = known.workloads.len();
            known.workloads.extend(failing.workloads);
            let has_changed = known.workloads.len() != before;
            fleet.is_unsaved |= has_changed;
            return None;
        }
        let (event, since) = (failure(&failing.error), failing.since);
        fleet.failing = Some(failing);
        fleet.is_unsaved = true;
        self.address(Severity::Critical, Stage::Opened, event, since)
    }

    /// Ends what failed, once a pass went well for all that it failed for, as far as there still is such a workload.
    fn note_success(&self, record: &PassRecord, is_named: impl Fn(&WorkloadId) -> bool) -> Option<Addressed> {
        let mut fleet = self.fleet();
        let failing = fleet.failing.as_mut()?;
        let before = failing.workloads.len();
        for decision in &record.decisions {
            failing.workloads.remove(&decision.workload);
        }
        failing.workloads.retain(is_named);
        let (is_over, has_changed) = (failing.workloads.is_empty(), failing.workloads.len() != before);
        fleet.is_unsaved |= has_changed;
        if !is_over {
            return None;
        }
        let failing = fleet.failing.take()?;
        fleet.is_unsaved = true;
        let after = record.at.since(failing.since);
        self.address(
            Severity::Critical,
            Stage::Closed { after },
            failure(&failing.error),
            record.at,
        )
    }

    fn address(&self, severity: Severity, stage: Stage, event: Event, at: Timestamp) -> Option<Addressed> {
        let about = About {
            workload: None,
            routes: &self.general,
        };
        let news = News {
            at,
            severity,
            stage,
            event,
        };
        self.router.address(about, news)
    }

    fn fleet(&self) -> MutexGuard<'_, Fleet> {
        // What is lost by a panic halfway is told once more at worst.
        self.fleet.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fleet {
    fn text(&self) -> String {
        // A fleet has nothing in it that JSON cannot hold.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Routes {
    /// Whether nobody is told.
    pub(crate) const fn is_nobody(&self) -> bool {
        self.channels.is_empty() && self.critical.is_empty()
    }

    /// Whether `channel` is told of anything.
    pub(crate) fn tells(&self, channel: &ChannelName) -> bool {
        self.channels.contains(channel) || self.critical.contains(channel)
    }
}

fn failure(error: &str) -> Event {
    Event::Error {
        failure: Failure::Pass { error: error.into() },
    }
}

/// The last time that `cron` names on the clocks of `zone`, at `now` or before it.
fn latest(cron: &CronExpression, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let latest = latest_begun(zone, on_the_calendar(now)?)?;
    Some(moment_of(first_moment(zone, cron.latest(latest)?)?))
}
