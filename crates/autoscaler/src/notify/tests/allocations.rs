//! What nobody is told of allocates nothing, decision by decision.

use std::path::PathBuf;

use allocation_counter::measure;
use headroom_policy_engine::{
    ActiveBounds, BoundSource, MetricName, Observation, Operator, Sample, Step, Timestamp, testing,
};

use super::{at, at_max, record, seen};
use crate::{
    Configuration, DecisionRecord, InForce, MetricRecord, Verdict,
    config::{self, Environment, LoadOptions},
    notify::{Incidents, Lesson, Routes, Teller, Threshold},
};

const POLICY: &str = r#"
[notify.slack.ops]
webhook = "env:SLACK_WEBHOOK"

[workload."shop/told"]
notify = ["slack.ops"]
min_replicas = 2
max_replicas = 10
command = { get = ["./told"], set = ["./told", "{replicas}"] }
metrics.load = { recorded = "load.csv", per_replica = 100 }

[workload."shop/untold"]
min_replicas = 2
max_replicas = 10
command = { get = ["./untold"], set = ["./untold", "{replicas}"] }
metrics.load = { recorded = "load.csv", per_replica = 100 }
"#;

fn configuration() -> Configuration {
    let directory = headroom_test_support::temp_dir();
    let path: PathBuf = directory.path().join("headroom.toml");
    std::fs::write(&path, POLICY).unwrap();
    config::load(&[path], &Environment::default(), &LoadOptions::default())
        .unwrap_or_else(|problems| panic!("{problems}"))
        .configuration
}

#[test]
fn a_decision_that_nobody_is_told_of_allocates_nothing() {
    let configuration = configuration();
    let teller = Teller::new(Some("prod-eu"), &configuration.settings.notify, None);
    let mut incidents = [Incidents::default(), Incidents::default()];
    let mut learn = |record: &DecisionRecord| {
        let lessons = configuration.workloads.iter().zip(&mut incidents);
        let lessons = lessons.map(|(settings, incidents)| Lesson {
            settings,
            seen: Some(seen(record)),
            settled: None,
            incidents,
        });
        teller.learn(lessons, |_| None)
    };
    let quiet = record(0, Vec::new());
    let counted = measure(|| assert_eq!(learn(&quiet), []));
    assert_eq!(counted.count_total, 0, "nothing goes on");

    // The workload that nobody is told of is not even looked at.
    assert_eq!(learn(&at_max(0)), []);
    assert_eq!(learn(&at_max(60)).len(), 1, "it is told once");
    let goes_on = at_max(90);
    let counted = measure(|| assert_eq!(learn(&goes_on), []));
    assert_eq!(counted.count_total, 0, "what goes on is known");
}

/// A metric above its value, and a person who asked for other bounds.
fn high_and_overridden(seconds: u64) -> (DecisionRecord, Routes) {
    let steps = testing::steps().into_iter();
    let is_high = |step: &Step| matches!(step, Step::Recommended { seen: Observation::Fresh(Sample { value, .. }), .. } if *value > 0.1);
    let steps: Vec<Step> = steps.filter(is_high).take(1).collect();
    let Some(Step::Recommended { metric, seen, .. }) = steps.first() else {
        panic!("{steps:?}")
    };
    let metrics = vec![MetricRecord {
        name: MetricName::new(metric.as_str()),
        observation: *seen,
        error: None,
        remarks: Vec::new(),
    }];
    let by = BoundSource::Override(Operator {
        by: Some("min".into()),
        reason: None,
    });
    let in_force = vec![InForce {
        by,
        bounds: ActiveBounds::default(),
        hold: None,
        until: Timestamp::MAX,
    }];
    let routes = Routes {
        thresholds: vec![Threshold {
            above: Some(0.0),
            lasting: std::time::Duration::ZERO,
        }],
        ..Routes::default()
    };
    let record = DecisionRecord {
        metrics,
        in_force,
        at: at(seconds),
        ..record(seconds, steps)
    };
    assert!(matches!(record.verdict, Verdict::Decided { .. }));
    (record, routes)
}

#[test]
fn what_has_a_name_in_its_subject_goes_on_without_a_text_for_it() {
    let mut incidents = Incidents::default();
    let (first, routes) = high_and_overridden(0);
    let told = incidents.learn(seen(&first), &routes, |_| true);
    assert_eq!(told.len(), 2, "{told:?}");
    let (again, routes) = high_and_overridden(30);
    let counted = measure(|| assert_eq!(incidents.learn(seen(&again), &routes, |_| true), []));
    assert_eq!(counted.count_total, 0);
    let told = incidents.learn(seen(&record(60, Vec::new())), &routes, |_| true);
    assert_eq!(told.len(), 2, "both end: {told:?}");
}
