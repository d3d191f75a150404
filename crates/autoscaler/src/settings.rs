//! What the configuration means, as types: what `config` makes and everything else in this crate works on.

use std::{collections::BTreeMap, num::NonZeroU16, path::PathBuf, sync::Arc, time::Duration};

use headroom_actuator::ScaleTarget;
use headroom_cluster::ConnectionOptions;
use headroom_metrics_source::{Across, PromqlQuery};
use headroom_policy_engine::{Freshness, WorkloadId, WorkloadPolicy};

use crate::{BrakeSettings, NotifySettings, Routes, Schedule};

/// Everything the configuration says, after layers, templates and variables.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What holds for all workloads.
    pub settings: Settings,
    /// The workloads, by identity.
    pub workloads: Vec<WorkloadSettings>,
    /// What the user should know, and is no error.
    pub remarks: Vec<Remark>,
}

/// What holds for all workloads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The cluster's name, for `${cluster}` and every record.
    pub cluster: Option<String>,
    /// Where state, locks and logs of replicas live.
    pub state_dir: PathBuf,
    /// Which cluster targets in Kubernetes are in.
    pub kubernetes: KubernetesSettings,
    /// The Prometheus servers, by name.
    pub prometheus: BTreeMap<String, PrometheusSettings>,
    /// Who can be told.
    pub notify: NotifySettings,
    /// What is kept of past decisions.
    pub history: HistorySettings,
    /// When too much of the fleet would fall at once.
    pub brake: BrakeSettings,
    /// How long a source or target may take to answer; what has not answered by then is missing.
    pub deadline: Duration,
    /// The deadline of a whole one-shot pass.
    pub pass_deadline: Duration,
}

/// Which cluster, as kubectl is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubernetesSettings {
    /// The kubeconfig; `None`: `KUBECONFIG`, else `~/.kube/config`, else the service account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; `None`: its current one.
    pub context: Option<String>,
}

impl KubernetesSettings {
    /// The way to that cluster, with `deadline` for each request.
    pub(crate) fn options(&self, deadline: Duration) -> ConnectionOptions {
        ConnectionOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
            deadline,
        }
    }
}

/// What is kept of past decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistorySettings {
    /// Rows older than this go.
    pub keep_for: Duration,
    /// The oldest rows go when the state is larger than this, in bytes.
    pub max_bytes: u64,
}

/// One Prometheus (or Mimir, Thanos, VictoriaMetrics) server.
#[derive(Clone, Debug)]
pub struct PrometheusSettings {
    /// Its base URL.
    pub url: String,
    /// How it is told who asks.
    pub credentials: Credentials,
    /// Extra headers, such as a tenant's.
    pub headers: BTreeMap<String, Secret>,
    /// How its certificate is checked, and ours.
    pub tls: TlsSettings,
    /// The deadline of each query.
    pub timeout: Duration,
    /// How many queries may be under way at once.
    pub max_concurrent: usize,
    /// How often it scrapes; `None`: asked from `/api/v1/targets`.
    pub scrape_interval: Option<Duration>,
}

/// How a server is told who asks.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// `Authorization: Bearer …`.
    Bearer(Secret),
    /// `Authorization: Basic …`.
    Basic {
        /// The user's name.
        username: String,
        /// The password.
        password: Secret,
    },
}

/// Certificates of a connection. Checking cannot be switched off.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// A PEM file with the authorities to trust instead of the system's.
    pub ca: Option<Secret>,
    /// A PEM file with our certificate and its key.
    pub client_certificate: Option<Secret>,
    /// A PEM file with our key, if it is not beside the certificate.
    pub client_key: Option<Secret>,
}

/// Where a secret stands. Its value is read when a part that needs it is started, and is never kept here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In an environment variable.
    Env(String),
    /// In a file, without the newline at its end.
    File(PathBuf),
    /// In plain text in the configuration, which is remarked on.
    Plain(PlainSecret),
}

/// A secret in plain text, that does not show itself in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainSecret(pub String);

impl std::fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// One workload.
#[derive(Clone, Debug)]
pub struct WorkloadSettings {
    /// Which workload.
    pub id: WorkloadId,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// Whether the target itself is told why its count was changed.
    pub annotate: bool,
    /// The rules.
    pub policy: WorkloadPolicy,
    /// Where the policy's metrics come from, in the same order.
    pub metrics: Vec<MetricSettings>,
    /// When other bounds hold than the policy's own.
    pub schedules: Vec<Schedule>,
    /// What holds scaling down for as long as it has a value.
    pub hold_query: Option<HoldQuery>,
    /// What is scaled.
    pub target: ScaleTarget,
    /// Who is told of it.
    pub routes: Routes,
}

impl WorkloadSettings {
    /// All that is asked for it: its metrics, and what holds scaling down.
    pub fn asked(&self) -> impl Iterator<Item = &MetricSettings> {
        let hold = self.hold_query.as_ref().map(|hold| &hold.asked);
        self.metrics.iter().chain(hold)
    }
}

/// A query that holds scaling down for as long as it has a value other than zero.
#[derive(Clone, Debug)]
pub struct HoldQuery {
    /// The expression, as people are told of it.
    pub query: Arc<str>,
    /// Whom it is asked of.
    pub asked: MetricSettings,
}

impl HoldQuery {
    /// The key of the configuration, and the name of its series in tests of policies.
    pub const KEY: &str = "hold_scale_down_when";
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They are written to the target.
    #[default]
    Apply,
    /// They are shown and recorded, and nothing is written.
    Preview,
    /// They are recorded beside another scaler, and nothing is written.
    Shadow,
}

/// The containers that `metrics` speak of, each once, in their order: their numbers are their places.
pub(crate) fn containers(metrics: &[MetricSettings]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for metric in metrics {
        if let MetricOrigin::Resource {
            container: Some(name),
            ..
        } = &metric.origin
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
    }
    names
}

/// Where one metric comes from.
#[derive(Clone, Debug)]
pub struct MetricSettings {
    /// Where.
    pub origin: MetricOrigin,
    /// How old it may be; `None`: by the source's scrape interval (3 times, at least 1 min; 2 min where unknown).
    pub max_age: Option<Freshness>,
}

/// Where one metric comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricOrigin {
    /// A query to a Prometheus.
    Prometheus {
        /// The server's name in the configuration.
        server: String,
        /// What is asked.
        query: PromqlQuery,
    },
    /// The replicas' own `/metrics`.
    Scrape {
        /// The series, as an instant selector.
        series: Arc<str>,
        /// The path on each endpoint.
        path: Arc<str>,
        /// For counters: the window of the rate.
        rate_over: Option<Duration>,
        /// How replicas' values become one.
        across: Across,
        /// Who is asked.
        asked: Scraped,
    },
    /// A recording (CSV or JSON lines).
    Recorded {
        /// The file.
        file: PathBuf,
        /// The series in it.
        series: Arc<str>,
    },
    /// What the pods use (metrics.k8s.io), as a part of what they request.
    Resource {
        /// `cpu` or `memory`.
        resource: String,
        /// One container, instead of the whole pod.
        container: Option<String>,
    },
}

/// Who is asked for their own `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scraped {
    /// These base URLs, each of which is one replica.
    Fixed(Vec<Arc<str>>),
    /// The target's replicas, where they listen (processes).
    Replicas,
    /// The target's pods.
    Pods {
        /// On this port.
        port: PodPort,
        /// What the annotation `headroom.dev/scrape-address` of a pod is worth.
        annotation: ScrapeAddress,
    },
}

/// A port of pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodPort {
    /// This one.
    Number(NonZeroU16),
    /// The one that a container gives this name.
    Named(Arc<str>),
}

/// What the annotation `headroom.dev/scrape-address` of a pod is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrapeAddress {
    /// Nothing: pods are asked at their own address.
    Ignored,
    /// The pod is asked there instead, on the machine that headroom runs on.
    Honored,
}

/// Something the user should know that is no error.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Remark {
    /// What kind of remark.
    pub kind: RemarkKind,
    /// The code of a lint, by which it is silenced; `None` for what is none.
    pub code: Option<String>,
    /// Where it is, such as `headroom.toml:5`; `None` for what belongs to no place.
    pub place: Option<String>,
    /// The remark, with a way out where there is one.
    pub text: String,
}

/// Kinds of remarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RemarkKind {
    /// Legal, and dangerous: what a lint found. For `check` to say.
    Lint,
    /// Not as somebody seems to have meant it.
    Warning,
    /// A value came from the environment.
    FromEnvironment,
}
