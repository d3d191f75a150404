//! A view that watches, where the server says what a real one does not say when it is told to.

use std::{
    fs,
    sync::Mutex,
    time::{Duration, Instant},
};

use headroom_cluster::{ClusterError, ClusterView, Filling};
use headroom_policy_engine::Replicas;
use headroom_test_support::{temp_dir, wait_for, wait_until};
use serde_json::{Value, json};
use wiremock::{Mock, ResponseTemplate, matchers};

use crate::world::{DEPLOYMENTS, NOW, World, deployment, short_lived, status, wanting};

const MINUTE: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);
/// The priority of what is answered once, before what is answered always.
const FIRST: u8 = 1;

/// A watch from `version` on that says `events` and ends.
async fn watch(world: &World, version: &str, events: &[Value]) {
    let lines: Vec<String> = events.iter().map(|event| format!("{event}\n")).collect();
    let ends = ResponseTemplate::new(200).set_body_raw(lines.concat(), "application/json");
    Mock::given(matchers::path(DEPLOYMENTS))
        .and(matchers::query_param("watch", "1"))
        .and(matchers::query_param("resourceVersion", version))
        .respond_with(ends)
        .up_to_n_times(1)
        .with_priority(FIRST)
        .mount(&world.server)
        .await;
}

/// A list, of which there is one of each version.
async fn listed(world: &World, item: &Value, version: &str) {
    let answer = ResponseTemplate::new(200)
        .set_body_json(json!({"metadata": {"resourceVersion": version}, "items": [item]}));
    Mock::given(matchers::path(DEPLOYMENTS))
        .and(matchers::query_param("limit", "500"))
        .respond_with(answer)
        .up_to_n_times(1)
        .with_priority(FIRST)
        .mount(&world.server)
        .await;
}

fn event(kind: &str, replicas: u32, version: &str) -> Value {
    let mut object = wanting("api", replicas);
    object["metadata"]["resourceVersion"] = version.into();
    json!({"type": kind, "object": object})
}

async fn wait_for_replicas(view: &ClusterView, replicas: u32) {
    wait_until(MINUTE, &format!("{replicas} are wanted"), async || {
        let found = view.scalable(&deployment("api"), NOW).await;
        found.is_ok_and(|found| found.replicas == Some(Replicas::new(replicas)))
    })
    .await;
}

/// Waits until the Deployments were asked for so many times, which takes the pauses between.
async fn asked_with_pauses(world: &World, times: usize) {
    let begun = Instant::now();
    wait_until(MINUTE, &format!("it was asked {times} times"), async || {
        world.asked(DEPLOYMENTS).await >= times
    })
    .await;
    assert!(
        begun.elapsed() >= Duration::from_millis(500),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_watch_goes_on_where_it_ended_and_a_bookmark_moves_that_place() {
    let world = World::new(MINUTE).await;
    listed(&world, &wanting("api", 3), "7").await;
    watch(&world, "7", &[event("MODIFIED", 4, "8")]).await;
    let bookmark = json!({"type": "BOOKMARK",
        "object": {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "15"}}});
    watch(&world, "8", &[bookmark]).await;
    watch(&world, "15", &[event("MODIFIED", 6, "16")]).await;
    wait_for_replicas(&world.view(Filling::Watches), 6).await;
}

#[tokio::test]
async fn a_version_that_is_too_old_is_listed_anew() {
    let world = World::new(MINUTE).await;
    listed(&world, &wanting("api", 3), "7").await;
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version: 7 (900)"}});
    watch(&world, "7", &[event("MODIFIED", 4, "8"), gone]).await;
    listed(&world, &wanting("api", 9), "900").await;
    wait_for_replicas(&world.view(Filling::Watches), 9).await;
}

#[tokio::test]
async fn an_object_that_is_deleted_is_gone_and_one_that_is_added_is_there() {
    let world = World::new(MINUTE).await;
    listed(&world, &wanting("other", 3), "7").await;
    watch(&world, "7", &[event("ADDED", 4, "8")]).await;
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 4).await;
    watch(&world, "8", &[event("DELETED", 4, "9")]).await;
    wait_until(MINUTE, "it is gone", async || {
        matches!(
            view.scalable(&deployment("api"), NOW).await,
            Err(ClusterError::NotFound { .. })
        )
    })
    .await;
}

#[tokio::test]
async fn what_could_not_be_listed_is_not_known_and_the_cause_is_told() {
    let world = World::new(SHORT).await;
    world.answer(DEPLOYMENTS, status(500, "etcd is on fire")).await;
    let error = world
        .view(Filling::Watches)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("deployments.apps in namespace shop cannot be watched: "),
        "{text}"
    );
    assert!(text.ends_with("etcd is on fire"), "{text}");
}

#[tokio::test]
async fn a_permission_that_is_missing_is_not_waited_for() {
    let world = World::new(MINUTE * 10).await;
    world
        .answer(DEPLOYMENTS, status(403, "deployments.apps is forbidden"))
        .await;
    let error = world
        .view(Filling::Watches)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_ends_each_watch_at_once_is_not_asked_without_a_pause() {
    let world = World::new(MINUTE).await;
    listed(&world, &wanting("api", 3), "7").await;
    world.watch_always("").await;
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 3).await;
    asked_with_pauses(&world, 6).await;
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_missing_until_a_watch_goes_on() {
    let world = World::new(SHORT).await;
    world.list_always(&wanting("api", 3)).await;
    let unreadable = json!({"type": "MODIFIED", "object": {"metadata": 3}});
    world.watch_always(&format!("{unreadable}\n")).await;
    let view = world.view(Filling::Watches);
    let error = wait_for(MINUTE, "what is known is incomplete", async || {
        view.scalable(&deployment("api"), NOW).await.err()
    })
    .await;
    let ClusterError::OutOfStep { cause, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(cause.as_deref(), Some(ClusterError::Unreadable { .. })),
        "{error}"
    );
    for _ in 0..4 {
        let again = view.scalable(&deployment("api"), NOW).await;
        assert!(again.is_err(), "{again:?}");
    }
    // A list and a watch at once, and with each of the pauses that grow.
    let asked = world.asked(DEPLOYMENTS).await;
    assert!(asked <= 14, "{asked}");
}

#[tokio::test]
async fn a_watch_that_is_too_old_at_once_is_not_listed_anew_without_a_pause() {
    let world = World::new(SHORT).await;
    world.list_always(&wanting("api", 3)).await;
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version: 7 (900)"}});
    world.watch_always(&format!("{gone}\n")).await;
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 3).await;
    asked_with_pauses(&world, 8).await;
}

#[tokio::test]
async fn what_was_lost_for_long_is_known_when_it_was_listed_anew_and_a_watch_goes_on() {
    let world = World::new(SHORT).await;
    listed(&world, &wanting("api", 3), "7").await;
    let broken = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 500,
        "message": "etcd is on fire"}});
    world.watch_always(&format!("{broken}\n")).await;
    world.answer(DEPLOYMENTS, status(500, "etcd is on fire")).await;
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 3).await;
    let error = wait_for(MINUTE, "what is known is too old", async || {
        view.scalable(&deployment("api"), NOW).await.err()
    })
    .await;
    assert!(error.to_string().ends_with("etcd is on fire"), "{error}");
    listed(&world, &wanting("api", 5), "900").await;
    watch(&world, "900", &[event("MODIFIED", 6, "901")]).await;
    let found = wait_for(MINUTE, "it is known again", async || {
        view.scalable(&deployment("api"), NOW).await.ok()
    })
    .await;
    assert_eq!(found.replicas, Some(Replicas::new(6)));
}

#[tokio::test]
async fn a_watch_whose_credentials_do_not_come_says_that_it_is_lost() {
    let plugins = temp_dir();
    let user = short_lived(plugins.path());
    let world = World::as_user(SHORT, &user).await;
    world.list_always(&wanting("api", 3)).await;
    world.watch_always("").await;
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 3).await;
    let hangs = plugins.path().join("hangs");
    fs::write(&hangs, "").unwrap();
    let error = wait_for(MINUTE / 2, "it is lost", async || {
        view.scalable(&deployment("api"), NOW).await.err()
    })
    .await;
    let ClusterError::OutOfStep { cause, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        matches!(cause.as_deref(), Some(ClusterError::CredentialPlugin { .. })),
        "{error}"
    );
    watch(&world, "7", &[event("MODIFIED", 4, "8")]).await;
    fs::remove_file(&hangs).unwrap();
    wait_for_replicas(&view, 4).await;
}

/// How often it is said that a watch is lost and that it goes on, where the Deployments are listed after `failures`.
async fn said_after(failures: &[ResponseTemplate]) -> (usize, usize) {
    let directory = temp_dir();
    let log = directory.path().join("log");
    let writer = Mutex::new(fs::File::create(&log).unwrap());
    let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let world = World::new(MINUTE).await;
    for failure in failures {
        world.answer_once(DEPLOYMENTS, failure.clone()).await;
    }
    world.list_always(&wanting("api", 3)).await;
    watch(&world, "7", &[event("MODIFIED", 4, "8")]).await;
    wait_for_replicas(&world.view(Filling::Watches), 4).await;
    let said = fs::read_to_string(&log).unwrap();
    let times = |words| said.matches(words).count();
    (times("the watch is lost"), times("the watch goes on"))
}

#[tokio::test]
async fn a_watch_is_said_to_go_on_where_it_was_said_to_be_lost() {
    let (forbidden, refused) = (status(403, "deployments.apps is forbidden"), status(400, "bad"));
    assert_eq!(said_after(std::slice::from_ref(&forbidden)).await, (0, 0));
    assert_eq!(said_after(&[forbidden, refused]).await, (1, 1));
}
