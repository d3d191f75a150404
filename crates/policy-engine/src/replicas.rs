//! Counts of replicas and the bounds a policy sets on them.

use std::fmt;

use thiserror::Error;

/// A number of replicas (pods, processes, machines) of one workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Replicas(u32);

impl Replicas {
    /// No replicas at all.
    pub const ZERO: Self = Self(0);
    /// The most replicas a policy may allow, one million.
    pub const LIMIT: Self = Self(1_000_000);

    /// That many replicas.
    #[must_use]
    pub const fn new(count: u32) -> Self {
        Self(count)
    }

    /// The bare number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The count as the HPA counts, the largest it has where it does not fit.
    pub(crate) fn as_hpa(self) -> i32 {
        i32::try_from(self.0).unwrap_or(i32::MAX)
    }

    /// A count of the HPA; one below zero is zero.
    pub(crate) fn of_hpa(count: i32) -> Self {
        Self(u32::try_from(count).unwrap_or(0))
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The fewest and most replicas a policy allows. The minimum is never above the maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaBounds {
    min: Replicas,
    max: Replicas,
}

impl ReplicaBounds {
    /// Bounds from `min` to `max`, both included. Below them lies at most the zero of a
    /// [`ScaleToZero`](crate::ScaleToZero).
    ///
    /// # Errors
    /// When `min` is zero or above `max`, `max` is zero, or `max` is above [`Replicas::LIMIT`].
    pub fn new(min: Replicas, max: Replicas) -> Result<Self, BoundsError> {
        if min == Replicas::ZERO && max > Replicas::ZERO {
            return Err(BoundsError::Zero);
        }
        Self::checked(min, max)
    }

    /// Bounds from zero to `max`, as an HPA's `minReplicas: 0` has them. Under headroom's own semantics they begin at one:
    /// there a zero comes from [`ScaleToZero`](crate::ScaleToZero) alone.
    ///
    /// # Errors
    /// When `max` is zero or above [`Replicas::LIMIT`].
    pub fn from_zero(max: Replicas) -> Result<Self, BoundsError> {
        Self::checked(Replicas::ZERO, max)
    }

    fn checked(min: Replicas, max: Replicas) -> Result<Self, BoundsError> {
        if max < min {
            return Err(BoundsError::Inverted { min, max });
        }
        if max == Replicas::ZERO {
            return Err(BoundsError::NoRoom);
        }
        if max > Replicas::LIMIT {
            return Err(BoundsError::TooMany { max });
        }
        Ok(Self { min, max })
    }

    /// Bounds from `min` to `max`, which somebody has looked at before.
    pub(crate) const fn spanning(min: Replicas, max: Replicas) -> Self {
        Self { min, max }
    }

    /// The same bounds, from one up.
    pub(crate) fn above_zero(self) -> Self {
        Self {
            min: self.min.max(Replicas::new(1)),
            ..self
        }
    }

    /// The fewest replicas allowed.
    #[must_use]
    pub const fn min(self) -> Replicas {
        self.min
    }

    /// The most replicas allowed.
    #[must_use]
    pub const fn max(self) -> Replicas {
        self.max
    }

    /// `wanted`, moved into the bounds.
    #[must_use]
    pub fn clamp(self, wanted: Replicas) -> Replicas {
        wanted.clamp(self.min, self.max)
    }

    /// Whether `count` lies inside the bounds.
    #[must_use]
    pub fn contains(self, count: Replicas) -> bool {
        self.min <= count && count <= self.max
    }
}

impl fmt::Display for ReplicaBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.min, self.max)
    }
}

/// Why two counts are not bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BoundsError {
    /// The minimum is above the maximum.
    #[error("the minimum, {min}, is above the maximum, {max}")]
    Inverted {
        /// The minimum that was asked for.
        min: Replicas,
        /// The maximum that was asked for.
        max: Replicas,
    },
    /// The minimum is zero.
    #[error("a minimum of 0 needs a metric that starts the workload again")]
    Zero,
    /// The maximum is zero, so there would be nothing to decide.
    #[error("the maximum must be at least 1")]
    NoRoom,
    /// A bound in force beside the policy's own is zero.
    #[error("a floor or ceiling in force must be at least 1")]
    ActiveZero,
    /// The maximum is beyond what any workload can mean.
    #[error("the maximum, {max}, is above {}", Replicas::LIMIT)]
    TooMany {
        /// The maximum that was asked for.
        max: Replicas,
    },
}
