//! Objects that tests scale, and what their pods use.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use super::{pods, quantity, rollouts, scraped_load::SCRAPE_ADDRESS};

/// What kind of object a workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `apps/v1`, with rollouts of its pods.
    Deployment,
    /// `apps/v1`, one pod after the other.
    StatefulSet,
    /// `apps/v1`, pods alone.
    ReplicaSet,
    /// `argoproj.io/v1alpha1`, a custom resource with a `scale` subresource.
    Rollout,
}

impl Kind {
    /// Its group and version, such as `apps/v1`.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::Deployment | Self::StatefulSet | Self::ReplicaSet => "apps/v1",
            Self::Rollout => rollouts::API_VERSION,
        }
    }

    /// Its name, such as `Deployment`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::Rollout => "Rollout",
        }
    }

    /// Its name in paths, such as `deployments`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::ReplicaSet => "replicasets",
            Self::Rollout => "rollouts",
        }
    }
}

/// A workload to be created: one container `app` that requests 100m and 64Mi, unless told otherwise.
#[derive(Clone, Debug)]
pub struct Workload {
    kind: Kind,
    name: String,
    replicas: u32,
    containers: BTreeMap<String, Value>,
    annotations: BTreeMap<&'static str, String>,
}

impl Workload {
    /// One pod of a workload of this kind. Its pods bear the label `app` with its name.
    pub fn new(kind: Kind, name: &str) -> Self {
        let workload = Self {
            kind,
            name: name.to_owned(),
            replicas: 1,
            containers: BTreeMap::new(),
            annotations: BTreeMap::new(),
        };
        workload.container("app", "100m", "64Mi")
    }

    /// A Deployment of one pod.
    pub fn deployment(name: &str) -> Self {
        Self::new(Kind::Deployment, name)
    }

    /// How many pods it begins with.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = replicas;
        self
    }

    /// Adds a container, or changes what it requests.
    pub fn container(mut self, name: &str, cpu: &str, memory: &str) -> Self {
        let requests = json!({ "requests": { "cpu": cpu, "memory": memory } });
        self.containers.insert(name.to_owned(), requests);
        self
    }

    /// How long a pod takes until it is ready, once it has a node.
    pub fn ready_after(mut self, span: Duration) -> Self {
        self.annotations
            .insert(pods::READY_AFTER, format!("{}ms", span.as_millis()));
        self
    }

    /// Pods that never run, and say `reason`, such as `ImagePullBackOff`.
    pub fn waiting(mut self, reason: &str) -> Self {
        self.annotations.insert(pods::WAITING, reason.to_owned());
        self
    }

    /// Where its pods say that they are to be scraped.
    pub fn scraped_at(mut self, address: SocketAddr) -> Self {
        self.annotations.insert(SCRAPE_ADDRESS, address.to_string());
        self
    }

    /// What kind of object it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn object(&self) -> Value {
        let labels = json!({ "app": self.name });
        let containers: Vec<Value> = self
            .containers
            .iter()
            .map(|(name, resources)| json!({ "name": name, "image": "example.com/app:1", "resources": resources }))
            .collect();
        let mut object = json!({
            "apiVersion": self.kind.api_version(),
            "kind": self.kind.name(),
            "metadata": { "name": self.name, "labels": labels },
            "spec": {
                "replicas": self.replicas,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels, "annotations": self.annotations },
                    "spec": { "containers": containers },
                },
            },
        });
        if self.kind == Kind::StatefulSet {
            object["spec"]["serviceName"] = self.name.as_str().into();
        }
        object
    }
}

/// What a container uses, as metrics.k8s.io says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// In cores.
    pub cpu: f64,
    /// In bytes.
    pub memory: f64,
}

impl Usage {
    /// What is in an object of metrics.k8s.io, by container.
    pub(super) fn by_container(pod_metrics: &Value) -> BTreeMap<String, Self> {
        let containers = pod_metrics["containers"].as_array();
        let one = |container: &Value| {
            let amount = |resource: &str| quantity::parse(container["usage"][resource].as_str()?);
            let usage = Self {
                cpu: amount("cpu")?,
                memory: amount("memory")?,
            };
            Some((container["name"].as_str()?.to_owned(), usage))
        };
        containers.into_iter().flatten().filter_map(one).collect()
    }
}
