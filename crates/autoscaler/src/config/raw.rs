//! The keys of the configuration, written once: their names, types and meaning.
//!
//! Flat structs whose every field is optional. Reading, type errors, suggestions, the schema and the reference page
//! all come from here; the doc comments are the reference's text. What the values mean together is decided in
//! `policy`; defaults stand in `defaults.toml`.

mod fallback;
mod metric;
mod notify;
mod schedule;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::{
    fallback::{FallbackAction, FallbackWhen, RawFallback},
    metric::{AcrossReplicas, ComparedValue, RawMetric, WhenMissing},
    notify::{Event, Language, RawChannel, RawEmail, RawNotify, RawSlack, RawWebhook, Severity, WebhookForm},
    schedule::RawSchedule,
};
use super::{
    at::{At, Named},
    words::{
        ChangeText, DurationText, PathText, PercentageText, PromqlText, SecretText, SizeText, TargetText,
        UrlText, ZoneText,
    },
};

/// A configuration of headroom.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawFile {
    /// The cluster's name: `${cluster}`, and a field of every record. A DNS label.
    #[schemars(example = "prod-eu")]
    pub(super) cluster: Option<At<String>>,
    /// Where state, locks and the logs of replicas live. `--state-dir` goes before it. When it is not set:
    /// `.headroom` beside the files of the first `-c`.
    #[schemars(example = "/var/lib/headroom")]
    pub(super) state_dir: Option<At<PathText>>,
    /// How long a source or a target may take to answer; what has not answered by then is missing.
    pub(super) deadline: Option<At<DurationText>>,
    /// How long a whole one-shot pass may take.
    pub(super) pass_deadline: Option<At<DurationText>>,
    /// Whether the environment variables of the old scaling script change what this file says.
    pub(super) script_environment: Option<At<bool>>,
    /// Whether a pod with the annotation `headroom.dev/scrape-address` is asked for its metrics there instead of at its
    /// own address: an address of the machine that headroom runs on, with a port. For trying out with pods that run
    /// nothing. Whoever may write pods then chooses what headroom asks there.
    pub(super) allow_scrape_address: Option<At<bool>>,
    /// What is kept of past decisions.
    pub(super) history: Option<RawHistory>,
    /// When so much of the whole fleet would fall at once that nothing does.
    pub(super) brake: Option<RawBrake>,
    /// What the HPA's controller of your cluster is set to, for workloads with `semantics = "hpa"`. How CPU samples of
    /// starting pods are taken holds for all.
    pub(super) hpa: Option<RawHpa>,
    /// Prometheus servers (also Mimir, Thanos, VictoriaMetrics), by a name of your choice.
    pub(super) prometheus: Option<Named<RawPrometheus>>,
    /// Who is told.
    pub(super) notify: Option<RawNotify>,
    /// What holds for every workload that does not say otherwise. The keys are those of a workload.
    pub(super) defaults: Option<RawWorkload>,
    /// What holds for every workload that names the template. The keys are those of a workload.
    pub(super) template: Option<Named<RawWorkload>>,
    /// The workloads, by identity: `[workload."namespace/name"]` or `[workload.name]`.
    pub(super) workload: Option<Named<RawWorkload>>,
}

/// What is kept of past decisions.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHistory {
    /// Decisions older than this go.
    pub(super) keep_for: Option<At<DurationText>>,
    /// The oldest decisions go when the state is larger than this.
    pub(super) max_size: Option<At<SizeText>>,
}

/// When so much of the whole fleet would fall at once that nothing does.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawBrake {
    /// The share of all replicas that may fall in one pass, of the workloads with `mode = "apply"` and headroom's own
    /// semantics. `"100%"` switches the brake off.
    pub(super) max_fall: Option<At<PercentageText>>,
    /// It trips only where at least so many workloads fall.
    pub(super) least: Option<At<i64>>,
    /// For how long nothing falls then. What is still wanted after that is let through for as long again.
    pub(super) hold: Option<At<DurationText>>,
}

/// What the HPA's controller is set to: the flags of kube-controller-manager and its feature gates.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawHpa {
    /// `--horizontal-pod-autoscaler-tolerance`: the band around a target without action, where a workload does not say.
    pub(super) tolerance: Option<At<PercentageText>>,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period`: for how long after a pod's start its CPU samples are
    /// used only if they were taken since it has been ready.
    pub(super) cpu_initialization_period: Option<At<DurationText>>,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`: a pod that became unready within this time after its
    /// start counts as never having been ready.
    pub(super) initial_readiness_delay: Option<At<DurationText>>,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`: the window of scaling down, where a workload does not say.
    pub(super) downscale_stabilization: Option<At<DurationText>>,
    /// The gate `HPAScaleToZero`.
    pub(super) scale_to_zero: Option<At<bool>>,
    /// The gate `HPAConfigurableTolerance`: each direction of a workload may have a tolerance of its own.
    pub(super) configurable_tolerance: Option<At<bool>>,
    /// The gate `PodLevelResources`: requests of a pod as a whole count.
    pub(super) pod_level_resources: Option<At<bool>>,
    /// What a count of zero means: scaling is off unless the HPA brought it there (`scaled_to_zero`, 1.37 on), or off
    /// where `min_replicas` is above zero (`min_replicas`, before).
    pub(super) zero_replicas: Option<At<ZeroReplicas>>,
}

/// What a count of zero means to the HPA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ZeroReplicas {
    ScaledToZero,
    MinReplicas,
}

/// A Prometheus server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "prometheus"))]
pub(super) struct RawPrometheus {
    /// Its base URL, without `/api/v1`.
    #[schemars(example = "http://prometheus:9090")]
    pub(super) url: Option<At<UrlText>>,
    /// The token of `Authorization: Bearer …`.
    #[schemars(example = "file:/var/run/secrets/token")]
    pub(super) bearer_token: Option<At<SecretText>>,
    /// The user of `Authorization: Basic …`; needs `password`.
    pub(super) username: Option<At<String>>,
    /// The password of `Authorization: Basic …`; needs `username`.
    #[schemars(example = "env:PROMETHEUS_PASSWORD")]
    pub(super) password: Option<At<SecretText>>,
    /// Further headers, such as `X-Scope-OrgID` of a Mimir tenant.
    pub(super) headers: Option<Named<At<SecretText>>>,
    /// The authorities to trust instead of the system's, as PEM.
    #[schemars(example = "file:ca.pem")]
    pub(super) ca: Option<At<SecretText>>,
    /// Our certificate, as PEM, with its key unless `client_key` has that.
    #[schemars(example = "file:client.pem")]
    pub(super) client_certificate: Option<At<SecretText>>,
    /// The key of our certificate, as PEM.
    #[schemars(example = "file:client-key.pem")]
    pub(super) client_key: Option<At<SecretText>>,
    /// How long each query may take. When it is not set: `deadline`.
    pub(super) timeout: Option<At<DurationText>>,
    /// How many queries may be under way at once.
    pub(super) max_concurrent: Option<At<i64>>,
    /// How often it scrapes. When it is not set, it is asked (`/api/v1/targets`).
    pub(super) scrape_interval: Option<At<DurationText>>,
}

/// The rules for one workload.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "workload"))]
pub(super) struct RawWorkload {
    /// The template whose keys hold where the workload does not say otherwise. A template may name another.
    pub(super) template: Option<At<String>>,
    /// Whose rules decide: headroom's own, or exactly the HPA's (`hpa`), for a workload that is to be scaled as before.
    /// The book's table of differences says what each does.
    pub(super) semantics: Option<At<Semantics>>,
    /// Whether decisions are carried out (`apply`), only shown (`preview`), or recorded beside another scaler (`shadow`).
    pub(super) mode: Option<At<Mode>>,
    /// Whether the object in Kubernetes is told why its count was changed, in its annotation `headroom.dev/reason`. That takes
    /// the right to patch the object itself; without it a count is set through `/scale` alone. Other targets have no such
    /// place.
    pub(super) annotate: Option<At<bool>>,
    /// Lints that are no danger here, by their codes, each with the reason. The book's page of lints says what each finds.
    #[schemars(extend("x-example" = "min_equals_max = \"the autoscaler only watches\""))]
    pub(super) lints: Option<Named<At<String>>>,
    /// The channels that are told, such as `["slack.ops"]`.
    pub(super) notify: Option<At<Vec<At<String>>>>,
    /// The channels that are also told of what is critical.
    #[schemars(extend("x-example" = "[\"webhook.pagerduty\"]"))]
    pub(super) notify_critical: Option<At<Vec<At<String>>>>,
    /// What to do when something is wrong with it: a URL that every notice has.
    #[schemars(example = "https://wiki.example.com/api#scaling")]
    pub(super) runbook: Option<At<String>>,
    /// Its dashboard: a URL that every notice has. `{from}` and `{to}` stand for the time around what happened, in milliseconds
    /// since 1970, as Grafana takes them.
    #[schemars(example = "https://grafana.example.com/d/api?from={from}&to={to}")]
    pub(super) dashboard: Option<At<String>>,
    /// An object in a Kubernetes cluster that has a scale subresource, as kubectl writes it: `KIND[.GROUP]/NAME`, or
    /// `KIND.VERSION.GROUP/NAME`. Its namespace is the workload's.
    #[schemars(example = "deployment/api")]
    pub(super) scale_target: Option<At<TargetText>>,
    /// Copies of a command on this machine, each with its own `PORT`.
    pub(super) process: Option<At<RawProcess>>,
    /// Whatever your own commands scale.
    pub(super) command: Option<At<RawCommand>>,
    /// The fewest replicas. 0 needs a metric with `activation = true`, and stands for 1 while there is load.
    pub(super) min_replicas: Option<At<i64>>,
    /// The most replicas. Has to be set.
    #[schemars(example = 10)]
    pub(super) max_replicas: Option<At<i64>>,
    /// The zone whose clocks the schedules' times are on, where a schedule does not say.
    #[schemars(example = "Europe/Berlin")]
    pub(super) timezone: Option<At<ZoneText>>,
    /// When other bounds hold than `min_replicas` and `max_replicas`, by a name of your choice.
    pub(super) schedule: Option<Named<RawSchedule>>,
    /// How often the workload is evaluated: at most 10 minutes, because a stabilization window could not be covered
    /// beyond that.
    pub(super) interval: Option<At<DurationText>>,
    /// The band around a target inside which nothing changes. `scale_up.tolerance` and `scale_down.tolerance` go
    /// before it, and a metric's own `tolerance` before those.
    pub(super) tolerance: Option<At<PercentageText>>,
    /// The Prometheus that queries go to. Needed where there are several.
    #[schemars(example = &"main")]
    pub(super) source: Option<At<String>>,
    /// What the load is read from, by a name of your choice.
    pub(super) metrics: Option<Named<RawMetric>>,
    /// How the count may rise.
    pub(super) scale_up: Option<RawDirection>,
    /// How the count may fall.
    pub(super) scale_down: Option<RawDirection>,
    /// When the count becomes zero, where `min_replicas` is 0.
    pub(super) scale_to_zero: Option<RawScaleToZero>,
    /// What to do when too little is known of the load for long. When it is not set, the count is held.
    pub(super) fallback: Option<At<RawFallback>>,
    /// When a direction is held although the load asks for it.
    pub(super) guards: Option<RawGuards>,
    /// A PromQL expression that holds scaling down for as long as it gives anything but zero, such as an alert that is
    /// firing. No series is no hold; what cannot be known holds too. `'vector(0)'` never holds, for a workload that does
    /// not want what `[defaults]` or a template asks for.
    #[schemars(example = "ALERTS{alertname=\"CheckoutDown\",alertstate=\"firing\"}")]
    pub(super) hold_scale_down_when: Option<At<PromqlText>>,
    /// The Prometheus that `hold_scale_down_when` asks. When it is not set: the workload's `source`, or the only one.
    #[schemars(example = &"main")]
    pub(super) hold_scale_down_source: Option<At<String>>,
}

/// Whose rules decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Semantics {
    Headroom,
    Hpa,
}

/// Whether decisions are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mode {
    Apply,
    Preview,
    Shadow,
}

/// Copies of a command on this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "process"))]
pub(super) struct RawProcess {
    /// The program and its arguments.
    #[schemars(example = &["./web"])]
    pub(super) command: Option<At<Vec<At<String>>>>,
    /// The directory it runs in. When it is not set: that of the file with the command.
    pub(super) directory: Option<At<PathText>>,
    /// Environment variables on top of headroom's own. Each replica also gets its `PORT`.
    pub(super) environment: Option<Named<At<String>>>,
    /// How a replica shows that it can serve. When it is not set, it is ready while it is alive.
    pub(super) ready: Option<At<RawReady>>,
    /// How long a replica may take to end after SIGTERM before it is killed.
    pub(super) drain: Option<At<DurationText>>,
}

/// How a replica shows that it can serve.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "ready"))]
pub(super) struct RawReady {
    /// A GET of this path on its `PORT` answers with a status from 200 to 399.
    #[schemars(example = "/healthz")]
    pub(super) http: Option<At<String>>,
    /// Its `PORT` accepts a connection.
    pub(super) tcp: Option<At<bool>>,
}

/// Whatever your own commands scale.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "command"))]
pub(super) struct RawCommand {
    /// Prints the wanted count: the program and its arguments, without a shell.
    #[schemars(example = &["./replicas"])]
    pub(super) get: Option<At<Vec<At<String>>>>,
    /// Sets the wanted count, which stands where `{replicas}` is written.
    #[schemars(example = &["./scale", "{replicas}"])]
    pub(super) set: Option<At<Vec<At<String>>>>,
    /// Prints how many replicas are ready. When it is not set, readiness is unknown.
    #[schemars(example = &["./ready"])]
    pub(super) ready: Option<At<Vec<At<String>>>>,
    /// The directory they run in. When it is not set: that of the file with `set`.
    pub(super) directory: Option<At<PathText>>,
    /// How long each may take. When it is not set: `deadline`.
    pub(super) timeout: Option<At<DurationText>>,
}

/// When the count becomes zero.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawScaleToZero {
    /// For how long every metric has to be known and zero before the count is set to zero.
    pub(super) idle: Option<At<DurationText>>,
}

/// How the count may move in one direction.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-table" = "direction"))]
pub(super) struct RawDirection {
    /// How far back recommendations count before the count moves: at most 1 hour (HPA `stabilizationWindowSeconds`).
    pub(super) stabilization: Option<At<DurationText>>,
    /// How much may change within any period, at most 30 minutes long (HPA `policies`). An empty list is no limit.
    #[schemars(example = &["4 per 15s", "100% per 15s"])]
    pub(super) limit: Option<At<Vec<At<ChangeText>>>>,
    /// Which of several limits counts: the one that allows the most (`max`) or the least (`min`) change; `disabled`
    /// switches the direction off (HPA `selectPolicy`).
    pub(super) select: Option<At<Select>>,
    /// The band around a target inside which the count does not move this way. When it is not set: the workload's
    /// `tolerance`.
    #[schemars(example = "5%")]
    pub(super) tolerance: Option<At<PercentageText>>,
}

/// Which of several limits counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Select {
    Max,
    Min,
    Disabled,
}

/// When a direction is held although the load asks for it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RawGuards {
    /// How long a replica takes from its start to being ready. One that takes three times as long is stuck, and scaling
    /// up beyond the ready ones is held.
    pub(super) startup: Option<At<DurationText>>,
    /// How many reversals of written changes within an hour are allowed before scaling down is held.
    pub(super) max_reversals: Option<At<i64>>,
}
