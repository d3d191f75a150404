//! `run --once` and `run`: passes for real.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    process::Stdio,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use headroom_test_support::wait_until_blocking;

use crate::{assert_said, common::World};

#[test]
fn one_pass_scales_and_says_why() {
    let world = World::new(2, 930);
    assert_said!("run_once", world.headroom(&["run", "--once"]).expect(0));
    assert_eq!(world.read("count"), "6\n");
    // The second finds its memory and nothing to do.
    assert_said!("run_once_again", world.headroom(&["run", "--once"]).expect(0));
    assert_eq!(world.read("writes"), "6\n", "it was written once");
}

#[test]
fn one_pass_as_json_is_one_object() {
    let ran = World::new(2, 930)
        .headroom(&["run", "--once", "--format", "json"])
        .expect(0);
    let json = ran.json();
    assert_eq!(
        (&json["version"], &json["summary"]["written"]),
        (&1.into(), &1.into()),
        "{ran}"
    );
    assert_eq!(json["decisions"][0]["outcome"], "written", "{ran}");
}

#[test]
fn a_write_that_fails_ends_with_1_and_is_said() {
    let world = World::new(2, 930);
    world.write("set.sh", "echo no rights >&2; exit 3\n");
    assert_said!("run_once_failed", world.headroom(&["run", "--once"]).expect(1));
}

#[test]
fn a_pass_without_load_is_blind_and_ends_with_3() {
    let world = World::new(2, 930);
    world.write("load.csv", "timestamp,value\n1,5\n");
    assert_said!("run_once_blind", world.headroom(&["run", "--once"]).expect(3));
}

#[test]
fn state_that_cannot_be_written_ends_with_1() {
    let world = World::new(2, 930);
    world.write("state", "a file, no directory");
    let ran = world
        .headroom(&["run", "--once", "--state-dir", "state"])
        .expect(1);
    assert!(
        ran.stderr.starts_with("error: ") && ran.stderr.contains("--state-dir"),
        "{ran}"
    );
    assert_eq!(world.read("count"), "2\n");
}

#[test]
fn where_a_loop_runs_a_single_pass_says_so_and_ends_with_0() {
    let world = World::new(2, 930);
    let mut running = world
        .command(&["run"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains("2 → 6 replicas"), "{line}");

    assert_said!(
        "run_once_beside_a_loop",
        world.headroom(&["run", "--once"]).expect(0)
    );
    let again = world.headroom(&["run"]).expect(0);
    assert!(again.stderr.contains("makes the passes here"), "{again}");
    let status = world.headroom(&["status"]).expect(0);
    assert!(status.stderr.contains("`headroom run` (process"), "{status}");

    crate::ends::signal(&running, "TERM");
    assert_eq!(running.wait().unwrap().code(), Some(0));
}

#[test]
fn the_loop_writes_one_json_line_for_each_decision() {
    let world = World::new(2, 930);
    let policy = world.read("headroom.toml");
    world.write(
        "headroom.toml",
        &format!("[defaults]\ninterval = \"100ms\"\n{policy}"),
    );
    let mut running = world
        .command(&["run", "--format", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(running.stdout.take().unwrap()).lines();
    let decisions: Vec<serde_json::Value> = lines
        .take(3)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    assert_eq!(decisions[0]["outcome"], "written");
    assert_eq!(decisions[1]["action"], "hold");
    assert!(decisions.iter().all(|decision| decision["version"] == 1));
    crate::ends::signal(&running, "TERM");
    assert_eq!(running.wait().unwrap().code(), Some(0));
}

#[test]
fn processes_go_on_after_the_loop_unless_they_are_to_stop() {
    let world = World::empty();
    world.set_load("load.csv", 200);
    world.write(
        "headroom.toml",
        "[workload.web]\nmin_replicas = 1\nmax_replicas = 4\nprocess = { command = [\"sleep\", \"600\"], drain = \"2s\" }\n\
         metrics.load = { recorded = \"load.csv\", per_replica = 100 }\n",
    );
    let mark = headroom_test_support::LeftoverCheck::new();
    let alive = || mark.pids().into_iter().filter(|pid| is_sleep(*pid)).count();

    let run = |arguments: &[&str], count: usize| {
        let mut command = world.command(arguments);
        mark.mark(&mut command);
        let mut running = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // From its first line on it takes signals.
        let mut said = BufReader::new(running.stderr.take().unwrap());
        said.read_line(&mut String::new()).unwrap();
        wait_until_blocking(Duration::from_secs(20), "the replicas", || alive() >= count);
        crate::ends::signal(&running, "TERM");
        assert_eq!(running.wait().unwrap().code(), Some(0));
    };
    run(&["run"], 1);
    let left = alive();
    assert!(left >= 1, "they go on");
    run(&["run", "--stop-processes-on-exit"], left);
    mark.assert_none(Duration::from_secs(10));
}

fn is_sleep(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "sleep")
}

/// Holds the lock of a pass as another process would that took it `ago`.
fn hold_pass_lock(world: &World, ago: Duration) -> File {
    let since = (SystemTime::now() - ago)
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let text = format!(r#"{{"pid":4711,"command":"headroom run --once","host":"jenkins","since":{since}}}"#);
    let path = world.write(".headroom/pass.lock", &text);
    let file = File::options().read(true).write(true).open(path).unwrap();
    file.lock().unwrap();
    file
}

#[test]
fn while_another_pass_is_under_way_a_single_pass_says_so_and_ends_with_0() {
    let world = World::new(2, 930);
    let held = hold_pass_lock(&world, Duration::from_secs(3));
    let ran = world.headroom(&["run", "--once"]).expect(0);
    assert_eq!(
        ran.stderr,
        "nothing to do: `headroom run --once` (process 4711 on jenkins) is making a pass here\n"
    );
    let json = world
        .headroom(&["run", "--once", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(
        json["already_running"],
        "`headroom run --once` (process 4711 on jenkins)"
    );
    assert_eq!(world.read("count"), "2\n");
    drop(held);
    world.headroom(&["run", "--once"]).expect(0);
    assert_eq!(world.read("count"), "6\n");
}

#[test]
fn a_pass_that_is_stuck_is_an_error() {
    let world = World::new(2, 930);
    let _held = hold_pass_lock(&world, Duration::from_secs(3600));
    let ran = world.headroom(&["run", "--once"]).expect(1);
    assert!(ran.stderr.contains("more than twice its deadline"), "{ran}");
    assert!(ran.stderr.contains("process 4711 on jenkins"), "{ran}");
    assert_eq!(world.read("count"), "2\n");
}

#[test]
fn passes_started_at_once_write_the_count_once() {
    let world = World::new(2, 930);
    let start = || {
        let mut command = world.command(&["run", "--once"]);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let running: Vec<_> = (0..4).map(|_| start()).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    assert_eq!(world.read("writes"), "6\n");
}
