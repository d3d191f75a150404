//! From what was read to a decision: judging observations, settling what an earlier pass left open, and the engine.

use std::{sync::Arc, time::Duration};

use headroom_actuator::TargetState;
use headroom_metrics_source::Answer;
use headroom_policy_engine::{
    Decision, Explanation, Freshness, Hold, Memory, MetricName, MissingCause, Observation, Observations,
    Outcome, Pods, RaisedCondition, Reading, Replicas, RoundStatus, Semantics, TargetUnreadable, Timestamp,
    Workload, WorkloadId, evaluate,
};

use super::{Acts, report::in_one_line};
use crate::{
    Beside, DecisionRecord, HoldQuery, InForce, MetricRecord, MetricSettings, Mode, Override, Pause, Verdict,
    WorkloadSettings,
    in_force::impose,
    store::{OpenIntent, Remembered},
};

/// How old a value may be where nothing tells how often it is measured.
const UNKNOWN_INTERVAL_MAX_AGE: Duration = Duration::from_secs(120);
/// How old a value may be at least, however often it is measured.
const LEAST_MAX_AGE: Duration = Duration::from_secs(60);
/// How many scrapes may be missed.
const MAX_AGE_SCRAPES: u32 = 3;

/// What a pass found out about one workload.
#[derive(Debug)]
pub(crate) struct Found<A> {
    /// Its target as it was read, or why it could not be.
    pub(crate) target: Result<Workload, String>,
    /// What the sources answered to its metrics, in their order.
    pub(crate) answers: A,
    /// What the source answered to the query that holds scaling down; `None` where there is no such query.
    pub(crate) hold: Option<Answer>,
    /// Its pods, where a source has them.
    pub(crate) pods: Option<Pods>,
    /// A pause that is in force.
    pub(crate) pause: Option<Hold>,
    /// The overrides that are in force.
    pub(crate) overrides: Vec<InForce>,
}

/// Decides about one workload, and remembers it. Also gives what the decision was based on. A test of a policy calls this
/// as a pass does.
pub(crate) fn decide(
    settings: &WorkloadSettings,
    found: Found<impl Iterator<Item = Answer>>,
    memory: &mut Memory,
    now: Timestamp,
) -> (DecisionRecord, Observations) {
    let (target, error) = match found.target {
        Ok(target) => (Ok(target), String::new()),
        Err(error) => (Err(TargetUnreadable), error),
    };
    let scheduled = settings
        .schedules
        .iter()
        .filter_map(|schedule| schedule.in_force(now));
    let mut record = DecisionRecord {
        at: now,
        workload: settings.id.clone(),
        mode: settings.mode,
        metrics: Vec::new(),
        hold_query: None,
        // Of equal bounds the first is named, and people come before the calendar.
        in_force: found.overrides.into_iter().chain(scheduled).collect(),
        bounds: Some(settings.policy.own_bounds()),
        verdict: Verdict::Unreadable { error },
        round: None,
        conditions: Vec::new(),
        beside: Vec::new(),
        rebuilt: None,
    };
    match memory.begin(&settings.policy, target, now) {
        Err(status) => record.round = in_use(status, settings),
        Ok(mut target) => {
            let metrics = settings.policy.metrics.iter().zip(&settings.metrics);
            let metrics = metrics
                .zip(found.answers)
                .map(|((policy, settings), answer)| metric(&policy.name, settings, answer, &target, now));
            record.metrics = metrics.collect();
            record.hold_query = settings
                .hold_query
                .as_ref()
                .zip(found.hold)
                .map(|(hold, answer)| {
                    let name = MetricName::new(HoldQuery::KEY);
                    let asked = metric(&name, &hold.asked, answer, &target, now);
                    target
                        .holds
                        .extend(Hold::of_query(&hold.query, &asked.observation));
                    asked
                });
            record.beside = beside(&target.holds);
            if settings.mode == Mode::Shadow {
                // It is there to be compared with.
                target
                    .holds
                    .retain(|hold| !matches!(hold, Hold::SecondScaler { .. } | Hold::SecondHeadroom { .. }));
            }
            target.holds.extend(found.pause);
            impose(&record.in_force, &mut target);
            let mut seen: Observations = record.metrics.iter().map(|metric| metric.observation).collect();
            if let Some(pods) = found.pods {
                seen = seen.with_pods(pods);
            }
            judge(&mut record, settings, target, &seen, memory, now);
            return (record, seen);
        }
    }
    (record, Observations::default())
}

/// The other scalers among `holds`.
fn beside(holds: &[Hold]) -> Vec<Beside> {
    let mut others = Vec::new();
    for hold in holds {
        if let Hold::SecondScaler { name, wants } = hold {
            let (name, wants) = (Arc::clone(name), *wants);
            others.push(Beside { name, wants });
        }
    }
    others
}

/// Decides again about what was `seen`, with one more hold. At the same moment that is as if it had been known from the
/// start: evaluating twice teaches nothing more (I10), and a hold on scaling down nothing at all.
pub(super) fn decide_again(
    record: &mut DecisionRecord,
    seen: &Observations,
    settings: &WorkloadSettings,
    hold: Hold,
    memory: &mut Memory,
    now: Timestamp,
) {
    let Verdict::Decided { target, error, .. } = &mut record.verdict else {
        return;
    };
    let (mut target, before) = (target.clone(), error.take());
    target.holds.push(hold);
    judge(record, settings, target, seen, memory, now);
    if let Verdict::Decided { error, .. } = &mut record.verdict {
        *error = before;
    }
}

/// Decides anew about what was `seen`, on the target as it was `read` since. What people ask for holds as before.
pub(super) fn decide_anew(
    record: &mut DecisionRecord,
    seen: &Observations,
    settings: &WorkloadSettings,
    read: Workload,
    memory: &mut Memory,
    now: Timestamp,
) {
    let Verdict::Decided { target: before, .. } = &record.verdict else {
        return;
    };
    let is_asked_for = |hold: &&Hold| matches!(hold, Hold::Paused { .. } | Hold::ScaleDownHeld { .. });
    let asked_for = before.holds.iter().filter(is_asked_for).cloned();
    let target = Workload {
        holds: read.holds.into_iter().chain(asked_for).collect(),
        bounds: before.bounds.clone(),
        ..read
    };
    if let Ok(target) = memory.begin(&settings.policy, Ok(target), now) {
        record.beside = beside(&target.holds);
        judge(record, settings, target, seen, memory, now);
    }
}

/// Lets the engine decide, and says what is wrong with the workload beyond its load.
fn judge(
    record: &mut DecisionRecord,
    settings: &WorkloadSettings,
    target: Workload,
    seen: &Observations,
    memory: &mut Memory,
    now: Timestamp,
) {
    record.conditions = RaisedCondition::of(&settings.policy, &target, memory, now);
    let mut explanation = Explanation::default();
    let decision = evaluate(&settings.policy, &target, seen, memory, now, &mut explanation);
    record.verdict = Verdict::Decided {
        target,
        decision,
        explanation,
        outcome: Outcome::NotAttempted,
        error: None,
    };
}

/// Remembers what became of the decision of `record`. There is nothing to remember where none was made.
pub(crate) fn conclude(
    record: &mut DecisionRecord,
    settings: &WorkloadSettings,
    memory: &mut Memory,
    outcome: Outcome,
    now: Timestamp,
) {
    if let Some(decision) = record.decision() {
        let status = memory.record_outcome(decision, outcome, now);
        record.round = in_use(status, settings);
    }
}

/// The status of a round, where somebody reads it.
fn in_use(status: RoundStatus, settings: &WorkloadSettings) -> Option<RoundStatus> {
    match settings.policy.semantics {
        Semantics::Headroom => None,
        Semantics::Hpa(_) => Some(status),
    }
}

impl Acts {
    /// A pause of `workload`.
    pub(super) fn pause(&self, workload: &WorkloadId) -> Option<Hold> {
        match self {
            Self::Known(acts) => acts
                .pauses
                .iter()
                .find(|pause| pause.workload == *workload)
                .map(Pause::hold),
            Self::Unreadable => Some(Hold::Paused { until: None }),
        }
    }

    /// The overrides of `workload`. Where none can be read it is paused, and needs none.
    pub(super) fn overrides(&self, workload: &WorkloadId) -> Vec<InForce> {
        match self {
            Self::Known(acts) => acts
                .overrides
                .iter()
                .filter(|one| one.workload == *workload)
                .map(Override::in_force)
                .collect(),
            Self::Unreadable => Vec::new(),
        }
    }
}

/// Settles an intent of which nobody learned what became of it, by the count that the target has now.
///
/// A change that was made counts from the time of its intent, as it would have if its outcome had been recorded then.
pub(super) fn settle(remembered: &mut Remembered, read: &TargetState) -> Option<(OpenIntent, Outcome)> {
    let open = remembered.intent.take()?;
    let outcome = outcome_by_count(&open.intent.decision, read.workload.current);
    remembered
        .memory
        .record_outcome(&open.intent.decision, outcome, open.intent.at);
    Some((open, outcome))
}

/// What is remembered is of the target that was read from now on: of another one, nothing. Whether it was of another,
/// and what became of a change of that one which nobody had learned of.
pub(super) fn recognize(
    remembered: &mut Remembered,
    read: &TargetState,
) -> Option<Option<(OpenIntent, Outcome)>> {
    let identity = read.identity.as_ref()?;
    let before = remembered.target.replace(Arc::clone(identity));
    if before.is_none_or(|before| before == *identity) {
        return None;
    }
    remembered.memory = Memory::default();
    Some(remembered.intent.take().map(|open| (open, Outcome::Conflict)))
}

fn outcome_by_count(intended: &Decision, found: Replicas) -> Outcome {
    if found == intended.desired() {
        Outcome::Written
    } else if found == intended.current() {
        Outcome::Failed
    } else {
        Outcome::Conflict
    }
}

/// One metric as the engine is told of it, and as people are.
fn metric(
    name: &MetricName,
    settings: &MetricSettings,
    answer: Answer,
    target: &Workload,
    now: Timestamp,
) -> MetricRecord {
    let error = answer.reading.as_ref().err().map(|error| in_one_line(&**error));
    let reading = answer.reading.map_err(|error| error.cause());
    MetricRecord {
        name: name.clone(),
        observation: observation(settings, reading, answer.scrape_interval, target, now),
        error,
        remarks: answer.remarks.iter().map(ToString::to_string).collect(),
    }
}

/// What a reading is worth at `now`.
pub(super) fn observation(
    settings: &MetricSettings,
    reading: Result<Reading, MissingCause>,
    scrape_interval: Option<Duration>,
    target: &Workload,
    now: Timestamp,
) -> Observation {
    let freshness = freshness(settings, scrape_interval);
    Observation::judge(reading, freshness, target.current, target.readiness, now)
}

/// How old a value may be that is measured every `scrape_interval`, as far as that is known.
pub(crate) fn freshness(settings: &MetricSettings, scrape_interval: Option<Duration>) -> Freshness {
    settings
        .max_age
        .unwrap_or_else(|| usual_freshness(scrape_interval))
}

/// How old a value may be where the policy does not say.
fn usual_freshness(scrape_interval: Option<Duration>) -> Freshness {
    Freshness {
        max_age: scrape_interval.map_or(UNKNOWN_INTERVAL_MAX_AGE, |interval| {
            interval.saturating_mul(MAX_AGE_SCRAPES).max(LEAST_MAX_AGE)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_be_three_scrapes_old_and_a_minute_at_least() {
        let age = |seconds: Option<u64>| {
            usual_freshness(seconds.map(Duration::from_secs))
                .max_age
                .as_secs()
        };
        assert_eq!(
            [age(Some(5)), age(Some(20)), age(Some(60)), age(None)],
            [60, 60, 180, 120]
        );
    }

    #[test]
    fn an_intent_is_settled_by_the_count_that_is_there() {
        let replicas = Replicas::new;
        let intended = Decision::Scale {
            from: replicas(2),
            to: replicas(5),
            reason: headroom_policy_engine::Reason::AboveTarget,
        };
        let outcome = |found| outcome_by_count(&intended, replicas(found));
        assert_eq!(
            [outcome(5), outcome(2), outcome(3)],
            [Outcome::Written, Outcome::Failed, Outcome::Conflict]
        );
    }
}
