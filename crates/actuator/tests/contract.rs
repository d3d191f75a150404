//! Every adapter keeps the contract of the ports.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use headroom_actuator::{
    Actuator, ByKind, CommandActuator, CommandTarget, ProcessActuator, ProcessTarget, ReadyCheck,
    ScaleTarget, WithDeadline,
    testing::{
        Fault, FileRecords, ScriptedActuator,
        contract::{World, check},
    },
};
use headroom_policy_engine::{Replicas, Timestamp};
use headroom_test_support::{LeftoverCheck, temp_dir};

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
const TWO: Replicas = Replicas::new(2);

/// An adapter with its three targets.
struct Tried {
    actuator: Box<dyn Actuator>,
    target: ScaleTarget,
    unreadable: ScaleTarget,
    unwritable: ScaleTarget,
}

impl World for Tried {
    fn actuator(&self) -> &dyn Actuator {
        &*self.actuator
    }

    fn target(&self) -> ScaleTarget {
        self.target.clone()
    }

    fn unreadable(&self) -> ScaleTarget {
        self.unreadable.clone()
    }

    fn unwritable(&self) -> ScaleTarget {
        self.unwritable.clone()
    }
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

fn process(name: &str, directory: &Path, leftovers: &LeftoverCheck, program: &[&str]) -> ScaleTarget {
    let (variable, value) = leftovers.variable();
    let target = ProcessTarget {
        workload: name.parse().unwrap(),
        command: words(program),
        directory: directory.to_owned(),
        environment: [(variable.to_owned(), value.to_owned())].into(),
        ready: ReadyCheck::Alive,
        drain: Duration::from_secs(10),
        log_directory: directory.join("logs"),
    };
    ScaleTarget::Process(target.into())
}

async fn with_processes(directory: &Path, leftovers: &LeftoverCheck) -> Tried {
    let actuator = ProcessActuator::new(Arc::new(FileRecords::new(directory.to_owned())));
    let target = process("good", directory, leftovers, &["sleep", "600"]);
    for target in [
        &target,
        &process("unwritable", directory, leftovers, &["sleep", "600"]),
    ] {
        actuator
            .set_replicas(target, Replicas::ZERO, TWO, NOW)
            .await
            .unwrap();
    }
    fs::write(directory.join("unreadable.json"), "{").unwrap();
    Tried {
        actuator: Box::new(actuator),
        target,
        unreadable: process("unreadable", directory, leftovers, &["sleep", "600"]),
        unwritable: process("unwritable", directory, leftovers, &["./gone"]),
    }
}

fn command(name: &str, directory: &Path, get: &[&str], set: &[&str]) -> ScaleTarget {
    fs::write(directory.join(name), "2\n").unwrap();
    let target = CommandTarget {
        workload: name.parse().unwrap(),
        get: words(get),
        set: words(set),
        ready: None,
        directory: directory.to_owned(),
        timeout: Duration::from_secs(20),
    };
    ScaleTarget::Command(target.into())
}

/// Sets the count wholly or not at all, as a command should: by renaming.
const SET: &str = "echo $1 > new && mv new good";

fn with_commands(directory: &Path) -> Tried {
    Tried {
        actuator: Box::new(CommandActuator),
        target: command(
            "good",
            directory,
            &["cat", "good"],
            &["sh", "-c", SET, "set", "{replicas}"],
        ),
        unreadable: command("unreadable", directory, &["false"], &["true"]),
        unwritable: command("unwritable", directory, &["cat", "unwritable"], &["false"]),
    }
}

fn scripted(directory: &Path) -> (Arc<ScriptedActuator>, [ScaleTarget; 3]) {
    let actuator = Arc::new(ScriptedActuator::new());
    let targets =
        ["good", "unreadable", "unwritable"].map(|name| command(name, directory, &["true"], &["true"]));
    for target in &targets {
        actuator.put(target.workload(), TWO);
    }
    (actuator, targets)
}

/// Ends the replicas of the good target by their groups: the youngest may be too young to show the mark.
async fn end(tried: &Tried) {
    let read = tried
        .actuator
        .read(std::slice::from_ref(&tried.target), NOW)
        .await
        .remove(0);
    let count = read.unwrap().workload.current;
    tried
        .actuator
        .set_replicas(&tried.target, count, Replicas::ZERO, NOW)
        .await
        .unwrap();
}

#[tokio::test]
async fn processes() {
    let (directory, leftovers) = (temp_dir(), LeftoverCheck::new());
    let tried = with_processes(directory.path(), &leftovers).await;
    check(&tried).await;
    end(&tried).await;
}

#[tokio::test]
async fn commands() {
    let directory = temp_dir();
    check(&with_commands(directory.path())).await;
}

#[tokio::test]
async fn a_script() {
    let directory = temp_dir();
    let (actuator, [target, unreadable, unwritable]) = scripted(directory.path());
    actuator.fail_reads(unreadable.workload(), Some(Fault::Refuse));
    actuator.fail_writes(unwritable.workload(), Some(Fault::Refuse));
    let actuator = Box::new(WithDeadline::new(actuator, Duration::from_secs(20)));
    check(&Tried {
        actuator,
        target,
        unreadable,
        unwritable,
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_behind_a_deadline() {
    let directory = temp_dir();
    let (actuator, [target, unreadable, unwritable]) = scripted(directory.path());
    actuator.fail_reads(unreadable.workload(), Some(Fault::Hang));
    actuator.fail_writes(unwritable.workload(), Some(Fault::Hang));
    let actuator = Box::new(WithDeadline::new(actuator, Duration::from_secs(5)));
    check(&Tried {
        actuator,
        target,
        unreadable,
        unwritable,
    })
    .await;
}

#[tokio::test]
async fn each_kind_through_its_own_adapter() {
    let (directory, leftovers) = (temp_dir(), LeftoverCheck::new());
    let processes = with_processes(directory.path(), &leftovers).await;
    let beside = temp_dir();
    let commands = with_commands(beside.path());
    let actuator = Box::new(ByKind::<dyn Actuator> {
        kubernetes: Arc::new(ScriptedActuator::new()),
        process: processes.actuator.into(),
        command: commands.actuator.into(),
    });
    let tried = Tried {
        actuator,
        target: processes.target,
        unreadable: commands.unreadable,
        unwritable: commands.unwritable,
    };
    check(&tried).await;
    end(&tried).await;
}
