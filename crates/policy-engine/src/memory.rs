//! What is remembered about one workload between evaluations.
//!
//! Bounded in size, versioned when written, and enough to give the same next decision after a restart. The parts:
//! recommendations (never actions, I21), written changes, step timers, what has been known, and a few moments.

mod idle;
mod knowledge;
mod recommendations;
mod resets;
mod round;
#[cfg(feature = "serde")]
mod saved;
mod scale_events;
mod step_timers;

use std::{collections::VecDeque, time::Duration};

pub(crate) use idle::IdleTime;
pub(crate) use knowledge::{Knowledge, Recovery};
pub(crate) use recommendations::Recommendations;
pub(crate) use resets::Resets;
pub use round::TargetUnreadable;
pub(crate) use round::{HpaRound, ZeroMark};
pub use scale_events::ScaleEvents;
pub(crate) use step_timers::{SideTimer, StepTimer, StepTimers};

use crate::{Decision, Direction, Reason, Replicas, Timestamp, Workload};

/// Reversals older than this are forgotten (design: flap guard, within an hour).
const REVERSAL_MEMORY: Duration = Duration::from_secs(3600);
/// The most reversals that are remembered.
const MAX_REVERSALS: usize = 256;

/// What is remembered about one workload between evaluations.
///
/// A new one knows nothing, so the first evaluation with it cannot scale down (I31). Only
/// [`record_outcome`](Self::record_outcome) makes a change count, and only a written one.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(try_from = "saved::Saved")
)]
pub struct Memory {
    /// The time of the last evaluation.
    pub(crate) last_now: Option<Timestamp>,
    /// The last evaluation's clock went back by this much.
    pub(crate) clock_back: Option<Duration>,
    pub(crate) recommendations: Recommendations,
    pub(crate) increases: ScaleEvents,
    pub(crate) decreases: ScaleEvents,
    pub(crate) step_timers: StepTimers,
    pub(crate) knowledge: Knowledge,
    /// The time without load until now, where the policy has a zero.
    pub(crate) idle: Option<IdleTime>,
    /// The last written change.
    pub(crate) last_change: Option<Change>,
    /// Another count than the written one has been seen since.
    pub(crate) overruled: bool,
    /// When written changes turned around, oldest first.
    pub(crate) reversals: VecDeque<Timestamp>,
    /// What the HPA's semantics remember beside that; `None` under headroom's own.
    pub(crate) hpa: Option<HpaRound>,
    /// Counts that deploys set back.
    pub(crate) resets: Resets,
}

/// A change that was written.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Change {
    pub(crate) at: Timestamp,
    pub(crate) direction: Direction,
    pub(crate) to: Replicas,
}

impl Memory {
    /// Remembers a change that was written.
    fn record_written(&mut self, decision: &Decision, now: Timestamp) {
        let Some(direction) = decision.direction() else {
            return;
        };
        let (from, to) = (decision.current(), decision.desired());
        if decision.reason() == Reason::Restored {
            // As it was before: nothing was added, and nothing turned around.
            self.overruled = self.last_change.is_some_and(|change| change.to != to);
            return;
        }
        let events = match direction {
            Direction::Up => &mut self.increases,
            Direction::Down => &mut self.decreases,
        };
        match &self.hpa {
            Some(round) => round.store(events, decision, now),
            None => events.add(now, from.get().abs_diff(to.get())),
        }
        if self.last_change.is_some_and(|last| last.direction != direction) {
            self.reversals.push_back(now);
            while self.reversals.len() > MAX_REVERSALS
                || self
                    .reversals
                    .front()
                    .is_some_and(|&first| now.since(first) >= REVERSAL_MEMORY)
            {
                self.reversals.pop_front();
            }
        }
        self.overruled = false;
        self.last_change = Some(Change {
            at: now,
            direction,
            to,
        });
    }

    /// Takes note of an evaluation at `now`: its distance from the one before, and a clock that went back.
    ///
    /// All times are shifted once when the clock goes back, so that everything keeps its age (I15).
    pub(crate) fn arrive(&mut self, now: Timestamp) {
        match self.last_now {
            Some(last) if last > now => {
                self.shift_back(last.since(now));
                self.clock_back = Some(last.since(now));
            }
            Some(last) if last < now => {
                self.recommendations.note_spacing(now.since(last));
                self.clock_back = None;
            }
            Some(_) => {}
            None => self.clock_back = None,
        }
        self.last_now = Some(now);
    }

    /// Notices the present count: one that headroom did not write is somebody else's.
    pub(crate) fn notice_count(&mut self, workload: &Workload, now: Timestamp) {
        let current = workload.current;
        self.overruled |= self.last_change.is_some_and(|change| change.to != current);
        self.resets.notice(workload, now);
    }

    fn shift_back(&mut self, by: Duration) {
        self.recommendations.shift_back(by);
        self.increases.shift_back(by);
        self.decreases.shift_back(by);
        self.step_timers.shift_back(by);
        self.knowledge.shift_back(by);
        self.idle = self.idle.map(|idle| idle.shifted_back(by));
        self.resets.shift_back(by);
        for moment in &mut self.reversals {
            *moment = moment.minus(by);
        }
        if let Some(change) = &mut self.last_change {
            change.at = change.at.minus(by);
        }
    }

    /// How many written changes turned around within the hour before `now`, where that is more than `allowed`.
    pub(crate) fn reversals_above(&self, allowed: u32, now: Timestamp) -> Option<u32> {
        let recent = self
            .reversals
            .iter()
            .filter(|&&at| now.since(at) < REVERSAL_MEMORY)
            .count();
        let recent = u32::try_from(recent).unwrap_or(u32::MAX);
        (recent > allowed).then_some(recent)
    }

    /// How long it takes until no more than `allowed` of them are younger than an hour, if none is added.
    pub(crate) fn fewer_reversals_after(&self, allowed: u32, now: Timestamp) -> Duration {
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
        let last_too_many = self.reversals.iter().rev().nth(allowed);
        last_too_many.map_or(Duration::ZERO, |&at| {
            REVERSAL_MEMORY.saturating_sub(now.since(at))
        })
    }

    /// When the last change was written, where it lowered the count and somebody else has raised it to `current` since.
    pub(crate) fn undone_fall(&self, current: Replicas) -> Option<Timestamp> {
        let fall = self
            .last_change
            .filter(|change| change.direction == Direction::Down && change.to < current);
        fall.map(|change| change.at)
    }

    /// Whether an earlier evaluation left a recommendation. Without one nothing scales down.
    #[must_use]
    pub fn has_history(&self) -> bool {
        !self.recommendations.is_empty()
    }

    /// When the last evaluation was; `None` before the first.
    #[must_use]
    pub fn last_evaluated(&self) -> Option<Timestamp> {
        self.last_now
    }

    /// Since when no deciding metric has been known; `None` when one is.
    #[must_use]
    pub fn blind_since(&self) -> Option<Timestamp> {
        self.knowledge.blind_since
    }

    /// What the fallback keeps, while too little is known for it to end (I30); `None` while it is not in force.
    #[must_use]
    pub fn fallback(&self) -> Option<Replicas> {
        let recovery = self.knowledge.recovery.as_ref()?;
        recovery.known_since.is_none().then_some(recovery.kept)
    }

    /// The count that headroom last wrote; `None` when it never wrote one.
    #[must_use]
    pub fn last_written(&self) -> Option<Replicas> {
        self.last_change.map(|change| change.to)
    }

    /// The usual distance between evaluations: the median of the last eight; `None` before the second.
    #[must_use]
    pub fn usual_spacing(&self) -> Option<Duration> {
        self.recommendations.usual_spacing()
    }
}
