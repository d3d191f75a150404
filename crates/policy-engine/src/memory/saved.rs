//! How a memory is written: with its version, so that a later headroom can read what this one wrote.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    Change, HpaRound, IdleTime, Knowledge, MAX_REVERSALS, Memory, Recommendations, ScaleEvents, StepTimers,
};
use crate::Timestamp;

#[derive(Serialize, Deserialize)]
pub(super) enum Saved {
    V1(V1),
    V2(V2),
}

/// Before unknown metrics were remembered one by one, and before the HPA's rounds.
#[derive(Serialize, Deserialize)]
pub(super) struct V1 {
    last_now: Option<Timestamp>,
    clock_back: Option<Duration>,
    recommendations: Recommendations,
    increases: ScaleEvents,
    decreases: ScaleEvents,
    step_timers: StepTimers,
    blind_since: Option<Timestamp>,
    last_change: Option<Change>,
    overruled: bool,
    reversals: VecDeque<Timestamp>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct V2 {
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

impl From<Memory> for Saved {
    fn from(memory: Memory) -> Self {
        Self::V2(V2 {
            last_now: memory.last_now,
            clock_back: memory.clock_back,
            recommendations: memory.recommendations,
            increases: memory.increases,
            decreases: memory.decreases,
            step_timers: memory.step_timers,
            knowledge: memory.knowledge,
            idle: memory.idle,
            last_change: memory.last_change,
            overruled: memory.overruled,
            reversals: memory.reversals,
            hpa: memory.hpa,
        })
    }
}

impl TryFrom<Saved> for Memory {
    type Error = Unsound;

    fn try_from(saved: Saved) -> Result<Self, Unsound> {
        let saved = match saved {
            Saved::V1(old) => V2::from(old),
            Saved::V2(saved) => saved,
        };
        let fits = saved.recommendations.is_sound(saved.last_now)
            && saved.increases.is_bounded()
            && saved.decreases.is_bounded()
            && saved.reversals.len() <= MAX_REVERSALS;
        if !fits {
            return Err(Unsound);
        }
        Ok(Self {
            last_now: saved.last_now,
            clock_back: saved.clock_back,
            recommendations: saved.recommendations,
            increases: saved.increases,
            decreases: saved.decreases,
            step_timers: saved.step_timers,
            knowledge: saved.knowledge,
            idle: saved.idle,
            last_change: saved.last_change,
            overruled: saved.overruled,
            reversals: saved.reversals,
            hpa: saved.hpa,
        })
    }
}
