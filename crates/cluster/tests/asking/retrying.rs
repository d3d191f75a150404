//! Which failures are tried again, and for how long.

use std::time::{Duration, Instant};

use headroom_cluster::{ClusterError, ClusterView, Filling};
use headroom_policy_engine::Replicas;
use headroom_test_support::{free_port, temp_dir};

use crate::world::{DEPLOYMENTS, NOW, World, connect, deployment, kubeconfig, list, status, wanting};

const LONG: Duration = Duration::from_secs(20);

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
    let world = World::new(Duration::from_secs(5)).await;
    let slower = status(429, "too many requests").insert_header("Retry-After", "3600");
    world.answer(DEPLOYMENTS, slower).await;
    let error = world
        .view(Filling::Lists)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::Throttled { .. }), "{error:?}");
    assert_eq!(world.asked(DEPLOYMENTS).await, 1);
}

#[tokio::test]
async fn a_failure_that_lasts_ends_with_the_time_there_is() {
    let world = World::new(Duration::from_millis(700)).await;
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
async fn a_server_that_does_not_answer_is_given_up_in_time() {
    let world = World::new(Duration::from_millis(300)).await;
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
    let (directory, url) = (temp_dir(), format!("http://127.0.0.1:{}", free_port()));
    let path = kubeconfig(&directory, &url, &serde_json::json!({}));
    let connection = connect(path, None, Duration::from_millis(400)).unwrap();
    let view = ClusterView::new(connection.into(), Filling::Lists);
    let error = view.scalable(&deployment("api"), NOW).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{url} could not be reached: ")),
        "{error}"
    );
}
