//! `rbac`, where no cluster has to be asked.

use crate::{assert_said, common::World};

const FLEET: &str = r#"
[defaults]
max_replicas = 9
metrics.load = { recorded = "load.csv", per_replica = 100 }

[workload."shop/web"]
scale_target = "deployment/web"

[workload."shop/api"]
scale_target = "deploy/api"
metrics.cpu = { utilization = "70%" }

[workload."shop/db"]
scale_target = "sts/db"

[workload."pay/on"]
scale_target = "deployment/on"

[workload."look/only"]
scale_target = "deployment/only"
mode = "preview"

[workload.here]
command = { get = ["cat", "count"], set = ["true", "{replicas}"] }
"#;

fn fleet() -> World {
    let world = World::empty();
    world.write("headroom.toml", FLEET);
    world
}

#[test]
fn roles_are_the_least_that_each_namespace_needs() {
    assert_said!("rbac", fleet().headroom(&["rbac"]).expect(0));
}

#[test]
fn one_namespace_and_another_account_can_be_meant() {
    let arguments = [
        "-n",
        "pay",
        "rbac",
        "--service-account",
        "ops/scaler",
        "headroom.toml",
    ];
    assert_said!("rbac_pay", fleet().headroom(&arguments).expect(0));
}

#[test]
fn as_json_it_is_one_list_of_the_same_rules() {
    let world = fleet();
    let list = world.headroom(&["rbac", "--format", "json"]).expect(0).json();
    assert_eq!(list["kind"], "List");
    let items = list["items"].as_array().unwrap();
    let kinds: Vec<_> = items.iter().map(|item| item["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["Role", "RoleBinding"].repeat(3));
    let yaml = world.headroom(&["rbac"]).expect(0).stdout;
    let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&yaml).unwrap();
    assert_eq!(&objects, items);
}

#[test]
fn where_no_target_is_in_a_cluster_nothing_has_to_be_allowed() {
    let ran = World::new(2, 100).headroom(&["rbac"]).expect(0);
    assert!(ran.stdout.is_empty(), "{ran}");
    ran.says("no workload is in a cluster, so nothing has to be allowed");
}

#[test]
fn a_kind_that_only_a_cluster_knows_needs_one() {
    let world = World::empty();
    let policy = FLEET.replace("deployment/web", "rollout.argoproj.io/web");
    world.write("headroom.toml", &policy);
    assert_said!("rbac_without_cluster", world.headroom(&["rbac"]).expect(2));
}

#[test]
fn an_account_without_a_namespace_is_refused() {
    let ran = fleet()
        .headroom(&["rbac", "--service-account", "headroom"])
        .expect(2);
    ran.says("write it as NAMESPACE/NAME, such as ops/headroom");
}
