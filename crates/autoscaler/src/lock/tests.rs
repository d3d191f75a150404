use super::*;
use crate::{FollowingClock, SystemClock};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1000)
}

fn lock(dir: &Path, command: &str) -> PassLock {
    PassLock::new(dir, command, Duration::from_secs(90))
}

#[tokio::test]
async fn passes_of_one_process_share_the_lock_and_others_wait() {
    let dir = tempfile::tempdir().unwrap();
    let mine = lock(dir.path(), "mine");
    let first = mine.acquire(&SystemClock).await.unwrap();
    let second = mine.acquire(&SystemClock).await.unwrap();

    let other = lock(dir.path(), "other");
    let holder = other
        .try_acquire(SystemClock.now())
        .unwrap()
        .unwrap_err()
        .unwrap();
    assert_eq!(
        (holder.command.as_str(), holder.pid),
        ("mine", std::process::id())
    );

    drop(first);
    assert!(other.try_acquire(SystemClock.now()).unwrap().is_err());
    drop(second);
    assert!(other.try_acquire(SystemClock.now()).unwrap().is_ok());
}

#[tokio::test]
async fn a_lock_that_is_given_back_is_free_though_a_process_that_is_being_started_has_its_file_open() {
    let dir = tempfile::tempdir().unwrap();
    let mine = lock(dir.path(), "mine").acquire(&SystemClock).await.unwrap();
    let copy = mine.held.lock().unwrap().file.try_clone().unwrap();
    let other = lock(dir.path(), "other");
    assert!(other.try_acquire(SystemClock.now()).unwrap().is_err());
    drop(mine);
    assert!(other.try_acquire(SystemClock.now()).unwrap().is_ok());
    drop(copy);
}

#[tokio::test(start_paused = true)]
async fn a_pass_waits_for_another_and_calls_it_stuck_after_twice_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FollowingClock::starting_at(at(1000));
    let _held = lock(dir.path(), "slow").acquire(&clock).await.unwrap();
    let refused = lock(dir.path(), "next").acquire(&clock).await.unwrap_err();
    let LockError::Stuck {
        holder: Some(holder),
        held_for,
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!((holder.command.as_str(), holder.since), ("slow", at(1000)));
    assert!(
        held_for > Duration::from_secs(180) && held_for < Duration::from_secs(182),
        "{held_for:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_process_that_goes_on_making_passes_is_not_stuck() {
    let dir = tempfile::tempdir().unwrap();
    let clock = FollowingClock::starting_at(at(0));
    let busy = lock(dir.path(), "busy");
    let mut held = busy.acquire(&clock).await.unwrap();
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(100)).await;
        // The next pass begins before the one before has ended.
        held = busy.acquire(&clock).await.unwrap();
    }
    let holder = lock(dir.path(), "next")
        .try_acquire(clock.now())
        .unwrap()
        .unwrap_err();
    assert_eq!(holder.unwrap().since, at(300));
    drop(held);
}

#[tokio::test]
async fn there_is_one_leader_and_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(LeaderLock::holder(dir.path()).unwrap(), None);
    let Leadership::Taken(lock) = LeaderLock::acquire(dir.path(), "headroom run", at(7))
        .await
        .unwrap()
    else {
        panic!("nobody else is there");
    };
    let LockHolder(holder) = LeaderLock::holder(dir.path()).unwrap().unwrap();
    assert_eq!(holder.as_ref().unwrap().command, "headroom run");
    let Leadership::HeldBy(other) = LeaderLock::acquire(dir.path(), "second", at(8)).await.unwrap() else {
        panic!("there is a leader");
    };
    assert_eq!(other, holder);
    drop(lock);
    assert_eq!(LeaderLock::holder(dir.path()).unwrap(), None);
}

#[tokio::test]
async fn a_lock_file_with_nonsense_in_it_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join(PASS_LOCK),
        b"\xff not json, and longer than what will stand here ".repeat(20),
    )
    .unwrap();
    let _held = lock(dir.path(), "first").acquire(&SystemClock).await.unwrap();
    let holder = lock(dir.path(), "next")
        .try_acquire(SystemClock.now())
        .unwrap()
        .unwrap_err();
    assert_eq!(holder.unwrap().command, "first");
}

#[test]
fn one_process_at_a_time_hands_notices_over() {
    let dir = tempfile::tempdir().unwrap();
    let held = DeliveryLock::try_acquire(dir.path(), "headroom run", at(7))
        .unwrap()
        .unwrap();
    let other = DeliveryLock::try_acquire(dir.path(), "headroom once", at(8)).unwrap();
    assert_eq!(other.unwrap_err().0.unwrap().command, "headroom run");
    drop(held);
    assert!(
        DeliveryLock::try_acquire(dir.path(), "headroom once", at(9))
            .unwrap()
            .is_ok()
    );
}

#[test]
fn a_lock_is_held_where_it_cannot_be_written_who_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(DELIVERY_LOCK);
    drop(open(&path).unwrap());
    let unwritable = File::open(&path).unwrap();
    let holder = Holder::this_process("headroom run", at(7));
    let Attempt::Taken(_held) = take(unwritable, &holder).unwrap() else {
        panic!("nobody else has it");
    };
    let other = DeliveryLock::try_acquire(dir.path(), "headroom once", at(8)).unwrap();
    assert_eq!(other.unwrap_err(), LockHolder(None));
}
