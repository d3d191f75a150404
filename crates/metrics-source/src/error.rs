//! Why a query has no number.

use std::time::Duration;

use headroom_cluster::{ClusterError, Need};
use headroom_policy_engine::{MissingCause, hpa::MetricError};
use thiserror::Error;

/// Why a query has no number, with what a person needs to mend it. The engine sees only [`ObserveError::cause`].
#[derive(Debug, Error)]
pub enum ObserveError {
    /// The source answered, and nothing matched.
    #[error("no series matched the query")]
    NoData,
    /// Several series matched where one number was meant.
    #[error("the query matched {found} series; it must match one")]
    Ambiguous {
        /// How many matched.
        found: u32,
    },
    /// The answer has another shape than one number.
    #[error("the query gives a {got}; it must give one number")]
    WrongType {
        /// What it gave, in the source's words (`matrix`, `string`).
        got: String,
    },
    /// The value is NaN.
    #[error("the value is not a number (NaN)")]
    NotANumber,
    /// The value is infinite.
    #[error("the value is infinite")]
    Infinite,
    /// No answer within the deadline.
    #[error("no answer within {after:?}")]
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// The source could not be reached.
    #[error("the metrics server could not be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The source answered with an error.
    #[error("the metrics server answered {status}: {message}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The source's own words, shortened.
        message: String,
    },
    /// The answer could not be read.
    #[error("the answer could not be read: {reason}")]
    Malformed {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The answer is larger than what is read.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// A rate needs an earlier reading.
    #[error("no rate yet: it needs two readings, {rate_over:?} apart")]
    NoRateYet {
        /// The window of the rate.
        rate_over: Duration,
    },
    /// There was no replica to ask, or none answered.
    #[error("none of {asked} replicas answered{}", first.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoReplicas {
        /// How many were asked.
        asked: usize,
        /// Why the first one did not.
        first: Option<String>,
    },
    /// The source does not know what it would have answered before.
    #[error("the past of this source is not known")]
    NoPast,
    /// What was asked at the same time would have another meaning in the past.
    #[error("{what} means another moment in a query about the past")]
    OtherMoment {
        /// The part of the query, in its own words.
        what: &'static str,
    },
    /// The cluster serves no metrics.k8s.io.
    #[error(
        "the cluster has no metrics API (metrics.k8s.io): install metrics-server, or give the metric a `query` to a \
         Prometheus"
    )]
    NoMetricsApi,
    /// The cluster has a metrics.k8s.io, and nothing serves it.
    #[error("the metrics API does not answer: {0}; `kubectl get apiservice v1beta1.metrics.k8s.io` says why")]
    MetricsApiDown(ClusterError),
    /// What is asked of the cluster is not allowed.
    #[error("{error}; headroom's Role needs the rule {}", need.permission("").rule())]
    Forbidden {
        /// What the cluster says.
        error: ClusterError,
        /// What has to be allowed.
        need: Box<Need>,
    },
    /// The cluster could not be asked.
    #[error("{0}")]
    Cluster(ClusterError),
    /// The object's pods cannot be told from others.
    #[error("{object} has no selector that can be read, so that its pods are not known{}", reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoSelector {
        /// Which object.
        object: String,
        /// What is wrong with the one it has.
        reason: Option<String>,
    },
    /// The selector matches no pod.
    #[error("{object} has no pods")]
    NoPods {
        /// Which object.
        object: String,
    },
    /// Nothing was measured of any pod.
    #[error(
        "metrics.k8s.io has nothing yet of the {pods} pods; it has some half a minute after a pod has started, or \
         metrics-server cannot reach their nodes"
    )]
    NoUsage {
        /// How many pods there are.
        pods: usize,
    },
    /// A pod does not say how much of the resource it asks for.
    #[error(
        "{} of pod {pod} requests no {resource}: set resources.requests.{resource}, which a utilization is a part of",
        container.as_deref().map_or("a container".to_owned(), |name| format!("container `{name}`"))
    )]
    NoRequest {
        /// The pod.
        pod: String,
        /// The container, where it is one.
        container: Option<String>,
        /// `cpu` or `memory`.
        resource: &'static str,
    },
    /// A pod has no container of the name that is asked for.
    #[error("pod {pod} has no container `{container}`; it has {}", has.join(", "))]
    NoContainer {
        /// The pod.
        pod: String,
        /// The container that is asked for.
        container: String,
        /// The containers that it has.
        has: Vec<String>,
    },
    /// The source does not answer queries of this kind.
    #[error("this source does not answer queries of this kind")]
    Unsupported,
}

impl ObserveError {
    /// What the engine is told.
    #[must_use]
    pub fn cause(&self) -> MissingCause {
        match self {
            Self::NoData => MissingCause::NoData,
            Self::Ambiguous { found } => MissingCause::Ambiguous { series: *found },
            Self::WrongType { .. } => MissingCause::WrongType,
            Self::NotANumber => MissingCause::NotANumber,
            Self::Infinite => MissingCause::Infinite,
            Self::TimedOut { .. } => MissingCause::TimedOut,
            Self::Unreachable(_) => MissingCause::Unreachable,
            Self::Rejected { status, .. } => MissingCause::Rejected { status: *status },
            Self::Malformed { .. } => MissingCause::Malformed,
            Self::TooLarge { .. } => MissingCause::TooLarge,
            Self::NoRateYet { .. } => MissingCause::NoRateYet,
            Self::NoReplicas { .. } => MissingCause::NoReplicas,
            Self::NoMetricsApi => MissingCause::Rejected { status: 404 },
            Self::MetricsApiDown(error) | Self::Forbidden { error, .. } | Self::Cluster(error) => {
                of_cluster(error)
            }
            Self::NoSelector { .. } | Self::NoPods { .. } => MissingCause::Unusable {
                why: MetricError::NoPods,
            },
            Self::NoUsage { .. } => MissingCause::NoData,
            Self::NoRequest { .. } => MissingCause::Unusable {
                why: MetricError::MissingRequest,
            },
            Self::NoContainer { .. } => MissingCause::Unusable {
                why: MetricError::ContainerNotFound,
            },
            Self::NoPast | Self::OtherMoment { .. } | Self::Unsupported => MissingCause::NotAsked,
        }
    }
}

fn of_cluster(error: &ClusterError) -> MissingCause {
    match error {
        ClusterError::Unauthorized { .. } => MissingCause::Rejected { status: 401 },
        ClusterError::Forbidden { .. } => MissingCause::Rejected { status: 403 },
        ClusterError::NotFound { .. }
        | ClusterError::UnknownKind { .. }
        | ClusterError::AmbiguousKind { .. }
        | ClusterError::NotScalable { .. }
        | ClusterError::NoCount { .. } => MissingCause::Rejected { status: 404 },
        ClusterError::Conflict { .. } => MissingCause::Rejected { status: 409 },
        ClusterError::Gone { .. } => MissingCause::Rejected { status: 410 },
        ClusterError::Throttled { .. } => MissingCause::Rejected { status: 429 },
        ClusterError::Failed { status, .. } | ClusterError::Refused { status, .. } => {
            MissingCause::Rejected { status: *status }
        }
        ClusterError::NoAnswer { .. } => MissingCause::TimedOut,
        ClusterError::Unreadable { .. } => MissingCause::Malformed,
        ClusterError::OutOfStep {
            cause: Some(cause), ..
        } => of_cluster(cause),
        ClusterError::OutOfStep { cause: None, .. }
        | ClusterError::NoCluster { .. }
        | ClusterError::Kubeconfig { .. }
        | ClusterError::ProxyExceptions { .. }
        | ClusterError::UnknownContext { .. }
        | ClusterError::NoContext { .. }
        | ClusterError::AnotherServer { .. }
        | ClusterError::ServiceAccount { .. }
        | ClusterError::CredentialPlugin { .. }
        | ClusterError::Setup { .. }
        | ClusterError::Untrusted { .. }
        | ClusterError::Unreachable { .. } => MissingCause::Unreachable,
    }
}
