//! A view that lists: each thing once a pass, whoever asks.

use std::time::Duration;

use futures::future::join_all;
use headroom_cluster::{ClusterError, Filling, Resource};
use headroom_policy_engine::{Replicas, hpa::Selector};
use serde_json::json;
use wiremock::{Mock, matchers};

use crate::world::{DEPLOYMENTS, NOW, PODS, World, deployment, list, object, status, wanting};

const DEADLINE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn sixty_who_ask_in_one_pass_are_one_list_and_the_next_pass_is_another() {
    let world = World::new(DEADLINE).await;
    let names: Vec<String> = (0..60).map(|number| format!("api-{number}")).collect();
    let items: Vec<_> = names.iter().map(|name| wanting(name, 2)).collect();
    world.answer(DEPLOYMENTS, list(&items, "")).await;
    let view = world.view(Filling::Lists);
    let objects: Vec<_> = names.iter().map(|name| deployment(name)).collect();
    for (pass, lists) in [(NOW, 1), (NOW, 1), (NOW.plus(Duration::from_secs(1)), 2)] {
        let found = join_all(objects.iter().map(|name| view.scalable(name, pass))).await;
        assert!(found.iter().all(Result::is_ok));
        assert_eq!(world.asked(DEPLOYMENTS).await, lists);
    }
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let world = World::new(DEADLINE).await;
    let second = Mock::given(matchers::path(DEPLOYMENTS))
        .and(matchers::query_param("continue", "next/page"))
        .respond_with(list(&[wanting("shop", 4)], ""));
    second.mount(&world.server).await;
    world
        .answer(DEPLOYMENTS, list(&[wanting("api", 3)], "next/page"))
        .await;
    let view = world.view(Filling::Lists);
    for (name, replicas) in [("api", 3), ("shop", 4)] {
        let found = view.scalable(&deployment(name), NOW).await.unwrap();
        assert_eq!(found.replicas, Some(Replicas::new(replicas)));
    }
    assert_eq!(world.asked(DEPLOYMENTS).await, 2);
}

#[tokio::test]
async fn a_list_whose_pages_became_too_old_is_begun_anew() {
    let world = World::new(DEADLINE).await;
    let gone = Mock::given(matchers::path(DEPLOYMENTS))
        .and(matchers::query_param("continue", "old"))
        .respond_with(status(410, "The provided continue parameter is too old"));
    gone.mount(&world.server).await;
    world
        .answer_once(DEPLOYMENTS, list(&[wanting("api", 3)], "old"))
        .await;
    world.answer(DEPLOYMENTS, list(&[wanting("api", 5)], "")).await;
    let found = world
        .view(Filling::Lists)
        .scalable(&deployment("api"), NOW)
        .await
        .unwrap();
    assert_eq!(found.replicas, Some(Replicas::new(5)));
}

#[tokio::test]
async fn an_object_that_is_not_there_is_named() {
    let world = World::new(DEADLINE).await;
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    let error = world
        .view(Filling::Lists)
        .scalable(&deployment("shop"), NOW)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no deployments.apps `shop` in namespace shop"
    );
}

#[tokio::test]
async fn pods_are_found_by_a_selector() {
    let world = World::new(DEADLINE).await;
    let pod =
        |name: &str, app: &str| json!({"metadata": {"name": name, "labels": {"app": app}}, "status": {}});
    world
        .answer(
            PODS,
            list(&[pod("a", "api"), pod("b", "shop"), pod("c", "api")], ""),
        )
        .await;
    let pods = world.view(Filling::Lists).pods("shop", NOW).await.unwrap();
    let selected = pods.selected(&Selector::parse("app=api").unwrap());
    let names: Vec<&str> = selected.iter().map(|pod| &*pod.name).collect();
    assert_eq!((names, pods.all().len()), (vec!["a", "c"], 3));
}

#[tokio::test]
async fn a_list_that_is_refused_is_no_list_without_pods() {
    let world = World::new(DEADLINE).await;
    world.answer(PODS, status(403, "pods is forbidden")).await;
    let error = world.view(Filling::Lists).pods("shop", NOW).await.unwrap_err();
    assert!(error.is_forbidden(), "{error:?}");
}

#[tokio::test]
async fn without_keda_there_are_no_scaled_objects() {
    let world = World::new(DEADLINE).await;
    let path = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects";
    world
        .answer(
            path,
            wiremock::ResponseTemplate::new(404).set_body_string("404 page not found"),
        )
        .await;
    let found = world
        .view(Filling::Lists)
        .scaled_objects("shop", NOW)
        .await
        .unwrap();
    assert!(found.all().is_empty());
}

#[tokio::test]
async fn whether_there_is_keda_is_asked_twice_a_minute_where_its_objects_may_not_be_listed() {
    let world = World::new(DEADLINE).await;
    let objects = "/apis/keda.sh/v1alpha1/namespaces/shop/scaledobjects";
    world.answer(objects, status(403, "is forbidden")).await;
    world
        .answer(
            "/apis/keda.sh",
            wiremock::ResponseTemplate::new(404).set_body_string("404 page not found"),
        )
        .await;
    let view = world.view(Filling::Lists);
    for (second, asked) in [(0, 1), (1, 1), (29, 1), (30, 2), (59, 2), (60, 3)] {
        let pass = NOW.plus(Duration::from_secs(second));
        assert!(view.scaled_objects("shop", pass).await.unwrap().all().is_empty());
        assert_eq!(world.asked("/apis/keda.sh").await, asked, "after {second} s");
    }
}

const ROLLOUTS: &str = "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts";

async fn with_rollouts(kinds: &[&str]) -> World {
    let world = World::new(DEADLINE).await;
    let version = json!({"groupVersion": "argoproj.io/v1alpha1", "version": "v1alpha1"});
    let group = json!({"name": "argoproj.io", "versions": [version], "preferredVersion": version});
    world
        .answer(
            "/apis/argoproj.io",
            wiremock::ResponseTemplate::new(200).set_body_json(&group),
        )
        .await;
    let kinds: Vec<_> = kinds
        .iter()
        .map(|name| {
            json!({"name": name, "singularName": "rollout", "kind": "Rollout", "namespaced": true,
            "verbs": ["get"], "shortNames": ["ro"]})
        })
        .collect();
    let kinds =
        json!({"kind": "APIResourceList", "groupVersion": "argoproj.io/v1alpha1", "resources": kinds});
    world
        .answer(
            "/apis/argoproj.io/v1alpha1",
            wiremock::ResponseTemplate::new(200).set_body_json(&kinds),
        )
        .await;
    world
}

#[tokio::test]
async fn where_a_definition_may_not_be_read_the_scale_subresource_tells() {
    let world = with_rollouts(&["rollouts", "rollouts/scale"]).await;
    let crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.argoproj.io";
    world.answer(crd, status(403, "forbidden")).await;
    let scale = json!({
        "metadata": {"name": "api", "uid": "u", "resourceVersion": "9"}, "spec": {"replicas": 6},
        "status": {"replicas": 5, "selector": "app=api"}});
    world
        .answer(
            &format!("{ROLLOUTS}/api/scale"),
            wiremock::ResponseTemplate::new(200).set_body_json(&scale),
        )
        .await;
    let view = world.view(Filling::Lists);
    let found = view
        .scalable(&object("ro", Some("argoproj.io"), "api"), NOW)
        .await
        .unwrap();
    assert_eq!(
        (found.replicas, found.observed),
        (Some(Replicas::new(6)), Replicas::new(5))
    );
    assert_eq!(
        (found.selector.as_deref(), &*found.version),
        (Some("app=api"), "9")
    );
}

#[tokio::test]
async fn a_kind_without_a_scale_subresource_cannot_be_scaled() {
    let world = with_rollouts(&["rollouts"]).await;
    let view = world.view(Filling::Lists);
    let error = view
        .scalable(&object("rollout", Some("argoproj.io"), "api"), NOW)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "rollouts.argoproj.io cannot be scaled: the kind has no scale subresource"
    );
    let error = view
        .scalable(&object("rollin", Some("argoproj.io"), "api"), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::UnknownKind { .. }), "{error}");
    world.answer("/apis/example.com", status(404, "not found")).await;
    let error = view
        .scalable(&object("thing", Some("example.com"), "api"), NOW)
        .await
        .unwrap_err();
    assert!(matches!(error, ClusterError::UnknownKind { .. }), "{error}");
}

#[tokio::test]
async fn a_kind_whose_server_does_not_answer_keeps_no_other_waiting() {
    let world = with_rollouts(&["rollouts", "rollouts/scale"]).await;
    let crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.argoproj.io";
    let never = status(200, "").set_delay(Duration::from_secs(3600));
    world.answer(crd, never).await;
    world.answer(DEPLOYMENTS, list(&[wanting("api", 3)], "")).await;
    let view = world.view(Filling::Lists);
    let (rollout, deployment) = (object("rollout", Some("argoproj.io"), "api"), deployment("api"));
    tokio::select! {
        biased;
        of_rollout = view.scalable(&rollout, NOW) => panic!("{of_rollout:?}"),
        of_deployment = view.scalable(&deployment, NOW) => drop(of_deployment.unwrap()),
    }
}

#[tokio::test]
async fn a_group_whose_server_does_not_answer_keeps_no_other_waiting() {
    let world = World::new(DEADLINE).await;
    let (keda, vpas) = (Resource::scaled_objects(), Resource::vpas());
    let never = status(200, "").set_delay(Duration::from_secs(3600));
    world.answer(&format!("/apis/{}", keda.group), never).await;
    let view = world.view(Filling::Lists);
    tokio::select! {
        biased;
        of_keda = view.is_served(&keda, NOW) => panic!("{of_keda:?}"),
        of_vpas = view.is_served(&vpas, NOW) => assert!(!of_vpas.unwrap()),
    }
    assert!(!view.is_served(&vpas, NOW).await.unwrap());
    assert_eq!(
        world.asked(&format!("/apis/{}", vpas.group)).await,
        1,
        "it is known by now"
    );
}

#[tokio::test]
async fn a_kind_is_found_beside_a_group_whose_server_is_gone() {
    let world = with_rollouts(&["rollouts", "rollouts/scale"]).await;
    let groups = ["metrics.k8s.io", "argoproj.io"].map(|group| {
        let version = if group == "argoproj.io" {
            "v1alpha1"
        } else {
            "v1beta1"
        };
        let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
        json!({"name": group, "versions": [version], "preferredVersion": version})
    });
    let groups = wiremock::ResponseTemplate::new(200).set_body_json(json!({"groups": groups}));
    world.answer("/apis", groups).await;
    let never = status(503, "").set_delay(Duration::from_secs(3600));
    world.answer("/apis/metrics.k8s.io/v1beta1", never).await;
    let view = world.view(Filling::Lists);
    let found = view.resource(&object("rollouts", None, "api").kind).await;
    // Asked after it, so there has to be time left.
    let definition = world
        .asked("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.argoproj.io")
        .await;
    assert_eq!(
        (found.unwrap().to_string(), definition),
        ("rollouts.argoproj.io".to_owned(), 1)
    );
}
