//! What pods use, over a scripted API server: whose measurements count, how old and how complete the value is, and what
//! is said where there is none.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{fs, sync::Arc, time::Duration};

use headroom_cluster::{ClusterView, Connection, ConnectionOptions, Filling, KindName, ObjectName};
use headroom_metrics_source::{Answer, KubernetesSource, MetricQuery, MetricsSource as _, UsageQuery};
use headroom_policy_engine::{ContainerId, MetricSamples, Resource, Timestamp};
use headroom_test_support::temp_dir;
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const PODS: &str = "/api/v1/namespaces/shop/pods";
const USAGE: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";

const NOW: Timestamp = Timestamp::from_unix_millis(1_789_997_610_000);
const LONG_AGO: &str = "2026-09-21T12:00:00Z";
/// Far beyond what any answer here takes, so that a slow machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Deployment `api`, its pods and what was measured.
struct World {
    server: MockServer,
    source: KubernetesSource,
    _directory: TempDir,
}

impl World {
    async fn new(pods: &[Value], usage: ResponseTemplate) -> Self {
        headroom_test_support::install_tls();
        let (server, directory) = (MockServer::start().await, temp_dir());
        let deployment = json!({"metadata": {"name": "api", "resourceVersion": "1"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "api"}}}});
        for (at, answer) in [
            (DEPLOYMENTS, list(&[deployment])),
            (PODS, list(pods)),
            (USAGE, usage),
        ] {
            Mock::given(path(at)).respond_with(answer).mount(&server).await;
        }
        let kubeconfig = directory.path().join("kubeconfig");
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "c", "cluster": {"server": server.uri()}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
        });
        fs::write(&kubeconfig, text.to_string()).unwrap();
        let connection = Connection::new(&ConnectionOptions {
            kubeconfig: Some(kubeconfig),
            context: None,
            deadline: PATIENCE,
        });
        let view = ClusterView::new(Arc::new(connection.unwrap()), Filling::Lists);
        Self {
            server,
            source: KubernetesSource::new(Arc::new(view)),
            _directory: directory,
        }
    }

    async fn ask(&self, query: UsageQuery) -> Answer {
        self.source
            .observe(&[MetricQuery::Usage(query)], NOW)
            .await
            .remove(0)
    }

    async fn asked(&self, at: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == at).count()
    }
}

fn list(items: &[Value]) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"metadata": {"resourceVersion": "1"}, "items": items}))
}

fn refused(code: u16) -> ResponseTemplate {
    ResponseTemplate::new(code).set_body_json(json!({"kind": "Status", "message": "said so", "code": code}))
}

fn cpu() -> UsageQuery {
    UsageQuery {
        object: ObjectName {
            kind: KindName {
                kind: "deployment".to_owned(),
                version: None,
                group: None,
            },
            namespace: "shop".to_owned(),
            name: "api".to_owned(),
        },
        resource: Resource::Cpu,
        container: None,
        containers: ["app", "typo"].map(Arc::from).into(),
    }
}

fn of_container(number: u16) -> UsageQuery {
    UsageQuery {
        container: Some(ContainerId(number)),
        ..cpu()
    }
}

fn pod(name: &str, ready: bool) -> Value {
    let status = if ready { "True" } else { "False" };
    json!({
        "metadata": {"name": name, "labels": {"app": "api"}, "creationTimestamp": LONG_AGO},
        "spec": {
            "containers": [{"name": "app", "resources": {"requests": {"cpu": "200m", "memory": "100Mi"}}}],
            "initContainers": [
                {"name": "mesh", "restartPolicy": "Always", "resources": {"requests": {"cpu": "50m", "memory": "1Mi"}}},
                {"name": "migrate", "resources": {"requests": {"cpu": "8"}}}],
        },
        "status": {"phase": "Running", "startTime": LONG_AGO,
            "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": LONG_AGO}]},
    })
}

fn measured(name: &str, second: u8, app: &str, mesh: &str) -> Value {
    json!({
        "metadata": {"name": name, "labels": {"app": "api"}},
        "timestamp": format!("2026-09-21T13:33:{second:02}Z"), "window": "15s",
        "containers": [{"name": "mesh", "usage": {"cpu": mesh, "memory": "1Mi"}},
            {"name": "app", "usage": {"cpu": app, "memory": "50Mi"}}],
    })
}

fn value(answer: &Answer) -> f64 {
    answer.reading.as_ref().unwrap().value
}

fn error(answer: &Answer) -> String {
    answer.reading.as_ref().unwrap_err().to_string()
}

#[tokio::test]
async fn a_value_is_what_the_ready_pods_use_of_what_they_request() {
    let pods = [pod("a", true), pod("b", true), pod("c", false)];
    let usage = [
        measured("a", 20, "200m", "50m"),
        measured("b", 5, "100m", "25m"),
        measured("c", 1, "5", "5"),
    ];
    let world = World::new(&pods, list(&usage)).await;
    let memory = UsageQuery {
        resource: Resource::Memory,
        ..of_container(0)
    };
    let queries = [cpu(), of_container(0), memory].map(MetricQuery::Usage);
    let answers = world.source.observe(&queries, NOW).await;
    let values: Vec<f64> = answers.iter().map(value).collect();
    assert_eq!(
        values,
        [0.75, 0.75, 0.5],
        "375m of 500m; 300m of 400m; 100Mi of 200Mi"
    );
    let reading = answers[0].reading.as_ref().unwrap();
    let oldest = NOW.minus(Duration::from_secs(25));
    assert_eq!(
        reading.newest_sample,
        Some(oldest),
        "as old as the oldest of those that count"
    );
    assert_eq!(reading.coverage.replicas, Some(2.0));
    assert_eq!(answers[0].scrape_interval, Some(Duration::from_secs(15)));
    for at in [DEPLOYMENTS, PODS, USAGE] {
        assert_eq!(world.asked(at).await, 1, "{at}");
    }
}

#[tokio::test]
async fn pods_go_to_the_engine_as_they_are_with_what_was_measured_of_each() {
    let pods = [pod("a", true), pod("b", true)];
    let mut gone = measured("gone", 9, "1", "1");
    let mut other = measured("other", 9, "1", "1");
    other["metadata"]["labels"]["app"] = "other".into();
    gone["window"] = "20s".into();
    let world = World::new(&pods, list(&[measured("b", 5, "100m", "25m"), gone, other])).await;
    let answer = world.ask(cpu()).await;
    let facts = answer.pods.as_ref().unwrap();
    assert_eq!(facts.pods.len(), 2);
    let MetricSamples::Usage(usage) = &facts.samples else {
        panic!("{:?}", facts.samples)
    };
    assert!(usage.of_pods[0].is_none(), "nothing was measured of it");
    let of_b = usage.of_pods[1].as_ref().unwrap();
    assert_eq!(of_b.measured_at, NOW.minus(Duration::from_secs(25)));
    // The container that has a number has that one, in requests and in usage.
    assert_eq!(of_b.containers[1].id, ContainerId(0));
    assert_eq!(facts.pods[1].containers[0].id, ContainerId(0));
    assert_eq!(
        of_b.containers[0].id,
        facts.pods[1].init_containers[0].container.id
    );
    assert_eq!(
        usage.strangers.len(),
        1,
        "of a pod that is gone, not of another workload's"
    );
    assert_eq!(answer.reading.unwrap().coverage.replicas, Some(1.0));
}

#[tokio::test]
async fn where_no_pod_is_ready_what_was_measured_covers_none() {
    let world = World::new(&[pod("a", false)], list(&[measured("a", 9, "50m", "0")])).await;
    let answer = world.ask(cpu()).await;
    assert_eq!(value(&answer).to_bits(), 0.2_f64.to_bits());
    assert_eq!(answer.reading.unwrap().coverage.replicas, Some(0.0));
}

#[tokio::test]
async fn what_cannot_be_known_is_named_with_the_way_out() {
    let ready = [pod("a", true)];
    let mut bare = pod("b", true);
    bare["spec"]["containers"][0]["resources"] = json!({});
    let usage = || list(&[measured("a", 9, "50m", "0")]);
    for (pods, usage, query, words) in [
        (&ready[..], refused(404), cpu(), "install metrics-server"),
        (
            &ready,
            // So that it is not asked again until the deadline.
            refused(503).insert_header("Retry-After", "3600"),
            cpu(),
            "kubectl get apiservice v1beta1.metrics.k8s.io",
        ),
        (
            &ready,
            refused(403),
            cpu(),
            "{apiGroups: [\"metrics.k8s.io\"], resources: [pods], verbs: [list]}",
        ),
        (&ready, list(&[]), cpu(), "nothing yet of the 1 pods"),
        (
            &[],
            usage(),
            cpu(),
            "deployment/api in namespace shop has no pods",
        ),
        (
            &[ready[0].clone(), bare],
            usage(),
            cpu(),
            "container `app` of pod b requests no cpu",
        ),
        (
            &ready,
            usage(),
            of_container(1),
            "pod a has no container `typo`; it has app, mesh",
        ),
    ] {
        let world = World::new(pods, usage).await;
        let said = error(&world.ask(query).await);
        assert!(said.contains(words), "{said}\n{words}");
    }
}

#[tokio::test]
async fn pods_that_may_not_be_read_are_a_missing_rule() {
    let world = World::new(&[], list(&[])).await;
    world.server.reset().await;
    Mock::given(path(PODS))
        .respond_with(refused(403))
        .mount(&world.server)
        .await;
    let said = error(&world.ask(cpu()).await);
    assert!(
        said.contains("not allowed: list pods in namespace shop (403)"),
        "{said}"
    );
    assert!(
        said.contains("resources: [pods], verbs: [get, list, watch]"),
        "{said}"
    );
}
