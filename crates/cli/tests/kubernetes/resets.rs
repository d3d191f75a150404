//! Counts that others set: a deploy that carries one, a person, and a fight over it.

use std::time::Duration;

use headroom_test_support::{
    cluster::{Cluster, Kind, Workload},
    wait_until,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);
const MINUTES: Duration = Duration::from_secs(180);

/// Six replicas that the load asks for, of which from now on one may be added in half an hour.
async fn six(name: &str) -> World<'static> {
    let world = World::new(Cluster::shared().await, name, &[Workload::deployment("api")]).await;
    let policy = format!(
        "[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 10\n\
         interval = \"1s\"\nscale_down.stabilization = \"0s\"\n\
         metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n",
        world.id("api")
    );
    world.write_policy(&policy);
    world.grant_what_is_printed().await;
    world.set_load(540);
    pass(&world).await;
    assert_eq!(world.replicas("api").await, 6);
    world.write_policy(&format!("{policy}scale_up.limit = [\"1 per 30m\"]\n"));
    pass(&world).await;
    world
}

async fn pass(world: &World<'_>) {
    world.headroom(&["run", "--once"]).await.expect(0);
}

/// What the last pass said.
async fn last(world: &World<'_>) -> String {
    let explained = world.headroom(&["explain", &world.id("api"), "--last"]).await;
    explained.expect(0).stdout
}

/// Waits for the next second, for that is how exactly the API server keeps its time: what is written in the same one is
/// no later.
async fn next_second() {
    let begun = jiff::Timestamp::now().as_second();
    wait_until(MINUTE, "the next second", async || {
        jiff::Timestamp::now().as_second() > begun
    })
    .await;
}

/// Deploys as Helm and Argo CD do, by server-side apply of the whole object with a count in it, in a later second than
/// what was written before.
async fn deploy(world: &World<'_>, replicas: u32) {
    let deployments = world.namespace.api::<Deployment>();
    let live = deployments.get("api").await.unwrap();
    let spec = live.spec.unwrap();
    let chart = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "api" },
        "spec": { "replicas": replicas, "selector": spec.selector, "template": spec.template },
    });
    next_second().await;
    let parameters = PatchParams::apply("helm").force();
    deployments
        .patch("api", &parameters, &Patch::Apply(chart))
        .await
        .unwrap();
    assert_eq!(world.replicas("api").await, replicas);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_count_that_a_deploy_sets_back_is_restored_in_one_step_and_the_way_out_is_told() {
    for count in [2, 0] {
        let world = six(&format!("deployed-{count}")).await;
        deploy(&world, count).await;
        pass(&world).await;
        assert_eq!(world.replicas("api").await, 6);
        let said = last(&world).await;
        assert!(
            said.contains("helm set the count back as it deployed: 6 again at once, as before"),
            "{said}"
        );
        assert!(
            said.contains(
                "problem   helm set the count back as it deployed, and will do so again: take spec.replicas"
            ),
            "{said}"
        );
        assert!(!said.contains("is off:"), "the guard is on: {said}");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_count_that_a_deploy_keeps_setting_back_is_restored_slowly_and_not_lowered() {
    let world = six("fight").await;
    for _ in 0..2 {
        deploy(&world, 2).await;
        pass(&world).await;
        assert_eq!(world.replicas("api").await, 6);
    }
    deploy(&world, 2).await;
    world.set_load(100);
    pass(&world).await;
    assert_eq!(world.replicas("api").await, 2, "a moment ago it was restored");
    let said = last(&world).await;
    assert!(
        said.contains("critical  helm keeps setting another count"),
        "{said}"
    );
    assert!(
        said.contains("it is restored once a minute at most: 2 until then, 6 in"),
        "{said}"
    );
    for ran in world.passes_until(MINUTES, 6).await {
        ran.expect(0);
    }
    pass(&world).await;
    assert_eq!(
        world.replicas("api").await,
        6,
        "one would be enough: {}",
        last(&world).await
    );
}

/// Sets the count as a person does with `kubectl edit`.
async fn edit(world: &World<'_>, replicas: u32) {
    let how = PatchParams {
        field_manager: Some("kubectl-edit".to_owned()),
        ..PatchParams::default()
    };
    let edited = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    let deployments = world.namespace.api::<Deployment>();
    deployments.patch("api", &how, &edited).await.unwrap();
}

/// A pass leaves the count as it is, and takes it for nobody's deploy.
async fn check_left_alone(world: &World<'_>, count: u32) {
    pass(world).await;
    let said = last(world).await;
    assert!(!said.contains("set the count back"), "{said}");
    let count_now = world.replicas("api").await;
    assert_eq!(count_now, count, "four were added within the half hour: {said}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_count_that_a_person_sets_is_theirs_and_a_zero_is_off() {
    let world = six("person").await;
    deploy(&world, 6).await;
    world.namespace.set_replicas(Kind::Deployment, "api", 3).await;
    check_left_alone(&world, 3).await;
    next_second().await;
    edit(&world, 2).await;
    check_left_alone(&world, 2).await;
    world.namespace.set_replicas(Kind::Deployment, "api", 0).await;
    pass(&world).await;
    let said = last(&world).await;
    assert!(
        said.contains("somebody set the count to 0, and that switches scaling off"),
        "{said}"
    );
    assert_eq!(world.replicas("api").await, 0);
}
