//! Processes stop with their test, whatever way it ends.

use std::{process::Command, time::Duration};

use headroom_test_support::{
    LeftoverCheck, Process, free_port, processes_with_env, temp_dir, wait_until_blocking,
};

const DEADLINE: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

#[test]
fn output_and_status_are_kept() {
    let mut process = Process::start("shell", &mut shell("echo result; echo problem >&2; exit 3"));
    assert_eq!(process.wait_blocking(DEADLINE).code(), Some(3));
    assert_eq!(
        (process.stdout(), process.stderr()),
        ("result\n".to_owned(), "problem\n".to_owned())
    );
}

#[test]
fn dropping_stops_the_process_and_its_children() {
    let leftovers = LeftoverCheck::new();
    let process = Process::start("shell", leftovers.mark(&mut shell("sleep 600 & sleep 600")));
    wait_until_blocking(DEADLINE, "the shell has its children", || {
        leftovers.pids().len() == 3
    });
    drop(process);
    leftovers.assert_none(DEADLINE);
}

#[test]
fn dropping_asks_before_it_kills() {
    let folder = temp_dir();
    let [ready, asked] = ["ready", "asked"].map(|name| folder.path().join(name));
    let script = "trap 'touch asked; exit' TERM; touch ready; sleep 600 & wait";
    let process = Process::start("polite", shell(script).current_dir(folder.path()));
    wait_until_blocking(DEADLINE, "it is ready", || ready.exists());
    drop(process);
    assert!(asked.exists());
}

#[test]
fn a_process_that_ignores_sigterm_can_be_killed() {
    let leftovers = LeftoverCheck::new();
    let script = "trap '' TERM; while :; do sleep 600; done";
    let mut process = Process::start("stubborn", leftovers.mark(&mut shell(script)));
    wait_until_blocking(DEADLINE, "it runs", || leftovers.pids().len() == 2);
    process.kill();
    assert!(process.exit_status().is_some());
    leftovers.assert_none(DEADLINE);
}

/// Not a test by itself: [`processes_go_when_the_test_process_is_killed`] runs it in another process, and kills that.
#[test]
#[ignore = "started by another test"]
fn start_and_hang() {
    if std::env::var_os("HEADROOM_TEST_HANG").is_none() {
        return;
    }
    let _process = Process::start(
        "hanging",
        &mut shell("trap '' TERM HUP INT; sleep 600; sleep 600"),
    );
    loop {
        std::thread::park();
    }
}

#[test]
fn processes_go_when_the_test_process_is_killed() {
    let (leftovers, folder) = (LeftoverCheck::new(), temp_dir());
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "start_and_hang", "--include-ignored", "--nocapture"])
        .env("HEADROOM_TEST_HANG", "1")
        // What it has no time to remove goes with this.
        .env("TMPDIR", folder.path());
    let mut test = Process::start("test process", leftovers.mark(&mut command));
    // The test process, the shell, its sleep, and the watcher.
    wait_until_blocking(DEADLINE, "the other test has started its process", || {
        leftovers.pids().len() == 4
    });
    // Only the test process, not its group: the rest must go because of the watcher.
    test.signal(rustix::process::Signal::KILL);
    leftovers.assert_none(DEADLINE);
    assert!(!test.wait_blocking(DEADLINE).success());
}

#[test]
fn a_mark_finds_only_those_that_bear_it() {
    let leftovers = LeftoverCheck::new();
    let (name, value) = leftovers.variable();
    assert_eq!(leftovers.pids(), Vec::<u32>::new());
    let process = Process::start("sleep", Command::new("sleep").arg("600").env(name, value));
    wait_until_blocking(DEADLINE, "the mark is found", || {
        leftovers.pids() == [process.pid()]
    });
    let part = &value[..value.len() - 1];
    assert_eq!(processes_with_env(&format!("{name}={part}")), Vec::<u32>::new());
}

#[test]
fn what_a_failed_check_finds_is_killed() {
    let leftovers = LeftoverCheck::new();
    let second = LeftoverCheck::new();
    let mut command = shell("sleep 600");
    command.env("SECOND", second.variable().1);
    let process = Process::start("left", leftovers.mark(&mut command));
    wait_until_blocking(DEADLINE, "it runs", || !leftovers.pids().is_empty());
    let pid = process.pid();
    drop(leftovers);
    wait_until_blocking(DEADLINE, "it is killed", || {
        !processes_with_env(&format!("SECOND={}", second.variable().1)).contains(&pid)
    });
}

#[test]
fn ports_and_folders_are_usable() {
    // Another process may take it first, which is why whoever uses one tries again.
    wait_until_blocking(DEADLINE, "a port is free", || {
        std::net::TcpListener::bind(("127.0.0.1", free_port())).is_ok()
    });
    let path = {
        let folder = temp_dir();
        std::fs::write(folder.path().join("file"), "").unwrap();
        folder.path().to_owned()
    };
    assert!(!path.exists());
}
