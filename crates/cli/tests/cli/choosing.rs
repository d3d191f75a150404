//! Which configuration and which workloads are meant.

use crate::{assert_said, common::World};

/// Three workloads, two of them called `api`.
fn three() -> World {
    let world = World::new(2, 200);
    let workload = |id: &str| {
        format!(
            "[workload.\"{id}\"]\nmin_replicas = 1\nmax_replicas = 6\n\
             command = {{ get = [\"cat\", \"count\"], set = [\"sh\", \"set.sh\", \"{{replicas}}\", \"{id}\"] }}\n\
             metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n"
        )
    };
    world.write(
        "headroom.toml",
        &["pay/api", "shop/api", "shop/web"].map(workload).concat(),
    );
    world
}

fn planned(world: &World, arguments: &[&str]) -> Vec<String> {
    let json = world
        .headroom(&[&["plan", "--format", "json"], arguments].concat())
        .expect(0)
        .json();
    let decisions = json["decisions"].as_array().unwrap();
    decisions
        .iter()
        .map(|decision| decision["workload"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn without_a_configuration_it_teaches_the_way_in() {
    assert_said!("no_configuration", World::empty().headroom(&["plan"]).expect(2));
    assert_said!(
        "no_configuration_json",
        World::empty().headroom(&["plan", "--format", "json"]).expect(2)
    );
}

#[test]
fn the_configuration_is_named_by_option_then_variable() {
    let world = three();
    world.write(
        "one/headroom.toml",
        &world.read("headroom.toml").replace("pay/api", "pay/other"),
    );
    std::fs::copy(world.path().join("count"), world.path().join("one/count")).unwrap();
    std::fs::copy(world.path().join("load.csv"), world.path().join("one/load.csv")).unwrap();
    assert_eq!(planned(&world, &["-c", "one"])[0], "pay/other");
    let mut command = world.command(&["plan", "--format", "json", "other"]);
    world
        .ran(command.env("HEADROOM_CONFIG", "one/headroom.toml"))
        .expect(0);
    let mut command = world.command(&["plan", "other", "-c", "headroom.toml"]);
    world
        .ran(command.env("HEADROOM_CONFIG", "one/headroom.toml"))
        .expect(2);
}

#[test]
fn workloads_are_chosen_by_name_and_namespace() {
    let world = three();
    assert_eq!(planned(&world, &[]), ["pay/api", "shop/api", "shop/web"]);
    assert_eq!(planned(&world, &["-A"]), ["pay/api", "shop/api", "shop/web"]);
    assert_eq!(planned(&world, &["web"]), ["shop/web"]);
    assert_eq!(planned(&world, &["-n", "shop"]), ["shop/api", "shop/web"]);
    assert_eq!(planned(&world, &["-n", "shop", "api"]), ["shop/api"]);
}

#[test]
fn a_name_that_is_not_unique_or_unknown_is_refused() {
    let world = three();
    assert_said!("ambiguous", world.headroom(&["plan", "api"]).expect(2));
    assert_said!("suggested", world.headroom(&["plan", "shop/wob"]).expect(2));
    assert_said!("unknown", world.headroom(&["explain", "checkout"]).expect(2));
    assert_said!(
        "empty_namespace",
        world.headroom(&["status", "-n", "payments"]).expect(2)
    );
}

#[test]
fn a_cluster_that_cannot_be_found_is_refused_with_a_way_out_and_others_go_on() {
    let world = three();
    let policy = world.read("headroom.toml");
    let kubernetes = "[workload.\"kube/app\"]\nscale_target = \"deployment/app\"\nmax_replicas = 3\nmetrics.load = { recorded = \"load.csv\", per_replica = 100 }\n";
    world.write("headroom.toml", &format!("{policy}{kubernetes}"));
    world.headroom(&["check"]).expect(0);
    let nowhere = ["--kubeconfig", "nowhere"];
    assert_said!(
        "kubernetes",
        world.headroom(&[&["plan"], &nowhere[..]].concat()).expect(2)
    );
    world
        .headroom(&[&["run", "--once"], &nowhere[..]].concat())
        .expect(2);
    assert_eq!(planned(&world, &["-n", "shop"]), ["shop/api", "shop/web"]);
}
