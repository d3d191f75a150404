//! A restart changes nothing: separate runs decide as one that lives on, and runs from cron scale down after the window.

use std::sync::Arc;

use crate::world::*;
use headroom_actuator::TargetState;
use headroom_autoscaler::{
    Clock, FirstPass, FollowingClock, LoopEnd, Notice, Once, Store, Which, run, run_once,
};
use headroom_policy_engine::{Fallback, FallbackAction, FallbackWhen, Timestamp, Workload};

/// A load that rises, falls, is lost for a while and comes back.
fn loads() -> Vec<Option<f64>> {
    let rise = (0..10).map(|step| Some(150.0 + 90.0 * f64::from(step)));
    let fall = (0..12).map(|step| Some(900.0 - 70.0 * f64::from(step)));
    let lost = std::iter::repeat_n(None, 8);
    let calm = std::iter::repeat_n(Some(120.0), 14);
    rise.chain(fall).chain(lost).chain(calm).collect()
}

fn apply(world: &World, load: Option<f64>) {
    match load {
        Some(load) => world.load("web", load),
        None => world
            .source
            .set_error(&query("web"), headroom_metrics_source::ObserveError::NoData),
    }
}

fn with_fallback() -> World {
    let mut world = World::new(&["web"]);
    world.workloads[0].policy.fallback = Some(Fallback {
        action: FallbackAction::AtLeast(replicas(6)),
        after: seconds(90),
        when: FallbackWhen::All,
    });
    world
}

#[tokio::test]
async fn a_state_that_is_closed_and_opened_between_passes_gives_the_same_decisions() {
    let (living, restarted) = (with_fallback(), with_fallback());
    let one = living.start();
    let mut told_apart = std::collections::BTreeSet::new();
    for (number, load) in (0..).zip(loads()) {
        apply(&living, load);
        apply(&restarted, load);
        let now = at(number * 30);
        let expected = pass(&one, now).await.decisions;
        assert_eq!(
            pass(&restarted.start(), now).await.decisions,
            expected,
            "pass {number}"
        );
        told_apart.insert(told(&expected[0]));
    }
    assert_eq!(living.count("web"), restarted.count("web"));
    assert_eq!(living.rows("web"), restarted.rows("web"));
    assert!(
        told_apart.len() > 10,
        "the run has something to tell: {told_apart:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_loop_and_runs_from_cron_decide_alike() {
    let (looped, cron) = (World::new(&["web"]), World::new(&["web"]));
    let clock = Arc::new(FollowingClock::starting_at(at(0)));
    let autoscaler = Arc::new(looped.start());
    let mut passes = autoscaler.subscribe();
    looped.load("web", 640.0);
    cron.load("web", 640.0);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(run(Arc::clone(&autoscaler), Arc::clone(&clock) as _, async {
        drop(stopped.await);
    }));
    for number in 0..12 {
        let expected = passes.recv().await.unwrap();
        let load = if number < 4 { 640.0 } else { 150.0 };
        let now = Fixed(expected.at);
        let once = run_once(&cron.start(), &now, Which::All).await.unwrap();
        let Once::Done(record) = once else {
            panic!("nobody else is there")
        };
        assert_eq!(record.decisions, expected.decisions);
        looped.load("web", load);
        cron.load("web", load);
    }
    stop.send(()).unwrap();
    assert!(matches!(running.await.unwrap().unwrap(), LoopEnd::Stopped(_)));
    assert_eq!(looped.actuator.writes(), cron.actuator.writes());
    assert!(cron.actuator.writes().len() > 1);
}

#[derive(Debug)]
struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Two minutes apart, with a few seconds of jitter as cron has it.
fn cron_times() -> impl Iterator<Item = i64> {
    let jitter = [0, 1, 3, 0, 2, 1, 0, 4];
    (0..)
        .zip(jitter.into_iter().cycle())
        .map(|(number, late)| number * 120 + late)
}

#[tokio::test]
async fn runs_from_cron_every_two_minutes_scale_down_after_the_window() {
    let mut world = World::new(&["web"]);
    let window = headroom_policy_engine::StabilizationWindow::new(seconds(300)).unwrap();
    world.workloads[0].policy.scale_down.stabilization = window;
    world.load("web", 800.0);
    let mut seen = Vec::new();
    for (number, time) in cron_times().take(9).enumerate() {
        if number == 3 {
            world.load("web", 300.0);
        }
        let record = pass(&world.start(), at(time)).await;
        seen.push(told(about(&record, "web")));
    }
    // The load falls at 6 minutes; the last recommendation for 8, at 4 minutes, reaches to 8 and holds the window to 13.
    assert_eq!(
        seen[..4],
        ["2 -> 8 Written", "8 OnTarget", "8 OnTarget", "8 Stabilizing"]
    );
    assert_eq!(seen[4..6], ["8 Stabilizing", "8 Stabilizing"]);
    assert!(seen[6..].contains(&"8 -> 3 Written".to_owned()), "{seen:?}");
}

#[tokio::test]
async fn a_first_pass_says_that_it_has_no_memory_and_cannot_scale_down() {
    let world = World::new(&["web"]);
    world.actuator.put(&id("web"), replicas(8));
    let autoscaler = world.start();
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(
        record.notices,
        [Notice::NoMemory {
            state_dir: world.state_dir(),
            first: FirstPass {
                workloads: 1,
                rebuilt: 0
            },
        }]
    );
    let words = record.notices[0].to_string();
    assert!(
        words.starts_with("no memory: this pass cannot scale down; if you see this each time, keep "),
        "{words}"
    );
    assert_eq!(told(about(&record, "web")), "8 Stabilizing");
    assert_eq!(pass(&autoscaler, at(30)).await.notices, []);
    assert_eq!(pass(&world.start(), at(60)).await.notices, []);
    // Looking ahead says it as well, because what it shows depends on it.
    let fresh = World::new(&["web"]);
    assert_eq!(pass(&fresh.look(), at(0)).await.notices.len(), 1);
}

#[tokio::test]
async fn runs_that_are_too_far_apart_say_that_they_cannot_scale_down() {
    let world = World::new(&["web"]);
    world.actuator.put(&id("web"), replicas(8));
    for number in 0..6 {
        let record = pass(&world.start(), at(number * 1000)).await;
        assert_eq!(told(about(&record, "web")), "8 Stabilizing");
        if number > 0 {
            assert_eq!(
                record.notices,
                [Notice::TooFarApart {
                    spacing: seconds(1000)
                }]
            );
        }
    }
    let mut near = 5000;
    for _ in 0..20 {
        near += 600;
        let record = pass(&world.start(), at(near)).await;
        assert_eq!(record.notices, []);
    }
    assert_eq!(world.count("web"), 2);
}

#[tokio::test]
async fn what_another_process_has_recorded_is_taken_up() {
    let world = World::new(&["web"]);
    let (first, second) = (world.start(), world.start());
    world.load("web", 800.0);
    pass(&first, at(0)).await;
    world.load("web", 300.0);
    for number in 1..8 {
        // Each remembers what the other one saw.
        let autoscaler = if number % 2 == 0 { &first } else { &second };
        pass(autoscaler, at(number * 30)).await;
    }
    let alone = World::new(&["web"]);
    let living = alone.start();
    alone.load("web", 800.0);
    pass(&living, at(0)).await;
    alone.load("web", 300.0);
    for number in 1..8 {
        pass(&living, at(number * 30)).await;
    }
    assert_eq!(world.rows("web"), alone.rows("web"));
    assert_eq!(world.count("web"), 3);
    let store = Store::open(&world.state_dir(), world.history, at(0))
        .unwrap()
        .store;
    assert_eq!(store.status().unwrap().len(), 1);
}

/// The count after a window at a low load, of which the last pass finds the target `identity`; and what that pass said.
async fn after_a_window(identity: &str, is_one_process: bool) -> (u32, Vec<Notice>) {
    let world = World::new(&["web"]);
    let put = |identity: &str| {
        world.actuator.put_state(
            &id("web"),
            TargetState {
                workload: Workload::running(replicas(5)),
                identity: Some(identity.into()),
                pods: None,
                replicas: Vec::new(),
            },
        );
    };
    put("first");
    world.load("web", 100.0);
    let one = world.start();
    for second in (0..WINDOW.as_secs()).step_by(30) {
        let autoscaler = if is_one_process { &one } else { &world.start() };
        pass(autoscaler, at(second.try_into().unwrap())).await;
    }
    put(identity);
    let autoscaler = if is_one_process { &one } else { &world.start() };
    let last = at(i64::try_from(WINDOW.as_secs()).unwrap());
    let notices = pass(autoscaler, last).await.notices;
    let again = pass(autoscaler, last.plus(seconds(1))).await.notices;
    assert!(again.is_empty(), "{again:?}");
    (world.count("web"), notices)
}

#[tokio::test]
async fn of_a_target_that_was_made_anew_nothing_is_remembered() {
    for is_one_process in [true, false] {
        let (count, notices) = after_a_window("first", is_one_process).await;
        assert!(count < 5 && notices.is_empty(), "{count} {notices:?}");
        let (count, notices) = after_a_window("second", is_one_process).await;
        assert_eq!(count, 5);
        assert_eq!(notices, [Notice::TargetReplaced { workload: id("web") }]);
    }
}
