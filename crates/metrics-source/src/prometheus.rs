//! Prometheus, and what speaks its HTTP API: Mimir, Thanos, VictoriaMetrics.
//!
//! All queries of a pass are asked together, each text once, up to a limit at a time. Every query is evaluated at the
//! server's own present, so that its clock and ours need not agree; `answered_at` is what it says that was.
//!
//! Age and coverage are asked beside the values and shared between them. A value is as old as the oldest of its
//! selectors' newest samples, and has as much of its window as the selector with the least. What cannot be asked, or was
//! not answered, never costs the value: it is unknown, and a remark says so. See [`PrometheusSource::observe`].

mod connection;
mod envelope;
mod intervals;
mod options;
mod pass;
mod past;
mod ranges;
mod selectors;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::future::join_all;
use headroom_policy_engine::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use self::{
    connection::Connection,
    intervals::{IntervalCache, Intervals},
    pass::{Outcome, Pass},
    past::Ranges,
    selectors::Plan,
};
pub use self::{
    options::{ClientCertificate, Hidden, PrometheusCredentials, PrometheusOptions, PrometheusSetupError},
    ranges::{RangeRemark, ShortRange},
};
use crate::{Answer, MetricQuery, MetricsSource, Moments, ObserveError, Past};

/// The most queries whose selectors are remembered from pass to pass.
const MOST_PLANS: usize = 16_384;

/// One Prometheus.
pub struct PrometheusSource {
    connection: Connection,
    intervals: IntervalCache,
    plans: Mutex<HashMap<Arc<str>, Arc<Plan>>>,
}

/// What a server says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its version, where it tells one.
    pub version: Option<String>,
    /// Its time, by its answer to a query.
    pub time: Timestamp,
}

impl PrometheusSource {
    /// The server that `options` name. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When the options cannot be used, such as a URL without a host or a certificate that is not PEM.
    pub fn new(options: &PrometheusOptions) -> Result<Self, PrometheusSetupError> {
        Ok(Self {
            connection: Connection::new(options)?,
            intervals: IntervalCache::new(options.scrape_interval),
            plans: Mutex::default(),
        })
    }

    /// Asks whether it answers queries, and what it is.
    ///
    /// # Errors
    ///
    /// Those of a query: it cannot be reached, is slow, refuses us, or is no Prometheus.
    pub async fn probe(&self) -> Result<ServerInfo, ObserveError> {
        let deadline = self.connection.deadline();
        let point = self
            .connection
            .instant("vector(1)", deadline)
            .await?
            .one_number()?;
        Ok(ServerInfo {
            version: self.version(deadline).await,
            time: point.at,
        })
    }

    /// What a person should look at in the ranges of `query`: those into which too few scrapes fit, by how often the jobs
    /// of their series are scraped, and those of which that cannot be known. What reads no range asks nothing.
    pub async fn range_remarks(&self, query: &Arc<str>) -> Vec<RangeRemark> {
        let plan = self.plan_of(query);
        let parts = plan.parts.iter();
        let parts: Vec<_> = parts
            .filter_map(|part| Some((part, ranges::scraped(part)?)))
            .collect();
        if parts.is_empty() {
            return Vec::new();
        }
        let deadline = self.connection.deadline();
        let newest = parts
            .iter()
            .map(|(part, _)| self.connection.instant(&part.age, deadline));
        let (intervals, newest) =
            futures::join!(self.intervals.get(&self.connection, deadline), join_all(newest));
        let each = parts.into_iter().zip(&newest);
        let each =
            each.map(|((part, range), newest)| ranges::remarks(&part.selector, range, newest, &intervals));
        each.flatten().collect()
    }

    /// Its version; nothing where it does not tell, as not all do.
    async fn version(&self, deadline: Instant) -> Option<String> {
        #[derive(Deserialize)]
        struct Answer {
            data: BuildInfo,
        }
        #[derive(Deserialize)]
        struct BuildInfo {
            version: String,
        }
        let body = self
            .connection
            .get("api/v1/status/buildinfo", deadline)
            .await
            .ok()?;
        let answer: Answer = envelope::parse(&body).ok()?;
        // One that was built without its name says an empty one.
        let version = envelope::shortened(&answer.data.version, 60);
        (!version.is_empty()).then_some(version)
    }

    /// What is asked beside a query. Reading PromQL takes longer than looking it up.
    fn plan_of(&self, query: &Arc<str>) -> Arc<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(query) {
            return Arc::clone(plan);
        }
        if plans.len() >= MOST_PLANS {
            plans.clear();
        }
        let plan = Arc::new(Plan::of(query));
        plans.insert(Arc::clone(query), Arc::clone(&plan));
        plan
    }

    async fn ask_all(&self, questions: &[Arc<str>], deadline: Instant) -> Vec<Outcome> {
        let ask = |text: &Arc<str>| {
            let text = Arc::clone(text);
            async move { self.connection.instant(&text, deadline).await.map_err(Arc::new) }
        };
        join_all(questions.iter().map(ask)).await
    }

    async fn ask_ranges(&self, questions: &[Arc<str>], moments: &Moments, deadline: Instant) -> Ranges {
        let ask = async |text: &Arc<str>| {
            let answer = self.connection.range(text, moments, deadline).await;
            answer.map_err(Arc::new)
        };
        Ranges::new(join_all(questions.iter().map(ask)).await)
    }

    async fn intervals(&self, pass: &Pass, deadline: Instant) -> Intervals {
        if pass.needs_intervals() {
            self.intervals.get(&self.connection, deadline).await
        } else {
            Intervals::Unknown(Arc::from("nothing needed it"))
        }
    }
}

#[async_trait]
impl MetricsSource for PrometheusSource {
    /// As [`MetricsSource::observe`] says, within the timeout of the options; `now` is not sent.
    ///
    /// - *Age.* For each selector S also `max by (job) (timestamp(S))`: the newest sample of the selector whose newest is
    ///   the oldest. An `offset` counts from the moment it looks at. Of a recorded series it is the rule's evaluation.
    ///   With `@ TIME`, a subquery in a subquery, or PromQL that this version cannot read, it is unknown.
    /// - *Window.* For each range S\[w\] also `max by (job) (count_over_time(S[w]))`, against w over the scrape interval of
    ///   that job.
    /// - *Replicas.* The `coverage` query. Where it finds nothing or fails, none is known to have taken part, so the
    ///   value may raise and never lower.
    /// - *Remarks* are the server's `warnings` and `infos`, and everything above that is unknown.
    async fn observe(&self, queries: &[MetricQuery], _now: Timestamp) -> Vec<Answer> {
        let deadline = self.connection.deadline();
        let mut pass = Pass::new(queries, |query| self.plan_of(query));
        let (mut outcomes, intervals) = futures::join!(
            self.ask_all(pass.questions_from(0), deadline),
            self.intervals(&pass, deadline)
        );
        pass.ask_late_ages(&outcomes, &intervals);
        let late = self.ask_all(pass.questions_from(outcomes.len()), deadline).await;
        outcomes.extend(late);
        pass.answers(&outcomes, &intervals)
    }

    /// As [`MetricsSource::observe_past`] says, within the timeout of the options: the same questions as in a pass, each a
    /// range query over the moments, which are of the server's clock. Scrape intervals are taken as they are now.
    async fn observe_past(&self, queries: &[MetricQuery], moments: &Moments) -> Vec<Past> {
        let deadline = self.connection.deadline();
        let mut pass = Pass::new(queries, |query| self.plan_of(query));
        let (mut ranges, intervals) = futures::join!(
            self.ask_ranges(pass.questions_from(0), moments, deadline),
            self.intervals(&pass, deadline)
        );
        for outcomes in ranges.each(moments) {
            pass.ask_late_ages(&outcomes, &intervals);
        }
        let late = pass.questions_from(ranges.len());
        ranges.extend(self.ask_ranges(late, moments, deadline).await);
        pass.past_answers(&ranges, moments, &intervals)
    }
}

impl fmt::Debug for PrometheusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusSource")
            .field("url", &self.connection.url().as_str())
            .finish_non_exhaustive()
    }
}
