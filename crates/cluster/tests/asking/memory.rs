//! What a large namespace costs.

use std::{sync::Arc, time::Duration};

use allocation_counter::measure;
use headroom_cluster::Filling;
use serde_json::{Value, json};
use wiremock::{Mock, Request, ResponseTemplate, matchers};

use crate::world::{NOW, PODS, USAGE, World};

const PODS_THERE: usize = 10_000;
const PAGE: usize = 500;
const LIMIT: u64 = 60 * 1024 * 1024;

/// A pod as a cluster has it: a sidecar, ten labels, conditions, and much that is not kept; with `@SERVICE`, `@POD` and
/// `@IP` where pods differ.
fn pod() -> Value {
    let app = "@SERVICE";
    let managed: Vec<Value> = (0..3)
        .map(|_| {
            json!({"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
            "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:containers": {}}}})
        })
        .collect();
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/platform/{app}:1.2.3"),
            "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
            "env": (0..20).map(|n| json!({"name": format!("SETTING_{n}"), "value": "a value of usual length"}))
                .collect::<Vec<_>>(),
        })
    };
    let condition =
        |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-11-26T08:00:00Z"});
    let conditions = ["PodScheduled", "Initialized", "ContainersReady", "Ready"].map(condition);
    json!({
        "metadata": {
            "name": "@SERVICE-5d94fb6cd8-@POD", "namespace": "shop",
            "uid": "6b0ad6ff-8fdf-4b3e-9a7a-0000000@POD", "resourceVersion": "123456",
            "creationTimestamp": "2026-11-26T08:00:00Z", "managedFields": managed,
            "labels": {
                "app": app, "app.kubernetes.io/name": app, "app.kubernetes.io/instance": app,
                "app.kubernetes.io/version": "1.2.3", "app.kubernetes.io/part-of": "platform",
                "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "service-4.5.6",
                "pod-template-hash": "5d94fb6cd8", "team": "checkout", "topology.kubernetes.io/zone": "eu-central-1a",
            },
            "annotations": {"checksum/config": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
        },
        "spec": {"containers": [container("app"), container("proxy")], "initContainers": [container("migrate")],
            "nodeName": "ip-10-0-1-2.eu-central-1.compute.internal", "volumes": [{"name": "token", "projected": {}}]},
        "status": {"phase": "Running", "podIP": "@IP",
            "startTime": "2026-11-26T08:00:01Z",
            "conditions": conditions,
            "containerStatuses": [{"name": "app", "state": {"running": {}}}, {"name": "proxy", "state": {"running": {}}}]},
    })
}

/// What metrics.k8s.io has of such a pod. Its lists have no pages.
fn usage() -> Value {
    let pod = pod();
    json!({
        "metadata": {"name": pod["metadata"]["name"], "namespace": "shop", "labels": pod["metadata"]["labels"],
            "creationTimestamp": "2026-11-26T08:00:00Z"},
        "timestamp": "2026-11-26T08:00:00Z", "window": "15.064s",
        "containers": [
            {"name": "app", "usage": {"cpu": "123456789n", "memory": "123456Ki"}},
            {"name": "proxy", "usage": {"cpu": "12345678n", "memory": "23456Ki"}},
        ],
    })
}

fn page(template: &str, request: &Request) -> ResponseTemplate {
    let begin = request.url.query_pairs().find(|(key, _)| key == "continue");
    let begin: usize = begin.map_or(0, |(_, value)| value.parse().unwrap());
    let end = begin + PAGE;
    let next = if end < PODS_THERE {
        end.to_string()
    } else {
        String::new()
    };
    let items: Vec<String> = (begin..end).map(|number| numbered(template, number)).collect();
    let body = format!(
        r#"{{"metadata": {{"resourceVersion": "1", "continue": "{next}"}}, "items": [{}]}}"#,
        items.join(",")
    );
    ResponseTemplate::new(200).set_body_raw(body, "application/json")
}

fn numbered(template: &str, number: usize) -> String {
    let service = format!("service-{}", number / 100);
    let ip = format!("10.1.{}.{}", number / 250, number % 250);
    let named = template.replace("@SERVICE", &service).replace("@IP", &ip);
    named.replace("@POD", &format!("{number:05}"))
}

fn all(template: &str) -> ResponseTemplate {
    let items: Vec<String> = (0..PODS_THERE).map(|number| numbered(template, number)).collect();
    let body = format!(r#"{{"metadata": {{}}, "items": [{}]}}"#, items.join(","));
    ResponseTemplate::new(200).set_body_raw(body, "application/json")
}

#[test]
fn ten_thousand_pods_and_what_they_use_fit_in_sixty_megabytes() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let template = pod().to_string();
    let world = runtime.block_on(async {
        let world = World::new(Duration::from_secs(300)).await;
        let pages =
            Mock::given(matchers::path(PODS)).respond_with(move |request: &Request| page(&template, request));
        pages.mount(&world.server).await;
        world.answer(USAGE, all(&usage().to_string())).await;
        world
    });
    let view = world.view(Filling::Lists);
    let (mut pods, mut used) = (None, None);
    let of_pods = measure(|| pods = Some(runtime.block_on(view.pods("shop", NOW)).unwrap()));
    let of_usage = measure(|| used = Some(runtime.block_on(view.usage("shop", NOW)).unwrap()));
    assert_eq!(pods.map(|pods: Arc<_>| pods.all().len()), Some(PODS_THERE));
    assert_eq!(used.map(|used: Arc<_>| used.all().len()), Some(PODS_THERE));
    let kept = [&of_pods, &of_usage].map(|cost| u64::try_from(cost.bytes_current).unwrap());
    let most = of_pods.bytes_max.max(kept[0] + of_usage.bytes_max);
    println!(
        "kept {} bytes of pods and {} of usage, at most {most} while listing",
        kept[0], kept[1]
    );
    assert!(most < LIMIT, "{most} bytes are needed while listing");
}
