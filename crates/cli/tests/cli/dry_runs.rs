//! What `check --live` asks of an API server about writing.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use crate::common::World;

/// More than are asked at once, so that they take longer than one of them may.
const WORKLOADS: usize = 17;

fn deployment(number: usize) -> Value {
    json!({
        "metadata": {"name": format!("app-{number}"), "uid": format!("u-{number}"), "resourceVersion": "5"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": format!("app-{number}")}}},
    })
}

/// An API server that lists Deployments, lets nothing else be read, and does not answer a write in time.
async fn server_that_hangs_on_writes() -> MockServer {
    let server = MockServer::start().await;
    let deployments: Vec<_> = (0..WORKLOADS).map(deployment).collect();
    let listed = json!({"metadata": {"resourceVersion": "5"}, "items": deployments});
    Mock::given(matchers::method("GET"))
        .and(matchers::path("/apis/apps/v1/namespaces/shop/deployments"))
        .respond_with(ResponseTemplate::new(200).set_body_json(listed))
        .mount(&server)
        .await;
    let forbidden = json!({"message": "forbidden", "code": 403});
    Mock::given(matchers::method("GET"))
        .respond_with(ResponseTemplate::new(403).set_body_json(forbidden))
        .mount(&server)
        .await;
    Mock::given(matchers::method("PATCH"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(600)))
        .mount(&server)
        .await;
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dry_runs_that_are_not_answered_end_with_the_deadline_of_a_pass() {
    let server = server_that_hangs_on_writes().await;
    let world = World::empty();
    world.write_kubeconfig(&server.uri());
    let workloads: String = (0..WORKLOADS)
        .map(|number| {
            format!(
                "[workload.\"shop/app-{number}\"]\nscale_target = \"deployment/app-{number}\"\nmax_replicas = 3\n\
                 metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n"
            )
        })
        .collect();
    world.write(
        "headroom.toml",
        &format!("deadline = \"4s\"\npass_deadline = \"4s\"\n{workloads}"),
    );
    world.set_load("load.csv", 100);
    let check = world.command(&["check", "--live", "--kubeconfig", "kubeconfig"]);
    let ran = world.finished(check).await.expect(1);
    assert!(ran.stderr.contains("the pass did not end within 4s"), "{ran}");
    let requests = server.received_requests().await.unwrap();
    let writes = requests
        .iter()
        .filter(|request| request.method.as_str() == "PATCH");
    assert!(writes.count() > 0, "what was late is writing: {ran}");
}
