//! Commands that cannot start or do not stay up.

use std::{error::Error as _, fs, os::unix::fs::PermissionsExt as _};

use headroom_actuator::TargetError;
use headroom_policy_engine::{CountOrigin, Hold, Replicas};

use crate::world::{IDLE, World, kill, seconds};

fn failing(count: u32) -> Vec<Hold> {
    vec![Hold::FailingToStart {
        failing: Replicas::new(count),
    }]
}

#[tokio::test]
async fn a_program_that_is_not_there_is_said_at_once_and_nothing_is_wanted() {
    let mut world = World::running(IDLE);
    world.target.command = vec!["./web".to_owned(), "--fast".to_owned()];
    let error = world.set(0, 2).await.unwrap_err();
    assert_eq!(error.to_string(), "`./web --fast` could not be started");
    let tried = format!("there is no file {}/./web", world.directory.path().display());
    assert_eq!(error.source().unwrap().to_string(), tried);
    assert_eq!(world.read().await.workload.origin, CountOrigin::NeverStarted);
}

#[tokio::test]
async fn a_program_that_went_away_holds_at_once_until_replicas_stay_up_again() {
    let mut world = World::running(IDLE);
    world.set(0, 1).await.unwrap();
    let good = std::mem::replace(&mut world.target.command, vec!["./gone".to_owned()]);
    kill(world.pids()[0]);
    world
        .tend_until("the death is seen", |world| world.pids().is_empty())
        .await;
    assert_eq!(world.read().await.workload.holds, []);
    world.pass(seconds(1));
    assert!(matches!(world.tend().await, Err(TargetError::Start { .. })));
    assert_eq!(world.read().await.workload.holds, failing(1));
    world.tend().await.unwrap();
    assert_eq!(
        world.read().await.workload.holds,
        failing(1),
        "also while it waits to try again"
    );
    assert_eq!(world.read().await.workload.current, Replicas::new(1));

    // Scaling down needs no program.
    world.target.command = good;
    world.pass(seconds(2));
    world.tend().await.unwrap();
    assert_eq!(world.pids().len(), 1);
    assert_eq!(
        world.read().await.workload.holds,
        failing(1),
        "it may still die young"
    );
    world.pass(seconds(10));
    assert_eq!(world.read().await.workload.holds, []);
}

#[tokio::test]
async fn scaling_down_needs_no_program() {
    let mut world = World::running(IDLE);
    world.set(0, 2).await.unwrap();
    world.target.command = vec!["./gone".to_owned()];
    world.set(2, 1).await.unwrap();
    world.wait_for_processes(1).await;
}

#[tokio::test]
async fn replicas_that_keep_dying_hold_and_those_that_stay_up_do_not_count() {
    // Slot 1 serves, the others die at once.
    let world = World::running(r#"[ "$HEADROOM_SLOT" = 1 ] || exit 7; exec sleep 600"#);
    world.set(0, 3).await.unwrap();
    for expected in [vec![], failing(2)] {
        world
            .tend_until("two have died", |world| world.pids().len() == 1)
            .await;
        assert_eq!(world.read().await.workload.holds, expected);
        world.pass(seconds(1));
        world.tend().await.unwrap();
    }
    // Remembered by whoever comes next.
    let mut world = world;
    world.restart();
    world.tend().await.unwrap();
    assert_eq!(world.read().await.workload.holds, failing(2));
}

#[tokio::test]
async fn a_program_that_the_kernel_refuses_is_wanted_and_fails() {
    let mut world = World::running(IDLE);
    let program = world.directory.path().join("web");
    fs::write(&program, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    world.target.command = vec!["./web".to_owned()];
    world.set(0, 1).await.unwrap();
    assert_eq!(world.read().await.workload.holds, failing(1));
    world.pass(seconds(1));
    let error = world.tend().await.unwrap_err();
    assert!(matches!(error, TargetError::Start { .. }), "{error:?}");
    assert!(
        error.source().unwrap().to_string().contains("/./web: "),
        "{error:?}"
    );
}
