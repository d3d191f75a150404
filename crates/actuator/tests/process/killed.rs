//! A real headroom, killed with SIGKILL wherever it happens to be.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
};

use headroom_actuator::testing::FileRecords;
use headroom_policy_engine::Replicas;

use crate::world::{IDLE, World};

const ROUNDS: usize = 30;

/// The example that changes its count again and again.
fn restless() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/restless");
    assert!(
        path.exists(),
        "{} is not built: cargo build -p headroom-actuator --examples",
        path.display()
    );
    path
}

#[tokio::test]
async fn killed_at_any_moment_it_leaves_what_the_next_one_finds() {
    let mut world = World::running(IDLE);
    let directory = world.directory.path().to_owned();
    for round in 0..ROUNDS {
        let variable = world.leftovers.variable();
        let mut killed = Command::new(restless())
            .args([&directory, &world.target.log_directory])
            .args([variable.0, variable.1])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It goes on while its lines are read, so it is killed at another point of its work each time.
        let lines = BufReader::new(killed.stdout.take().unwrap()).lines();
        let seen = lines.take(1 + round * 7 % 23).map(Result::unwrap).count();
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert!(seen > 0, "it did its work");

        let records = FileRecords::new(directory.clone());
        let saved = headroom_actuator::ProcessRecords::load(&records, &world.target.workload).unwrap();
        let wanted = saved.map_or(Replicas::ZERO, |table| table.wanted());
        world.restart_with(Arc::new(records));
        world.wait_until_settled(wanted).await;
    }
}

impl World {
    /// Tends until just the wanted replicas run, and sees that it stays so.
    async fn wait_until_settled(&self, wanted: Replicas) {
        let count = usize::try_from(wanted.get()).unwrap();
        self.tend().await.unwrap();
        let running = self.running_pids().len();
        assert!(running >= count, "{running} of {wanted} run");
        self.wait_for_processes(count).await;
        let pids = self.running_pids();
        self.tend().await.unwrap();
        assert_eq!(self.running_pids(), pids);
        let state = self.read().await;
        assert_eq!((state.workload.current, state.replicas.len()), (wanted, count));
    }
}
