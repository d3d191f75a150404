//! What earlier versions saved is read and gives the same decisions (I11 across a migration).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use headroom_policy_engine::*;

/// What the first version saved in the midst of [`RUN`].
const V1: &[u8] = include_bytes!("saved/memory-v1.bin");
/// What the second version saved there.
const V2: &[u8] = include_bytes!("saved/memory-v2.bin");
/// What the third version saved there.
const V3: &[u8] = include_bytes!("saved/memory-v3.bin");
/// What the fourth version saves there.
const V4: &[u8] = include_bytes!("saved/memory-v4.bin");
/// After so many passes.
const SAVED_AFTER: usize = 70;
/// How many passes there are.
const RUN: usize = 160;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn metric(name: &str, rule: MetricRule) -> MetricPolicy {
    MetricPolicy::new(
        MetricName::new(name),
        MetricKind::External,
        rule,
        Tolerance::new(0.1, 0.1).unwrap(),
    )
}

fn rules(window: u64, percent: u32) -> ScalingRules {
    ScalingRules {
        stabilization: StabilizationWindow::new(seconds(window)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: vec![ChangeLimit::new(ChangeAmount::Percent(percent), seconds(60)).unwrap()],
        },
    }
}

fn policy() -> WorkloadPolicy {
    let above = Breach {
        threshold: 2.0,
        lasting: Some(seconds(60)),
        step: Replicas::new(1),
    };
    WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(40)).unwrap(),
        zero: None,
        metrics: vec![
            metric("rps", MetricRule::PerReplica(Target::new(100.0).unwrap())),
            metric("p95", MetricRule::Step(StepRule::new(Some(above), None).unwrap())),
        ],
        scale_up: rules(30, 100),
        scale_down: rules(120, 50),
        fallback: Some(FALLBACK),
        guards: Guards {
            startup: seconds(120),
            max_reversals: 40,
        },
        interval: EvaluationInterval::new(seconds(15)).unwrap(),
    }
}

/// A load that rises and falls, and is lost from the 65th pass to the 90th.
fn seen(pass: usize, now: Timestamp) -> Observations {
    let fresh = |value| {
        Observation::Fresh(Sample {
            value,
            measured_at: Some(now),
            coverage: Coverage::default(),
        })
    };
    if (65..90).contains(&pass) {
        let missing = Observation::Missing {
            cause: MissingCause::Unreachable,
        };
        return [missing; 2].into_iter().collect();
    }
    let wave = f64::from(u32::try_from((pass % 40).abs_diff(20)).unwrap());
    [fresh(300.0 + wave * 60.0), fresh(wave / 8.0)]
        .into_iter()
        .collect()
}

/// The decisions of the passes `range`, and how the world stands after them.
fn run(
    range: std::ops::Range<usize>,
    mut memory: Memory,
    mut current: Replicas,
) -> (Vec<Decision>, Memory, Replicas) {
    let policy = policy();
    let mut decisions = Vec::new();
    for pass in range {
        let now = Timestamp::from_unix_millis(i64::try_from(pass).unwrap() * 15_000);
        let workload = Workload::running(current);
        let decision = evaluate(
            &policy,
            &workload,
            &seen(pass, now),
            &mut memory,
            now,
            &mut NoSteps,
        );
        memory.record_outcome(&decision, Outcome::Written, now);
        current = decision.desired();
        decisions.push(decision);
    }
    (decisions, memory, current)
}

const FALLBACK: Fallback = Fallback {
    action: FallbackAction::AtLeast(Replicas::new(30)),
    after: Duration::from_secs(180),
    when: FallbackWhen::All,
};

#[test]
fn what_earlier_versions_saved_while_blind_gives_the_same_decisions() {
    check(V1);
    check(V2);
    check(V3);
    check(V4);
}

#[track_caller]
fn check(saved: &[u8]) {
    let (before, memory, current) = run(0..SAVED_AFTER, Memory::default(), Replicas::new(4));
    let restored: Memory = postcard::from_bytes(saved).unwrap();
    assert_eq!(restored.last_evaluated(), memory.last_evaluated());
    assert_eq!(restored.last_written(), memory.last_written());
    assert!(restored.blind_since().is_some() && restored.blind_since() == memory.blind_since());
    assert!(restored.has_history());

    let (whole, end, _) = run(SAVED_AFTER..RUN, memory, current);
    let (continued, migrated, _) = run(SAVED_AFTER..RUN, restored, current);
    assert_eq!(continued, whole);
    assert_eq!(migrated, end);
    let changes = before
        .iter()
        .chain(&whole)
        .filter(|decision| decision.direction().is_some());
    assert!(changes.count() > 20, "the run must be one that scales");
}

#[test]
fn what_is_saved_now_is_of_the_fourth_version_byte_for_byte() {
    let (_, memory, _) = run(0..SAVED_AFTER, Memory::default(), Replicas::new(4));
    let now = postcard::to_stdvec(&memory).unwrap();
    // Postcard begins with the number of the version.
    assert_eq!([V1[0], V2[0], V3[0], V4[0]], [0, 1, 2, 3]);
    assert_eq!(now, V4);
}
