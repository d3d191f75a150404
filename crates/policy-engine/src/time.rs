//! A moment as the engine counts it. Reading a clock, time zones and calendars belong to others.

use std::time::Duration;

/// A moment in milliseconds since the Unix epoch. All arithmetic saturates, so no input can overflow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest moment that can be told.
    pub const MIN: Self = Self(i64::MIN);
    /// The latest moment that can be told.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment `millis` milliseconds after the Unix epoch (before it, if negative).
    #[must_use]
    pub const fn from_unix_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn unix_millis(self) -> i64 {
        self.0
    }

    /// The moment `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// The moment `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        u64::try_from(self.0.saturating_sub(earlier.0)).map_or(Duration::ZERO, Duration::from_millis)
    }
}

/// Whole milliseconds of `span`, at most what a timestamp can hold.
pub(crate) fn millis(span: Duration) -> i64 {
    let millis = span
        .as_secs()
        .saturating_mul(1000)
        .saturating_add(u64::from(span.subsec_millis()));
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.minus(Duration::MAX), Timestamp::MIN);
        assert_eq!(
            Timestamp::MAX.since(Timestamp::MIN),
            Duration::from_millis(i64::MAX.cast_unsigned())
        );
    }

    #[test]
    fn nothing_has_passed_since_a_later_moment() {
        let now = Timestamp::from_unix_millis(5_000);
        assert_eq!(now.since(now.plus(Duration::from_secs(1))), Duration::ZERO);
        assert_eq!(
            now.since(now.minus(Duration::from_secs(2))),
            Duration::from_secs(2)
        );
    }
}
