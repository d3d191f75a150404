//! A count of zero: what leads to it, and what leads away from it.

use std::time::Duration;

use headroom_policy_engine::*;
use proptest::{collection::vec, prelude::*};

use super::world::*;

/// Mostly without load, so that counts come to zero.
fn quiet_events() -> impl Strategy<Value = Vec<Event>> {
    let quiet = any_event().prop_map(|event| Event {
        values: vec![known(0.0); 3],
        external: None,
        outcome: Outcome::Written,
        bounds: ActiveBounds::default(),
        ..event
    });
    vec(prop_oneof![12 => quiet, 1 => any_event()], 1..80)
}

/// A policy that allows zero after `idle`.
fn with_zero(mut policy: WorkloadPolicy, idle: u64) -> WorkloadPolicy {
    policy.metrics[0].activation = Activation::FromZero;
    policy.zero = Some(ScaleToZero::new(Duration::from_secs(idle), &policy.metrics).unwrap());
    policy
}

/// Whether every metric was known and zero, as the steps tell.
fn is_idle(policy: &WorkloadPolicy, turn: &Turn) -> bool {
    let mut rules = policy.metrics.iter();
    turn.steps.0.iter().all(|step| {
        let Step::Recommended { seen, .. } = step else {
            return true;
        };
        let metric = rules.next().unwrap();
        match seen {
            Observation::Fresh(sample) => sample.value == 0.0,
            Observation::Missing {
                cause: MissingCause::NoData,
            } => metric.on_missing == OnMissing::Zero,
            Observation::Missing {
                cause: MissingCause::NotANumber,
            } => {
                matches!(&metric.rule, MetricRule::Step(rule) if rule.below().is_none())
            }
            _ => false,
        }
    })
}

proptest! {
    #[test]
    fn i40_zero_comes_only_after_an_idle_window_with_every_metric_known_and_zero(policy in any_policy(), idle in 1_u64..200, current in 1_u32..20, events in quiet_events()) {
        let policy = with_zero(policy, idle);
        let idle = Duration::from_secs(idle);
        let turns = run(&policy, current, &events);
        for (index, turn) in turns.iter().enumerate() {
            let back = turns[..=index].windows(2).any(|pair| pair[1].now < pair[0].now);
            if turn.desired() > 0 || turn.current() == 0 || back {
                continue;
            }
            prop_assert!(turn.workload.bounds.floor.is_none());
            let since = turns[..=index].iter().rposition(|turn| !is_idle(&policy, turn)).map_or(0, |last| last + 1);
            prop_assert!(since <= index, "it fell while there was load");
            prop_assert!(turn.now.since(turns[since].now) >= idle, "without load for {:?} of {idle:?}", turn.now.since(turns[since].now));
            let window = turns[since..=index].iter().filter(|past| turn.now.since(past.now) <= idle);
            prop_assert!(window.count() > 0);
        }
    }

    #[test]
    fn i40_without_a_zero_in_the_policy_nothing_is_lowered_to_it(mut policy in any_policy(), current in 1_u32..20, events in quiet_events()) {
        policy.zero = None;
        for turn in run(&policy, current, &events) {
            prop_assert!(turn.desired() > 0 || turn.current() == 0);
        }
    }

    #[test]
    fn i41_from_zero_any_positive_signal_starts_it_at_once(policy in any_policy(), idle in 1_u64..200, current in 0_u32..3, events in quiet_events(), signal in prop_oneof![Just(f64::MIN_POSITIVE), Just(f64::MAX), 1e-9..2000.0_f64], partly in any::<bool>()) {
        let policy = with_zero(policy, idle);
        let turns = run(&policy, current, &events);
        for turn in turns.iter().filter(|turn| turn.current() == 0) {
            let Observation::Fresh(sample) = known(signal) else { unreachable!("it is known") };
            let mut values: Vec<_> = turn.seen.iter().copied().collect();
            values[0] = if partly { Observation::Partial(sample) } else { Observation::Fresh(sample) };
            let mut memory = turn.before.clone();
            let decision = evaluate(&policy, &turn.workload, &values.into_iter().collect(), &mut memory, turn.now, &mut NoSteps);
            let is_forbidden = turn.is_held(Held::Writing, policy.semantics) || decision.reason() == Reason::Off;
            prop_assert!(decision.desired() >= Replicas::new(1) || is_forbidden, "{decision:?}");
        }
    }
}
