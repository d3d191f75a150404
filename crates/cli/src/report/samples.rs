//! Decisions for the tests of what is shown.

use std::time::Duration;

use headroom_autoscaler::{DecisionRecord, MetricRecord, Mode, PassRecord, Verdict};
use headroom_policy_engine::{
    Arithmetic, CountOrigin, Coverage, Decision, Direction, Easing, Explanation, MetricName, MetricRule,
    MissingCause, Observation, Outcome, OwnBounds, Proposal, Readiness, Reason, ReplicaBounds, Replicas,
    Sample, StabilizationWindow, Stabilizing, Step, Target, Terms, Timestamp, Tolerance, Votes, Workload,
};

/// When everything here was decided: 2026-05-01 08:30 UTC.
pub(crate) const AT: Timestamp = Timestamp::from_unix_millis(1_777_624_200_000);

fn record(workload: &str, metrics: Vec<MetricRecord>, verdict: Verdict) -> DecisionRecord {
    DecisionRecord {
        at: AT,
        workload: workload.parse().unwrap(),
        mode: Mode::Apply,
        metrics,
        hold_query: None,
        in_force: Vec::new(),
        bounds: Some(OwnBounds {
            bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(6)).unwrap(),
            zero: false,
        }),
        verdict,
        round: None,
        conditions: Vec::new(),
        beside: Vec::new(),
        rebuilt: None,
    }
}

fn rate(value: f64) -> Observation {
    Observation::Fresh(Sample {
        value,
        measured_at: Some(AT.minus(Duration::from_secs(3))),
        coverage: Coverage {
            replicas: Some(4.0),
            window: None,
        },
    })
}

fn metric(name: &str, observation: Observation) -> MetricRecord {
    MetricRecord {
        name: MetricName::new(name),
        observation,
        error: None,
        remarks: Vec::new(),
    }
}

fn target(current: u32, ready: u32) -> Workload {
    Workload {
        origin: CountOrigin::Read,
        readiness: Readiness::Known {
            ready: Replicas::new(ready),
            longest_unready: (ready < current).then(|| Duration::from_secs(20)),
        },
        holds: Vec::new(),
        ..Workload::running(Replicas::new(current))
    }
}

fn recommended(seen: Observation, current: u32, proposal: Proposal) -> Step {
    Step::Recommended {
        metric: MetricName::new("request_rate"),
        seen,
        terms: Terms {
            rule: MetricRule::PerReplica(Target::new(100.0).unwrap()),
            votes: Votes::UpAndDown,
            tolerance: Tolerance::TENTH,
            current: Replicas::new(current),
            arithmetic: Arithmetic::Headroom,
        },
        pending: None,
        proposal,
    }
}

fn combined(replicas: u32) -> Step {
    Step::Combined {
        replicas: Replicas::new(replicas),
        by: Some(MetricName::new("request_rate")),
    }
}

/// Up, and cut by the bounds.
pub(crate) fn scale_up() -> DecisionRecord {
    let (from, to) = (Replicas::new(4), Replicas::new(6));
    let steps = vec![
        recommended(rate(930.0), 4, Proposal::Replicas(Replicas::new(10))),
        combined(10),
        Step::Bounded {
            wanted: Replicas::new(10),
            bounded: to,
            bounds: ReplicaBounds::new(Replicas::new(2), to).unwrap(),
            by: None,
        },
    ];
    record(
        "shop/api",
        vec![metric("request_rate", rate(930.0))],
        Verdict::Decided {
            target: target(4, 3),
            decision: Decision::Scale {
                from,
                to,
                reason: Reason::AboveTarget,
            },
            explanation: Explanation(steps),
            outcome: Outcome::Written,
            error: None,
        },
    )
}

/// The same, and the write failed.
pub(crate) fn failed() -> DecisionRecord {
    let mut record = scale_up();
    if let Verdict::Decided { outcome, error, .. } = &mut record.verdict {
        *outcome = Outcome::Failed;
        *error = Some("`./scale 6` ended with exit status: 3".to_owned());
    }
    record
}

/// The same, and no answer came to the write.
pub(crate) fn not_confirmed() -> DecisionRecord {
    let mut record = scale_up();
    if let Verdict::Decided { outcome, error, .. } = &mut record.verdict {
        *outcome = Outcome::NotConfirmed;
        *error = Some("the target did not confirm the new count within 10s".to_owned());
    }
    record
}

fn held(
    workload: &str,
    at: u32,
    reason: Reason,
    metrics: Vec<MetricRecord>,
    steps: Vec<Step>,
) -> DecisionRecord {
    record(
        workload,
        metrics,
        Verdict::Decided {
            target: target(at, at),
            decision: Decision::Hold {
                at: Replicas::new(at),
                reason,
            },
            explanation: Explanation(steps),
            outcome: Outcome::NotAttempted,
            error: None,
        },
    )
}

/// Held by its window.
pub(crate) fn hold() -> DecisionRecord {
    let steps = vec![
        recommended(rate(180.0), 3, Proposal::Replicas(Replicas::new(2))),
        combined(2),
        Step::Stabilized {
            wanted: Replicas::new(2),
            kept: Replicas::new(3),
            direction: Direction::Down,
            window: StabilizationWindow::new(Duration::from_secs(300)).unwrap(),
            by: Stabilizing::Recommendations {
                easing: vec![Easing {
                    after: Duration::from_secs(140),
                    replicas: Replicas::new(2),
                }],
            },
        },
    ];
    held(
        "shop/web",
        3,
        Reason::Stabilizing,
        vec![metric("request_rate", rate(180.0))],
        steps,
    )
}

/// Nothing to do.
pub(crate) fn on_target() -> DecisionRecord {
    let steps = vec![
        recommended(rate(98.0), 1, Proposal::Replicas(Replicas::new(1))),
        combined(1),
    ];
    held(
        "shop/job",
        1,
        Reason::OnTarget,
        vec![metric("request_rate", rate(98.0))],
        steps,
    )
}

/// Nothing is known of the load.
pub(crate) fn blind() -> DecisionRecord {
    let seen = Observation::Missing {
        cause: MissingCause::Unreachable,
    };
    let steps = vec![
        recommended(seen, 5, Proposal::Blocks),
        Step::Combined {
            replicas: Replicas::new(5),
            by: None,
        },
    ];
    let mut missing = metric("request_rate", seen);
    missing.error = Some("the metrics server could not be reached: connection refused".to_owned());
    missing.remarks = vec!["asked for 5 s".to_owned()];
    held("shop/pay", 5, Reason::Blind, vec![missing], steps)
}

/// The target could not be read.
pub(crate) fn unreadable() -> DecisionRecord {
    record(
        "shop/db",
        Vec::new(),
        Verdict::Unreadable {
            error: "`./replicas` ended with exit status: 1".to_owned(),
        },
    )
}

/// One pass with all of them.
pub(crate) fn pass() -> PassRecord {
    PassRecord {
        at: AT,
        decisions: vec![scale_up(), hold(), on_target(), blind(), unreadable()],
        skipped: Vec::new(),
        notices: Vec::new(),
    }
}
