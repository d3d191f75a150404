//! An autoscaler put together from a file: what is refused, what is read, and real commands as targets.

use std::{fs, path::Path};

use headroom_autoscaler::{
    Assembly, AssemblyError, Autoscaler, Configuration, Purpose,
    config::{Environment, LoadOptions, load},
};

use crate::world::*;

/// The configuration in `text`, as a file in `dir`.
fn configured(dir: &Path, text: &str) -> Configuration {
    let file = dir.join("headroom.toml");
    fs::write(&file, text).unwrap();
    let loaded = load(&[file], &Environment::default(), &LoadOptions::default());
    loaded
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .configuration
}

fn build(dir: &Path, text: &str, purpose: Purpose) -> Result<Autoscaler, AssemblyError> {
    headroom_test_support::install_tls();
    Assembly::build(configured(dir, text), &Environment::default(), purpose)
}

/// A count in a file, read and set by commands.
const COMMAND: &str = r#"
[workload.web]
min_replicas = 1
max_replicas = 10
command = { get = ["cat", "count"], set = ["sh", "-c", "echo {replicas} > count"] }
metrics.load = { recorded = "load.csv", per_replica = 100 }
scale_down.stabilization = "2m"
"#;

#[tokio::test]
async fn a_recorded_load_scales_a_real_command_up_and_after_its_window_down() {
    let dir = tempfile::tempdir().unwrap();
    let mut recording = "timestamp,value\n".to_owned();
    for step in 0..60_i32 {
        let load = if step < 20 { 540 } else { 180 };
        recording += &format!("{},{load}\n", at(i64::from(step) * 30).unix_millis() / 1000);
    }
    fs::write(dir.path().join("load.csv"), recording).unwrap();
    fs::write(dir.path().join("count"), "2\n").unwrap();
    let count = || {
        fs::read_to_string(dir.path().join("count"))
            .unwrap()
            .trim()
            .to_owned()
    };
    let mut changes = Vec::new();
    for minute in 0..16 {
        let autoscaler = build(dir.path(), COMMAND, Purpose::Once).unwrap();
        let record = pass(&autoscaler, at(minute * 60)).await;
        if about(&record, "web").decision().unwrap().direction().is_some() {
            changes.push((minute, told(about(&record, "web")), count()));
        }
    }
    let [(0, up, six), (minute, down, two)] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!((up.as_str(), six.as_str()), ("2 -> 6 Written", "6"));
    assert_eq!((down.as_str(), two.as_str()), ("6 -> 2 Written", "2"));
    assert!((12..=14).contains(minute), "{minute}");
}

#[tokio::test]
async fn looking_ahead_calls_no_command_that_sets_and_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(
        dir.path().join("load.csv"),
        format!("timestamp,value\n{},540\n", at(0).unix_millis() / 1000),
    )
    .unwrap();
    fs::write(dir.path().join("count"), "2\n").unwrap();
    let autoscaler = build(dir.path(), COMMAND, Purpose::ReadOnly).unwrap();
    assert!(autoscaler.processes().is_none());
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 6 NotAttempted");
    assert_eq!(fs::read_to_string(dir.path().join("count")).unwrap(), "2\n");
    assert!(!dir.path().join(".headroom").exists());
}

#[track_caller]
fn check_refused(text: &str, words: &str, help: &str) {
    let dir = tempfile::tempdir().unwrap();
    let refused = build(dir.path(), text, Purpose::Once).unwrap_err();
    let mut told = refused.to_string();
    if let Some(source) = std::error::Error::source(&refused) {
        told += &format!(": {source}");
    }
    assert!(told.contains(words), "{told}");
    assert!(refused.help().contains(help), "{}", refused.help());
    assert!(
        !dir.path().join(".headroom").exists(),
        "a refusal leaves no trace"
    );
}

#[test]
fn a_cluster_that_is_not_there_is_refused_with_a_way_out() {
    let text = r#"
        prometheus.main.url = "http://127.0.0.1:9"
        [workload."shop/api"]
        scale_target = "deployment/api"
        max_replicas = 4
        metrics.rps = { query = "rps", per_replica = 100 }"#;
    let dir = tempfile::tempdir().unwrap();
    let mut configuration = configured(dir.path(), text);
    configuration.settings.kubernetes.kubeconfig = Some(dir.path().join("none"));
    let refused = Assembly::build(configuration, &Environment::default(), Purpose::Once).unwrap_err();
    assert_eq!(refused.to_string(), "the cluster of shop/api cannot be asked");
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("none cannot be used: No such file"), "{cause}");
    assert!(refused.help().contains("--kubeconfig"), "{}", refused.help());
    assert!(
        !dir.path().join(".headroom").exists(),
        "a refusal leaves no trace"
    );
}

#[test]
fn a_secret_that_cannot_be_had_is_named() {
    let text = r#"
        [prometheus.main]
        url = "https://127.0.0.1:9"
        bearer_token = "env:HEADROOM_NO_SUCH_TOKEN"
        [workload.web]
        command = { get = ["get"], set = ["set", "{replicas}"] }
        max_replicas = 4
        metrics.rps = { query = "rps", per_replica = 100 }"#;
    let words =
        "the bearer token of prometheus.main cannot be had: the environment variable HEADROOM_NO_SUCH_TOKEN";
    check_refused(text, words, "set the variable");
}

#[test]
fn a_recording_that_cannot_be_read_is_named() {
    check_refused(
        COMMAND,
        "load.csv cannot be used: the recording cannot be read",
        "replace the file",
    );
}

#[test]
fn secrets_of_servers_that_no_workload_asks_are_not_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("load.csv"), "timestamp,value\n1,1\n").unwrap();
    let unused =
        "[prometheus.other]\nurl = \"https://127.0.0.1:9\"\nbearer_token = \"env:HEADROOM_NO_SUCH_TOKEN\"\n";
    assert!(build(dir.path(), &format!("{unused}{COMMAND}"), Purpose::Once).is_ok());
}
