//! Examples of every notice, and a channel that does as it is told, for the tests of whatever shows or sends them.

mod channel;

pub use channel::{Answer, ScriptedChannel};

use std::time::Duration;

use headroom_policy_engine::{
    Coverage, MissingCause, Observation, Operator, RaisedCondition, Replicas, Sample, Step, Timestamp,
    testing,
};

use crate::{
    Change, Digest, Event, Failure, Links, Notice, NoticeId, ReplicaCounts, Severity, Stage, Unknown,
    UnknownMetric, WorkloadDigest,
    delivery::{ChannelRules, Deadlines, QueueBound},
};

/// When every example happened: 2026-05-01 08:30 UTC.
pub const AT: Timestamp = testing::DECIDED_AT;

/// A notice about `devtrip/api` in the cluster `prod-eu`, with both links.
#[must_use]
pub fn notice(severity: Severity, stage: Stage, event: Event) -> Notice {
    Notice {
        id: NoticeId(format!("example-{}", event.subject()).into()),
        at: AT,
        cluster: Some("prod-eu".into()),
        workload: "devtrip/api".parse().ok(),
        also: 0,
        severity,
        stage,
        event,
        links: Links {
            runbook: Some("https://wiki.example.com/devtrip#scaling".into()),
            dashboard: Some(
                "https://grafana.example.com/d/devtrip?from=1777622400000&to=1777624200000".into(),
            ),
        },
        is_test: false,
    }
}

/// Rules under which a channel is told everything: ten seconds for what belongs together, five minutes for what comes
/// later, twenty messages an hour, no quiet hours.
#[must_use]
pub fn rules() -> ChannelRules {
    ChannelRules {
        on: None,
        least: Severity::Info,
        group_wait: Duration::from_secs(10),
        group_interval: minutes(5),
        max_per_hour: std::num::NonZeroU32::new(20),
        quiet_hours: None,
        bound: QueueBound::USUAL,
        deadlines: Deadlines::USUAL,
    }
}

/// A change from 4 to 6 replicas that a metric asked for.
#[must_use]
pub fn scaled() -> Notice {
    let why = testing::steps()
        .into_iter()
        .filter(|step| matches!(step, Step::Recommended { .. }))
        .take(1)
        .chain(
            testing::steps()
                .into_iter()
                .filter(|step| matches!(step, Step::Limited { .. }))
                .take(1),
        )
        .collect();
    let (from, to) = (Replicas::new(4), Replicas::new(6));
    notice(Severity::Info, Stage::Once, Event::Scaled { from, to, why })
}

/// An example of every event, of every variant of it, and of every stage that it has.
#[must_use]
pub fn notices() -> Vec<Notice> {
    let mut all = vec![scaled()];
    all.extend(decisions());
    all.extend(conditions().into_iter().flat_map(|condition| {
        let severity = Severity::from(condition.severity());
        let event = Event::of_condition(condition);
        lasting(severity, event)
    }));
    all.extend(
        failures()
            .into_iter()
            .flat_map(|failure| lasting(Severity::Critical, Event::Error { failure })),
    );
    all.extend(unknowns());
    all.extend(people());
    all.extend(lasting(
        Severity::Warning,
        Event::Threshold {
            metric: metric("cpu"),
            value: 0.834,
            above: 0.7,
            is_ratio: true,
            lasting: minutes(5),
        },
    ));
    all.push(digest());
    let also = Notice {
        also: 62,
        ..unknowns().swap_remove(0)
    };
    all.push(also);
    all
}

/// Opened and closed after twelve minutes.
fn lasting(severity: Severity, event: Event) -> [Notice; 2] {
    [
        notice(severity, Stage::Opened, event.clone()),
        notice(severity, Stage::Closed { after: minutes(12) }, event),
    ]
}

/// Changes for each kind of step as the last one, and what a decision can say besides.
fn decisions() -> Vec<Notice> {
    let (from, to) = (Replicas::new(6), Replicas::new(4));
    let mut all: Vec<_> = testing::steps()
        .into_iter()
        .map(|step| {
            notice(
                Severity::Info,
                Stage::Once,
                Event::Scaled {
                    from,
                    to,
                    why: vec![step],
                },
            )
        })
        .collect();
    let (max, min, wanted) = (Replicas::new(10), Replicas::new(2), Replicas::new(13));
    let why = |code: &str| {
        testing::steps()
            .into_iter()
            .filter(|step| step.code() == code)
            .take(1)
            .collect::<Vec<_>>()
    };
    all.extend(lasting(
        Severity::Warning,
        Event::AtMax {
            max,
            wanted,
            why: why("bounded"),
        },
    ));
    let event = Event::AtMin {
        min,
        wanted: Replicas::new(1),
        why: why("bounded"),
    };
    all.extend(lasting(Severity::Info, event));
    let event = Event::Fallback {
        replicas: Replicas::new(4),
        why: why("fell_back"),
    };
    all.extend(lasting(Severity::Warning, event));
    all
}

/// An example of every condition.
#[must_use]
pub fn conditions() -> Vec<RaisedCondition> {
    let because = || "0/3 nodes are available: 3 Insufficient cpu.".into();
    vec![
        RaisedCondition::NotBecomingReady {
            ready: Replicas::new(3),
            starting_for: minutes(6),
        },
        RaisedCondition::FailingToStart {
            failing: Replicas::new(2),
        },
        RaisedCondition::Flapping {
            reversals: 7,
            allowed: 4,
        },
        RaisedCondition::SecondScaler {
            name: "HorizontalPodAutoscaler/api".into(),
        },
        RaisedCondition::SecondHeadroom {
            by: "headroom-1a2b3c4d".into(),
        },
        RaisedCondition::RequestsSet {
            by: "VerticalPodAutoscaler/api".into(),
            resources: "cpu".into(),
            mode: "Recreate".into(),
        },
        RaisedCondition::Contested {
            by: Some("helm".into()),
        },
        RaisedCondition::Contested { by: None },
        RaisedCondition::CountReset {
            by: "argocd-controller".into(),
        },
        RaisedCondition::FleetBrake,
        RaisedCondition::ReplicasNotStarting {
            replicas: Replicas::new(1),
            because: because(),
        },
        RaisedCondition::ReplicasNotStarting {
            replicas: Replicas::new(2),
            because: because(),
        },
        RaisedCondition::ReplicasRefused {
            because: "exceeded quota: pods".into(),
        },
        RaisedCondition::RequestsRecommended {
            by: "VerticalPodAutoscaler/api".into(),
            resources: "cpu".into(),
        },
        RaisedCondition::GuardOff {
            guard: "the guard against a second scaler".into(),
            because: "listing horizontalpodautoscalers is forbidden".into(),
        },
    ]
}

/// An example of every failure.
#[must_use]
pub fn failures() -> Vec<Failure> {
    let error = || "connection refused".into();
    vec![
        Failure::Unreadable { error: error() },
        Failure::NotWritten {
            from: Replicas::new(4),
            to: Replicas::new(6),
            error: error(),
        },
        Failure::NotConfirmed {
            from: Replicas::new(4),
            to: Replicas::new(6),
            error: error(),
        },
        Failure::Pass { error: error() },
        Failure::Channel {
            channel: "slack.ops".into(),
            error: error(),
        },
    ]
}

fn unknowns() -> Vec<Notice> {
    let unknown = |name: &str, seen, error: Option<&str>| UnknownMetric {
        name: metric(name),
        seen,
        error: error.map(Into::into),
    };
    let sample = Sample {
        value: 812.4,
        measured_at: None,
        coverage: Coverage::default(),
    };
    let metrics = vec![
        unknown(
            "request_rate",
            Observation::Missing {
                cause: MissingCause::NoData,
            },
            Some("no series matched"),
        ),
        unknown("cpu", Observation::Partial(sample), None),
        unknown(
            "memory",
            Observation::Stale {
                sample,
                age: minutes(12),
            },
            None,
        ),
    ];
    let closed = Stage::Closed { after: minutes(12) };
    vec![
        notice(Severity::Warning, Stage::Opened, Event::Blind { metrics }),
        notice(
            Severity::Warning,
            closed,
            Event::Recovered { from: Unknown::Blind },
        ),
        notice(
            Severity::Warning,
            closed,
            Event::Recovered {
                from: Unknown::Fallback,
            },
        ),
    ]
}

/// What people did beside the policy, and to it.
fn people() -> Vec<Notice> {
    let operator = Operator {
        by: Some("김민수".into()),
        reason: Some("black friday <sale> & more".into()),
    };
    let until = Some(AT.plus(minutes(90)));
    let overridden = |operator: &Operator, min: Option<u32>, max: Option<u32>, holds_scale_down, until| {
        Event::Overridden {
            operator: operator.clone(),
            min: min.map(Replicas::new),
            max: max.map(Replicas::new),
            holds_scale_down,
            until,
        }
    };
    let mut all = vec![
        notice(
            Severity::Info,
            Stage::Opened,
            Event::Paused {
                operator: operator.clone(),
                until,
            },
        ),
        notice(
            Severity::Info,
            Stage::Opened,
            Event::Paused {
                operator: Operator::default(),
                until: None,
            },
        ),
        notice(
            Severity::Info,
            Stage::Closed { after: minutes(12) },
            Event::Resumed,
        ),
    ];
    for event in [
        overridden(&operator, Some(6), Some(20), false, until),
        overridden(&operator, Some(6), None, true, until),
        overridden(&Operator::default(), None, Some(3), false, None),
        overridden(&Operator::default(), None, None, true, until),
    ] {
        all.extend(lasting(Severity::Info, event));
    }
    let change = |key: &str, before: Option<&str>, after: Option<&str>| Change {
        key: key.into(),
        before: before.map(Into::into),
        after: after.map(Into::into),
    };
    let changes = vec![
        change("max_replicas", Some("10"), Some("14")),
        change("metrics.users.per_replica", None, Some("100")),
        change("scale_down.stabilization", Some("5m"), None),
    ];
    all.push(notice(
        Severity::Info,
        Stage::Once,
        Event::PolicyChanged { changes },
    ));
    all
}

/// The digest of a day.
#[must_use]
pub fn digest() -> Notice {
    let counts = ReplicaCounts {
        fewest: Replicas::new(2),
        most: Replicas::new(9),
        most_at: AT.minus(minutes(14 * 60 + 10)),
        replica_hours: 212.4,
        fixed_hours: 240.0,
    };
    let quiet = |name: &str| {
        let workload = name.parse().ok()?;
        Some(WorkloadDigest {
            workload,
            changes: 0,
            counts: Some(counts.clone()),
            at_max: Duration::ZERO,
            blind: Duration::ZERO,
            unreadable: Duration::ZERO,
            errors: 0,
        })
    };
    let workloads = [
        quiet("devtrip/api").map(|of| WorkloadDigest {
            changes: 14,
            at_max: minutes(3),
            ..of
        }),
        quiet("shop/checkout").map(|of| WorkloadDigest {
            changes: 1,
            blind: minutes(8),
            errors: 2,
            ..of
        }),
        quiet("shop/search").map(|of| WorkloadDigest {
            counts: None,
            unreadable: minutes(24 * 60),
            ..of
        }),
    ];
    let digest = Digest {
        since: AT.minus(minutes(24 * 60)),
        until: AT,
        workloads: workloads.into_iter().flatten().collect(),
        quiet: 57,
    };
    Notice {
        workload: None,
        ..notice(Severity::Info, Stage::Once, Event::Digest(digest))
    }
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn metric(name: &str) -> headroom_policy_engine::MetricName {
    headroom_policy_engine::MetricName::new(name)
}
