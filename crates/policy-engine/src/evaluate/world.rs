//! One workload in a small world, for the tests of the stages: time goes on, decisions are carried out.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    ChangeAmount, ChangeLimit, ChangeLimits, Decision, EvaluationInterval, Explanation, Guards,
    LimitSelection, Memory, MetricKind, MetricName, MetricPolicy, MetricRule, MissingCause, Observation,
    Outcome, ReplicaBounds, Replicas, Sample, ScalingRules, Semantics, StabilizationWindow, Target,
    Timestamp, Tolerance, Workload, WorkloadPolicy, evaluate,
};

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) policy: WorkloadPolicy,
    pub(crate) workload: Workload,
    pub(crate) memory: Memory,
    pub(crate) now: Timestamp,
    /// The steps of the last pass.
    pub(crate) steps: Explanation,
}

impl World {
    /// From 1 to 100 replicas, evaluated every 15 seconds, without windows, limits and fallback.
    pub(crate) fn new(current: u32, metrics: Vec<MetricPolicy>) -> Self {
        Self {
            policy: WorkloadPolicy {
                semantics: Semantics::Headroom,
                hpa: Default::default(),
                bounds: ReplicaBounds::new(Replicas::new(1), Replicas::new(100)).unwrap(),
                zero: None,
                metrics,
                scale_up: rules(0),
                scale_down: rules(0),
                fallback: None,
                guards: Guards {
                    startup: Duration::from_secs(120),
                    max_reversals: 1000,
                },
                interval: EvaluationInterval::new(Duration::from_secs(15)).unwrap(),
            },
            workload: Workload::running(Replicas::new(current)),
            memory: Memory::default(),
            now: Timestamp::from_unix_millis(1_700_000_000_000),
            steps: Explanation::default(),
        }
    }

    /// Decides `seconds` after the last time, and carries it out.
    pub(crate) fn pass(&mut self, seconds: u64, seen: &[Observation]) -> Decision {
        let decision = self.look(seconds, seen);
        self.memory.record_outcome(&decision, Outcome::Written, self.now);
        self.workload.current = decision.desired();
        decision
    }

    /// Decides `seconds` after the last time, and does nothing.
    pub(crate) fn look(&mut self, seconds: u64, seen: &[Observation]) -> Decision {
        self.now = self.now.plus(Duration::from_secs(seconds));
        self.steps = Explanation::default();
        let seen = seen.iter().copied().collect();
        let (policy, workload) = (&self.policy, &self.workload);
        evaluate(
            policy,
            workload,
            &seen,
            &mut self.memory,
            self.now,
            &mut self.steps,
        )
    }

    /// The counts after each of `passes` that are 15 seconds apart.
    pub(crate) fn counts<'a>(&mut self, passes: impl IntoIterator<Item = &'a [Observation]>) -> Vec<u32> {
        let mut count = |seen: &[Observation]| self.pass(15, seen).desired().get();
        passes.into_iter().map(&mut count).collect()
    }
}

pub(crate) fn rules(window: u64) -> ScalingRules {
    ScalingRules {
        stabilization: StabilizationWindow::new(Duration::from_secs(window)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: Vec::new(),
        },
    }
}

/// 100 for each replica, without tolerance.
pub(crate) fn metric(name: &str) -> MetricPolicy {
    MetricPolicy::new(
        MetricName::new(name),
        MetricKind::External,
        MetricRule::PerReplica(Target::new(100.0).unwrap()),
        Tolerance::new(0.0, 0.0).unwrap(),
    )
}

pub(crate) fn fresh(value: f64) -> Observation {
    Observation::Fresh(Sample {
        value,
        measured_at: None,
        coverage: Default::default(),
    })
}

/// The server is down.
pub(crate) const GONE: Observation = Observation::Missing {
    cause: MissingCause::Unreachable,
};

/// Change limits of every kind.
pub(crate) fn any_limits() -> impl Strategy<Value = ChangeLimits> {
    let amount = prop_oneof![
        (1_u32..20).prop_map(ChangeAmount::Replicas),
        (1_u32..200).prop_map(ChangeAmount::Percent)
    ];
    let limit = (amount, 1_u64..120)
        .prop_map(|(amount, period)| ChangeLimit::new(amount, Duration::from_secs(period)).unwrap());
    let select = prop_oneof![Just(LimitSelection::Max), Just(LimitSelection::Min)];
    let limits = proptest::collection::vec(limit, 1..4);
    (select, limits).prop_map(|(select, limits)| ChangeLimits { select, limits })
}
