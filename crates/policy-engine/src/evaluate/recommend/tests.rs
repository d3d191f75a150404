use std::time::Duration;

use super::{target::round_up, *};
use crate::{
    Breach, ChangeLimits, Explanation, Guards, HpaPath, LimitSelection, MetricKind, ReplicaBounds, Sample,
    ScalingRules, Semantics, StabilizationWindow, StepRule, Target, TargetUtilization, Timestamp, Tolerance,
    Votes, Workload, WorkloadPolicy, evaluate,
};

fn fresh(value: f64) -> Observation {
    Observation::Fresh(Sample {
        value,
        measured_at: None,
        coverage: Default::default(),
    })
}

fn missing(cause: MissingCause) -> Observation {
    Observation::Missing { cause }
}

fn metric(rule: MetricRule) -> MetricPolicy {
    MetricPolicy::new(
        MetricName::new("load"),
        MetricKind::External,
        rule,
        Tolerance::new(0.1, 0.1).unwrap(),
    )
}

fn policy(metric: MetricPolicy) -> WorkloadPolicy {
    let window = |seconds| ScalingRules {
        stabilization: StabilizationWindow::new(Duration::from_secs(seconds)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: Vec::new(),
        },
    };
    WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(Replicas::new(1), Replicas::new(100)).unwrap(),
        zero: None,
        metrics: vec![metric],
        scale_up: window(0),
        scale_down: window(300),
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: 4,
        },
        interval: crate::EvaluationInterval::new(Duration::from_secs(15)).unwrap(),
    }
}

/// Evaluates once a value at its second and returns each proposal.
fn proposals(metric: MetricPolicy, current: u32, seen: &[(i64, Observation)]) -> Vec<Proposal> {
    let policy = policy(metric);
    let mut memory = Memory::default();
    seen.iter()
        .map(|&(second, observation)| {
            let mut steps = Explanation::default();
            let workload = Workload::running(Replicas::new(current));
            let now = Timestamp::from_unix_millis(second * 1000);
            evaluate(
                &policy,
                &workload,
                &[observation].into_iter().collect(),
                &mut memory,
                now,
                &mut steps,
            );
            let Step::Recommended { proposal, .. } = &steps.0[0] else {
                panic!("{steps:?}")
            };
            *proposal
        })
        .collect()
}

fn replicas(count: u32) -> Proposal {
    Proposal::Replicas(Replicas::new(count))
}

#[track_caller]
fn check(rule: MetricRule, current: u32, value: f64, expected: u32) {
    let got = proposals(metric(rule), current, &[(0, fresh(value))]);
    assert_eq!(got, [replicas(expected)], "{current} replicas at {value}");
}

fn utilization(target: f64) -> MetricRule {
    MetricRule::Utilization(TargetUtilization::new(target).unwrap())
}

fn per_replica(target: f64) -> MetricRule {
    MetricRule::PerReplica(Target::new(target).unwrap())
}

#[test]
fn utilization_follows_in_proportion_and_rounds_up() {
    check(utilization(0.5), 4, 0.75, 6);
    check(utilization(0.5), 4, 0.76, 7);
    check(utilization(0.5), 10, 0.2, 4);
    check(utilization(0.5), 0, 0.9, 0);
}

#[test]
fn float_noise_above_a_whole_number_is_not_load() {
    // 10 × 1.1 / 0.5 and the like come out a hair above the whole number.
    check(utilization(0.7), 10, 0.84, 12);
    check(per_replica(0.1), 1, 0.3, 3);
    assert_eq!(round_up(3.000_000_000_000_000_4), Replicas::new(3));
    assert_eq!(round_up(3.000_001), Replicas::new(4));
}

#[test]
fn both_ends_of_the_tolerance_keep_the_count() {
    check(per_replica(100.0), 10, 1100.0, 10);
    check(per_replica(100.0), 10, 1101.0, 12);
    check(per_replica(100.0), 10, 900.0, 10);
    check(per_replica(100.0), 10, 899.0, 9);
}

#[test]
fn a_total_is_shared_out_from_zero_too() {
    check(per_replica(100.0), 0, 250.0, 3);
    check(per_replica(100.0), 0, 0.0, 0);
    check(per_replica(1e-300), 1, f64::MAX, Replicas::LIMIT.get());
}

#[test]
fn a_metric_that_only_raises_has_no_vote_below_the_count() {
    let only_raises = MetricPolicy {
        votes: Votes::UpOnly,
        ..metric(per_replica(100.0))
    };
    assert_eq!(
        proposals(only_raises.clone(), 4, &[(0, fresh(100.0))]),
        [Proposal::NoVote]
    );
    assert_eq!(
        proposals(only_raises.clone(), 4, &[(0, fresh(600.0))]),
        [replicas(6)]
    );
    assert_eq!(
        proposals(only_raises, 4, &[(0, missing(MissingCause::NoData))]),
        [Proposal::Blocks]
    );
}

#[test]
fn an_empty_answer_is_zero_only_where_the_user_says_so() {
    let with = |on_missing| MetricPolicy {
        on_missing,
        ..metric(per_replica(100.0))
    };
    let none = [(0, missing(MissingCause::NoData))];
    assert_eq!(proposals(with(OnMissing::Block), 4, &none), [Proposal::Blocks]);
    assert_eq!(proposals(with(OnMissing::Ignore), 4, &none), [Proposal::Ignored]);
    assert_eq!(proposals(with(OnMissing::Zero), 4, &none), [replicas(0)]);
    let down = [(0, missing(MissingCause::Unreachable))];
    assert_eq!(
        proposals(with(OnMissing::Zero), 4, &down),
        [Proposal::Blocks],
        "a server that is down says nothing"
    );
}

#[test]
fn measured_in_part_a_value_may_raise_and_never_lower() {
    let partial = |value| {
        Observation::Partial(Sample {
            value,
            measured_at: None,
            coverage: Default::default(),
        })
    };
    let rule = || metric(per_replica(100.0));
    assert_eq!(proposals(rule(), 4, &[(0, partial(600.0))]), [replicas(6)]);
    assert_eq!(proposals(rule(), 4, &[(0, partial(100.0))]), [Proposal::NoVote]);
}

fn above(threshold: f64, lasting: Option<u64>, add: u32) -> MetricPolicy {
    let breach = Breach {
        threshold,
        lasting: lasting.map(Duration::from_secs),
        step: Replicas::new(add),
    };
    metric(MetricRule::Step(StepRule::new(Some(breach), None).unwrap()))
}

#[test]
fn a_step_comes_after_its_time_and_then_once_per_time() {
    let seen: Vec<_> = (0..=9).map(|quarter| (quarter * 15, fresh(3.0))).collect();
    let got = proposals(above(2.0, Some(60), 2), 4, &seen);
    let expected: Vec<_> = (0..=9)
        .map(|quarter| replicas(if [4, 8].contains(&quarter) { 6 } else { 4 }))
        .collect();
    assert_eq!(got, expected);
}

#[test]
fn the_same_moment_again_votes_the_same() {
    let seen = [
        (0, fresh(3.0)),
        (60, fresh(3.0)),
        (60, fresh(3.0)),
        (61, fresh(3.0)),
    ];
    assert_eq!(
        proposals(above(2.0, Some(60), 1), 4, &seen),
        [4, 5, 5, 4].map(replicas)
    );
}

#[test]
fn without_a_time_the_first_step_comes_at_once_and_the_next_after_two_intervals() {
    let seen = [(0, fresh(3.0)), (15, fresh(3.0)), (30, fresh(3.0))];
    assert_eq!(proposals(above(2.0, None, 1), 4, &seen), [5, 4, 5].map(replicas));
}

#[test]
fn a_breach_that_ends_starts_its_time_anew() {
    let seen = [
        (0, fresh(3.0)),
        (45, fresh(2.0)),
        (60, fresh(3.0)),
        (105, fresh(3.0)),
        (120, fresh(3.0)),
    ];
    let got = proposals(above(2.0, Some(60), 1), 4, &seen);
    assert_eq!(
        got,
        [
            replicas(4),
            Proposal::NoVote,
            replicas(4),
            replicas(4),
            replicas(5)
        ]
    );
}

#[test]
fn a_missing_sample_neither_resets_the_time_nor_fires() {
    let seen = [
        (0, fresh(3.0)),
        (60, missing(MissingCause::TimedOut)),
        (75, fresh(3.0)),
    ];
    assert_eq!(
        proposals(above(2.0, Some(60), 1), 4, &seen),
        [replicas(4), Proposal::Blocks, replicas(5)]
    );
}

#[test]
fn a_sample_seen_before_moves_no_timer() {
    let measured = |second: i64| {
        let measured_at = Some(Timestamp::from_unix_millis(second * 1000));
        Observation::Fresh(Sample {
            value: 3.0,
            measured_at,
            coverage: Default::default(),
        })
    };
    let seen = [(0, measured(0)), (60, measured(0)), (75, measured(70))];
    assert_eq!(
        proposals(above(2.0, Some(60), 1), 4, &seen),
        [4, 4, 5].map(replicas)
    );
}

#[test]
fn a_quantile_over_no_requests_adds_nothing_and_blocks_nothing() {
    let nan = [(0, missing(MissingCause::NotANumber))];
    assert_eq!(proposals(above(2.0, None, 1), 4, &nan), [Proposal::NoVote]);
    let below = Breach {
        threshold: 0.5,
        lasting: None,
        step: Replicas::new(1),
    };
    let removes = metric(MetricRule::Step(StepRule::new(None, Some(below)).unwrap()));
    assert_eq!(proposals(removes.clone(), 4, &nan), [Proposal::Blocks]);
    assert_eq!(proposals(removes, 4, &[(0, fresh(0.1))]), [replicas(3)]);
}

#[test]
fn of_metrics_that_ask_for_the_same_the_first_is_named() {
    for semantics in [Semantics::Headroom, Semantics::Hpa(HpaPath::WithBehavior)] {
        let named = |loads: [f64; 3]| {
            let names = ["first", "second", "third"];
            let metrics = names.map(evaluate::world::metric).to_vec();
            let mut world = evaluate::world::World::new(2, metrics);
            world.policy.semantics = semantics;
            world.look(0, &loads.map(fresh));
            world.steps.0.iter().find_map(|step| {
                if let Step::Combined { by, .. } = step {
                    by.as_ref().map(ToString::to_string)
                } else {
                    None
                }
            })
        };
        assert_eq!(named([100.0, 300.0, 300.0]).as_deref(), Some("second"));
        assert_eq!(named([300.0, 300.0, 100.0]).as_deref(), Some("first"));
    }
}

#[test]
fn the_timers_of_step_rules_that_are_gone_are_forgotten() {
    let mut before = policy(above(2.0, Some(60), 1));
    before.metrics.push(MetricPolicy {
        name: MetricName::new("queue"),
        ..above(5.0, Some(60), 1)
    });
    let after = policy(metric(per_replica(1.0)));
    let (mut memory, workload) = (Memory::default(), Workload::running(Replicas::new(4)));
    let mut timers = |policy: &WorkloadPolicy, second: i64| {
        let (seen, now) = ([fresh(9.0); 2], Timestamp::from_unix_millis(second * 1000));
        let seen = seen.into_iter().collect();
        evaluate(policy, &workload, &seen, &mut memory, now, &mut crate::NoSteps);
        memory.step_timers.len()
    };
    assert_eq!(timers(&before, 0), 2);
    before.metrics.truncate(1);
    assert_eq!((timers(&before, 15), timers(&after, 30)), (1, 0));
}
