//! What a cluster needs beside its processes: nodes, the life of their pods, and the way to metrics.k8s.io.

use std::{fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

use super::{
    START,
    access::Access,
    components::{Component, Components, kwok_definitions},
    objects::{MANAGER, apply, get, is_true, try_apply_status},
    pods, rollouts,
};
use crate::wait_until;

pub(super) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const STAGES: &str = "/apis/kwok.x-k8s.io/v1alpha1/stages";
const METRICS: &str = "/apis/kwok.x-k8s.io/v1alpha1/metrics";
const NODES: &str = "/api/v1/nodes";
const API_SERVICES: &str = "/apis/apiregistration.k8s.io/v1/apiservices";
/// kwok's resources that a cluster uses.
const KWOK_KINDS: [&str; 4] = ["stages", "metrics", "clusterresourceusages", "resourceusages"];

/// Starts what needs the API server, and waits until pods can run and metrics.k8s.io is there.
pub(super) async fn bring_up(components: &Components, client: &Client, access: &Access, nodes: u32) {
    components.start(Component::ControllerManager).await;
    components.start(Component::Scheduler).await;
    components.start(Component::MetricsServer).await;
    define_resources(client).await;
    for stage in pods::pod_stages().iter().chain([&pods::node_stage()]) {
        apply(client, STAGES, stage).await;
    }
    apply(client, METRICS, &pods::kubelet_metrics()).await;
    serve_metrics(client, access, components.port(Component::MetricsServer)).await;
    components.start(Component::Kwok).await;
    for number in 1..=nodes {
        create_node(client, number, components.port(Component::Kwok)).await;
    }
    wait_until_whole(components, client, nodes).await;
}

async fn define_resources(client: &Client) {
    let folder = kwok_definitions();
    let mut names = vec![rollouts::ROLLOUTS.to_owned()];
    apply(client, DEFINITIONS, &rollouts::definition()).await;
    for kind in KWOK_KINDS {
        let name = format!("{kind}.kwok.x-k8s.io");
        apply_yaml(client, &name, &folder.join(format!("kwok.x-k8s.io_{kind}.yaml"))).await;
        names.push(name);
    }
    for name in names {
        let path = format!("{DEFINITIONS}/{name}");
        wait_until(START, &format!("{name} is served"), async || {
            get(client, &path)
                .await
                .is_some_and(|definition| is_true(&definition, "Established"))
        })
        .await;
    }
}

/// Applies a definition as it stands in its file: the API server reads YAML.
#[expect(clippy::panic, reason = "without its resources the cluster is not whole")]
async fn apply_yaml(client: &Client, name: &str, file: &Path) {
    let applied = async {
        let yaml = fs::read(file)?;
        let request = http::Request::patch(format!("{DEFINITIONS}/{name}?fieldManager={MANAGER}&force=true"))
            .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
            .body(yaml)?;
        client.request::<Value>(request).await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    applied
        .await
        .unwrap_or_else(|error| panic!("{} could not be applied: {error}", file.display()));
}

/// A node that is ready, and whose kubelet is kwok.
#[expect(clippy::panic, reason = "without its nodes the cluster is not whole")]
async fn create_node(client: &Client, number: u32, kubelet: u16) {
    let name = format!("node-{number}");
    let identity = json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": name } });
    let mut node = identity.clone();
    node["metadata"]["labels"] = json!({
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/zone": format!("zone-{}", (number - 1) % 3 + 1),
    });
    node["metadata"]["annotations"] =
        json!({ "metrics.k8s.io/resource-metrics-path": pods::metrics_path(&name) });
    apply(client, NODES, &node).await;

    let size = json!({ "cpu": "32", "memory": "128Gi", "pods": "250" });
    let mut status = identity;
    status["status"] = json!({
        "allocatable": size,
        "capacity": size,
        "addresses": [
            { "type": "InternalIP", "address": "127.0.0.1" },
            { "type": "Hostname", "address": name },
        ],
        "conditions": [{
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "kwok plays this node",
            // What follows is the lease's business, which kwok renews.
            "lastHeartbeatTime": "2020-01-01T00:00:00Z",
            "lastTransitionTime": "2020-01-01T00:00:00Z",
        }],
        "daemonEndpoints": { "kubeletEndpoint": { "Port": kubelet } },
    });
    try_apply_status(client, NODES, &status)
        .await
        .unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Takes the nodes from a kwok that was killed. Another one would wait until the leases of it have run out, and its pods would
/// not become ready meanwhile.
#[expect(clippy::panic, reason = "without its nodes the cluster is not whole")]
pub(super) async fn release_nodes(client: &Client) {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    leases
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap_or_else(|error| panic!("the leases of the nodes: {error}"));
}

/// Tells the API server that metrics-server has metrics.k8s.io: through the name of a Service, as there is no network
/// of pods.
pub(super) async fn serve_metrics(client: &Client, access: &Access, port: u16) {
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "metrics-server", "namespace": "kube-system" },
        "spec": { "type": "ExternalName", "externalName": "localhost", "ports": [{ "port": port }] },
    });
    apply(client, "/api/v1/namespaces/kube-system/services", &service).await;
    let api_service = json!({
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": { "name": "v1beta1.metrics.k8s.io" },
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "service": { "name": "metrics-server", "namespace": "kube-system", "port": port },
            "caBundle": STANDARD.encode(access.authority()),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    });
    apply(client, API_SERVICES, &api_service).await;
}

async fn wait_until_whole(components: &Components, client: &Client, nodes: u32) {
    for number in 1..=nodes {
        let path = format!("{NODES}/node-{number}");
        wait_until(START, &format!("node-{number} is ready"), async || {
            components.fail_if_any_ended();
            let node = get(client, &path).await;
            node.is_some_and(|node| is_true(&node, "Ready") && node["spec"]["taints"].is_null())
        })
        .await;
    }
    let path = format!("{API_SERVICES}/v1beta1.metrics.k8s.io");
    wait_until(START, "metrics.k8s.io is available", async || {
        components.fail_if_any_ended();
        let service = get(client, &path).await;
        service.is_some_and(|service| is_true(&service, "Available"))
    })
    .await;
}
