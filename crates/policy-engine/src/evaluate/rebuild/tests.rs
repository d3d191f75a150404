use super::*;
use crate::{
    ChangeAmount, ChangeLimit, Coverage, Decision, Explanation, Fallback, FallbackAction, FallbackWhen,
    HpaPath, LimitSelection, Observation, OnMissing, Reason, Sample, StabilizationWindow, Step, Target,
    TargetUtilization, Tolerance, Watermarks,
    evaluate::world::{GONE, World, fresh, metric, rules},
};

const WINDOW: u64 = 300;

fn world(current: u32) -> World {
    let mut world = World::new(current, vec![metric("load")]);
    world.policy.scale_down = rules(WINDOW);
    world
}

/// What is decided on a load of 200 (two replicas) after `past`, 15 seconds apart up to now, was rebuilt from.
fn decide(world: &mut World, past: &[Observation]) -> Result<Decision, Inexact> {
    let count = u64::try_from(past.len()).unwrap();
    let first = world.now;
    let moments = (0..count).map(|number| first.plus(Duration::from_secs(number * 15)));
    let past = moments.zip(past.iter().map(|&seen| [seen].into_iter().collect()));
    world
        .memory
        .rebuild(&world.policy, &world.workload.clone(), past)?;
    Ok(world.look(count * 15, &[fresh(200.0)]))
}

#[track_caller]
fn check(past: &[Observation], expected: u32) {
    let decision = decide(&mut world(10), past).unwrap();
    assert_eq!(decision.desired(), Replicas::new(expected));
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut WorkloadPolicy), because: &str) {
    let mut world = world(10);
    change(&mut world.policy);
    let refused = Memory::past_needed(&world.policy).unwrap_err();
    assert!(refused.to_string().contains(because), "{refused}");
    assert_eq!(decide(&mut world, &[fresh(200.0); 21]), Err(refused));
    assert!(!world.memory.has_history());
}

#[test]
fn falls_at_once_to_what_the_whole_window_allows() {
    check(&[fresh(200.0); 21], 2);
    let mut peak = [fresh(200.0); 21];
    peak[3] = fresh(510.0);
    check(&peak, 6);
}

#[test]
fn what_was_missing_stays_a_gap() {
    let mut gap = [fresh(200.0); 21];
    // The one before reaches 30 s, to 75 s; the next one is at 135 s. So 240 s of the 300 are covered.
    gap[4..9].fill(GONE);
    check(&gap, 2);
    gap[9] = GONE;
    check(&gap, 10);
    check(&[fresh(200.0); 8], 10);
}

#[test]
fn what_was_measured_in_part_keeps_the_count_up() {
    let mut partial = [fresh(200.0); 21];
    partial[10] = Observation::Partial(Sample {
        value: 200.0,
        measured_at: None,
        coverage: Coverage::default(),
    });
    check(&partial, 10);
}

#[test]
fn where_the_tolerance_would_have_kept_a_count_the_highest_of_them_counts() {
    let mut world = world(60);
    world.policy.metrics[0].tolerance = Tolerance::TENTH;
    // 46 replicas fit, and 42 to 51 would have been left as they were.
    let decision = decide(&mut world, &[fresh(4600.0); 21]).unwrap();
    assert_eq!(decision.desired(), Replicas::new(51));
}

#[test]
fn a_memory_with_history_is_left_as_it_is() {
    let mut world = world(10);
    world.look(15, &[fresh(1000.0)]);
    let before = world.memory.clone();
    let past = [(world.now, [fresh(200.0)].into_iter().collect())];
    world
        .memory
        .rebuild(&world.policy, &world.workload.clone(), past)
        .unwrap();
    assert_eq!(world.memory, before);
}

#[test]
fn leaves_the_usual_spacing_to_the_passes_that_there_are() {
    let mut world = world(10);
    decide(&mut world, &[fresh(200.0); 21]).unwrap();
    assert_eq!(world.memory.usual_spacing(), None);
    // Two minutes later, as cron has it, the window is still covered.
    assert_eq!(
        world.look(120, &[fresh(200.0)]).desired(),
        Replicas::new(2),
        "the count is still 10"
    );
}

#[test]
fn is_not_told_where_the_count_that_there_was_matters() {
    let on =
        |metric: fn(&mut MetricPolicy)| move |policy: &mut WorkloadPolicy| metric(&mut policy.metrics[0]);
    let count = "what load asks for depends on the count that there was";
    check_refused(
        on(|metric| metric.rule = MetricRule::Value(Target::new(100.0).unwrap())),
        count,
    );
    check_refused(
        on(|metric| metric.rule = MetricRule::Utilization(TargetUtilization::new(0.7).unwrap())),
        count,
    );
    check_refused(on(|metric| metric.votes = Votes::UpOnly), count);
    check_refused(on(|metric| metric.kind = crate::MetricKind::Pods), count);
    check_refused(
        |policy| policy.semantics = Semantics::Hpa(HpaPath::WithBehavior),
        "the HPA's semantics begin anew",
    );
}

#[test]
fn is_not_told_where_earlier_falls_would_hold_this_one_back() {
    let limits = |select, amount, period| {
        move |policy: &mut WorkloadPolicy| {
            let limit = ChangeLimit::new(amount, Duration::from_secs(period)).unwrap();
            policy.scale_down.limits.select = select;
            policy.scale_down.limits.limits.push(limit);
        }
    };
    let (max, changes) = (LimitSelection::Max, "a change limit of scale_down");
    check_refused(limits(max, ChangeAmount::Replicas(100), 60), changes);
    check_refused(limits(max, ChangeAmount::Percent(99), 60), changes);
    check_refused(limits(max, ChangeAmount::Percent(100), 301), changes);
    let mut world = world(10);
    limits(max, ChangeAmount::Percent(100), 300)(&mut world.policy);
    assert_eq!(
        decide(&mut world, &[fresh(200.0); 21]).unwrap().desired(),
        Replicas::new(2)
    );
    limits(LimitSelection::Min, ChangeAmount::Replicas(1), 60)(&mut world.policy);
    assert_eq!(Memory::past_needed(&world.policy), Err(Inexact::Changes));
    world.policy.scale_down.limits.select = LimitSelection::Disabled;
    assert_eq!(
        Memory::past_needed(&world.policy),
        Ok(Duration::from_secs(WINDOW))
    );
}

#[test]
fn is_not_told_where_a_fallback_may_have_been_in_force() {
    let mut world = world(10);
    world.policy.fallback = Some(Fallback {
        action: FallbackAction::AtLeast(Replicas::new(4)),
        after: Duration::from_secs(600),
        when: FallbackWhen::All,
    });
    assert_eq!(
        Memory::past_needed(&world.policy),
        Ok(Duration::from_secs(600)),
        "so long it holds on after the load is known again"
    );
    let mut past = [fresh(200.0); 41];
    past[1] = GONE;
    assert_eq!(decide(&mut world, &past), Err(Inexact::Fallback));
    assert!(!world.memory.has_history());
    past[1] = fresh(200.0);
    let decision = decide(&mut world, &past).unwrap();
    assert_eq!(
        (decision.desired(), decision.reason()),
        (Replicas::new(2), Reason::BelowTarget)
    );
}

#[test]
fn a_past_of_which_nothing_is_known_is_none() {
    assert_eq!(decide(&mut world(10), &[GONE; 21]), Err(Inexact::Unknown));
    assert_eq!(decide(&mut world(10), &[]), Err(Inexact::Unknown));
}

#[test]
fn a_rise_waits_for_its_window_as_if_there_had_been_passes() {
    let mut world = world(1);
    world.policy.scale_up.stabilization = StabilizationWindow::new(Duration::from_secs(60)).unwrap();
    let decision = decide(&mut world, &[fresh(100.0); 21]).unwrap();
    assert_eq!(decision.reason(), Reason::Stabilizing);
}

#[test]
fn a_metric_that_is_ignored_while_unknown_covers_and_says_nothing() {
    let mut world = World::new(10, vec![metric("load"), metric("queue")]);
    world.policy.scale_down = rules(WINDOW);
    world.policy.metrics[1].on_missing = OnMissing::Ignore;
    let first = world.now;
    let past = (0..21).map(|number| {
        let seen = [fresh(200.0), GONE].into_iter().collect();
        (first.plus(Duration::from_secs(number * 15)), seen)
    });
    let workload = world.workload.clone();
    world.memory.rebuild(&world.policy, &workload, past).unwrap();
    let decision = world.look(21 * 15, &[fresh(200.0), GONE]);
    assert_eq!(decision.desired(), Replicas::new(2));
}

/// What each count from zero to the most would have had for a recommendation.
fn each(policy: &WorkloadPolicy, seen: &Observations) -> Vec<Replicas> {
    let most = policy.bounds.max().get();
    let recommended = |count| {
        let workload = Workload::running(Replicas::new(count));
        let (memory, now) = (&mut Memory::default(), Timestamp::from_unix_millis(0));
        let mut steps = Explanation::default();
        evaluate(policy, &workload, seen, memory, now, &mut steps);
        steps.0.iter().rev().find_map(|step| {
            if let Step::Combined { replicas, .. } | Step::KeptForGroup { kept: replicas, .. } = step {
                Some(*replicas)
            } else {
                None
            }
        })
    };
    (0..=most).map(|count| recommended(count).unwrap()).collect()
}

fn marks(low: f64, high: f64) -> MetricRule {
    let target = |mark| Target::new(mark).unwrap();
    MetricRule::Watermarks(Watermarks::new(Compared::PerReplica, target(low), target(high)).unwrap())
}

/// Two metrics, with each tolerance and each pair of marks at least once.
fn policies() -> Vec<WorkloadPolicy> {
    let of_two = |change: &dyn Fn(&mut MetricPolicy, &mut MetricPolicy)| {
        let mut policy = World::new(1, vec![metric("a"), metric("b")]).policy;
        let [one, other] = &mut policy.metrics[..] else {
            panic!("two")
        };
        change(one, other);
        policy
    };
    let tolerances = [(0.0, 0.1), (0.1, 0.35), (0.35, 1.5), (1.5, 0.0)];
    let mut all: Vec<_> = tolerances
        .iter()
        .map(|&(up, down)| {
            of_two(&|one, other| {
                one.tolerance = Tolerance::new(up, down).unwrap();
                other.tolerance = Tolerance::new(down, up).unwrap();
            })
        })
        .collect();
    all.push(of_two(&|one, other| {
        one.rule = marks(60.0, 120.0);
        other.tolerance = Tolerance::TENTH;
    }));
    all.push(of_two(&|one, other| {
        one.rule = marks(60.0, 120.0);
        other.rule = marks(99.0, 100.0);
    }));
    let group = Some(crate::GroupName::new("app"));
    let grouped: Vec<_> = all
        .iter()
        .cloned()
        .map(|mut policy| {
            for metric in &mut policy.metrics {
                metric.group.clone_from(&group);
            }
            policy.metrics[0].on_missing = OnMissing::Ignore;
            policy
        })
        .collect();
    all.extend(grouped);
    all
}

#[test]
fn the_ends_are_those_of_all_counts() {
    let loads = [0.0, 1.0, 99.0, 100.0, 440.0, 1310.0, 4600.0, 9900.0, 1e9];
    let partial = |load| {
        Observation::Partial(Sample {
            value: load,
            measured_at: None,
            coverage: Coverage::default(),
        })
    };
    for policy in policies() {
        for (one, other) in loads.iter().flat_map(|one| loads.map(|other| (*one, other))) {
            for seen in [
                [fresh(one), fresh(other)],
                [partial(one), fresh(other)],
                [partial(one), partial(other)],
                [GONE, fresh(other)],
            ] {
                let seen: Observations = seen.into_iter().collect();
                let all = each(&policy, &seen);
                let ends = [*all.iter().min().unwrap(), *all.iter().max().unwrap()];
                let workload = Workload::running(Replicas::new(1));
                let got = possible(&policy, &workload, &seen, Timestamp::from_unix_millis(0));
                assert_eq!(got, Some(ends), "{:?} {seen:?}", policy.metrics);
            }
        }
    }
}
