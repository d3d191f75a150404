//! How a run ends: by signals, and when nobody reads.

use std::{
    fs::OpenOptions,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use headroom_test_support::wait_until_blocking;

use crate::common::World;

/// Sends a signal to a child of this test.
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill")
        .args([format!("-{name}"), child.id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
}

/// A world whose target does not answer before the test lets it.
fn slow() -> World {
    let world = World::new(2, 930);
    world.write("get.sh", "touch asked; sleep 30\n");
    let policy = world
        .read("headroom.toml")
        .replace("[\"cat\", \"count\"]", "[\"sh\", \"get.sh\"]");
    world.write("headroom.toml", &format!("deadline = \"40s\"\n{policy}"));
    world
}

fn started(world: &World, arguments: &[&str]) -> Child {
    let child = world
        .command(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until_blocking(Duration::from_secs(20), "the target is asked", || {
        world.path().join("asked").exists()
    });
    child
}

#[track_caller]
fn check(arguments: &[&str], name: &str, code: i32) {
    let world = slow();
    let mut child = started(&world, arguments);
    let before = Instant::now();
    signal(&child, name);
    let status = child.wait().unwrap();
    // The promise is two seconds; a busy machine gets ten, far from the thirty of the target.
    assert!(
        before.elapsed() < Duration::from_secs(10),
        "{arguments:?} took {:?}",
        before.elapsed()
    );
    assert_eq!(status.code(), Some(code), "{arguments:?} after {name}");
}

#[test]
fn a_single_pass_that_is_interrupted_says_so_with_its_code() {
    check(&["run", "--once"], "INT", 130);
    check(&["run", "--once"], "TERM", 143);
    check(&["plan"], "INT", 130);
    check(&["explain", "api"], "TERM", 143);
}

#[test]
fn the_loop_ends_in_order_on_both_signals() {
    check(&["run"], "INT", 0);
    check(&["run"], "TERM", 0);
}

#[test]
fn after_an_interrupted_pass_the_next_one_goes_on() {
    let world = slow();
    let mut child = started(&world, &["run", "--once"]);
    signal(&child, "TERM");
    child.wait().unwrap();
    world.write("get.sh", "cat count\n");
    let ran = world.headroom(&["run", "--once"]).expect(0);
    assert!(ran.stdout.contains("2 → 6 replicas"), "{ran}");
}

#[test]
fn a_reader_that_goes_away_stops_nothing() {
    let world = World::new(2, 930);
    let policy = world.read("headroom.toml");
    world.write(
        "headroom.toml",
        &format!("[defaults]\ninterval = \"50ms\"\n{policy}"),
    );
    let mut running = world
        .command(&["run", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    // Nobody reads any more; a later change is made all the same.
    world.write("count", "3\n");
    wait_until_blocking(Duration::from_secs(20), "the count is set again", || {
        world.read("count") == "6\n"
    });
    signal(&running, "TERM");
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn closed_output_is_no_panic() {
    let world = World::new(2, 930);
    for arguments in [
        &["plan"][..],
        &["run", "--once"],
        &["--help"],
        &["completions", "bash"],
        &["schema"],
    ] {
        let mut running = world
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(running.stdout.take());
        let output = running.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let world = World::new(2, 930);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = world.ran(world.command(&["plan"]).stdout(full));
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.stderr.contains("the output could not be written"), "{ran}");
}

#[test]
fn debug_logs_come_when_asked_for_and_never_on_stdout() {
    let world = World::new(2, 930);
    assert!(!world.headroom(&["plan"]).expect(0).stderr.contains("DEBUG"));
    let ran = world.ran(world.command(&["run", "--once"]).env("DEBUG", "1"));
    assert!(ran.stderr.contains("scaled"), "{ran}");
    assert!(
        !ran.stdout.contains("INFO") && !ran.stdout.contains("DEBUG"),
        "{ran}"
    );
    let ran = world.headroom(&["-v", "run", "--once"]);
    assert!(ran.stderr.contains("DEBUG"), "{ran}");
}

#[test]
fn color_is_for_terminals_unless_asked_for() {
    let world = World::new(2, 930);
    let is_colored = |arguments: &[&str]| world.headroom(arguments).expect(0).stdout.contains('\x1b');
    assert!(!is_colored(&["plan"]));
    assert!(is_colored(&["plan", "--color", "always"]));
    assert!(!is_colored(&["--color", "always", "plan", "--color", "never"]));
}
