//! Without an explanation, evaluating in steady state allocates nothing.
//!
//! Counts allocations, not time, so it says the same on every machine. Memory may grow while its windows fill up;
//! after that the same room is used again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use headroom_policy_engine::*;

const SPACING_MILLIS: i64 = 15_000;

fn plain(name: &str, rule: MetricRule) -> MetricPolicy {
    MetricPolicy::new(
        MetricName::new(name),
        MetricKind::External,
        rule,
        Tolerance::new(0.1, 0.1).unwrap(),
    )
}

fn rules(window: u64, percent: u32) -> ScalingRules {
    let limit = |amount| ChangeLimit::new(amount, Duration::from_secs(60)).unwrap();
    ScalingRules {
        stabilization: StabilizationWindow::new(Duration::from_secs(window)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: vec![
                limit(ChangeAmount::Percent(percent)),
                limit(ChangeAmount::Replicas(4)),
            ],
        },
    }
}

/// Every kind of rule, both windows, limits, a fallback.
fn policy() -> WorkloadPolicy {
    let slow = Breach {
        threshold: 2.0,
        lasting: Some(Duration::from_secs(60)),
        step: Replicas::new(1),
    };
    WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(40)).unwrap(),
        zero: None,
        metrics: vec![
            plain(
                "cpu",
                MetricRule::Utilization(TargetUtilization::new(0.7).unwrap()),
            ),
            plain(
                "request_rate",
                MetricRule::PerReplica(Target::new(100.0).unwrap()),
            ),
            plain("queue_age", MetricRule::Value(Target::new(30.0).unwrap())),
            plain(
                "p95_latency",
                MetricRule::Step(StepRule::new(Some(slow), None).unwrap()),
            ),
        ],
        scale_up: rules(30, 100),
        scale_down: rules(300, 50),
        fallback: Some(Fallback {
            action: FallbackAction::AtLeast(Replicas::new(4)),
            after: Duration::from_secs(180),
            when: FallbackWhen::Any,
        }),
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: 1_000,
        },
        interval: EvaluationInterval::new(Duration::from_secs(15)).unwrap(),
    }
}

fn fresh(value: f64, now: Timestamp) -> Observation {
    Observation::Fresh(Sample {
        value,
        measured_at: Some(now),
        coverage: Coverage::default(),
    })
}

/// A load that rises, falls, breaches the step rule, and now and then is not known at all.
fn seen(turn: i64, now: Timestamp) -> Observations {
    let missing = Observation::Missing {
        cause: MissingCause::TimedOut,
    };
    let wave = (turn % 240 - 120).unsigned_abs();
    let load = 200.0 + f64::from(u32::try_from(wave).unwrap()) * 20.0;
    if turn % 397 < 15 {
        return [missing; 4].into_iter().collect();
    }
    [
        fresh(0.2, now),
        fresh(load, now),
        fresh(5.0, now),
        fresh(load / 800.0, now),
    ]
    .into_iter()
    .collect()
}

/// Evaluates `turns` times and acts. Returns the allocations of the evaluations alone, and how often it scaled.
fn run(turns: std::ops::Range<i64>, workload: &mut Workload, memory: &mut Memory) -> (u64, u32) {
    let policy = policy();
    let (mut allocations, mut changes) = (0, 0);
    for turn in turns {
        let now = Timestamp::from_unix_millis(turn * SPACING_MILLIS);
        let seen = seen(turn, now);
        let mut decision = None;
        let counted = allocation_counter::measure(|| {
            decision = Some(evaluate(&policy, workload, &seen, memory, now, &mut NoSteps));
        });
        allocations += counted.count_total;
        let decision = decision.unwrap();
        memory.record_outcome(&decision, Outcome::Written, now);
        changes += u32::from(decision.direction().is_some());
        workload.current = decision.desired();
    }
    (allocations, changes)
}

#[test]
fn evaluating_without_explanation_allocates_nothing_in_steady_state() {
    let mut workload = Workload::running(Replicas::new(4));
    let mut memory = Memory::default();
    run(0..1_000, &mut workload, &mut memory);
    let (allocations, changes) = run(1_000..3_000, &mut workload, &mut memory);
    assert!(
        changes > 20,
        "the run must be one that scales, not {changes} changes"
    );
    assert_eq!(allocations, 0);
}

/// Pods that use so many thousandths of the core they ask for; one is missing, and one has not started.
fn pods(usage: i64, now: Timestamp) -> Pods {
    let cpu = |amount| Amounts::default().with(Resource::Cpu, Milli::new(amount));
    let container = |requests| Container {
        id: ContainerId(0),
        requests,
    };
    let mut all = vec![Pod::running(vec![container(cpu(1000))]); 20];
    all[1].phase = PodPhase::Pending;
    let used = PodUsage {
        measured_at: now,
        window: Duration::from_secs(30),
        containers: vec![ContainerUsage {
            id: ContainerId(0),
            usage: cpu(usage),
        }],
    };
    let mut of_pods = vec![Some(used); 20];
    of_pods[0] = None;
    Pods {
        pods: all,
        samples: vec![Some(MetricSamples::Usage(PerPod {
            of_pods,
            strangers: Vec::new(),
        }))],
    }
}

#[test]
fn reckoning_with_pods_allocates_nothing_under_either_semantics() {
    for semantics in [
        Semantics::Headroom,
        Semantics::Hpa(HpaPath::WithBehavior),
        Semantics::Hpa(HpaPath::WithoutBehavior),
    ] {
        let mut policy = policy();
        policy.semantics = semantics;
        policy.metrics.truncate(1);
        policy.metrics[0].kind = MetricKind::Resource(Resource::Cpu);
        let (mut memory, mut count) = (Memory::default(), Replicas::new(20));
        let (mut allocations, mut changes) = (0, 0);
        for turn in 0..2_000 {
            let now = Timestamp::from_unix_millis(turn * SPACING_MILLIS);
            let workload = memory.begin(&policy, Ok(Workload::running(count)), now).unwrap();
            let usage = if turn % 80 < 40 { 950 } else { 300 };
            let seen: Observations = [fresh(0.0, now)].into_iter().collect();
            let seen = seen.with_pods(pods(usage, now));
            let mut decision = None;
            let counted = allocation_counter::measure(|| {
                decision = Some(evaluate(
                    &policy,
                    &workload,
                    &seen,
                    &mut memory,
                    now,
                    &mut NoSteps,
                ));
            });
            let decision = decision.unwrap();
            memory.record_outcome(&decision, Outcome::Written, now);
            count = decision.desired();
            if turn >= 1_000 {
                allocations += counted.count_total;
                changes += u32::from(decision.direction().is_some());
            }
        }
        assert!(changes > 5, "{changes} changes under {semantics:?}");
        assert_eq!(allocations, 0, "under {semantics:?}");
    }
}

#[test]
fn the_counter_sees_what_an_explanation_allocates() {
    let now = Timestamp::from_unix_millis(0);
    let (policy, seen) = (policy(), seen(20, now));
    let workload = Workload::running(Replicas::new(4));
    let mut memory = Memory::default();
    let counted = allocation_counter::measure(|| {
        evaluate(
            &policy,
            &workload,
            &seen,
            &mut memory,
            now,
            &mut Explanation::default(),
        );
    });
    assert!(counted.count_total > 0);
}
