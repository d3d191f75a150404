//! One decision as an object.

use headroom_autoscaler::{DecisionRecord, MetricRecord, Mode, Rebuilt, Verdict};
use headroom_policy_engine::{
    Coverage, MissingCause, Observation, Outcome, Proposal, RaisedCondition, Readiness, Sample, Step,
    Timestamp,
};
use serde::Serialize;

use super::{InForceObject, VERSION};
use crate::{moment, report::decision::Course};

/// One decision, with everything it was based on.
#[derive(Debug, Serialize)]
pub(crate) struct Decision<'a> {
    version: u32,
    at: String,
    workload: &'a str,
    mode: &'static str,
    /// `scale_up`, `scale_down`, `hold`, or `unknown` where the target or its whole load is not known.
    action: &'static str,
    /// The count that was wanted before.
    current: Option<u32>,
    /// The count that is wanted from now on.
    desired: Option<u32>,
    /// Replicas that can serve; `null` where the target does not tell.
    ready: Option<u32>,
    reason: Option<&'static str>,
    /// `written`, `failed`, `conflict`, or `not_attempted`.
    outcome: Option<&'static str>,
    error: Option<&'a str>,
    metrics: Vec<Metric<'a>>,
    /// The schedules and overrides that were in force.
    in_force: Vec<InForceObject<'a>>,
    /// What is wrong with the workload beyond its load. Empty for most.
    conditions: Vec<ConditionObject>,
    /// What was made of the past, where nothing was remembered; `null` where something was.
    rebuilt: Option<RebuiltObject<'a>>,
    steps: Vec<StepObject>,
}

/// Something about a workload that somebody has to look at.
#[derive(Debug, Serialize)]
struct ConditionObject {
    /// `not_becoming_ready`, `failing_to_start`, `flapping`, `second_scaler`, `contested` or `fleet_brake`.
    code: &'static str,
    text: String,
}

/// What was made of the past of a workload of which nothing was remembered.
#[derive(Debug, Serialize)]
struct RebuiltObject<'a> {
    /// The first moment that was asked about; `null` where the memory could not be rebuilt.
    since: Option<String>,
    moments: Option<u32>,
    /// At how many of the moments every metric was known.
    known: Option<u32>,
    /// Whether that is enough to scale down by.
    enough: bool,
    /// Why it could not be rebuilt.
    refused: Option<&'a str>,
}

/// One metric as it was seen.
#[derive(Debug, Serialize)]
struct Metric<'a> {
    name: &'a str,
    /// `fresh`, `partial`, `stale` or `missing`.
    state: &'static str,
    value: Option<f64>,
    measured_at: Option<String>,
    age_seconds: Option<f64>,
    replicas_covered: Option<f64>,
    window_covered: Option<f64>,
    cause: Option<&'static str>,
    error: Option<&'a str>,
    remarks: &'a [String],
}

/// One stage that had a say.
#[derive(Debug, Serialize)]
struct StepObject {
    stage: &'static str,
    metric: Option<String>,
    /// The number that came in; of a metric, what it asks for.
    wanted: Option<u32>,
    /// The number that went on.
    result: Option<u32>,
    text: String,
}

impl<'a> Decision<'a> {
    /// Of one record.
    pub(crate) fn new(record: &'a DecisionRecord) -> Self {
        let decision = record.decision();
        let (ready, steps) = match &record.verdict {
            Verdict::Unreadable { .. } => (None, Vec::new()),
            Verdict::Decided {
                target, explanation, ..
            } => {
                let ready = match target.readiness {
                    Readiness::Unknown => None,
                    Readiness::Known { ready, .. } => Some(ready.get()),
                };
                (ready, explanation.0.iter().map(StepObject::new).collect())
            }
        };
        Self {
            version: VERSION,
            at: moment::rfc3339(record.at),
            workload: record.workload.as_str(),
            mode: mode(record.mode),
            action: Course::of(record).code(),
            current: decision.map(|decision| decision.current().get()),
            desired: decision.map(|decision| decision.desired().get()),
            ready,
            reason: decision.map(|decision| decision.reason().code()),
            outcome: record.outcome().map(outcome),
            error: record.error(),
            metrics: record
                .metrics
                .iter()
                .map(|metric| Metric::new(metric, record.at))
                .collect(),
            in_force: record.in_force.iter().map(InForceObject::new).collect(),
            conditions: record.conditions.iter().map(ConditionObject::new).collect(),
            rebuilt: record.rebuilt.as_ref().map(RebuiltObject::new),
            steps,
        }
    }
}

/// The mode as the configuration has it.
pub(crate) const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Apply => "apply",
        Mode::Preview => "preview",
        Mode::Shadow => "shadow",
    }
}

const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Written => "written",
        Outcome::Failed => "failed",
        Outcome::Conflict => "conflict",
        Outcome::NotAttempted => "not_attempted",
    }
}

impl<'a> Metric<'a> {
    fn new(record: &'a MetricRecord, at: Timestamp) -> Self {
        let (state, sample, cause): (_, Option<&Sample>, _) = match &record.observation {
            Observation::Fresh(sample) => ("fresh", Some(sample), None),
            Observation::Partial(sample) => ("partial", Some(sample), None),
            Observation::Stale { sample, .. } => ("stale", Some(sample), None),
            Observation::Missing { cause } => ("missing", None, Some(missing(*cause))),
        };
        let measured_at = sample.and_then(|sample| sample.measured_at);
        let coverage = sample.map_or_else(Coverage::default, |sample| sample.coverage);
        Self {
            name: record.name.as_str(),
            state,
            value: sample.map(|sample| sample.value),
            measured_at: measured_at.map(moment::rfc3339),
            age_seconds: measured_at.map(|measured| at.since(measured).as_secs_f64()),
            replicas_covered: coverage.replicas.filter(|count| count.is_finite()),
            window_covered: coverage.window.filter(|share| share.is_finite()),
            cause,
            error: record.error.as_deref(),
            remarks: &record.remarks,
        }
    }
}

impl ConditionObject {
    fn new(condition: &RaisedCondition) -> Self {
        Self {
            code: condition.code(),
            text: condition.to_string(),
        }
    }
}

impl<'a> RebuiltObject<'a> {
    fn new(rebuilt: &'a Rebuilt) -> Self {
        match rebuilt {
            Rebuilt::From {
                since,
                moments,
                known,
                is_covered,
            } => Self {
                since: Some(moment::rfc3339(*since)),
                moments: Some(*moments),
                known: Some(*known),
                enough: *is_covered,
                refused: None,
            },
            Rebuilt::Refused { reason } => Self {
                since: None,
                moments: None,
                known: None,
                enough: false,
                refused: Some(reason),
            },
        }
    }
}

const fn missing(cause: MissingCause) -> &'static str {
    match cause {
        MissingCause::NotAsked => "not_asked",
        MissingCause::NoData => "no_data",
        MissingCause::Ambiguous { .. } => "ambiguous",
        MissingCause::WrongType => "wrong_type",
        MissingCause::NotANumber => "not_a_number",
        MissingCause::Infinite => "infinite",
        MissingCause::Negative => "negative",
        MissingCause::TimedOut => "timed_out",
        MissingCause::Unreachable => "unreachable",
        MissingCause::Rejected { .. } => "rejected",
        MissingCause::Malformed => "malformed",
        MissingCause::TooLarge => "too_large",
        MissingCause::ClockSkew => "clock_skew",
        MissingCause::NoRateYet => "no_rate_yet",
        MissingCause::NoReplicas => "no_replicas",
        MissingCause::Unusable { .. } => "unusable",
    }
}

impl StepObject {
    fn new(step: &Step) -> Self {
        let (mut wanted, mut result) = step.change().unzip();
        if let Step::Recommended {
            proposal: Proposal::Replicas(replicas),
            ..
        } = step
        {
            wanted = Some(*replicas);
        }
        if let Step::Combined { replicas, .. } = step {
            result = Some(*replicas);
        }
        Self {
            stage: step.code(),
            metric: step.metric().map(ToString::to_string),
            wanted: wanted.map(|replicas| replicas.get()),
            result: result.map(|replicas| replicas.get()),
            text: step.to_string(),
        }
    }
}
