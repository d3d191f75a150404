//! The record of a pass: every decision with what it was based on, also when nothing happened.
//!
//! Logs, history, `plan`, `explain` and tests all read this. JSON for users is made from it by the command line.

use std::sync::Arc;

use headroom_policy_engine::{
    BoundsInForce, Decision, Explanation, Hold, MetricName, Observation, Outcome, OwnBounds, Proposal,
    RaisedCondition, Reason, Replicas, RoundStatus, Step, Timestamp, WhyNot, Workload, WorkloadId,
};
use serde::{Deserialize, Serialize};

use crate::{InForce, Mode, Notice};

/// What one pass did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PassRecord {
    /// When the pass began.
    pub at: Timestamp,
    /// One record for each workload that was due, in the order of the configuration.
    pub decisions: Vec<DecisionRecord>,
    /// Workloads that were due and still in an earlier pass, so they were left out.
    pub skipped: Vec<WorkloadId>,
    /// What a person should know about the pass as a whole.
    pub notices: Vec<Notice>,
}

/// One decision about one workload, with everything it was based on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// When it was decided.
    pub at: Timestamp,
    /// About which workload.
    pub workload: WorkloadId,
    /// Whether decisions of this workload are carried out.
    pub mode: Mode,
    /// The inputs, one for each metric of the policy, in its order.
    pub metrics: Vec<MetricRecord>,
    /// What the query that holds scaling down said; `None` where the policy has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_query: Option<MetricRecord>,
    /// What was in force beside the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_force: Vec<InForce>,
    /// The policy's own bounds then; `None` in a record that was written before they were in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounds: Option<OwnBounds>,
    /// What came of it.
    pub verdict: Verdict,
    /// What the HPA would have in its status after it; `None` under headroom's own semantics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<RoundStatus>,
    /// What was wrong with it beyond its load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<RaisedCondition>,
    /// What else scales the target, to be compared with: each with the count that it wants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<Beside>,
    /// What was made of its past, where nothing was remembered; `None` where something was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebuilt: Option<Rebuilt>,
}

/// Another scaler of a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// What it is, as its users call it: `HorizontalPodAutoscaler/api`.
    pub name: Arc<str>,
    /// The count that it wants; `None` where it does not tell.
    pub wants: Option<Replicas>,
}

/// What was made of the past of a workload of which nothing was remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rebuilt {
    /// Its windows, as if there had been passes.
    From {
        /// The first moment that was asked about.
        since: Timestamp,
        /// How many were asked about.
        moments: u32,
        /// At how many of them every metric was known.
        known: u32,
        /// Whether that is enough to scale down by.
        is_covered: bool,
    },
    /// Nothing: its windows begin now.
    Refused {
        /// Why.
        reason: String,
    },
}

impl Rebuilt {
    pub(crate) fn refused(reason: &str) -> Self {
        Self::Refused {
            reason: reason.to_owned(),
        }
    }
}

/// One metric as it was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRecord {
    /// Its name in the policy.
    pub name: MetricName,
    /// What is known of it.
    pub observation: Observation,
    /// Why there is no value, in the source's words; `None` when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the source remarked along the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

/// What came of looking at a workload.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every verdict is a decision: a box would be made for each of them"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The engine decided.
    Decided {
        /// The target as it was read.
        target: Workload,
        /// What to do.
        decision: Decision,
        /// How it came about.
        explanation: Explanation,
        /// What became of it.
        outcome: Outcome,
        /// Why it was not written, or what went wrong on the way; `None` when nothing did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// The target could not be read, so there was nothing to decide on.
    Unreadable {
        /// Why not.
        error: String,
    },
}

/// The metric that `step` says is unknown, or known only in part.
pub(crate) fn unknown_metric(step: &Step) -> Option<&MetricName> {
    let (Step::Recommended {
        metric,
        seen: Observation::Partial(_),
        ..
    }
    | Step::Recommended {
        metric,
        proposal: Proposal::Blocks | Proposal::Ignored,
        ..
    }) = step
    else {
        return None;
    };
    Some(metric)
}

impl DecisionRecord {
    /// Whether a metric was unknown or only partly known, so that it had less of a say than it should have, or scaling
    /// down was held because it could not be known whether it should be.
    ///
    /// A quantile over no requests, and an absence that the policy takes as zero, are answers. What is turned off is not
    /// asked.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        let Verdict::Decided {
            target, explanation, ..
        } = &self.verdict
        else {
            return false;
        };
        let is_unknown = |step: &Step| unknown_metric(step).is_some();
        !self.is_off() && (target.holds.iter().any(Hold::is_blind) || explanation.0.iter().any(is_unknown))
    }

    /// Whether a person turned the workload off, so that nothing is kept and nothing missed.
    pub(crate) fn is_off(&self) -> bool {
        self.decision()
            .is_some_and(|decision| decision.reason() == Reason::Off)
    }

    /// Why it is not `want`; `None` where the target could not be read.
    #[must_use]
    pub fn why_not(&self, want: Replicas) -> Option<WhyNot<'_>> {
        let Verdict::Decided {
            target,
            decision,
            explanation,
            ..
        } = &self.verdict
        else {
            return None;
        };
        let bounds = self.bounds.map(|own| BoundsInForce {
            own,
            active: &target.bounds,
        });
        Some(explanation.why_not(decision, want, bounds))
    }

    /// The decision; `None` where the target could not be read.
    #[must_use]
    pub const fn decision(&self) -> Option<&Decision> {
        match &self.verdict {
            Verdict::Decided { decision, .. } => Some(decision),
            Verdict::Unreadable { .. } => None,
        }
    }

    /// The count that would be set if nothing forbade it: another scaler, a pause. `None` where the target could not be read.
    #[must_use]
    pub fn own_answer(&self) -> Option<Replicas> {
        let Verdict::Decided {
            decision,
            explanation,
            ..
        } = &self.verdict
        else {
            return None;
        };
        let forbidden = explanation.0.iter().find_map(|step| {
            let Step::Forbidden { wanted, .. } = step else {
                return None;
            };
            Some(*wanted)
        });
        Some(forbidden.unwrap_or_else(|| decision.desired()))
    }

    /// What became of the decision; `None` where there was nothing to decide on.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        match &self.verdict {
            Verdict::Decided { outcome, .. } => Some(*outcome),
            Verdict::Unreadable { .. } => None,
        }
    }

    /// Whether it is known what became of the decision, so that there is no intent left.
    pub(crate) fn is_settled(&self) -> bool {
        self.outcome() != Some(Outcome::NotConfirmed)
    }

    /// Says what became of the decision, and why where that is worth saying.
    pub(crate) fn set_outcome(&mut self, is: Outcome, why: Option<String>) {
        if let Verdict::Decided { outcome, error, .. } = &mut self.verdict {
            *outcome = is;
            if why.is_some() {
                *error = why;
            }
        }
    }

    /// What went wrong in reading or writing the target; `None` when nothing did.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Decided { error, .. } => error.as_deref(),
            Verdict::Unreadable { error } => Some(error),
        }
    }
}
