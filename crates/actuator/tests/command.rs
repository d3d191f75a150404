//! The command adapter on real commands.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{collections::BTreeMap, error::Error as _, fs, time::Duration};

use headroom_actuator::{
    Actuator as _, CommandActuator, CommandReader, CommandTarget, ScaleTarget, TargetError,
    TargetReader as _, TargetState,
};
use headroom_policy_engine::{CountOrigin, Readiness, Replicas, Timestamp};
use headroom_test_support::{LeftoverCheck, temp_dir, wait_for, wait_until};
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
/// How long a test waits for what takes milliseconds on an idle machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// A target whose count stands in the file `count`, beside a program that sets it.
struct World {
    directory: TempDir,
    target: CommandTarget,
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

impl World {
    fn with_count(count: &str) -> Self {
        let directory = temp_dir();
        fs::write(directory.path().join("count"), count).unwrap();
        let target = CommandTarget {
            workload: "web".parse().unwrap(),
            get: words(&["cat", "count"]),
            set: words(&["sh", "-c", "echo $1 > count", "set", "{replicas}"]),
            ready: None,
            directory: directory.path().to_owned(),
            timeout: DEADLINE,
        };
        Self { directory, target }
    }

    /// The count is printed by `script`.
    fn printing(script: &str) -> Self {
        let mut world = Self::with_count("2");
        world.target.get = words(&["sh", "-c", script]);
        world
    }

    fn scale_target(&self) -> ScaleTarget {
        ScaleTarget::Command(self.target.clone().into())
    }

    async fn read(&self) -> Result<TargetState, TargetError> {
        CommandReader.read(&[self.scale_target()], NOW).await.remove(0)
    }

    async fn set(&self, from: u32, to: u32) -> Result<(), TargetError> {
        let (from, to) = (Replicas::new(from), Replicas::new(to));
        CommandActuator
            .set_replicas(&self.scale_target(), from, to, NOW)
            .await
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }
}

#[tokio::test]
async fn the_count_is_what_the_command_prints() {
    let state = World::with_count(" 3\n").read().await.unwrap();
    assert_eq!(state.workload.current, Replicas::new(3));
    assert_eq!(state.workload.origin, CountOrigin::Read);
    assert_eq!(state.workload.readiness, Readiness::Unknown);
    assert!(state.replicas.is_empty());
}

#[tokio::test]
async fn the_count_that_is_set_is_put_where_the_place_is_and_no_shell_sees_it() {
    let mut world = World::with_count("2");
    world.target.set = words(&[
        "sh",
        "-c",
        r#"printf '%s|' "$@" > args"#,
        "set",
        "n={replicas}/{replicas}",
        "$HOME *",
    ]);
    world.set(2, 7).await.unwrap();
    assert_eq!(world.file("args"), "n=7/7|$HOME *|");
}

#[tokio::test]
async fn a_count_that_changed_in_between_is_left_alone() {
    let world = World::with_count("4");
    let error = world.set(2, 3).await.unwrap_err();
    assert!(matches!(error, TargetError::Conflict { .. }), "{error:?}");
    assert_eq!(world.file("count"), "4");
}

#[tokio::test]
async fn ready_replicas_are_asked_for_where_there_is_a_command() {
    let mut world = World::with_count("3");
    for (ready, longest_unready) in [("3", None), ("4", None), ("1", Some(Duration::ZERO))] {
        world.target.ready = Some(words(&["echo", ready]));
        let expected = Readiness::Known {
            ready: Replicas::new(ready.parse().unwrap()),
            longest_unready,
        };
        assert_eq!(world.read().await.unwrap().workload.readiness, expected);
    }
    world.target.ready = Some(words(&["false"]));
    assert!(matches!(world.read().await, Err(TargetError::Failed { .. })));
}

#[tokio::test]
async fn what_is_no_count_is_refused_and_shown() {
    let error = World::printing("echo '<html>'; echo no")
        .read()
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`sh -c 'echo '\\''<html>'\\''; echo no'` printed `<html> no`; it must print one whole number from 0 up"
    );
    let long = World::printing("head -c 200000 /dev/zero | tr '\\0' ' '; echo 3")
        .read()
        .await;
    assert!(
        matches!(long, Err(TargetError::NotACount { .. })),
        "a count stands in the first 64 KiB: {long:?}"
    );
}

#[tokio::test]
async fn a_failure_says_how_it_ended_and_what_it_said_last() {
    let script =
        "head -c 300000 /dev/zero | tr '\\0' 'x' >&2; printf '\\033[31mno such\\ndeployment\\n' >&2; exit 4";
    let Err(TargetError::Failed { status, stderr, .. }) = World::printing(script).read().await else {
        panic!("a failure was taken for something else");
    };
    assert_eq!(status, "exit status: 4");
    assert_eq!(stderr.chars().count(), 500);
    assert!(stderr.ends_with("xxx [31mno such deployment"), "{stderr}");
}

#[tokio::test]
async fn a_command_that_is_not_there_is_named_with_the_place() {
    let mut world = World::with_count("2");
    world.target.get = words(&["./replicas"]);
    let error = world.read().await.unwrap_err();
    assert_eq!(error.to_string(), "`./replicas` could not be started");
    let tried = format!("there is no file {}/./replicas", world.directory.path().display());
    assert_eq!(error.source().unwrap().to_string(), tried);
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_with_all_it_started() {
    let leftovers = LeftoverCheck::new();
    let (name, value) = leftovers.variable();
    let mut world = World::printing(&format!(
        "export {name}={value}; echo waiting >&2; sleep 600 & sleep 600"
    ));
    world.target.timeout = Duration::from_millis(500);
    let error = wait_for(DEADLINE, "it said something in time", async || {
        let error = world.read().await.unwrap_err();
        let is_silent = matches!(&error, TargetError::TimedOut { stderr, .. } if stderr.is_empty());
        (!is_silent).then_some(error)
    })
    .await;
    let TargetError::TimedOut { after, stderr, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((*after, stderr.as_str()), (world.target.timeout, "waiting"));
    assert!(error.leaves_outcome_unknown());
    leftovers.assert_none(DEADLINE);
}

#[tokio::test]
async fn a_command_that_is_given_up_is_killed_with_all_it_started() {
    let leftovers = LeftoverCheck::new();
    let (name, value) = leftovers.variable();
    let world = World::printing(&format!("export {name}={value}; sleep 600 & sleep 600"));
    let started = wait_until(DEADLINE, "the command started two", async || {
        leftovers.pids().len() == 2
    });
    tokio::select! {
        read = world.read() => panic!("it does not end: {read:?}"),
        () = started => {}
    }
    leftovers.assert_none(DEADLINE);
}

#[tokio::test]
async fn what_a_command_starts_and_leaves_running_is_meant_to() {
    let leftovers = LeftoverCheck::new();
    let (name, value) = leftovers.variable();
    // It holds stdout open, which must not be waited for.
    let world = World::printing(&format!("export {name}={value}; sleep 600 & echo 5"));
    assert_eq!(world.read().await.unwrap().workload.current, Replicas::new(5));
    assert_eq!(leftovers.pids().len(), 1);
}

#[tokio::test]
async fn there_is_no_input_and_no_terminal() {
    let world = World::printing("read line || (true < /dev/tty) 2> /dev/null || echo 6");
    assert_eq!(world.read().await.unwrap().workload.current, Replicas::new(6));
}

#[tokio::test]
async fn processes_are_not_its_targets() {
    let target = headroom_actuator::ProcessTarget {
        workload: "web".parse().unwrap(),
        command: words(&["true"]),
        directory: "/".into(),
        environment: BTreeMap::new(),
        ready: headroom_actuator::ReadyCheck::Alive,
        drain: Duration::ZERO,
        log_directory: "/nowhere".into(),
    };
    let read = CommandActuator
        .read(&[ScaleTarget::Process(target.into())], NOW)
        .await
        .remove(0);
    assert!(matches!(read, Err(TargetError::Unsupported)), "{read:?}");
}
