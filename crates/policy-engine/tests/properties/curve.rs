//! What holds of the count that a load asks for: the capacity of n replicas is n times the target.

use headroom_policy_engine::*;
use proptest::{collection::vec, prelude::*};

use super::world::{any_policy, known};

/// The factor within which a quotient is meant to be whole.
const NOISE: f64 = 1e-9;

fn any_rule(target: f64) -> impl Strategy<Value = MetricRule> {
    prop_oneof![
        Just(MetricRule::PerReplica(Target::new(target).unwrap())),
        Just(MetricRule::Value(Target::new(target).unwrap())),
    ]
}

/// What a metric without tolerance asks for.
fn recommended(rule: MetricRule, current: u32, load: f64) -> u32 {
    let policy = WorkloadPolicy {
        metrics: vec![MetricPolicy::new(
            MetricName::new("load"),
            MetricKind::External,
            rule,
            Tolerance::new(0.0, 0.0).unwrap(),
        )],
        ..some_policy()
    };
    combined(&policy, current, &[known(load)])
}

fn combined(policy: &WorkloadPolicy, current: u32, seen: &[Observation]) -> u32 {
    let mut steps = Explanation::default();
    let seen: Observations = seen.iter().copied().collect();
    let workload = Workload::running(Replicas::new(current));
    let now = Timestamp::from_unix_millis(0);
    evaluate(policy, &workload, &seen, &mut Memory::default(), now, &mut steps);
    let combined = steps.0.iter().find_map(|step| match step {
        Step::Combined { replicas, .. } => Some(replicas.get()),
        _ => None,
    });
    combined.expect("every evaluation combines")
}

/// One policy of the generator, for the parts that decide nothing here.
fn some_policy() -> WorkloadPolicy {
    use proptest::{strategy::ValueTree as _, test_runner::TestRunner};
    any_policy()
        .new_tree(&mut TestRunner::deterministic())
        .unwrap()
        .current()
}

proptest! {
    #[test]
    fn i06_a_load_of_exactly_k_replicas_asks_for_k(target in 1e-3..1e6_f64, count in 1_u32..5_000, current in 1_u32..100) {
        let load = target * f64::from(count);
        prop_assert_eq!(recommended(MetricRule::PerReplica(Target::new(target).unwrap()), current, load), count);
        let each = load / f64::from(current);
        prop_assert_eq!(recommended(MetricRule::Value(Target::new(target).unwrap()), current, each), count);
    }

    #[test]
    fn i06_no_load_asks_for_no_replicas(rule in any_rule(100.0), current in 1_u32..100) {
        prop_assert_eq!(recommended(rule, current, 0.0), 0);
    }

    #[test]
    fn i07_what_is_asked_for_carries_the_load_and_one_less_does_not(target in 1e-3..1e6_f64, share in prop_oneof![0.0..5_000.0_f64, 0.0..5.0_f64], current in 1_u32..100) {
        let load = target * share;
        let count = recommended(MetricRule::PerReplica(Target::new(target).unwrap()), current, load);
        let capacity = |count: u32| target * f64::from(count);
        prop_assert!(capacity(count) * (1.0 + NOISE) + f64::MIN_POSITIVE >= load, "{count} replicas do not carry {load}");
        prop_assert!(count == 0 || capacity(count - 1) < load, "one less than {count} would carry {load}");
    }

    #[test]
    fn i08_load_and_target_times_the_same_factor_ask_for_the_same(target in 1e-3..1e3_f64, share in 0.0..500.0_f64, exponent in -20_i32..20, current in 1_u32..100) {
        // Powers of two, so that the factor adds no noise of its own.
        let factor = 2_f64.powi(exponent);
        for rule in [MetricRule::PerReplica, MetricRule::Value] {
            let (one, other) = (rule(Target::new(target).unwrap()), rule(Target::new(target * factor).unwrap()));
            let load = target * share;
            prop_assert_eq!(recommended(one, current, load), recommended(other, current, load * factor));
        }
    }

    #[test]
    fn i33_more_load_all_the_time_is_asked_for_more_all_the_time(
        policy in any_policy(),
        counts in vec(1_u32..60, 20),
        loads in vec((0.0..2000.0_f64, 0.0..500.0_f64), 20),
    ) {
        // Steps and marks are not curves: what they ask for follows the count, or a time.
        let mut policy = policy;
        policy.metrics.retain(|metric| matches!(metric.rule, MetricRule::PerReplica(_) | MetricRule::Value(_) | MetricRule::Utilization(_)));
        if policy.metrics.is_empty() {
            return Ok(());
        }
        let asked = |more: bool| {
            let mut memory = Memory::default();
            let rounds = counts.iter().zip(&loads).zip(0_i64..);
            rounds.map(|((count, (load, extra)), round)| {
                let load = if more { load + extra } else { *load };
                let seen: Observations = std::iter::repeat_n(known(load), policy.metrics.len()).collect();
                let workload = Workload::running(Replicas::new(*count));
                let now = Timestamp::from_unix_millis(round * 15_000);
                let mut steps = Explanation::default();
                evaluate(&policy, &workload, &seen, &mut memory, now, &mut steps);
                steps.0.into_iter().find_map(|step| match step {
                    Step::Combined { replicas, .. } => Some(replicas),
                    _ => None,
                })
            }).collect::<Vec<_>>()
        };
        for (less, more) in asked(false).into_iter().zip(asked(true)) {
            prop_assert!(less <= more);
        }
    }
}
