//! What a source still knows of earlier: the moments that are asked for, and the answers about them.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{MissingCause, Reading, Timestamp};

use crate::ObserveError;

/// Moments of the past, evenly spaced, by the clock of the source. At least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moments {
    last: Timestamp,
    spacing: Duration,
    count: u32,
}

impl Moments {
    /// The most that are asked for at once: an hour every five seconds.
    pub const MOST: u32 = 720;

    /// Those that lie `spacing`, twice that and so on before `now`, until all of `span` lies behind the first; `None` where
    /// that are too many, or `spacing` is less than a millisecond.
    #[must_use]
    pub fn before(now: Timestamp, span: Duration, spacing: Duration) -> Option<Self> {
        let fit = span.as_millis().checked_div(spacing.as_millis())?;
        let count = u32::try_from(fit).ok()?.checked_add(1)?;
        (count <= Self::MOST).then(|| Self {
            last: now.minus(spacing),
            spacing,
            count,
        })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How far apart they are.
    #[must_use]
    pub const fn spacing(&self) -> Duration {
        self.spacing
    }

    /// The first.
    #[must_use]
    pub fn first(&self) -> Timestamp {
        self.last.minus(self.spacing.saturating_mul(self.count - 1))
    }

    /// The last.
    #[must_use]
    pub const fn last(&self) -> Timestamp {
        self.last
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Timestamp> + use<> {
        let Self { last, spacing, count } = *self;
        (0..count)
            .rev()
            .map(move |back| last.minus(spacing.saturating_mul(back)))
    }
}

/// What a source says about one query at each of some moments, in their order; or why it cannot say.
pub type Past = Result<Vec<PastAnswer>, Arc<ObserveError>>;

/// What a source would have said to one query at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PastAnswer {
    /// The number and what is known about it, or why there was none.
    pub reading: Result<Reading, MissingCause>,
    /// As [`Answer::scrape_interval`](crate::Answer::scrape_interval).
    pub scrape_interval: Option<Duration>,
}

/// The source does not know its past, or not that of any of `queries`.
pub(crate) fn unknown<T>(queries: &[T]) -> Vec<Past> {
    let error = Arc::new(ObserveError::NoPast);
    queries.iter().map(|_| Err(Arc::clone(&error))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(all: &[u64]) -> Vec<Timestamp> {
        all.iter()
            .map(|&second| Timestamp::from_unix_millis(i64::try_from(second * 1000).unwrap()))
            .collect()
    }

    fn before(now: u64, span: u64, spacing: u64) -> Option<Vec<Timestamp>> {
        let now = seconds(&[now])[0];
        Moments::before(now, Duration::from_secs(span), Duration::from_secs(spacing))
            .map(|moments| moments.iter().collect())
    }

    #[test]
    fn the_first_lies_before_the_span_and_the_last_before_now() {
        assert_eq!(before(100, 45, 15), Some(seconds(&[40, 55, 70, 85])));
        assert_eq!(before(100, 50, 15), Some(seconds(&[40, 55, 70, 85])));
        assert_eq!(before(100, 0, 15), Some(seconds(&[85])));
        let moments = Moments::before(
            seconds(&[100])[0],
            Duration::from_secs(50),
            Duration::from_secs(15),
        );
        let moments = moments.unwrap();
        assert_eq!([moments.first(), moments.last()], *seconds(&[40, 85]));
    }

    #[test]
    fn too_many_are_none() {
        assert_eq!(before(10_000, 3600, 5), None);
        assert_eq!(before(10_000, 3595, 5).map(|all| all.len()), Some(720));
        assert_eq!(before(100, 60, 0), None);
    }
}
