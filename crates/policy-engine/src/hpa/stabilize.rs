//! Holding a count back by what was proposed before (`hpa-semantics` §9, §10.2).

use std::time::Duration;

/// Recommendations of one moment, from before any stabilization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recommended {
    /// The lowest of them.
    pub lowest: i32,
    /// The highest of them.
    pub highest: i32,
    /// How long ago they were made.
    pub age: Duration,
}

impl Recommended {
    /// One recommendation.
    #[must_use]
    pub const fn new(replicas: i32, age: Duration) -> Self {
        Self {
            lowest: replicas,
            highest: replicas,
            age,
        }
    }
}

/// The windows of `behavior`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Of scaling up.
    pub up: Duration,
    /// Of scaling down.
    pub down: Duration,
}

/// Why a count could be scaled or is held back: a reason of the condition AbleToScale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StabilizeReason {
    /// The proposal was not changed.
    ReadyForNewScale,
    /// A rise was held back.
    ScaleUpStabilized,
    /// A fall was held back.
    ScaleDownStabilized,
}

/// A count after stabilization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stabilized {
    /// The count.
    pub replicas: i32,
    /// Whether and how it was held back.
    pub reason: StabilizeReason,
}

/// With `behavior`: the present count, moved between the lowest proposal of the window for scaling up and the highest
/// of the one for scaling down. A recommendation exactly as old as its window no longer counts.
#[must_use]
pub fn stabilize(
    current: i32,
    desired: i32,
    log: impl IntoIterator<Item = Recommended>,
    windows: Windows,
) -> Stabilized {
    let (mut floor, mut ceiling) = (desired, desired);
    for recommended in log {
        if recommended.age < windows.up {
            floor = floor.min(recommended.lowest);
        }
        if recommended.age < windows.down {
            ceiling = ceiling.max(recommended.highest);
        }
    }
    let replicas = current.max(floor).min(ceiling);
    let reason = if replicas == desired {
        StabilizeReason::ReadyForNewScale
    } else if desired >= current {
        StabilizeReason::ScaleUpStabilized
    } else {
        StabilizeReason::ScaleDownStabilized
    };
    Stabilized { replicas, reason }
}

/// Without `behavior`: the highest proposal of the window. One exactly as old as the window still counts.
#[must_use]
pub fn stabilize_legacy(
    desired: i32,
    log: impl IntoIterator<Item = Recommended>,
    window: Duration,
) -> Stabilized {
    let recent = log.into_iter().filter(|recommended| recommended.age <= window);
    let replicas = recent.fold(desired, |highest, recommended| highest.max(recommended.highest));
    let reason = if replicas == desired {
        StabilizeReason::ReadyForNewScale
    } else {
        StabilizeReason::ScaleDownStabilized
    };
    Stabilized { replicas, reason }
}
