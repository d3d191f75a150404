//! `test`.

use std::{fs, process::Command};

use crate::{
    assert_said,
    common::{ONE_WORKLOAD, Ran, World},
};

/// Two cases that pass, and one that does not.
const TESTS: &str = r#"config = ["headroom.toml"]

[defaults]
replicas = 2

[case."a load that fits"]
metrics.load = 190
expect = [{ to = "5m", replicas = 2, decision = "hold" }]

[case."more load"]
metrics.load = "190x30s 450x30s"
expect = [
    { at = "15s", replicas = 2 },
    { by = "1m", replicas = 5, reason = "above_target" },
    { max = 6 },
]

[case."it's quiet at night"]
replicas = 5
metrics.load = "450x1m 20x10m"
expect = [
    { to = "1m", replicas = 5 },
    { at = "3m", replicas = 2, reason = "at_minimum", steps = ["bounded"] },
]
"#;

impl World {
    /// [`ONE_WORKLOAD`] with these tests.
    fn tests(tests: &str) -> Self {
        let world = Self::empty();
        world.write("headroom.toml", ONE_WORKLOAD);
        world.write("headroom.test.toml", tests);
        world
    }
}

#[test]
fn a_line_for_each_case_and_a_sum() {
    let world = World::tests(TESTS);
    let ran = world.headroom(&["test", "--filter", "load"]).expect(0);
    assert_said!("test_passed", ran);
    assert!(!world.path().join(".headroom").exists(), "it touches nothing");
    let json = world
        .headroom(&["test", "--filter", "fits", "--format", "json"])
        .expect(0);
    assert_said!("test_passed_json", json);
}

#[test]
fn a_case_that_fails_shows_what_was_around_it_and_why() {
    let world = World::tests(TESTS);
    assert_said!("test_failed", world.headroom(&["test"]).expect(1));
    let json = world.headroom(&["test", "--format", "json"]).expect(1).json();
    assert_eq!([&json["passed"], &json["failed"], &json["left_out"]], [2, 1, 0]);
    let failure = &json["cases"][2]["failures"][0];
    assert_eq!(failure["line"], 23);
    assert_eq!(failure["at_seconds"], 180.0);
    assert_eq!(failure["differences"][0]["expected"], "2");
    assert_eq!(failure["decision"]["reason"], "stabilizing");
}

#[test]
fn the_command_that_a_failure_names_explains_it() {
    let world = World::tests(TESTS);
    let failed = world.headroom(&["test"]).expect(1);
    let command = failed
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("All of it: headroom "));
    let line = format!("{} {}", env!("CARGO_BIN_EXE_headroom"), command.unwrap());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &line])
        .current_dir(world.path())
        .env("TZ", "UTC");
    assert_said!("test_explained", world.ran(&mut shell).expect(0));
    let ran = world.headroom(&["test", "--explain", "0s", "--filter", "fits", "--format", "json"]);
    assert_eq!(ran.expect(0).json()["cases"][0]["decision"]["desired"], 2);
}

#[test]
fn a_timeline_shows_every_pass_and_what_is_alike_once() {
    let world = World::tests(TESTS);
    assert_said!(
        "test_timeline",
        world
            .headroom(&["test", "--timeline", "--filter", "more"])
            .expect(0)
    );
    let json = world.headroom(&["test", "--timeline", "--filter", "more", "--format", "json"]);
    let json = json.expect(0).json();
    assert_eq!(json["cases"][0]["timeline"].as_array().unwrap().len(), 5);
}

#[test]
fn results_are_written_for_jenkins() {
    let world = World::tests(&TESTS.replace("a load that fits", "a <load> & \\\"more\\\""));
    world.headroom(&["test", "--junit", "results.xml"]).expect(1);
    insta::assert_snapshot!("test_junit", world.read("results.xml"));
    let ran = world.headroom(&[
        "test",
        "--filter",
        "load",
        "--junit",
        "no-such-directory/results.xml",
    ]);
    assert_said!("test_junit_unwritten", ran.expect(1));
}

#[test]
fn a_file_that_is_wrong_keeps_every_test_from_running() {
    let world = World::tests(&TESTS.replace("replicas = 2\n\n[case", "replica = 2\n\n[case"));
    world.write("other.test.toml", TESTS);
    let ran = world.headroom(&["test"]).expect(2);
    assert!(ran.stdout.is_empty(), "{ran}");
    assert_said!("test_problems", ran);
    let ran = world.headroom(&["test", "--format", "json"]).expect(2);
    let said: serde_json::Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(said["error"]["code"], "tests", "{ran}");
    assert_eq!(said["error"]["problems"][0]["line"], 4, "{ran}");
}

#[test]
fn what_is_not_there_is_said_with_a_way_out() {
    let world = World::tests(TESTS);
    assert_said!(
        "test_no_case",
        world.headroom(&["test", "--filter", "day"]).expect(2)
    );
    assert_said!("test_no_file", world.headroom(&["test", "tests.toml"]).expect(2));
    let ran = world.headroom(&["test", "headroom.toml"]).expect(2);
    assert!(
        ran.stderr
            .contains("headroom.toml is a configuration, and has no tests"),
        "{ran}"
    );
    let ran = world.headroom(&["check", "headroom.test.toml"]).expect(2);
    assert!(ran.stderr.contains("headroom test FILE"), "{ran}");
    fs::remove_file(world.path().join("headroom.test.toml")).unwrap();
    assert_said!("test_no_tests", world.headroom(&["test"]).expect(2));
}

#[test]
fn files_and_directories_are_tested_in_their_order() {
    let world = World::tests(TESTS);
    world.write("policies/headroom.toml", ONE_WORKLOAD);
    for name in ["b", "a"] {
        world.write(&format!("policies/{name}.test.toml"), TESTS);
    }
    let ran: Ran = world
        .headroom(&["test", "--filter", "fits", "headroom.test.toml", "policies"])
        .expect(0);
    let files: Vec<&str> = ran
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("PASS  "))
        .collect();
    let of = |file: &str| format!("{file}: a load that fits  (21 passes)");
    assert_eq!(
        files,
        [
            of("headroom.test.toml"),
            of("policies/a.test.toml"),
            of("policies/b.test.toml")
        ]
    );
}

#[test]
fn the_environment_of_the_machine_changes_no_test() {
    let world = World::tests(TESTS);
    let policy = format!("script_environment = true\n{ONE_WORKLOAD}");
    world.write("headroom.toml", &policy);
    let mut command = world.command(&["test", "--filter", "load"]);
    world.ran(command.env("NAMESPACE", "staging")).expect(0);
}

#[test]
fn the_file_that_the_help_shows_passes() {
    let world = World::empty();
    let help = world.headroom(&["test", "--help"]).expect(0).stdout;
    let lines = help
        .lines()
        .skip_while(|line| !line.starts_with("A file of tests"))
        .skip(1);
    let lines = lines.take_while(|line| !line.starts_with("Exit codes"));
    world.write(
        "headroom.test.toml",
        &lines.map(|line| format!("{line}\n")).collect::<String>(),
    );
    let metrics = "metrics.cpu = { recorded = \"load.csv\", utilization = \"70%\" }\n\
                   metrics.users = { recorded = \"load.csv\", per_replica = 100 }\n";
    let policy: Vec<&str> = ONE_WORKLOAD
        .lines()
        .filter(|line| !line.starts_with("metrics") && !line.starts_with("scale_up"))
        .collect();
    let policy = policy.join("\n").replace("max_replicas = 6", "max_replicas = 10");
    world.write("headroom.toml", &format!("{policy}\n{metrics}"));
    let ran = world.headroom(&["test"]).expect(0);
    assert!(ran.stdout.ends_with("1 passed, 0 failed\n"), "{ran}");
}

#[test]
fn the_examples_do_what_their_tests_say() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let directories: Vec<String> = fs::read_dir(examples)
        .unwrap()
        .map(|entry| entry.unwrap().path().to_str().unwrap().to_owned())
        .collect();
    assert!(directories.len() >= 4, "{directories:?}");
    let mut arguments = vec!["test"];
    arguments.extend(directories.iter().map(String::as_str));
    World::empty().headroom(&arguments).expect(0);
}
