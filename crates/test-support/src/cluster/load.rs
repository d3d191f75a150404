//! The load model: what a workload uses in all is shared over its ready pods, so that scaling changes what each uses.
//!
//! A load is an annotation of the namespace, `load.headroom.dev/<workload>`. The pods of a workload are those whose label
//! `app` is its name. What each is to use goes to kwok as the `ClusterResourceUsage` of the namespace.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    time::Duration,
};

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client, ResourceExt as _,
    api::DeleteParams,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::reflector::Store,
};
use serde_json::{Value, json};

use super::{objects::try_apply, quantity, watched::watched};

const USAGES: &str = "/apis/kwok.x-k8s.io/v1alpha1/clusterresourceusages";
const ANNOTATION: &str = "load.headroom.dev/";
/// What a pod uses on which there is no load: 1m and 1Mi.
const IDLE: [(Resource, f64); 2] = [(Resource::Cpu, 0.001), (Resource::Memory, 1_048_576.0)];
/// How soon what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Cpu,
    Memory,
}

impl Resource {
    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
        }
    }
}

/// What a workload uses in all its ready pods together.
///
/// As text it is `cpu=1500m,memory=2Gi`, and `sidecar.cpu=100m` for one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Load {
    amounts: BTreeMap<(Option<String>, Resource), f64>,
}

impl Load {
    /// None at all: each container uses next to nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// CPU in cores, in each container that has no amount of its own.
    pub fn cpu(mut self, cores: f64) -> Self {
        self.amounts.insert((None, Resource::Cpu), cores);
        self
    }

    /// Memory in bytes, in each container that has no amount of its own.
    pub fn memory(mut self, bytes: f64) -> Self {
        self.amounts.insert((None, Resource::Memory), bytes);
        self
    }

    /// CPU in cores, in one container.
    pub fn container_cpu(mut self, container: &str, cores: f64) -> Self {
        self.amounts
            .insert((Some(container.to_owned()), Resource::Cpu), cores);
        self
    }

    /// Memory in bytes, in one container.
    pub fn container_memory(mut self, container: &str, bytes: f64) -> Self {
        self.amounts
            .insert((Some(container.to_owned()), Resource::Memory), bytes);
        self
    }

    /// That of one container.
    fn of(&self, container: Option<&str>, resource: Resource) -> Option<f64> {
        let own = (container.map(str::to_owned), resource);
        let amount = self.amounts.get(&own);
        amount.or_else(|| self.amounts.get(&(None, resource))).copied()
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for ((container, resource), amount) in &self.amounts {
            f.write_str(comma)?;
            if let Some(container) = container {
                write!(f, "{container}.")?;
            }
            write!(f, "{}={amount}", resource.name())?;
            comma = ",";
        }
        Ok(())
    }
}

impl FromStr for Load {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut load = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let understood = part.split_once('=').and_then(|(name, amount)| {
                let (container, resource) = match name.rsplit_once('.') {
                    Some((container, resource)) => (Some(container.to_owned()), resource),
                    None => (None, name),
                };
                let resource = [Resource::Cpu, Resource::Memory]
                    .into_iter()
                    .find(|known| known.name() == resource)?;
                Some(((container, resource), quantity::parse(amount)?))
            });
            let (key, amount) = understood.ok_or_else(|| {
                format!("{part} is no load; cpu=1500m, memory=2Gi and sidecar.cpu=100m are")
            })?;
            load.amounts.insert(key, amount);
        }
        Ok(load)
    }
}

/// The annotation of a namespace that says the load on a workload.
pub(super) fn annotation(workload: &str) -> String {
    format!("{ANNOTATION}{workload}")
}

/// Keeps what the pods use in step with loads and ready pods, for as long as it is polled.
pub(super) async fn spread(client: Client) {
    let (namespaces, namespaces_changed) = watched(Api::<Namespace>::all(client.clone()), ());
    let (pods, pods_changed) = watched(Api::<Pod>::all(client.clone()), ());
    let changed = futures::stream::select(namespaces_changed, pods_changed);
    let mut changed = std::pin::pin!(changed.ready_chunks(256));
    let mut written = BTreeMap::new();
    loop {
        // An error means that nothing has changed for a while.
        drop(tokio::time::timeout(AGAIN, changed.next()).await);
        write(&client, &usages(&namespaces, &pods), &mut written).await;
    }
}

/// What is wanted of each namespace that there is.
fn usages(namespaces: &Store<Namespace>, pods: &Store<Pod>) -> BTreeMap<String, Value> {
    let ready = ready_pods(pods);
    let usage = |namespace: &Namespace| {
        let name = namespace.name_any();
        let loads = namespace.annotations().iter().filter_map(|(key, value)| {
            let workload = key.strip_prefix(ANNOTATION)?;
            let load = value.parse().unwrap_or_default();
            Some((workload.to_owned(), load))
        });
        let ready = ready.get(&name).cloned().unwrap_or_default();
        let usage = usage(&name, &loads.collect(), &ready);
        (name, usage)
    };
    let namespaces = namespaces.state();
    namespaces.iter().map(|namespace| usage(namespace)).collect()
}

/// How many pods of each workload are ready, by namespace.
fn ready_pods(pods: &Store<Pod>) -> BTreeMap<String, BTreeMap<String, u32>> {
    let mut ready: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for pod in pods.state() {
        if let Some(app) = pod.labels().get("app")
            && is_ready(&pod)
        {
            let namespace = ready.entry(pod.namespace().unwrap_or_default()).or_default();
            *namespace.entry(app.clone()).or_default() += 1;
        }
    }
    ready
}

/// Whether a pod says that it is ready and is not about to go.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

/// What kwok is told of the pods of a namespace.
fn usage(namespace: &str, loads: &BTreeMap<String, Load>, ready: &BTreeMap<String, u32>) -> Value {
    let containers: BTreeSet<&str> = loads
        .values()
        .flat_map(|load| {
            load.amounts
                .keys()
                .filter_map(|(container, _)| container.as_deref())
        })
        .collect();
    let of_container = |container: Option<&str>| {
        let usage: BTreeMap<&str, Value> = IDLE
            .iter()
            .map(|(resource, idle)| {
                let expression = expression(&shares(loads, ready, container, *resource), *idle);
                (resource.name(), json!({ "expression": expression }))
            })
            .collect();
        let mut entry = json!({ "usage": usage });
        if let Some(container) = container {
            entry["containers"] = json!([container]);
        }
        entry
    };
    let named = containers.into_iter().map(Some);
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterResourceUsage",
        "metadata": { "name": namespace },
        "spec": {
            "selector": { "matchNamespaces": [namespace] },
            "usages": named.chain([None]).map(of_container).collect::<Vec<_>>(),
        },
    })
}

/// What one ready pod of each workload uses.
fn shares(
    loads: &BTreeMap<String, Load>,
    ready: &BTreeMap<String, u32>,
    container: Option<&str>,
    resource: Resource,
) -> BTreeMap<String, f64> {
    let share = |(workload, load): (&String, &Load)| {
        let pods = ready.get(workload).copied().filter(|pods| *pods > 0)?;
        Some((workload.clone(), load.of(container, resource)? / f64::from(pods)))
    };
    loads.iter().filter_map(share).collect()
}

/// The usage of a pod in CEL, by its label.
fn expression(shares: &BTreeMap<String, f64>, idle: f64) -> String {
    let number = |amount: f64| format!("{amount:.9}");
    let running = if shares.is_empty() {
        number(idle)
    } else {
        let entries: Vec<String> = shares
            .iter()
            .map(|(workload, share)| format!("{workload:?}: {}", number(*share)))
            .collect();
        let (table, label) = (
            format!("{{{}}}", entries.join(", ")),
            r#"pod.metadata.labels["app"]"#,
        );
        format!(
            r#"("app" in pod.metadata.labels) && ({label} in {table}) ? {table}[{label}] : {}"#,
            number(idle)
        )
    };
    format!(r#"pod.status.phase == "Running" ? ({running}) : 0.0"#)
}

/// Writes what has changed since it was written last, and removes what belongs to no namespace any more.
async fn write(client: &Client, wanted: &BTreeMap<String, Value>, written: &mut BTreeMap<String, Value>) {
    for (namespace, usage) in wanted {
        // What the API server refuses or does not answer is tried again.
        if written.get(namespace) != Some(usage) && try_apply(client, USAGES, usage).await.is_ok() {
            written.insert(namespace.clone(), usage.clone());
        }
    }
    let kind = GroupVersionKind::gvk("kwok.x-k8s.io", "v1alpha1", "ClusterResourceUsage");
    let usages: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    let gone: Vec<String> = written
        .keys()
        .filter(|namespace| !wanted.contains_key(*namespace))
        .cloned()
        .collect();
    for namespace in gone {
        // One that is left does no harm: its namespace is gone.
        drop(usages.delete(&namespace, &DeleteParams::default()).await);
        written.remove(&namespace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, load: &Load) {
        assert_eq!(text.parse::<Load>().as_ref(), Ok(load), "{text}");
        assert_eq!(load.to_string().parse::<Load>().as_ref(), Ok(load), "{load}");
    }

    #[test]
    fn a_load_is_read_as_it_is_written() {
        check("", &Load::none());
        check("cpu=1500m", &Load::none().cpu(1.5));
        check(
            "cpu=2, memory=1Ki,side.car.cpu=100m,sidecar.memory=1M",
            &Load::none()
                .cpu(2.0)
                .memory(1024.0)
                .container_cpu("side.car", 0.1)
                .container_memory("sidecar", 1e6),
        );
        for wrong in ["cpu", "cpu=much", "disk=1"] {
            let error = wrong.parse::<Load>().unwrap_err();
            assert!(error.starts_with(&format!("{wrong} is no load")), "{error}");
        }
    }

    #[test]
    fn a_load_is_shared_over_ready_pods() {
        let loads = BTreeMap::from([
            (
                "api".to_owned(),
                Load::none().cpu(1.5).container_cpu("sidecar", 0.3),
            ),
            ("web".to_owned(), Load::none().cpu(1.0)),
        ]);
        let ready = BTreeMap::from([("api".to_owned(), 3), ("other".to_owned(), 1)]);
        let shares = |container| shares(&loads, &ready, container, Resource::Cpu);
        assert_eq!(shares(None), BTreeMap::from([("api".to_owned(), 0.5)]));
        let sidecar = shares(Some("sidecar"));
        assert!((sidecar["api"] - 0.1).abs() < 1e-9, "{sidecar:?}");
    }
}
