//! Two processes and one state: who waits for whom, and what is left when one is killed.
//!
//! The other process is this test binary, told by a variable to play a part.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use headroom_actuator::testing::Fault;
use headroom_autoscaler::{
    LeaderLock, Leadership, LockError, LockHolder, Once, PassError, SystemClock, Which, run_once,
};
use headroom_policy_engine::Outcome;

use crate::world::*;

/// Tells the other process its part.
const PART: &str = "HEADROOM_TEST_PART";
/// Tells the other process the directory of the state.
const STATE: &str = "HEADROOM_TEST_STATE";

/// The other process, which is killed when this is dropped.
struct Other(Child);

impl Other {
    /// Starts it, and waits until it is where its part wants it to be.
    fn play(part: &str, state_dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::the_other_process", "--nocapture"])
            .env(PART, part)
            .env(STATE, state_dir)
            .env("TMPDIR", state_dir.parent().unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let other = Self(child);
        assert!(
            lines.any(|line| line.unwrap().contains("in place")),
            "it did not get there"
        );
        other
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// What the other process does. A test like any other when nobody gave it a part.
#[tokio::test]
async fn the_other_process() {
    let Ok(part) = std::env::var(PART) else { return };
    let mut world = World::new(&["web"]);
    world.state_dir = std::env::var_os(STATE).unwrap().into();
    match part.as_str() {
        "leader" => {
            let lock = LeaderLock::acquire(&world.state_dir, "headroom run", at(0))
                .await
                .unwrap();
            assert!(matches!(lock, Leadership::Taken(_)));
            println!("in place");
            std::future::pending::<()>().await;
        }
        "writer" => {
            world.load("web", 430.0);
            world.actuator.fail_writes(&id("web"), Some(Fault::Hang));
            let autoscaler = Arc::new(world.start());
            let watched = Arc::clone(&autoscaler);
            tokio::spawn(async move { autoscaler.locked_pass(&SystemClock, Which::All).await });
            until(|| !watched.store().open_intents().unwrap().is_empty()).await;
            println!("in place");
            std::future::pending::<()>().await;
        }
        other => panic!("there is no part {other}"),
    }
}

#[tokio::test]
async fn a_leader_in_another_process_is_named_and_is_gone_when_it_is_killed() {
    let world = World::new(&["web"]);
    pass(&world.start(), at(0)).await;
    let other = Other::play("leader", &world.state_dir);
    let once = run_once(&world.start(), &SystemClock, Which::All).await.unwrap();
    let Once::AlreadyRunning(LockHolder(Some(holder))) = once else {
        panic!("{once:?}")
    };
    assert_eq!(
        (holder.pid, holder.command.as_str()),
        (other.0.id(), "headroom run")
    );
    assert!(
        holder
            .to_string()
            .starts_with(&format!("`headroom run` (process {} on ", other.0.id())),
        "{holder}"
    );
    other.kill();
    let once = run_once(&world.start(), &SystemClock, Which::All).await.unwrap();
    assert!(matches!(once, Once::Done(_)), "{once:?}");
}

#[tokio::test]
async fn a_pass_waits_for_one_in_another_process_and_settles_what_it_left_when_it_is_killed() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    std::fs::create_dir_all(&world.state_dir).unwrap();
    let other = Other::play("writer", &world.state_dir);
    let mut next = world.start();
    let waiting = next.locked_pass(&SystemClock, Which::All);
    let waited = tokio::time::timeout(std::time::Duration::from_millis(300), waiting).await;
    assert!(waited.is_err(), "the other one holds the lock");
    assert_eq!(world.actuator.tended(), []);
    // A single pass does not wait.
    let once = run_once(&next, &SystemClock, Which::All).await.unwrap();
    let Once::UnderWay(LockHolder(Some(holder))) = once else {
        panic!("{once:?}")
    };
    assert_eq!(holder.pid, other.0.id());
    assert_eq!(world.actuator.tended(), []);
    other.kill();

    next = world.start();
    assert_eq!(next.store().open_intents().unwrap().len(), 1);
    let record = next.locked_pass(&SystemClock, Which::All).await.unwrap();
    assert_eq!(told(about(&record, "web")), "2 -> 5 Written");
    let outcomes: Vec<_> = world.rows("web").iter().map(|row| row.record.outcome()).collect();
    assert_eq!(outcomes, [Some(Outcome::Written), Some(Outcome::Failed)]);
}

#[tokio::test]
async fn a_pass_in_another_process_that_is_stuck_is_named() {
    let world = World::new(&["web"]);
    std::fs::create_dir_all(&world.state_dir).unwrap();
    let other = Other::play("writer", &world.state_dir);
    // Four minutes later by the clock on the wall.
    let later = Later;
    let autoscaler = world.start();
    let waiting = autoscaler.locked_pass(&later, Which::All).await.unwrap_err();
    let single = run_once(&autoscaler, &later, Which::All).await.unwrap_err();
    for refused in [waiting, single] {
        let PassError::Lock(LockError::Stuck {
            holder: Some(holder), ..
        }) = &refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!(holder.pid, other.0.id());
        assert!(
            refused.to_string().contains(&format!("process {}", other.0.id())),
            "{refused}"
        );
    }
}

#[derive(Debug)]
struct Later;

impl headroom_autoscaler::Clock for Later {
    fn now(&self) -> headroom_policy_engine::Timestamp {
        headroom_autoscaler::Clock::now(&SystemClock).plus(seconds(240))
    }
}
