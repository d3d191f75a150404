//! What pods in Kubernetes use, from metrics.k8s.io, as a part of what they request.
//!
//! Owns how pods and what was measured of them are brought together: names are compared here, once a pass, and nowhere
//! after. What is asked of the cluster is shared by all workloads of a namespace; what the numbers of each pod ask for
//! belongs to the engine.

mod pods;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use futures::future::{join, join_all};
use headroom_cluster::{ClusterError, ClusterView, Need, ObjectName, Objects, Pod, PodMetrics};
use headroom_policy_engine::{Timestamp, hpa::Selector};

use self::pods::Measured;
use crate::{Answer, MetricQuery, MetricsSource, Moments, ObserveError, Past, UsageQuery};

/// What the pods of objects in one cluster use.
#[derive(Debug)]
pub struct KubernetesSource {
    view: Arc<ClusterView>,
}

/// The pods of a namespace, and what was measured of them.
struct Namespace {
    pods: Arc<Objects<Pod>>,
    usage: Arc<Objects<PodMetrics>>,
    /// What was measured of pods that are not there any more.
    of_no_pod: Vec<Arc<PodMetrics>>,
}

/// An object with the containers that its queries have numbered: the pods of all of these are brought together once.
type Asked<'q> = (&'q ObjectName, &'q [Arc<str>]);

type Found<T> = Result<T, Arc<ObserveError>>;

impl KubernetesSource {
    /// Reads what `view` knows.
    #[must_use]
    pub const fn new(view: Arc<ClusterView>) -> Self {
        Self { view }
    }

    async fn namespace(&self, name: &str, now: Timestamp) -> Found<Namespace> {
        let (pods, usage) = join(self.view.pods(name, now), self.view.usage(name, now)).await;
        let pods = pods.map_err(of_pods)?;
        let usage = usage.map_err(of_usage)?;
        let of_no_pod = usage.all().iter().filter(|one| pods.named(&one.name).is_none());
        Ok(Namespace {
            of_no_pod: of_no_pod.map(Arc::clone).collect(),
            pods,
            usage,
        })
    }

    async fn measured(
        &self,
        (object, containers): Asked<'_>,
        namespace: Option<&Found<Namespace>>,
        now: Timestamp,
    ) -> Found<Measured> {
        let namespace = namespace
            .ok_or_else(|| Arc::new(ObserveError::Unsupported))?
            .as_ref()
            .map_err(Arc::clone)?;
        let selector = self.selector(object, now).await?;
        let pods = namespace.pods.selected(&selector);
        if pods.is_empty() {
            return Err(Arc::new(ObserveError::NoPods {
                object: object.to_string(),
            }));
        }
        let strangers = namespace
            .of_no_pod
            .iter()
            .filter(|one| one.labels.matches(&selector));
        Ok(Measured::new(&pods, &namespace.usage, strangers, containers))
    }

    async fn selector(&self, object: &ObjectName, now: Timestamp) -> Found<Selector> {
        let found = self.view.scalable(object, now).await;
        let found = found.map_err(ObserveError::Cluster)?;
        let without = |reason| ObserveError::NoSelector {
            object: object.to_string(),
            reason,
        };
        match found.selector.as_deref() {
            // An empty selector matches every pod there is, and nobody means that.
            None | Some("") => Err(Arc::new(without(None))),
            Some(text) => {
                Selector::parse(text).map_err(|error| Arc::new(without(Some(format!("`{text}`: {error}")))))
            }
        }
    }
}

fn of_pods(error: ClusterError) -> ObserveError {
    if error.is_forbidden() {
        let need = Need::Pods.into();
        ObserveError::Forbidden { error, need }
    } else {
        ObserveError::Cluster(error)
    }
}

fn of_usage(error: ClusterError) -> ObserveError {
    if error.is_forbidden() {
        let need = Need::Usage.into();
        ObserveError::Forbidden { error, need }
    } else if matches!(error, ClusterError::NotFound { .. }) {
        ObserveError::NoMetricsApi
    } else if matches!(
        error,
        ClusterError::Failed {
            status: 502..=504,
            ..
        }
    ) {
        // The API server answers so for an API that another server serves, where that one does not.
        ObserveError::MetricsApiDown(error)
    } else {
        ObserveError::Cluster(error)
    }
}

fn usage(query: &MetricQuery) -> Option<&UsageQuery> {
    match query {
        MetricQuery::Usage(query) => Some(query),
        MetricQuery::Promql(_) | MetricQuery::Scrape(_) | MetricQuery::Recorded(_) => None,
    }
}

fn asked(query: &UsageQuery) -> Asked<'_> {
    (&query.object, &query.containers)
}

#[async_trait]
impl MetricsSource for KubernetesSource {
    async fn observe(&self, queries: &[MetricQuery], now: Timestamp) -> Vec<Answer> {
        let objects: HashSet<Asked<'_>> = queries.iter().filter_map(usage).map(asked).collect();
        let names: HashSet<&str> = objects
            .iter()
            .map(|(object, _)| object.namespace.as_str())
            .collect();
        let namespaces = names
            .into_iter()
            .map(async |name| (name, self.namespace(name, now).await));
        let namespaces: HashMap<_, _> = join_all(namespaces).await.into_iter().collect();
        let measured = objects.into_iter().map(async |asked| {
            let namespace = namespaces.get(asked.0.namespace.as_str());
            (asked, self.measured(asked, namespace, now).await)
        });
        let measured: HashMap<_, _> = join_all(measured).await.into_iter().collect();
        let answer = |query: &UsageQuery| match measured.get(&asked(query)) {
            Some(Ok(measured)) => measured.answer(query),
            Some(Err(error)) => Answer::failed(Arc::clone(error)),
            None => Answer::failed(ObserveError::Unsupported),
        };
        queries
            .iter()
            .map(|query| usage(query).map_or_else(|| Answer::failed(ObserveError::Unsupported), answer))
            .collect()
    }

    /// metrics.k8s.io keeps no past.
    async fn observe_past(&self, queries: &[MetricQuery], _moments: &Moments) -> Vec<Past> {
        let past = |query: &MetricQuery| {
            Err(Arc::new(match usage(query) {
                Some(_) => ObserveError::NoPast,
                None => ObserveError::Unsupported,
            }))
        };
        queries.iter().map(past).collect()
    }
}
