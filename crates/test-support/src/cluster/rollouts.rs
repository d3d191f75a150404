//! A custom resource in the shape of an Argo Rollout, and the little of its controller that scaling needs.
//!
//! The controller keeps a ReplicaSet of the Rollout's name at the Rollout's count, and tells the count and the selector
//! back in its status, from which the API server makes the `scale` subresource.

use std::{collections::BTreeMap, time::Duration};

use futures::StreamExt as _;
use k8s_openapi::api::apps::v1::ReplicaSet;
use kube::{
    Api, Client, ResourceExt as _,
    core::{ApiResource, DynamicObject, GroupVersionKind},
    runtime::reflector::ObjectRef,
};
use serde_json::{Value, json};

use super::{
    objects::{try_apply, try_apply_status},
    watched::watched,
};

/// The name of the definition.
pub const ROLLOUTS: &str = "rollouts.argoproj.io";

pub(super) const API_VERSION: &str = "argoproj.io/v1alpha1";
/// How soon what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": ROLLOUTS },
        "spec": {
            "group": "argoproj.io",
            "scope": "Namespaced",
            "names": { "kind": "Rollout", "listKind": "RolloutList", "plural": "rollouts", "singular": "rollout" },
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "properties": {
                        "spec": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                        "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                    },
                } },
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.replicas",
                        "statusReplicasPath": ".status.HPAReplicas",
                        "labelSelectorPath": ".status.selector",
                    },
                },
            }],
        },
    })
}

/// Runs every Rollout, for as long as it is polled.
pub(super) async fn run(client: Client) {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout"));
    let rollouts: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
    let (rollouts, rollouts_changed) = watched(rollouts, kind);
    let (sets, sets_changed) = watched(Api::<ReplicaSet>::all(client.clone()), ());
    let changed = futures::stream::select(rollouts_changed, sets_changed);
    let mut changed = std::pin::pin!(changed.ready_chunks(64));
    let mut written = BTreeMap::new();
    loop {
        // An error means that nothing has changed for a while.
        drop(tokio::time::timeout(AGAIN, changed.next()).await);
        for rollout in rollouts.state() {
            let namespace = rollout.namespace().unwrap_or_default();
            let set = sets.get(&ObjectRef::new(&rollout.name_any()).within(&namespace));
            reconcile(&client, &rollout, set.as_deref(), &mut written).await;
        }
    }
}

/// Brings one Rollout's ReplicaSet and status in step with it. What is refused or not answered is tried again.
async fn reconcile(
    client: &Client,
    rollout: &DynamicObject,
    set: Option<&ReplicaSet>,
    written: &mut BTreeMap<String, i64>,
) {
    let (uid, namespace) = (
        rollout.uid().unwrap_or_default(),
        rollout.namespace().unwrap_or_default(),
    );
    let generation = rollout.metadata.generation.unwrap_or_default();
    if written.get(&uid) != Some(&generation) {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/replicasets");
        if try_apply(client, &path, &replica_set(rollout)).await.is_ok() {
            written.insert(uid, generation);
        }
    }
    let status = status(rollout, set);
    if rollout.data["status"] != status {
        let object = json!({
            "apiVersion": API_VERSION,
            "kind": "Rollout",
            "metadata": { "name": rollout.name_any() },
            "status": status,
        });
        let path = format!("/apis/{API_VERSION}/namespaces/{namespace}/rollouts");
        drop(try_apply_status(client, &path, &object).await);
    }
}

fn replica_set(rollout: &DynamicObject) -> Value {
    let spec = &rollout.data["spec"];
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": rollout.name_any(),
            "ownerReferences": [{
                "apiVersion": API_VERSION,
                "kind": "Rollout",
                "name": rollout.name_any(),
                "uid": rollout.uid(),
                "controller": true,
            }],
        },
        "spec": {
            "replicas": spec["replicas"],
            "selector": spec["selector"],
            "template": spec["template"],
        },
    })
}

fn status(rollout: &DynamicObject, set: Option<&ReplicaSet>) -> Value {
    let status = set.and_then(|set| set.status.as_ref());
    let replicas = status.map_or(0, |status| status.replicas);
    let labels = rollout.data["spec"]["selector"]["matchLabels"].as_object();
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    json!({
        "HPAReplicas": replicas,
        "replicas": replicas,
        "readyReplicas": status.and_then(|status| status.ready_replicas).unwrap_or_default(),
        "selector": selector.join(","),
    })
}
