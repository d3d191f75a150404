//! What is always true of files of tests: any text gives cases or problems with places, and any case can be played.

use std::fmt::Write as _;

use headroom_autoscaler::config::{ProblemKind, load_suite};
use proptest::prelude::*;

const POLICY: &str = r#"
[workload.web]
min_replicas = 1
max_replicas = 20
command = { get = ["./replicas"], set = ["./scale", "{replicas}"] }
fallback = { replicas = 4, after = "1m" }
metrics.load = { recorded = "live.csv", per_replica = 100 }
metrics.p95  = { recorded = "live.csv", above = "2s", add = 1 }
"#;

/// Loads `text` as a file of tests, and plays every case.
fn play(text: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.test.toml");
    std::fs::write(directory.path().join("headroom.toml"), POLICY).unwrap();
    std::fs::write(&file, text).unwrap();
    match load_suite(&file) {
        Ok(suite) => {
            for case in &suite.cases {
                let run = case.run();
                assert!(run.rows.len() <= case.passes);
                for failure in &run.failures {
                    assert!(!failure.differences.is_empty());
                    assert!(failure.expectation < case.expectations.len());
                }
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            for problem in &problems {
                let of_the_file =
                    problem.kind() == ProblemKind::Unreadable || problem.kind() == ProblemKind::Absent;
                assert!(problem.place().is_some() || of_the_file, "{problem:?}");
                assert!(problem.way_out().is_some(), "no way out of: {problem}");
            }
            let _ = problems.to_string();
        }
    }
}

/// Values of every type, many of them right for some key.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\"5m\"".to_owned()),
        Just("\"15s\"".to_owned()),
        Just("\"100x5 _x3 0+50x10 ...\"".to_owned()),
        Just("\"300x1m stale nan\"".to_owned()),
        Just("\"hold\"".to_owned()),
        Just("\"on_target\"".to_owned()),
        Just("[\"bounded\"]".to_owned()),
        Just("true".to_owned()),
        Just("\"web\"".to_owned()),
        Just("[{ at = \"1m\", replicas = 4 }, { from = \"30s\", to = \"2m\", min = 1 }]".to_owned()),
        Just("[{ at = \"1m\", replicas = 9 }, { to = \"30s\", paused = true }]".to_owned()),
        Just("{ load = \"100x30\", p95 = 0.4 }".to_owned()),
        Just("2026-11-27T07:00:00Z".to_owned()),
        (-3_i64..40).prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}").to_lowercase()),
        "\"\\PC{0,8}\"",
    ]
}

/// A file of tests with keys of every kind.
fn file() -> impl Strategy<Value = String> {
    let keys = [
        "workload",
        "replicas",
        "metrics",
        "metrics.load",
        "metrics.p95",
        "coverage.load",
        "ready",
        "interval",
        "spacing",
        "length",
        "start",
        "expect",
        "events",
        "recorded",
        "replica",
    ];
    let key = proptest::sample::select(keys.to_vec());
    let table = prop_oneof![
        Just("[case.a]".to_owned()),
        Just("[case.\"b c\"]".to_owned()),
        Just("[defaults]".to_owned()),
        Just("[[case.a.expect]]".to_owned()),
        Just("[environment]".to_owned()),
    ];
    let entry = (key, value()).prop_map(|(key, value)| format!("{key} = {value}\n"));
    let part = (table, proptest::collection::vec(entry, 0..6));
    proptest::collection::vec(part, 0..4).prop_map(|parts| {
        let mut text = String::from("config = [\"headroom.toml\"]\n");
        for (table, entries) in parts {
            let _ = writeln!(text, "{table}");
            text.extend(entries);
        }
        text
    })
}

/// Cases that can be played, in all sorts of ways.
fn playable() -> impl Strategy<Value = String> {
    let item = prop_oneof![
        (0.0_f64..3000.0).prop_map(|value| format!("{value:.1}")),
        (0_u32..900, -40_i32..40, 1_u32..20)
            .prop_map(|(from, rise, times)| format!("{from}{rise:+}x{times}")),
        Just("_x3".to_owned()),
        Just("5 stale".to_owned()),
        Just("nan".to_owned()),
        Just("inf".to_owned()),
    ];
    let series = proptest::collection::vec(item, 1..6).prop_map(|items| items.join(" ") + " ...");
    let event = prop_oneof![
        (0_u32..300, 0_u32..30).prop_map(|(at, count)| format!("{{ at = \"{at}s\", replicas = {count} }}")),
        (0_u32..300).prop_map(|to| format!("{{ to = \"{to}s\", writes = \"conflict\" }}")),
        (0_u32..300).prop_map(|from| format!("{{ from = \"{from}s\", failing = 1 }}")),
        (0_u32..300)
            .prop_map(|from| format!("{{ from = \"{from}s\", to = \"300s\", passes = \"skipped\" }}")),
        (0_u32..300).prop_map(|at| format!("{{ at = \"{at}s\", target = \"unreadable\" }}")),
    ];
    let events = proptest::collection::vec(event, 0..4).prop_map(|events| events.join(", "));
    (series.clone(), series, events, 0_u32..25, 1_u32..200, 1_u32..90).prop_map(
        |(load, p95, events, replicas, interval, spacing)| {
            format!(
                "config = [\"headroom.toml\"]\n[case.a]\nreplicas = {replicas}\ninterval = \"{interval}s\"\n\
                 spacing = \"{spacing}s\"\nlength = \"10m\"\nmetrics = {{ load = \"{load}\", p95 = \"{p95}\" }}\n\
                 ready = \"2 5 ...\"\nevents = [{events}]\n\
                 expect = [{{ min = 1, max = 20, max_changes = 3 }}, {{ by = \"5m\", decision = \"up\" }}]\n"
            )
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_file_gives_cases_or_problems_with_places(text in prop_oneof![file(), any::<String>()]) {
        play(&text);
    }

    #[test]
    fn any_case_can_be_played(text in playable()) {
        play(&text);
    }
}
