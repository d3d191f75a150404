use std::time::Duration;

use crate::{
    ActiveBound, BoundSource, ChangeAmount, ChangeLimit, End, Fallback, FallbackAction, FallbackWhen, Held,
    Hold, HoldSource, HpaPath, Memory, NoSteps, Operator, Reason, Replicas, Semantics, Step, Timestamp,
    evaluate,
    evaluate::world::{GONE, World, fresh, metric},
    testing,
};

/// Ten replicas under a load for four, with `holds`.
fn held(semantics: Semantics, holds: Vec<Hold>) -> World {
    let mut world = World::new(10, vec![metric("load")]);
    world.policy.semantics = semantics;
    for rules in [&mut world.policy.scale_up, &mut world.policy.scale_down] {
        let all = ChangeLimit::new(ChangeAmount::Percent(100), Duration::from_secs(15));
        rules.limits.limits.push(all.unwrap());
    }
    world.workload.holds = holds;
    world.look(0, &[fresh(400.0)]);
    world
}

const SEMANTICS: [Semantics; 3] = [
    Semantics::Headroom,
    Semantics::Hpa(HpaPath::WithBehavior),
    Semantics::Hpa(HpaPath::WithoutBehavior),
];

/// Whether `hold` has a say under `semantics`.
fn has_a_say(hold: &Hold, semantics: Semantics) -> bool {
    semantics == Semantics::Headroom || hold.holds_the_hpa()
}

/// The holds of one direction, each as far as it lasts.
fn of(held: Held) -> impl Iterator<Item = Hold> {
    let all = testing::holds().into_iter();
    all.map(lasting).filter(move |hold| hold.held() == held)
}

/// The same without an end.
fn lasting(hold: Hold) -> Hold {
    match hold {
        Hold::Paused { .. } => Hold::Paused { until: None },
        Hold::ScaleDownHeld { by, .. } => Hold::ScaleDownHeld { by, until: None },
        Hold::RollingOut { .. } => Hold::RollingOut { until: None },
        Hold::Contested { by, .. } => Hold::Contested { by, until: None },
        Hold::FleetBrake { .. } => Hold::FleetBrake {
            until: Timestamp::MAX,
        },
        Hold::SecondScaler { .. }
        | Hold::SecondHeadroom { .. }
        | Hold::RequestsSet { .. }
        | Hold::BeingDeleted
        | Hold::FailingToStart { .. } => hold,
    }
}

/// What becomes of ten replicas under `load` while `hold` holds them.
#[track_caller]
fn check(semantics: Semantics, hold: &Hold, load: f64, expected: (u32, Reason)) {
    let mut world = held(semantics, vec![hold.clone()]);
    let decision = world.look(15, &[fresh(load)]);
    let got = (decision.desired().get(), decision.reason());
    assert_eq!(got, expected, "{hold:?} under {semantics:?}: {}", world.steps);
}

#[test]
fn each_hold_holds_its_direction_and_no_other() {
    for semantics in SEMANTICS {
        let kept = |hold: &Hold, otherwise| {
            if has_a_say(hold, semantics) {
                (10, hold.reason())
            } else {
                otherwise
            }
        };
        let (rises, falls) = ((20, Reason::AboveTarget), (4, Reason::BelowTarget));
        for hold in of(Held::Up) {
            check(semantics, &hold, 2000.0, kept(&hold, rises));
            check(semantics, &hold, 400.0, falls);
        }
        for hold in of(Held::Down) {
            check(semantics, &hold, 400.0, kept(&hold, falls));
            check(semantics, &hold, 2000.0, rises);
        }
        for hold in of(Held::Writing) {
            for load in [400.0, 1000.0, 2000.0] {
                check(semantics, &hold, load, (10, hold.reason()));
            }
        }
    }
}

#[test]
fn what_holds_the_hpa_is_what_people_asked_for_and_what_forbids_writing() {
    let mut codes: Vec<_> = testing::holds()
        .iter()
        .filter(|hold| hold.holds_the_hpa())
        .map(|hold| hold.reason().code())
        .collect();
    codes.dedup();
    let expected = [
        "paused",
        "second_scaler",
        "second_headroom",
        "requests_set",
        "being_deleted",
        "scale_down_held",
    ];
    assert_eq!(codes, expected);
}

#[test]
fn a_hold_lasts_until_its_end() {
    for semantics in SEMANTICS {
        for hold in testing::holds() {
            let Some(until) = hold.until().filter(|_| has_a_say(&hold, semantics)) else {
                continue;
            };
            let mut world = held(semantics, vec![hold.clone()]);
            world.now = until.minus(Duration::from_secs(30));
            let expected = [(10, hold.reason()), (10, hold.reason()), (4, Reason::BelowTarget)];
            for (number, expected) in expected.into_iter().enumerate() {
                let seconds = if number == 0 { 0 } else { 15 };
                let decision = world.look(seconds, &[fresh(400.0)]);
                let got = (decision.desired().get(), decision.reason());
                assert_eq!(got, expected, "{hold:?} at {number}: {}", world.steps);
            }
        }
    }
}

#[test]
fn a_hold_of_one_direction_lets_the_bounds_act() {
    for semantics in SEMANTICS {
        let by = || BoundSource::Override(Operator::default());
        let bound = |count| ActiveBound::new(Replicas::new(count), by()).ok();
        for hold in of(Held::Down) {
            let mut world = held(semantics, vec![hold]);
            world.workload.bounds.ceiling = bound(7);
            assert_eq!(
                world.look(15, &[fresh(400.0)]).desired().get(),
                7,
                "{}",
                world.steps
            );
        }
        for hold in of(Held::Up) {
            let mut world = held(semantics, vec![hold]);
            world.workload.bounds.floor = bound(12);
            assert_eq!(
                world.look(15, &[fresh(1100.0)]).desired().get(),
                12,
                "{}",
                world.steps
            );
        }
    }
}

#[test]
fn a_hold_of_one_direction_lets_a_fallback_act_and_one_of_writing_does_not() {
    for semantics in SEMANTICS {
        for hold in testing::holds().into_iter().map(lasting) {
            let mut world = held(semantics, vec![hold.clone()]);
            world.policy.fallback = Some(Fallback {
                action: FallbackAction::AtLeast(Replicas::new(15)),
                after: Duration::from_secs(15),
                when: FallbackWhen::All,
            });
            world.look(15, &[GONE]);
            let expected = match hold.held() {
                Held::Up | Held::Down => (15, Reason::Fallback),
                Held::Writing => (10, hold.reason()),
            };
            let decision = world.look(15, &[GONE]);
            let got = (decision.desired().get(), decision.reason());
            assert_eq!(got, expected, "{hold:?} under {semantics:?}: {}", world.steps);
        }
    }
}

#[test]
fn holds_of_both_directions_hold_both() {
    let holds: Vec<_> = of(Held::Up).chain(of(Held::Down)).collect();
    let mut world = held(Semantics::Headroom, holds);
    for load in [400.0, 1000.0, 2000.0] {
        assert_eq!(world.look(15, &[fresh(load)]).desired().get(), 10);
    }
}

#[test]
fn of_several_holds_the_step_names_the_one_that_lasts_longest() {
    let by = HoldSource::Override(Operator {
        by: Some("ada".into()),
        reason: None,
    });
    let mut world = held(Semantics::Headroom, Vec::new());
    let until = |seconds| Some(world.now.plus(Duration::from_secs(seconds)));
    world.workload.holds = vec![
        Hold::RollingOut { until: until(20) },
        Hold::ScaleDownHeld { by, until: until(30) },
        Hold::FleetBrake {
            until: world.now.plus(Duration::from_secs(25)),
        },
    ];
    world.look(15, &[fresh(400.0)]);
    let step = world.steps.0.last().unwrap();
    let said =
        "4 would be enough, but the override of ada forbids scaling down: stays at 10 for another 15 s";
    assert_eq!(step.to_string(), said);
    assert_eq!(
        step.end(Replicas::new(4)),
        Some(End::After(Duration::from_secs(15)))
    );
    assert_eq!(world.look(15, &[fresh(400.0)]).desired().get(), 4);
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
