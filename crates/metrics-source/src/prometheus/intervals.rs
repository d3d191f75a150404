//! How often each job is scraped, as the server's list of targets says, or the settings.
//!
//! The list can be long and changes seldom, so it is kept for some minutes. An old one outlives a failure to get a
//! newer one; where there was never one, the interval is unknown and the record says why.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Deserialize;
use tokio::{sync::Mutex, time::Instant};

use super::{connection::Connection, envelope};
use crate::ObserveError;

/// How long a list of targets is kept.
const KEEP: Duration = Duration::from_secs(5 * 60);
/// How long a failure to get one is remembered, before it is tried again.
const RETRY: Duration = Duration::from_secs(60);

/// How often jobs are scraped.
#[derive(Clone, Debug)]
pub(super) enum Intervals {
    /// All of them, by the settings.
    Setting(Duration),
    /// Job by job, by the server's targets.
    Asked(Arc<HashMap<String, Duration>>),
    /// Not known, and why.
    Unknown(Arc<str>),
}

impl Intervals {
    /// How often the targets of `job` are scraped: the longest, should they differ.
    pub(super) fn of(&self, job: &str) -> Option<Duration> {
        match self {
            Self::Setting(interval) => Some(*interval),
            Self::Asked(by_job) => by_job.get(job).copied(),
            Self::Unknown(_) => None,
        }
    }

    /// Why the interval of a job is not known.
    pub(super) fn why_unknown(&self, job: &str) -> String {
        match self {
            Self::Unknown(reason) => reason.to_string(),
            Self::Setting(_) | Self::Asked(_) if job.is_empty() => "the series name no job".to_owned(),
            Self::Setting(_) | Self::Asked(_) => format!("no target is scraped as job {job}"),
        }
    }
}

/// The intervals of one server, asked when they are needed.
#[derive(Debug)]
pub(super) struct IntervalCache {
    setting: Option<Duration>,
    kept: Mutex<Option<Kept>>,
}

#[derive(Clone, Debug)]
struct Kept {
    intervals: Intervals,
    until: Instant,
}

impl IntervalCache {
    pub(super) const fn new(setting: Option<Duration>) -> Self {
        Self {
            setting,
            kept: Mutex::const_new(None),
        }
    }

    /// The intervals, from the settings, from the last list, or from a new one.
    pub(super) async fn get(&self, connection: &Connection, deadline: Instant) -> Intervals {
        if let Some(interval) = self.setting {
            return Intervals::Setting(interval);
        }
        // Held while it is asked: whoever needs it meanwhile waits for the one answer.
        let mut kept = self.kept.lock().await;
        if let Some(Kept { intervals, until }) = &*kept
            && Instant::now() < *until
        {
            return intervals.clone();
        }
        let (intervals, keep) = match ask(connection, deadline).await {
            Ok(by_job) => (Intervals::Asked(Arc::new(by_job)), KEEP),
            Err(error) => match kept.take() {
                Some(Kept { intervals, .. }) if matches!(intervals, Intervals::Asked(_)) => {
                    (intervals, RETRY)
                }
                Some(_) | None => {
                    let reason = format!("the list of targets could not be asked: {error}");
                    (Intervals::Unknown(Arc::from(reason)), RETRY)
                }
            },
        };
        *kept = Some(Kept {
            intervals: intervals.clone(),
            until: Instant::now() + keep,
        });
        drop(kept);
        intervals
    }
}

async fn ask(connection: &Connection, deadline: Instant) -> Result<HashMap<String, Duration>, ObserveError> {
    let body = connection.get("api/v1/targets?state=active", deadline).await?;
    let answer: TargetsAnswer = envelope::parse(&body)?;
    let mut by_job: HashMap<String, Duration> = HashMap::new();
    for target in answer.data.active_targets {
        let interval = promql_parser::util::parse_duration(&target.scrape_interval).ok();
        if let Some(interval) = interval.filter(|interval| !interval.is_zero()) {
            let longest = by_job.entry(target.labels.job).or_default();
            *longest = interval.max(*longest);
        }
    }
    Ok(by_job)
}

#[derive(Deserialize)]
struct TargetsAnswer {
    data: Targets,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Targets {
    active_targets: Vec<Target>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    scrape_interval: String,
}

#[derive(Default, Deserialize)]
struct Labels {
    #[serde(default)]
    job: String,
}
