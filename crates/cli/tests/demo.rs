//! The demo really scales, says what happened, and leaves no process behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use headroom_test_support::{LeftoverCheck, Process, temp_dir, wait_until_blocking};
use serde_json::Value;

const MINUTE: Duration = Duration::from_secs(60);

fn demo(directory: &Path, arguments: &[&str], mark: &LeftoverCheck) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
    command
        .arg("demo")
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null());
    command.env_remove("HEADROOM_CONFIG").env_remove("DEBUG");
    mark.mark(&mut command);
    command
}

/// What the replicas say that they served, in their logs.
fn served_by_replicas(logs: &Path) -> u64 {
    let mut served = 0;
    let mut directories = vec![logs.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let counts = text.lines().filter_map(|line| line.strip_prefix("served "));
            served += counts
                .map(|count| count.trim_end_matches(" requests").parse::<u64>().unwrap())
                .sum::<u64>();
        }
    }
    served
}

#[test]
fn replicas_rise_and_fall_with_the_load_and_the_summary_agrees_with_the_service() {
    let directory = temp_dir();
    let mark = LeftoverCheck::new();
    let arguments = [
        "--duration",
        "24s",
        "--peak",
        "300",
        "--format",
        "json",
        "--chart",
        "day.svg",
        "--keep",
        "state",
    ];
    let output = demo(directory.path(), &arguments, &mark).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}\n{stderr}", output.status);
    mark.assert_none(Duration::from_secs(5));

    let stdout = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let (summary, decisions) = lines.split_last().unwrap();
    assert_eq!(summary["kind"], "summary");
    let wanted: Vec<u64> = decisions
        .iter()
        .map(|decision| decision["wanted"].as_u64().unwrap())
        .collect();
    let most = wanted.iter().copied().max().unwrap();
    let peak = wanted.iter().position(|&count| count == most).unwrap();
    assert_eq!(wanted.first(), Some(&1));
    assert!(
        most >= 3,
        "300 requests per second need more than 2 replicas: {wanted:?}"
    );
    assert!(
        wanted[peak..].iter().min() < Some(&most),
        "it never came down again: {wanted:?}"
    );
    assert!(
        decisions
            .iter()
            .any(|decision| decision["reason"] == "above_target"),
        "{stdout}"
    );

    let number = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(
        number("most_ready"),
        decisions
            .iter()
            .map(|d| d["ready"].as_u64().unwrap())
            .max()
            .unwrap()
    );
    let served = served_by_replicas(&directory.path().join("state/logs"));
    // A request that its sender gave up on may have been served all the same.
    assert!(
        number("answered") <= served && served <= number("requests"),
        "{served} served: {summary}"
    );
    assert!(number("answered") > number("requests") / 2, "{summary}");
    let chart = fs::read_to_string(directory.path().join("day.svg")).unwrap();
    assert!(chart.contains("replicas wanted"));
}

#[test]
fn two_fixed_replicas_miss_the_goal_under_the_same_load() {
    let directory = temp_dir();
    let mark = LeftoverCheck::new();
    let arguments = [
        "--duration",
        "12s",
        "--peak",
        "400",
        "--replicas",
        "2",
        "--format",
        "json",
    ];
    let output = demo(directory.path(), &arguments, &mark).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    mark.assert_none(Duration::from_secs(5));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let summary: Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(summary["most_ready"], 2);
    let (missed, requests) = (
        summary["missed"].as_u64().unwrap(),
        summary["requests"].as_u64().unwrap(),
    );
    assert!(
        missed * 4 > requests,
        "twice what two replicas can serve hurts: {summary}"
    );
}

#[test]
fn ctrl_c_leaves_no_process_behind() {
    stops_by(rustix::process::Signal::INT, 130);
}

#[test]
fn sigterm_leaves_no_process_behind() {
    stops_by(rustix::process::Signal::TERM, 143);
}

fn stops_by(signal: rustix::process::Signal, code: i32) {
    let directory = temp_dir();
    let mark = LeftoverCheck::new();
    let mut running = Process::start("demo", &mut demo(directory.path(), &["--duration", "60s"], &mark));
    wait_until_blocking(MINUTE, "the demo decides", || {
        running.stdout().lines().count() >= 2
    });
    running.signal(signal);
    let status = running.wait_blocking(MINUTE);
    assert_eq!(status.code(), Some(code), "{}", running.stderr());
    mark.assert_none(Duration::from_secs(5));
}

#[test]
fn a_demo_that_is_killed_takes_its_replicas_along() {
    let directory = temp_dir();
    let mark = LeftoverCheck::new();
    let mut running = demo(directory.path(), &["--duration", "60s"], &mark)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_blocking(MINUTE, "a replica runs", || mark.pids().len() >= 2);
    running.kill().unwrap();
    running.wait().unwrap();
    // They notice that their parent has gone.
    wait_until_blocking(MINUTE, "no replica is left", || mark.pids().is_empty());
}
