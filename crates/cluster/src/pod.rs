//! What is kept of a pod: who it is, whether it can serve, what it asks for, and what keeps it from starting.

use std::{net::IpAddr, num::NonZeroU16, sync::Arc};

use headroom_policy_engine::{ConditionStatus, InitKind, Milli, PodPhase, ReadyCondition, Timestamp};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    Labels,
    meta::{Raw, RawMeta, Time},
    quantity,
    view::Kept,
};

/// One pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: Box<str>,
    /// What identifies this pod and no later one of the same name.
    pub uid: Box<str>,
    /// Its labels.
    pub labels: Labels,
    /// When it was created.
    pub created: Timestamp,
    /// When a node took it up; `None` where none has.
    pub started_at: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Where it is in its life.
    pub phase: PodPhase,
    /// Its Ready condition; `None` where it has none.
    pub ready: Option<ReadyCondition>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// The TCP ports that its lasting containers give a name to, each name once.
    pub ports: Arc<[NamedPort]>,
    /// Its containers.
    pub containers: Box<[Container]>,
    /// Its init containers in their order, with what becomes of each.
    pub init_containers: Box<[(Container, InitKind)]>,
    /// What it asks for as a whole, where it does (KEP-2837).
    pub requests: Option<Requests>,
    /// What keeps it from starting, in Kubernetes' own words.
    pub trouble: Option<Box<PodTrouble>>,
    /// Where it can be asked for metrics instead, by its annotation `headroom.dev/scrape-address`.
    pub scrape_address: Option<Arc<str>>,
}

/// A port of a pod, by the name that a container gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedPort {
    /// The name, such as `metrics`.
    pub name: Box<str>,
    /// The port.
    pub number: NonZeroU16,
}

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: Box<str>,
    /// What it asks for.
    pub requests: Requests,
}

/// What a container or pod asks for. What is absent is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Processor time, in thousandths of a core.
    pub cpu: Option<Milli>,
    /// Memory, in thousandths of a byte.
    pub memory: Option<Milli>,
}

/// What keeps a pod from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodTrouble {
    /// No node takes it.
    Unschedulable {
        /// The scheduler's words.
        message: Box<str>,
    },
    /// A container does not come up.
    Waiting {
        /// Which container.
        container: Box<str>,
        /// Such as `CrashLoopBackOff` or `ImagePullBackOff`.
        reason: Box<str>,
        /// The kubelet's words.
        message: Box<str>,
    },
}

impl Pod {
    /// The pod as the engine knows it, without what it requests: who asks for that numbers its containers.
    #[must_use]
    pub fn without_requests(&self) -> headroom_policy_engine::Pod {
        headroom_policy_engine::Pod {
            phase: self.phase,
            deleted: self.deleting,
            ready: self.ready,
            started_at: self.started_at,
            containers: Vec::new(),
            init_containers: Vec::new(),
            pod_level: None,
        }
    }

    /// The containers that go on: the ordinary ones, and sidecars.
    pub fn lasting(&self) -> impl Iterator<Item = &Container> {
        let sidecars = self.init_containers.iter().filter(|(_, kind)| match kind {
            InitKind::Sidecar => true,
            InitKind::Ordinary => false,
        });
        self.containers.iter().chain(sidecars.map(|(one, _)| one))
    }

    /// Whether it can serve: ready, not ended and not being deleted.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.counts()
            && self
                .ready
                .is_some_and(|ready| ready.status == ConditionStatus::True)
    }

    /// Whether it is one of the replicas that there are: not ended, and not being deleted.
    #[must_use]
    pub const fn counts(&self) -> bool {
        match self.phase {
            PodPhase::Pending | PodPhase::Running | PodPhase::Unknown => !self.deleting,
            PodPhase::Succeeded | PodPhase::Failed => false,
        }
    }

    /// Since when it has not been able to serve; `None` where it can.
    #[must_use]
    pub fn unready_since(&self) -> Option<Timestamp> {
        match self.ready {
            Some(ReadyCondition {
                status: ConditionStatus::True,
                ..
            }) => None,
            Some(ReadyCondition { since, .. }) => Some(since),
            None => Some(self.created),
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawSpec {
    containers: Vec<RawContainer>,
    init_containers: Vec<RawContainer>,
    resources: RawResources,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawContainer {
    name: String,
    restart_policy: Option<String>,
    resources: RawResources,
    ports: Vec<RawPort>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawPort {
    name: Option<String>,
    container_port: Option<NonZeroU16>,
    protocol: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawResources {
    requests: Option<RawRequests>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RawRequests {
    cpu: Option<RawQuantity>,
    memory: Option<RawQuantity>,
}

/// A quantity, which YAML lets people write as a bare number; the API server answers with text.
#[derive(Clone, Debug, Deserialize)]
struct RawQuantity(String);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawStatus {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    start_time: Option<Time>,
    conditions: Vec<RawCondition>,
    container_statuses: Vec<RawContainerStatus>,
    init_container_statuses: Vec<RawContainerStatus>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    last_transition_time: Option<Time>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawContainerStatus {
    name: String,
    state: RawState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawState {
    waiting: Option<RawWaiting>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct RawWaiting {
    reason: Option<String>,
    message: Option<String>,
}

impl Kept for Pod {
    type Raw = Raw<RawSpec, RawStatus, IgnoredAny>;
    type How = ();

    fn keep(raw: Self::Raw, (): &()) -> Self {
        let Raw {
            metadata,
            spec,
            status,
        } = raw;
        let RawMeta {
            name,
            uid,
            labels,
            annotations,
            creation_timestamp,
            deletion_timestamp,
            ..
        } = metadata;
        let created = creation_timestamp.map_or(Timestamp::MIN, |time| time.0);
        Self {
            trouble: trouble(&status).map(Box::new),
            ready: ready(&status, created),
            phase: phase(status.phase.as_deref()),
            ip: status.pod_ip.and_then(|ip| ip.parse().ok()),
            started_at: status.start_time.map(|time| time.0),
            name: name.into(),
            uid: uid.into(),
            labels: labels.unwrap_or_default().into_iter().collect(),
            created,
            deleting: deletion_timestamp.is_some(),
            ports: ports(&spec),
            containers: spec.containers.into_iter().map(container).collect(),
            init_containers: spec.init_containers.into_iter().map(init_container).collect(),
            requests: spec.resources.requests.map(|requests| requests.read()),
            scrape_address: annotations.scrape_address.map(Arc::from),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl RawRequests {
    pub(crate) fn read(&self) -> Requests {
        let read =
            |quantity: &Option<RawQuantity>| quantity.as_ref().and_then(|text| quantity::parse(&text.0));
        Requests {
            cpu: read(&self.cpu),
            memory: read(&self.memory),
        }
    }
}

fn container(raw: RawContainer) -> Container {
    Container {
        name: raw.name.into(),
        requests: raw
            .resources
            .requests
            .map(|requests| requests.read())
            .unwrap_or_default(),
    }
}

fn init_container(raw: RawContainer) -> (Container, InitKind) {
    let kind = raw.init_kind();
    (container(raw), kind)
}

impl RawContainer {
    fn init_kind(&self) -> InitKind {
        match self.restart_policy.as_deref() {
            Some("Always") => InitKind::Sidecar,
            Some(_) | None => InitKind::Ordinary,
        }
    }
}

/// The ports with a name, as a Service finds them: of two with the same name, the first.
fn ports(spec: &RawSpec) -> Arc<[NamedPort]> {
    let sidecars = spec
        .init_containers
        .iter()
        .filter(|container| container.init_kind() == InitKind::Sidecar);
    let all = spec.containers.iter().chain(sidecars).flat_map(|one| &one.ports);
    let tcp = all.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    let mut ports: Vec<NamedPort> = Vec::new();
    for port in tcp {
        if let (Some(name), Some(number)) = (port.name.as_deref(), port.container_port)
            && !ports.iter().any(|known| &*known.name == name)
        {
            ports.push(NamedPort {
                name: name.into(),
                number,
            });
        }
    }
    ports.into()
}

fn phase(text: Option<&str>) -> PodPhase {
    match text {
        Some("Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some(_) | None => PodPhase::Unknown,
    }
}

fn ready(status: &RawStatus, created: Timestamp) -> Option<ReadyCondition> {
    let condition = status
        .conditions
        .iter()
        .find(|condition| condition.kind == "Ready")?;
    Some(ReadyCondition {
        status: match condition.status.as_str() {
            "True" => ConditionStatus::True,
            "False" => ConditionStatus::False,
            _ => ConditionStatus::Unknown,
        },
        since: condition.last_transition_time.map_or(created, |time| time.0),
    })
}

fn trouble(status: &RawStatus) -> Option<PodTrouble> {
    let mut conditions = status.conditions.iter();
    let unschedulable = conditions.find(|condition| {
        condition.kind == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        return Some(PodTrouble::Unschedulable {
            message: words(condition.message.as_ref()),
        });
    }
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    let mut waiting = containers.filter_map(|container| Some((container, container.state.waiting.as_ref()?)));
    // Every container waits a while in these, and no longer.
    let is_trouble = |reason: &str| !matches!(reason, "ContainerCreating" | "PodInitializing");
    let (container, waiting) =
        waiting.find(|(_, waiting)| waiting.reason.as_deref().is_some_and(is_trouble))?;
    Some(PodTrouble::Waiting {
        container: container.name.as_str().into(),
        reason: words(waiting.reason.as_ref()),
        message: words(waiting.message.as_ref()),
    })
}

fn words(text: Option<&String>) -> Box<str> {
    text.map_or("", String::as_str).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Timestamp = Timestamp::from_unix_millis(1_790_000_000_000);

    fn pod(json: serde_json::Value) -> Pod {
        Pod::keep(serde_json::from_value(json).unwrap(), &())
    }

    fn at(seconds: u64) -> Timestamp {
        MINUTE.plus(std::time::Duration::from_secs(seconds))
    }

    fn time(seconds: i64) -> String {
        jiff::Timestamp::from_second(1_790_000_000 + seconds)
            .unwrap()
            .to_string()
    }

    #[test]
    fn a_running_pod_is_kept_with_what_it_asks_for() {
        let kept = pod(serde_json::json!({
            "metadata": {
                "name": "api-5d9-x2x", "uid": "u-1", "creationTimestamp": time(0),
                "labels": {"tier": "web", "app": "api"},
                "annotations": {"kubernetes.io/psp": "x", "headroom.dev/scrape-address": "127.0.0.1:9"},
                "managedFields": [{"manager": "kubelet"}],
            },
            "spec": {
                "containers": [
                    {"name": "app", "resources": {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"cpu": "1"}},
                     "ports": [{"containerPort": 80}, {"name": "metrics", "containerPort": 9000, "protocol": "TCP"},
                               {"name": "dns", "containerPort": 53, "protocol": "UDP"}]},
                    {"name": "log", "ports": [{"name": "metrics", "containerPort": 9999}]},
                ],
                "initContainers": [
                    {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1"}},
                     "ports": [{"name": "admin", "containerPort": 15000}]},
                    {"name": "migrate", "ports": [{"name": "none", "containerPort": 1}]},
                ],
            },
            "status": {
                "phase": "Running", "podIP": "10.1.0.7", "startTime": time(1),
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": time(5)}],
                "containerStatuses": [{"name": "app", "state": {"running": {"startedAt": time(2)}}}],
            },
        }));
        assert_eq!(kept.labels.get("app"), Some("api"));
        assert_eq!(kept.labels.get("none"), None);
        assert_eq!(kept.started_at, Some(at(1)));
        assert_eq!(kept.ip, Some("10.1.0.7".parse().unwrap()));
        assert_eq!(kept.scrape_address.as_deref(), Some("127.0.0.1:9"));
        let ports = kept.ports.iter().map(|port| (&*port.name, port.number.get()));
        assert_eq!(ports.collect::<Vec<_>>(), [("metrics", 9000), ("admin", 15000)]);
        assert_eq!(kept.containers[0].requests.cpu, Some(Milli::new(250)));
        assert_eq!(
            kept.containers[0].requests.memory,
            Some(Milli::new(64 * 1024 * 1024 * 1000))
        );
        assert_eq!(kept.containers[1].requests, Requests::default());
        assert_eq!(kept.init_containers[0].1, InitKind::Sidecar);
        assert_eq!(kept.init_containers[1].1, InitKind::Ordinary);
        assert_eq!((kept.requests, kept.trouble.as_ref()), (None, None));
        assert!(kept.is_ready());
        assert_eq!(kept.unready_since(), None);
    }

    #[test]
    fn a_pod_that_no_node_takes_says_why_and_waits_since_it_was_created() {
        let kept = pod(serde_json::json!({
            "metadata": {"name": "a", "creationTimestamp": time(3)},
            "spec": {"containers": [{"name": "app"}]},
            "status": {"phase": "Pending", "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                 "message": "0/3 nodes are available: 3 Insufficient cpu."}]},
        }));
        let message = "0/3 nodes are available: 3 Insufficient cpu.".into();
        assert_eq!(
            kept.trouble.as_deref(),
            Some(&PodTrouble::Unschedulable { message })
        );
        assert!(!kept.is_ready());
        assert!(kept.counts());
        assert_eq!(kept.unready_since(), Some(at(3)));
    }

    #[test]
    fn a_container_that_does_not_come_up_is_named_and_one_that_is_being_created_is_not() {
        let state = |reason: &str| {
            let kept = pod(serde_json::json!({
                "metadata": {"name": "a"},
                "status": {"phase": "Pending", "containerStatuses": [
                    {"name": "log", "state": {"running": {}}},
                    {"name": "app", "state": {"waiting": {"reason": reason, "message": "m"}}}]},
            }));
            kept.trouble.map(|trouble| *trouble)
        };
        let crash = PodTrouble::Waiting {
            container: "app".into(),
            reason: "CrashLoopBackOff".into(),
            message: "m".into(),
        };
        assert_eq!(state("CrashLoopBackOff"), Some(crash));
        assert_eq!(state("ContainerCreating"), None);
    }

    #[test]
    fn what_ended_or_is_being_deleted_is_no_replica() {
        let ready = serde_json::json!([{"type": "Ready", "status": "True", "lastTransitionTime": time(0)}]);
        for (phase, deleted, counts) in [
            ("Running", false, true),
            ("Running", true, false),
            ("Succeeded", false, false),
            ("Failed", false, false),
            ("Unknown", false, true),
        ] {
            let kept = pod(serde_json::json!({
                "metadata": {"name": "a", "deletionTimestamp": deleted.then(|| time(9))},
                "status": {"phase": phase, "conditions": ready},
            }));
            assert_eq!(
                (kept.counts(), kept.is_ready()),
                (counts, counts),
                "{phase} {deleted}"
            );
        }
    }
}
