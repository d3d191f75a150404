//! What can be asked of a source.

use std::{sync::Arc, time::Duration};

use headroom_cluster::ObjectName;
use headroom_policy_engine::{ContainerId, Resource};

/// One number that is wanted. Each source answers the kind it knows, and refuses the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MetricQuery {
    /// A PromQL expression, for a Prometheus.
    Promql(PromqlQuery),
    /// A series of a workload's own `/metrics`.
    Scrape(ScrapeQuery),
    /// What the pods of an object in Kubernetes use, as a part of what they request.
    Usage(UsageQuery),
    /// A series of a recording.
    Recorded(RecordedQuery),
}

/// A PromQL expression that gives one number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PromqlQuery {
    /// The expression.
    pub query: Arc<str>,
    /// An expression that counts the replicas that took part in the value.
    pub coverage: Option<Arc<str>>,
}

/// A series of the text exposition format, read from each replica and brought together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScrapeQuery {
    /// The series, as a PromQL instant selector: a metric name, with label matchers if need be.
    pub series: Arc<str>,
    /// The path on each endpoint, such as `/metrics`.
    pub path: Arc<str>,
    /// For counters: the window over which the increase is turned into a rate per second. `None` reads a gauge.
    pub rate_over: Option<Duration>,
    /// How the replicas' values become one.
    pub across: Across,
    /// The replicas to ask, as the target tells them in this pass.
    pub endpoints: Arc<[Endpoint]>,
}

/// How the values of several replicas become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Across {
    /// The sum: for totals, such as requests per second.
    #[default]
    Sum,
    /// The mean: for fractions, such as utilization.
    Average,
}

/// Where one replica can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// What identifies this replica and no later one in its place: a new process on an old port has a new id.
    pub id: Arc<str>,
    /// Where it listens.
    pub address: EndpointAddress,
    /// Whether the replica is ready. One that is still starting is asked, and not counted as lost when it is silent.
    pub ready: bool,
}

/// Where a replica listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndpointAddress {
    /// At this URL without a path, such as `http://127.0.0.1:8080`.
    Url(Arc<str>),
    /// Nobody can tell, and this is why. The replica is one that does not answer.
    Unknown(Arc<str>),
}

/// What the pods of an object in Kubernetes use of a resource, as a part of what they request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UsageQuery {
    /// The object whose selector matches the pods.
    pub object: ObjectName,
    /// CPU or memory.
    pub resource: Resource,
    /// The one container of each pod that is meant; `None`: all of them.
    pub container: Option<ContainerId>,
    /// The containers that have a number, by their number. All others get one after these.
    pub containers: Arc<[Arc<str>]>,
}

/// A series of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordedQuery {
    /// The name of the series in the recording.
    pub series: Arc<str>,
}
