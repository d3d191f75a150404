//! What `check --live` says of PodDisruptionBudgets, beside what the cluster's own controller makes of them.

use std::time::Duration;

use headroom_test_support::{
    cluster::{Cluster, Workload},
    wait_for_seen,
};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::{common::Ran, world::World};

const MINUTE: Duration = Duration::from_secs(60);

/// Two Deployments of two pods, of which `api` alone has a policy: at the fewest two replicas.
async fn world(name: &str) -> World<'static> {
    let workloads = ["api", "web"].map(Workload::deployment);
    let world = World::new(Cluster::shared().await, name, &workloads).await;
    world.write_policy(&format!(
        "[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 2\nmax_replicas = 10\n\
         metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n",
        world.id("api")
    ));
    world.set_load(200);
    world
}

/// Creates a budget, and waits for how many pods the cluster lets be evicted by it.
async fn create(world: &World<'_>, name: &str, mut spec: Value, selector: Value) -> i32 {
    spec["selector"] = selector;
    let budget = json!({ "metadata": { "name": name }, "spec": spec });
    let budgets = world.namespace.api::<PodDisruptionBudget>();
    let budget = serde_json::from_value(budget).unwrap();
    budgets.create(&PostParams::default(), &budget).await.unwrap();
    wait_for_seen(MINUTE, "the budget is counted", async || {
        let status = budgets.get(name).await.unwrap().status.unwrap_or_default();
        if status.current_healthy >= Some(2) {
            Ok(status.disruptions_allowed.unwrap_or_default())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await
}

fn lines(ran: &Ran) -> Vec<String> {
    let lines = ran.stdout.lines().filter(|line| line.contains("  evictions  "));
    let words = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    words.collect()
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_budget_that_leaves_no_room_at_the_fewest_replicas_is_told_as_the_cluster_counts_it() {
    let world = world("evictions").await;
    world.grant_what_is_printed().await;
    assert_eq!(
        lines(&world.headroom(&["check", "--live"]).await.expect(0)),
        [""; 0]
    );
    let of = |app: &str| json!({ "matchLabels": { "app": app } });
    for (name, spec, selector, room) in [
        ("a-number", json!({ "minAvailable": 2 }), of("api"), 0),
        ("b-part", json!({ "minAvailable": "51%" }), of("api"), 0),
        ("c-none", json!({ "maxUnavailable": "0%" }), of("api"), 0),
        ("d-some", json!({ "maxUnavailable": "1%" }), of("api"), 1),
        ("e-all", json!({ "minAvailable": 2 }), json!({}), 2),
        ("f-other", json!({ "minAvailable": 2 }), of("web"), 0),
        ("g-silent", json!({}), of("api"), 0),
    ] {
        assert_eq!(create(&world, name, spec, selector).await, room, "{name}");
    }
    let at = "at 2 replicas, the fewest of the policy";
    let hangs = "so that the drain of a node hangs there: give it room for one";
    let free = "scaling down does not obey it";
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    let expected = [
        format!(
            "look evictions PodDisruptionBudget/a-number (minAvailable: 2) lets no pod be evicted {at}, {hangs}, or set min_replicas = 3; {free}"
        ),
        format!(
            "look evictions PodDisruptionBudget/b-part (minAvailable: 51%) lets no pod be evicted {at}, {hangs}, or set min_replicas = 3; {free}"
        ),
        format!(
            "look evictions PodDisruptionBudget/c-none (maxUnavailable: 0%) lets no pod be evicted {at}, {hangs}; {free}"
        ),
        format!(
            "ok evictions PodDisruptionBudget/d-some (maxUnavailable: 1%) lets 1 pod be evicted {at}; {free}"
        ),
        format!(
            "ok evictions PodDisruptionBudget/e-all (minAvailable: 2) lets 2 pods be evicted {at} beside 2 pods of other workloads; {free}"
        ),
        format!(
            "look evictions PodDisruptionBudget/g-silent (neither minAvailable nor maxUnavailable) lets no pod be evicted {at}, {hangs}; {free}"
        ),
    ];
    assert_eq!(lines(&live), expected, "{live}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn without_the_permission_nothing_is_said_of_budgets_but_the_rule_that_is_missing() {
    let world = world("unseen").await;
    world.grant_without(&["poddisruptionbudgets.policy"]).await;
    create(&world, "api", json!({ "minAvailable": 2 }), json!({})).await;
    let live = world.headroom(&["check", "--live"]).await.expect(0);
    assert_eq!(lines(&live), [""; 0], "{live}");
    let namespace = world.namespace.name();
    live.lists(&format!(
        "look permission list poddisruptionbudgets.policy in namespace {namespace}: list not allowed; add the rule \
         {{apiGroups: [\"policy\"], resources: [poddisruptionbudgets], verbs: [list]}} (`headroom rbac` prints the whole \
         Role)"
    ))
    .lists("ok writing would be accepted (dry run)");
    world
        .headroom(&["run", "--once"])
        .await
        .expect(0)
        .says_nothing_of("poddisruptionbudgets");
}
