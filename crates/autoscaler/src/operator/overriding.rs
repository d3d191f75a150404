//! Overrides: other bounds that a person asks for, for a time.

use std::sync::Arc;

use headroom_policy_engine::{
    ActiveBound, ActiveBounds, BoundSource, Hold, HoldSource, Operator, Replicas, Timestamp, WorkloadId,
};
use thiserror::Error;

use crate::InForce;

/// Other bounds for one workload that a person asks for, for a time. It ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Which workload.
    pub workload: WorkloadId,
    /// Since when.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Who asks for it, and why.
    pub operator: Operator,
    /// What they ask for.
    pub asks: OverrideAsks,
}

/// What an override asks for: one thing at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrideAsks {
    floor: Option<Replicas>,
    ceiling: Option<Replicas>,
    scale_down: ScaleDown,
}

/// Whether the count may fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleDown {
    /// As the load allows.
    #[default]
    Allowed,
    /// Not at all, whatever the load allows. The bounds still act.
    Held,
}

/// Why an override cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OverrideError {
    /// It asks for nothing.
    #[error("the override asks for nothing")]
    Nothing,
    /// A bound is zero or beyond what any workload can mean.
    #[error("an override is of 1 to {} replicas, not {replicas}", Replicas::LIMIT)]
    OutOfRange {
        /// What was asked for.
        replicas: Replicas,
    },
    /// The floor is above the ceiling.
    #[error("the override's minimum, {min}, is above its maximum, {max}")]
    Inverted {
        /// The floor that was asked for.
        min: Replicas,
        /// The ceiling that was asked for.
        max: Replicas,
    },
}

impl OverrideAsks {
    /// At least `floor`, at most `ceiling`, and no falling where that is held.
    ///
    /// # Errors
    /// When it asks for nothing, a bound is out of range, or the floor is above the ceiling.
    pub fn new(
        floor: Option<Replicas>,
        ceiling: Option<Replicas>,
        scale_down: ScaleDown,
    ) -> Result<Self, OverrideError> {
        if floor.is_none() && ceiling.is_none() && scale_down == ScaleDown::Allowed {
            return Err(OverrideError::Nothing);
        }
        let range = Replicas::new(1)..=Replicas::LIMIT;
        if let Some(replicas) = floor
            .into_iter()
            .chain(ceiling)
            .find(|count| !range.contains(count))
        {
            return Err(OverrideError::OutOfRange { replicas });
        }
        if let (Some(min), Some(max)) = (floor, ceiling)
            && min > max
        {
            return Err(OverrideError::Inverted { min, max });
        }
        Ok(Self {
            floor,
            ceiling,
            scale_down,
        })
    }

    /// At least so many replicas.
    #[must_use]
    pub const fn floor(&self) -> Option<Replicas> {
        self.floor
    }

    /// At most so many replicas.
    #[must_use]
    pub const fn ceiling(&self) -> Option<Replicas> {
        self.ceiling
    }

    /// Whether the count may fall.
    #[must_use]
    pub const fn scale_down(&self) -> ScaleDown {
        self.scale_down
    }
}

impl Override {
    /// Whether it has not ended at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// What it asks for, as a decision keeps it.
    #[must_use]
    pub fn in_force(&self) -> InForce {
        let by = BoundSource::Override(self.operator.clone());
        // None of them is out of range, so none is lost.
        let bound =
            |replicas: Option<Replicas>| ActiveBound::new(replicas.unwrap_or_default(), by.clone()).ok();
        let hold = match self.asks.scale_down {
            ScaleDown::Allowed => None,
            ScaleDown::Held => Some(Hold::ScaleDownHeld {
                by: HoldSource::Override(self.operator.clone()),
                until: Some(self.until),
            }),
        };
        InForce {
            bounds: ActiveBounds {
                floor: bound(self.asks.floor),
                ceiling: bound(self.asks.ceiling),
            },
            hold,
            until: self.until,
            by,
        }
    }

    /// Of all overrides with the same key, one counts.
    pub(super) fn key(&self) -> (WorkloadId, Option<Arc<str>>) {
        (self.workload.clone(), self.operator.by.clone())
    }
}
