//! What holds of guards and holds: of those of one direction, of those that forbid writing, of replicas that start, and of
//! a count that others change.

use std::time::Duration;

use headroom_policy_engine::*;
use proptest::{collection::vec, option, prelude::*};

use super::world::*;

/// The most that `rules` may add in one pass to `base` replicas; `None` where there is no limit.
fn largest_step(rules: &ScalingRules, base: u32) -> Option<u32> {
    let steps = rules.limits.limits.iter().map(|limit| match limit.amount() {
        ChangeAmount::Replicas(replicas) => replicas,
        ChangeAmount::Percent(percent) => (base * percent).div_ceil(100).max(1),
    });
    match rules.limits.select {
        LimitSelection::Disabled => Some(0),
        LimitSelection::Max => steps.max(),
        LimitSelection::Min => steps.min(),
    }
}

/// Whether a stage that no limit binds raised the count.
fn is_lifted(turn: &Turn) -> bool {
    turn.has(|step| {
        let lifts = matches!(
            step,
            Step::Bounded { .. } | Step::FellBack { .. } | Step::Activated { .. }
        );
        lifts && step.change().is_some_and(|(wanted, result)| result > wanted)
    })
}

fn per_replica(target: f64) -> MetricPolicy {
    MetricPolicy::new(
        MetricName::new("load"),
        MetricKind::External,
        MetricRule::PerReplica(Target::new(target).unwrap()),
        Tolerance::new(0.0, 0.0).unwrap(),
    )
}

/// What a metric reads of `load` while `count` replicas share it: a share for rules of one replica, else all of it.
fn read(rule: &MetricRule, load: f64, count: u32) -> Observation {
    let is_shared = match rule {
        MetricRule::PerReplica(_) => false,
        MetricRule::Watermarks(marks) => marks.compared() == Compared::Value,
        MetricRule::Utilization(_) | MetricRule::Value(_) | MetricRule::Step(_) => true,
    };
    known(if is_shared {
        load / f64::from(count.max(1))
    } else {
        load
    })
}

/// Metrics whose count follows the load: no steps, and none that only raises, because what that asks for follows the
/// count that others set.
fn following(policy: &mut WorkloadPolicy) {
    for metric in &mut policy.metrics {
        if let MetricRule::Step(_) = metric.rule {
            metric.rule = MetricRule::PerReplica(Target::new(100.0).unwrap());
        }
        metric.votes = Votes::UpAndDown;
    }
}

/// Events of a world in which somebody else often raises the count, and little is asked for.
fn contested_events() -> impl Strategy<Value = Vec<Event>> {
    let event = (
        any_event(),
        1_000_i64..20_000,
        vec(0.0..200.0_f64, 3),
        option::weighted(0.2, 20_u32..60),
    );
    let event = event.prop_map(|(event, millis, values, external)| Event {
        millis,
        values: values.into_iter().map(known).collect(),
        external,
        readiness: Readiness::Unknown,
        ..event
    });
    vec(event, 1..80)
}

/// One core is asked for by each pod. `ready` of them use so many thousandths; the others are starting, with what they use
/// meanwhile.
fn starting_pods(ready: u32, usage: u32, others: u32, burning: Option<i64>, now: Timestamp) -> Pods {
    let cpu = |amount| Amounts::default().with(Resource::Cpu, Milli::new(amount));
    let container = Container {
        id: ContainerId(0),
        requests: cpu(1000),
    };
    let long_ago = now.minus(Duration::from_secs(36_000));
    let serving = Pod {
        started_at: Some(long_ago),
        ready: Some(ReadyCondition {
            status: ConditionStatus::True,
            since: long_ago,
        }),
        ..Pod::running(vec![container])
    };
    let started = now.minus(Duration::from_secs(20));
    let starting = Pod {
        started_at: Some(started),
        ready: Some(ReadyCondition {
            status: ConditionStatus::False,
            since: started,
        }),
        ..serving.clone()
    };
    let used = |usage| PodUsage {
        measured_at: now,
        window: Duration::from_secs(30),
        containers: vec![ContainerUsage {
            id: ContainerId(0),
            usage: cpu(usage),
        }],
    };
    let count = |count: u32| usize::try_from(count).unwrap();
    let (ready, others) = (count(ready), count(others));
    let mut pods = vec![serving; ready];
    pods.extend(vec![starting; others]);
    let mut of_pods = vec![Some(used(usage.into())); ready];
    of_pods.extend(vec![burning.map(used); others]);
    let usage = PerPod {
        of_pods,
        strangers: Vec::new(),
    };
    Pods {
        pods,
        samples: vec![Some(MetricSamples::Usage(usage))],
    }
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
                let forbid = |hold: &&Hold| hold.held() == Held::Writing && hold.is_in_force(turn.now);
                let reasons: Vec<_> = turn.workload.holds.iter().filter(forbid).map(Hold::reason).collect();
                prop_assert!(reasons.contains(&turn.decision.reason()), "{:?}", turn.decision);
            }
        }
    }

    #[test]
    fn a_hold_that_forbids_writing_changes_no_memory(policy in any_policy(), semantics in any_semantics(), current in 0_u32..60, events in any_events()) {
        let policy = WorkloadPolicy { semantics, ..policy };
        for turn in run(&policy, current, &events) {
            let mut free = turn.workload.clone();
            free.holds.retain(|hold| hold.held() != Held::Writing);
            let (mut held, mut unheld) = (turn.before.clone(), turn.before.clone());
            evaluate(&policy, &turn.workload, &turn.seen, &mut held, turn.now, &mut NoSteps);
            evaluate(&policy, &free, &turn.seen, &mut unheld, turn.now, &mut NoSteps);
            prop_assert_eq!(held, unheld);
        }
    }

    #[test]
    fn i23_what_is_wanted_for_long_enough_is_given(
        mut policy in any_policy(), before in any_events(), start in 0_u32..60, count in 0_u32..60, more in 1_u32..50, values in vec(0.0..2000.0_f64, 3), spacing in 1_u64..30,
    ) {
        policy.metrics[0] = MetricPolicy { name: policy.metrics[0].name.clone(), activation: policy.metrics[0].activation, ..per_replica(100.0) };
        if policy.scale_up.limits.select == LimitSelection::Disabled {
            policy.scale_up.limits.select = LimitSelection::Min;
        }
        let count = count.min(policy.bounds.max().get() - 1);
        let turns = run(&policy, start, &before);
        let last = turns.last().unwrap();
        let (mut memory, mut now) = (last.after.clone(), last.now);
        let periods = policy.scale_up.limits.limits.iter().map(|limit| limit.period());
        let longest = periods.max().unwrap_or_default().max(policy.scale_up.stabilization.get());
        let end = now.plus(longest).plus(Duration::from_secs(2 * spacing));
        // Nobody turned it off.
        let workload = Workload { origin: CountOrigin::WrittenByHeadroom, ..Workload::running(Replicas::new(count)) };
        let mut seen: Vec<_> = values.into_iter().map(known).collect();
        seen[0] = known(100.0 * f64::from(count + more));
        seen.truncate(policy.metrics.len());
        let seen: Observations = seen.into_iter().collect();
        loop {
            prop_assert!(now <= end, "nothing was added to {count} within {longest:?}");
            now = now.plus(Duration::from_secs(spacing));
            let mut steps = Explanation::default();
            let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut steps);
            prop_assert!(recommended(&steps).unwrap().0.get() > count);
            if decision.direction() == Some(Direction::Up) {
                break;
            }
            prop_assert_eq!(decision.direction(), None, "{}", steps);
        }
    }

    #[test]
    fn i25_under_a_constant_load_everything_comes_to_rest(mut policy in any_policy(), before in any_events(), start in 1_u32..60, loads in vec(prop_oneof![1 => Just(0.0), 8 => 0.0..2000.0_f64], 3), spacing in 20_u64..40) {
        following(&mut policy);
        let turns = run(&policy, start, &before);
        let last = turns.last().unwrap();
        let (mut memory, mut now, mut count) = (last.after.clone(), last.now, last.decision.desired());
        let from_now = now;
        // Reversals are forgotten, a fallback is recovered from, the windows are known, and every replica had its period.
        let settled = Duration::from_secs(3600 + 300 + 400 + 60 * 200);
        while now.since(from_now) < settled + Duration::from_secs(2000) {
            now = now.plus(Duration::from_secs(spacing));
            let workload = Workload { origin: CountOrigin::WrittenByHeadroom, ..Workload::running(count) };
            let seen = policy.metrics.iter().zip(&loads).map(|(metric, load)| read(&metric.rule, *load, count.get()));
            let mut steps = Explanation::default();
            let decision = evaluate(&policy, &workload, &seen.collect(), &mut memory, now, &mut steps);
            memory.record_outcome(&decision, Outcome::Written, now);
            count = decision.desired();
            prop_assert!(decision.direction().is_none() || now.since(from_now) < settled, "after {:?} {decision}: {steps}", now.since(from_now));
        }
    }

    #[test]
    fn i25_noise_within_the_tolerance_turns_nothing_around(
        mut policy in any_policy(), start in 1_u32..80, need in 20_u32..50, noise in vec(vec(-0.02..0.02_f64, 3), 120), up in 0.1..0.3_f64, down in 0.1..0.3_f64,
    ) {
        following(&mut policy);
        policy.bounds = ReplicaBounds::new(Replicas::new(1), Replicas::new(100)).unwrap();
        policy.zero = None;
        for metric in &mut policy.metrics {
            metric.rule = MetricRule::PerReplica(Target::new(10.0).unwrap());
            metric.tolerance = Tolerance::new(up, down).unwrap();
        }
        let calm = |values: Vec<f64>| Event {
            millis: 15_000,
            values: values.into_iter().map(|noise| known(f64::from(need) * 10.0 * (1.0 + noise))).collect(),
            external: None,
            outcome: Outcome::Written,
            readiness: Readiness::Unknown,
            holds: Vec::new(),
            bounds: ActiveBounds::default(),
            origin: CountOrigin::Read,
        };
        let events: Vec<_> = noise.into_iter().map(calm).collect();
        let directions = run(&policy, start, &events).into_iter().filter_map(|turn| turn.decision.direction());
        let directions: Vec<_> = directions.collect();
        prop_assert!(directions.windows(2).all(|pair| pair[0] == pair[1]), "{directions:?}");
    }

    #[test]
    fn i26_replicas_that_start_are_counted_and_ask_for_no_more(
        mut policy in any_policy(), semantics in any_semantics(), of_pods in any::<bool>(), limited in any::<bool>(), ready in 1_u32..30, usage in 1_u32..4000, burning in option::of(0_i64..4000), percent in 5_u32..100,
    ) {
        policy.semantics = semantics;
        policy.fallback = None;
        policy.zero = None;
        policy.bounds = ReplicaBounds::new(Replicas::new(1), Replicas::LIMIT).unwrap();
        policy.scale_up.limits.select = LimitSelection::Max;
        if !limited {
            policy.scale_up.limits.limits = vec![ChangeLimit::new(ChangeAmount::Replicas(1_000_000), Duration::from_secs(1)).unwrap()];
        }
        let share = f64::from(percent) / 100.0;
        let kind = if of_pods { MetricKind::Resource(Resource::Cpu) } else { MetricKind::External };
        let rule = if of_pods { MetricRule::Utilization(TargetUtilization::new(share).unwrap()) } else { MetricRule::PerReplica(Target::new(share).unwrap()) };
        policy.metrics = vec![MetricPolicy { kind, rule, ..per_replica(1.0) }];
        let cores = f64::from(usage * ready) / 1000.0;
        // The HPA's floats may take a whole count for a hair more.
        let need = (ready * usage * 100).div_ceil(1000 * percent) + 1;
        let (mut memory, mut count, mut raised_to) = (Memory::default(), Replicas::new(ready), None);
        for round in 0..40_i64 {
            let now = Timestamp::from_unix_millis(BEGIN + round * 15_000);
            let others = count.get().saturating_sub(ready);
            let workload = Workload {
                observed: Some(count),
                readiness: Readiness::Known { ready: Replicas::new(ready), longest_unready: (others > 0).then_some(Duration::from_secs(20)) },
                ..Workload::running(count)
            };
            let workload = memory.begin(&policy, Ok(workload), now).unwrap();
            let mut seen: Observations = [known(cores)].into_iter().collect();
            if of_pods {
                seen = seen.with_pods(starting_pods(ready, usage, others, burning, now));
            }
            let mut steps = Explanation::default();
            let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut steps);
            memory.record_outcome(&decision, Outcome::Written, now);
            count = decision.desired();
            prop_assert!(count.get() <= need.max(ready), "{count} of {need}: {steps}");
            if decision.direction() == Some(Direction::Up) {
                prop_assert!(limited || semantics == Semantics::Hpa(HpaPath::WithoutBehavior) || raised_to.is_none(), "{raised_to:?} was not enough: {steps}");
                raised_to = Some(count);
            }
        }
    }

    #[test]
    fn i43_what_others_raise_is_lowered_once_in_a_window(mut policy in any_policy(), window in 0_u64..60, current in 0_u32..60, events in contested_events()) {
        policy.scale_down.stabilization = StabilizationWindow::new(Duration::from_secs(window)).unwrap();
        let (mut written, mut lowered): (Option<u32>, Option<Timestamp>) = (None, None);
        for turn in run(&policy, current, &events) {
            let is_corrective = turn.decision.direction() == Some(Direction::Down) && written.is_some_and(|written| written < turn.current());
            if is_corrective && !turn.is_exempt() {
                let ago = lowered.map(|at| turn.now.since(at));
                prop_assert!(ago.is_none_or(|ago| ago >= Duration::from_secs(window)), "again after {ago:?}: {}", turn.steps);
            }
            if turn.outcome == Outcome::Written && turn.decision.direction().is_some() {
                written = Some(turn.desired());
                lowered = if is_corrective { Some(turn.now) } else { lowered };
            }
        }
    }

    #[test]
    fn i43_what_is_reckoned_with_is_the_count_that_is_there(mut policy in any_policy(), current in 0_u32..60, events in any_events()) {
        policy.metrics.retain(|metric| !matches!(metric.rule, MetricRule::Step(_)));
        policy.zero = None;
        for turn in run(&policy, current, &events) {
            prop_assert_eq!(turn.decision.current(), turn.workload.current);
            let mut steps = Explanation::default();
            evaluate(&policy, &turn.workload, &turn.seen, &mut Memory::default(), turn.now, &mut steps);
            prop_assert_eq!(recommended(&steps), recommended(&turn.steps), "as by one that never set a count");
        }
    }

    #[test]
    fn i44_replicas_that_stay_unready_stop_the_growth_and_are_told_of(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        let turns = run(&policy, current, &events);
        let mut removed = 0;
        for turn in &turns {
            let Readiness::Known { ready, longest_unready: Some(starting) } = turn.workload.readiness else { continue };
            let conditions = RaisedCondition::of(&policy, &turn.workload, &turn.before, turn.now);
            let is_told = conditions.contains(&RaisedCondition::NotBecomingReady { ready, starting_for: starting });
            prop_assert_eq!(is_told, starting > 3 * policy.guards.startup);
            if is_told && !is_lifted(turn) {
                // Percents are of the count at the beginning of a period, which what was removed since is part of.
                let step = largest_step(&policy.scale_up, ready.get() + removed).unwrap_or(1);
                let most = (ready.get() + step).max(turn.current());
                prop_assert!(turn.desired() <= most, "{} above {most}: {}", turn.desired(), turn.steps);
            }
            if turn.outcome == Outcome::Written {
                removed += turn.current().saturating_sub(turn.desired());
            }
        }
    }

    #[test]
    fn i45_one_pass_adds_no_more_than_a_limit_says(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        for turn in run(&policy, current, &events) {
            if let Some(step) = largest_step(&policy.scale_up, turn.current()) && !is_lifted(&turn) {
                prop_assert!(turn.desired() <= turn.current() + step, "{}", turn.steps);
            }
        }
    }

    #[test]
    fn i46_another_policy_keeps_what_is_remembered_valid(one in any_policy(), other in any_policy(), semantics in any_semantics(), at in 0_usize..40, back in 0_usize..40, current in 0_u32..60, events in any_events()) {
        let other = WorkloadPolicy { semantics, ..other };
        let policy = |number| if (at..at + back).contains(&number) { &other } else { &one };
        let turns = run_under(policy, current, &events, |memory| postcard::from_bytes(&postcard::to_stdvec(&memory).unwrap()).unwrap());
        for (number, turn) in turns.iter().enumerate() {
            let policy = policy(number);
            let end = turn.steps.0.iter().fold(turn.workload.current, super::invariants::apply);
            prop_assert_eq!(end, turn.decision.desired(), "{}", turn.steps);
            let is_free = turn.has(|step| matches!(step, Step::Forbidden { .. }));
            let rests = turn.desired() == 0 && policy.zero.is_some() && turn.workload.bounds.floor.is_none();
            let kept = policy.semantics != Semantics::Headroom && turn.desired() == turn.current();
            prop_assert!(is_free || rests || kept || turn.bounds.contains(turn.decision.desired()), "{:?}", turn.decision);
            prop_assert!(postcard::to_stdvec(&turn.after).unwrap().len() < 64 * 1024);
        }
    }

    #[test]
    fn i46_an_equal_policy_changes_nothing(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        let mut read_again = policy.clone();
        for metric in &mut read_again.metrics {
            metric.name = MetricName::new(metric.name.as_str());
        }
        let throughout = run(&policy, current, &events);
        let reloaded = run_under(|number| if number % 2 == 0 { &policy } else { &read_again }, current, &events, |memory| memory);
        for (one, other) in throughout.iter().zip(&reloaded) {
            prop_assert_eq!(one.decision, other.decision);
            prop_assert_eq!(&one.steps, &other.steps);
            prop_assert_eq!(&one.after, &other.after);
        }
    }

    #[test]
    fn deciding_again_with_a_hold_on_scaling_down_is_as_having_held_from_the_start(policy in any_policy(), semantics in any_semantics(), current in 0_u32..60, events in any_events()) {
        let policy = WorkloadPolicy { semantics, ..policy };
        for turn in run(&policy, current, &events) {
            let mut workload = turn.workload.clone();
            let (mut again, mut at_once) = (turn.before.clone(), turn.before.clone());
            evaluate(&policy, &workload, &turn.seen, &mut again, turn.now, &mut NoSteps);
            workload.holds.push(Hold::FleetBrake { until: turn.now.plus(Duration::from_secs(600)) });
            let (mut told_again, mut told) = (Explanation::default(), Explanation::default());
            let decided = evaluate(&policy, &workload, &turn.seen, &mut again, turn.now, &mut told_again);
            let expected = evaluate(&policy, &workload, &turn.seen, &mut at_once, turn.now, &mut told);
            prop_assert_eq!(decided, expected);
            prop_assert_eq!(told_again, told);
            prop_assert_eq!(again, at_once);
        }
    }
}
