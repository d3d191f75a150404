//! What holds of counts that deploys set back: they are undone at once, a fight over them is slow, and it never ends at the
//! low count.

use std::time::Duration;

use headroom_policy_engine::*;
use proptest::{collection::vec, option, prelude::*};

use super::world::*;

/// One pass, and what happened before it.
#[derive(Clone, Debug)]
struct Act {
    millis: i64,
    /// A deploy sets the count to so many.
    deployed: Option<u32>,
    load: f64,
    outcome: Outcome,
}

/// What one pass came to.
struct Seen {
    now: Timestamp,
    /// The count that a deploy took.
    taken: Option<u32>,
    current: u32,
    decision: Decision,
    steps: Explanation,
    written: bool,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let outcome =
        prop_oneof![8 => Just(Outcome::Written), 1 => Just(Outcome::Failed), 1 => Just(Outcome::Conflict)];
    let act = (
        1_000_i64..40_000,
        option::weighted(0.4, 0_u32..20),
        0.0..3000.0_f64,
        outcome,
    );
    let act = act.prop_map(|(millis, deployed, load, outcome)| Act {
        millis,
        deployed,
        load,
        outcome,
    });
    vec(act, 1..60)
}

/// A policy whose only hold is what the engine finds out.
fn policy() -> impl Strategy<Value = WorkloadPolicy> {
    any_policy().prop_map(|mut policy| {
        policy.semantics = Semantics::Headroom;
        policy.zero = None;
        policy
    })
}

fn play(
    policy: &WorkloadPolicy,
    start: u32,
    acts: &[Act],
    mut between: impl FnMut(Memory) -> Memory,
) -> Vec<Seen> {
    let (mut memory, mut now, mut current) = (Memory::default(), BEGIN, start);
    let mut deploy = None;
    let mut seen = Vec::new();
    for act in acts {
        now += act.millis;
        let at = Timestamp::from_unix_millis(now);
        let before = current;
        if let Some(count) = act.deployed {
            current = count;
            deploy = Some(Deploy {
                by: "helm".into(),
                at,
            });
        }
        let workload = Workload {
            origin: if deploy.is_some() {
                CountOrigin::WrittenByOthers
            } else {
                CountOrigin::WrittenByHeadroom
            },
            deploy: deploy.clone(),
            ..Workload::running(Replicas::new(current))
        };
        let values = vec![known(act.load); policy.metrics.len()];
        let mut steps = Explanation::default();
        let decision = evaluate(
            policy,
            &workload,
            &values.into_iter().collect(),
            &mut memory,
            at,
            &mut steps,
        );
        memory.record_outcome(&decision, act.outcome, at);
        memory = between(memory);
        let written = act.outcome == Outcome::Written && decision.direction().is_some();
        seen.push(Seen {
            now: at,
            taken: (act.deployed.is_some() && current < before && !seen.is_empty()).then_some(before),
            current,
            decision,
            steps,
            written,
        });
        if written {
            current = decision.desired().get();
            deploy = None;
        }
    }
    seen
}

impl Seen {
    fn restores(&self) -> bool {
        self.steps
            .0
            .iter()
            .any(|step| matches!(step, Step::Restored { .. }))
    }
}

/// How many deploys took replicas within ten minutes before `turns[index]`, and at it.
fn lately(turns: &[Seen], index: usize) -> usize {
    let now = turns[index].now;
    let takes = |turn: &&Seen| turn.taken.is_some() && now.since(turn.now) < Duration::from_secs(600);
    turns[..=index].iter().filter(takes).count()
}

proptest! {
    #[test]
    fn the_first_two_are_undone_in_one_step(policy in policy(), start in 1_u32..60, acts in acts()) {
        let turns = play(&policy, start, &acts, |memory| memory);
        for (index, turn) in turns.iter().enumerate() {
            if let Some(taken) = turn.taken && lately(&turns, index) < 3 {
                let least = taken.min(policy.bounds.max().get());
                prop_assert!(turn.decision.desired().get() >= least, "{taken} taken: {}", turn.steps);
            }
        }
    }

    #[test]
    fn in_a_fight_a_count_is_restored_once_a_minute_and_never_lowered_inside_its_bounds(policy in policy(), start in 1_u32..60, acts in acts()) {
        let turns = play(&policy, start, &acts, |memory| memory);
        let mut restored: Option<Timestamp> = None;
        for (index, turn) in turns.iter().enumerate() {
            let is_fight = lately(&turns, index) >= 3;
            if is_fight {
                prop_assert!(turn.decision.desired().get() >= turn.current.min(policy.bounds.max().get()), "{}", turn.steps);
                let long_ago = restored.is_none_or(|at| turn.now.since(at) >= Duration::from_secs(60));
                prop_assert!(!turn.restores() || long_ago, "{}", turn.steps);
            }
            if turn.restores() && turn.written && turn.decision.reason() == Reason::Restored {
                restored = Some(turn.now);
            }
        }
    }

    #[test]
    fn a_fight_never_ends_at_the_low_count(policy in policy(), start in 1_u32..60, acts in acts(), spacing in 1_000_i64..30_000, load in 0.0..3000.0_f64) {
        let calm = Act { millis: spacing, deployed: None, load, outcome: Outcome::Written };
        let mut whole = acts.clone();
        whole.extend(std::iter::repeat_n(calm, 100));
        let turns = play(&policy, start, &whole, |memory| memory);
        let Some(last) = turns.iter().rposition(|turn| turn.taken.is_some()) else {
            return Ok(());
        };
        let end = turns[last].now.plus(Duration::from_millis(60_000 + u64::try_from(spacing).unwrap() * 2 + 40_000));
        // Somebody's write may fail until the quiet begins.
        let end = end.max(turns[acts.len() - 1].now.plus(Duration::from_millis(60_000 + u64::try_from(spacing).unwrap() * 2)));
        let least = turns[last].taken.unwrap().min(policy.bounds.max().get());
        let taken_at = turns[last].now;
        // Also where the next deploy brings them back by itself.
        let is_back = |turn: &&Seen| turn.now >= taken_at && turn.now <= end && (turn.current >= least || turn.decision.desired().get() >= least && turn.written);
        let expires = turns[acts.len() - 1].now.since(taken_at) >= Duration::from_secs(540);
        prop_assert!(expires || turns.iter().any(|turn| is_back(&turn)), "{least} are not back after {taken_at:?}");
    }

    #[test]
    fn the_decisions_are_the_same_from_a_memory_that_was_saved_in_between(policy in policy(), start in 1_u32..60, acts in acts()) {
        let saved = |memory: Memory| postcard::from_bytes(&postcard::to_stdvec(&memory).unwrap()).unwrap();
        let whole = play(&policy, start, &acts, |memory| memory);
        let parts = play(&policy, start, &acts, saved);
        prop_assert!(whole.iter().zip(&parts).all(|(one, other)| one.decision == other.decision && one.steps == other.steps));
    }
}
