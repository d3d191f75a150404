//! Several headrooms, each with a state of its own, on one Deployment.

use std::fs;

use headroom_test_support::cluster::{Cluster, Kind, Workload};

use crate::{common::Ran, world::World};

const OTHER: &str = "another headroom (headroom-";

/// A Deployment `api` of two replicas, and two policies that never agree on its count: `headroom.toml` wants a replica for
/// each 100 of the load, and `other.toml` one for each 50.
async fn world(name: &str) -> World<'static> {
    let world = World::new(Cluster::shared().await, name, &[Workload::deployment("api")]).await;
    let policy = |per_replica| {
        format!(
            "[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 40\ninterval = \"1s\"\n\
             scale_up = {{ limit = [] }}\nmetrics.load = {{ recorded = \"load.csv\", per_replica = {per_replica} }}\n",
            world.id("api")
        )
    };
    world.write_policy(&policy(100));
    world.grant_what_is_printed().await;
    world.write("other.toml", &policy(50));
    world
}

/// `arguments` of the headroom whose state is in `state`, with its policy.
async fn headroom(world: &World<'_>, state: &str, arguments: &[&str]) -> Ran {
    let config = if state == "other" {
        "other.toml"
    } else {
        "headroom.toml"
    };
    let all = [arguments, &["--config", config, "--state-dir", state]].concat();
    world.headroom(&all).await
}

/// The count after a pass under `load`.
async fn pass(world: &World<'_>, state: &str, load: u32) -> u32 {
    world.set_load(load);
    headroom(world, state, &["run", "--once"]).await.expect(0);
    world.replicas("api").await
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn of_two_headrooms_the_one_that_came_last_goes_on_and_the_other_says_so_until_somebody_sets_the_count()
{
    let world = world("headrooms").await;
    assert_eq!(pass(&world, "one", 300).await, 3);
    assert_eq!(pass(&world, "one", 400).await, 4, "from cron it is itself");

    // This one never set the count before, so the write of the first one is not held against it.
    assert_eq!(pass(&world, "other", 300).await, 6);
    for load in [500, 600, 700] {
        let before = world.replicas("api").await;
        assert_eq!(
            pass(&world, "one", load).await,
            before,
            "the first one writes nothing"
        );
        assert_eq!(
            pass(&world, "other", load).await,
            load / 50,
            "the other one goes on"
        );
    }

    let api = world.id("api");
    world.set_load(900);
    headroom(&world, "one", &["run", "--once"]).await.expect(0);
    headroom(&world, "one", &["explain", &api])
        .await
        .expect(0)
        .says(OTHER)
        .says("another headroom scales the target too")
        .says("set another count once by hand");
    headroom(&world, "one", &["status"])
        .await
        .expect(0)
        .says("another headroom");
    let live = headroom(&world, "one", &["check", "--live"]).await.expect(0);
    live.lists(&format!("look scaler {OTHER}"));
    headroom(&world, "other", &["explain", &api])
        .await
        .expect(0)
        .says_nothing_of(OTHER);

    // Somebody sets the count: whoever is first goes on, and that is told as before.
    world.namespace.set_replicas(Kind::Deployment, "api", 2).await;
    assert_eq!(pass(&world, "one", 900).await, 9);
    assert_eq!(pass(&world, "other", 1000).await, 9);
    assert_eq!(pass(&world, "one", 1000).await, 10);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn one_whose_state_is_lost_goes_on_and_so_does_one_whose_state_moves() {
    let world = world("lost-state").await;
    assert_eq!(pass(&world, "one", 300).await, 3);
    fs::remove_dir_all(world.path().join("one")).unwrap();
    assert_eq!(pass(&world, "one", 400).await, 4, "it is lost");
    fs::rename(world.path().join("one"), world.path().join("moved")).unwrap();
    assert_eq!(pass(&world, "moved", 500).await, 5, "it moves");
    let explained = headroom(&world, "moved", &["explain", &world.id("api")]).await;
    explained.expect(0).says_nothing_of(OTHER);
}
