//! Counts of zero through whole passes: whose they are, also with the state lost.

use crate::world::*;
use headroom_policy_engine::{Activation, ScaleToZero};

/// A workload that may go to zero after a minute, and is started by its load.
fn world_with_zero() -> World {
    let mut world = World::new(&["web"]);
    let policy = &mut world.workloads[0].policy;
    policy.metrics[0].activation = Activation::FromZero;
    policy.zero = Some(ScaleToZero::new(seconds(60), &policy.metrics).unwrap());
    world
}

/// Passes without load, from the beginning, until the count is zero; returns the seconds they took.
async fn come_to_zero(world: &World) -> i64 {
    world.load("web", 0.0);
    let autoscaler = world.start();
    for step in 0..20 {
        pass(&autoscaler, at(step * 30)).await;
        if world.count("web") == 0 {
            return step * 30;
        }
    }
    panic!("it did not come to zero");
}

#[tokio::test]
async fn a_workload_comes_to_zero_after_its_windows_and_back_at_once() {
    let world = world_with_zero();
    assert_eq!(
        come_to_zero(&world).await,
        120,
        "four fifths of the window of two minutes"
    );
    let autoscaler = world.start();
    assert_eq!(
        told(about(&pass(&autoscaler, at(150)).await, "web")),
        "0 OnTarget"
    );
    world.load("web", 0.5);
    assert_eq!(
        told(about(&pass(&autoscaler, at(180)).await, "web")),
        "0 -> 1 Written"
    );
}

#[tokio::test]
async fn with_the_state_lost_a_zero_is_taken_for_our_own_where_the_policy_has_one() {
    let mut world = world_with_zero();
    come_to_zero(&world).await;
    std::fs::remove_dir_all(&world.state_dir).unwrap();
    world.load("web", 120.0);
    assert_eq!(
        told(about(&pass(&world.start(), at(600)).await, "web")),
        "0 -> 2 Written"
    );

    world.actuator.put(&id("web"), replicas(0));
    std::fs::remove_dir_all(&world.state_dir).unwrap();
    world.workloads[0].policy.zero = None;
    assert_eq!(told(about(&pass(&world.start(), at(900)).await, "web")), "0 Off");
}

#[tokio::test]
async fn a_zero_that_a_person_set_stays() {
    let world = world_with_zero();
    world.load("web", 400.0);
    let autoscaler = world.start();
    assert_eq!(
        told(about(&pass(&autoscaler, at(0)).await, "web")),
        "2 -> 4 Written"
    );
    world.actuator.put(&id("web"), replicas(0));
    assert_eq!(told(about(&pass(&autoscaler, at(30)).await, "web")), "0 Off");
    assert_eq!(
        told(about(&pass(&world.start(), at(60)).await, "web")),
        "0 Off",
        "by another process too"
    );
}
