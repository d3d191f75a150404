//! Marks between which nothing changes (Datadog's WatermarkPodAutoscaler).

use super::{PolicyError, Target};

/// Two marks between which nothing changes. Above the high one the count rises until the value meets that; below the
/// low one it falls until the value meets that. The low mark lies under the high one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "saved::Watermarks")
)]
pub struct Watermarks {
    compared: Compared,
    low: Target,
    high: Target,
}

/// What is compared with the marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Compared {
    /// The value is a total: so much of it for each replica (the other autoscaler's `average`).
    PerReplica,
    /// The value itself, which falls as replicas are added (the other autoscaler's `absolute`).
    Value,
}

impl Watermarks {
    /// No change from `low` to `high`, both included.
    ///
    /// # Errors
    /// When the low mark is not under the high one.
    pub fn new(compared: Compared, low: Target, high: Target) -> Result<Self, PolicyError> {
        if low < high {
            Ok(Self { compared, low, high })
        } else {
            Err(PolicyError::CrossedMarks {
                high: high.get(),
                low: low.get(),
            })
        }
    }

    /// What is compared.
    #[must_use]
    pub const fn compared(self) -> Compared {
        self.compared
    }

    /// The mark below which the count falls.
    #[must_use]
    pub const fn low(self) -> Target {
        self.low
    }

    /// The mark above which the count rises.
    #[must_use]
    pub const fn high(self) -> Target {
        self.high
    }
}

/// Marks as they are written in a record, before they are known to be ones.
#[cfg(feature = "serde")]
mod saved {
    use super::{Compared, PolicyError, Target};

    #[derive(serde::Deserialize)]
    pub(super) struct Watermarks {
        compared: Compared,
        low: Target,
        high: Target,
    }

    impl TryFrom<Watermarks> for super::Watermarks {
        type Error = PolicyError;

        fn try_from(saved: Watermarks) -> Result<Self, PolicyError> {
            Self::new(saved.compared, saved.low, saved.high)
        }
    }
}
