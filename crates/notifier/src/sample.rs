//! Notices that somebody sends to see whether they arrive, and how they look: one for each kind of event.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{
    Arithmetic, ChangeAmount, ChangeLimit, Coverage, Direction, FallbackAction, MetricName, MetricRule,
    MissingCause, Observation, Operator, Proposal, RaisedCondition, ReplicaBounds, Replicas, Sample, Step,
    Target, Terms, Timestamp, Tolerance, Votes, WorkloadId,
};

use crate::{
    Change, Digest, Event, EventKind, Failure, Links, Notice, NoticeId, ReplicaCounts, Severity, Stage,
    Unknown, UnknownMetric, WorkloadDigest,
};

/// A notice of this kind that says of itself that it is a test, as it could be about `workload` at `at`.
#[must_use]
pub fn sample(kind: EventKind, cluster: Option<&str>, workload: &WorkloadId, at: Timestamp) -> Notice {
    let (severity, stage, event) = happened(kind, workload, at);
    let workload = (kind != EventKind::Digest).then(|| workload.clone());
    Notice {
        id: NoticeId(format!("test-{}-{}", kind.code(), at.unix_millis()).into()),
        at,
        cluster: cluster.map(Arc::from),
        workload,
        also: 0,
        severity,
        stage,
        event,
        links: Links::default(),
        is_test: true,
    }
}

fn happened(kind: EventKind, workload: &WorkloadId, at: Timestamp) -> (Severity, Stage, Event) {
    let operator = || Operator {
        by: Some("somebody".into()),
        reason: Some("load test".into()),
    };
    let closed = Stage::Closed { after: minutes(12) };
    let until = Some(at.plus(minutes(120)));
    match kind {
        EventKind::Scaled => {
            let (from, to) = (Replicas::new(4), Replicas::new(6));
            (
                Severity::Info,
                Stage::Once,
                Event::Scaled {
                    from,
                    to,
                    why: grown(),
                },
            )
        }
        EventKind::AtMax => {
            let (max, wanted) = (Replicas::new(10), Replicas::new(13));
            (
                Severity::Warning,
                Stage::Opened,
                Event::AtMax {
                    max,
                    wanted,
                    why: bounded(wanted, max),
                },
            )
        }
        EventKind::AtMin => {
            let (min, wanted) = (Replicas::new(2), Replicas::new(1));
            (
                Severity::Info,
                Stage::Opened,
                Event::AtMin {
                    min,
                    wanted,
                    why: bounded(wanted, min),
                },
            )
        }
        EventKind::Fallback => {
            let replicas = Replicas::new(4);
            let step = Step::FellBack {
                wanted: Replicas::new(2),
                raised: replicas,
                action: FallbackAction::AtLeast(replicas),
                unknown_for: minutes(3),
                metric: Some(metric()),
            };
            (
                Severity::Warning,
                Stage::Opened,
                Event::Fallback {
                    replicas,
                    why: vec![step],
                },
            )
        }
        EventKind::Recovered => (
            Severity::Warning,
            closed,
            Event::Recovered {
                from: Unknown::Fallback,
            },
        ),
        EventKind::Held => {
            let because = "0/3 nodes are available: 3 Insufficient cpu.".into();
            let replicas = Replicas::new(2);
            let condition = RaisedCondition::ReplicasNotStarting { replicas, because };
            (Severity::Warning, Stage::Opened, Event::of_condition(condition))
        }
        EventKind::ResetBy => {
            let condition = RaisedCondition::Contested {
                by: Some("argocd-controller".into()),
            };
            (Severity::Critical, Stage::Opened, Event::of_condition(condition))
        }
        EventKind::Blind => {
            let unknown = UnknownMetric {
                name: metric(),
                seen: Observation::Missing {
                    cause: MissingCause::NoData,
                },
                error: None,
            };
            (
                Severity::Warning,
                Stage::Opened,
                Event::Blind {
                    metrics: vec![unknown],
                },
            )
        }
        EventKind::Error => {
            let failure = Failure::Unreadable {
                error: "connection refused".into(),
            };
            (Severity::Critical, Stage::Opened, Event::Error { failure })
        }
        EventKind::Paused => (
            Severity::Info,
            Stage::Opened,
            Event::Paused {
                operator: operator(),
                until,
            },
        ),
        EventKind::Resumed => (Severity::Info, closed, Event::Resumed),
        EventKind::Overridden => {
            let event = Event::Overridden {
                operator: operator(),
                min: Some(Replicas::new(6)),
                max: None,
                holds_scale_down: false,
                until,
            };
            (Severity::Info, Stage::Opened, event)
        }
        EventKind::PolicyChanged => {
            let change = Change {
                key: "max_replicas".into(),
                before: Some("10".into()),
                after: Some("14".into()),
            };
            (
                Severity::Info,
                Stage::Once,
                Event::PolicyChanged {
                    changes: vec![change],
                },
            )
        }
        EventKind::Threshold => {
            let event = Event::Threshold {
                metric: MetricName::new("cpu"),
                value: 0.83,
                above: 0.7,
                is_ratio: true,
                lasting: minutes(5),
            };
            (Severity::Warning, Stage::Opened, event)
        }
        EventKind::Digest => (Severity::Info, Stage::Once, Event::Digest(digest(workload, at))),
    }
}

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

fn metric() -> MetricName {
    MetricName::new("request_rate")
}

/// What asked for 8 replicas.
fn asked() -> Option<Step> {
    let terms = Terms {
        rule: MetricRule::PerReplica(Target::new(100.0).ok()?),
        votes: Votes::UpAndDown,
        tolerance: Tolerance::TENTH,
        current: Replicas::new(4),
        arithmetic: Arithmetic::Headroom,
    };
    Some(Step::Recommended {
        metric: metric(),
        seen: Observation::Fresh(Sample {
            value: 760.0,
            measured_at: None,
            coverage: Coverage::default(),
        }),
        terms,
        pending: None,
        proposal: Proposal::Replicas(Replicas::new(8)),
    })
}

/// Why there are 6 and not yet 8.
fn grown() -> Vec<Step> {
    let limit = ChangeLimit::new(ChangeAmount::Replicas(2), minutes(1)).ok();
    let limited = Step::Limited {
        wanted: Replicas::new(8),
        allowed: Replicas::new(6),
        direction: Direction::Up,
        limit,
        room_after: Some(Duration::from_secs(40)),
    };
    asked().into_iter().chain([limited]).collect()
}

fn bounded(wanted: Replicas, bounded: Replicas) -> Vec<Step> {
    let bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(10)).ok();
    let step = bounds.map(|bounds| Step::Bounded {
        wanted,
        bounded,
        bounds,
        by: None,
    });
    asked().into_iter().chain(step).collect()
}

fn digest(workload: &WorkloadId, at: Timestamp) -> Digest {
    Digest {
        since: at.minus(minutes(24 * 60)),
        until: at,
        workloads: vec![WorkloadDigest {
            workload: workload.clone(),
            changes: 14,
            counts: Some(ReplicaCounts {
                fewest: Replicas::new(2),
                most: Replicas::new(9),
                most_at: at.minus(minutes(15 * 60)),
                replica_hours: 212.0,
                fixed_hours: 240.0,
            }),
            at_max: minutes(3),
            blind: Duration::ZERO,
            unreadable: Duration::ZERO,
            errors: 0,
        }],
        quiet: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_test_of_every_kind_that_has_its_reason() {
        let (workload, at) = ("shop/api".parse().unwrap(), crate::testing::AT);
        for kind in EventKind::ALL {
            let notice = sample(kind, Some("prod-eu"), &workload, at);
            assert!(notice.is_test);
            assert_eq!(notice.kind(), kind);
            let is_decision = matches!(kind, EventKind::Scaled | EventKind::AtMax | EventKind::AtMin);
            assert_eq!(notice.event.why().len() == 2, is_decision, "{kind:?}");
        }
    }
}
