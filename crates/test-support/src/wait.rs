//! Waiting on a condition with a deadline, in place of a fixed sleep.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The pause between two looks.
const INTERVAL: Duration = Duration::from_millis(25);

/// Waits until `attempt` gives a value, and returns it.
///
/// The deadline is one of the real clock, also where tokio's is paused: what is waited for is another process.
///
/// # Panics
///
/// When `deadline` has passed; `what` says what was waited for.
#[track_caller]
pub fn wait_for<T>(
    deadline: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    // Taken here, outside the future, so that a failing test names the line that waits.
    let caller = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        let end = Instant::now() + deadline;
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            assert!(Instant::now() < end, "{caller}: not within {deadline:?}: {what}");
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// When `deadline` has passed; `what` says what was waited for.
#[track_caller]
pub fn wait_until(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    wait_for(deadline, what, async move || condition().await.then_some(()))
}

/// [`wait_until`] for a test without an async runtime. It blocks the thread.
///
/// # Panics
///
/// When `deadline` has passed; `what` says what was waited for.
#[track_caller]
pub fn wait_until_blocking(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + deadline;
    while !condition() {
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        thread::sleep(INTERVAL);
    }
}
