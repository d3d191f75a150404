//! What the log says of a pass: a change is information, a hold is detail, a source that fails is a warning once.

use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Mutex, PoisonError},
};

use headroom_actuator::TargetError;
use headroom_policy_engine::{Outcome, WorkloadId};
use tracing::{debug, info, warn};

use super::observe::{Answers, SourceId};
use crate::{DecisionRecord, PassRecord, Verdict};

/// The sources that are out of order.
#[derive(Debug, Default)]
pub(super) struct Outages(Mutex<BTreeSet<SourceId>>);

impl Outages {
    /// Takes note of what the sources answered, and says what began and what ended.
    pub(super) fn note(&self, answers: &Answers) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (source, error) in answers.failures() {
            match error {
                Some(error) if failing.insert(source.clone()) => {
                    warn!(%source, error = in_one_line(error), "a source fails");
                }
                None if failing.remove(source) => info!(%source, "a source works again"),
                Some(_) | None => {}
            }
        }
    }
}

/// The workloads whose targets cannot be told why their counts change.
#[derive(Debug, Default)]
pub(super) struct Unannotated(Mutex<BTreeSet<WorkloadId>>);

impl Unannotated {
    /// Takes note of what came of an annotation, and says what began and what ended.
    pub(super) fn note(&self, workload: &WorkloadId, written: &Result<(), TargetError>) {
        let mut failing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match written {
            Err(error) if failing.insert(workload.clone()) => warn!(
                "{workload} was scaled, and its annotation was not written: {}",
                in_one_line(error)
            ),
            Ok(()) if failing.remove(workload) => info!("the annotation of {workload} is written again"),
            Err(_) | Ok(()) => {}
        }
    }
}

/// Writes the decisions of a pass to the log.
pub(super) fn log(record: &PassRecord) {
    for decision in &record.decisions {
        log_decision(decision);
    }
    for workload in &record.skipped {
        warn!(%workload, "still in an earlier pass, so it was left out of this one");
    }
}

fn log_decision(record: &DecisionRecord) {
    let workload = &record.workload;
    match &record.verdict {
        Verdict::Unreadable { error } => warn!(%workload, error, "the target could not be read"),
        Verdict::Decided {
            decision,
            outcome,
            error,
            ..
        } => {
            let (from, to, reason) = (decision.current(), decision.desired(), decision.reason());
            match (decision.direction(), outcome) {
                (Some(_), Outcome::Written) => info!(%workload, %from, %to, ?reason, "scaled"),
                (Some(_), Outcome::Failed | Outcome::Conflict) => {
                    warn!(%workload, %from, %to, ?reason, error, "the new count was not written");
                }
                (Some(_), Outcome::NotConfirmed) => {
                    warn!(%workload, %from, %to, ?reason, error, "the new count was not confirmed, and may have been written");
                }
                (Some(_), Outcome::NotAttempted) => {
                    info!(%workload, %from, %to, ?reason, error, "would scale");
                }
                (None, _) => debug!(%workload, at = %from, ?reason, error, "held"),
            }
        }
    }
}

/// An error with all that lies behind it, in one line.
pub(crate) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let words = inner.to_string();
        // Some errors repeat what is behind them.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = inner.source();
    }
    text
}
