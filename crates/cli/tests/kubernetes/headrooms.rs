//! Several headrooms, each with a state of its own, on one Deployment.

use std::{fs, time::Duration};

use headroom_test_support::{
    Process,
    cluster::{Cluster, Kind, Workload},
    wait_for_seen,
};
use k8s_openapi::api::apps::v1::Deployment;

use crate::{
    common::Ran,
    world::{World, ends},
};

const OTHER: &str = "another headroom (headroom-";
const PATIENCE: Duration = Duration::from_secs(120);

/// A Deployment `api` of two replicas, and two policies that never agree on its count: `headroom.toml` wants a replica for
/// each 100 of the load, and `other.toml` one for each 50. Nothing but the guard keeps either from having its way at once.
async fn world(name: &str) -> World<'static> {
    let world = World::new(Cluster::shared().await, name, &[Workload::deployment("api")]).await;
    let policy = |per_replica| {
        format!(
            "[workload.\"{}\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 40\ninterval = \"1s\"\n\
             scale_up = {{ limit = [] }}\nscale_down = {{ stabilization = \"0s\", limit = [] }}\nmetrics.load = {{ recorded = \"load.csv\", per_replica = {per_replica} }}\n",
            world.id("api")
        )
    };
    world.write_policy(&policy(100));
    world.grant_what_is_printed().await;
    world.write("other.toml", &policy(50));
    world
}

/// `arguments` for the headroom whose state is in `state`, with its policy.
fn of<'a>(state: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    let config = if state == "other" {
        "other.toml"
    } else {
        "headroom.toml"
    };
    [arguments, &["--config", config, "--state-dir", state]].concat()
}

async fn headroom(world: &World<'_>, state: &str, arguments: &[&str]) -> Ran {
    world.headroom(&of(state, arguments)).await
}

/// How often the count was set, and whatever else is wanted of the Deployment; what its controller tells does not count.
async fn writes(world: &World<'_>) -> i64 {
    let api = world.namespace.api::<Deployment>().get("api").await.unwrap();
    api.metadata.generation.unwrap()
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
        let before = (world.replicas("api").await, writes(&world).await);
        let count = pass(&world, "one", load).await;
        let after = (count, writes(&world).await);
        assert_eq!(after, before, "the first one writes nothing");
        let count = pass(&world, "other", load).await;
        let after = (count, writes(&world).await);
        assert_eq!(after, (load / 50, before.1 + 1), "the other one goes on");
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

/// How many passes were made with the state in `state`.
async fn passes(world: &World<'_>, state: &str) -> u64 {
    let asked = ["history", "--format", "json", "--limit", "1000"];
    let history = headroom(world, state, &asked).await.expect(0).json();
    let rows = history["rows"].as_array().unwrap();
    rows.iter().filter_map(|row| row["count"].as_u64()).sum()
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn two_headrooms_that_go_on_beside_each_other_set_the_count_once_each_and_do_not_fight() {
    let world = world("beside").await;
    world.set_load(300);
    let begun = writes(&world).await;
    let states = ["one", "other"];
    let mut running = states.map(|state| Process::start(state, &mut world.command(&of(state, &["run"]))));
    for state in states {
        let what = format!("{state} has passed a dozen times");
        wait_for_seen(PATIENCE, &what, async || {
            let made = passes(&world, state).await;
            if made >= 12 { Ok(()) } else { Err(made) }
        })
        .await;
    }
    let made = writes(&world).await - begun;
    let mut said = String::new();
    for running in &mut running {
        said += &ends(running).await;
    }
    assert!((1..=2).contains(&made), "{made} writes:\n{said}");
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
