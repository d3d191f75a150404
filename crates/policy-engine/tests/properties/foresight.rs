//! What an explanation says of other values and later times comes true.

use std::time::Duration;

use headroom_policy_engine::*;
use proptest::prelude::*;

use super::world::*;

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

/// A policy with one metric, in which nothing but the metric has a say.
fn of_one(metric: MetricPolicy, semantics: Semantics) -> WorkloadPolicy {
    let free = ScalingRules {
        stabilization: StabilizationWindow::new(Duration::ZERO).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: Vec::new(),
        },
    };
    WorkloadPolicy {
        semantics,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(Replicas::new(1), Replicas::LIMIT).unwrap(),
        metrics: vec![metric],
        zero: None,
        scale_up: free.clone(),
        scale_down: free,
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(30),
            max_reversals: 4,
        },
        interval: EvaluationInterval::new(Duration::from_secs(1)).unwrap(),
    }
}

fn of_value(value: f64) -> Observations {
    let sample = Sample {
        value,
        measured_at: None,
        coverage: Coverage::default(),
    };
    std::iter::once(Observation::Fresh(sample)).collect()
}

/// What the metric of `policy` asks for at `value`, and on what terms. A step rule is asked once its breach has lasted.
fn asked(policy: &WorkloadPolicy, workload: &Workload, value: f64) -> (Option<Replicas>, Terms) {
    let lasting = match policy.metrics[0].rule {
        MetricRule::Step(rule) => [rule.above(), rule.below()]
            .into_iter()
            .flatten()
            .filter_map(|breach| breach.lasting)
            .max(),
        _ => None,
    };
    let mut memory = Memory::default();
    let mut last = None;
    for after in std::iter::once(Duration::ZERO).chain(lasting.filter(|lasting| !lasting.is_zero())) {
        let (seen, now) = (of_value(value), NOW.plus(after));
        let workload = memory.begin(policy, Ok(workload.clone()), now).unwrap();
        let mut steps = Explanation::default();
        evaluate(policy, &workload, &seen, &mut memory, now, &mut steps);
        last = steps.0.into_iter().find_map(|step| match step {
            Step::Recommended { terms, proposal, .. } => Some((proposal, terms)),
            _ => None,
        });
    }
    let (proposal, terms) = last.unwrap();
    match proposal {
        Proposal::Replicas(replicas) => (Some(replicas), terms),
        Proposal::NoVote | Proposal::Ignored | Proposal::Blocks => (None, terms),
    }
}

/// That the values for `want` are those at which the metric does ask for it.
fn check_values(policy: &WorkloadPolicy, workload: &Workload, want: Replicas) -> Result<(), TestCaseError> {
    let ask = |value| asked(policy, workload, value).0;
    let (_, terms) = asked(policy, workload, 1.0);
    let values = terms.values_for(want);
    match values.least {
        Some(least) => {
            prop_assert!(ask(least) >= Some(want), "{values:?} for {want} on {terms:?}");
            prop_assert!(
                least <= 0.0 || ask(least.next_down()) < Some(want),
                "{values:?} for {want}"
            );
        }
        None => prop_assert!(ask(f64::MAX) < Some(want)),
    }
    match values.most {
        Some(most) => {
            prop_assert!(ask(most) <= Some(want), "{values:?} for {want} on {terms:?}");
            prop_assert!(
                most >= f64::MAX || ask(most.next_up()) > Some(want),
                "{values:?} for {want}"
            );
        }
        None => prop_assert!(ask(0.0) > Some(want)),
    }
    if let (Some(least), Some(most), true) = (values.least, values.most, values.has_any()) {
        for value in [least, least + (most - least) / 2.0, most] {
            prop_assert_eq!(
                ask(value),
                Some(want),
                "at {} of {:?} on {:?}",
                value,
                values,
                terms
            );
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_values_that_would_ask_for_a_count_do(metric in any_metric(), current in 0_u32..60, want in 0_u32..80) {
        let lasting = |rule: StepRule| [rule.above(), rule.below()].into_iter().flatten().filter_map(|breach| breach.lasting).collect::<Vec<_>>();
        if let MetricRule::Step(rule) = metric.rule {
            // Both sides last as long, so that one run is enough to ask either.
            prop_assume!(lasting(rule).windows(2).all(|pair| pair[0] == pair[1]));
        }
        let policy = of_one(metric, Semantics::Headroom);
        check_values(&policy, &Workload::running(Replicas::new(current)), Replicas::new(want))?;
    }

    #[test]
    fn the_values_that_would_ask_the_hpa_for_a_count_do(target in 0.01..500.0_f64, up in 0.0..0.3_f64, down in 0.0..0.3_f64, current in 1_u32..60, observed in proptest::option::of(1_u32..60), want in 0_u32..80) {
        let rule = MetricRule::PerReplica(Target::new(target).unwrap());
        let metric = MetricPolicy::new(MetricName::new("m"), MetricKind::External, rule, Tolerance::new(up, down).unwrap());
        let policy = of_one(metric, Semantics::Hpa(HpaPath::WithBehavior));
        let workload = Workload { observed: observed.map(Replicas::new), ..Workload::running(Replicas::new(current)) };
        check_values(&policy, &workload, Replicas::new(want))?;
    }

    #[test]
    fn a_step_comes_when_it_is_said_to(mut policy in any_policy(), above in 100.0..1000.0_f64, lasting in proptest::option::of(0_u64..120), current in 1_u32..30, passes in proptest::collection::vec((1_u64..40_000, 0.0..2000.0_f64), 1..20)) {
        let breach = Breach { threshold: above, lasting: lasting.map(Duration::from_secs), step: Replicas::new(2) };
        policy.metrics.truncate(1);
        policy.metrics[0].rule = MetricRule::Step(StepRule::new(Some(breach), None).unwrap());
        let workload = Workload::running(Replicas::new(current));
        let mut memory = Memory::default();
        let mut now = NOW;
        for (millis, value) in passes {
            now = now.plus(Duration::from_millis(millis));
            let ask = |memory: &mut Memory, at: Timestamp| {
                let mut steps = Explanation::default();
                evaluate(&policy, &workload, &of_value(value), memory, at, &mut steps);
                steps.0.into_iter().find_map(|step| match step {
                    Step::Recommended { pending, proposal, .. } => Some((pending, proposal)),
                    _ => None,
                }).unwrap()
            };
            let (pending, _) = ask(&mut memory, now);
            let Some(Pending { replicas, after }) = pending else { continue };
            prop_assert!(!after.is_zero(), "every sample here is new");
            let early = ask(&mut memory.clone(), now.plus(after - Duration::from_millis(1))).1;
            prop_assert_ne!(early, Proposal::Replicas(replicas), "{} ms early", 1);
            let on_time = ask(&mut memory.clone(), now.plus(after)).1;
            prop_assert_eq!(on_time, Proposal::Replicas(replicas), "after {:?}", after);
        }
    }
}
