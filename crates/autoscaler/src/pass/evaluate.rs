//! From what was read to a decision: judging observations, settling what an earlier pass left open, and the engine.

use std::time::Duration;

use headroom_actuator::TargetState;
use headroom_metrics_source::Answer;
use headroom_policy_engine::{
    Decision, Explanation, Freshness, Hold, Memory, Observation, Observations, Outcome, Replicas, Timestamp,
    Workload, WorkloadId, evaluate,
};

use super::{InForce, Pass, report::in_one_line};
use crate::{
    MetricRecord, MetricSettings, Verdict, WorkloadSettings,
    pause::Pause,
    store::{OpenIntent, Remembered},
};

/// How old a value may be where nothing tells how often it is measured.
const UNKNOWN_INTERVAL_MAX_AGE: Duration = Duration::from_secs(120);
/// How old a value may be at least, however often it is measured.
const LEAST_MAX_AGE: Duration = Duration::from_secs(60);
/// How many scrapes may be missed.
const MAX_AGE_SCRAPES: u32 = 3;

/// Decides about one workload whose target was read, and remembers it.
pub(super) fn decide(
    pass: &Pass,
    settings: &WorkloadSettings,
    target: Workload,
    metrics: &[MetricRecord],
    memory: &mut Memory,
) -> Verdict {
    let mut target = target;
    target.holds.extend(pass.pauses.hold(&settings.id));
    let seen: Observations = metrics.iter().map(|metric| metric.observation).collect();
    let mut explanation = Explanation::default();
    let decision = evaluate(
        &settings.policy,
        &target,
        &seen,
        memory,
        pass.now,
        &mut explanation,
    );
    Verdict::Decided {
        target,
        decision,
        explanation,
        outcome: Outcome::NotAttempted,
        error: None,
    }
}

impl InForce {
    fn hold(&self, workload: &WorkloadId) -> Option<Hold> {
        match self {
            Self::Known(pauses) => pauses
                .iter()
                .find(|pause| pause.workload == *workload)
                .map(Pause::hold),
            Self::Unreadable => Some(Hold::Paused { until: None }),
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
pub(super) fn metric(
    name: &headroom_policy_engine::MetricName,
    settings: &MetricSettings,
    answer: Answer,
    target: &Workload,
    now: Timestamp,
) -> MetricRecord {
    let freshness = settings
        .max_age
        .unwrap_or_else(|| usual_freshness(answer.scrape_interval));
    let error = answer.reading.as_ref().err().map(|error| in_one_line(&**error));
    let reading = answer.reading.map_err(|error| error.cause());
    MetricRecord {
        name: name.clone(),
        observation: Observation::judge(reading, freshness, target.current, target.readiness, now),
        error,
        remarks: answer.remarks.iter().map(ToString::to_string).collect(),
    }
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
