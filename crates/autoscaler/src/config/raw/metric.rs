//! The keys of a metric.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{
    at::At,
    words::{AmountText, DurationText, PathText, PercentageText, PortText, PromqlText, UrlText},
};

/// The rules for one metric: where it comes from, and how its value becomes a count.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "metric"))]
pub(in crate::config) struct RawMetric {
    /// `false` removes a metric that a lower layer has.
    pub(in crate::config) enabled: Option<At<bool>>,
    /// A PromQL expression that gives one number.
    #[schemars(example = "sum(rate(http_requests_total[2m]))")]
    pub(in crate::config) query: Option<At<PromqlText>>,
    /// A PromQL expression that counts the replicas that took part in the value. Below 80 % of the ready replicas the
    /// value may raise the count and never lower it. Without it, lost targets cannot be told from less load.
    #[schemars(example = "count(up{app=\"api\"} == 1)")]
    pub(in crate::config) coverage: Option<At<PromqlText>>,
    /// The Prometheus that is asked. When it is not set: the workload's `source`, or the only one.
    pub(in crate::config) source: Option<At<String>>,
    /// A series of the replicas' own `/metrics`, as a PromQL instant selector.
    #[schemars(example = &"http_requests_total")]
    pub(in crate::config) scrape: Option<At<PromqlText>>,
    /// The path on each replica.
    pub(in crate::config) path: Option<At<String>>,
    /// For counters: the window over which the increase becomes a rate per second. Without it a gauge is read.
    #[schemars(example = "10s")]
    pub(in crate::config) rate_over: Option<At<DurationText>>,
    /// How the values of several replicas become one.
    pub(in crate::config) across: Option<At<AcrossReplicas>>,
    /// The port of the pods to ask: a number, or the name that a container gives it. For targets in Kubernetes.
    #[schemars(example = &"metrics")]
    pub(in crate::config) port: Option<At<PortText>>,
    /// Fixed base URLs to ask, each of which is one replica. When it is not set: the target's own replicas, which
    /// processes tell of, and Kubernetes with `port`.
    #[schemars(example = &["http://10.0.0.5:8080"])]
    pub(in crate::config) endpoints: Option<At<Vec<At<UrlText>>>>,
    /// A recording (CSV or JSON lines) to read instead of a live source.
    #[schemars(example = "load.csv")]
    pub(in crate::config) recorded: Option<At<PathText>>,
    /// The series in the recording. When it is not set: the metric's name.
    pub(in crate::config) series: Option<At<String>>,
    /// One container of the pods, for `cpu` and `memory` without a query. When it is not set: the whole pod.
    #[schemars(example = &"app")]
    pub(in crate::config) container: Option<At<String>>,
    /// The wanted fraction of capacity in use (HPA `Utilization`). Without a query, the metric has to be called `cpu` or
    /// `memory`, and is that of the pods against their requests.
    #[schemars(example = "70%")]
    pub(in crate::config) utilization: Option<At<PercentageText>>,
    /// The value is a total: so much of it for each replica (HPA `AverageValue`).
    #[schemars(example = 100)]
    pub(in crate::config) per_replica: Option<At<AmountText>>,
    /// The value itself is to be met; the count follows in proportion (HPA `Value`).
    #[schemars(example = "200ms")]
    pub(in crate::config) value: Option<At<AmountText>>,
    /// Above this mark the count rises until the value meets it. Needs `low` and `compare`.
    #[schemars(example = 120)]
    pub(in crate::config) high: Option<At<AmountText>>,
    /// Below this mark the count falls until the value meets it. Between the marks nothing changes, and there is no
    /// `tolerance`.
    #[schemars(example = 60)]
    pub(in crate::config) low: Option<At<AmountText>>,
    /// What is compared with the marks: the share of each replica, where the value is a total (`per_replica`), or the
    /// value itself (`value`).
    #[schemars(example = &"per_replica")]
    pub(in crate::config) compare: Option<At<ComparedValue>>,
    /// Above this, `add` replicas are added once the breach has lasted `for`. Needs `add`.
    #[schemars(example = "2s")]
    pub(in crate::config) above: Option<At<AmountText>>,
    /// Below this, `remove` replicas are removed once the breach has lasted `for`. Needs `remove`.
    #[schemars(example = "200ms")]
    pub(in crate::config) below: Option<At<AmountText>>,
    /// How many replicas a step above adds.
    #[schemars(example = 1)]
    pub(in crate::config) add: Option<At<i64>>,
    /// How many replicas a step below removes.
    #[schemars(example = 1)]
    pub(in crate::config) remove: Option<At<i64>>,
    /// How long a breach has to last before a step, and between two steps. When it is not set: the first step at once,
    /// then one for each stabilization window (at least two intervals).
    #[serde(rename = "for")]
    #[schemars(example = "1m")]
    pub(in crate::config) lasting: Option<At<DurationText>>,
    /// Channels that are told of `threshold` are told when the metric has been above this for `warn_for`, whether or not the
    /// count changes; where the metric is a total, of the share of each replica. When it is not set: above its own target.
    #[schemars(example = "85%")]
    pub(in crate::config) warn_above: Option<At<AmountText>>,
    /// For how long, for `threshold`.
    pub(in crate::config) warn_for: Option<At<DurationText>>,
    /// `false`: the metric may raise the count and never lower it.
    pub(in crate::config) scale_down: Option<At<bool>>,
    /// `true`: any value above zero starts a workload that stands at zero, at once. For metrics that are known without
    /// replicas, such as the length of a queue.
    pub(in crate::config) activation: Option<At<bool>>,
    /// A group, by a name of your choice: the count falls only where every metric of a group asks for less. Without it,
    /// a metric that has no say (`scale_down = false`, one that is unknown and ignored) lets others lower the count.
    #[schemars(example = &"app")]
    pub(in crate::config) group: Option<At<String>>,
    /// What an unknown value means: `block` scaling down, `ignore` the metric, or take it as `zero` (only for metrics
    /// that are absent when idle).
    pub(in crate::config) on_missing: Option<At<WhenMissing>>,
    /// How old a value may be. When it is not set: 3 times the scrape interval, at least 1 minute; 2 minutes where
    /// that is unknown.
    #[schemars(example = "1m")]
    pub(in crate::config) max_age: Option<At<DurationText>>,
    /// The band around the target inside which nothing changes. When it is not set: the workload's.
    pub(in crate::config) tolerance: Option<At<PercentageText>>,
}

/// What is compared with marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum ComparedValue {
    PerReplica,
    Value,
}

/// How the values of several replicas become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum AcrossReplicas {
    Sum,
    Average,
}

/// What an unknown value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum WhenMissing {
    Block,
    Ignore,
    Zero,
}
