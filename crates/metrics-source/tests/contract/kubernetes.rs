//! What pods use as a subject, over a scripted API server.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use headroom_cluster::{ClusterView, Connection, ConnectionOptions, Filling, KindName, ObjectName};
use headroom_metrics_source::{KubernetesSource, MetricQuery, UsageQuery, testing::promql};
use headroom_policy_engine::{ContainerId, MissingCause, Resource, Timestamp, hpa::MetricError};
use headroom_test_support::temp_dir;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::suite::{Silent, Subject, keeps_the_contract};

const NOW: Timestamp = Timestamp::from_unix_millis(1_789_997_610_000);
const MEASURED: &str = "2026-09-21T13:33:21Z";

fn usage(namespace: &str, name: &str, container: Option<u16>) -> MetricQuery {
    MetricQuery::Usage(UsageQuery {
        object: ObjectName {
            kind: KindName {
                kind: "deployment".to_owned(),
                version: None,
                group: None,
            },
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
        resource: Resource::Cpu,
        container: container.map(ContainerId),
        containers: ["log", "none"].map(Arc::from).into(),
    })
}

fn deployment(name: &str) -> Value {
    json!({"metadata": {"name": name, "resourceVersion": "1"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}}})
}

fn pod(app: &str, requests: &Value) -> Value {
    json!({
        "metadata": {"name": format!("{app}-1"), "labels": {"app": app}, "creationTimestamp": "2026-09-21T12:00:00Z"},
        "spec": {"containers": [
            {"name": "app", "resources": {"requests": requests}},
            {"name": "log", "resources": {"requests": requests}}]},
        "status": {"phase": "Running", "startTime": "2026-09-21T12:00:00Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-09-21T12:00:05Z"}]},
    })
}

fn metrics(app: &str) -> Value {
    json!({"metadata": {"name": format!("{app}-1"), "labels": {"app": app}}, "timestamp": MEASURED, "window": "15s",
        "containers": [{"name": "app", "usage": {"cpu": "150m"}}, {"name": "log", "usage": {"cpu": "50m"}}]})
}

/// What the API server answers at `path`; `None`: nothing at all.
fn answer(path: &str) -> Option<(u16, Value)> {
    let list = |items: Value| json!({"metadata": {"resourceVersion": "1"}, "items": items});
    let requests = json!({"cpu": "100m"});
    let failed = |code: u16| (code, json!({"kind": "Status", "message": "no", "code": code}));
    Some(match path {
        "/apis/apps/v1/namespaces/shop/deployments" => (
            200,
            list(
                ["api", "quiet", "idle", "bare"]
                    .map(deployment)
                    .into_iter()
                    .collect(),
            ),
        ),
        "/api/v1/namespaces/shop/pods" => (
            200,
            list(json!([
                pod("api", &requests),
                pod("quiet", &requests),
                pod("bare", &json!({}))
            ])),
        ),
        "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods" => {
            (200, list(json!([metrics("api"), metrics("bare")])))
        }
        "/apis/metrics.k8s.io/v1beta1/namespaces/silent/pods" => return None,
        "/apis/metrics.k8s.io/v1beta1/namespaces/locked/pods" => failed(403),
        "/apis/metrics.k8s.io/v1beta1/namespaces/without/pods" => failed(404),
        _ => (200, list(json!([]))),
    })
}

/// Answers as an API server does, and counts the requests that nobody answers.
async fn serve(listener: TcpListener, waiting: Arc<AtomicUsize>) {
    let mut connections = JoinSet::new();
    while let Ok((connection, _)) = listener.accept().await {
        connections.spawn(converse(connection, Arc::clone(&waiting)));
    }
}

async fn converse(mut connection: TcpStream, waiting: Arc<AtomicUsize>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = connection.read(&mut buffer).await {
        let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
        let path = request.split([' ', '?']).nth(1).unwrap_or_default();
        let Some((status, body)) = answer(path) else {
            waiting.fetch_add(1, Ordering::SeqCst);
            // Reads until the other side hangs up.
            while matches!(connection.read(&mut buffer).await, Ok(read) if read > 0) {}
            waiting.fetch_sub(1, Ordering::SeqCst);
            return;
        };
        let body = body.to_string();
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if connection.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn what_pods_use() {
    headroom_test_support::install_tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let waiting = Arc::new(AtomicUsize::new(0));
    let mut server = JoinSet::new();
    server.spawn(serve(listener, Arc::clone(&waiting)));
    let directory = temp_dir();
    let kubeconfig = directory.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    });
    fs::write(&kubeconfig, text.to_string()).unwrap();
    let connection = Connection::new(&ConnectionOptions {
        kubeconfig: Some(kubeconfig),
        context: None,
        // Nobody here is late.
        deadline: Duration::from_secs(60),
    })
    .unwrap();
    let view = ClusterView::new(Arc::new(connection), Filling::Lists);
    let unusable = |why| MissingCause::Unusable { why };
    keeps_the_contract(&Subject {
        source: &KubernetesSource::new(Arc::new(view)),
        now: NOW,
        numbers: vec![
            (usage("shop", "api", None), 1.0),
            (usage("shop", "api", Some(0)), 0.5),
        ],
        missing: vec![
            (usage("shop", "quiet", None), MissingCause::NoData),
            (usage("shop", "idle", None), unusable(MetricError::NoPods)),
            (usage("shop", "bare", None), unusable(MetricError::MissingRequest)),
            (
                usage("shop", "api", Some(1)),
                unusable(MetricError::ContainerNotFound),
            ),
            (
                usage("shop", "absent", None),
                MissingCause::Rejected { status: 404 },
            ),
            (
                usage("locked", "api", None),
                MissingCause::Rejected { status: 403 },
            ),
            (
                usage("without", "api", None),
                MissingCause::Rejected { status: 404 },
            ),
            (promql("up"), MissingCause::NotAsked),
        ],
        silent: Some(Silent {
            query: usage("silent", "api", None),
            under_way: &|| waiting.load(Ordering::SeqCst),
        }),
    })
    .await;
}
