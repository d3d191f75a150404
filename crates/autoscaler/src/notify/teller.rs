//! What people are told of passes: learns from each decision what is new, and who is told of it.
//!
//! Decides nothing about when and how it is told: that is the notifier's.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headroom_notifier::{
    Digest, Event, EventKind, Failure, Severity, Stage,
    delivery::{Addressed, ChannelName},
};
use headroom_policy_engine::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    Incidents, News, NotifySettings, Routes,
    collective::Collectives,
    incidents::scaled,
    router::{About, Router},
};
use crate::{
    CronExpression, DecisionRecord, Mode, Notice, PassRecord, Pause, WorkloadSettings,
    schedule::{first_moment, latest_begun, moment_of, on_the_calendar},
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
}

/// Passes that fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Failing {
    since: Timestamp,
    error: Arc<str>,
}

/// What came of learning: to be kept in one transaction with what it was learned from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tellings {
    pub(crate) told: Vec<Addressed>,
    /// What goes on with the fleet, where that has changed.
    pub(crate) fleet: Option<String>,
}

/// One workload to learn from.
#[derive(Debug)]
pub(crate) struct Lesson<'a> {
    pub(crate) settings: &'a WorkloadSettings,
    pub(crate) record: &'a DecisionRecord,
    /// The decision of a change that an earlier pass left open, and that turned out to be written.
    pub(crate) settled: Option<DecisionRecord>,
    pub(crate) pause: Option<&'a Pause>,
    pub(crate) incidents: &'a mut Incidents,
}

/// A digest that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DueDigest {
    pub(crate) channel: ChannelName,
    pub(crate) since: Timestamp,
}

impl Teller {
    /// Tells whom `settings` name. `fleet` is what was known of the fleet before, as [`Tellings::fleet`] had it; what cannot
    /// be read is begun anew.
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

    /// Learns from decisions of one pass. What nobody is told of costs nothing.
    pub(crate) fn learn<'a>(&self, lessons: impl Iterator<Item = Lesson<'a>>) -> Tellings {
        let mut told = Vec::new();
        for lesson in lessons {
            let Lesson {
                settings,
                record,
                settled,
                pause,
                incidents,
            } = lesson;
            let routes = &settings.routes;
            if settings.mode != Mode::Apply || routes.is_nobody() {
                continue;
            }
            let wanted = |kind| self.router.is_wanted(routes, kind);
            let about = About {
                workload: Some(&settings.id),
                routes,
            };
            let settled = settled
                .as_ref()
                .filter(|_| wanted(EventKind::Scaled))
                .and_then(scaled);
            let news = settled.map(|event| News::once(record.at, event)).into_iter();
            let news = news.chain(incidents.learn(record, pause, routes, wanted));
            told.extend(
                news.into_iter()
                    .filter_map(|news| self.router.address(about, news)),
            );
        }
        if told.is_empty() {
            return Tellings::default();
        }
        let mut fleet = self.fleet();
        let has_changed = fleet.collectives.fold(&mut told);
        Tellings {
            told,
            fleet: has_changed.then(|| fleet.text()),
        }
    }

    /// Learns from a whole pass what is about no workload.
    pub(crate) fn learn_pass(&self, record: &PassRecord) -> Tellings {
        let mut tellings = Tellings::default();
        let failed: Vec<String> = record
            .notices
            .iter()
            .filter(|one| one.is_failure())
            .map(Notice::to_string)
            .collect();
        let error = (!failed.is_empty()).then(|| failed.join("; "));
        self.note_failing(error, record.at, &mut tellings);
        for notice in record.notices.iter().filter(|notice| notice.is_worth_telling()) {
            let event = failure(&notice.to_string());
            self.tell(Severity::Warning, Stage::Once, event, record.at, &mut tellings);
        }
        tellings
    }

    /// Learns that a pass could not be made, and why.
    pub(crate) fn learn_failure(&self, error: &str, now: Timestamp) -> Tellings {
        let mut tellings = Tellings::default();
        self.note_failing(Some(error.to_owned()), now, &mut tellings);
        tellings
    }

    /// The digests that are due at `now`. A channel that has never had one begins now.
    pub(crate) fn digests_due(&self, now: Timestamp) -> (Vec<DueDigest>, Tellings) {
        let mut tellings = Tellings::default();
        let mut due = Vec::new();
        if self.digests.is_empty() {
            return (due, tellings);
        }
        let mut fleet = self.fleet();
        let before = fleet.digests.clone();
        for Due { channel, cron, zone } in &self.digests {
            let since = *fleet.digests.entry(channel.clone()).or_insert(now);
            if latest(cron, zone, now).is_some_and(|latest| latest > since) {
                fleet.digests.insert(channel.clone(), now);
                due.push(DueDigest {
                    channel: channel.clone(),
                    since,
                });
            }
        }
        if fleet.digests != before {
            tellings.fleet = Some(fleet.text());
        }
        (due, tellings)
    }

    /// Who is told of `digest`, which is for one channel.
    pub(crate) fn tell_digest(&self, channel: &ChannelName, digest: Digest, now: Timestamp) -> Addressed {
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

    fn note_failing(&self, error: Option<String>, now: Timestamp, tellings: &mut Tellings) {
        let mut fleet = self.fleet();
        match (&fleet.failing, error) {
            (None, None) | (Some(_), Some(_)) => return,
            (None, Some(error)) => {
                let event = failure(&error);
                fleet.failing = Some(Failing {
                    since: now,
                    error: error.into(),
                });
                self.tell(Severity::Critical, Stage::Opened, event, now, tellings);
            }
            (Some(failing), None) => {
                let (event, after) = (failure(&failing.error), now.since(failing.since));
                fleet.failing = None;
                self.tell(Severity::Critical, Stage::Closed { after }, event, now, tellings);
            }
        }
        tellings.fleet = Some(fleet.text());
    }

    fn tell(&self, severity: Severity, stage: Stage, event: Event, at: Timestamp, tellings: &mut Tellings) {
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
        tellings.told.extend(self.router.address(about, news));
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
