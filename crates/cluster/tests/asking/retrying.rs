//! Which failures are tried again, and for how long.

use std::{
    fs,
    time::{Duration, Instant},
};

use headroom_cluster::{ClusterError, ClusterView, Filling};
use headroom_policy_engine::Replicas;
use headroom_test_support::{ClosedPort, temp_dir, wait_until};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use wiremock::{Mock, matchers};

use crate::world::{
    DEPLOYMENTS, NOW, PODS, USAGE, World, connect, deployment, kubeconfig, list, plugin, short_lived, status,
    wanting,
};

const LONG: Duration = Duration::from_secs(20);
/// A deadline that a test waits for, and that an answer at once still keeps to on a slow machine.
const SHORT: Duration = Duration::from_secs(3);

#[tokio::test]
async fn an_answer_is_waited_for_through_failures_of_the_server() {
    let world = World::new(LONG).await;
    for failure in [503, 504, 500, 502] {
        world
            .answer_once(DEPLOYMENTS, status(failure, "etcdserver: request timed out"))
            .await;
    }
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    let view = world.view(Filling::Lists);
    let found = view.scalable(&deployment("api"), NOW).await.unwrap();
    assert_eq!(found.replicas, Some(Replicas::new(3)));
    assert_eq!(world.asked(DEPLOYMENTS).await, 5);
}

#[tokio::test]
async fn a_server_that_asks_for_fewer_requests_is_left_alone_as_long_as_it_says() {
    let world = World::new(LONG).await;
    let slower = status(429, "too many requests").insert_header("Retry-After", "1");
    world.answer_once(DEPLOYMENTS, slower).await;
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    let begun = Instant::now();
    world
        .view(Filling::Lists)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_wait_that_would_be_longer_than_the_time_there_is_is_not_begun() {
    // The longest is longer than a clock can say.
    for (code, asked) in [(429, 3600), (429, u64::MAX), (503, u64::MAX)] {
        let world = World::new(Duration::from_secs(5)).await;
        let slower = status(code, "not now").insert_header("Retry-After", asked.to_string());
        world.answer(DEPLOYMENTS, slower).await;
        let error = world
            .view(Filling::Lists)
            .scalable(&deployment("api"), NOW)
            .await
            .unwrap_err();
        assert!(error.to_string().ends_with("not now"), "{error}");
        assert_eq!(world.asked(DEPLOYMENTS).await, 1, "{code} {asked}");
    }
}

#[tokio::test]
async fn a_failure_that_lasts_ends_with_the_time_there_is() {
    let world = World::new(SHORT).await;
    world
        .answer(
            DEPLOYMENTS,
            status(503, "the server is currently unable to handle the request"),
        )
        .await;
    let error = world
        .view(Filling::Lists)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the API server failed (503): list deployments.apps in namespace shop: the server is currently unable to \
         handle the request"
    );
    assert!((2..=12).contains(&world.asked(DEPLOYMENTS).await));
}

#[tokio::test]
async fn a_failure_that_was_answered_says_more_than_an_attempt_after_it_without_an_answer() {
    let world = World::new(SHORT).await;
    world
        .answer_once(DEPLOYMENTS, status(504, "request did not complete"))
        .await;
    let late = list(&[], "").set_delay(Duration::from_secs(60));
    world.answer(DEPLOYMENTS, late).await;
    let found = world.view(Filling::Lists).scalable(&deployment("api"), NOW).await;
    let expected =
        "the API server failed (504): list deployments.apps in namespace shop: request did not complete";
    assert_eq!(found.unwrap_err().to_string(), expected);
    assert_eq!(world.asked(DEPLOYMENTS).await, 2);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let world = World::new(SHORT).await;
    let late = list(&[], "").set_delay(Duration::from_secs(60));
    world.answer(DEPLOYMENTS, late).await;
    let error = world
        .view(Filling::Lists)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::NoAnswer { .. }), "{error:?}");
    assert!(error.leaves_outcome_unknown());
}

#[tokio::test]
async fn what_another_attempt_does_not_change_is_asked_once() {
    let refused = [
        (401, "Unauthorized", "does not accept the credentials (401)"),
        (
            403,
            "deployments.apps is forbidden: User \"shop\" cannot list resource",
            "not allowed: list deployments.apps in namespace shop (403): deployments.apps is forbidden: User \"shop\"",
        ),
        (
            400,
            "bad",
            "the API server refused (400): list deployments.apps in namespace shop: bad",
        ),
    ];
    for (code, message, expected) in refused {
        let world = World::new(LONG).await;
        world.answer(DEPLOYMENTS, status(code, message)).await;
        let error = world
            .view(Filling::Lists)
            .scalable(&deployment("api"), NOW)
            .await
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(world.asked(DEPLOYMENTS).await, 1, "{code}");
    }
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_names_the_server() {
    let (directory, closed) = (temp_dir(), ClosedPort::new());
    let url = closed.url();
    let path = kubeconfig(&directory, &url, &serde_json::json!({}));
    let connection = connect(path, None, SHORT).unwrap();
    let view = ClusterView::new(connection.into(), Filling::Lists);
    let error = view.scalable(&deployment("api"), NOW).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{url} could not be reached: ")),
        "{error}"
    );
}

#[tokio::test]
async fn a_connection_that_is_lost_is_made_anew_within_the_time_there_is() {
    let world = World::new(LONG).await;
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (directory, url) = (temp_dir(), format!("http://{}", door.local_addr().unwrap()));
    let server = world.server.address().to_owned();
    let serving = tokio::spawn(async move {
        // The first two callers hear nothing: one whose connection ends at once, and one whose request is read.
        drop(door.accept().await.unwrap());
        let (mut second, _) = door.accept().await.unwrap();
        second.read_u8().await.unwrap();
        drop(second);
        loop {
            let (mut caller, _) = door.accept().await.unwrap();
            let mut callee = TcpStream::connect(server).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut caller, &mut callee).await });
        }
    });
    let path = kubeconfig(&directory, &url, &json!({}));
    let connection = connect(path, None, LONG).unwrap();
    let view = ClusterView::new(connection.into(), Filling::Lists);
    let found = view.scalable(&deployment("api"), NOW).await.unwrap();
    assert_eq!(found.replicas, Some(Replicas::new(3)));
    serving.abort();
}

#[tokio::test]
async fn a_request_that_began_before_credentials_were_had_anew_is_sent_again_with_those() {
    let plugins = temp_dir();
    let (token, started) = (plugins.path().join("token"), plugins.path().join("started"));
    let credential = |token: &str| {
        let credential = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}});
        fs::write(plugins.path().join("token"), credential.to_string()).unwrap();
    };
    credential("old");
    let script = format!("echo started >> {}; cat {}", started.display(), token.display());
    let world = World::as_user(LONG, &plugin(plugins.path(), &script)).await;
    world.answer(USAGE, list(&[], "")).await;
    let late = status(401, "Unauthorized").set_delay(Duration::from_millis(500));
    for (path, refused) in [(DEPLOYMENTS, status(401, "Unauthorized")), (PODS, late)] {
        let old = Mock::given(matchers::path(path)).and(matchers::header("authorization", "Bearer old"));
        old.respond_with(refused).mount(&world.server).await;
    }
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    world.answer(PODS, list(&[], "")).await;
    let view = world.view(Filling::Lists);
    view.usage("shop", NOW).await.unwrap();
    let starts = || fs::read_to_string(&started).unwrap().lines().count();
    let once = starts();
    credential("new");
    // Credentials that were refused are had anew at most every ten seconds.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let name = deployment("api");
    let (pods, api) = tokio::join!(view.pods("shop", NOW), view.scalable(&name, NOW));
    pods.unwrap();
    api.unwrap();
    assert_eq!((world.asked(PODS).await, world.asked(DEPLOYMENTS).await), (2, 2));
    assert_eq!(starts(), 2 * once);
}

#[tokio::test]
async fn requests_whose_credentials_expire_at_once_do_not_renew_them_for_each_other_for_ever() {
    let plugins = temp_dir();
    let world = World::as_user(Duration::from_secs(5), &short_lived(plugins.path())).await;
    for path in [DEPLOYMENTS, PODS] {
        let refused = status(401, "Unauthorized").set_delay(Duration::from_millis(300));
        world.answer(path, refused).await;
    }
    let (view, name) = (world.view(Filling::Lists), deployment("api"));
    let first = view.scalable(&name, NOW);
    let second = async {
        wait_until(LONG, "the first is under way", async || {
            world.asked(DEPLOYMENTS).await > 0
        })
        .await;
        view.pods("shop", NOW).await
    };
    let (first, second) = tokio::join!(first, second);
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert!(matches!(error, ClusterError::Unauthorized { .. }), "{error}");
    }
    let asked = (world.asked(DEPLOYMENTS).await, world.asked(PODS).await);
    assert!(asked.0 <= 2 && asked.1 <= 2, "{asked:?}");
}
