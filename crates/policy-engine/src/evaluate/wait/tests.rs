use std::time::Duration;

use crate::{
    ActiveBound, BoundSource, ChangeAmount, ChangeLimit, Hold, HoldSource, HpaPath, Memory, NoSteps,
    Operator, Reason, Replicas, Semantics, Step, Timestamp, evaluate,
    evaluate::world::{World, fresh, metric},
};

/// Ten replicas under a load for four, of which scaling down is held until `until`.
fn held(semantics: Semantics, until: impl FnOnce(Timestamp) -> Option<Timestamp>) -> World {
    let mut world = World::new(10, vec![metric("load")]);
    world.policy.semantics = semantics;
    for rules in [&mut world.policy.scale_up, &mut world.policy.scale_down] {
        let all = ChangeLimit::new(ChangeAmount::Percent(100), Duration::from_secs(15));
        rules.limits.limits.push(all.unwrap());
    }
    world.workload.holds.push(Hold::ScaleDownHeld {
        by: HoldSource::Override(Operator {
            by: Some("ada".into()),
            reason: None,
        }),
        until: until(world.now),
    });
    world.look(0, &[fresh(400.0)]);
    world
}

const SEMANTICS: [Semantics; 2] = [Semantics::Headroom, Semantics::Hpa(HpaPath::WithBehavior)];

#[test]
fn a_hold_on_scaling_down_lasts_until_its_end() {
    for semantics in SEMANTICS {
        let mut world = held(semantics, |now| Some(now.plus(Duration::from_secs(30))));
        let decision = world.look(15, &[fresh(400.0)]);
        assert_eq!(
            (decision.desired().get(), decision.reason()),
            (10, Reason::ScaleDownHeld)
        );
        let said =
            "4 would be enough, but the override of ada forbids scaling down for another 15 s: stays at 10";
        assert_eq!(world.steps.0.last().unwrap().to_string(), said);
        assert_eq!(world.look(15, &[fresh(400.0)]).desired().get(), 4);
    }
}

#[test]
fn a_hold_on_scaling_down_lets_the_count_rise() {
    for semantics in SEMANTICS {
        assert_eq!(
            held(semantics, |_| None)
                .look(15, &[fresh(2000.0)])
                .desired()
                .get(),
            20
        );
    }
}

#[test]
fn bounds_act_under_a_hold_on_scaling_down() {
    for semantics in SEMANTICS {
        let mut world = held(semantics, |_| None);
        let by = BoundSource::Override(Operator::default());
        world.workload.bounds.ceiling = ActiveBound::new(Replicas::new(7), by).ok();
        assert_eq!(world.look(15, &[fresh(400.0)]).desired().get(), 7);
    }
}

#[test]
fn a_count_that_turned_around_too_often_may_fall_again_when_it_is_said_to() {
    let mut world = World::new(1, vec![metric("load")]);
    world.policy.guards.max_reversals = 2;
    // Up, and then four turns a minute apart.
    for load in [500.0, 100.0, 500.0, 100.0, 500.0] {
        world.pass(60, &[fresh(load)]);
    }
    world.look(0, &[fresh(100.0)]);
    let Some(Step::HeldFlapping {
        reversals,
        allowed,
        ends_after,
        ..
    }) = world.steps.0.last()
    else {
        panic!("{}", world.steps)
    };
    let ends_after = *ends_after;
    assert_eq!((*reversals, *allowed), (4, 2));
    let (mut early, mut then) = (world.memory.clone(), world.memory.clone());
    let look = |memory: &mut Memory, after: Duration| {
        let seen = [fresh(100.0)].into_iter().collect();
        let now = world.now.plus(after);
        evaluate(&world.policy, &world.workload, &seen, memory, now, &mut NoSteps)
    };
    let millisecond = Duration::from_millis(1);
    assert_eq!(
        look(&mut early, ends_after - millisecond).reason(),
        Reason::Flapping
    );
    assert_eq!(look(&mut then, ends_after).desired(), Replicas::new(1));
}
