//! What is always true of the answer to why a decision is not another count.

use headroom_policy_engine::*;
use proptest::prelude::*;

use super::{hpa, world::*};

/// The bounds that held, as a record has them.
fn bounds<'a>(policy: &WorkloadPolicy, workload: &'a Workload) -> BoundsInForce<'a> {
    BoundsInForce {
        own: policy.own_bounds(),
        active: &workload.bounds,
    }
}

/// Checks the answer for every count near those that mattered.
fn check(
    policy: &WorkloadPolicy,
    workload: &Workload,
    decision: Decision,
    steps: &Explanation,
) -> Result<(), TestCaseError> {
    let bounds = bounds(policy, workload);
    let counts = steps
        .0
        .iter()
        .filter_map(Step::change)
        .flat_map(|(from, to)| [from, to]);
    let counts = counts.chain([decision.current(), decision.desired(), Replicas::ZERO]);
    let counts = counts.chain([bounds.bounds().min(), bounds.bounds().max()]);
    for want in counts.flat_map(|count| [-1, 0, 1].map(|by| count.get().saturating_add_signed(by))) {
        let want = Replicas::new(want);
        let answer = steps.why_not(&decision, want, Some(bounds));
        let told = format!("{want} instead of {decision}: {answer:?}\n{steps}");
        prop_assert_eq!(
            answer.in_the_way.is_empty(),
            want == decision.desired(),
            "{}",
            &told
        );
        prop_assert_eq!(answer.is_decided(), want == decision.desired());
        if let Some(first) = answer.in_the_way.first() {
            let Some(index) = first.index() else {
                return Err(TestCaseError::fail(told));
            };
            prop_assert!(index < steps.0.len(), "{}", &told);
        }
        let places: Vec<_> = answer.in_the_way.iter().filter_map(Obstacle::index).collect();
        prop_assert!(places.is_sorted_by(|before, after| before < after), "{}", &told);
        let tells_bound = answer.in_the_way.iter().any(|obstacle| match obstacle {
            Obstacle::Bound { .. } => true,
            Obstacle::Step { step, .. } => matches!(step, Step::Bounded { .. }),
            Obstacle::Load { .. } => false,
        });
        prop_assert!(
            tells_bound || answer.is_decided() || bounds.allow(want),
            "{}",
            &told
        );
        for obstacle in &answer.in_the_way {
            prop_assert!(!answer.needs(obstacle).is_empty());
        }
    }
    Ok(())
}

/// Whether a metric asks for what it would have to at the values that are said.
fn check_values(need: &MetricNeed<'_>) -> Result<(), TestCaseError> {
    let Some(values) = need.values else {
        return Ok(());
    };
    for value in [Some(values.from), values.to].into_iter().flatten() {
        let asked = need.terms.asks_for(value);
        let as_good = match values.asks {
            Asks::Exactly => asked == Some(need.asks_for),
            Asks::More => asked > Some(need.asks_for),
            Asks::Fewer => asked < Some(need.asks_for),
            Asks::Nothing => asked.is_none(),
        };
        prop_assert!(as_good, "{need:?} at {value}: {asked:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn nothing_stands_in_the_way_of_what_was_decided_alone(policy in any_policy(), semantics in any_semantics(), current in 0_u32..60, events in any_events()) {
        let policy = WorkloadPolicy { semantics, ..policy };
        for turn in run(&policy, current, &events) {
            check(&policy, &turn.workload, turn.decision, &turn.steps)?;
        }
    }

    #[test]
    fn nothing_stands_in_the_way_of_what_the_hpa_decided_alone(policy in hpa::any_hpa_policy(), current in 0_u32..60, rounds in hpa::any_rounds()) {
        for round in hpa::run(&policy, current, &rounds, |memory| memory) {
            check(&policy, &round.workload, round.decision, &round.steps)?;
        }
    }

    #[test]
    fn the_load_that_would_have_been_asked_for_asks_for_it(policy in any_policy(), current in 1_u32..60, events in any_events(), want in 0_u32..60) {
        for turn in run(&policy, current, &events) {
            let answer = turn.steps.why_not(&turn.decision, Replicas::new(want), None);
            for obstacle in &answer.in_the_way {
                if let Obstacle::Load { metrics, .. } = obstacle {
                    for need in metrics {
                        check_values(need)?;
                    }
                }
            }
        }
    }
}
