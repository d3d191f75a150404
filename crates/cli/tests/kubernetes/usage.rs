//! Deployments follow what their pods use, as metrics-server tells.

use std::time::Duration;

use headroom_test_support::{
    cluster::{Cluster, Component, Load, Workload},
    wait_for_seen,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{faults::fragile, world::World};

/// What a change of load takes at most: metrics-server looks every ten seconds, and windows are seconds here.
const PATIENCE: Duration = Duration::from_secs(240);

const CPU: &str = "metrics.cpu = { utilization = \"50%\" }\nscale_down = { stabilization = \"1s\", limit = [] }\n\
                   scale_up = { limit = [] }";

/// 100m for each replica, of which half is to be used.
fn api() -> Workload {
    Workload::deployment("api").container("app", "100m", "64Mi")
}

/// A Deployment `api` of two replicas, with a policy.
async fn world<'c>(cluster: &'c Cluster, name: &str, api: Workload, policy: &str) -> World<'c> {
    let world = World::new(cluster, name, &[api]).await;
    world.write_policy(&format!(
        "[hpa]\ncpu_initialization_period = \"10s\"\ninitial_readiness_delay = \"5s\"\ndownscale_stabilization = \"30s\"\n\
         [workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 10\n\
         interval = \"1s\"\n{policy}\n",
        world.id("api")
    ));
    world.grant_what_is_printed().await;
    world
}

/// Lets headroom pass again and again until `api` has `count` replicas that are ready and measured, and it changes
/// nothing any more.
async fn settles_at(world: &World<'_>, count: u32) {
    let what = format!("api settles at {count}");
    wait_for_seen(PATIENCE, &what, async || {
        let said = world.headroom(&["run", "--once"]).await;
        let (replicas, measured) = (world.replicas("api").await, world.namespace.usage("api").await);
        if replicas == count && measured.len() == usize::try_from(count).unwrap() {
            Ok(())
        } else {
            Err(format!("{replicas} replicas, which use {measured:?}\n{said}"))
        }
    })
    .await;
    let said = world.headroom(&["run", "--once"]).await;
    assert_eq!(world.replicas("api").await, count, "{said}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_deployment_follows_what_its_pods_use_up_and_down() {
    let world = world(Cluster::shared().await, "usage", api(), CPU).await;
    world.namespace.set_load("api", &Load::none().cpu(0.28)).await;
    settles_at(&world, 6).await;
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    live.says("cpu").says_nothing_of("failed");
    world.namespace.set_load("api", &Load::none().cpu(0.09)).await;
    settles_at(&world, 2).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn one_container_is_measured_against_what_it_requests_itself() {
    // All containers together use 30 % of what they request: that alone would be no reason to scale up.
    let workload = api().container("log", "400m", "64Mi");
    let policy = CPU.replace("\"50%\" }", "\"50%\", container = \"app\" }");
    let world = world(Cluster::shared().await, "container", workload, &policy).await;
    let load = Load::none().container_cpu("app", 0.28).container_cpu("log", 0.02);
    world.namespace.set_load("api", &load).await;
    settles_at(&world, 6).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_container_that_requests_nothing_is_named_before_the_first_pass() {
    let world = world(Cluster::shared().await, "requests", api(), CPU).await;
    let sidecar = Patch::Strategic(json!({ "spec": { "template": { "spec": {
        "containers": [{ "name": "log", "image": "example.com/log:1" }],
    } } } }));
    let deployments = world.namespace.api::<Deployment>();
    deployments
        .patch("api", &PatchParams::default(), &sidecar)
        .await
        .unwrap();
    wait_for_seen(PATIENCE, "the new pods are there", async || {
        let live = world.headroom(&["check", "--live"]).await;
        let is_named = "  `log` requests no cpu: set resources.requests in the pod template\n";
        if live.code == Some(1) && live.stdout.contains(is_named) {
            Ok(())
        } else {
            Err(live)
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn without_metrics_server_nothing_is_lowered_and_the_cause_is_named() {
    let cluster = fragile().await;
    let world = world(&cluster, "gone", api(), CPU).await;
    cluster.kill(Component::MetricsServer);
    for _ in 0..3 {
        let ran = world.headroom(&["run", "--once"]).await.expect(3);
        assert_eq!(world.replicas("api").await, 2, "{ran}");
    }
    let live = world.headroom(&["check", "--live"]).await.expect(1);
    live.lists("failed metrics API the API server failed (503): list pods.metrics.k8s.io in namespace ");
    let explained = world
        .headroom(&["explain", &world.id("api"), "--last"])
        .await
        .expect(0);
    let namespace = world.namespace.name();
    for words in [
        format!("{namespace}/api  stays at 2: nothing is known about the load\n"),
        "\n  cpu       unknown (the source answered 503)\n".to_owned(),
        format!(
            "\n              the metrics API does not answer: the API server failed (503): list pods.metrics.k8s.io in \
             namespace {namespace}: "
        ),
        "; `kubectl get apiservice v1beta1.metrics.k8s.io` says why\n".to_owned(),
    ] {
        assert!(explained.stdout.contains(&words), "{words}\n{explained}");
    }
    cluster.start_again(Component::MetricsServer).await;
}
