//! The loop: when passes begin, what overlaps, and how it ends.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use crate::world::*;
use headroom_actuator::{CommandTarget, ScaleTarget, testing::Fault};
use headroom_autoscaler::{
    Clock, FollowingClock, LockHolder, LoopEnd, LoopSummary, Once, PassRecord, Which, WorkloadSettings, run,
    run_once,
};
use headroom_policy_engine::{EvaluationInterval, Timestamp};
use tokio::{
    sync::{broadcast, oneshot},
    time::Instant,
};

/// A loop under way.
struct Running {
    passes: broadcast::Receiver<Arc<PassRecord>>,
    stop: oneshot::Sender<()>,
    end: tokio::task::JoinHandle<Result<LoopEnd, headroom_autoscaler::LockError>>,
}

fn start(world: &World, clock: Arc<dyn Clock>) -> Running {
    let autoscaler = Arc::new(world.start());
    let (stop, stopped) = oneshot::channel();
    Running {
        passes: autoscaler.subscribe(),
        stop,
        end: tokio::spawn(run(autoscaler, clock, async {
            drop(stopped.await);
        })),
    }
}

impl Running {
    async fn stop(self) -> LoopSummary {
        self.stop.send(()).unwrap();
        match self.end.await.unwrap().unwrap() {
            LoopEnd::Stopped(summary) => summary,
            LoopEnd::AlreadyRunning(holder) => panic!("{holder}"),
        }
    }
}

fn every(workload: &mut WorkloadSettings, interval: u64) {
    workload.policy.interval = EvaluationInterval::new(seconds(interval)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn evaluates_once_per_interval() {
    let world = World::new(&["web"]);
    let mut running = start(&world, Arc::new(FollowingClock::starting_at(at(0))));
    let begun = Instant::now();
    let mut times = Vec::new();
    while let Ok(Ok(pass)) = tokio::time::timeout_at(begun + seconds(95), running.passes.recv()).await {
        times.push(pass.at);
    }
    assert_eq!(times, [at(0), at(30), at(60), at(90)]);
    let expected = LoopSummary {
        passes: 4,
        ..LoopSummary::default()
    };
    assert_eq!(running.stop().await, expected);
}

#[tokio::test(start_paused = true)]
async fn each_workload_has_an_interval_of_its_own() {
    let mut world = World::new(&["often", "seldom"]);
    every(&mut world.workloads[0], 20);
    every(&mut world.workloads[1], 60);
    let mut running = start(&world, Arc::new(FollowingClock::starting_at(at(0))));
    let mut seen = Vec::new();
    for _ in 0..5 {
        let pass = running.passes.recv().await.unwrap();
        let names: Vec<_> = pass
            .decisions
            .iter()
            .map(|record| record.workload.to_string())
            .collect();
        seen.push((pass.at, names.join(" ")));
    }
    let expected = [
        (0, "often seldom"),
        (20, "often"),
        (40, "often"),
        (60, "often seldom"),
        (80, "often"),
    ];
    assert_eq!(seen, expected.map(|(time, names)| (at(time), names.to_owned())));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_still_in_a_pass_is_skipped_and_counted() {
    let mut world = World::new(&["slow", "web"]);
    be_patient(&mut world.workloads[0], 70);
    world.actuator.fail_reads(&id("slow"), Some(Fault::Hang));
    let mut running = start(&world, Arc::new(FollowingClock::starting_at(at(0))));
    let mut passes = Vec::new();
    while passes.len() < 3 {
        passes.push(running.passes.recv().await.unwrap());
    }
    passes.sort_by_key(|pass| pass.at);
    // The first one still waits for its slow target while these two begin and end.
    assert_eq!(
        passes.iter().map(|pass| pass.at).collect::<Vec<_>>(),
        [at(0), at(30), at(60)]
    );
    assert_eq!(told(about(&passes[0], "slow")), "unreadable");
    for pass in &passes[1..] {
        assert_eq!(pass.skipped, [id("slow")]);
        assert_eq!(told(about(pass, "web")), "2 OnTarget");
    }
    assert_eq!(running.stop().await.skipped, 2);
}

/// Lets the commands of the workload's target take so long.
fn be_patient(workload: &mut WorkloadSettings, timeout: u64) {
    let ScaleTarget::Command(target) = &workload.target else {
        panic!("a command");
    };
    let target = CommandTarget {
        timeout: seconds(timeout),
        ..(**target).clone()
    };
    workload.target = ScaleTarget::Command(Arc::new(target));
}

#[tokio::test(start_paused = true)]
async fn it_ends_within_two_seconds_and_leaves_an_intent_for_the_next_start() {
    let mut world = World::new(&["web"]);
    be_patient(&mut world.workloads[0], 60);
    world.load("web", 430.0);
    world
        .actuator
        .fail_writes(&id("web"), Some(Fault::HangAfterwards));
    let running = start(&world, Arc::new(FollowingClock::starting_at(at(0))));
    until(|| world.count("web") == 5).await;
    let told_to_stop = Instant::now();
    let summary = running.stop().await;
    assert!(
        told_to_stop.elapsed() < seconds(2),
        "{:?}",
        told_to_stop.elapsed()
    );
    assert_eq!(
        summary,
        LoopSummary {
            abandoned: 1,
            ..LoopSummary::default()
        }
    );

    world.actuator.fail_writes(&id("web"), None);
    let next = world.start();
    assert_eq!(next.store().open_intents().unwrap().len(), 1);
    assert_eq!(told(about(&pass(&next, at(60)).await, "web")), "5 OnTarget");
    assert_eq!(next.store().open_intents().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_is_nearly_done_is_finished_before_the_end() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    world.source.set_silent(&query("web"));
    let running = start(&world, Arc::new(FollowingClock::starting_at(at(0))));
    until(|| world.source.waiting() == 1).await;
    tokio::time::advance(seconds(4)).await;
    let summary = running.stop().await;
    assert_eq!(
        summary,
        LoopSummary {
            passes: 1,
            ..LoopSummary::default()
        }
    );
    assert_eq!(world.rows("web").len(), 1);
}

/// A wall clock that jumps when it is told to.
#[derive(Debug)]
struct Jumping {
    clock: FollowingClock,
    ahead: Mutex<u64>,
}

impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        self.clock.now().plus(seconds(*self.ahead.lock().unwrap()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_for_an_hour_does_not_scale_down_at_once() {
    let world = World::new(&["web"]);
    world.load("web", 800.0);
    let clock = Arc::new(Jumping {
        clock: FollowingClock::starting_at(at(0)),
        ahead: Mutex::new(0),
    });
    let mut running = start(&world, Arc::clone(&clock) as _);
    for _ in 0..10 {
        running.passes.recv().await.unwrap();
    }
    // While a machine sleeps, its monotonic clock stands still and the wall clock goes on.
    *clock.ahead.lock().unwrap() = 3600;
    world.load("web", 100.0);
    let after = running.passes.recv().await.unwrap();
    assert_eq!(told(about(&after, "web")), "8 Stabilizing");
    assert_eq!(after.notices.len(), 1);
    let mut passes = 1;
    while world.count("web") == 8 {
        running.passes.recv().await.unwrap();
        passes += 1;
    }
    assert!((4..=6).contains(&passes), "its window is two minutes: {passes}");
    running.stop().await;
}

#[tokio::test]
async fn a_one_shot_beside_a_loop_names_it_and_does_nothing() {
    let world = World::new(&["web"]);
    let clock = FollowingClock::starting_at(at(0));
    let mut running = start(&world, Arc::new(clock));
    running.passes.recv().await.unwrap();
    let tended = world.actuator.tended().len();
    let once = run_once(&world.start(), &clock, Which::All).await.unwrap();
    let Once::AlreadyRunning(LockHolder(Some(holder))) = once else {
        panic!("{once:?}");
    };
    assert_eq!(
        (holder.command.as_str(), holder.pid),
        ("a test", std::process::id())
    );
    assert_eq!(world.actuator.tended().len(), tended);

    let second = run(Arc::new(world.start()), Arc::new(clock), pending())
        .await
        .unwrap();
    assert_eq!(second, LoopEnd::AlreadyRunning(LockHolder(Some(holder))));
    running.stop().await;
    assert!(matches!(
        run_once(&world.start(), &clock, Which::All).await.unwrap(),
        Once::Done(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn a_loop_goes_on_after_a_pass_that_could_not_be_made() {
    let world = World::new(&["web"]);
    let mut running = start(&world, Arc::new(FollowingClock::starting_at(at(0))));
    running.passes.recv().await.unwrap();
    // The lock cannot be opened for as long as it is a directory.
    let lock = world.state_dir().join("pass.lock");
    std::fs::remove_file(&lock).unwrap();
    std::fs::create_dir(&lock).unwrap();
    tokio::time::sleep(seconds(35)).await;
    std::fs::remove_dir(&lock).unwrap();
    assert_eq!(running.passes.recv().await.unwrap().at, at(60));
    assert_eq!(running.stop().await.failed, 1);
}
