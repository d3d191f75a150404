//! What to do about one workload, and what became of it.

use crate::Replicas;

/// Which way a count moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Direction {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
}

/// What to do about one workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Decision {
    /// Set another count.
    Scale {
        /// The wanted count before.
        from: Replicas,
        /// The wanted count from now on. Never equal to `from`.
        to: Replicas,
        /// Why.
        reason: Reason,
    },
    /// Leave the count as it is.
    Hold {
        /// The wanted count that stays.
        at: Replicas,
        /// Why.
        reason: Reason,
    },
}

impl Decision {
    /// The count that is wanted after this decision.
    #[must_use]
    pub const fn desired(&self) -> Replicas {
        match self {
            Self::Scale { to, .. } => *to,
            Self::Hold { at, .. } => *at,
        }
    }

    /// The count that was wanted before this decision.
    #[must_use]
    pub const fn current(&self) -> Replicas {
        match self {
            Self::Scale { from, .. } => *from,
            Self::Hold { at, .. } => *at,
        }
    }

    /// Why.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Scale { reason, .. } | Self::Hold { reason, .. } => *reason,
        }
    }

    /// Which way the count moves; `None` when it stays.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        match self {
            Self::Scale { from, to, .. } if to > from => Some(Direction::Up),
            Self::Scale { .. } => Some(Direction::Down),
            Self::Hold { .. } => None,
        }
    }
}

/// The one reason of a decision: the last stage that settled the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Reason {
    /// Scale up: a metric asks for more.
    AboveTarget,
    /// Scale down: every metric asks for less.
    BelowTarget,
    /// Scale up: a deploy set the count back, and it is as it was before.
    Restored,
    /// Scale: the count was outside the bounds, or never started.
    OutOfBounds,
    /// Too little was known for too long: scale up, or the count is kept.
    Fallback,
    /// Hold: less would do, but the load has been known again for too short a time since a fallback.
    Recovering,
    /// Scale up from zero: a metric that starts the workload shows load.
    Activated,
    /// Hold: nothing would do, but there has not been no load for long enough to be set to zero.
    NotIdle,
    /// Hold: the load fits the count.
    OnTarget,
    /// Hold: more is wanted, and the maximum is reached.
    AtMaximum,
    /// Hold: less would do, and the minimum is reached.
    AtMinimum,
    /// Hold: a recent recommendation wanted another count, or too little of the window is known.
    Stabilizing,
    /// Hold: the change limits leave no room in this period.
    ChangeLimited,
    /// Hold: less would do, but a metric is unknown.
    MetricUnknown,
    /// Hold: less would do, but not for every metric of a group.
    GroupDisagrees,
    /// Hold: no metric is known.
    Blind,
    /// Hold: the target's selector cannot be used, so nobody can tell which pods are its own.
    SelectorUnusable,
    /// Hold: replicas that were added do not become ready.
    NotReady,
    /// Hold: replicas cannot start or keep dying.
    FailingToStart,
    /// Hold: less would do, and somebody asked that the count does not fall.
    ScaleDownHeld,
    /// Hold: less would do, and a rollout is under way.
    RollingOut,
    /// Hold: somebody else keeps setting the count, and less would do or it was restored a moment ago.
    Contested,
    /// Hold: less would do, and too much of the fleet would fall at once.
    FleetBrake,
    /// Hold: the count was reversed too often.
    Flapping,
    /// Hold: the clock went back, so nothing is scaled down in this pass.
    ClockWentBack,
    /// Hold: a person paused the workload.
    Paused,
    /// Hold: something else scales the target too.
    SecondScaler,
    /// Hold: another headroom has set the count since this one did.
    SecondHeadroom,
    /// Hold: something sets the requests that the count follows.
    RequestsSet,
    /// Hold: the target is being deleted.
    BeingDeleted,
    /// Hold: a person set the workload to zero.
    Off,
}

/// What became of a decision to scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Outcome {
    /// The new count was written. Only this is a scale event.
    Written,
    /// The write failed.
    Failed,
    /// The write was not answered, so it may have been carried out. Reading the target settles it.
    NotConfirmed,
    /// Somebody else changed the target in between.
    Conflict,
    /// Nothing was to be written (a hold), or nothing may be (preview, shadow, plan).
    NotAttempted,
}
