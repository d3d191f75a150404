//! A log that is rebuilt from the past decides as one that was there, as far as anyone can tell.

use headroom_policy_engine::*;
use proptest::{collection::vec, prelude::*};

use super::world::*;

/// Policies whose log can be rebuilt.
fn any_rebuildable() -> impl Strategy<Value = WorkloadPolicy> {
    let target = |value| Target::new(value).unwrap();
    let marks = move |(low, more)| {
        let marks = Watermarks::new(Compared::PerReplica, target(low), target(low + more));
        MetricRule::Watermarks(marks.unwrap())
    };
    let rule = prop_oneof![
        3 => (5.0..300.0_f64).prop_map(move |value| MetricRule::PerReplica(target(value))),
        1 => (5.0..300.0_f64, 1.0..100.0_f64).prop_map(marks),
    ];
    let metric = (rule, any_metric()).prop_map(|(rule, metric)| MetricPolicy {
        rule,
        votes: Votes::UpAndDown,
        ..metric
    });
    (any_policy(), vec(metric, 1..4)).prop_map(|(mut policy, mut metrics)| {
        for (index, metric) in metrics.iter_mut().enumerate() {
            metric.name = MetricName::new(&format!("m{index}"));
        }
        policy.metrics = metrics;
        policy.scale_down.limits = ChangeLimits {
            select: LimitSelection::Max,
            limits: Vec::new(),
        };
        policy
    })
}

/// What is seen at each of some moments, one interval apart; the last is now.
fn any_past() -> impl Strategy<Value = Vec<Vec<Observation>>> {
    let calm = vec(0.0..2000.0_f64, 3).prop_map(|values| values.into_iter().map(known).collect());
    let low = vec(0.0..200.0_f64, 3).prop_map(|values| values.into_iter().map(known).collect());
    let wild = vec(any_observation(), 3);
    let all = |seen: BoxedStrategy<Vec<Observation>>| vec(seen, 2..60);
    prop_oneof![
        2 => all(calm.boxed()),
        2 => all(low.boxed()),
        1 => all(wild.boxed()),
    ]
}

fn at(policy: &WorkloadPolicy, number: usize) -> Timestamp {
    let interval = i64::try_from(policy.interval.get().as_millis()).unwrap();
    Timestamp::from_unix_millis(BEGIN + interval * i64::try_from(number).unwrap())
}

fn seen(policy: &WorkloadPolicy, all: &[Observation]) -> Observations {
    all[..policy.metrics.len()].iter().copied().collect()
}

/// The decision on the last of `past`, with a log rebuilt from those before; nothing where that is refused.
fn rebuilt(policy: &WorkloadPolicy, current: u32, past: &[Vec<Observation>]) -> Option<Decision> {
    let workload = Workload::running(Replicas::new(current));
    let (last, before) = past.split_last().unwrap();
    let moments = before.iter().enumerate();
    let moments = moments.map(|(number, all)| (at(policy, number), seen(policy, all)));
    let mut memory = Memory::default();
    memory.rebuild(policy, &workload, moments).ok()?;
    let now = at(policy, before.len());
    Some(evaluate(
        policy,
        &workload,
        &seen(policy, last),
        &mut memory,
        now,
        &mut NoSteps,
    ))
}

/// The decision on the last of `past` of one that lived through all of it, where the counts were `counts`.
fn lived(policy: &WorkloadPolicy, counts: &[u32], past: &[Vec<Observation>]) -> Decision {
    let mut memory = Memory::default();
    let mut decision = None;
    for (number, all) in past.iter().enumerate() {
        let workload = Workload::running(Replicas::new(counts[number]));
        let now = at(policy, number);
        decision = Some(evaluate(
            policy,
            &workload,
            &seen(policy, all),
            &mut memory,
            now,
            &mut NoSteps,
        ));
    }
    decision.unwrap()
}

proptest! {
    #[test]
    fn a_rebuilt_log_moves_no_count_further_than_a_lived_one_whatever_the_counts_were(
        policy in any_rebuildable(),
        past in any_past(),
        counts in vec(0_u32..50, 60),
    ) {
        let most = policy.bounds.max().get();
        let counts: Vec<u32> = counts.iter().map(|&count| count.min(most)).collect();
        let current = counts[past.len() - 1];
        if let Some(rebuilt) = rebuilt(&policy, current, &past) {
            let (moved, lived) = (rebuilt.desired(), lived(&policy, &counts, &past).desired());
            match rebuilt.direction() {
                Some(Direction::Down) => prop_assert!(moved >= lived, "{moved} below {lived}"),
                Some(Direction::Up) => prop_assert!(moved <= lived, "{moved} above {lived}"),
                None => {}
            }
        }
    }

    #[test]
    fn without_tolerance_and_marks_a_rebuilt_log_decides_exactly_as_a_lived_one(
        mut policy in any_rebuildable(),
        past in any_past(),
        counts in vec(0_u32..50, 60),
    ) {
        for metric in &mut policy.metrics {
            if let MetricRule::Watermarks(marks) = metric.rule {
                metric.rule = MetricRule::PerReplica(marks.high());
            }
            metric.tolerance = Tolerance::new(0.0, 0.0).unwrap();
            metric.on_missing = OnMissing::Block;
        }
        let whole = past.iter().all(|all| all.iter().all(|seen| matches!(seen, Observation::Fresh(_))));
        let most = policy.bounds.max().get();
        let counts: Vec<u32> = counts.iter().map(|&count| count.min(most)).collect();
        if let Some(rebuilt) = rebuilt(&policy, counts[past.len() - 1], &past) && whole {
            prop_assert_eq!(rebuilt, lived(&policy, &counts, &past));
        }
    }

    #[test]
    fn who_lost_the_memory_lowers_no_further_than_who_kept_it(
        mut policy in any_rebuildable(),
        current in 0_u32..50,
        past in any_past(),
    ) {
        policy.fallback = None;
        // Reversals are not of the log: the guard against flapping begins anew.
        policy.guards.max_reversals = u32::MAX;
        // The one that keeps its memory writes all its decisions.
        let interval = i64::try_from(policy.interval.get().as_millis()).unwrap();
        let events: Vec<Event> = past.iter().map(|values| Event {
            millis: interval,
            values: values.clone(),
            external: None,
            outcome: Outcome::Written,
            readiness: Readiness::Unknown,
            origin: CountOrigin::Read,
            holds: Vec::new(),
            bounds: ActiveBounds::default(),
        }).collect();
        let turns = run(&policy, current, &events);
        let kept = turns.last().unwrap();
        if let Some(lost) = rebuilt(&policy, kept.current(), &past) && lost.direction() == Some(Direction::Down) {
            prop_assert!(lost.desired() >= kept.decision.desired(), "{} below {}", lost.desired(), kept.decision.desired());
        }
    }
}
