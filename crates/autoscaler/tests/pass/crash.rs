//! A pass that ends midway, at each point where it can, and what the next start makes of it.

use std::sync::Arc;

use crate::world::*;
use headroom_actuator::testing::Fault;
use headroom_autoscaler::{Autoscaler, Intent, LockError, Mode, PassError, PassRecord, SystemClock, Which};
use headroom_policy_engine::{ChangeAmount, ChangeLimit, Outcome};

/// Begins a pass at `now`, lets it go until `reached`, and ends it there, as the end of the process would.
async fn crash(world: &World, now: headroom_policy_engine::Timestamp, reached: impl Fn(&Autoscaler) -> bool) {
    let autoscaler = Arc::new(world.start());
    let pass = tokio::spawn({
        let autoscaler = Arc::clone(&autoscaler);
        async move { autoscaler.pass(now, Which::All).await }
    });
    until(|| reached(&autoscaler)).await;
    pass.abort();
    assert!(pass.await.unwrap_err().is_cancelled());
}

fn intents(autoscaler: &Autoscaler) -> Vec<Intent> {
    autoscaler.store().open_intents().unwrap()
}

/// A world whose count may rise by two in ten minutes.
fn limited() -> World {
    let mut world = World::new(&["web"]);
    let limit = ChangeLimit::new(ChangeAmount::Replicas(2), seconds(600)).unwrap();
    world.workloads[0].policy.scale_up.limits.limits = vec![limit];
    world.load("web", 900.0);
    world
}

#[tokio::test]
async fn before_anything_was_recorded_nothing_is_left() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    world.actuator.fail_reads(&id("web"), Some(Fault::Hang));
    crash(&world, at(0), |_| !world.actuator.tended().is_empty()).await;
    world.actuator.fail_reads(&id("web"), None);
    world.source.set_silent(&query("web"));
    crash(&world, at(30), |_| world.source.waiting() == 1).await;
    world.load("web", 430.0);

    let next = world.start();
    assert_eq!(intents(&next), []);
    assert_eq!(told(about(&pass(&next, at(60)).await, "web")), "2 -> 5 Written");
    assert_eq!(world.rows("web").len(), 1);
}

#[tokio::test]
async fn an_intent_that_was_not_carried_out_is_settled_as_failed_and_counts_for_nothing() {
    let world = limited();
    world.actuator.fail_writes(&id("web"), Some(Fault::Hang));
    crash(&world, at(0), |autoscaler| !intents(autoscaler).is_empty()).await;
    world.actuator.fail_writes(&id("web"), None);

    let next = world.start();
    assert_eq!(intents(&next).len(), 1);
    // The limit has room for two still.
    assert_eq!(told(about(&pass(&next, at(30)).await, "web")), "2 -> 4 Written");
    assert_eq!(intents(&next), []);
    let outcomes: Vec<_> = world.rows("web").iter().map(|row| row.record.outcome()).collect();
    assert_eq!(outcomes, [Some(Outcome::Written), Some(Outcome::Failed)]);
}

#[tokio::test]
async fn an_intent_that_was_carried_out_counts_once_and_from_its_own_time() {
    let world = limited();
    world
        .actuator
        .fail_writes(&id("web"), Some(Fault::HangAfterwards));
    crash(&world, at(0), |_| world.count("web") == 4).await;
    world.actuator.fail_writes(&id("web"), None);

    let next = world.start();
    assert_eq!(told(about(&pass(&next, at(30)).await, "web")), "4 ChangeLimited");
    assert_eq!(intents(&next), []);
    let rows = world.rows("web");
    assert_eq!(rows[1].record.outcome(), Some(Outcome::Written));
    // Ten minutes after the intent, and not after it was settled, there is room again.
    assert_eq!(told(about(&pass(&next, at(600)).await, "web")), "4 -> 6 Written");
}

#[tokio::test]
async fn a_count_that_is_neither_the_old_nor_the_new_one_was_set_by_somebody_else() {
    let world = limited();
    world.actuator.fail_writes(&id("web"), Some(Fault::Hang));
    crash(&world, at(0), |autoscaler| !intents(autoscaler).is_empty()).await;
    world.actuator.fail_writes(&id("web"), None);
    world.actuator.put(&id("web"), replicas(3));

    let next = world.start();
    assert_eq!(told(about(&pass(&next, at(30)).await, "web")), "3 -> 5 Written");
    assert_eq!(world.rows("web")[1].record.outcome(), Some(Outcome::Conflict));
}

#[tokio::test]
async fn an_intent_stays_open_as_long_as_the_target_cannot_be_read() {
    let world = limited();
    world
        .actuator
        .fail_writes(&id("web"), Some(Fault::HangAfterwards));
    crash(&world, at(0), |_| world.count("web") == 4).await;
    world.actuator.fail_writes(&id("web"), None);
    world.actuator.fail_reads(&id("web"), Some(Fault::Refuse));
    for number in 1..3 {
        let next = world.start();
        assert_eq!(
            told(about(&pass(&next, at(30 * number)).await, "web")),
            "unreadable"
        );
        assert_eq!(intents(&next).len(), 1);
    }
    world.actuator.fail_reads(&id("web"), None);
    let next = world.start();
    assert_eq!(told(about(&pass(&next, at(90)).await, "web")), "4 ChangeLimited");
    assert_eq!(intents(&next), []);
}

#[tokio::test]
async fn what_was_not_written_takes_nothing_from_a_limit() {
    let world = limited();
    world.actuator.fail_writes(&id("web"), Some(Fault::Refuse));
    for number in 0..3 {
        let record = pass(&world.start(), at(number * 30)).await;
        assert_eq!(told(about(&record, "web")), "2 -> 4 Failed");
    }
    let world = limited().mode(Mode::Preview);
    for number in 0..3 {
        let record = pass(&world.start(), at(number * 30)).await;
        assert_eq!(told(about(&record, "web")), "2 -> 4 NotAttempted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_not_confirmed_is_settled_by_the_next_pass_of_the_same_process() {
    let world = limited();
    world
        .actuator
        .fail_writes(&id("web"), Some(Fault::HangAfterwards));
    let autoscaler = world.start();
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 4 NotConfirmed");
    let error = about(&record, "web").error().unwrap();
    assert!(error.contains("did not confirm"), "{error}");
    assert_eq!(intents(&autoscaler).len(), 1);

    world.actuator.fail_writes(&id("web"), None);
    assert_eq!(
        told(about(&pass(&autoscaler, at(30)).await, "web")),
        "4 ChangeLimited"
    );
    assert_eq!(intents(&autoscaler), []);
    assert_eq!(world.rows("web")[1].record.outcome(), Some(Outcome::Written));
}

#[tokio::test]
async fn a_run_that_is_cut_after_each_write_decides_as_one_that_is_not() {
    let loads = [
        200.0, 520.0, 900.0, 900.0, 300.0, 250.0, 250.0, 250.0, 250.0, 700.0, 100.0, 100.0,
    ];
    let whole = World::new(&["web"]);
    let cut = World::new(&["web"]);
    cut.actuator.fail_writes(&id("web"), Some(Fault::HangAfterwards));
    let living = whole.start();
    for (number, load) in (0..).zip(loads) {
        let now = at(number * 60);
        whole.load("web", load);
        cut.load("web", load);
        let expected = pass(&living, now).await;
        let is_change = about(&expected, "web").outcome() == Some(Outcome::Written);
        if is_change {
            let writes = cut.actuator.writes().len();
            crash(&cut, now, |_| cut.actuator.writes().len() > writes).await;
        } else {
            assert_eq!(pass(&cut.start(), now).await.decisions, expected.decisions);
        }
    }
    assert_eq!(cut.actuator.writes(), whole.actuator.writes());
    assert!(
        whole.actuator.writes().len() >= 4,
        "{:?}",
        whole.actuator.writes()
    );
}

#[tokio::test(start_paused = true)]
async fn a_pass_beyond_its_deadline_is_given_up_and_the_next_one_goes_on() {
    let mut world = limited();
    let headroom_actuator::ScaleTarget::Command(target) = &mut world.workloads[0].target else {
        panic!("a command");
    };
    Arc::make_mut(target).timeout = seconds(500);
    world
        .actuator
        .fail_writes(&id("web"), Some(Fault::HangAfterwards));
    let autoscaler = world.start();
    let refused: Result<PassRecord, PassError> = autoscaler.locked_pass(&SystemClock, Which::All).await;
    assert!(
        matches!(refused, Err(PassError::TimedOut { after }) if after == seconds(90)),
        "{refused:?}"
    );
    world.actuator.fail_writes(&id("web"), None);
    let record = autoscaler.locked_pass(&SystemClock, Which::All).await.unwrap();
    assert_eq!(told(about(&record, "web")), "4 ChangeLimited");
    assert_eq!(record.skipped, []);
    assert_eq!(intents(&autoscaler), []);
}

#[test]
fn a_stuck_pass_is_told_apart_from_a_broken_lock() {
    let stuck = PassError::from(LockError::Stuck {
        holder: None,
        held_for: seconds(200),
    });
    assert!(
        stuck.to_string().contains("more than twice its deadline"),
        "{stuck}"
    );
}
