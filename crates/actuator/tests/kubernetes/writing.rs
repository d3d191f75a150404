//! What is written, and over what.

use std::{fs, sync::Arc, time::Duration};

use headroom_actuator::{
    Actuator as _, KubernetesActuator, KubernetesProbe, KubernetesTarget, ScaleTarget, TargetError,
};
use headroom_cluster::{
    ClusterError, ClusterView, Connection, ConnectionOptions, FieldManager, Filling, KindName, ObjectName,
};
use headroom_policy_engine::{Replicas, Timestamp};
use headroom_test_support::temp_dir;
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

const NOW: Timestamp = Timestamp::from_unix_millis(1_790_000_000_000);
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
const SCALE: &str = "/apis/apps/v1/namespaces/shop/deployments/api/scale";

struct World {
    server: MockServer,
    actuator: KubernetesActuator,
    probe: KubernetesProbe,
    target: ScaleTarget,
    /// The kubeconfig is read again with the first request.
    _directory: TempDir,
}

/// A Deployment that wants 3, in version 5.
async fn world(deadline: Duration) -> World {
    let (server, directory) = (MockServer::start().await, temp_dir());
    let path = directory.path().join("kubeconfig");
    let kubeconfig = json!({
        "current-context": "c", "users": [],
        "clusters": [{"name": "c", "cluster": {"server": server.uri()}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
    });
    fs::write(&path, kubeconfig.to_string()).unwrap();
    let options = ConnectionOptions {
        kubeconfig: Some(path),
        context: None,
        deadline,
    };
    let connection = Arc::new(Connection::new(&options).unwrap());
    let view = Arc::new(ClusterView::new(Arc::clone(&connection), Filling::Lists));
    let listed = json!({"metadata": {"resourceVersion": "5"}, "items": [deployment("u", 5, 3, "kubectl")]});
    answer(
        &server,
        "GET",
        DEPLOYMENTS,
        ResponseTemplate::new(200).set_body_json(listed),
    )
    .await;
    let object = ObjectName {
        kind: KindName {
            kind: "deployment".to_owned(),
            version: None,
            group: None,
        },
        namespace: "shop".to_owned(),
        name: "api".to_owned(),
    };
    let target = KubernetesTarget {
        workload: "shop/api".parse().unwrap(),
        object,
        requests: Vec::new(),
        tells_pods: false,
    };
    World {
        server,
        actuator: KubernetesActuator::new(
            Arc::clone(&connection),
            Arc::clone(&view),
            FieldManager::of_state("1a2b3c4d").unwrap(),
        ),
        probe: KubernetesProbe::new(connection, view),
        target: ScaleTarget::Kubernetes(Arc::new(target)),
        _directory: directory,
    }
}

fn deployment(uid: &str, version: u32, replicas: u32, manager: &str) -> Value {
    json!({
        "metadata": {"name": "api", "uid": uid, "resourceVersion": version.to_string(),
            "managedFields": [{"manager": manager, "fieldsV1": {"f:spec": {"f:replicas": {}}}}]},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "api"}}},
    })
}

async fn answer(server: &MockServer, method: &str, path: &str, answer: ResponseTemplate) {
    let mock = Mock::given(matchers::method(method))
        .and(matchers::path(path))
        .respond_with(answer);
    mock.mount(server).await;
}

async fn answer_once(server: &MockServer, method: &str, path: &str, answer: ResponseTemplate) {
    let mock = Mock::given(matchers::method(method))
        .and(matchers::path(path))
        .respond_with(answer);
    mock.up_to_n_times(1).mount(server).await;
}

fn refused(code: u16) -> ResponseTemplate {
    ResponseTemplate::new(code)
        .set_body_json(json!({"message": "the object has been modified", "code": code}))
}

/// A refusal that is not asked for again within the time there is.
fn refused_for_long(code: u16) -> ResponseTemplate {
    refused(code).insert_header("Retry-After", "3600")
}

fn written(version: u32, replicas: u32) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "metadata": {"name": "api", "uid": "u", "resourceVersion": version.to_string()}, "spec": {"replicas": replicas}}))
}

impl World {
    async fn set(&self, from: u32, to: u32) -> Result<(), TargetError> {
        let (from, to) = (Replicas::new(from), Replicas::new(to));
        self.actuator.set_replicas(&self.target, from, to, NOW).await
    }

    async fn now(&self, object: Value) {
        let object = ResponseTemplate::new(200).set_body_json(object);
        answer(&self.server, "GET", &format!("{DEPLOYMENTS}/api"), object).await;
    }

    async fn patches(&self) -> Vec<Request> {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .into_iter()
            .filter(|request| request.method.as_str() == "PATCH")
            .collect()
    }

    /// The versions that were written over.
    async fn versions(&self) -> Vec<String> {
        let patches = self.patches().await;
        let version = |patch: &Request| {
            let body: Value = patch.body_json().unwrap();
            body["metadata"]["resourceVersion"].as_str().unwrap().to_owned()
        };
        patches.iter().map(version).collect()
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn the_scale_subresource_is_patched_over_the_version_that_was_read_and_nothing_else() {
    let world = world(LONG).await;
    answer(&world.server, "PATCH", SCALE, written(6, 4)).await;
    world.set(3, 4).await.unwrap();
    let [patch] = &world.patches().await[..] else {
        panic!("one write")
    };
    assert_eq!(
        (patch.url.path(), patch.url.query()),
        (SCALE, Some("fieldManager=headroom-1a2b3c4d"))
    );
    assert_eq!(patch.headers["content-type"], "application/merge-patch+json");
    let body: Value = patch.body_json().unwrap();
    let expected = json!({"metadata": {"uid": "u", "resourceVersion": "5"}, "spec": {"replicas": 4}});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn nothing_is_written_where_nothing_changes() {
    let world = world(LONG).await;
    world.set(3, 3).await.unwrap();
    assert!(world.patches().await.is_empty());
}

#[tokio::test]
async fn a_newer_version_that_wants_the_same_is_written_over() {
    let world = world(LONG).await;
    answer_once(&world.server, "PATCH", SCALE, refused(409)).await;
    answer(&world.server, "PATCH", SCALE, written(10, 4)).await;
    world.now(deployment("u", 9, 3, "kubectl")).await;
    world.set(3, 4).await.unwrap();
    assert_eq!(world.versions().await, ["5", "9"]);
}

#[tokio::test]
async fn a_dry_run_that_a_status_update_came_before_is_tried_again() {
    let world = world(LONG).await;
    answer_once(&world.server, "PATCH", SCALE, refused(409)).await;
    answer(&world.server, "PATCH", SCALE, written(6, 3)).await;
    world.now(deployment("u", 6, 3, "kubectl")).await;
    world.probe.try_write(&world.target, NOW).await.unwrap();
    assert_eq!(world.versions().await, ["5", "6"]);
    for patch in world.patches().await {
        let query = patch.url.query().unwrap_or_default();
        assert_eq!(query, "fieldManager=headroom&dryRun=All");
    }
}

#[tokio::test]
async fn a_count_that_somebody_changed_is_a_conflict() {
    let world = world(LONG).await;
    answer(&world.server, "PATCH", SCALE, refused(409)).await;
    world.now(deployment("u", 9, 7, "kubectl")).await;
    let error = world.set(3, 4).await.unwrap_err();
    let TargetError::Conflict { expected, found } = error else {
        panic!("{error:?}")
    };
    assert_eq!((expected.get(), found.get()), (3, 7));
    assert_eq!(world.versions().await, ["5"]);
}

#[tokio::test]
async fn what_is_known_is_looked_at_again_before_it_is_a_conflict() {
    let world = world(LONG).await;
    world.now(deployment("u", 9, 5, "kubectl")).await;
    answer(&world.server, "PATCH", SCALE, written(10, 6)).await;
    world.set(5, 6).await.unwrap();
    assert_eq!(world.versions().await, ["9"]);
}

#[tokio::test]
async fn another_object_of_the_same_name_is_not_written_over() {
    let world = world(LONG).await;
    answer(&world.server, "PATCH", SCALE, refused(409)).await;
    world.now(deployment("another", 9, 3, "kubectl")).await;
    let error = world.set(3, 4).await.unwrap_err();
    assert!(
        matches!(error, TargetError::Cluster(ClusterError::Conflict { .. })),
        "{error:?}"
    );
    assert_eq!(world.versions().await, ["5"]);
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_done_where_it_was_carried_out() {
    let world = world(LONG).await;
    answer_once(&world.server, "PATCH", SCALE, refused(504)).await;
    answer(&world.server, "PATCH", SCALE, refused(409)).await;
    world.now(deployment("u", 6, 4, "headroom-1a2b3c4d")).await;
    world.set(3, 4).await.unwrap();
    assert_eq!(world.versions().await, ["5", "5"]);
}

#[tokio::test]
async fn the_same_count_by_somebody_else_is_a_conflict() {
    for somebody in ["kubectl", "headroom", "headroom-0a0b0c0d"] {
        let world = world(LONG).await;
        answer(&world.server, "PATCH", SCALE, refused(409)).await;
        world.now(deployment("u", 6, 4, somebody)).await;
        let set = world.set(3, 4).await;
        assert!(matches!(set, Err(TargetError::Conflict { .. })), "{somebody}");
    }
}

#[tokio::test]
async fn conflicts_that_do_not_end_are_given_up() {
    let world = world(LONG).await;
    answer(&world.server, "PATCH", SCALE, refused(409)).await;
    world.now(deployment("u", 9, 3, "kubectl")).await;
    let error = world.set(3, 4).await.unwrap_err();
    assert!(
        matches!(error, TargetError::Cluster(ClusterError::Conflict { .. })),
        "{error:?}"
    );
    assert_eq!(world.versions().await.len(), 5);
}

#[tokio::test]
async fn a_write_without_an_answer_may_have_been_carried_out_and_one_that_was_refused_was_not() {
    let silent = world(Duration::from_millis(300)).await;
    answer(
        &silent.server,
        "PATCH",
        SCALE,
        written(6, 4).set_delay(Duration::from_secs(60)),
    )
    .await;
    assert!(silent.set(3, 4).await.unwrap_err().leaves_outcome_unknown());
    let forbidden = world(LONG).await;
    answer(&forbidden.server, "PATCH", SCALE, refused(403)).await;
    let error = forbidden.set(3, 4).await.unwrap_err();
    assert!(!error.leaves_outcome_unknown());
    assert_eq!(
        error.to_string(),
        "not allowed: patch deployments.apps/scale `api` in namespace shop (403): the object has been modified"
    );
}

#[tokio::test]
async fn a_refusal_after_an_attempt_without_an_outcome_does_not_say_that_nothing_was_written() {
    for refusal in [401, 403, 429] {
        let world = world(LONG).await;
        answer_once(&world.server, "PATCH", SCALE, refused(504)).await;
        answer(&world.server, "PATCH", SCALE, refused_for_long(refusal)).await;
        let error = world.set(3, 4).await.unwrap_err();
        assert!(error.leaves_outcome_unknown(), "{error}");
        assert_eq!(world.versions().await, ["5", "5"]);
    }
}

#[tokio::test]
async fn a_conflict_that_cannot_be_looked_at_after_an_attempt_without_an_outcome_leaves_it_unknown() {
    for (first, look, is_unknown) in [
        (504, 403, true),
        (504, 503, true),
        (409, 403, false),
        (409, 503, false),
    ] {
        let world = world(LONG).await;
        answer_once(&world.server, "PATCH", SCALE, refused(first)).await;
        answer(&world.server, "PATCH", SCALE, refused(409)).await;
        let object = format!("{DEPLOYMENTS}/api");
        answer(&world.server, "GET", &object, refused_for_long(look)).await;
        let error = world.set(3, 4).await.unwrap_err();
        assert_eq!(
            error.leaves_outcome_unknown(),
            is_unknown,
            "{first} {look}: {error}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_looked_at_before_a_write_was_not_written() {
    let world = world(LONG).await;
    answer(
        &world.server,
        "GET",
        &format!("{DEPLOYMENTS}/api"),
        refused_for_long(503),
    )
    .await;
    let error = world.set(5, 6).await.unwrap_err();
    assert!(!error.leaves_outcome_unknown(), "{error}");
    assert!(world.patches().await.is_empty());
}

#[tokio::test]
async fn the_last_attempt_whose_answer_was_lost_is_looked_at_too() {
    let world = world(LONG).await;
    let kept = ResponseTemplate::new(200).set_body_json(deployment("u", 9, 3, "kubectl"));
    let object = format!("{DEPLOYMENTS}/api");
    let unchanged = Mock::given(matchers::method("GET")).and(matchers::path(&*object));
    unchanged
        .respond_with(kept)
        .up_to_n_times(4)
        .mount(&world.server)
        .await;
    answer(
        &world.server,
        "GET",
        &object,
        ResponseTemplate::new(200).set_body_json(deployment("u", 10, 4, "headroom-1a2b3c4d")),
    )
    .await;
    answer(&world.server, "PATCH", SCALE, refused(409)).await;
    world.set(3, 4).await.unwrap();
    assert_eq!(world.versions().await, ["5", "9", "9", "9", "9"]);
}
