//! Replicas end as they are asked to, or are made to, and nothing of them is left.

use headroom_actuator::TargetReader as _;
use headroom_policy_engine::Replicas;
use headroom_test_support::wait_until;

use crate::world::{DEADLINE, IDLE, World, is_running, kill, seconds};

#[tokio::test]
async fn sigterm_gives_a_replica_time_to_finish() {
    let world =
        World::running("trap 'echo finishing; exit 0' TERM; echo serving; while :; do sleep 0.01; done");
    world.set(0, 1).await.unwrap();
    world.wait_for_log(1, "serving").await;
    world.set(1, 0).await.unwrap();
    world
        .tend_until("the replica is gone", |world| world.draining_pids().is_empty())
        .await;
    assert!(world.log(1).contains("finishing"), "{}", world.log(1));
}

#[tokio::test]
async fn one_that_ignores_sigterm_is_killed_after_the_drain_time_and_not_before() {
    let world = World::running("trap '' TERM; echo serving; while :; do sleep 0.01; done");
    world.set(0, 1).await.unwrap();
    world.wait_for_log(1, "serving").await;
    let pids = world.pids();
    world.set(1, 0).await.unwrap();
    assert!(
        world.read().await.replicas.is_empty(),
        "a draining replica is asked for nothing"
    );
    world.pass(seconds(9));
    world.tend().await.unwrap();
    world.tend().await.unwrap();
    assert_eq!(world.draining_pids(), pids);
    assert!(world.running_pids().contains(&pids[0]));

    world.pass(seconds(1));
    world.tend().await.unwrap();
    world.wait_for_processes(0).await;
    world
        .tend_until("it is forgotten", |world| world.draining_pids().is_empty())
        .await;
}

#[tokio::test]
async fn what_a_replica_started_goes_with_it() {
    // One child in its group, one in a session of its own.
    let world = World::running(
        "sleep 600 & setsid sleep 600 & trap '' TERM; echo serving; while :; do sleep 0.01; done",
    );
    world.target_serves().await;
    world.set(1, 0).await.unwrap();
    world.pass(seconds(10));
    world
        .tend_until("all are gone", |world| world.draining_pids().is_empty())
        .await;
    assert!(world.running_pids().is_empty());
}

#[tokio::test]
async fn one_that_shows_no_environment_is_kept_and_ended_like_any_other() {
    let mut world = World::running("exec env -i sleep 600");
    world.set(0, 1).await.unwrap();
    world.wait_for_processes(0).await;
    let pids = world.pids();
    world.restart();
    world.tend().await.unwrap();
    assert_eq!(world.pids(), pids);
    world.set(1, 0).await.unwrap();
    let ended = async || !is_running(pids[0]);
    let in_time = tokio::time::timeout(DEADLINE, wait_until(2 * DEADLINE, "it ends", ended)).await;
    if is_running(pids[0]) {
        kill(pids[0]);
    }
    assert!(in_time.is_ok(), "it was not asked to end");
}

#[tokio::test]
async fn a_child_that_still_works_is_not_cut_short_when_its_shell_ends_first() {
    // The shell dies of SIGTERM at once; its child takes its time.
    let world = World::running("(trap '' TERM; echo serving; while :; do sleep 0.01; done) & wait");
    world.set(0, 1).await.unwrap();
    world.wait_for_log(1, "serving").await;
    let shell = world.pids()[0];
    world.set(1, 0).await.unwrap();
    wait_until(DEADLINE, "the shell is gone", async || {
        !world.running_pids().contains(&shell)
    })
    .await;
    world.pass(seconds(9));
    world.tend().await.unwrap();
    assert_eq!(world.draining_pids(), [shell]);
    assert!(!world.running_pids().is_empty());

    world.pass(seconds(1));
    world
        .tend_until("all are gone", |world| world.draining_pids().is_empty())
        .await;
    assert!(world.running_pids().is_empty());
}

#[tokio::test]
async fn what_a_dead_replica_left_is_killed_before_another_takes_its_place() {
    let world = World::running("trap '' TERM; sleep 600 & echo serving; wait");
    world.set(0, 1).await.unwrap();
    world.wait_for_log(1, "serving").await;
    wait_until(DEADLINE, "the shell and its child run", async || {
        world.running_pids().len() == 2
    })
    .await;
    let shell = world.pids()[0];
    kill(shell);
    world
        .tend_until("the death is seen", |world| world.pids().is_empty())
        .await;
    world.wait_for_processes(0).await;
    world
        .tend_until("it is forgotten", |world| world.draining_pids().is_empty())
        .await;
}

#[tokio::test]
async fn without_a_drain_time_nothing_is_waited_for() {
    let mut world = World::running("trap 'echo asked' TERM; echo serving; while :; do sleep 0.01; done");
    world.target.drain = seconds(0);
    world.set(0, 1).await.unwrap();
    world.wait_for_log(1, "serving").await;
    world.set(1, 0).await.unwrap();
    world.wait_for_processes(0).await;
    assert!(!world.log(1).contains("asked"));
}

#[tokio::test]
async fn stopping_all_leaves_none_and_wants_as_many_as_before() {
    let mut world = World::running("trap '' TERM; echo serving; while :; do sleep 0.01; done");
    world.target.drain = seconds(1);
    world.set(0, 2).await.unwrap();
    world.wait_for_log(1, "serving").await;
    world.wait_for_log(2, "serving").await;
    world
        .actuator
        .stop_all(&world.scale_target(), world.now.get())
        .await
        .unwrap();
    assert!(world.running_pids().is_empty());
    assert_eq!(world.read().await.workload.current, Replicas::new(2));

    world.restart();
    world.tend().await.unwrap();
    assert_eq!(world.pids().len(), 2);
}

#[tokio::test]
async fn killing_all_needs_no_records_and_reaches_every_descendant() {
    let world = World::running("setsid sleep 600 & sleep 600 & echo serving; wait");
    world.target_serves().await;
    world.records.put(&world.target.workload, None);
    assert_eq!(world.actuator.kill_all(), 0);
    assert!(world.running_pids().is_empty());
}

#[tokio::test]
async fn dropping_the_actuator_leaves_replicas_as_they_are() {
    let mut world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    let pids = world.running_pids();
    world.restart();
    assert_eq!(world.running_pids(), pids);
    assert_eq!(
        world
            .actuator
            .read(&[world.scale_target()], world.now.get())
            .await
            .len(),
        1
    );
    assert_eq!(world.running_pids(), pids);
}

impl World {
    /// Starts one replica with two children, and waits until all three run.
    async fn target_serves(&self) {
        self.set(0, 1).await.unwrap();
        self.wait_for_log(1, "serving").await;
        wait_until(DEADLINE, "its children run", async || {
            self.running_pids().len() >= 3
        })
        .await;
    }
}
