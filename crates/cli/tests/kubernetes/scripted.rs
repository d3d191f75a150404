//! An API server that says what a real one does not say when it is told to.

use std::time::Duration;

use headroom_test_support::wait_for_seen;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use crate::common::{Ran, World};

const PODS: &str = "/api/v1/namespaces/shop/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const HPAS: &str = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers";
const USAGE: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";

/// The Deployments of one namespace.
const NAMES: [&str; 2] = ["api", "web"];

/// Deployments of six replicas that each request 100m and are to use half of that.
struct Scripted {
    server: MockServer,
    files: World,
}

impl Scripted {
    /// Each uses `cpu`, as was measured some time `ago`.
    async fn new(cpu: &str, ago: Duration) -> Self {
        let server = MockServer::start().await;
        let now = jiff::Timestamp::now();
        let started = (now - ago - Duration::from_secs(3600)).to_string();
        let measured = (now - ago).to_string();
        let names = NAMES
            .iter()
            .flat_map(|app| (1..=6).map(move |number| (app, format!("{app}-{number}"))));
        let meta = |app: &str, name: &str| json!({"name": name, "uid": name, "labels": {"app": app}, "creationTimestamp": started});
        let pods = names.clone().map(|(app, name)| {
            json!({
                "metadata": meta(app, &name),
                "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": "100m"}}}]},
                "status": {"phase": "Running", "startTime": started,
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": started}]},
            })
        });
        let usage = names.map(|(app, name)| {
            json!({"metadata": meta(app, &name), "timestamp": measured, "window": "15s",
                "containers": [{"name": "app", "usage": {"cpu": cpu, "memory": "1Mi"}}]})
        });
        let deployments = NAMES.map(|app| {
            json!({
                "metadata": {"name": app, "uid": app, "resourceVersion": "5", "generation": 1},
                "spec": {"replicas": 6, "selector": {"matchLabels": {"app": app}}}, "status": {"replicas": 6,
                    "updatedReplicas": 6, "readyReplicas": 6, "availableReplicas": 6, "observedGeneration": 1},
            })
        });
        for (path, items) in [
            (PODS, pods.collect::<Vec<Value>>()),
            (USAGE, usage.collect()),
            (DEPLOYMENTS, deployments.to_vec()),
            (HPAS, Vec::new()),
        ] {
            let list = json!({"metadata": {"resourceVersion": "7"}, "items": items});
            let answer = ResponseTemplate::new(200).set_body_json(list);
            let mock = Mock::given(matchers::method("GET")).and(matchers::path(path));
            mock.respond_with(answer).mount(&server).await;
        }
        let files = World::empty();
        files.write_kubeconfig(&server.uri());
        let policies = NAMES.map(|app| {
            format!(
                "[workload.\"shop/{app}\"]\nscale_target = \"deployment/{app}\"\nmin_replicas = 1\nmax_replicas = 10\n\
                 interval = \"1s\"\nscale_down = {{ stabilization = \"1s\", limit = [] }}\n\
                 metrics.cpu = {{ utilization = \"50%\" }}\n"
            )
        });
        files.write("headroom.toml", &policies.concat());
        Self { server, files }
    }

    async fn headroom(&self, arguments: &[&str]) -> Ran {
        let mut command = self.files.command(arguments);
        command.args(["--kubeconfig", "kubeconfig"]);
        self.files.finished(command).await
    }

    async fn was_written(&self) -> bool {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().any(|request| request.method.as_str() == "PATCH")
    }

    /// How often each of `paths` was asked for.
    async fn asked<const N: usize>(&self, paths: [&str; N]) -> [usize; N] {
        let requests = self.server.received_requests().await.unwrap();
        let asked: Vec<_> = requests.iter().map(|request| request.url.path()).collect();
        paths.map(|path| asked.iter().filter(|asked| **asked == path).count())
    }
}

#[tokio::test]
async fn usage_that_was_measured_long_ago_lowers_nothing_and_its_age_is_said() {
    let fresh = Scripted::new("10m", Duration::ZERO).await;
    wait_for_seen(Duration::from_secs(60), "less is asked for", async || {
        let ran = fresh.headroom(&["run", "--once"]).await;
        let explained = fresh.headroom(&["explain", "shop/api", "--last"]).await;
        if fresh.was_written().await {
            Ok(())
        } else {
            Err(format!("{ran}\n{explained}"))
        }
    })
    .await;
    // Of hours no seconds are said, so that it may take some until it is asked.
    let stale = Scripted::new("10m", Duration::from_secs(7200)).await;
    for _ in 0..4 {
        let ran = stale.headroom(&["run", "--once"]).await.expect(3);
        assert!(!stale.was_written().await, "{ran}");
    }
    let explained = stale.headroom(&["explain", "shop/api", "--last"]).await.expect(0);
    explained
        .says("shop/api  stays at 6: nothing is known about the load\n")
        .says("2 h old");
}

#[tokio::test]
async fn a_pass_that_changes_nothing_writes_nothing_and_lists_each_kind_once_for_all_of_a_namespace() {
    let scripted = Scripted::new("50m", Duration::ZERO).await;
    for passes in 1..=3 {
        scripted.headroom(&["run", "--once"]).await.expect(0);
        let asked = scripted.asked([PODS, DEPLOYMENTS, HPAS, USAGE]).await;
        assert_eq!(asked, [passes; 4]);
    }
    assert!(!scripted.was_written().await);
    for name in NAMES.map(|name| format!("shop/{name}")) {
        let explained = scripted.headroom(&["explain", &name, "--last"]).await;
        explained.expect(0).says(&format!("{name}  stays at 6: "));
    }
}
