use crate::{
    ActiveBound, ActiveBounds, BoundSource, HpaPath, Operator, Reason, ReplicaBounds, Replicas, ScheduleName,
    Semantics, Step,
    evaluate::world::{World, fresh, metric},
};

fn schedule(name: &str) -> BoundSource {
    BoundSource::Schedule(ScheduleName::new(name))
}

fn ada() -> BoundSource {
    BoundSource::Override(Operator {
        by: Some("ada".into()),
        reason: Some("Black Friday".into()),
    })
}

fn bound(replicas: u32, by: BoundSource) -> Option<ActiveBound> {
    Some(ActiveBound::new(Replicas::new(replicas), by).unwrap())
}

/// `current` replicas under a load for `needed`, from 2 to 10, with these bounds in force.
#[track_caller]
fn check(
    current: u32,
    needed: u32,
    floor: Option<ActiveBound>,
    ceiling: Option<ActiveBound>,
    desired: u32,
    reason: Reason,
    step: &str,
) {
    let mut world = World::new(current, vec![metric("load")]);
    world.policy.bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(10)).unwrap();
    world.workload.bounds = ActiveBounds { floor, ceiling };
    // The second look may lower the count.
    world.look(0, &[fresh(f64::from(needed) * 100.0)]);
    let decision = world.look(15, &[fresh(f64::from(needed) * 100.0)]);
    assert_eq!((decision.desired().get(), decision.reason()), (desired, reason));
    assert_eq!(world.steps.0.last().unwrap().to_string(), step);
}

#[test]
fn what_set_a_bound_is_named() {
    let sale = || bound(20, schedule("sale"));
    check(
        4,
        5,
        sale(),
        None,
        20,
        Reason::OutOfBounds,
        "5 would be enough, and the schedule `sale` asks for at least 20",
    );
    check(
        20,
        5,
        sale(),
        None,
        20,
        Reason::AtMinimum,
        "5 would be enough, and the schedule `sale` asks for at least 20",
    );
    check(
        4,
        5,
        bound(6, ada()),
        None,
        6,
        Reason::OutOfBounds,
        "5 would be enough, and the override of ada (Black Friday) asks for at least 6",
    );
    check(
        4,
        9,
        None,
        bound(4, schedule("night")),
        4,
        Reason::AtMaximum,
        "9 are wanted, and the schedule `night` allows at most 4",
    );
    check(
        4,
        9,
        bound(6, ada()),
        bound(4, schedule("night")),
        6,
        Reason::OutOfBounds,
        "9 are wanted, and the override of ada (Black Friday) keeps it at 6",
    );
}

#[test]
fn the_policy_s_own_bounds_have_no_name() {
    let step = "12 are wanted, and the maximum is 10";
    check(4, 12, None, None, 10, Reason::AboveTarget, step);
    let step = "12 are wanted, and the maximum is 10";
    check(
        6,
        12,
        bound(6, schedule("day")),
        None,
        10,
        Reason::AboveTarget,
        step,
    );
}

#[test]
fn a_bound_in_force_may_lie_beyond_the_policy_s() {
    let step = "12 are recommended: load asks for the most";
    check(4, 12, None, bound(40, ada()), 12, Reason::AboveTarget, step);
    let step = "1 is recommended: load asks for the most";
    check(4, 1, bound(1, ada()), None, 1, Reason::BelowTarget, step);
}

#[test]
fn bounds_in_force_act_under_the_hpa_s_semantics_too() {
    let decided = |current, floor, ceiling| {
        let mut world = World::new(current, vec![metric("load")]);
        world.policy.semantics = Semantics::Hpa(HpaPath::WithoutBehavior);
        world.policy.bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(10)).unwrap();
        world.workload.bounds = ActiveBounds { floor, ceiling };
        let decision = world.look(0, &[fresh(800.0)]);
        let by = world.steps.0.iter().find_map(|step| {
            if let Step::Bounded { by, .. } = step {
                Some(by.clone())
            } else {
                None
            }
        });
        (decision.desired().get(), by)
    };
    assert_eq!(decided(8, bound(9, ada()), None), (9, Some(Some(ada()))));
    let night = || schedule("night");
    assert_eq!(decided(6, None, bound(7, night())), (7, Some(Some(night()))));
    assert_eq!(decided(8, bound(1, ada()), bound(40, night())), (8, None));
}

#[test]
fn when_a_floor_ends_the_count_falls_as_the_load_allows() {
    let mut world = World::new(20, vec![metric("load")]);
    world.workload.bounds.floor = bound(20, schedule("sale"));
    world.counts([&[fresh(500.0)][..]; 3]);
    world.workload.bounds = ActiveBounds::default();
    assert_eq!(world.counts([&[fresh(500.0)][..]]), [5]);
}
