//! A round as the HPA counts it: what its status carries from one to the next.

use crate::{
    ConditionStatus, Decision, Hold, HpaPath, Memory, Outcome, Replicas, ScaleEvents, Semantics, Timestamp,
    Workload, WorkloadPolicy,
    hpa::{
        ChangeBefore, ConditionReason, ConditionType, Conditions, HpaState, RoundError, RoundStatus,
        store_scale_event,
    },
};

/// The target could not be read, whatever the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TargetUnreadable;

/// What the HPA's semantics remember beside recommendations and changes.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct HpaRound {
    /// Whether the log of recommendations was begun.
    pub(crate) has_log: bool,
    pub(crate) conditions: Conditions,
    /// The count that was decided last.
    pub(crate) desired: Option<Replicas>,
    /// Why this round ends with an error, if it does.
    pub(crate) error: Option<RoundError>,
    /// Whether this round came to a count, so that it may be shown as decided.
    pub(crate) has_decided: bool,
    /// Which decides whether written changes are stored.
    pub(crate) path: HpaPath,
    pub(crate) zero_mark: ZeroMark,
}

/// What a written change does to the condition ScaledToZero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum ZeroMark {
    /// The controller does not know this condition.
    #[default]
    Unknown,
    /// The gate is off: there is no such condition.
    Removed,
    /// The HPA may not bring the count to zero.
    Never,
    /// A count that goes to zero is marked.
    Allowed,
}

impl Memory {
    /// Begins a round with what the target answered, and hands the workload on to [`evaluate`](crate::evaluate).
    ///
    /// Another headroom holds nothing where this one never set the count: it may have been this one, by a state that was
    /// lost. Under the HPA's semantics a target seen for the first time starts the log of recommendations with its own
    /// count.
    ///
    /// # Errors
    /// When the target could not be read: the round is over, with this status.
    pub fn begin(
        &mut self,
        policy: &WorkloadPolicy,
        read: Result<Workload, TargetUnreadable>,
        now: Timestamp,
    ) -> Result<Workload, RoundStatus> {
        self.arrive(now);
        let read = read.map(|mut workload| {
            if self.last_change.is_none() {
                let is_second = |hold: &Hold| matches!(hold, Hold::SecondHeadroom { .. });
                workload.holds.retain(|hold| !is_second(hold));
            }
            self.resets.notice(&workload, now);
            workload
        });
        let Semantics::Hpa(path) = policy.semantics else {
            self.hpa = None;
            return read.map_err(|TargetUnreadable| self.status(false, Some(RoundError::TargetUnreadable)));
        };
        let round = self.hpa.get_or_insert_default();
        round.error = None;
        round.has_decided = false;
        round.path = path;
        let able = ConditionType::AbleToScale;
        let Ok(workload) = read else {
            let reason = ConditionReason::FailedGetScale;
            round.conditions.set(able, ConditionStatus::False, reason, now);
            return Err(self.status(false, Some(RoundError::TargetUnreadable)));
        };
        let reason = ConditionReason::SucceededGetScale;
        round.conditions.set(able, ConditionStatus::True, reason, now);
        if !round.has_log {
            round.has_log = true;
            // Recommendations from before, made under headroom's own semantics, are as good.
            if self.recommendations.is_empty() {
                let reach = self.recommendations.reach(policy.interval.get());
                let longest = policy.hpa.downscale_stabilization;
                self.recommendations
                    .add(now, workload.current, true, reach, longest);
            }
        }
        Ok(workload)
    }

    /// Ends a round: remembers what became of `decision`, and says what the round came to. Only a change that was
    /// written counts as a scale event.
    pub fn record_outcome(&mut self, decision: &Decision, outcome: Outcome, now: Timestamp) -> RoundStatus {
        let is_written = decision.direction().is_some() && outcome == Outcome::Written;
        if is_written {
            self.resets.note_written(decision, now);
            self.record_written(decision, now);
        }
        let is_refused = decision.direction().is_some()
            && match outcome {
                // To the HPA an answer that does not come is an error like any other.
                Outcome::Failed | Outcome::NotConfirmed | Outcome::Conflict => true,
                Outcome::Written | Outcome::NotAttempted => false,
            };
        let mut error = is_refused.then_some(RoundError::NotWritten);
        if let Some(round) = &mut self.hpa {
            let able = ConditionType::AbleToScale;
            if is_refused {
                let reason = ConditionReason::FailedUpdateScale;
                round.conditions.set(able, ConditionStatus::False, reason, now);
            } else if is_written {
                let reason = ConditionReason::SucceededRescale;
                round.conditions.set(able, ConditionStatus::True, reason, now);
                round.mark_zero(decision, now);
            }
            if round.has_decided && !is_refused {
                round.desired = Some(decision.desired());
            }
            error = round.error.clone().or(error);
        }
        self.status(is_written, error)
    }

    fn status(&self, rescaled: bool, error: Option<RoundError>) -> RoundStatus {
        let (desired, conditions) = match &self.hpa {
            Some(round) => (round.desired, round.conditions),
            None => (self.last_written(), Conditions::default()),
        };
        RoundStatus {
            desired,
            rescaled,
            error,
            conditions,
        }
    }

    /// The HPA's conditions; `None` under headroom's own semantics.
    #[must_use]
    pub fn conditions(&self) -> Option<&Conditions> {
        self.hpa.as_ref().map(|round| &round.conditions)
    }

    /// A memory that goes on where an HPA stopped, at `now`.
    #[must_use]
    pub fn of_hpa(state: &HpaState, now: Timestamp) -> Self {
        let mut memory = Self {
            hpa: Some(HpaRound {
                has_log: state.recommendations.is_some(),
                conditions: state.conditions,
                desired: state.desired,
                ..HpaRound::default()
            }),
            increases: events(&state.scale_up_events, now),
            decreases: events(&state.scale_down_events, now),
            ..Self::default()
        };
        let mut log = state.recommendations.clone().unwrap_or_default();
        log.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
        for (replicas, age) in log {
            let longest = crate::StabilizationWindow::LONGEST;
            memory
                .recommendations
                .add(now.minus(age), replicas, true, longest, longest);
        }
        memory
    }
}

fn events(changes: &[ChangeBefore], now: Timestamp) -> ScaleEvents {
    let mut changes = changes.to_vec();
    changes.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
    let mut events = ScaleEvents::default();
    for (amount, age) in changes {
        events.add(now.minus(age), amount);
    }
    events
}

impl HpaRound {
    fn mark_zero(&mut self, decision: &Decision, now: Timestamp) {
        let kind = ConditionType::ScaledToZero;
        let (status, reason) = match self.zero_mark {
            ZeroMark::Unknown => return,
            ZeroMark::Removed => {
                self.conditions.remove(kind);
                return;
            }
            ZeroMark::Allowed if decision.desired() == Replicas::ZERO => {
                (ConditionStatus::True, ConditionReason::ScaledToZero)
            }
            ZeroMark::Allowed | ZeroMark::Never => (ConditionStatus::False, ConditionReason::NotScaledToZero),
        };
        self.conditions.set(kind, status, reason, now);
    }

    /// Stores a written change where the HPA would.
    pub(super) fn store(&self, events: &mut ScaleEvents, decision: &Decision, now: Timestamp) {
        let (previous, new) = (decision.current().as_hpa(), decision.desired().as_hpa());
        store_scale_event(self.path, previous, new, events, now);
    }
}
