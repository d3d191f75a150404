//! What holds of guards and holds: of those of one direction, of those that forbid writing, and of a count that others
//! change.

use headroom_policy_engine::*;
use proptest::prelude::*;

use super::world::*;

fn any_semantics() -> impl Strategy<Value = Semantics> {
    prop_oneof![
        Just(Semantics::Headroom),
        Just(Semantics::Hpa(HpaPath::WithBehavior)),
        Just(Semantics::Hpa(HpaPath::WithoutBehavior)),
    ]
}

proptest! {
    #[test]
    fn a_hold_of_one_direction_moves_nothing_that_way_inside_the_bounds(policy in any_policy(), semantics in any_semantics(), current in 0_u32..60, events in any_events()) {
        let policy = WorkloadPolicy { semantics, ..policy };
        for turn in run(&policy, current, &events) {
            let (min, max) = (turn.bounds.min().get(), turn.bounds.max().get());
            if turn.is_held(Held::Down, semantics) {
                prop_assert!(turn.desired() >= turn.current().min(max), "{}", turn.steps);
            }
            let raises = |step: &Step| matches!(step, Step::FellBack { .. } | Step::Activated { .. });
            if turn.is_held(Held::Up, semantics) && !turn.has(raises) {
                prop_assert!(turn.desired() <= turn.current().max(min), "{}", turn.steps);
            }
        }
    }

    #[test]
    fn a_hold_that_forbids_writing_keeps_the_count_and_is_the_reason(policy in any_policy(), semantics in any_semantics(), current in 0_u32..60, events in any_events()) {
        let policy = WorkloadPolicy { semantics, ..policy };
        for turn in run(&policy, current, &events) {
            if turn.is_held(Held::Writing, semantics) {
                prop_assert_eq!(turn.desired(), turn.current(), "{}", turn.steps);
                let reasons: Vec<_> = turn.workload.holds.iter().map(Hold::reason).collect();
                prop_assert!(reasons.contains(&turn.decision.reason()), "{:?}", turn.decision);
            }
        }
    }

    #[test]
    fn a_hold_changes_no_memory(policy in any_policy(), semantics in any_semantics(), current in 0_u32..60, events in any_events()) {
        let policy = WorkloadPolicy { semantics, ..policy };
        for turn in run(&policy, current, &events) {
            let free = Workload { holds: Vec::new(), ..turn.workload.clone() };
            let (mut held, mut unheld) = (turn.before.clone(), turn.before.clone());
            evaluate(&policy, &turn.workload, &turn.seen, &mut held, turn.now, &mut NoSteps);
            evaluate(&policy, &free, &turn.seen, &mut unheld, turn.now, &mut NoSteps);
            prop_assert_eq!(held, unheld);
        }
    }
}
