//! VerticalPodAutoscalers in the shape of the real ones. Nothing recommends or sets requests: they are there to be read.

use serde_json::{Value, json};

use super::{
    Kind, Namespace, WAIT,
    objects::{apply, get, is_true},
    set_up::DEFINITIONS,
};
use crate::wait_until;

const NAME: &str = "verticalpodautoscalers.autoscaling.k8s.io";

fn definition() -> Value {
    let container_policy = json!({
        "type": "object",
        "properties": {
            "containerName": { "type": "string" },
            "mode": { "type": "string", "enum": ["Auto", "Off"] },
            "controlledResources": { "type": "array", "items": { "type": "string" } },
            "controlledValues": { "type": "string", "enum": ["RequestsAndLimits", "RequestsOnly"] },
        },
    });
    let update_modes = ["Off", "Initial", "Recreate", "InPlaceOrRecreate", "Auto"];
    let spec = json!({
        "type": "object",
        "required": ["targetRef"],
        "properties": {
            "targetRef": {
                "type": "object",
                "required": ["kind", "name"],
                "properties": {
                    "apiVersion": { "type": "string" },
                    "kind": { "type": "string" },
                    "name": { "type": "string" },
                },
            },
            "updatePolicy": {
                "type": "object",
                "properties": { "updateMode": { "type": "string", "enum": update_modes } },
            },
            "resourcePolicy": {
                "type": "object",
                "properties": { "containerPolicies": { "type": "array", "items": container_policy } },
            },
        },
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": NAME,
            "annotations": { "api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/63797" },
        },
        "spec": {
            "group": "autoscaling.k8s.io",
            "scope": "Namespaced",
            "names": {
                "kind": "VerticalPodAutoscaler",
                "listKind": "VerticalPodAutoscalerList",
                "plural": "verticalpodautoscalers",
                "singular": "verticalpodautoscaler",
                "shortNames": ["vpa"],
            },
            "versions": [{
                "name": "v1",
                "served": true,
                "storage": true,
                "schema": { "openAPIV3Schema": {
                    "type": "object",
                    "required": ["spec"],
                    "properties": {
                        "spec": spec,
                        "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
                    },
                } },
                "subresources": { "status": {} },
            }],
        },
    })
}

impl Namespace<'_> {
    /// Installs the definition of VerticalPodAutoscalers, which belongs to no namespace, and waits until they are served.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn install_vpas(&self) {
        apply(self.client(), DEFINITIONS, &definition()).await;
        wait_until(WAIT, &format!("{NAME} is served"), async || {
            get(self.client(), &format!("{DEFINITIONS}/{NAME}"))
                .await
                .is_some_and(|definition| is_true(&definition, "Established"))
        })
        .await;
    }

    /// Creates a VerticalPodAutoscaler called as the workload that it is for, or makes it like this one.
    /// `container_policies` are those of its `resourcePolicy`.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn create_vpa(
        &self,
        kind: Kind,
        workload: &str,
        update_mode: &str,
        container_policies: &Value,
    ) {
        let vpa = json!({
            "apiVersion": "autoscaling.k8s.io/v1",
            "kind": "VerticalPodAutoscaler",
            "metadata": { "name": workload },
            "spec": {
                "targetRef": { "apiVersion": kind.api_version(), "kind": kind.name(), "name": workload },
                "updatePolicy": { "updateMode": update_mode },
                "resourcePolicy": { "containerPolicies": container_policies },
            },
        });
        let path = self.path("apis/autoscaling.k8s.io/v1", "verticalpodautoscalers");
        apply(self.client(), &path, &vpa).await;
    }
}
