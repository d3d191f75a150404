//! A view that watches, where the server says what a real one does not say when it is told to.

use std::{
    fs,
    sync::Mutex,
    time::{Duration, Instant},
};

use futures::FutureExt as _;
use headroom_cluster::{ClusterError, ClusterView, Filling};
use headroom_policy_engine::Replicas;
use headroom_test_support::{temp_dir, wait_for, wait_for_seen, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing::subscriber::DefaultGuard;
use wiremock::{Mock, ResponseTemplate, matchers};

use crate::world::{DEPLOYMENTS, NOW, World, deployment, short_lived, status, wanting};

const MINUTE: Duration = Duration::from_secs(60);
/// A deadline that a test waits for, and that an answer at once still keeps to on a slow machine.
const SHORT: Duration = Duration::from_secs(3);
/// The priority of what is answered to one list or version, before what is answered to all.
const FIRST: u8 = 1;

/// Each watch from `version` on says `events` and ends.
fn watching(version: &str, events: &[Value]) -> Mock {
    let lines: Vec<String> = events.iter().map(|event| format!("{event}\n")).collect();
    let ends = ResponseTemplate::new(200).set_body_raw(lines.concat(), "application/json");
    Mock::given(matchers::path(DEPLOYMENTS))
        .and(matchers::query_param("watch", "1"))
        .and(matchers::query_param("resourceVersion", version))
        .respond_with(ends)
        .with_priority(FIRST)
}

/// The first watch from `version` on says `events` and ends. For a world whose deadline lets it be heard on any machine.
async fn watch(world: &World, version: &str, events: &[Value]) {
    let once = watching(version, events).up_to_n_times(1);
    once.mount(&world.server).await;
}

/// Each list is `item` in this version.
fn listing(item: &Value, version: &str) -> Mock {
    let answer = ResponseTemplate::new(200)
        .set_body_json(json!({"metadata": {"resourceVersion": version}, "items": [item]}));
    Mock::given(matchers::path(DEPLOYMENTS))
        .and(matchers::query_param("limit", "500"))
        .respond_with(answer)
        .with_priority(FIRST)
}

/// The next list is `item` in this version. For a world whose deadline lets it be heard on any machine.
async fn listed(world: &World, item: &Value, version: &str) {
    let once = listing(item, version).up_to_n_times(1);
    once.mount(&world.server).await;
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

/// Waits until what is watched is not known, because of a cause that `is_meant`: of answers that are slow, there is
/// none or another one until then.
async fn wait_for_cause(view: &ClusterView, is_meant: impl Fn(&ClusterError) -> bool) -> ClusterError {
    wait_for_seen(MINUTE, "it is not known for this cause", async || {
        let found = view.scalable(&deployment("api"), NOW).await;
        match &found {
            Err(ClusterError::OutOfStep {
                cause: Some(cause), ..
            }) if is_meant(cause) => Ok(found.unwrap_err()),
            _ => Err(format!("{found:?}")),
        }
    })
    .await
}

/// Waits until a view asked for the Deployments so many times, which takes the pauses between.
async fn asked_with_pauses(world: &World, times: usize) {
    let begun = Instant::now();
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 3).await;
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
    let requests = world.server.received_requests().await.unwrap();
    let is_old = |request: &&wiremock::Request| {
        request
            .url
            .query()
            .unwrap_or_default()
            .ends_with("resourceVersion=8")
    };
    assert_eq!(
        requests.iter().filter(is_old).count(),
        0,
        "it is not watched on from there"
    );
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
    let view = world.view(Filling::Watches);
    let error = wait_for_cause(&view, |cause| matches!(cause, ClusterError::Failed { .. })).await;
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
    asked_with_pauses(&world, 6).await;
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_missing_until_a_watch_goes_on() {
    let world = World::new(SHORT).await;
    world.list_always(&wanting("api", 3)).await;
    let unreadable = json!({"type": "MODIFIED", "object": {"metadata": 3}});
    world.watch_always(&format!("{unreadable}\n")).await;
    let view = world.view(Filling::Watches);
    wait_for_cause(&view, |cause| matches!(cause, ClusterError::Unreadable { .. })).await;
    for _ in 0..2 {
        let again = view.scalable(&deployment("api"), NOW).await;
        assert!(again.is_err(), "{again:?}");
    }
    // A list and a watch at once, and with each of the pauses that grow.
    let asked = world.asked(DEPLOYMENTS).await;
    assert!(asked <= 14, "{asked}");
}

#[tokio::test]
async fn a_watch_that_is_too_old_at_once_is_not_listed_anew_without_a_pause() {
    let world = World::new(MINUTE).await;
    world.list_always(&wanting("api", 3)).await;
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version: 7 (900)"}});
    world.watch_always(&format!("{gone}\n")).await;
    asked_with_pauses(&world, 8).await;
}

#[tokio::test]
async fn what_was_lost_for_long_is_known_when_it_was_listed_anew_and_a_watch_goes_on() {
    let world = World::new(SHORT).await;
    let known = listing(&wanting("api", 3), "7");
    let known = known.mount_as_scoped(&world.server).await;
    let broken = json!({"type": "ERROR", "object": {"kind": "Status", "status": "Failure", "code": 500,
        "message": "etcd is on fire"}});
    world.watch_always(&format!("{broken}\n")).await;
    world.answer(DEPLOYMENTS, status(500, "etcd is on fire")).await;
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 3).await;
    drop(known);
    let error = wait_for_cause(&view, |cause| matches!(cause, ClusterError::Failed { .. })).await;
    assert!(error.to_string().ends_with("etcd is on fire"), "{error}");
    let anew = listing(&wanting("api", 5), "900");
    anew.mount(&world.server).await;
    let changes = watching("900", &[event("MODIFIED", 6, "901")]);
    changes.mount(&world.server).await;
    let found = wait_for(MINUTE, "it is known again", async || {
        view.scalable(&deployment("api"), NOW).await.ok()
    })
    .await;
    assert_eq!(found.replicas, Some(Replicas::new(6)));
}

#[tokio::test]
async fn a_watch_that_has_been_lost_for_long_is_not_waited_for() {
    let world = World::new(SHORT).await;
    world.answer(DEPLOYMENTS, status(500, "etcd is on fire")).await;
    let view = world.view(Filling::Watches);
    wait_for_cause(&view, |cause| matches!(cause, ClusterError::Failed { .. })).await;
    tokio::time::pause();
    tokio::time::advance(MINUTE).await;
    tokio::time::resume();
    let answer = view.scalable(&deployment("api"), NOW).now_or_never();
    let found = answer.expect("it is answered at once");
    assert!(matches!(found, Err(ClusterError::OutOfStep { .. })), "{found:?}");
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
    wait_for_cause(&view, |cause| {
        matches!(cause, ClusterError::CredentialPlugin { .. })
    })
    .await;
    let changes = watching("7", &[event("MODIFIED", 4, "8")]);
    changes.mount(&world.server).await;
    fs::remove_file(&hangs).unwrap();
    wait_for_replicas(&view, 4).await;
}

/// What is logged as long as it lives.
struct Log {
    directory: TempDir,
    _guard: DefaultGuard,
}

impl Log {
    fn new() -> Self {
        let directory = temp_dir();
        let writer = Mutex::new(fs::File::create(directory.path().join("log")).unwrap());
        let subscriber = tracing_subscriber::fmt().with_writer(writer).finish();
        Self {
            directory,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

/// How often it is said that a watch is lost and that it goes on, where the Deployments are listed after `failures`.
async fn said_after(failures: &[ResponseTemplate]) -> (usize, usize) {
    let log = Log::new();
    let world = World::new(MINUTE).await;
    for failure in failures {
        world.answer_once(DEPLOYMENTS, failure.clone()).await;
    }
    world.list_always(&wanting("api", 3)).await;
    watch(&world, "7", &[event("MODIFIED", 4, "8")]).await;
    wait_for_replicas(&world.view(Filling::Watches), 4).await;
    let said = log.said();
    let times = |words| said.matches(words).count();
    (times("the watch is lost"), times("the watch goes on"))
}

#[tokio::test]
async fn a_watch_is_said_to_go_on_where_it_was_said_to_be_lost() {
    let (forbidden, refused) = (status(403, "deployments.apps is forbidden"), status(400, "bad"));
    assert_eq!(said_after(std::slice::from_ref(&forbidden)).await, (0, 0));
    assert_eq!(said_after(&[forbidden, refused]).await, (1, 1));
}

#[tokio::test]
async fn a_permission_that_is_taken_from_a_watch_is_said_while_what_was_known_still_counts() {
    let log = Log::new();
    let world = World::new(MINUTE).await;
    listed(&world, &wanting("api", 3), "7").await;
    watch(&world, "7", &[event("MODIFIED", 4, "8")]).await;
    world.answer(DEPLOYMENTS, status(403, "it was taken away")).await;
    let view = world.view(Filling::Watches);
    wait_for_replicas(&view, 4).await;
    wait_for_seen(MINUTE, "the loss is said", async || {
        let said = log.said();
        if said.contains("not allowed: watch deployments.apps in namespace shop (403): it was taken away") {
            Ok(())
        } else {
            Err(said)
        }
    })
    .await;
}
