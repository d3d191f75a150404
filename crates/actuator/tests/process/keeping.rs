//! As many replicas run as are wanted.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _};

use headroom_policy_engine::{CountOrigin, Readiness, Replicas};
use headroom_test_support::wait_until;

use crate::world::{DEADLINE, IDLE, World, kill, seconds};

#[tokio::test]
async fn nothing_runs_before_a_count_is_set() {
    let world = World::running(IDLE);
    world.tend().await.unwrap();
    let state = world.read().await;
    assert_eq!(state.workload.origin, CountOrigin::NeverStarted);
    assert_eq!(state.workload.current, Replicas::ZERO);
    assert!(world.running_pids().is_empty());
    assert!(world.records.get(&world.target.workload).is_none());
}

#[tokio::test]
async fn each_replica_has_a_port_an_environment_a_log_and_a_session_of_its_own() {
    let mut world = World::running(
        r#"read line || echo "no input"; echo "port=$PORT color=$COLOR workload=$HEADROOM_WORKLOAD pid=$$"; echo "on stderr" >&2; exec sleep 600"#,
    );
    world
        .target
        .environment
        .insert("COLOR".to_owned(), "green".to_owned());
    world.set(0, 3).await.unwrap();
    let pids = world.pids();
    let mut ports = BTreeSet::new();
    for (number, pid) in (1..=3).zip(&pids) {
        world.wait_for_log(number, "on stderr").await;
        let log = world.log(number);
        assert!(log.starts_with("no input\n"), "{log}");
        assert!(
            log.contains(&format!("color=green workload=shop/web pid={pid}\n")),
            "{log}"
        );
        assert_eq!(log.lines().count(), 3, "no other replica writes here: {log}");
        let port = log.split("port=").nth(1).unwrap().split(' ').next().unwrap();
        ports.insert(port.to_owned());
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let session = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .nth(3)
            .unwrap();
        assert_eq!(session, pid.to_string());
    }
    assert_eq!(ports.len(), 3);
    let state = world.read().await;
    let urls: BTreeSet<String> = ports
        .iter()
        .map(|port| format!("http://127.0.0.1:{port}"))
        .collect();
    assert_eq!(
        state
            .replicas
            .iter()
            .map(|replica| replica.address.url().unwrap().to_string())
            .collect::<BTreeSet<_>>(),
        urls
    );
    assert_eq!(state.workload.origin, CountOrigin::WrittenByHeadroom);
    assert_eq!(
        state.workload.readiness,
        Readiness::Known {
            ready: Replicas::new(3),
            longest_unready: None
        }
    );
}

#[tokio::test]
async fn the_newest_are_stopped_first_and_the_others_run_on() {
    let world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    let eldest = world.pids();
    world.set(2, 5).await.unwrap();
    assert_eq!(world.running_pids().len(), 5);
    world.set(5, 2).await.unwrap();
    world.wait_for_processes(2).await;
    assert_eq!(world.pids(), eldest);
    assert_eq!(world.read().await.replicas.len(), 2);
}

#[tokio::test]
async fn zero_is_a_count_like_any_other() {
    let world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    world.set(2, 0).await.unwrap();
    world
        .tend_until("both are gone", |world| world.draining_pids().is_empty())
        .await;
    assert!(world.running_pids().is_empty());
    let state = world.read().await;
    assert_eq!(state.workload.current, Replicas::ZERO);
    assert_eq!(
        state.workload.origin,
        CountOrigin::WrittenByHeadroom,
        "it was said, and is not unknown"
    );
}

#[tokio::test]
async fn a_replica_that_dies_is_started_again_after_its_wait() {
    let world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    let before = world.pids();
    let ids: Vec<_> = world
        .read()
        .await
        .replicas
        .into_iter()
        .map(|replica| replica.id)
        .collect();
    kill(before[0]);
    world
        .tend_until("the death is seen", |world| world.pids() == before[1..])
        .await;
    assert_eq!(world.running_pids(), before[1..], "not before the wait is over");
    let state = world.read().await;
    assert_eq!(
        state.workload.current,
        Replicas::new(2),
        "as many are wanted as before"
    );
    assert_eq!(state.replicas.len(), 1);

    world.pass(seconds(1));
    world.tend().await.unwrap();
    assert_eq!(world.running_pids().len(), 2);
    assert_eq!(world.pids()[1], before[1]);
    let replicas = world.read().await.replicas;
    assert_ne!(replicas[0].id, ids[0], "another life is another replica");
    assert_eq!(replicas[1].id, ids[1]);
}

#[tokio::test]
async fn the_wait_grows_with_each_death() {
    let world = World::running("exit 3");
    world.set(0, 1).await.unwrap();
    let starts = || world.table()["next"].as_u64().unwrap();
    let mut waits = Vec::new();
    for _ in 0..4 {
        world
            .tend_until("the death is seen", |world| world.pids().is_empty())
            .await;
        let before = starts();
        let mut waited = 0;
        while starts() == before {
            waited += 1;
            world.pass(seconds(1));
            world.tend().await.unwrap();
        }
        waits.push(waited);
    }
    assert_eq!(waits, [1, 2, 4, 8]);
}

#[tokio::test]
async fn a_program_with_a_slash_is_looked_up_from_the_directory() {
    let mut world = World::running(IDLE);
    let program = world.directory.path().join("bin/web");
    fs::create_dir(program.parent().unwrap()).unwrap();
    fs::write(&program, "#!/bin/sh\npwd\nexec sleep 600\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    world.target.command = vec!["bin/web".to_owned()];
    // Another test of this process may be a copy of it for a moment, with the script still open for writing.
    wait_until(DEADLINE, "the script is nobody's any more", async || {
        world.pass(seconds(200));
        let _ = world.set(0, 1).await;
        world.tend().await.is_ok()
    })
    .await;
    let directory = fs::canonicalize(world.directory.path()).unwrap();
    world.wait_for_log(1, directory.to_str().unwrap()).await;
}
