//! What every adapter must do, as one suite over any of them.
//!
//! [`check`] fails by panicking, with what the adapter did instead.

use std::{future::Future, pin::pin, task::Poll};

use futures::{FutureExt as _, future::poll_fn};
use headroom_policy_engine::{Replicas, Timestamp};

use crate::{Actuator, ScaleTarget, TargetError};

/// An adapter with targets to try it on.
pub trait World {
    /// The adapter.
    fn actuator(&self) -> &dyn Actuator;
    /// A target whose count is 2 now, and that can be set.
    fn target(&self) -> ScaleTarget;
    /// A target that cannot be read.
    fn unreadable(&self) -> ScaleTarget;
    /// A target that reads as 2 and cannot be set to more.
    fn unwritable(&self) -> ScaleTarget;
}

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

/// Checks the adapter of `world` against the ports' contract.
///
/// # Panics
/// When the adapter breaks it.
pub async fn check(world: &impl World) {
    reading_changes_nothing(world).await;
    what_is_set_is_read(world).await;
    a_count_that_is_not_there_any_more_is_not_overwritten(world).await;
    a_write_that_fails_says_so_and_changes_nothing(world).await;
    a_target_that_fails_harms_no_other(world).await;
    a_call_can_be_given_up_at_any_point(world).await;
}

async fn count(world: &impl World, target: &ScaleTarget) -> Replicas {
    let mut read = world.actuator().read(std::slice::from_ref(target), NOW).await;
    assert_eq!(read.len(), 1, "one answer for one target");
    match read.pop() {
        Some(Ok(state)) => state.workload.current,
        other => panics(&format!("a good target was read as {other:?}")),
    }
}

async fn reading_changes_nothing(world: &impl World) {
    let target = world.target();
    assert_eq!(count(world, &target).await, Replicas::new(2));
    assert_eq!(count(world, &target).await, Replicas::new(2), "read again");
    assert!(
        world.actuator().read(&[], NOW).await.is_empty(),
        "nothing asked, nothing answered"
    );
}

async fn what_is_set_is_read(world: &impl World) {
    let target = world.target();
    for (from, to) in [(2, 3), (3, 3), (3, 1), (1, 0), (0, 2)] {
        set(world, &target, from, to)
            .await
            .unwrap_or_else(|error| panics(&format!("{from} to {to}: {error:?}")));
        assert_eq!(count(world, &target).await, Replicas::new(to), "set from {from}");
    }
}

async fn a_count_that_is_not_there_any_more_is_not_overwritten(world: &impl World) {
    let target = world.target();
    match set(world, &target, 5, 6).await {
        Err(TargetError::Conflict { expected, found }) => {
            assert_eq!((expected, found), (Replicas::new(5), Replicas::new(2)));
        }
        other => panics(&format!("a conflict was taken for {other:?}")),
    }
    assert_eq!(count(world, &target).await, Replicas::new(2));
}

async fn a_write_that_fails_says_so_and_changes_nothing(world: &impl World) {
    let target = world.unwritable();
    let set = set(world, &target, 2, 4).await;
    assert!(
        set.is_err(),
        "a write that cannot be carried out was taken for done"
    );
    assert_eq!(count(world, &target).await, Replicas::new(2));
}

async fn a_target_that_fails_harms_no_other(world: &impl World) {
    let targets = [world.unreadable(), world.target(), world.unreadable()];
    let read = world.actuator().read(&targets, NOW).await;
    let read: Vec<Option<u32>> = read
        .into_iter()
        .map(|read| read.ok().map(|state| state.workload.current.get()))
        .collect();
    assert_eq!(
        read,
        [None, Some(2), None],
        "answers stand in the order of the targets"
    );
}

/// Gives a write up after each of its first steps, and expects it to be carried out wholly or not at all.
async fn a_call_can_be_given_up_at_any_point(world: &impl World) {
    let target = world.target();
    for steps in 0..8 {
        let before = count(world, &target).await;
        let to = Replicas::new(5 - before.get());
        give_up_after(steps, world.actuator().set_replicas(&target, before, to, NOW)).await;
        let after = count(world, &target).await;
        assert!(
            after == before || after == to,
            "given up after {steps} steps: {before} to {to} became {after}"
        );
        // What was begun may end after it was given up, so the next one may find a conflict, and nothing worse.
        match world.actuator().set_replicas(&target, after, before, NOW).await {
            Ok(()) | Err(TargetError::Conflict { .. }) => {}
            Err(error) => panics(&format!("after a write that was given up: {error:?}")),
        }
    }
}

async fn give_up_after(steps: u32, call: impl Future) {
    let mut call = pin!(call.fuse());
    for _ in 0..steps {
        let is_done = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        if is_done {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn set(world: &impl World, target: &ScaleTarget, from: u32, to: u32) -> Result<(), TargetError> {
    world
        .actuator()
        .set_replicas(target, Replicas::new(from), Replicas::new(to), NOW)
        .await
}

#[expect(clippy::panic, reason = "an adapter that breaks the contract fails the test")]
fn panics(what: &str) -> ! {
    panic!("{what}")
}
