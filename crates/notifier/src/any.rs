//! Notices with anything in them, for properties.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{
    Hold, MetricName, Operator, RaisedCondition, Replicas, Step, Timestamp, WorkloadId, testing,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    Change, Digest, Event, Failure, Links, Message, Notice, NoticeId, Receipt, ReplicaCounts, Severity,
    Stage, Unknown, UnknownMetric, WorkloadDigest,
};

/// Texts with whatever could break out of a form: markup, controls, wide and rare characters; short and long.
pub(crate) fn text() -> impl Strategy<Value = Arc<str>> {
    let odd = select(vec![
        '&', '<', '>', '|', '*', '_', '`', '~', '"', '\\', '\n', '\r', '\t', '\0', '\u{1b}', '\u{202e}',
        '\u{feff}', '🙂', '👩', '\u{200d}', '가', 'é', ' ', ';', '{', '}',
    ]);
    let char = prop_oneof![odd, any::<char>(), proptest::char::range('a', 'z')];
    prop_oneof![
        8 => vec(char.clone(), 0..12),
        1 => vec(char.clone(), 0..400),
        1 => char.prop_flat_map(|char| (0_usize..6000).prop_map(move |count| vec![char; count])),
    ]
    .prop_map(|chars| chars.into_iter().collect::<String>().into())
}

fn count() -> impl Strategy<Value = Replicas> {
    any::<u32>().prop_map(Replicas::new)
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..200_000).prop_map(Duration::from_secs),
        any::<u64>().prop_map(Duration::from_secs),
        any::<u64>().prop_map(Duration::from_millis),
    ]
}

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i32>()
            .prop_map(|off| Timestamp::from_unix_millis(crate::testing::AT.unix_millis() + i64::from(off))),
        any::<i64>().prop_map(Timestamp::from_unix_millis),
    ]
}

fn metric() -> impl Strategy<Value = MetricName> {
    text().prop_map(|name| MetricName::new(&name))
}

fn operator() -> impl Strategy<Value = Operator> {
    (option::of(text()), option::of(text())).prop_map(|(by, reason)| Operator { by, reason })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => select(testing::steps()),
        1 => (count(), count(), text()).prop_map(|(wanted, raised, by)| Step::Restored { wanted, raised, by }),
        1 => (count(), count(), metric()).prop_map(|(wanted, raised, metric)| Step::Activated {
            wanted,
            raised,
            metric
        }),
        1 => (count(), count(), option::of(text()), option::of(span())).prop_map(
            |(wanted, kept, by, ends_after)| Step::Held {
                wanted,
                kept,
                hold: Hold::Contested { by, until: None },
                ends_after,
            }
        ),
    ]
}

fn condition() -> impl Strategy<Value = RaisedCondition> {
    prop_oneof![
        select(crate::testing::conditions()),
        text().prop_map(|name| RaisedCondition::SecondScaler { name }),
        text().prop_map(|by| RaisedCondition::SecondHeadroom { by }),
        (text(), text(), text()).prop_map(|(by, resources, mode)| RaisedCondition::RequestsSet {
            by,
            resources,
            mode
        }),
        option::of(text()).prop_map(|by| RaisedCondition::Contested { by }),
        text().prop_map(|by| RaisedCondition::CountReset { by }),
        (count(), text())
            .prop_map(|(replicas, because)| RaisedCondition::ReplicasNotStarting { replicas, because }),
        text().prop_map(|because| RaisedCondition::ReplicasRefused { because }),
        (text(), text()).prop_map(|(by, resources)| RaisedCondition::RequestsRecommended { by, resources }),
        (text(), text()).prop_map(|(guard, because)| RaisedCondition::GuardOff { guard, because }),
        (count(), span())
            .prop_map(|(ready, starting_for)| RaisedCondition::NotBecomingReady { ready, starting_for }),
    ]
}

fn failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        text().prop_map(|error| Failure::Unreadable { error }),
        (count(), count(), text()).prop_map(|(from, to, error)| Failure::NotWritten { from, to, error }),
        (count(), count(), text()).prop_map(|(from, to, error)| Failure::NotConfirmed { from, to, error }),
        text().prop_map(|error| Failure::Pass { error }),
        (text(), text()).prop_map(|(channel, error)| Failure::Channel { channel, error }),
    ]
}

/// A workload's name, legal as every one is, and up to the longest.
pub(crate) fn workload() -> impl Strategy<Value = WorkloadId> {
    ("[a-z][a-z0-9-]{0,61}[a-z0-9]", "[a-z][a-z0-9-]{0,61}[a-z0-9]")
        .prop_filter_map("legal names", |(namespace, name)| {
            format!("{namespace}/{name}").parse().ok()
        })
}

fn of_workload() -> impl Strategy<Value = WorkloadDigest> {
    let counts = (count(), count(), moment(), any::<f64>(), any::<f64>()).prop_map(
        |(fewest, most, most_at, replica_hours, fixed_hours)| ReplicaCounts {
            fewest,
            most,
            most_at,
            replica_hours,
            fixed_hours,
        },
    );
    (
        (workload(), any::<u32>(), option::of(counts)),
        (span(), span(), span(), any::<u32>()),
    )
        .prop_map(
            |((workload, changes, counts), (at_max, blind, unreadable, errors))| WorkloadDigest {
                workload,
                changes,
                counts,
                at_max,
                blind,
                unreadable,
                errors,
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    let why = || vec(step(), 0..4);
    let change = (text(), option::of(text()), option::of(text())).prop_map(|(key, before, after)| Change {
        key,
        before,
        after,
    });
    let seen = select(testing::steps()).prop_filter_map("what is known of a metric", |step| {
        if let Step::Recommended { seen, .. } = step {
            Some(seen)
        } else {
            None
        }
    });
    let unknown = (metric(), seen, option::of(text())).prop_map(|(name, seen, error)| UnknownMetric {
        name,
        seen,
        error,
    });
    prop_oneof![
        (count(), count(), why()).prop_map(|(from, to, why)| Event::Scaled { from, to, why }),
        (count(), count(), why()).prop_map(|(max, wanted, why)| Event::AtMax { max, wanted, why }),
        (count(), count(), why()).prop_map(|(min, wanted, why)| Event::AtMin { min, wanted, why }),
        (count(), why()).prop_map(|(replicas, why)| Event::Fallback { replicas, why }),
        select(vec![Unknown::Fallback, Unknown::Blind]).prop_map(|from| Event::Recovered { from }),
        condition().prop_map(Event::of_condition),
        vec(unknown, 0..30).prop_map(|metrics| Event::Blind { metrics }),
        failure().prop_map(|failure| Event::Error { failure }),
        (operator(), option::of(moment())).prop_map(|(operator, until)| Event::Paused { operator, until }),
        Just(Event::Resumed),
        (
            operator(),
            option::of(count()),
            option::of(count()),
            any::<bool>(),
            option::of(moment())
        )
            .prop_map(
                |(operator, min, max, holds_scale_down, until)| Event::Overridden {
                    operator,
                    min,
                    max,
                    holds_scale_down,
                    until
                }
            ),
        vec(change, 0..40).prop_map(|changes| Event::PolicyChanged { changes }),
        (metric(), any::<f64>(), any::<f64>(), any::<bool>(), span()).prop_map(
            |(metric, value, above, is_ratio, lasting)| Event::Threshold {
                metric,
                value,
                above,
                is_ratio,
                lasting
            }
        ),
        (moment(), moment(), vec(of_workload(), 0..40), any::<u32>()).prop_map(
            |(since, until, workloads, quiet)| Event::Digest(Digest {
                since,
                until,
                workloads,
                quiet
            })
        ),
    ]
}

/// Any notice.
pub(crate) fn notice() -> impl Strategy<Value = Notice> {
    let stage = prop_oneof![
        Just(Stage::Once),
        Just(Stage::Opened),
        span().prop_map(|after| Stage::Closed { after })
    ];
    let links = (option::of(text()), option::of(text()))
        .prop_map(|(runbook, dashboard)| Links { runbook, dashboard });
    let severity = select(vec![Severity::Info, Severity::Warning, Severity::Critical]);
    (
        (
            text(),
            moment(),
            option::of(text()),
            option::of(workload()),
            any::<u32>(),
        ),
        (severity, stage, event(), links, any::<bool>()),
    )
        .prop_map(
            |((id, at, cluster, workload, also), (severity, stage, event, links, is_test))| Notice {
                id: NoticeId(id),
                at,
                cluster,
                workload,
                also,
                severity,
                stage,
                event,
                links,
                is_test,
            },
        )
}

/// A digest of thousands of workloads.
pub(crate) fn huge_digest() -> Notice {
    let mut notice = crate::testing::digest();
    if let Event::Digest(digest) = &mut notice.event
        && let Some(one) = digest.workloads.first().cloned()
    {
        digest.workloads = vec![one; 5000];
    }
    notice
}
/// Any message.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    (
        vec(notice(), 1..8),
        any::<prop::sample::Index>(),
        text(),
        option::of(text()),
        any::<u32>(),
    )
        .prop_map(|(notices, told, key, earlier, left_out)| Message {
            key: key.to_string(),
            told: told.index(notices.len()),
            notices,
            earlier: earlier.map(|receipt| Receipt(receipt.to_string())),
            left_out,
        })
}
