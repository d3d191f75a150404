//! The environment of the scaling script: taken by a file that asks for it, and written as a file.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::PathBuf;

use headroom_autoscaler::{
    MetricOrigin, RemarkKind,
    config::{self, Environment, LoadOptions, Loaded, Origin, Problems},
};
use headroom_policy_engine::MetricRule;

const DEVTRIP: &str = "../../examples/devtrip/headroom.toml";

const SCRIPT: [(&str, &str); 8] = [
    ("NAMESPACE", "staging"),
    ("METRICS_SERVER", "metrics.internal:9091"),
    ("CPU_THRESHOLD", "65"),
    ("MEMORY_THRESHOLD", "85"),
    ("ACTIVE_USERS_THRESHOLD", "250"),
    ("REQUEST_RATE_THRESHOLD", "40"),
    ("SLACK_WEBHOOK", "https://hooks.example.com/x"),
    ("EMAIL_RECIPIENTS", "a@example.com,b@example.com"),
];

fn load(path: impl Into<PathBuf>, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let environment: Environment = variables.iter().copied().collect();
    config::load(&[path.into()], &environment, &LoadOptions::default())
}

fn targets(loaded: &Loaded) -> Vec<(String, f64)> {
    let metrics = &loaded.configuration.workloads[0].policy.metrics;
    let target = |metric: &headroom_policy_engine::MetricPolicy| match &metric.rule {
        MetricRule::Utilization(target) => target.get(),
        MetricRule::PerReplica(target) | MetricRule::Value(target) => target.get(),
        MetricRule::Step(step) => step.above().unwrap().threshold,
        MetricRule::Watermarks(marks) => marks.high().get(),
    };
    metrics
        .iter()
        .map(|metric| (metric.name.to_string(), target(metric)))
        .collect()
}

fn named(expected: [(&str, f64); 5]) -> Vec<(String, f64)> {
    expected
        .into_iter()
        .map(|(name, target)| (name.to_owned(), target))
        .collect()
}

#[test]
fn the_guides_policy_stands_without_any_variable() {
    let loaded = load(DEVTRIP, &[]).unwrap();
    let expected = [
        ("cpu", 0.7),
        ("memory", 0.8),
        ("active_users", 100.0),
        ("request_rate", 100.0),
        ("p95_latency", 2.0),
    ];
    assert_eq!(targets(&loaded), named(expected));
    let workload = &loaded.configuration.workloads[0];
    assert_eq!(
        (
            workload.policy.bounds.min().get(),
            workload.policy.bounds.max().get()
        ),
        (2, 10)
    );
    assert_eq!(loaded.configuration.remarks, []);
}

#[test]
fn a_file_that_asks_for_it_takes_the_scripts_variables() {
    let loaded = load(DEVTRIP, &SCRIPT).unwrap();
    let workload = &loaded.configuration.workloads[0];
    assert_eq!(workload.id.as_str(), "staging/api");
    assert_eq!(
        loaded.configuration.settings.prometheus["main"].url,
        "http://metrics.internal:9091"
    );
    let expected = [
        ("cpu", 0.65),
        ("memory", 0.85),
        ("active_users", 250.0),
        ("request_rate", 40.0),
        ("p95_latency", 2.0),
    ];
    assert_eq!(targets(&loaded), named(expected));
    let MetricOrigin::Prometheus { query, .. } = &workload.metrics[3].origin else {
        panic!("{workload:?}")
    };
    assert!(query.query.contains("namespace=\"staging\""), "{}", query.query);
    let taken = loaded
        .configuration
        .remarks
        .iter()
        .filter(|remark| remark.kind == RemarkKind::FromEnvironment);
    let taken: Vec<&str> = taken
        .map(|remark| remark.text.split(['=', ' ']).next().unwrap())
        .collect();
    assert_eq!(taken, SCRIPT.map(|(name, _)| name));
    let secret = SCRIPT
        .iter()
        .find(|(name, _)| *name == "SLACK_WEBHOOK")
        .unwrap()
        .1;
    let told = format!("{:?}", loaded.configuration);
    assert!(!told.contains(secret), "{told}");
}

#[test]
fn origins_name_the_variable() {
    let loaded = load(DEVTRIP, &SCRIPT).unwrap();
    let keys = loaded.origins.effective(&loaded.configuration.workloads[0].id);
    let cpu = keys
        .iter()
        .find(|key| key.key == "metrics.cpu.utilization")
        .unwrap();
    assert_eq!(cpu.value, "\"65%\"");
    assert_eq!(
        cpu.origin,
        Origin::Environment {
            name: "CPU_THRESHOLD".to_owned()
        }
    );
    assert_eq!(cpu.origin.to_string(), "environment CPU_THRESHOLD");
}

#[test]
fn no_other_file_is_changed_by_the_environment() {
    let text = std::fs::read_to_string(DEVTRIP)
        .unwrap()
        .replace("script_environment = true", "");
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("headroom.toml");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&file, &SCRIPT).unwrap();
    assert_eq!(loaded.configuration.workloads[0].id.as_str(), "devtrip/api");
    assert_eq!(targets(&loaded), targets(&load(DEVTRIP, &[]).unwrap()));
}

#[test]
fn a_layer_over_a_file_that_asks_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("over.toml");
    std::fs::write(
        &file,
        "[workload.\"devtrip/api\".metrics.cpu]\nutilization = \"50%\"\n",
    )
    .unwrap();
    let environment: Environment = [("CPU_THRESHOLD", "65")].into_iter().collect();
    let paths = [PathBuf::from(DEVTRIP), file];
    let loaded = config::load(&paths, &environment, &LoadOptions::default()).unwrap();
    assert_eq!(targets(&loaded)[0].1, 0.5);
}

#[test]
fn empty_variables_are_none_as_in_the_script() {
    let empty = SCRIPT.map(|(name, _)| (name, ""));
    let loaded = load(DEVTRIP, &empty).unwrap();
    assert_eq!(targets(&loaded), targets(&load(DEVTRIP, &[]).unwrap()));
}

fn import(variables: &[(&str, &str)]) -> Result<config::Imported, Problems> {
    config::import_env(&variables.iter().copied().collect())
}

/// What an imported policy means when it is loaded again, without any variable.
fn loaded_again(imported: &config::Imported) -> Loaded {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("headroom.toml");
    std::fs::write(&file, &imported.toml).unwrap();
    load(&file, &[]).unwrap_or_else(|problems| panic!("{problems}\n{}", imported.toml))
}

#[test]
fn an_imported_policy_loads_to_what_the_environment_means() {
    for variables in [
        &SCRIPT[..],
        &[],
        &SCRIPT[2..3],
        &SCRIPT[..2],
        &[("REQUEST_RATE_THRESHOLD", "2.5")],
    ] {
        let again = loaded_again(&import(variables).unwrap());
        let direct = load(DEVTRIP, variables).unwrap();
        assert_eq!(targets(&again), targets(&direct));
        let (again, direct) = (&again.configuration, &direct.configuration);
        assert_eq!(again.workloads[0].id, direct.workloads[0].id);
        assert_eq!(again.workloads[0].policy, direct.workloads[0].policy);
        for (one, other) in again.workloads[0]
            .metrics
            .iter()
            .zip(&direct.workloads[0].metrics)
        {
            assert_eq!(one.origin, other.origin);
        }
        assert_eq!(
            again.settings.prometheus["main"].url,
            direct.settings.prometheus["main"].url
        );
    }
}

#[test]
fn an_import_says_what_is_not_carried() {
    let imported = import(&[("SLACK_WEBHOOK", "https://hooks.example.com/x"), ("DEBUG", "1")]).unwrap();
    assert_eq!(imported.not_carried.len(), 2, "{:?}", imported.not_carried);
    assert!(
        !imported.toml.contains("hooks.example.com"),
        "a secret stays where it is"
    );
    insta::assert_snapshot!("imported-policy", imported.toml);
}

#[test]
fn an_import_names_every_variable_that_means_nothing() {
    let bad = [
        ("CPU_THRESHOLD", "700"),
        ("ACTIVE_USERS_THRESHOLD", "many"),
        ("METRICS_SERVER", "http://"),
    ];
    let said = import(&bad).unwrap_err().to_string();
    for (name, _) in bad {
        assert!(said.contains(name), "{said}");
    }
}
