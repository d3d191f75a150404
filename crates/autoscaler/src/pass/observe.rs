//! Asking the sources: everything a pass needs together, each thing once over all its workloads.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::Hash,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use headroom_actuator::{ReplicaEndpoint, ScaleTarget};
use headroom_metrics_source::{
    Answer, MetricQuery, MetricsSource, Moments, ObserveError, Past, RecordedQuery, ScrapeQuery, UsageQuery,
    WithDeadline,
};
use headroom_policy_engine::{Timestamp, hpa::MetricKind};

use super::endpoints::endpoints;
use crate::{MetricOrigin, WorkloadSettings, settings::containers};

/// Which source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceId {
    /// The Prometheus with this name in the configuration.
    Prometheus(String),
    /// The replicas' own metrics.
    Scrape,
    /// What pods in Kubernetes use.
    Kubernetes,
    /// The recording in this file.
    Recorded(PathBuf),
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prometheus(name) => write!(f, "prometheus.{name}"),
            Self::Scrape => f.write_str("the replicas' own metrics"),
            Self::Kubernetes => f.write_str("metrics.k8s.io"),
            Self::Recorded(file) => write!(f, "{}", file.display()),
        }
    }
}

/// The sources that workloads are read from.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<SourceId, Arc<dyn MetricsSource>>);

impl Sources {
    /// No sources.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `source`. What it has not answered within `deadline` is missing.
    pub fn insert(&mut self, id: SourceId, source: Arc<dyn MetricsSource>, deadline: Duration) {
        self.0.insert(id, Arc::new(WithDeadline::new(source, deadline)));
    }
}

/// Where the answer to one metric of a workload will be found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Asked {
        source: usize,
        query: usize,
    },
    /// There is nobody to ask.
    NotAsked,
}

/// The questions of one pass, each once, by what they are asked of: a source, or a source about its past.
#[derive(Debug)]
pub(super) struct Questions<K = SourceId> {
    sources: Vec<(K, Vec<MetricQuery>)>,
    by_source: HashMap<K, usize>,
    by_query: HashMap<(usize, MetricQuery), usize>,
}

impl<K> Default for Questions<K> {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            by_source: HashMap::new(),
            by_query: HashMap::new(),
        }
    }
}

/// The answers to the questions of one pass.
#[derive(Debug)]
pub(super) struct Answers(Vec<(SourceId, Vec<Answer>)>);

impl<K: Clone + Eq + Hash> Questions<K> {
    /// Adds `query`, asked of `whom`.
    pub(super) fn place(&mut self, whom: K, query: MetricQuery) -> Place {
        let source = match self.by_source.get(&whom) {
            Some(&source) => source,
            None => {
                self.sources.push((whom.clone(), Vec::new()));
                self.by_source.insert(whom, self.sources.len() - 1);
                self.sources.len() - 1
            }
        };
        let queries = &mut self.sources[source].1;
        let query = *self
            .by_query
            .entry((source, query))
            .or_insert_with_key(|(_, query)| {
                queries.push(query.clone());
                queries.len() - 1
            });
        Place::Asked { source, query }
    }
}

impl Questions {
    /// Adds what is asked for the metric at `index` of `workload`, with the replicas that its target told of.
    pub(super) fn add_metric(
        &mut self,
        workload: &WorkloadSettings,
        index: usize,
        replicas: &[ReplicaEndpoint],
    ) -> Place {
        match (usage(workload, index), workload.metrics.get(index)) {
            (Some(query), _) => self.place(SourceId::Kubernetes, MetricQuery::Usage(query)),
            (None, Some(metric)) => self.add(&metric.origin, replicas),
            (None, None) => Place::NotAsked,
        }
    }

    /// Adds what is asked for `origin`, with the replicas that the target told of.
    pub(super) fn add(&mut self, origin: &MetricOrigin, replicas: &[ReplicaEndpoint]) -> Place {
        match question(origin, replicas) {
            Some((id, query)) => self.place(id, query),
            None => Place::NotAsked,
        }
    }

    /// Asks all sources at once.
    pub(super) async fn ask(self, sources: &Sources, now: Timestamp) -> Answers {
        let each = self.sources.into_iter().map(async |(id, queries)| {
            let answers = match sources.0.get(&id) {
                Some(source) => source.observe(&queries, now).await,
                None => Vec::new(),
            };
            (id, answers)
        });
        Answers(join_all(each).await)
    }
}

impl Questions<(SourceId, Moments)> {
    /// Asks all sources about their past at once.
    pub(super) async fn ask_past(self, sources: &Sources) -> Vec<Vec<Past>> {
        let each = self
            .sources
            .into_iter()
            .map(async |((id, moments), queries)| match sources.0.get(&id) {
                Some(source) => source.observe_past(&queries, &moments).await,
                None => Vec::new(),
            });
        join_all(each).await
    }
}

impl Answers {
    /// The time at which `source` answered, by its own clock; `None` where it does not tell.
    pub(super) fn time_of(&self, source: &SourceId) -> Option<Timestamp> {
        let (_, answers) = self.0.iter().find(|(id, _)| id == source)?;
        let readings = answers.iter().filter_map(|answer| answer.reading.as_ref().ok());
        readings.filter_map(|reading| reading.answered_at).max()
    }

    /// The answer at `place`; unsupported where nobody could be asked.
    pub(super) fn get(&self, place: Place) -> Answer {
        let found = match place {
            Place::Asked { source, query } => self.0.get(source).and_then(|(_, answers)| answers.get(query)),
            Place::NotAsked => None,
        };
        found
            .cloned()
            .unwrap_or_else(|| Answer::failed(ObserveError::Unsupported))
    }

    /// Each source that was asked, and the first answer that says it is out of order.
    pub(super) fn failures(&self) -> impl Iterator<Item = (&SourceId, Option<&ObserveError>)> {
        self.0.iter().map(|(id, answers)| {
            let errors = answers.iter().filter_map(|answer| answer.reading.as_ref().err());
            (id, errors.map(|error| &**error).find(|error| is_outage(error)))
        })
    }
}

/// Whether the error speaks of the source, and not of one query.
const fn is_outage(error: &ObserveError) -> bool {
    match error {
        ObserveError::TimedOut { .. } | ObserveError::Unreachable(_) => true,
        ObserveError::Rejected { status, .. } => *status >= 500 || *status == 401 || *status == 403,
        ObserveError::NoMetricsApi
        | ObserveError::MetricsApiDown(_)
        | ObserveError::Forbidden { .. }
        | ObserveError::Cluster(_) => true,
        ObserveError::NoData
        | ObserveError::Ambiguous { .. }
        | ObserveError::WrongType { .. }
        | ObserveError::NotANumber
        | ObserveError::Infinite
        | ObserveError::Malformed { .. }
        | ObserveError::TooLarge { .. }
        | ObserveError::NoRateYet { .. }
        | ObserveError::NoReplicas { .. }
        | ObserveError::NoSelector { .. }
        | ObserveError::NoPods { .. }
        | ObserveError::NoUsage { .. }
        | ObserveError::NoRequest { .. }
        | ObserveError::NoContainer { .. }
        | ObserveError::NoPast
        | ObserveError::OtherMoment { .. }
        | ObserveError::Unsupported => false,
    }
}

/// What is asked of the cluster for the metric at `index` of `workload`; `None` for one that comes from elsewhere.
fn usage(workload: &WorkloadSettings, index: usize) -> Option<UsageQuery> {
    let ScaleTarget::Kubernetes(target) = &workload.target else {
        return None;
    };
    let (resource, container) = match workload.policy.metrics.get(index)?.kind {
        MetricKind::Resource(resource) => (resource, None),
        MetricKind::ContainerResource(resource, container) => (resource, Some(container)),
        MetricKind::Pods | MetricKind::Object | MetricKind::External | MetricKind::Unsupported => {
            return None;
        }
    };
    Some(UsageQuery {
        object: target.object.clone(),
        resource,
        container,
        containers: containers(&workload.metrics).into_iter().map(Arc::from).collect(),
    })
}

/// Who is asked what for `origin`; `None` where nobody can be.
pub(super) fn question(
    origin: &MetricOrigin,
    replicas: &[ReplicaEndpoint],
) -> Option<(SourceId, MetricQuery)> {
    match origin {
        MetricOrigin::Prometheus { server, query } => Some((
            SourceId::Prometheus(server.clone()),
            MetricQuery::Promql(query.clone()),
        )),
        MetricOrigin::Scrape {
            series,
            path,
            rate_over,
            across,
            asked,
        } => {
            let query = ScrapeQuery {
                series: Arc::clone(series),
                path: Arc::clone(path),
                rate_over: *rate_over,
                across: *across,
                endpoints: endpoints(asked, replicas),
            };
            Some((SourceId::Scrape, MetricQuery::Scrape(query)))
        }
        MetricOrigin::Recorded { file, series } => Some((
            SourceId::Recorded(file.clone()),
            MetricQuery::Recorded(RecordedQuery {
                series: Arc::clone(series),
            }),
        )),
        MetricOrigin::Resource { .. } => None,
    }
}
