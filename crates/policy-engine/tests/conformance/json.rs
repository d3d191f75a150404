//! The cases as they stand in their files. What `README.md` beside them says of each field is not repeated here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub struct File {
    pub schema_version: u32,
    pub cases: Vec<Value>,
}

#[derive(Clone, Deserialize)]
pub struct Case {
    pub id: String,
    pub op: String,
    pub input: Value,
    pub expect: Map<String, Value>,
}

pub type Milli = BTreeMap<String, i64>;

#[derive(Deserialize)]
pub struct Pod {
    pub name: String,
    #[serde(default)]
    pub phase: Option<String>,
    #[serde(default)]
    pub deleted: bool,
    #[serde(default)]
    pub ready: Option<String>,
    #[serde(default)]
    pub ready_transition_age_seconds: Option<f64>,
    #[serde(default)]
    pub start_age_seconds: Option<f64>,
    #[serde(default)]
    pub containers: Vec<Container>,
    #[serde(default)]
    pub init_containers: Option<Vec<Container>>,
    #[serde(default)]
    pub pod_requests_milli: Option<Milli>,
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
pub struct Container {
    pub name: String,
    #[serde(default)]
    pub requests_milli: Option<Milli>,
    #[serde(default)]
    pub usage_milli: Option<Milli>,
    #[serde(default)]
    pub restart_policy_always: bool,
}

#[derive(Deserialize)]
pub struct Metric {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub resource: Option<String>,
    #[serde(default)]
    pub container: Option<String>,
    #[serde(default)]
    pub target: Option<Target>,
}

#[derive(Deserialize)]
pub struct Target {
    #[serde(default)]
    pub average_utilization: Option<i32>,
    #[serde(default)]
    pub average_value_milli: Option<i64>,
    #[serde(default)]
    pub value_milli: Option<i64>,
}

#[derive(Deserialize)]
pub struct Samples {
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    pub pods: Option<Vec<PodSample>>,
    #[serde(default)]
    pub value_milli: Option<i64>,
    #[serde(default)]
    pub values_milli: Option<Vec<i64>>,
}

#[derive(Deserialize)]
pub struct PodSample {
    pub pod: String,
    #[serde(default)]
    pub age_seconds: f64,
    #[serde(default)]
    pub window_seconds: Option<f64>,
    #[serde(default)]
    pub containers: Option<Vec<Container>>,
    #[serde(default)]
    pub value_milli: Option<i64>,
}

/// A sample in `classify_pods`.
#[derive(Clone, Copy, Deserialize)]
pub struct OneSample {
    pub value_milli: i64,
    pub age_seconds: f64,
    pub window_seconds: f64,
}

#[derive(Default, Deserialize)]
pub struct Rules {
    #[serde(default)]
    pub stabilization_window_seconds: Option<f64>,
    #[serde(default)]
    pub select_policy: Option<String>,
    #[serde(default)]
    pub policies: Option<Vec<Policy>>,
    #[serde(default)]
    pub tolerance: Option<f64>,
}

#[derive(Deserialize)]
pub struct Policy {
    #[serde(rename = "type")]
    pub kind: String,
    pub value: u32,
    pub period_seconds: f64,
}

#[derive(Deserialize)]
pub struct Event {
    pub replica_change: u32,
    pub age_seconds: f64,
}

#[derive(Deserialize)]
pub struct Recommendation {
    pub replicas: i32,
    pub age_seconds: f64,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Features {
    #[serde(rename = "HPAScaleToZero")]
    pub scale_to_zero: bool,
    #[serde(rename = "HPAConfigurableTolerance")]
    pub configurable_tolerance: bool,
    #[serde(rename = "PodLevelResources")]
    pub pod_level_resources: bool,
}

#[derive(Clone, Copy, Deserialize)]
pub struct Tolerances {
    pub scale_up: f64,
    pub scale_down: f64,
}

#[derive(Deserialize)]
pub struct Controller {
    pub tolerance: f64,
    pub cpu_initialization_period_seconds: f64,
    pub initial_readiness_delay_seconds: f64,
    pub downscale_stabilization_seconds: f64,
    pub scale_up_limit_factor: f64,
    pub scale_up_limit_minimum: f64,
    #[serde(default)]
    pub zero_replicas_rule: Option<String>,
    #[serde(default)]
    pub features: Features,
}

#[derive(Deserialize)]
pub struct Hpa {
    pub min_replicas: Option<i32>,
    pub max_replicas: i32,
    #[serde(default)]
    pub behavior: Option<Behavior>,
    pub metrics: Vec<Metric>,
}

#[derive(Default, Deserialize)]
pub struct Behavior {
    #[serde(default)]
    pub scale_up: Option<Rules>,
    #[serde(default)]
    pub scale_down: Option<Rules>,
}

#[derive(Deserialize)]
pub struct Scale {
    pub spec_replicas: i32,
    pub status_replicas: i32,
    #[serde(default)]
    pub selector: Option<String>,
    #[serde(default)]
    pub get_error: bool,
    #[serde(default)]
    pub update_error: bool,
}

#[derive(Default, Deserialize)]
pub struct State {
    #[serde(default)]
    pub recommendations: Option<Vec<Recommendation>>,
    #[serde(default)]
    pub scale_up_events: Option<Vec<Event>>,
    #[serde(default)]
    pub scale_down_events: Option<Vec<Event>>,
    #[serde(default)]
    pub conditions: Option<Vec<Condition>>,
}

#[derive(Deserialize)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub reason: String,
}

#[derive(Deserialize)]
pub struct OtherHpa {
    pub selector: String,
}

#[derive(Deserialize)]
pub struct Round {
    pub controller: Controller,
    pub hpa: Hpa,
    #[serde(default)]
    pub status_desired_replicas: Option<i32>,
    pub scale: Scale,
    #[serde(default)]
    pub pods: Vec<Pod>,
    pub samples: Vec<Option<Samples>>,
    #[serde(default)]
    pub state: State,
    #[serde(default)]
    pub other_hpas: Option<Vec<OtherHpa>>,
}
