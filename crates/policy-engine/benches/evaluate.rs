//! What one evaluation costs: three plain metrics, and one of the pods, every 15 seconds, five minutes of history.
//!
//! Goals: at most 1 µs with explanation and 200 ns without for plain metrics; at most 20 ns a pod.
//! `cargo bench -p headroom-policy-engine`

#![expect(clippy::unwrap_used, reason = "the policies of a benchmark are right")]

use std::time::Duration;

use divan::{Bencher, black_box};
use headroom_policy_engine::*;

fn main() {
    divan::main();
}

/// How the load lies to the count.
#[derive(Clone, Copy, Debug)]
enum Load {
    /// It fits: nothing to do.
    Fits,
    /// It fell: the window holds the count, so the whole log is read.
    Fell,
}

const LOADS: [Load; 2] = [Load::Fits, Load::Fell];

fn plain(name: &str, rule: MetricRule) -> MetricPolicy {
    MetricPolicy::new(
        MetricName::new(name),
        MetricKind::External,
        rule,
        Tolerance::new(0.1, 0.1).unwrap(),
    )
}

fn rules(window: u64) -> ScalingRules {
    let limit = |amount| ChangeLimit::new(amount, Duration::from_secs(15)).unwrap();
    ScalingRules {
        stabilization: StabilizationWindow::new(Duration::from_secs(window)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: vec![
                limit(ChangeAmount::Percent(100)),
                limit(ChangeAmount::Replicas(4)),
            ],
        },
    }
}

fn policy() -> WorkloadPolicy {
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
                "active_users",
                MetricRule::PerReplica(Target::new(100.0).unwrap()),
            ),
            plain(
                "request_rate",
                MetricRule::PerReplica(Target::new(100.0).unwrap()),
            ),
        ],
        scale_up: rules(0),
        scale_down: rules(300),
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: 4,
        },
        interval: EvaluationInterval::new(Duration::from_secs(15)).unwrap(),
    }
}

fn seen(share: f64, now: Timestamp) -> Observations {
    [0.7 * share, 1000.0 * share, 900.0 * share]
        .into_iter()
        .map(|value| {
            Observation::Fresh(Sample {
                value,
                measured_at: Some(now),
                coverage: Coverage::default(),
            })
        })
        .collect()
}

/// One evaluation after the other, 15 seconds apart, in a workload of ten replicas whose windows are full.
struct Run {
    policy: WorkloadPolicy,
    workload: Workload,
    seen: Observations,
    memory: Memory,
    now: Timestamp,
}

impl Run {
    fn new(load: Load) -> Self {
        let now = Timestamp::from_unix_millis(0);
        let mut run = Self {
            policy: policy(),
            workload: Workload::running(Replicas::new(10)),
            seen: seen(1.0, now),
            memory: Memory::default(),
            now,
        };
        for _ in 0..100 {
            run.evaluate(&mut NoSteps);
        }
        if let Load::Fell = load {
            run.seen = seen(0.5, now);
        }
        run
    }

    fn evaluate(&mut self, steps: &mut impl StepSink) -> Decision {
        self.now = self.now.plus(Duration::from_secs(15));
        evaluate(
            &self.policy,
            &self.workload,
            &self.seen,
            &mut self.memory,
            self.now,
            steps,
        )
    }
}

#[divan::bench(args = LOADS)]
fn without_explanation(bencher: Bencher<'_, '_>, load: Load) {
    let mut run = Run::new(load);
    bencher.bench_local(|| black_box(run.evaluate(&mut NoSteps)));
}

#[divan::bench(args = LOADS)]
fn with_explanation(bencher: Bencher<'_, '_>, load: Load) {
    let mut run = Run::new(load);
    bencher.bench_local(|| {
        let mut steps = Explanation::default();
        let decision = run.evaluate(&mut steps);
        black_box((decision, steps))
    });
}

/// CPU of so many pods against their requests: a container and a sidecar each.
#[divan::bench(args = [10, 100, 1000], consts = [false, true])]
fn pods_without_explanation<const AS_HPA: bool>(bencher: Bencher<'_, '_>, count: u32) {
    let mut run = Run::new(Load::Fits);
    run.policy.metrics.truncate(1);
    run.policy.metrics[0].kind = MetricKind::Resource(Resource::Cpu);
    if AS_HPA {
        run.policy.semantics = Semantics::Hpa(HpaPath::WithBehavior);
    }
    run.policy.bounds = ReplicaBounds::new(Replicas::new(1), Replicas::new(2000)).unwrap();
    run.workload = run
        .memory
        .begin(&run.policy, Ok(Workload::running(Replicas::new(count))), run.now)
        .unwrap();
    run.seen = seen(1.0, run.now).with_pods(pods(count, run.now));
    bencher
        .counter(divan::counter::ItemsCount::new(count))
        .bench_local(|| black_box(run.evaluate(&mut NoSteps)));
}

fn pods(count: u32, now: Timestamp) -> Pods {
    let cpu = |amount| Amounts::default().with(Resource::Cpu, Milli::new(amount));
    let ids = [ContainerId(0), ContainerId(1)];
    let container = |id| Container {
        id,
        requests: cpu(500),
    };
    let used = |index: u32| PodUsage {
        measured_at: now,
        window: Duration::from_secs(30),
        containers: ids
            .map(|id| ContainerUsage {
                id,
                usage: cpu(300 + i64::from(index % 100)),
            })
            .into(),
    };
    let pods = (0..count).map(|_| Pod::running(ids.map(container).into()));
    Pods {
        pods: pods.collect(),
        samples: vec![Some(MetricSamples::Usage(PerPod {
            of_pods: (0..count).map(|index| Some(used(index))).collect(),
            strangers: Vec::new(),
        }))],
    }
}
