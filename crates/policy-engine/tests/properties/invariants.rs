//! What holds for one evaluation, in any world.

use std::time::Duration;

use headroom_policy_engine::*;
use proptest::prelude::*;

use super::world::*;

/// Applies one recorded step to the number (I14).
pub fn apply(number: Replicas, step: &Step) -> Replicas {
    if let Step::Combined { replicas, .. } = step {
        return *replicas;
    }
    let Some((wanted, result)) = step.change() else {
        return number;
    };
    assert_eq!(wanted, number, "{step} does not follow from the step before it");
    result
}

proptest! {
    #[test]
    fn i01_any_input_gives_a_decision(
        policy in any_policy(),
        current in any::<u32>(),
        times in proptest::collection::vec(any::<i64>(), 1..8),
        values in proptest::collection::vec(any_observation(), 0..5),
    ) {
        let mut memory = Memory::default();
        let seen: Observations = values.into_iter().collect();
        for time in times {
            let now = Timestamp::from_unix_millis(time);
            let workload = Workload::running(Replicas::new(current));
            let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut NoSteps);
            memory.record_outcome(&decision, Outcome::Written, now);
        }
    }

    #[test]
    fn i02_a_decision_lies_inside_the_bounds(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        for turn in run(&policy, current, &events) {
            let forbidden = turn.has(|step| matches!(step, Step::Forbidden { .. }));
            let rests = turn.desired() == 0 && policy.zero.is_some() && turn.workload.bounds.floor.is_none();
            prop_assert!(forbidden || rests || turn.bounds.contains(turn.decision.desired()), "{:?}", turn.decision);
        }
    }

    #[test]
    fn i03_a_wrong_policy_cannot_be_built(value in any_value(), other in any_value(), a in any::<u32>(), b in any::<u32>(), span in any::<u64>()) {
        prop_assert_eq!(Target::new(value).is_ok(), value.is_finite() && value > 0.0);
        prop_assert_eq!(TargetUtilization::new(value).is_ok(), value > 0.0 && value <= 1.0);
        let load = |value: f64| value.is_finite() && value >= 0.0;
        prop_assert_eq!(Tolerance::new(value, other).is_ok(), load(value) && load(other));
        prop_assert_eq!(ReplicaBounds::new(Replicas::new(a), Replicas::new(b)).is_ok(), 1 <= a && a <= b && b <= 1_000_000);
        prop_assert_eq!(ReplicaBounds::from_zero(Replicas::new(b)).is_ok(), (1..=1_000_000).contains(&b));
        let span = Duration::from_millis(span);
        prop_assert_eq!(StabilizationWindow::new(span).is_ok(), span <= Duration::from_secs(3600));
        prop_assert_eq!(EvaluationInterval::new(span).is_ok(), !span.is_zero() && span <= Duration::from_secs(600));
        let limit = ChangeLimit::new(ChangeAmount::Percent(a), span).is_ok();
        prop_assert_eq!(limit, a > 0 && (Duration::from_secs(1)..=Duration::from_secs(1800)).contains(&span));
        let breach = |threshold| Breach { threshold, lasting: None, step: Replicas::new(1) };
        let rule = StepRule::new(Some(breach(value)), Some(breach(other))).is_ok();
        prop_assert_eq!(rule, load(value) && load(other) && other < value);
    }

    #[test]
    fn i04_a_memory_comes_back_bit_for_bit(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        for turn in run(&policy, current, &events) {
            let bytes = postcard::to_stdvec(&turn.after).unwrap();
            let back: Memory = postcard::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&back, &turn.after);
            prop_assert_eq!(postcard::to_stdvec(&back).unwrap(), bytes);
            let json = serde_json::to_string(&turn.after).unwrap();
            prop_assert_eq!(serde_json::from_str::<Memory>(&json).unwrap(), turn.after);
        }
    }

    #[test]
    fn i05_what_is_no_load_is_missing_and_never_a_number(value in any_value()) {
        let reading = Reading { value, answered_at: None, newest_sample: None, coverage: Coverage::default() };
        let freshness = Freshness { max_age: Duration::from_secs(60) };
        let now = Timestamp::from_unix_millis(0);
        let seen = Observation::judge(Ok(reading), freshness, Replicas::new(1), Readiness::Unknown, now);
        let is_load = value.is_finite() && value >= 0.0;
        prop_assert_eq!(seen.known().map(|sample| sample.value), is_load.then_some(value.abs()));
    }

    #[test]
    fn i09_the_same_inputs_give_the_same_outputs(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        let (one, other) = (run(&policy, current, &events), run(&policy, current, &events));
        for (one, other) in one.iter().zip(&other) {
            prop_assert_eq!(one.decision, other.decision);
            prop_assert_eq!(&one.steps, &other.steps);
            prop_assert_eq!(&one.after, &other.after);
        }
    }

    #[test]
    fn i10_the_same_moment_again_changes_nothing(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        for turn in run(&policy, current, &events) {
            let mut memory = turn.before.clone();
            let once = evaluate(&policy, &turn.workload, &turn.seen, &mut memory, turn.now, &mut NoSteps);
            let after_once = memory.clone();
            let twice = evaluate(&policy, &turn.workload, &turn.seen, &mut memory, turn.now, &mut NoSteps);
            prop_assert_eq!(once, twice);
            prop_assert_eq!(after_once, memory);
        }
    }

    #[test]
    fn i12_a_memory_stays_small(policy in any_policy(), current in 0_u32..60, seconds in 1_i64..4) {
        let mut memory = Memory::default();
        let mut count = Replicas::new(current);
        for turn in 0..3_000_i64 {
            let now = Timestamp::from_unix_millis(turn * seconds * 1000);
            let load = if turn % 40 < 20 { 0.1 } else { 1900.0 };
            let seen: Observations = std::iter::repeat_n(known(load), 3).collect();
            let decision = evaluate(&policy, &Workload::running(count), &seen, &mut memory, now, &mut NoSteps);
            memory.record_outcome(&decision, Outcome::Written, now);
            count = decision.desired();
        }
        let size = postcard::to_stdvec(&memory).unwrap().len();
        prop_assert!(size < 64 * 1024, "{} bytes", size);
    }

    #[test]
    fn i13_without_an_explanation_the_decision_is_the_same(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        for turn in run(&policy, current, &events) {
            let mut memory = turn.before.clone();
            let silent = evaluate(&policy, &turn.workload, &turn.seen, &mut memory, turn.now, &mut NoSteps);
            prop_assert_eq!(silent, turn.decision);
        }
    }

    #[test]
    fn i14_the_steps_lead_from_the_recommendation_to_the_decision(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        for turn in run(&policy, current, &events) {
            let end = turn.steps.0.iter().fold(turn.workload.current, apply);
            prop_assert_eq!(end, turn.decision.desired(), "{}", turn.steps);
            prop_assert_eq!(turn.decision.current(), turn.workload.current);
        }
    }

    #[test]
    fn i15_a_clock_that_went_back_lowers_nothing_and_forgets_nothing(policy in any_policy(), current in 1_u32..60, events in any_events(), back in 1_i64..1_000_000) {
        let turns = run(&policy, current, &events);
        let last = turns.last().unwrap();
        let now = Timestamp::from_unix_millis(last.now.unix_millis() - back);
        let mut memory = last.after.clone();
        let seen: Observations = std::iter::repeat_n(known(0.0), 3).collect();
        let current = last.decision.desired().max(policy.bounds.min()).min(policy.bounds.max());
        let had_history = memory.has_history();
        let decision = evaluate(&policy, &Workload::running(current), &seen, &mut memory, now, &mut NoSteps);
        prop_assert_ne!(decision.direction(), Some(Direction::Down));
        prop_assert!(!had_history || memory.has_history());
        prop_assert_eq!(memory.last_evaluated(), Some(now));
    }

    #[test]
    fn i18_stabilization_stays_between_the_count_and_the_recommendation(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        for turn in run(&policy, current, &events) {
            for step in &turn.steps.0 {
                if let Step::Stabilized { wanted, kept, .. } = step {
                    let count = turn.workload.current;
                    prop_assert!(count.min(*wanted) <= *kept && *kept <= count.max(*wanted));
                }
            }
        }
    }

    #[test]
    fn i27_an_unknown_metric_lowers_nothing(mut policy in any_policy(), current in 1_u32..60, events in any_events(), which in 0_usize..3) {
        let which = which % policy.metrics.len();
        policy.metrics[which].on_missing = OnMissing::Block;
        let mut events = events;
        for event in &mut events {
            event.values[which] = Observation::Missing { cause: MissingCause::Unreachable };
        }
        for turn in run(&policy, current, &events) {
            prop_assert!(turn.desired() >= turn.current().min(turn.bounds.max().get()));
        }
    }

    #[test]
    fn i28_an_empty_answer_is_not_zero(mut policy in any_policy(), current in 1_u32..40) {
        for metric in &mut policy.metrics {
            metric.on_missing = OnMissing::Block;
        }
        let mut memory = Memory::default();
        for second in 0..100 {
            let now = Timestamp::from_unix_millis(second * 15_000);
            let seen: Observations = std::iter::repeat_n(Observation::Missing { cause: MissingCause::NoData }, 3).collect();
            let decision = evaluate(&policy, &Workload::running(Replicas::new(current)), &seen, &mut memory, now, &mut NoSteps);
            prop_assert!(decision.desired().get() >= current.min(policy.bounds.max().get()));
        }
    }

    #[test]
    fn i29_what_is_known_raises_while_others_are_missing(mut policy in any_policy(), current in 1_u32..5) {
        policy.metrics.truncate(1);
        policy.metrics[0].rule = MetricRule::PerReplica(Target::new(10.0).unwrap());
        let mut missing = policy.metrics[0].clone();
        missing.name = MetricName::new("gone");
        missing.on_missing = OnMissing::Block;
        policy.metrics.push(missing);
        policy.bounds = ReplicaBounds::new(Replicas::new(1), Replicas::new(100)).unwrap();
        policy.scale_up = ScalingRules {
            stabilization: StabilizationWindow::new(Duration::ZERO).unwrap(),
            limits: ChangeLimits { select: LimitSelection::Max, limits: Vec::new() },
        };
        let seen: Observations = [known(500.0), Observation::Missing { cause: MissingCause::TimedOut }].into_iter().collect();
        let decision = evaluate(&policy, &Workload::running(Replicas::new(current)), &seen, &mut Memory::default(), Timestamp::from_unix_millis(0), &mut NoSteps);
        prop_assert_eq!(decision.desired(), Replicas::new(50));
    }

    #[test]
    fn i30_blind_for_long_enough_the_fallback_comes(mut policy in any_policy(), current in 1_u32..60, replicas in 1_u32..60, after in 0_u64..300, when in prop_oneof![Just(FallbackWhen::All), Just(FallbackWhen::Any)]) {
        for metric in &mut policy.metrics {
            metric.on_missing = OnMissing::Block;
        }
        let action = FallbackAction::AtLeast(Replicas::new(replicas));
        policy.fallback = Some(Fallback { action, after: Duration::from_secs(after), when });
        let mut memory = Memory::default();
        let seen: Observations = std::iter::repeat_n(Observation::Missing { cause: MissingCause::TimedOut }, 3).collect();
        let workload = Workload::running(Replicas::new(current));
        for millis in [0, i64::try_from(after * 1000).unwrap() - 1, i64::try_from(after * 1000).unwrap()] {
            let now = Timestamp::from_unix_millis(millis.max(0));
            let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut NoSteps);
            let wanted = if millis.max(0) >= i64::try_from(after * 1000).unwrap() { current.max(replicas) } else { current };
            prop_assert_eq!(decision.desired(), policy.bounds.clamp(Replicas::new(wanted)), "after {} ms", millis);
        }
    }

    #[test]
    fn i31_the_first_evaluation_lowers_nothing(policy in any_policy(), current in 1_u32..60, event in any_event()) {
        let turn = &run(&policy, event.external.unwrap_or(current), &[event])[0];
        prop_assert!(turn.desired() >= turn.current().min(turn.bounds.max().get()));
    }

    #[test]
    fn i32_more_load_never_means_fewer_replicas(mut policy in any_policy(), current in 1_u32..60, events in any_events(), load in 0.0..2000.0_f64, more in 0.0..2000.0_f64, which in 0_usize..3) {
        let which = which % policy.metrics.len();
        // A step rule's timers, and not its load alone, decide when it acts.
        if let MetricRule::Step(_) = policy.metrics[which].rule {
            policy.metrics[which].rule = MetricRule::PerReplica(Target::new(100.0).unwrap());
        }
        let turns = run(&policy, current, &events);
        let last = turns.last().unwrap();
        let decide = |load: f64| {
            let mut values: Vec<_> = last.seen.iter().copied().collect();
            values[which] = known(load);
            let mut memory = last.after.clone();
            let now = last.now.plus(Duration::from_secs(15));
            evaluate(&policy, &last.workload, &values.into_iter().collect(), &mut memory, now, &mut NoSteps).desired()
        };
        prop_assert!(decide(load) <= decide(load + more));
    }

    #[test]
    fn i34_another_metric_never_lowers_the_recommendation(policy in any_policy(), more in any_metric(), current in 1_u32..60, values in proptest::collection::vec(0.0..2000.0_f64, 4)) {
        let recommended = |policy: &WorkloadPolicy| {
            let seen: Observations = values.iter().copied().map(known).collect();
            let mut steps = Explanation::default();
            let workload = Workload::running(Replicas::new(current));
            evaluate(policy, &workload, &seen, &mut Memory::default(), Timestamp::from_unix_millis(0), &mut steps);
            recommended(&steps).filter(|(_, by_a_vote)| *by_a_vote).map(|(replicas, _)| replicas)
        };
        let mut larger = policy.clone();
        larger.metrics.push(MetricPolicy { name: MetricName::new("more"), ..more });
        prop_assert!(recommended(&policy).is_none_or(|before| recommended(&larger) >= Some(before)));
    }
}
