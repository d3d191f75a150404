//! Every difference between the HPA's semantics and headroom's own, each as its smallest run: what the HPA makes of it,
//! and what headroom does. The book's table has one row for each test, by its name.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{hpa::HpaSettings, *};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn n(count: u32) -> Replicas {
    Replicas::new(count)
}

fn rules(window: u64, limits: &[(ChangeAmount, u64)]) -> ScalingRules {
    let limit = |&(amount, period)| ChangeLimit::new(amount, seconds(period)).unwrap();
    ScalingRules {
        stabilization: StabilizationWindow::new(seconds(window)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: limits.iter().map(limit).collect(),
        },
    }
}

fn metric(kind: MetricKind, rule: MetricRule) -> MetricPolicy {
    MetricPolicy::new(MetricName::new("load"), kind, rule, Tolerance::TENTH)
}

fn per_replica(target: f64) -> MetricPolicy {
    metric(
        MetricKind::External,
        MetricRule::PerReplica(Target::new(target).unwrap()),
    )
}

/// A policy without windows and with limits that are never reached.
fn policy(metric: MetricPolicy) -> WorkloadPolicy {
    let wide = [(ChangeAmount::Replicas(1_000_000), 1)];
    WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Arc::new(HpaSettings::default()),
        bounds: ReplicaBounds::new(n(1), n(1000)).unwrap(),
        zero: None,
        metrics: vec![metric],
        scale_up: rules(0, &wide),
        scale_down: rules(0, &wide),
        fallback: None,
        guards: Guards {
            startup: seconds(120),
            max_reversals: 1000,
        },
        interval: EvaluationInterval::new(seconds(15)).unwrap(),
    }
}

/// A workload under both semantics, one after the other.
struct Both {
    policy: WorkloadPolicy,
    path: HpaPath,
    start: u32,
    workload: fn(Workload) -> Workload,
    /// The minimum at each second.
    min: fn(u64) -> u32,
    pods: Option<Pods>,
}

/// One round: how many seconds after the beginning, what is seen, and whether somebody set another count before.
type Round = (u64, Observation, Option<u32>);

fn see(value: f64) -> Observation {
    Observation::Fresh(sample(value))
}

fn sample(value: f64) -> Sample {
    Sample {
        value,
        measured_at: None,
        coverage: Coverage::default(),
    }
}

const MISSING: Observation = Observation::Missing {
    cause: MissingCause::Unreachable,
};

impl Both {
    fn new(policy: WorkloadPolicy, start: u32) -> Self {
        Self {
            policy,
            path: HpaPath::WithBehavior,
            start,
            workload: |workload| workload,
            min: |_| 1,
            pods: None,
        }
    }

    /// The counts after each round.
    fn run(&self, semantics: Semantics, rounds: &[Round]) -> Vec<u32> {
        let mut policy = self.policy.clone();
        policy.semantics = semantics;
        let (mut memory, mut count) = (Memory::default(), n(self.start));
        let mut counts = Vec::new();
        for (second, observation, external) in rounds {
            let now = Timestamp::from_unix_millis(1_700_000_000_000).plus(seconds(*second));
            count = external.map_or(count, n);
            policy.bounds = ReplicaBounds::new(n((self.min)(*second)), n(1000)).unwrap();
            let workload = (self.workload)(Workload::running(count));
            let workload = memory.begin(&policy, Ok(workload), now).unwrap();
            let mut seen: Observations = [*observation].into_iter().collect();
            if let Some(pods) = &self.pods {
                seen = seen.with_pods(pods.clone());
            }
            let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut NoSteps);
            memory.record_outcome(&decision, Outcome::Written, now);
            count = decision.desired();
            counts.push(count.get());
        }
        counts
    }

    /// Compares the counts after the last of `rounds`.
    #[track_caller]
    fn check(&self, rounds: &[Round], hpa: u32, headroom: u32) {
        let last = |semantics| self.run(semantics, rounds).last().copied();
        let answers = (last(Semantics::Hpa(self.path)), last(Semantics::Headroom));
        assert_eq!(
            answers,
            (Some(hpa), Some(headroom)),
            "the HPA's answer, and headroom's"
        );
        assert_ne!(hpa, headroom);
    }
}

fn steady(value: f64, until: u64) -> Vec<Round> {
    (0..=until / 15)
        .map(|round| (round * 15, see(value), None))
        .collect()
}

#[test]
fn float_noise() {
    // 100 × 1.1 is a hair above 110.
    let mut policy = policy(per_replica(1.0));
    policy.scale_up = rules(0, &[(ChangeAmount::Percent(10), 60)]);
    Both::new(policy, 100).check(&[(0, see(900.0), None)], 111, 110);
}

/// Pods that ask for one core each, with what they use in thousandths.
fn pods(usage: &[Option<i64>]) -> Pods {
    let amounts = |amount| {
        Amounts::default()
            .with(Resource::Memory, Milli::new(amount))
            .with(Resource::Cpu, Milli::new(amount))
    };
    let pod = Pod::running(vec![Container {
        id: ContainerId(0),
        requests: amounts(1000),
    }]);
    let used = |usage: &Option<i64>| {
        usage.map(|usage| PodUsage {
            measured_at: Timestamp::from_unix_millis(1_700_000_000_000),
            window: seconds(30),
            containers: vec![ContainerUsage {
                id: ContainerId(0),
                usage: amounts(usage),
            }],
        })
    };
    Pods {
        pods: vec![pod; usage.len()],
        samples: vec![Some(MetricSamples::Usage(PerPod {
            of_pods: usage.iter().map(used).collect(),
            strangers: Vec::new(),
        }))],
    }
}

#[test]
fn a_fall_gives_no_room_back() {
    let mut policy = policy(per_replica(1.0));
    policy.scale_up = rules(0, &[(ChangeAmount::Replicas(4), 600)]);
    let mut both = Both::new(policy, 10);
    both.policy.scale_down.stabilization = StabilizationWindow::new(Duration::ZERO).unwrap();
    let rounds = [
        (0, see(10.0), None),
        (15, see(14.0), None),
        (30, see(10.0), None),
        (45, see(14.0), None),
    ];
    both.check(&rounds, 14, 10);
}

#[test]
fn percents_round_up() {
    let mut policy = policy(per_replica(1.0));
    policy.scale_down = rules(0, &[(ChangeAmount::Percent(34), 60)]);
    // 50 × 0.66 is a hair below 33, and the HPA drops the fraction of what stays.
    Both::new(policy, 50).check(&[(0, see(50.0), None), (15, see(1.0), None)], 32, 33);
}

#[test]
fn after_a_gap() {
    let mut policy = policy(per_replica(1.0));
    policy.scale_down = rules(300, &[(ChangeAmount::Percent(100), 15)]);
    let mut rounds = steady(10.0, 300);
    rounds.push((7200, see(2.0), None));
    Both::new(policy, 10).check(&rounds, 2, 10);
}

#[test]
fn without_history() {
    Both::new(policy(per_replica(1.0)), 10).check(&[(0, see(2.0), None)], 2, 10);
}

#[test]
fn outside_of_the_bounds() {
    // The HPA jumps to the minimum without looking at the load, which asks for more.
    let mut both = Both::new(policy(per_replica(1.0)), 2);
    both.min = |_| 5;
    both.check(&[(0, see(8.0), None)], 5, 8);
}

#[test]
fn a_rise_stays() {
    // A minimum of 5 raised the count. A moment later the minimum is gone, and nothing that was proposed holds it.
    let mut both = Both::new(policy(per_replica(1.0)), 2);
    both.policy.scale_down = rules(60, &[(ChangeAmount::Percent(100), 15)]);
    both.min = |second| if second == 75 { 5 } else { 1 };
    let mut rounds = steady(2.0, 75);
    rounds.push((90, see(2.0), None));
    both.check(&rounds, 2, 5);
}

#[test]
fn history_never_raises() {
    // Somebody lowered the count by hand; without `behavior` the HPA goes back up to what it once proposed.
    let mut both = Both::new(policy(per_replica(1.0)), 9);
    both.path = HpaPath::WithoutBehavior;
    both.policy.scale_down = rules(300, &[(ChangeAmount::Percent(100), 15)]);
    both.check(&[(0, see(9.0), None), (15, see(5.0), Some(5))], 9, 5);
}

#[test]
fn a_hand_that_raises() {
    // The count has just been lowered to 5, and somebody sets it to 12.
    let mut both = Both::new(policy(per_replica(1.0)), 9);
    both.policy.scale_down = rules(60, &[(ChangeAmount::Percent(100), 15)]);
    let mut rounds = steady(5.0, 75);
    rounds.push((90, see(5.0), Some(12)));
    both.check(&rounds, 5, 12);
}

#[test]
fn unknown_time_covers_nothing() {
    // For most of the window nothing was known. The first values of a server that is back may be low.
    let mut policy = policy(per_replica(1.0));
    policy.scale_down = rules(120, &[(ChangeAmount::Percent(100), 15)]);
    let mut rounds = vec![(0, see(10.0), None)];
    rounds.extend((1..=9).map(|round| (round * 15, MISSING, None)));
    rounds.push((150, see(2.0), None));
    Both::new(policy, 10).check(&rounds, 2, 10);
}

#[test]
fn measured_in_part() {
    let partial = Observation::Partial(sample(2.0));
    let rounds = [(0, see(10.0), None), (15, partial, None)];
    Both::new(policy(per_replica(1.0)), 10).check(&rounds, 2, 10);
}

#[test]
fn no_ready_pod() {
    // Twice the target, and no pod serves: the HPA multiplies with none, and falls to the minimum.
    let value = metric(MetricKind::External, MetricRule::Value(Target::new(1.0).unwrap()));
    let mut both = Both::new(policy(value), 4);
    let mut unready = pods(&[None; 4]);
    unready.samples = vec![None];
    for pod in &mut unready.pods {
        pod.ready = None;
    }
    both.pods = Some(unready);
    both.check(&[(0, see(1.0), None), (15, see(2.0), None)], 1, 8);
}

#[test]
fn surge_pods() {
    // 16 are wanted and 20 are there during a rollout. Within the tolerance the HPA wants as many as are there.
    let mut both = Both::new(policy(per_replica(1.0)), 16);
    both.workload = |workload| Workload {
        observed: Some(n(20)),
        ..workload
    };
    both.check(&[(0, see(18.0), None)], 20, 18);
}

#[test]
fn stuck_replicas() {
    // One replica has been starting for ten minutes. The HPA adds more of the same.
    let mut both = Both::new(policy(per_replica(1.0)), 4);
    both.policy.scale_up = rules(0, &[(ChangeAmount::Replicas(2), 15)]);
    both.workload = |workload| Workload {
        readiness: Readiness::Known {
            ready: n(3),
            longest_unready: Some(seconds(600)),
        },
        ..workload
    };
    both.check(&[(0, see(100.0), None)], 6, 5);
}

#[test]
fn failing_replicas() {
    let mut both = Both::new(policy(per_replica(1.0)), 10);
    both.workload = |workload| Workload {
        holds: vec![Hold::FailingToStart { failing: n(2) }],
        ..workload
    };
    both.check(&[(0, see(20.0), None)], 20, 10);
}

#[test]
fn a_rollout() {
    let mut both = Both::new(policy(per_replica(1.0)), 10);
    both.workload = |workload| Workload {
        holds: vec![Hold::RollingOut { until: None }],
        ..workload
    };
    both.check(&[(0, see(10.0), None), (15, see(4.0), None)], 4, 10);
}

#[test]
fn a_deploy() {
    let mut both = Both::new(policy(per_replica(1.0)), 10);
    both.workload = |workload| Workload {
        deploy: (workload.current == n(3)).then(|| Deploy {
            by: "helm".into(),
            at: Timestamp::from_unix_millis(0),
        }),
        ..workload
    };
    both.check(&[(0, see(10.0), None), (15, see(3.0), Some(3))], 3, 10);
}

#[test]
fn a_fight() {
    let mut both = Both::new(policy(per_replica(1.0)), 10);
    both.workload = |workload| Workload {
        holds: vec![Hold::Contested {
            by: Some("argocd-controller".into()),
            until: None,
        }],
        ..workload
    };
    both.check(&[(0, see(10.0), None), (15, see(4.0), None)], 4, 10);
}

#[test]
fn flapping() {
    let mut policy = policy(per_replica(1.0));
    policy.guards.max_reversals = 2;
    let rounds: Vec<Round> = (0..8_u64)
        .map(|round| (round * 15, see(if round % 2 == 0 { 10.0 } else { 4.0 }), None))
        .collect();
    Both::new(policy, 10).check(&rounds, 4, 10);
}

#[test]
fn the_first_limit() {
    // Without `behavior` the HPA at most doubles the count, and may always go to 4; headroom's limits are those of
    // `behavior`, which allow 4 more.
    let mut both = Both::new(policy(per_replica(1.0)), 3);
    both.path = HpaPath::WithoutBehavior;
    both.policy.scale_up = rules(
        0,
        &[(ChangeAmount::Replicas(4), 15), (ChangeAmount::Percent(100), 15)],
    );
    both.check(&[(0, see(50.0), None)], 6, 7);
}
