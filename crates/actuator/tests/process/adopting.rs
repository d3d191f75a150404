//! A headroom that comes later finds the same replicas: none doubled, none lost, and no other process touched.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use headroom_actuator::{
    Actuator as _, BoxError, ProcessActuator, ProcessReader, ProcessRecords, ProcessTable, TargetError,
    testing::{FileRecords, MemoryRecords},
};
use headroom_policy_engine::{Replicas, WorkloadId};
use headroom_test_support::LeftoverCheck;
use serde_json::json;

use crate::world::{IDLE, World, id, kill, read, seconds};

#[tokio::test]
async fn another_headroom_adopts_what_runs() {
    let mut world = World::running(IDLE);
    world.set(0, 3).await.unwrap();
    let pids = world.pids();
    let before = world.read().await;
    for _ in 0..3 {
        world.restart();
        world.tend().await.unwrap();
        assert_eq!(world.read().await, before);
    }
    assert_eq!(world.pids(), pids);
    assert_eq!(world.running_pids().len(), 3);
    world.set(3, 1).await.unwrap();
    world.wait_for_processes(1).await;
    assert_eq!(world.running_pids(), pids[..1]);
}

#[tokio::test]
async fn one_that_dies_after_it_was_adopted_is_started_again() {
    let mut world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    let pids = world.pids();
    world.restart();
    world.tend().await.unwrap();
    kill(pids[0]);
    world
        .tend_until("the death is seen", |world| world.pids() == pids[1..])
        .await;
    world.pass(seconds(1));
    world.tend().await.unwrap();
    assert_eq!(world.running_pids().len(), 2);
}

/// Records that cannot be saved any more after a number of times: headroom is killed at that point.
#[derive(Debug)]
struct KilledAtSave {
    records: Arc<MemoryRecords>,
    saves_left: AtomicUsize,
}

impl ProcessRecords for KilledAtSave {
    fn load(&self, workload: &WorkloadId) -> Result<Option<ProcessTable>, BoxError> {
        self.records.load(workload)
    }

    fn save(&self, workload: &WorkloadId, table: &ProcessTable) -> Result<(), BoxError> {
        let left = self
            .saves_left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        left.map_err(|_| "killed".to_owned())?;
        self.records.save(workload, table)
    }
}

/// Changes the count with a headroom that is killed at its save number `saves`, and lets another one go on.
async fn check_killed_at_save(saves: usize, from: u32, to: u32) {
    let mut world = World::running(IDLE);
    if from > 0 {
        world.set(0, from).await.unwrap();
    }
    let before = world.running_pids();
    let saves_left = AtomicUsize::new(saves);
    world.restart_with(Arc::new(KilledAtSave {
        records: Arc::clone(&world.records),
        saves_left,
    }));
    let _ = world.set(from, to).await;
    let started = world.running_pids();
    world.restart();
    let wanted = if saves == 0 { from } else { to };
    world
        .tend_until("the rest is drained", |world| {
            world.records.get(&world.target.workload).is_none() || world.draining_pids().is_empty()
        })
        .await;
    assert_eq!(
        world.read().await.workload.current,
        Replicas::new(wanted),
        "at save {saves}, {from} to {to}"
    );
    let after = world.running_pids();
    assert_eq!(
        after.len(),
        usize::try_from(wanted).unwrap(),
        "at save {saves}, {from} to {to}"
    );
    let kept = before.iter().filter(|pid| after.contains(pid)).count();
    assert_eq!(
        kept,
        before.len().min(after.len()),
        "replicas were replaced at save {saves}, {from} to {to}"
    );
    if saves > 0 && to > from {
        assert_eq!(started, after, "what was started and not recorded is adopted");
    }
}

#[tokio::test]
async fn a_headroom_killed_at_any_save_is_taken_over_from_exactly() {
    for saves in 0..4 {
        check_killed_at_save(saves, 0, 3).await;
        check_killed_at_save(saves, 2, 4).await;
        check_killed_at_save(saves, 4, 1).await;
        check_killed_at_save(saves, 2, 0).await;
    }
}

#[tokio::test]
async fn what_was_wanted_and_not_yet_started_is_started() {
    let mut world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    let two = world.table();
    world.set(2, 3).await.unwrap();
    kill(world.pids()[2]);
    world.wait_for_processes(2).await;
    // Killed after the count was saved and before anything was started.
    let mut saved = world.table();
    saved["slots"][2]["replica"] = json!(null);
    saved["slots"][0] = two["slots"][0].clone();
    world.put_table(&saved);
    world.restart();
    world.tend().await.unwrap();
    assert_eq!(world.running_pids().len(), 3);
    assert_eq!(world.pids().len(), 3);
}

#[tokio::test]
async fn what_could_not_be_recorded_is_found_by_the_same_headroom_too() {
    let mut world = World::running(IDLE);
    let records = Arc::new(KilledAtSave {
        records: Arc::clone(&world.records),
        saves_left: AtomicUsize::new(1),
    });
    world.restart_with(Arc::clone(&records) as _);
    world.set(0, 2).await.unwrap();
    let pids = world.running_pids();
    assert_eq!(pids.len(), 2);
    assert!(matches!(world.tend().await, Err(TargetError::Records(_))));
    records.saves_left.store(100, Ordering::SeqCst);
    world.tend().await.unwrap();
    assert_eq!(world.running_pids(), pids);
    assert_eq!(world.pids().len(), 2);
}

#[tokio::test]
async fn lost_records_are_made_up_from_what_runs() {
    let mut world = World::running(IDLE);
    world.set(0, 3).await.unwrap();
    let pids = world.pids();
    world.records.put(&world.target.workload, None);
    world.restart();
    assert_eq!(
        world.read().await.workload.current,
        Replicas::new(3),
        "not: never started"
    );
    assert!(matches!(world.set(0, 1).await, Err(TargetError::Conflict { .. })));
    world.tend().await.unwrap();
    assert_eq!(world.pids(), pids);
    world.set(3, 1).await.unwrap();
    world.wait_for_processes(1).await;
    assert_eq!(world.running_pids(), pids[..1], "the newest go first, as before");
}

#[tokio::test]
async fn a_process_that_got_the_id_of_a_replica_is_not_touched() {
    let mut world = World::running(IDLE);
    world.set(0, 1).await.unwrap();
    let saved = world.table();
    let strangers = LeftoverCheck::new();
    // A session leader, as a replica is.
    let mut stranger = Command::new("setsid");
    stranger.args(["sleep", "600"]).stdin(Stdio::null());
    let mut stranger = strangers.mark(&mut stranger).spawn().unwrap();
    for place in ["slots", "draining"] {
        let mut table = saved.clone();
        let mut replica = table["slots"][0]["replica"].clone();
        replica["process"]["pid"] = json!(stranger.id());
        replica["id"] = json!("another-1");
        // It may have started within the same tick as the stranger; an id is not used again that fast.
        let ticks = replica["process"]["start_ticks"].as_u64().unwrap();
        replica["process"]["start_ticks"] = json!(ticks - 1);
        if place == "slots" {
            table["slots"][0]["replica"] = replica;
        } else {
            table["draining"] = json!([{ "number": 7, "replica": replica, "asked_at": null }]);
        }
        world.put_table(&table);
        world.restart();
        for _ in 0..3 {
            world.pass(seconds(60));
            world.tend().await.unwrap();
        }
        assert!(
            stranger.try_wait().unwrap().is_none(),
            "it was ended, named in {place}"
        );
        assert!(
            !world.pids().contains(&stranger.id()),
            "it was taken for a replica"
        );
        world
            .actuator
            .stop_all(&world.scale_target(), world.now.get())
            .await
            .unwrap();
        world.actuator.kill_all();
        assert!(
            stranger.try_wait().unwrap().is_none(),
            "it was ended with the others"
        );
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn replicas_from_before_the_machine_started_anew_are_gone_and_have_not_failed() {
    let mut world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    let pids = world.pids();
    pids.iter().for_each(|pid| kill(*pid));
    world.wait_for_processes(0).await;
    let mut table = world.table();
    for slot in table["slots"].as_array_mut().unwrap() {
        slot["replica"]["process"]["boot"] = json!("an earlier one");
    }
    world.put_table(&table);
    world.restart();
    world.tend().await.unwrap();
    assert_eq!(world.running_pids().len(), 2, "started at once");
    assert_eq!(world.table()["slots"][0]["failures"], 0);
}

#[tokio::test]
async fn the_replicas_of_another_state_are_not_touched() {
    let world = World::running(IDLE);
    let other = World::running(IDLE);
    assert_eq!(world.target.workload, other.target.workload);
    other.set(0, 2).await.unwrap();
    world.tend().await.unwrap();
    assert_eq!(world.read().await.workload.current, Replicas::ZERO);
    world.set(0, 1).await.unwrap();
    world.set(1, 0).await.unwrap();
    world.actuator.kill_all();
    assert_eq!(other.running_pids().len(), 2);
}

#[tokio::test]
async fn headrooms_that_work_at_the_same_time_do_not_double_anything() {
    let world = World::running(IDLE);
    world.set(0, 1).await.unwrap();
    let others: Vec<ProcessActuator> = (0..8)
        .map(|_| ProcessActuator::new(Arc::clone(&world.records) as _))
        .collect();
    let (target, now) = (world.scale_target(), world.now.get());
    let sets = others
        .iter()
        .map(|other| other.set_replicas(&target, Replicas::new(1), Replicas::new(3), now));
    let tends = others.iter().map(|other| other.tend(&target, now));
    let (sets, tends) =
        futures::future::join(futures::future::join_all(sets), futures::future::join_all(tends)).await;
    assert_eq!(
        sets.iter().filter(|set| set.is_ok()).count(),
        1,
        "one wrote, the others found it written: {sets:?}"
    );
    assert!(tends.iter().all(Result::is_ok), "{tends:?}");
    assert_eq!(world.running_pids().len(), 3);
}

#[tokio::test]
async fn records_that_cannot_be_read_are_an_error_and_not_no_records() {
    let mut world = World::running(IDLE);
    world.set(0, 1).await.unwrap();
    let directory = world.directory.path().to_owned();
    std::fs::write(directory.join("shop.web.json"), r#"{"version":99}"#).unwrap();
    let records = Arc::new(FileRecords::new(directory));
    world.restart_with(Arc::clone(&records) as _);
    assert!(matches!(world.tend().await, Err(TargetError::Records(_))));
    assert!(matches!(world.set(0, 5).await, Err(TargetError::Records(_))));
    let reader = ProcessReader::new(records);
    let read = read(&reader, &world.scale_target(), world.now.get()).await;
    assert!(matches!(read, Err(TargetError::Records(_))), "{read:?}");
    assert_eq!(world.running_pids().len(), 1);
}

#[tokio::test]
async fn reading_leaves_no_trace() {
    let world = World::running(IDLE);
    let reader = ProcessReader::new(Arc::clone(&world.records) as _);
    read(&reader, &world.scale_target(), world.now.get())
        .await
        .unwrap();
    assert!(!world.target.log_directory.exists());
    world.set(0, 2).await.unwrap();
    let (table, pids) = (world.table(), world.running_pids());
    kill(pids[0]);
    world.wait_for_processes(1).await;
    world.pass(seconds(3600));
    let state = read(&reader, &world.scale_target(), world.now.get())
        .await
        .unwrap();
    assert_eq!(state.workload.current, Replicas::new(2));
    assert_eq!(state.replicas.len(), 1, "the dead one is not asked");
    assert_eq!(world.table(), table);
    assert_eq!(world.running_pids().len(), 1);
    assert_ne!(id("web"), world.target.workload);
}
