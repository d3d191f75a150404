use std::time::Duration;

use crate::{
    ChangeAmount, ChangeLimit, CountOrigin, Decision, Deploy, Hold, HpaPath, Outcome, RaisedCondition,
    Reason, Replicas, Semantics, Severity, Step,
    evaluate::world::{World, fresh, metric},
};

/// Ten replicas under a load for ten, where one may be added in a minute.
fn world() -> World {
    let mut world = World::new(10, vec![metric("load")]);
    let one = ChangeLimit::new(ChangeAmount::Replicas(1), Duration::from_secs(60));
    world.policy.scale_up.limits.limits.push(one.unwrap());
    let all = ChangeLimit::new(ChangeAmount::Percent(100), Duration::from_secs(15));
    world.policy.scale_down.limits.limits.push(all.unwrap());
    world.pass(15, &[fresh(1000.0)]);
    world
}

/// Helm deploys with `count`, a second before the next look.
fn deploy(world: &mut World, count: u32) {
    world.workload.current = Replicas::new(count);
    world.workload.origin = CountOrigin::WrittenByOthers;
    world.workload.deploy = Some(Deploy {
        by: "helm".into(),
        at: world.now.plus(Duration::from_secs(14)),
    });
}

/// Decides 15 seconds later under a load for `count`, and writes it, so that headroom is the one who wrote the count.
fn pass(world: &mut World, count: u32) -> Decision {
    let decision = world.pass(15, &[fresh(f64::from(count) * 100.0)]);
    if decision.direction().is_some() {
        world.workload.origin = CountOrigin::WrittenByHeadroom;
        world.workload.deploy = None;
    }
    decision
}

fn codes(world: &World) -> Vec<&'static str> {
    let conditions = RaisedCondition::of(&world.policy, &world.workload, &world.memory, world.now);
    conditions.iter().map(RaisedCondition::code).collect()
}

const RESTORED: Decision = Decision::Scale {
    from: Replicas::new(3),
    to: Replicas::new(10),
    reason: Reason::Restored,
};

#[test]
fn a_count_that_a_deploy_sets_back_is_as_before_in_one_step_and_uses_no_room_of_the_limit() {
    let mut world = world();
    deploy(&mut world, 3);
    assert_eq!(pass(&mut world, 10), RESTORED);
    let said = "helm set the count back as it deployed: 10 again at once, as before, instead of 4";
    assert!(world.steps.to_string().contains(said), "{}", world.steps);
    assert_eq!(codes(&world), ["count_reset"]);
    // The limit has its room for what the load asks for.
    assert_eq!(pass(&mut world, 12).desired(), Replicas::new(11));
    for _ in 0..40 {
        pass(&mut world, 11);
    }
    assert_eq!(codes(&world), [""; 0], "ten minutes later");
}

#[test]
fn it_is_as_before_also_where_the_load_would_do_with_less_and_then_falls_as_ever() {
    let mut world = world();
    deploy(&mut world, 3);
    assert_eq!(pass(&mut world, 2), RESTORED);
    assert_eq!(pass(&mut world, 2).desired(), Replicas::new(2));
}

#[test]
fn a_zero_that_a_deploy_sets_is_undone_and_one_of_a_person_is_off() {
    let mut world = world();
    deploy(&mut world, 0);
    assert_eq!(pass(&mut world, 10).desired(), Replicas::new(10));
    world.workload.current = Replicas::ZERO;
    world.workload.origin = CountOrigin::WrittenByOthers;
    let decision = pass(&mut world, 10);
    assert_eq!(
        (decision.desired(), decision.reason()),
        (Replicas::ZERO, Reason::Off)
    );
}

#[test]
fn a_count_that_a_person_lowers_is_theirs() {
    let mut world = world();
    world.workload.current = Replicas::new(3);
    world.workload.origin = CountOrigin::WrittenByOthers;
    assert_eq!(pass(&mut world, 3).desired(), Replicas::new(3));
    assert_eq!(codes(&world), [""; 0]);
}

#[test]
fn a_write_that_failed_is_tried_again_and_one_that_is_held_is_not_made() {
    let mut world = world();
    deploy(&mut world, 3);
    let decision = world.look(15, &[fresh(1000.0)]);
    world.memory.record_outcome(&decision, Outcome::Failed, world.now);
    assert_eq!(world.look(15, &[fresh(1000.0)]), RESTORED);
    world.workload.holds = vec![Hold::Paused { until: None }];
    assert_eq!(pass(&mut world, 10).reason(), Reason::Paused);
}

#[test]
fn the_hpas_rules_know_nothing_of_it() {
    let mut world = world();
    world.policy.semantics = Semantics::Hpa(HpaPath::WithBehavior);
    deploy(&mut world, 3);
    assert_eq!(pass(&mut world, 10).desired(), Replicas::new(4));
}

/// A deploy with three replicas three times in a minute, each undone but the last.
fn fight() -> World {
    let mut world = world();
    for _ in 0..2 {
        deploy(&mut world, 3);
        assert_eq!(pass(&mut world, 10), RESTORED);
    }
    deploy(&mut world, 3);
    world
}

#[test]
fn the_third_in_ten_minutes_is_a_fight_in_which_the_count_is_restored_once_a_minute() {
    let mut world = fight();
    let decision = pass(&mut world, 1);
    assert_eq!(
        (decision.desired().get(), decision.reason()),
        (3, Reason::Contested)
    );
    let Some(Step::RestoreDelayed { after, count, .. }) = world.steps.0.last() else {
        panic!("{}", world.steps)
    };
    assert_eq!((after.as_secs(), count.get()), (45, 10));
    let conditions = RaisedCondition::of(&world.policy, &world.workload, &world.memory, world.now);
    assert_eq!(conditions[0].code(), "contested");
    assert_eq!(conditions[0].severity(), Severity::Critical);
    let way_out = "take spec.replicas out of what it deploys";
    assert!(conditions[1].to_string().contains(way_out), "{}", conditions[1]);

    assert_eq!(pass(&mut world, 1).desired().get(), 3);
    assert_eq!(pass(&mut world, 1).desired().get(), 3);
    assert_eq!(pass(&mut world, 1), RESTORED, "a minute after the one before");
    // Nothing falls until the first of the three is ten minutes ago.
    let left = pass(&mut world, 1);
    assert_eq!((left.desired().get(), left.reason()), (10, Reason::Contested));
    let is_fight = |world: &World| world.memory.resets.fight(world.now.plus(Duration::from_secs(15)));
    while is_fight(&world).is_some() {
        assert_eq!(pass(&mut world, 1).reason(), Reason::Contested);
    }
    assert_eq!(pass(&mut world, 1).desired().get(), 1);
}

#[test]
fn what_the_load_asks_for_is_given_meanwhile_and_is_not_what_is_restored() {
    let mut world = fight();
    assert_eq!(pass(&mut world, 10).desired().get(), 4);
    assert_eq!(pass(&mut world, 10).desired().get(), 4, "the limit");
    assert_eq!(pass(&mut world, 10).desired().get(), 4);
    assert_eq!(pass(&mut world, 10).desired().get(), 10, "as before");
}
