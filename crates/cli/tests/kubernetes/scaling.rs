//! Deployments are scaled by recorded loads, beside what else there is in a cluster.

use std::time::Duration;

use headroom_test_support::{
    cluster::{Cluster, Kind, Workload},
    wait_for_seen, wait_until,
};
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::{
    common::Ran,
    world::{World, ends},
};

const MINUTE: Duration = Duration::from_secs(60);
const MINUTES: Duration = Duration::from_secs(180);

/// Two Deployments of two replicas, of which `api` alone may be written to, and a policy for `workloads` under a load that
/// asks for six.
async fn world(name: &str, workloads: &[&str]) -> World<'static> {
    let deployments = ["api", "locked"].map(Workload::deployment);
    world_of(name, &deployments, workloads).await
}

async fn world_of(name: &str, deployments: &[Workload], workloads: &[&str]) -> World<'static> {
    let world = World::new(Cluster::shared().await, name, deployments).await;
    let one = |workload: &&str| {
        format!(
            "[workload.\"{}\"]\nscale_target = \"deployment/{workload}\"\nmin_replicas = 1\nmax_replicas = 10\n\
             interval = \"1s\"\nmetrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n",
            world.id(workload)
        )
    };
    world.write_policy(&one(&"api"));
    world.grant_what_is_printed().await;
    world.write_policy(&workloads.iter().map(one).collect::<String>());
    world.set_load(540);
    world
}

/// Adds lines to the last workload of the policy.
fn add_to_policy(world: &World<'_>, lines: &str) {
    world.write_policy(&format!("{}{lines}\n", world.policy()));
}

async fn patch_api(world: &World<'_>, patch: serde_json::Value) {
    let deployments = world.namespace.api::<Deployment>();
    deployments
        .patch("api", &PatchParams::default(), &Patch::Merge(patch))
        .await
        .unwrap();
}

/// What the book shows of a command on Kubernetes.
fn in_the_book(command: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/src/kubernetes.md");
    let page = std::fs::read_to_string(page).unwrap();
    let shown = format!("```text\n$ {command}\n");
    let (_, after) = page.split_once(&shown).unwrap();
    after.split_once("```").unwrap().0.to_owned()
}

/// The lines without where the API server is, which differs from cluster to cluster.
fn without_server(said: &str) -> Vec<&str> {
    let lines = said.lines();
    lines
        .map(|line| line.split_once(" at https://").map_or(line, |(before, _)| before))
        .collect()
}

async fn explain_api(world: &World<'_>) -> Ran {
    world.headroom(&["explain", &world.id("api")]).await.expect(0)
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_deployment_is_scaled_by_one_pass_and_by_nothing_that_only_looks() {
    let world = world("once", &["api"]).await;
    world.headroom(&["plan", "--detailed-exitcode"]).await.expect(10);
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    let said = live.stdout.replace(world.namespace.name(), "shop");
    let said = said.replace("`headroom-test`", "`helm`");
    assert_eq!(
        without_server(&said),
        without_server(&in_the_book("headroom check --live"))
    );
    assert_eq!(world.replicas("api").await, 2);
    world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(world.replicas("api").await, 6);
    assert_eq!(world.replicas("locked").await, 2);
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    live.lists("ok count spec.replicas was set by headroom last (field manager headroom-");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_write_that_is_not_allowed_is_refused_named_and_keeps_no_other_from_being_scaled() {
    let world = world("refused", &["api", "locked"]).await;
    let named = format!(
        "not allowed: patch deployments.apps/scale `locked` in namespace {} (403)",
        world.namespace.name()
    );
    world.headroom(&["run", "--once"]).await.expect(1).says(&named);
    assert_eq!(
        (world.replicas("api").await, world.replicas("locked").await),
        (6, 2)
    );
    let live = world.headroom(&["check", "--live"]).await.expect(1).says(&named).lists(&format!(
        "failed permission patch deployments.apps/scale `locked` in namespace {}: patch not allowed; add the rule \
         {{apiGroups: [\"apps\"], resources: [deployments/scale], resourceNames: [\"locked\"], verbs: [patch]}}",
        world.namespace.name()
    ));
    assert_eq!(live.stdout.matches("would be accepted").count(), 1, "{live}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn beside_an_hpa_nothing_is_written_and_the_way_out_is_told_until_it_is_gone() {
    let world = world("beside", &["api"]).await;
    world
        .namespace
        .create_hpa(Kind::Deployment, "api", 2..=2, 70)
        .await;
    let ran = world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(world.replicas("api").await, 2, "{ran}");
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    live.lists("look scaler HorizontalPodAutoscaler/api scales it too, and two scalers would fight");
    explain_api(&world).await.says(
        "HorizontalPodAutoscaler/api scales it too, and two scalers would fight: stays at 2 until only one of them is \
         left: delete it, or compare the two with mode = \"shadow\"",
    );
    let policy = world.policy();
    add_to_policy(&world, "mode = \"shadow\"");
    let compared = world.headroom(&["plan", "--format", "json"]).await.expect(0);
    assert_eq!(compared.json()["decisions"][0]["desired"], 6, "{compared}");
    compared.says_nothing_of("second_scaler");
    world.write_policy(&policy);
    let hpas = world.namespace.api::<HorizontalPodAutoscaler>();
    hpas.delete("api", &DeleteParams::default()).await.unwrap();
    world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(world.replicas("api").await, 6);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_zero_that_a_person_wrote_means_off_also_where_the_policy_has_a_zero() {
    let world = world("off", &["api"]).await;
    let policy = world.policy();
    let policy = policy
        .replace("min_replicas = 1", "min_replicas = 0")
        .replace("per_replica = 100", "per_replica = 100, activation = true");
    world.write_policy(&policy);
    patch_api(&world, json!({ "spec": { "replicas": 0 } })).await;
    let ran = world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(world.replicas("api").await, 0, "{ran}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_new_image_that_never_starts_still_gets_replicas_under_load_one_step_beyond_the_ready_ones() {
    // Slower than the change limit, so that it is the guard that waits for them.
    let api = Workload::deployment("api").ready_after(Duration::from_secs(6));
    let world = world_of("image", &[api], &["api"]).await;
    add_to_policy(&world, "guards.startup = \"1s\"\nscale_up.limit = [\"1 per 1s\"]");
    // All of the old replicas stay.
    let rollout = json!({ "spec": {
        "strategy": { "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "template": { "metadata": { "annotations": { "headroom.dev/waiting": "ImagePullBackOff" } } },
    } });
    patch_api(&world, rollout).await;
    wait_until(MINUTE, "the new image is stuck", async || {
        let planned = world.headroom(&["plan", "--format", "json"]).await;
        planned.stdout.contains("not_becoming_ready")
    })
    .await;
    world.set_load(600);
    let (mut before, mut held) = (2, String::new());
    wait_for_seen(
        MINUTES,
        "there are as many replicas as the load asks for",
        async || {
            let ran = world.headroom(&["run", "--once"]).await.expect(0);
            let count = world.replicas("api").await;
            let ready = u32::try_from(world.namespace.ready_pods("api").await.len()).unwrap();
            assert!(
                (before..=ready + 1).contains(&count),
                "{count} after {before}, with {ready} ready: {ran}"
            );
            before = count;
            let explained = explain_api(&world).await.stdout;
            if explained.contains("no more than 3 until it is ready") {
                held = explained;
            }
            if ready == 6 { Ok(()) } else { Err(ran) }
        },
    )
    .await;
    let lines: Vec<&str> = held
        .lines()
        .filter(|line| !line.contains(" starting for "))
        .collect();
    let told = [
        "stays at 3: replicas that were added do not become ready",
        "  problem   1 replica does not come up: container app: ImagePullBackOff",
        "            a rollout is under way",
        "   1. load is 600, at 100 for each replica: asks for 6",
        "   3. 6 are wanted, and at most 1 may be added within 1 s: 4 for now, more in 1 s",
    ];
    for line in told {
        assert!(lines.iter().any(|one| one.ends_with(line)), "{line}\n{held}");
    }
    assert!(
        held.contains("   4. 4 are wanted, but only 2 are ready and another has been starting for "),
        "{held}"
    );
}

/// What the Deployment `api` says of its count.
async fn reason_at_api(world: &World<'_>) -> Option<String> {
    let api = world.namespace.api::<Deployment>().get("api").await.unwrap();
    api.metadata.annotations?.remove("headroom.dev/reason")
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_deployment_is_told_why_where_the_policy_asks_for_it_and_it_may_be() {
    let world = world("annotate", &["api"]).await;
    world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(reason_at_api(&world).await, None);
    add_to_policy(&world, "annotate = true\nscale_up = { limit = [] }");
    world.set_load(700);
    world
        .headroom(&["run", "--once"])
        .await
        .expect(0)
        .says("was scaled, and its annotation was not written: not allowed: patch deployments.apps `api`");
    assert_eq!(
        (world.replicas("api").await, reason_at_api(&world).await),
        (7, None)
    );
    let mut running = world.run();
    for replicas in [8, 9] {
        let asked = [
            "override",
            &world.id("api"),
            "--min",
            &replicas.to_string(),
            "--for",
            "1h",
        ];
        world.headroom(&asked).await.expect(0);
        let api = (Kind::Deployment, "api");
        world
            .namespace
            .wait_for_replicas(api.0, api.1, |found| found == replicas)
            .await;
    }
    let said = ends(&mut running).await;
    assert_eq!(
        said.matches("annotation was not written").count(),
        1,
        "once an outage: {said}"
    );
    world.grant_what_is_printed().await;
    world.set_load(1000);
    world
        .headroom(&["run", "--once"])
        .await
        .expect(0)
        .says_nothing_of("annotation");
    assert_eq!(world.replicas("api").await, 10);
    assert_eq!(
        reason_at_api(&world).await.as_deref(),
        Some("9 to 10: load is 1000, at 100 for each replica: asks for 10")
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn under_the_hpas_semantics_a_value_multiplies_the_ready_pods_that_no_metric_tells_of() {
    let world = World::new(Cluster::shared().await, "value", &[Workload::deployment("api")]).await;
    world.write_policy(&format!(
        "[workload.\"{}\"]\nscale_target = \"deployment/api\"\nsemantics = \"hpa\"\nmin_replicas = 1\nmax_replicas = 10\n\
         metrics.load = {{ recorded = \"load.csv\", value = 100 }}\n",
        world.id("api")
    ));
    world.grant_what_is_printed().await;
    world.set_load(200);
    let ran = world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(world.replicas("api").await, 4, "{ran}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_workload_in_preview_or_in_shadow_is_not_written_although_it_might_be() {
    let world = world("preview", &["api"]).await;
    let policy = world.policy();
    for mode in ["preview", "shadow"] {
        world.write_policy(&format!("{policy}mode = \"{mode}\"\n"));
        for _ in 0..2 {
            let ran = world.headroom(&["run", "--once"]).await.expect(0);
            assert_eq!(world.replicas("api").await, 2, "{mode}: {ran}");
        }
        let compared = world.headroom(&["plan", "--format", "json"]).await.expect(0);
        assert_eq!(
            compared.json()["decisions"][0]["desired"],
            6,
            "{mode}: {compared}"
        );
    }
    world.write_policy(&policy);
    world.headroom(&["run", "--once"]).await.expect(0);
    assert_eq!(world.replicas("api").await, 6);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn while_a_rollout_is_under_way_the_count_does_not_fall_and_does_when_its_deadline_is_over() {
    let world = world("rolling", &["api"]).await;
    add_to_policy(
        &world,
        "scale_down = { stabilization = \"0s\", limit = [] }\nguards.startup = \"10m\"",
    );
    world.headroom(&["run", "--once"]).await.expect(0);
    let deployments = world.namespace.api::<Deployment>();
    wait_until(MINUTE, "its status has all six", async || {
        let status = deployments.get("api").await.unwrap().status;
        status.is_some_and(|status| status.available_replicas == Some(6))
    })
    .await;
    let rollout = json!({ "spec": {
        "progressDeadlineSeconds": 15,
        "strategy": { "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "template": { "metadata": { "annotations": { "headroom.dev/waiting": "ImagePullBackOff" } } },
    } });
    patch_api(&world, rollout).await;
    world.set_load(250);
    explain_api(&world).await.says("a rollout is under way");
    let mut held = 0;
    wait_for_seen(MINUTES, "the count falls", async || {
        let ran = world.headroom(&["run", "--once"]).await.expect(0);
        let explained = world.headroom(&["explain", &world.id("api"), "--last"]).await;
        let is_rolling = explained.stdout.contains("a rollout is under way");
        let count = world.replicas("api").await;
        if is_rolling {
            held += 1;
            assert_eq!(count, 6, "{explained}");
        }
        if count == 3 {
            Ok(())
        } else {
            Err(format!("{ran}\n{explained}"))
        }
    })
    .await;
    assert!(held > 0, "it was under way when it was looked at");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_target_that_is_not_there_is_named() {
    let world = world("missing", &["api", "typo"]).await;
    let named = format!(
        "there is no deployments.apps `typo` in namespace {}",
        world.namespace.name()
    );
    world.headroom(&["run", "--once"]).await.expect(1).says(&named);
    assert_eq!(world.replicas("api").await, 6);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_loop_follows_what_others_do_and_ends_in_order() {
    let world = world("loop", &["api"]).await;
    let mut running = world.run();
    world
        .namespace
        .wait_for_replicas(Kind::Deployment, "api", |replicas| replicas == 6)
        .await;
    world.namespace.wait_for_ready_pods("api", 6).await;
    // Somebody lowers it; the load still asks for six.
    world.namespace.set_replicas(Kind::Deployment, "api", 3).await;
    world
        .namespace
        .wait_for_replicas(Kind::Deployment, "api", |replicas| replicas == 6)
        .await;
    ends(&mut running).await;
}
