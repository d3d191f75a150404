//! Who is told of what: from news about a workload to notices, each with the channels that it goes to.

use std::{fmt::Write as _, sync::Arc};

use headroom_notifier::{
    EventKind, Links, Notice, NoticeId, Severity, Stage,
    delivery::{Addressed, ChannelName, ChannelRules},
};
use headroom_policy_engine::{Timestamp, WorkloadId};
use sha2::{Digest as _, Sha256};

use super::{News, NotifySettings, Routes};

/// So much of the past the link to a dashboard shows before what happened began, in milliseconds.
const BEFORE: i64 = 60 * 60 * 1000;
/// And so much after it, in milliseconds.
const AFTER: i64 = 10 * 60 * 1000;

/// Who can be told, and of what.
#[derive(Debug, Default)]
pub(super) struct Router {
    cluster: Option<Arc<str>>,
    channels: Vec<(ChannelName, ChannelRules)>,
}

/// What news are about.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// Which workload; `None` for headroom itself.
    pub(super) workload: Option<&'a WorkloadId>,
    /// Who is told of it.
    pub(super) routes: &'a Routes,
}

impl Router {
    pub(super) fn new(cluster: Option<&str>, settings: &NotifySettings) -> Self {
        let channels = settings.channels.iter();
        Self {
            cluster: cluster.map(Arc::from),
            channels: channels
                .map(|channel| (channel.name.clone(), channel.rules.clone()))
                .collect(),
        }
    }

    /// Whether anybody whom `routes` names may be told of such events.
    pub(super) fn is_wanted(&self, routes: &Routes, kind: EventKind) -> bool {
        let may_be_critical = matches!(kind, EventKind::Error | EventKind::ResetBy);
        let takes = |rules: &ChannelRules| rules.on.as_ref().is_none_or(|on| on.contains(&kind));
        (may_be_critical && !routes.critical.is_empty())
            || self.named(&routes.channels).any(|(_, rules)| takes(rules))
    }

    /// The notice of `news`, with who is told; `None` where nobody is. Of an end those are told too who know that it goes on,
    /// so it may have none of its own.
    pub(super) fn address(&self, about: About<'_>, news: News) -> Option<Addressed> {
        let is_critical = news.severity == Severity::Critical;
        let notice = self.notice(about, news);
        let told = self
            .named(&about.routes.channels)
            .filter(|(_, rules)| rules.takes(&notice));
        let mut to: Vec<ChannelName> = told.map(|(name, _)| name.clone()).collect();
        if is_critical {
            for (name, _) in self.named(&about.routes.critical) {
                if !to.contains(name) {
                    to.push(name.clone());
                }
            }
        }
        let closes = matches!(notice.stage, Stage::Closed { .. });
        (closes || !to.is_empty()).then(|| Addressed::new(notice, to))
    }

    /// The notice of `news` for these channels, whatever they are told of otherwise.
    pub(super) fn address_to(&self, about: About<'_>, news: News, to: Vec<ChannelName>) -> Addressed {
        Addressed::new(self.notice(about, news), to)
    }

    fn named<'a>(
        &'a self,
        names: &'a [ChannelName],
    ) -> impl Iterator<Item = &'a (ChannelName, ChannelRules)> {
        self.channels.iter().filter(|(name, _)| names.contains(name))
    }

    fn notice(&self, about: About<'_>, news: News) -> Notice {
        let mut notice = Notice {
            id: NoticeId("".into()),
            at: news.at,
            cluster: self.cluster.clone(),
            workload: about.workload.cloned(),
            also: 0,
            severity: news.severity,
            stage: news.stage,
            event: news.event,
            links: Links::default(),
            is_test: false,
        };
        let dashboard = about.routes.dashboard.as_deref();
        notice.links = Links {
            runbook: about.routes.runbook.clone(),
            dashboard: dashboard.map(|url| self::dashboard(url, notice.since(), notice.at)),
        };
        notice.id = id(&notice);
        notice
    }
}

/// The same whenever the same is told of.
pub(super) fn id(notice: &Notice) -> NoticeId {
    let incident = notice.incident();
    let text = format!("{incident}\n{:?}\n{}", notice.stage, notice.at.unix_millis());
    let mut id = String::with_capacity(32);
    for byte in &Sha256::digest(text)[..16] {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    NoticeId(id.into())
}

/// The dashboard `url` with the time around what happened.
fn dashboard(url: &str, since: Timestamp, at: Timestamp) -> Arc<str> {
    let from = since.unix_millis().saturating_sub(BEFORE);
    let to = at.unix_millis().saturating_add(AFTER);
    url.replace("{from}", &from.to_string())
        .replace("{to}", &to.to_string())
        .into()
}
