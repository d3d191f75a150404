//! The life of nodes and pods without a kubelet: what kwok writes into their status, and the metrics that a kubelet has.

use serde_json::{Value, json};

/// On a pod: how long it takes until it is ready, once it has a node, such as `5s`.
pub(super) const READY_AFTER: &str = "headroom.dev/ready-after";
/// On a pod: why its containers wait and never run, such as `ImagePullBackOff`.
pub(super) const WAITING: &str = "headroom.dev/waiting";

const RUNNING: &str = r#"
{{ $now := Now | Quote }}
phase: Running
startTime: {{ $now }}
conditions:
{{ range list "Initialized" "ContainersReady" "Ready" }}
- {type: {{ . }}, status: "True", lastTransitionTime: {{ $now }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now }}}}
{{ end }}
{{ with NodeIPsWith .spec.nodeName }}
hostIP: {{ index . 0 | Quote }}
{{ end }}
{{ with PodIPsWith .spec.nodeName false .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ index . 0 | Quote }}
podIPs: [{ip: {{ index . 0 | Quote }}}]
{{ end }}
"#;

const STUCK: &str = r#"
{{ $now := Now | Quote }}
{{ $reason := index .metadata.annotations "headroom.dev/waiting" | Quote }}
phase: Pending
startTime: {{ $now }}
conditions:
- {type: Initialized, status: "True", lastTransitionTime: {{ $now }}}
{{ range list "ContainersReady" "Ready" }}
- {type: {{ . }}, status: "False", reason: ContainersNotReady, lastTransitionTime: {{ $now }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: false
  started: false
  restartCount: 0
  state: {waiting: {reason: {{ $reason }}}}
{{ end }}
"#;

/// Every five minutes, as a kubelet does; in between it is the lease that says that the node is well.
const HEARTBEAT: &str = r#"
conditions:
- {type: Ready, status: "True", reason: KubeletReady, lastHeartbeatTime: {{ Now | Quote }}}
"#;

/// The stage of a node's life, without which kwok renews no lease.
pub(super) fn node_stage() -> Value {
    let ready = json!({
        "key": ".status.conditions.[] | select( .type == \"Ready\" ) | .status",
        "operator": "In",
        "values": ["True"],
    });
    let mut heartbeat = stage(
        "Node",
        "node-heartbeat",
        &[ready],
        &json!({ "statusTemplate": HEARTBEAT }),
    );
    heartbeat["spec"]["delay"] = json!({ "durationMilliseconds": 300_000 });
    heartbeat
}

/// The stages of a pod's life.
pub(super) fn pod_stages() -> [Value; 3] {
    let pending = json!({ "key": ".status.phase", "operator": "In", "values": ["Pending"] });
    let not_deleted = lacks(".metadata.deletionTimestamp");
    let waiting = format!(".metadata.annotations[\"{WAITING}\"]");
    let mut ready = stage(
        "Pod",
        "pod-ready",
        &[pending.clone(), not_deleted.clone(), lacks(&waiting)],
        &json!({ "statusTemplate": RUNNING }),
    );
    ready["spec"]["delay"] = json!({
        "durationMilliseconds": 0,
        "durationFrom": { "jq": { "expression": format!(".metadata.annotations[\"{READY_AFTER}\"]") } },
    });
    [
        ready,
        stage(
            "Pod",
            "pod-waiting",
            &[
                pending,
                not_deleted,
                has(&waiting),
                lacks(".status.containerStatuses"),
            ],
            &json!({ "statusTemplate": STUCK }),
        ),
        stage(
            "Pod",
            "pod-delete",
            &[has(".metadata.deletionTimestamp")],
            &json!({ "delete": true }),
        ),
    ]
}

fn has(key: &str) -> Value {
    json!({ "key": key, "operator": "Exists" })
}

fn lacks(key: &str) -> Value {
    json!({ "key": key, "operator": "DoesNotExist" })
}

fn stage(of: &str, name: &str, when: &[Value], next: &Value) -> Value {
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": { "name": name },
        "spec": {
            "resourceRef": { "apiGroup": "v1", "kind": of },
            "selector": { "matchExpressions": when },
            "next": next,
        },
    })
}

/// The path of a kubelet's resource metrics on `node`, which metrics-server is sent to.
pub(super) fn metrics_path(node: &str) -> String {
    format!("/metrics/nodes/{node}/metrics/resource")
}

/// The resource metrics of a kubelet, as far as metrics-server reads them.
pub(super) fn kubelet_metrics() -> Value {
    let metric = |name: &str, kind: &str, dimension: &str, value: &str| {
        let labels = match dimension {
            "container" => json!([
                { "name": "container", "value": "container.name" },
                { "name": "namespace", "value": "pod.metadata.namespace" },
                { "name": "pod", "value": "pod.metadata.name" },
            ]),
            _ => json!([]),
        };
        json!({
            "name": name,
            "help": name,
            "kind": kind,
            "dimension": dimension,
            "labels": labels,
            "value": value,
        })
    };
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Metric",
        "metadata": { "name": "kubelet" },
        "spec": {
            "path": metrics_path("{nodeName}"),
            "metrics": [
                metric(
                    "container_cpu_usage_seconds_total",
                    "counter",
                    "container",
                    r#"pod.CumulativeUsage("cpu", container.name)"#,
                ),
                metric(
                    "container_memory_working_set_bytes",
                    "gauge",
                    "container",
                    r#"pod.Usage("memory", container.name)"#,
                ),
                metric("node_cpu_usage_seconds_total", "counter", "node", r#"node.CumulativeUsage("cpu")"#),
                metric("node_memory_working_set_bytes", "gauge", "node", r#"node.Usage("memory")"#),
            ],
        },
    })
}
