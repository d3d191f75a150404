//! Waiting on a condition with a deadline, in place of a fixed sleep.

use std::{
    fmt,
    panic::Location,
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
    wait_for_seen(deadline, what, async move || attempt().await.ok_or(""))
}

/// [`wait_for`] for an attempt that says what it saw where there is no value yet.
///
/// # Panics
///
/// When `deadline` has passed; the message has `what`, and what was seen last, unless that is empty.
#[track_caller]
pub fn wait_for_seen<T, S: fmt::Display>(
    deadline: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, S>,
) -> impl Future<Output = T> {
    // Taken here, outside the future, so that a failing test names the line that waits.
    let caller = Location::caller();
    let what = what.to_owned();
    async move {
        let end = Instant::now() + deadline;
        loop {
            let seen = match attempt().await {
                Ok(value) => return value,
                Err(seen) => seen,
            };
            assert!(
                Instant::now() < end,
                "{caller}: not within {deadline:?}: {what}{}",
                last(&seen)
            );
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

fn last(seen: &impl fmt::Display) -> String {
    let seen = seen.to_string();
    if seen.is_empty() {
        seen
    } else {
        format!("; the last was {seen}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "not within 0ns: pods are ready; the last was 2 of 3")]
    async fn says_what_was_seen_last_where_the_deadline_passed() {
        wait_for_seen(Duration::ZERO, "pods are ready", async || Err::<(), _>("2 of 3")).await;
    }

    #[tokio::test]
    async fn returns_the_first_value() {
        let mut looks = 0;
        let found = wait_for_seen(Duration::from_secs(60), "a second look", async || {
            looks += 1;
            if looks == 2 { Ok(looks) } else { Err(looks) }
        })
        .await;
        assert_eq!(found, 2);
    }
}
