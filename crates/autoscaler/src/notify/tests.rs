mod allocations;
mod collectives;
mod digests;
mod passes;

use std::time::Duration;

use headroom_notifier::{
    Event, EventKind, Failure, Severity, Stage, Unknown,
    delivery::{Addressed, ChannelName, ChannelRules},
};
use headroom_policy_engine::{
    Decision, Explanation, Outcome, RaisedCondition, Reason, ReplicaBounds, Replicas, Step, Timestamp,
    Workload, testing,
};

use super::{
    Incidents, News, NotifySettings, Routes, Seen,
    router::{About, Router},
};
use crate::{DecisionRecord, Mode, Pause, Verdict};

fn at(seconds: u64) -> Timestamp {
    testing::DECIDED_AT.plus(Duration::from_secs(seconds))
}

fn record(seconds: u64, steps: Vec<Step>) -> DecisionRecord {
    let (from, to) = (Replicas::new(4), Replicas::new(6));
    DecisionRecord {
        at: at(seconds),
        workload: "shop/api".parse().unwrap(),
        mode: Mode::Apply,
        metrics: Vec::new(),
        hold_query: None,
        in_force: Vec::new(),
        bounds: None,
        verdict: Verdict::Decided {
            target: Workload::running(from),
            decision: Decision::Scale {
                from,
                to,
                reason: Reason::AboveTarget,
            },
            explanation: Explanation(steps),
            outcome: Outcome::NotAttempted,
            error: None,
        },
        round: None,
        conditions: Vec::new(),
        beside: Vec::new(),
        rebuilt: None,
    }
}

/// The load asks for 13, and 10 are allowed.
fn at_max(seconds: u64) -> DecisionRecord {
    let bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(10)).unwrap();
    let (wanted, bounded) = (Replicas::new(13), bounds.max());
    record(
        seconds,
        vec![Step::Bounded {
            wanted,
            bounded,
            bounds,
            by: None,
        }],
    )
}

/// Nothing is known about the load.
fn blind(seconds: u64) -> DecisionRecord {
    let is_blind = |step: &Step| step.code() != "fell_back" && record(0, vec![step.clone()]).is_blind();
    let blind = testing::steps().into_iter().find(is_blind).unwrap();
    record(seconds, vec![blind])
}

fn unreadable(seconds: u64) -> DecisionRecord {
    let error = "connection refused".to_owned();
    DecisionRecord {
        verdict: Verdict::Unreadable { error },
        ..record(seconds, Vec::new())
    }
}

fn with_outcome(mut record: DecisionRecord, is: Outcome) -> DecisionRecord {
    if let Verdict::Decided { outcome, .. } = &mut record.verdict {
        *outcome = is;
    }
    record
}

/// A decision while nobody has asked for a pause.
fn seen(record: &DecisionRecord) -> Seen<'_> {
    Seen {
        record,
        pause: None,
        acts_are_known: true,
        fallback: None,
    }
}

fn learn(incidents: &mut Incidents, record: &DecisionRecord) -> Vec<(EventKind, Stage)> {
    kinds(&incidents.learn(seen(record), &Routes::default(), |_| true))
}

fn kinds(news: &[News]) -> Vec<(EventKind, Stage)> {
    news.iter().map(|one| (one.event.kind(), one.stage)).collect()
}

fn closed(seconds: u64) -> Stage {
    Stage::Closed {
        after: Duration::from_secs(seconds),
    }
}

#[test]
fn what_lasts_is_told_once_when_it_has_lasted_and_once_when_it_has_ended() {
    let mut incidents = Incidents::default();
    assert_eq!(learn(&mut incidents, &at_max(0)), [], "not yet");
    assert_eq!(
        learn(&mut incidents, &at_max(60)),
        [(EventKind::AtMax, Stage::Opened)]
    );
    assert_eq!(learn(&mut incidents, &at_max(90)), [], "it is known");
    let mut incidents = Incidents::read(incidents.take_change().as_deref());
    assert_eq!(
        learn(&mut incidents, &record(120, Vec::new())),
        [],
        "it may come again"
    );
    assert_eq!(learn(&mut incidents, &at_max(150)), [], "as it does");
    assert_eq!(learn(&mut incidents, &record(180, Vec::new())), []);
    assert_eq!(
        learn(&mut incidents, &record(240, Vec::new())),
        [(EventKind::AtMax, closed(180))]
    );
    assert_eq!(learn(&mut incidents, &record(270, Vec::new())), []);
}

#[test]
fn what_ends_before_it_has_lasted_is_not_told_of() {
    let mut incidents = Incidents::default();
    learn(&mut incidents, &at_max(0));
    assert_eq!(learn(&mut incidents, &record(30, Vec::new())), []);
    assert_eq!(learn(&mut incidents, &at_max(60)), [], "it begins anew");
    assert_eq!(learn(&mut incidents, &at_max(119)), []);
    assert_eq!(
        learn(&mut incidents, &at_max(120)),
        [(EventKind::AtMax, Stage::Opened)]
    );
}

#[test]
fn of_a_target_that_cannot_be_read_nobody_says_that_something_has_ended() {
    let mut incidents = Incidents::default();
    learn(&mut incidents, &at_max(0));
    learn(&mut incidents, &at_max(60));
    assert_eq!(
        learn(&mut incidents, &unreadable(90)),
        [(EventKind::Error, Stage::Opened)]
    );
    assert_eq!(learn(&mut incidents, &unreadable(900)), []);
    let told = learn(&mut incidents, &at_max(930));
    assert_eq!(told, [(EventKind::Error, closed(840))]);
}

#[test]
fn while_nothing_is_known_about_the_load_nobody_says_that_it_fits_again() {
    let mut incidents = Incidents::default();
    learn(&mut incidents, &at_max(0));
    learn(&mut incidents, &at_max(60));
    assert_eq!(learn(&mut incidents, &blind(90)), []);
    assert_eq!(
        learn(&mut incidents, &blind(300)),
        [(EventKind::Blind, Stage::Opened)]
    );
    learn(&mut incidents, &record(330, Vec::new()));
    assert_eq!(
        learn(&mut incidents, &record(450, Vec::new())),
        [
            (EventKind::AtMax, closed(330)),
            (EventKind::Recovered, closed(240))
        ]
    );
}

#[test]
fn the_load_needs_what_its_metrics_ask_for_and_not_what_a_limit_leaves_of_it() {
    let mut steps = vec![Step::Combined {
        replicas: Replicas::new(40),
        by: None,
    }];
    let Verdict::Decided { explanation, .. } = at_max(0).verdict else {
        panic!("it is decided")
    };
    steps.extend(explanation.0);
    let record = record(0, steps);
    let Some(super::condition::Condition::AtMax { max, wanted }) = super::condition::bounded(&record) else {
        panic!("{record:?}")
    };
    assert_eq!((max.get(), wanted.get()), (10, 40));
}

#[test]
fn what_goes_on_ends_where_nobody_is_told_of_the_workload_any_more() {
    let mut incidents = Incidents::default();
    learn(&mut incidents, &at_max(0));
    learn(&mut incidents, &at_max(60));
    incidents.take_change();
    assert_eq!(
        kinds(&incidents.end_all(at(90))),
        [(EventKind::AtMax, closed(90))]
    );
    assert_eq!(
        Incidents::read(incidents.take_change().as_deref()),
        Incidents::default()
    );
    assert_eq!(incidents.end_all(at(120)), []);
    assert_eq!(incidents.take_change(), None);
}

#[test]
fn a_change_is_told_once_it_is_written_and_a_failure_until_one_is() {
    let mut incidents = Incidents::default();
    let pass = |seconds, outcome| with_outcome(record(seconds, Vec::new()), outcome);
    assert_eq!(learn(&mut incidents, &pass(0, Outcome::NotAttempted)), []);
    let failed = learn(&mut incidents, &pass(30, Outcome::Failed));
    assert_eq!(failed, [(EventKind::Error, Stage::Opened)]);
    assert_eq!(learn(&mut incidents, &pass(60, Outcome::Failed)), []);
    let written = learn(&mut incidents, &pass(90, Outcome::Written));
    assert_eq!(
        written,
        [(EventKind::Scaled, Stage::Once), (EventKind::Error, closed(60))]
    );
}

#[test]
fn what_is_not_confirmed_is_not_told_as_failed_and_goes_on_until_the_target_is_read() {
    let mut incidents = Incidents::default();
    let mut subjects = |record: &DecisionRecord| {
        let news = incidents.learn(seen(record), &Routes::default(), |_| true);
        let subjects = news.iter().map(|one| (one.event.subject(), one.stage));
        subjects.collect::<Vec<_>>()
    };
    let not_confirmed = || "error/not_confirmed".to_owned();
    let unknown = with_outcome(record(0, Vec::new()), Outcome::NotConfirmed);
    assert_eq!(subjects(&unknown), [(not_confirmed(), Stage::Opened)]);
    assert_eq!(
        subjects(&unreadable(30)),
        [("error/unreadable".to_owned(), Stage::Opened)]
    );
    let failed = subjects(&with_outcome(record(60, Vec::new()), Outcome::Failed));
    assert_eq!(failed[0], ("error/not_written".to_owned(), Stage::Opened));
    assert!(failed.contains(&(not_confirmed(), closed(60))), "{failed:?}");
}

#[test]
fn nothing_is_kept_of_what_nobody_wants_to_know() {
    let mut incidents = Incidents::default();
    for record in [at_max(0), at_max(60), unreadable(90)] {
        let news = incidents.learn(seen(&record), &Routes::default(), |_| false);
        assert_eq!(news, []);
        assert_eq!(incidents.take_change(), None);
    }
}

#[test]
fn the_state_is_given_a_text_only_where_it_is_another_one() {
    let mut incidents = Incidents::default();
    let mut is_changed = |record: &DecisionRecord| {
        learn(&mut incidents, record);
        incidents.take_change().is_some()
    };
    let seen = [
        at_max(0),
        at_max(30),
        at_max(60),
        at_max(90),
        record(120, Vec::new()),
        record(121, Vec::new()),
    ];
    let changed = seen.map(|record| is_changed(&record));
    assert_eq!(changed, [true, false, true, false, true, false]);
}

#[test]
fn a_pause_is_told_with_who_and_why_and_ends_as_resumed() {
    let mut incidents = Incidents::default();
    let pause = Pause {
        workload: "shop/api".parse().unwrap(),
        since: at(0),
        until: None,
        reason: Some("load test".to_owned()),
        by: Some("min".to_owned()),
    };
    let quiet = record(0, Vec::new());
    let paused = Seen {
        pause: Some(&pause),
        ..seen(&quiet)
    };
    let told = incidents.learn(paused, &Routes::default(), |_| true);
    let [
        News {
            event: Event::Paused { operator, .. },
            ..
        },
    ] = &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!(operator.by.as_deref(), Some("min"));
    let later = record(60, Vec::new());
    let unreadable = Seen {
        acts_are_known: false,
        ..seen(&later)
    };
    let told = incidents.learn(unreadable, &Routes::default(), |_| true);
    assert_eq!(told, [], "nobody knows whether it has ended");
    let told = incidents.learn(seen(&later), &Routes::default(), |_| true);
    assert_eq!(
        told.iter().map(|one| &one.event).collect::<Vec<_>>(),
        [&Event::Resumed]
    );
}

#[test]
fn a_fallback_is_told_whether_or_not_it_raises_the_count_and_ends_as_recovered() {
    let fell_back = testing::steps()
        .into_iter()
        .find(|step| step.code() == "fell_back");
    let raised = record(0, fell_back.into_iter().collect());
    for (first, why) in [(raised, "fell_back"), (blind(0), "recommended")] {
        let mut incidents = Incidents::default();
        let mut learn = |record: &DecisionRecord, fallback| {
            let seen = Seen {
                fallback,
                ..seen(record)
            };
            let told = incidents.learn(seen, &Routes::default(), |kind| kind != EventKind::Blind);
            told.into_iter().map(|one| one.event).collect::<Vec<_>>()
        };
        let kept = Some(Replicas::new(8));
        let opened = learn(&first, kept);
        let [Event::Fallback { replicas, why: told }] = &opened[..] else {
            panic!("{opened:?}")
        };
        assert_eq!(
            (replicas.get(), told.iter().map(Step::code).collect::<Vec<_>>()),
            (8, vec![why])
        );
        assert_eq!(learn(&blind(30), kept), []);
        // Another metric may still be unknown.
        let expected = Event::Recovered {
            from: Unknown::Fallback,
        };
        assert_eq!(learn(&blind(60), None), [expected]);
    }
}

#[test]
fn of_what_is_turned_off_nothing_is_missed_and_nothing_kept() {
    let mut off = blind(0);
    if let Verdict::Decided { decision, .. } = &mut off.verdict {
        let (at, reason) = (Replicas::ZERO, Reason::Off);
        *decision = Decision::Hold { at, reason };
    }
    assert!(!off.is_blind());
    let fallback = Some(Replicas::new(8));
    let seen = Seen {
        fallback,
        ..seen(&off)
    };
    let told = Incidents::default().learn(seen, &Routes::default(), |_| true);
    assert_eq!(kinds(&told), []);
}

#[test]
fn a_policy_that_changes_is_told_key_by_key_and_not_when_it_is_seen_first() {
    let mut incidents = Incidents::default();
    let policy = |keys: &[(&str, &str)]| Routes {
        effective: keys
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect(),
        ..Routes::default()
    };
    let mut learn = |seconds, keys: &[(&str, &str)]| {
        let told = incidents.learn(seen(&record(seconds, Vec::new())), &policy(keys), |_| true);
        let changes = told.into_iter().map(|news| {
            let Event::PolicyChanged { changes } = news.event else {
                panic!("{news:?}")
            };
            changes
        });
        let mut texts = Vec::new();
        for change in changes.flatten() {
            texts.push(format!("{} {:?} {:?}", change.key, change.before, change.after));
        }
        texts
    };
    let none: [String; 0] = [];
    assert_eq!(learn(0, &[("max_replicas", "10"), ("tolerance", "5%")]), none);
    let told = learn(30, &[("max_replicas", "14"), ("metrics.rps.value", "3")]);
    assert_eq!(
        told,
        [
            "max_replicas Some(\"10\") Some(\"14\")",
            "tolerance Some(\"5%\") None",
            "metrics.rps.value None Some(\"3\")",
        ]
    );
    assert_eq!(
        learn(60, &[("max_replicas", "14"), ("metrics.rps.value", "3")]),
        none
    );
}

/// The channels `ops` for everything and `pager` for what is critical and else nothing.
fn settings() -> NotifySettings {
    let channel = |name: &str, on: Option<Vec<EventKind>>, least| crate::ChannelSettings {
        name: name.into(),
        medium: crate::Medium::SlackWebhook {
            url: crate::Secret::Env("URL".to_owned()),
            allow_http: false,
        },
        rules: ChannelRules {
            on: on.map(|on| on.into_iter().collect()),
            least,
            ..headroom_notifier::testing::rules()
        },
        style: headroom_notifier::Style {
            language: headroom_notifier::Language::En,
            timezone: jiff::tz::TimeZone::UTC,
        },
        digest: None,
    };
    NotifySettings {
        channels: vec![
            channel("ops", None, Severity::Info),
            channel("pager", Some(Vec::new()), Severity::Info),
            channel("other", None, Severity::Info),
        ],
        ..NotifySettings::default()
    }
}

fn router() -> (Router, Routes) {
    let routes = Routes {
        channels: vec!["ops".into(), "pager".into()],
        critical: vec!["pager".into()],
        dashboard: Some("https://grafana.example.com/d/api?from={from}&to={to}".into()),
        ..Routes::default()
    };
    (Router::new(Some("prod-eu"), &settings()), routes)
}

fn told_to(addressed: &Addressed) -> Vec<&str> {
    addressed.to.iter().map(ChannelName::as_str).collect()
}

#[test]
fn what_is_critical_also_goes_to_those_who_are_told_of_nothing_else() {
    let (router, routes) = router();
    let workload = "shop/api".parse().unwrap();
    let about = About {
        workload: Some(&workload),
        routes: &routes,
    };
    let news = |severity, event| News {
        at: at(0),
        severity,
        stage: Stage::Opened,
        event,
    };
    let failed = Event::Error {
        failure: Failure::Unreadable { error: "no".into() },
    };
    let told = router.address(about, news(Severity::Critical, failed)).unwrap();
    assert_eq!(told_to(&told), ["ops", "pager"]);
    let braked = Event::of_condition(RaisedCondition::FleetBrake);
    let told = router.address(about, news(Severity::Warning, braked)).unwrap();
    assert_eq!(told_to(&told), ["ops"]);
    let links = &told.notice.links;
    let from = at(0).unix_millis() - 3_600_000;
    let to = at(0).unix_millis() + 600_000;
    let expected = format!("https://grafana.example.com/d/api?from={from}&to={to}");
    assert_eq!(links.dashboard.as_deref(), Some(expected.as_str()));
    assert!(router.is_wanted(&routes, EventKind::AtMin));
    let critical = Routes {
        channels: Vec::new(),
        ..routes
    };
    assert!(router.is_wanted(&critical, EventKind::Error));
    assert!(!router.is_wanted(&critical, EventKind::AtMin));
}

#[test]
fn two_conditions_of_one_kind_open_and_close_each_for_itself() {
    let of = |seconds: u64, names: &[&str]| {
        let mut record = record(seconds, Vec::new());
        record.conditions = names
            .iter()
            .map(|name| RaisedCondition::SecondScaler { name: (*name).into() })
            .collect();
        record
    };
    let mut incidents = Incidents::default();
    let mut told = |record: &DecisionRecord| {
        let news = incidents.learn(seen(record), &Routes::default(), |_| true);
        news.iter()
            .map(|one| format!("{} {}", one.event.subject(), one.stage == Stage::Opened))
            .collect::<Vec<_>>()
    };
    let (hpa, scaled_object) = ("HorizontalPodAutoscaler/api", "ScaledObject/api");
    let both = [
        "second_scaler/HorizontalPodAutoscaler/api true",
        "second_scaler/ScaledObject/api true",
    ];
    assert_eq!(told(&of(0, &[hpa, scaled_object])), both);
    assert_eq!(
        told(&of(30, &[scaled_object])),
        ["second_scaler/HorizontalPodAutoscaler/api false"]
    );
    assert_eq!(told(&of(60, &[scaled_object])), [""; 0]);
    assert_eq!(told(&of(90, &[])), ["second_scaler/ScaledObject/api false"]);
}
