//! From the HPA to headroom: the autoscalers of the cluster become policies, both are compared, and headroom takes over.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::StreamExt as _;
use headroom_test_support::{
    cluster::{Cluster, Kind, Load, Workload, rule},
    wait_for_seen,
};
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};
use kube::api::{DeleteParams, WatchEvent, WatchParams};
use tokio::task::JoinHandle;

use crate::world::{World, ends};

/// What a change of load takes at most: metrics-server looks every ten seconds, and the HPA's windows are its own.
const PATIENCE: Duration = Duration::from_secs(240);

/// Every count that is asked of the Deployment `api` from now on, and what watches for them, which does not end before the
/// test does.
async fn counts(world: &World<'_>) -> (Arc<Mutex<BTreeSet<i32>>>, JoinHandle<()>) {
    let counts = Arc::new(Mutex::new(BTreeSet::new()));
    let deployments = world.namespace.api::<Deployment>();
    let mut version = deployments
        .get("api")
        .await
        .unwrap()
        .metadata
        .resource_version
        .unwrap();
    let seen = Arc::clone(&counts);
    let watch = tokio::spawn(async move {
        let parameters = WatchParams::default()
            .fields("metadata.name=api")
            .disable_bookmarks();
        loop {
            let changes = deployments.watch(&parameters, &version).await.unwrap();
            let mut changes = changes.boxed();
            while let Some(event) = changes.next().await {
                let event = event.unwrap();
                assert!(!matches!(event, WatchEvent::Error(_)), "{event:?}");
                let WatchEvent::Modified(api) = event else {
                    continue;
                };
                version = api.metadata.resource_version.unwrap();
                seen.lock().unwrap().insert(api.spec.unwrap().replicas.unwrap());
            }
        }
    });
    (counts, watch)
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_hpa_is_deleted_under_load_and_the_count_never_falls() {
    let api = Workload::deployment("api").container("app", "100m", "64Mi");
    let world = World::new(Cluster::shared().await, "moving", &[api]).await;
    world.namespace.set_load("api", &Load::none().cpu(0.33)).await;
    world
        .namespace
        .create_hpa(Kind::Deployment, "api", 2..=12, 50)
        .await;
    let hpas = rule(&["autoscaling"], &["horizontalpodautoscalers"], &["list"]);
    world.namespace.grant(&world.user, &[hpas]).await;
    let imported = world
        .headroom(&["import", "hpa", "-n", world.namespace.name()])
        .await
        .expect(0);
    let shadow = format!(
        "[hpa]\ncpu_initialization_period = \"10s\"\ninitial_readiness_delay = \"5s\"\n\
         [defaults]\ninterval = \"1s\"\n{}",
        imported.stdout
    );
    world.write_policy(&shadow);
    world.grant_what_is_printed().await;
    let mut running = world.run();
    let agreed = |status: &serde_json::Value| {
        let beside = &status["workloads"][0]["beside"];
        let last = &status["workloads"][0]["last"]["decision"];
        beside["name"] == "HorizontalPodAutoscaler/api"
            && beside["wants"] == 7
            && last["current"] == 7
            && last["desired"] == 7
    };
    wait_for_seen(
        PATIENCE,
        "both want seven, and the HPA has set them",
        async || {
            let status = world.headroom(&["status", "--format", "json"]).await.expect(0);
            if agreed(&status.json()) {
                Ok(())
            } else {
                Err(status)
            }
        },
    )
    .await;
    world.headroom(&["status"]).await.expect(0).says(&format!(
        "{} beside HorizontalPodAutoscaler/api: the same answer in ",
        world.id("api")
    ));
    ends(&mut running).await;

    // Still beside the HPA, which is deleted while the load rises.
    let line = shadow
        .lines()
        .find(|line| line.starts_with("mode = \"shadow\""))
        .unwrap();
    world.write_policy(&shadow.replace(line, ""));
    world.grant_what_is_printed().await;
    let (counts, watch) = counts(&world).await;
    let mut running = world.run();
    wait_for_seen(PATIENCE, "the HPA holds all writing", async || {
        let explained = world.headroom(&["explain", &world.id("api")]).await.expect(0);
        if explained.stdout.contains("two scalers would fight") {
            Ok(())
        } else {
            Err(explained)
        }
    })
    .await;
    world.namespace.set_load("api", &Load::none().cpu(0.43)).await;
    let hpas = world.namespace.api::<HorizontalPodAutoscaler>();
    hpas.delete("api", &DeleteParams::default()).await.unwrap();
    world
        .namespace
        .wait_for_replicas(Kind::Deployment, "api", |replicas| replicas == 9)
        .await;
    ends(&mut running).await;
    assert!(!watch.is_finished(), "the watch has ended");
    let counts = counts.lock().unwrap();
    assert!(counts.first() >= Some(&7), "{counts:?}");
    assert_eq!(counts.last(), Some(&9), "{counts:?}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn what_cannot_be_read_of_the_cluster_s_autoscalers_is_named_with_the_way_out() {
    let api = Workload::deployment("api");
    let world = World::new(Cluster::shared().await, "unreadable", &[api]).await;
    world
        .headroom(&["import", "hpa"])
        .await
        .expect(1)
        .says("the HorizontalPodAutoscalers of the cluster cannot be read")
        .says("not allowed: list horizontalpodautoscalers.autoscaling (403)")
        .says("say -n NAMESPACE for those of one namespace");
    let namespace = world.namespace.name();
    world
        .headroom(&["import", "keda", "-n", namespace])
        .await
        .expect(1)
        .says("the ScaledObjects of the cluster cannot be read")
        .says(&format!(
            "not allowed: list scaledobjects.keda.sh in namespace {namespace} (403)"
        ));
}
