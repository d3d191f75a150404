//! What headroom may do with the Roles that it prints, and what it may not.

use std::time::Duration;

use headroom_test_support::{
    cluster::{Cluster, Kind, Workload},
    wait_until,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::{v1::Scale, v2::HorizontalPodAutoscaler},
    core::v1::{Pod, Secret},
    rbac::v1::Role,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
    core::Request,
};
use serde_json::json;

use crate::world::{World, ends};

const MINUTE: Duration = Duration::from_secs(60);

/// A Deployment that follows a recorded load and the CPU of its pods, a Rollout that follows a recorded load, and a
/// Deployment that belongs to others.
async fn world(name: &str) -> World<'static> {
    let workloads = [
        Workload::deployment("api"),
        Workload::new(Kind::Rollout, "web"),
        Workload::deployment("locked"),
    ];
    let world = World::new(Cluster::shared().await, name, &workloads).await;
    let one = |kind: &str, name: &str, more: &str| {
        format!(
            "[workload.\"{}\"]\nscale_target = \"{kind}/{name}\"\nmin_replicas = 1\nmax_replicas = 10\ninterval = \"1s\"\n\
             metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n{more}",
            world.id(name)
        )
    };
    world.write_policy(&format!(
        "{}{}",
        one("deployment", "api", "metrics.cpu = { utilization = \"50%\" }\n"),
        one("rollout.argoproj.io", "web", "")
    ));
    world.set_load(600);
    world
}

fn patched() -> Patch<serde_json::Value> {
    Patch::Merge(json!({ "spec": { "replicas": 9 } }))
}

/// What a patch of one scale comes to, as `client`.
async fn set_scale(client: &Client, collection: &str, name: &str) -> Result<Scale, kube::Error> {
    let request =
        Request::new(collection).patch_subresource("scale", name, &PatchParams::default(), &patched());
    client.request(request.unwrap()).await
}

#[track_caller]
fn check_refused<T: std::fmt::Debug>(what: &str, answer: Result<T, kube::Error>) {
    let is_forbidden = matches!(&answer, Err(kube::Error::Api(status)) if status.code == 403);
    assert!(is_forbidden, "{what}: {answer:?}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn with_the_printed_roles_every_command_works() {
    let world = world("printed").await;
    world.grant_what_is_printed().await;
    world
        .namespace
        .wait_for_usage("api", |usage| usage.len() == 2)
        .await;
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    assert_eq!(live.stdout.matches("would be accepted").count(), 2, "{live}");
    let namespace = world.namespace.name();
    let live = live
        .lists("ok api server Kubernetes v1.")
        .lists(&format!(
            "ok permission get, list and watch deployments.apps in namespace {namespace}"
        ))
        .lists(&format!(
            "ok permission patch deployments.apps/scale `api` in namespace {namespace}"
        ))
        .lists(&format!(
            "ok permission get rollouts.argoproj.io/scale `web` in namespace {namespace}"
        ))
        .lists(&format!(
            "ok permission list pods.metrics.k8s.io in namespace {namespace}"
        ))
        .lists("ok metrics API ")
        .lists("ok requests every container that is measured has them")
        .lists("ok pods 2 pods of `app=api`");
    live.says_nothing_of("failed");
    world
        .headroom(&["plan", "--detailed-exitcode"])
        .await
        .expect(10)
        .says_nothing_of("is off");
    world.headroom(&["run", "--once"]).await.expect(0);
    let rollout = world.namespace.replicas(Kind::Rollout, "web").await;
    assert_eq!((world.replicas("api").await, rollout), (6, 6));
    let explained = world.headroom(&["explain", &world.id("api")]).await.expect(0);
    explained.says("cpu").says_nothing_of("  off  ");
    // The loop watches, which `run --once` does not.
    let mut running = world.run();
    world.namespace.set_replicas(Kind::Deployment, "api", 3).await;
    world.namespace.set_replicas(Kind::Rollout, "web", 3).await;
    for (kind, name) in [(Kind::Deployment, "api"), (Kind::Rollout, "web")] {
        world
            .namespace
            .wait_for_replicas(kind, name, |replicas| replicas == 6)
            .await;
    }
    let said = ends(&mut running).await;
    assert!(!said.contains("not allowed"), "{said}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn with_the_printed_roles_nothing_else_is_allowed() {
    let world = world("refusals").await;
    world.grant_what_is_printed().await;
    let other = Cluster::shared().await.namespace("other").await;
    let client = world.user.client().await;
    let path = |plural| format!("/apis/apps/v1/namespaces/{}/{plural}", world.namespace.name());
    set_scale(&client, &path("deployments"), "api").await.unwrap();
    let answer = set_scale(&client, &path("deployments"), "locked").await;
    check_refused("another Deployment's count", answer);
    let answer = set_scale(&client, &path("replicasets"), "web").await;
    check_refused("another kind's count", answer);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), world.namespace.name());
    let answer = deployments
        .patch("api", &PatchParams::default(), &patched())
        .await;
    check_refused("the Deployment itself", answer);
    let pods: Api<Pod> = Api::namespaced(client.clone(), world.namespace.name());
    let pod = world.namespace.ready_pods("api").await.swap_remove(0);
    check_refused("a pod", pods.delete(&pod, &DeleteParams::default()).await);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), world.namespace.name());
    check_refused("secrets", secrets.list(&ListParams::default()).await);
    let elsewhere: Api<Pod> = Api::namespaced(client.clone(), other.name());
    check_refused("another namespace", elsewhere.list(&ListParams::default()).await);
    let everywhere: Api<Pod> = Api::all(client);
    check_refused("all namespaces", everywhere.list(&ListParams::default()).await);
    assert_eq!(world.replicas("locked").await, 2);
}

/// Takes the rule about HPAs from the Role that was granted, and waits until that counts.
async fn take_hpas_away(world: &World<'_>) {
    let roles = world.namespace.api::<Role>();
    let mut role = roles.get("headroom").await.unwrap();
    let rules = role.rules.as_mut().unwrap();
    let before = rules.len();
    let hpas = "horizontalpodautoscalers".to_owned();
    rules.retain(|rule| rule.resources.iter().flatten().all(|resource| *resource != hpas));
    assert_eq!(rules.len(), before - 1);
    roles
        .replace("headroom", &PostParams::default(), &role)
        .await
        .unwrap();
    let hpas: Api<HorizontalPodAutoscaler> =
        Api::namespaced(world.user.client().await, world.namespace.name());
    wait_until(MINUTE, "it is not allowed any more", async || {
        hpas.list(&ListParams::default()).await.is_err()
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_guard_whose_permission_is_taken_away_is_off_and_names_the_rule() {
    let world = world("guard").await;
    world.grant_what_is_printed().await;
    take_hpas_away(&world).await;
    world
        .namespace
        .wait_for_usage("api", |usage| usage.len() == 2)
        .await;
    let namespace = world.namespace.name();
    let rule =
        "{apiGroups: [\"autoscaling\"], resources: [horizontalpodautoscalers], verbs: [get, list, watch]}";
    world
        .headroom(&["explain", &world.id("web")])
        .await
        .expect(0)
        .says(&format!(
            "  off       the guard against a second scaler is off: horizontalpodautoscalers.autoscaling in namespace \
             {namespace} may not be read; allow it with the rule {rule}\n"
        ));
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    live.lists(&format!(
        "look permission get, list and watch horizontalpodautoscalers.autoscaling in namespace {namespace}: get, \
         list, watch not allowed; add the rule {rule} (`headroom rbac` prints the whole Role)"
    ));
    world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(world.namespace.replicas(Kind::Rollout, "web").await, 6);
}
