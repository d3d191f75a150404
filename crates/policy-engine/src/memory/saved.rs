//! How a memory is written: with its version, so that a later headroom can read what this one wrote.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

use super::{
    Change, HpaRound, IdleTime, Knowledge, MAX_REVERSALS, Memory, Recommendations, Resets, ScaleEvents,
    StepTimers, recommendations::Unpacked,
};
use crate::Timestamp;

/// A memory of any version.
#[derive(Deserialize)]
pub(super) enum Saved {
    V1(V1),
    V2(V2),
    V3(V3),
    V4(#[serde(with = "V4")] Memory),
}

/// Before unknown metrics were remembered one by one, and before the HPA's rounds.
#[derive(Deserialize)]
pub(super) struct V1 {
    last_now: Option<Timestamp>,
    clock_back: Option<Duration>,
    recommendations: Unpacked,
    increases: ScaleEvents,
    decreases: ScaleEvents,
    step_timers: StepTimers,
    blind_since: Option<Timestamp>,
    last_change: Option<Change>,
    overruled: bool,
    reversals: VecDeque<Timestamp>,
}

/// Before the log of recommendations was packed.
type V2 = Before<Unpacked>;

/// Before counts that deploys set back were remembered.
type V3 = Before<Recommendations>;

/// What both had, with the log of recommendations as `R`.
#[derive(Deserialize)]
pub(super) struct Before<R> {
    last_now: Option<Timestamp>,
    clock_back: Option<Duration>,
    recommendations: R,
    increases: ScaleEvents,
    decreases: ScaleEvents,
    step_timers: StepTimers,
    knowledge: Knowledge,
    idle: Option<IdleTime>,
    last_change: Option<Change>,
    overruled: bool,
    reversals: VecDeque<Timestamp>,
    hpa: Option<HpaRound>,
}

/// A memory as it is written now.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Memory")]
struct V4 {
    last_now: Option<Timestamp>,
    clock_back: Option<Duration>,
    recommendations: Recommendations,
    increases: ScaleEvents,
    decreases: ScaleEvents,
    step_timers: StepTimers,
    knowledge: Knowledge,
    idle: Option<IdleTime>,
    last_change: Option<Change>,
    overruled: bool,
    reversals: VecDeque<Timestamp>,
    hpa: Option<HpaRound>,
    resets: Resets,
}

/// A saved memory that no headroom wrote.
#[derive(Debug, Error)]
#[error("the saved memory is not one that evaluating can make")]
pub(super) struct Unsound;

impl From<V1> for V2 {
    fn from(old: V1) -> Self {
        // A fallback that is in force is found to be so by the next evaluation.
        let mut knowledge = Knowledge::default();
        knowledge.blind_since = old.blind_since;
        Self {
            last_now: old.last_now,
            clock_back: old.clock_back,
            recommendations: old.recommendations,
            increases: old.increases,
            decreases: old.decreases,
            step_timers: old.step_timers,
            knowledge,
            idle: None,
            last_change: old.last_change,
            overruled: old.overruled,
            reversals: old.reversals,
            hpa: None,
        }
    }
}

impl<R: Into<Recommendations>> From<Before<R>> for Memory {
    fn from(old: Before<R>) -> Self {
        Self {
            last_now: old.last_now,
            clock_back: old.clock_back,
            recommendations: old.recommendations.into(),
            increases: old.increases,
            decreases: old.decreases,
            step_timers: old.step_timers,
            knowledge: old.knowledge,
            idle: old.idle,
            last_change: old.last_change,
            overruled: old.overruled,
            reversals: old.reversals,
            hpa: old.hpa,
            resets: Resets::default(),
        }
    }
}

impl Serialize for Memory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Written from where it is: a pass writes thousands of them.
        struct Parts<'m>(&'m Memory);

        impl Serialize for Parts<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                V4::serialize(self.0, serializer)
            }
        }

        // As the variant stands in `Saved`.
        serializer.serialize_newtype_variant("Saved", 3, "V4", &Parts(self))
    }
}

impl TryFrom<Saved> for Memory {
    type Error = Unsound;

    fn try_from(saved: Saved) -> Result<Self, Unsound> {
        let memory = match saved {
            Saved::V1(old) => Self::from(V2::from(old)),
            Saved::V2(old) => Self::from(old),
            Saved::V3(old) => Self::from(old),
            Saved::V4(memory) => memory,
        };
        let fits = memory.recommendations.is_sound(memory.last_now)
            && memory.increases.is_bounded()
            && memory.decreases.is_bounded()
            && memory.reversals.len() <= MAX_REVERSALS
            && memory.resets.is_sound();
        fits.then_some(memory).ok_or(Unsound)
    }
}
