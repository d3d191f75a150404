//! Rounds under the HPA's semantics, as the live pass makes them.

use headroom_actuator::testing::Fault;
use headroom_policy_engine::{
    HpaPath, RoundError, Semantics,
    hpa::{ConditionReason, ConditionType, Conditions},
};

use crate::world::*;

fn world() -> World {
    let mut world = World::new(&["web"]);
    world.workloads[0].policy.semantics = Semantics::Hpa(HpaPath::WithoutBehavior);
    world
}

fn reason(conditions: &Conditions, kind: ConditionType) -> Option<ConditionReason> {
    conditions.get(kind).map(|condition| condition.reason)
}

#[tokio::test]
async fn a_round_ends_with_the_hpas_conditions() {
    let world = world();
    world.load("web", 700.0);
    let record = pass(&world.start(), at(0)).await;
    let web = about(&record, "web");
    assert_eq!(told(web), "2 -> 4 Written", "twice the count, or 4");
    let round = web.round.as_ref().unwrap();
    assert!(round.rescaled);
    assert_eq!((round.desired, &round.error), (Some(replicas(4)), &None));
    let reason = |kind| reason(&round.conditions, kind);
    assert_eq!(
        reason(ConditionType::AbleToScale),
        Some(ConditionReason::SucceededRescale)
    );
    assert_eq!(
        reason(ConditionType::ScalingActive),
        Some(ConditionReason::ValidMetricFound)
    );
    assert_eq!(
        reason(ConditionType::ScalingLimited),
        Some(ConditionReason::ScaleUpLimit)
    );
    assert_eq!(reason(ConditionType::ScaledToZero), None, "the gate is off");
}

#[tokio::test]
async fn conditions_last_from_one_process_to_the_next() {
    let world = world();
    pass(&world.start(), at(0)).await;
    world.actuator.fail_reads(&id("web"), Some(Fault::Refuse));
    let record = pass(&world.start(), at(15)).await;
    let round = about(&record, "web").round.as_ref().unwrap();
    assert_eq!(round.error, Some(RoundError::TargetUnreadable));
    assert_eq!(
        reason(&round.conditions, ConditionType::AbleToScale),
        Some(ConditionReason::FailedGetScale)
    );
    let failed_at = round.conditions.get(ConditionType::AbleToScale).unwrap().since;
    assert_eq!(failed_at, at(15));
    let active = reason(&round.conditions, ConditionType::ScalingActive);
    assert_eq!(
        active,
        Some(ConditionReason::ValidMetricFound),
        "what a round does not reach stays"
    );
    let record = pass(&world.start(), at(30)).await;
    let round = about(&record, "web").round.as_ref().unwrap();
    let since = round.conditions.get(ConditionType::AbleToScale).unwrap().since;
    assert_eq!(since, failed_at, "it has been so since then");
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_decided_count_as_it_was() {
    let world = world();
    pass(&world.start(), at(0)).await;
    world.load("web", 700.0);
    world.actuator.fail_writes(&id("web"), Some(Fault::Refuse));
    let record = pass(&world.start(), at(15)).await;
    let round = about(&record, "web").round.as_ref().unwrap();
    assert_eq!(
        (round.desired, &round.error),
        (Some(replicas(2)), &Some(RoundError::NotWritten))
    );
    assert_eq!(
        reason(&round.conditions, ConditionType::AbleToScale),
        Some(ConditionReason::FailedUpdateScale)
    );
}

#[tokio::test]
async fn headrooms_own_rounds_have_no_status_of_the_hpa() {
    let world = World::new(&["web"]);
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(about(&record, "web").round, None);
}
