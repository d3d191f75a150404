use std::time::Duration;

use crate::{
    ChangeAmount, ChangeLimit, ConditionStatus, HpaPath, Outcome, Semantics,
    evaluate::world::{World, fresh, metric},
    hpa::{ConditionReason, ConditionType, RoundError},
};

fn world(current: u32) -> World {
    let mut world = World::new(current, vec![metric("load")]);
    world.policy.semantics = Semantics::Hpa(HpaPath::WithBehavior);
    let limit = ChangeLimit::new(ChangeAmount::Replicas(4), Duration::from_secs(60)).unwrap();
    world.policy.scale_up.limits.limits.push(limit);
    let read = Ok(world.workload.clone());
    let begun = world.memory.begin(&world.policy, read, world.now);
    assert_eq!(begun.as_ref(), Ok(&world.workload));
    world
}

#[test]
fn a_written_change_takes_room_from_the_next_until_its_period_is_over() {
    let mut world = world(10);
    let counts: Vec<u32> = (0..5)
        .map(|_| world.pass(15, &[fresh(5000.0)]).desired().get())
        .collect();
    assert_eq!(counts, [14, 14, 14, 14, 18]);
}

#[test]
fn a_change_that_was_not_written_takes_none() {
    for outcome in [Outcome::Failed, Outcome::NotConfirmed, Outcome::Conflict] {
        let mut world = world(10);
        let decision = world.look(15, &[fresh(5000.0)]);
        let status = world.memory.record_outcome(&decision, outcome, world.now);
        assert_eq!(
            (status.rescaled, status.error),
            (false, Some(RoundError::NotWritten))
        );
        assert_eq!(world.look(15, &[fresh(5000.0)]).desired().get(), 14);
    }
}

#[test]
fn the_memory_tells_the_conditions_of_the_hpa_and_of_nobody_else() {
    let mut world = world(10);
    world.pass(0, &[fresh(5000.0)]);
    let able = world
        .memory
        .conditions()
        .and_then(|all| all.get(ConditionType::AbleToScale));
    let able = able.map(|condition| (condition.status, condition.reason));
    assert_eq!(
        able,
        Some((ConditionStatus::True, ConditionReason::SucceededRescale))
    );
    assert_eq!(World::new(10, Vec::new()).memory.conditions(), None);
}
