//! The fleet's brake: one broken measurement must not shrink everything at once, and must not hold for ever.

use crate::world::*;
use headroom_actuator::testing::Fault;
use headroom_autoscaler::{Autoscaler, Falls, Mode, Notice, PassRecord, Which};
use headroom_policy_engine::{
    ChangeAmount, ChangeLimit, EvaluationInterval, HpaPath, RaisedCondition, ReplicaBounds, Semantics,
};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
/// The pass in which everything that dropped at [`DROP`] would fall: the window has passed.
const FALL: i64 = 300;
/// The pass in which the load drops.
const DROP: i64 = 180;

/// Twelve workloads of ten replicas that need all of them, until the load of those that are `dropped` becomes a tenth.
async fn fleet(world: World, dropped: &[&str]) -> World {
    for name in NAMES {
        world.actuator.put(&id(name), replicas(10));
        world.load(name, 1000.0);
    }
    until_time(&world, 0, DROP).await;
    for name in dropped {
        world.load(name, 100.0);
    }
    until_time(&world, DROP, FALL).await;
    assert_eq!(sum(&world), 120);
    world
}

/// Passes every 30 seconds, each of another process, `from` included and `to` not. The last of them.
async fn until_time(world: &World, from: i64, to: i64) -> PassRecord {
    let mut last = None;
    for time in (from..to).step_by(30) {
        last = Some(pass(&world.start(), at(time)).await);
    }
    last.expect("there is one")
}

fn sum(world: &World) -> u32 {
    NAMES.iter().map(|name| world.count(name)).sum()
}

/// What the brake says it holds, and until when.
fn braked(record: &PassRecord) -> Option<(Falls, i64)> {
    record.notices.iter().find_map(|notice| {
        let Notice::FleetBrake { falls, until } = notice else {
            return None;
        };
        Some((*falls, until.since(at(0)).as_secs().try_into().unwrap()))
    })
}

const ALL_TWELVE: Falls = Falls {
    replicas: 120,
    lost: 108,
    workloads: 12,
};

#[tokio::test]
async fn a_metric_that_drops_everywhere_at_once_lowers_nothing_and_is_told() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    let record = pass(&world.start(), at(FALL)).await;
    assert_eq!(braked(&record), Some((ALL_TWELVE, FALL + 600)));
    for name in NAMES {
        let record = about(&record, name);
        assert_eq!(told(record), "10 FleetBrake");
        assert_eq!(record.conditions, [RaisedCondition::FleetBrake]);
    }
    assert_eq!(sum(&world), 120);
    let words = record.notices.last().unwrap().to_string();
    let says = "12 workloads would lose 108 of all 120 replicas at once, which is rather a broken measurement than less load";
    assert!(words.contains(says), "{words}");
    assert!(words.contains("headroom override WORKLOAD --max N"), "{words}");
}

#[tokio::test]
async fn it_holds_in_the_passes_of_other_processes_and_then_lets_go_of_what_is_still_wanted() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    for time in (FALL..FALL + 600).step_by(30) {
        let record = pass(&world.start(), at(time)).await;
        assert_eq!(braked(&record), Some((ALL_TWELVE, FALL + 600)), "at {time}");
        assert_eq!(sum(&world), 120, "at {time}");
    }
    let record = pass(&world.start(), at(FALL + 600)).await;
    assert_eq!(braked(&record), None);
    assert_eq!(sum(&world), 12);
}

#[tokio::test]
async fn a_measurement_that_is_whole_again_lets_nothing_go_and_the_brake_is_armed_at_once() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    until_time(&world, FALL, FALL + 120).await;
    for name in NAMES {
        world.load(name, 1000.0);
    }
    until_time(&world, FALL + 120, FALL + 600).await;
    for name in NAMES {
        world.load(name, 100.0);
    }
    let falls_again = FALL + 600 + (FALL - DROP);
    let record = until_time(&world, FALL + 600, falls_again + 30).await;
    assert_eq!(braked(&record), Some((ALL_TWELVE, falls_again + 600)));
    assert_eq!(sum(&world), 120);
}

#[tokio::test]
async fn a_measurement_that_is_whole_again_but_for_one_workload_arms_the_brake_too() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    until_time(&world, FALL, FALL + 120).await;
    for name in &NAMES[1..] {
        world.load(name, 1000.0);
    }
    let falls_again = FALL + 600;
    let drops_again = falls_again - (FALL - DROP);
    let record = until_time(&world, FALL + 120, drops_again).await;
    assert_eq!(told(about(&record, "a")), "10 FleetBrake");
    for name in NAMES {
        world.load(name, 100.0);
    }
    // What dropped again is still in its window while the brake holds, and is asked for when it ends.
    let record = until_time(&world, drops_again, falls_again + 30).await;
    assert_eq!(braked(&record), Some((ALL_TWELVE, falls_again + 600)));
    assert_eq!(sum(&world), 120);
}

/// The same, with so long an interval that what is known reaches over a gap as long as the brake holds.
async fn slow_fleet() -> World {
    let mut world = World::new(&NAMES);
    for workload in &mut world.workloads {
        workload.policy.interval = EvaluationInterval::new(seconds(300)).unwrap();
    }
    fleet(world, &NAMES).await
}

#[tokio::test]
async fn passes_as_far_apart_as_it_holds_let_go_of_what_was_wanted_at_the_last_look() {
    let world = slow_fleet().await;
    let record = pass(&world.start(), at(FALL)).await;
    assert_eq!(braked(&record), Some((ALL_TWELVE, FALL + 600)));
    let record = pass(&world.start(), at(FALL + 600)).await;
    assert_eq!(braked(&record), None);
    assert_eq!(sum(&world), 12);
}

#[tokio::test]
async fn a_look_at_a_whole_measurement_in_between_arms_the_brake() {
    let world = slow_fleet().await;
    let load = |load| NAMES.iter().for_each(|name| world.load(name, load));
    pass(&world.start(), at(FALL)).await;
    load(1000.0);
    let record = pass(&world.start(), at(FALL + 120)).await;
    assert_eq!(braked(&record), Some((ALL_TWELVE, FALL + 600)));
    load(100.0);
    let falls_again = FALL + 600 + (FALL - DROP);
    let record = until_time(&world, FALL + 600, falls_again + 30).await;
    assert_eq!(braked(&record), Some((ALL_TWELVE, falls_again + 600)));
    assert_eq!(sum(&world), 120);
}

#[tokio::test]
async fn what_is_held_once_rises_all_the_same() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    world.actuator.put(&id("a"), replicas(5));
    world.load("a", 900.0);
    let record = pass(&world.start(), at(FALL)).await;
    assert_eq!(told(about(&record, "a")), "5 -> 9 Written");
    assert_eq!(told(about(&record, "b")), "10 FleetBrake");
}

#[tokio::test]
async fn a_few_workloads_may_fall_together_and_so_may_a_small_share() {
    let few = &NAMES[..4];
    let world = World::new(few);
    for name in few {
        world.actuator.put(&id(name), replicas(10));
        world.load(name, 1000.0);
    }
    until_time(&world, 0, DROP).await;
    few.iter().for_each(|name| world.load(name, 100.0));
    let record = until_time(&world, DROP, FALL + 30).await;
    assert_eq!(braked(&record), None, "four");
    assert!(few.iter().all(|name| world.count(name) == 1));

    let world = fleet(World::new(&NAMES), &NAMES[..6]).await;
    let record = pass(&world.start(), at(FALL)).await;
    assert_eq!(braked(&record), None, "54 of 120");
    assert_eq!(sum(&world), 66);
}

#[tokio::test]
async fn bounds_that_were_lowered_are_not_held() {
    let mut world = fleet(World::new(&NAMES), &[]).await;
    for workload in &mut world.workloads {
        workload.policy.bounds = ReplicaBounds::new(replicas(1), replicas(4)).unwrap();
    }
    let record = pass(&world.start(), at(FALL)).await;
    assert_eq!(braked(&record), None);
    assert_eq!(sum(&world), 48);
}

#[tokio::test]
async fn what_bounds_force_falls_and_the_rest_is_held() {
    let mut world = fleet(World::new(&NAMES), &NAMES).await;
    for workload in &mut world.workloads {
        workload.policy.bounds = ReplicaBounds::new(replicas(1), replicas(8)).unwrap();
    }
    let record = pass(&world.start(), at(FALL)).await;
    let (falls, _) = braked(&record).unwrap();
    assert_eq!(falls.lost, 84, "seven of the eight that may be kept");
    assert_eq!(sum(&world), 96);
}

#[tokio::test]
async fn previews_and_the_hpas_own_rules_neither_count_nor_are_held() {
    let mut world = fleet(World::new(&NAMES), &NAMES).await;
    for workload in &mut world.workloads[..4] {
        workload.mode = Mode::Preview;
    }
    for workload in &mut world.workloads[4..8] {
        workload.policy.semantics = Semantics::Hpa(HpaPath::WithBehavior);
    }
    let record = pass(&world.start(), at(FALL)).await;
    assert_eq!(braked(&record), None, "four are left");
    assert_eq!(told(about(&record, "a")), "10 -> 1 NotAttempted");
    assert_eq!(told(about(&record, "l")), "10 -> 1 Written");
}

#[tokio::test]
async fn what_falls_by_the_hpas_rules_falls_on_while_it_holds_the_others() {
    let mut world = fleet(World::new(&NAMES), &NAMES).await;
    let policy = &mut world.workloads[0].policy;
    policy.semantics = Semantics::Hpa(HpaPath::WithBehavior);
    let all = ChangeLimit::new(ChangeAmount::Percent(100), seconds(15)).unwrap();
    policy.scale_down.limits.limits = vec![all];
    let record = pass(&world.start(), at(FALL)).await;
    let (falls, _) = braked(&record).unwrap();
    assert_eq!((falls.workloads, falls.replicas), (11, 110));
    assert_eq!(told(about(&record, "a")), "10 -> 1 Written");
    assert_eq!(about(&record, "a").conditions, []);
    assert_eq!(told(about(&record, "l")), "10 FleetBrake");
}

#[tokio::test]
async fn a_look_ahead_sees_it_and_keeps_nothing_of_it() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    let record = pass(&world.look(), at(FALL)).await;
    assert_eq!(braked(&record), Some((ALL_TWELVE, FALL + 600)));
    assert_eq!(told(about(&record, "a")), "10 FleetBrake");
    assert_eq!(world.start().store().tripped().unwrap(), None);
}

#[tokio::test]
async fn a_process_that_ends_midway_leaves_the_brake_on() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    world.actuator.put(&id("a"), replicas(5));
    world.load("a", 900.0);
    world.actuator.fail_writes(&id("a"), Some(Fault::Hang));
    let autoscaler = std::sync::Arc::new(world.start());
    let running = tokio::spawn({
        let autoscaler = std::sync::Arc::clone(&autoscaler);
        async move { autoscaler.pass(at(FALL), Which::All).await }
    });
    let has_intent = |autoscaler: &Autoscaler| !autoscaler.store().open_intents().unwrap().is_empty();
    until(|| has_intent(&autoscaler)).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    world.actuator.fail_writes(&id("a"), None);

    let record = pass(&world.start(), at(FALL + 30)).await;
    let (_, until) = braked(&record).unwrap();
    assert_eq!(until, FALL + 600, "since the pass that ended midway");
    assert_eq!(told(about(&record, "b")), "10 FleetBrake");
}

#[tokio::test]
async fn a_state_that_was_lost_forgets_it_and_nothing_falls_for_want_of_a_window() {
    let world = fleet(World::new(&NAMES), &NAMES).await;
    pass(&world.start(), at(FALL)).await;
    std::fs::remove_dir_all(world.state_dir()).unwrap();
    let record = pass(&world.start(), at(FALL + 30)).await;
    assert_eq!(braked(&record), None);
    assert_eq!(sum(&world), 120);
}
