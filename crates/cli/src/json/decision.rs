//! One decision as an object.

use headroom_autoscaler::{Beside, DecisionRecord, MetricRecord, Mode, Rebuilt, Verdict};
use headroom_policy_engine::{
    BoundsInForce, Outcome, RaisedCondition, Readiness, Reason, Replicas, Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    InForceObject, VERSION,
    observation::ObservationObject,
    round::HpaObject,
    schema,
    source::{BoundsObject, HoldObject},
    step::StepObject,
    want::WantObject,
};
use crate::{moment, report::decision::Course};

/// One decision, with everything it was based on. Fields may be added without another version.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Decision")]
pub(crate) struct Decision<'a> {
    #[schemars(schema_with = "schema::version")]
    version: u32,
    /// When it was decided.
    #[schemars(schema_with = "schema::moment")]
    at: String,
    /// About which workload, as `namespace/name`.
    workload: &'a str,
    #[schemars(schema_with = "modes")]
    mode: &'static str,
    /// Which way the count goes; `unknown` where the target or its whole load is not known.
    #[schemars(schema_with = "actions")]
    action: &'static str,
    /// The count that was wanted before; `null` where the target could not be read.
    current: Option<u32>,
    /// The count that is wanted from now on; `null` where the target could not be read.
    desired: Option<u32>,
    /// Replicas that can serve; `null` where the target does not tell.
    ready: Option<u32>,
    #[schemars(schema_with = "schema::code_or_null::<Reason>")]
    reason: Option<&'static str>,
    /// What became of it; `null` where there was nothing to decide on.
    #[schemars(schema_with = "schema::code_or_null::<Outcome>")]
    outcome: Option<&'static str>,
    /// What went wrong in reading or writing the target; `null` when nothing did.
    error: Option<&'a str>,
    /// The inputs, one for each metric of the policy, in its order.
    metrics: Vec<Metric<'a>>,
    /// What the query of `hold_scale_down_when` said; `null` where the policy has none.
    hold_query: Option<Metric<'a>>,
    /// What held the workload from outside.
    holds: Vec<HoldObject<'a>>,
    /// What else scales the target, to be compared with. Empty for most.
    beside: Vec<BesideObject<'a>>,
    /// The bounds that held; `null` where they are not known.
    bounds: Option<BoundsObject<'a>>,
    /// The schedules and overrides that were in force.
    in_force: Vec<InForceObject<'a>>,
    /// What is wrong with the workload beyond its load, and somebody has to look at. Empty for most.
    conditions: Vec<ConditionObject>,
    /// What was made of the past, where nothing was remembered; `null` where something was.
    rebuilt: Option<RebuiltObject<'a>>,
    /// What the HPA would have in its status after it; `null` under headroom's own semantics.
    hpa: Option<HpaObject>,
    /// How it came about: the steps in their order.
    steps: Vec<StepObject<'a>>,
    /// Why it is not another count. There only where that was asked, and something was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    want: Option<WantObject<'a>>,
}

/// Another scaler of the target.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Beside")]
struct BesideObject<'a> {
    /// What it is, as its users call it.
    name: &'a str,
    /// The count that it wants; `null` where it does not tell.
    wants: Option<u32>,
}

/// Something about a workload that somebody has to look at.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Condition")]
struct ConditionObject {
    #[schemars(schema_with = "schema::code::<RaisedCondition>")]
    code: &'static str,
    /// How soon.
    severity: Severity,
    /// The same for people.
    text: String,
}

/// How soon somebody has to look at something: at once, before long, or not by itself.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Severity {
    Critical,
    Warning,
    Notice,
}

impl From<headroom_policy_engine::Severity> for Severity {
    fn from(severity: headroom_policy_engine::Severity) -> Self {
        match severity {
            headroom_policy_engine::Severity::Critical => Self::Critical,
            headroom_policy_engine::Severity::Warning => Self::Warning,
            headroom_policy_engine::Severity::Notice => Self::Notice,
        }
    }
}

/// What was made of the past of a workload of which nothing was remembered.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Rebuilt")]
struct RebuiltObject<'a> {
    /// The first moment that was asked about; `null` where the memory could not be rebuilt.
    #[schemars(schema_with = "schema::moment_or_null")]
    since: Option<String>,
    /// How many moments were asked about.
    moments: Option<u32>,
    /// At how many of them every metric was known.
    known: Option<u32>,
    /// Whether that is enough to scale down by.
    enough: bool,
    /// Why it could not be rebuilt.
    refused: Option<&'a str>,
}

/// One metric as it was seen.
#[derive(Debug, Serialize, JsonSchema)]
struct Metric<'a> {
    /// Its name in the policy.
    name: &'a str,
    #[serde(flatten)]
    seen: ObservationObject,
    /// Why there is no value, in the source's words; `null` when there is one.
    error: Option<&'a str>,
    /// What the source remarked along the way.
    remarks: &'a [String],
}

impl<'a> From<&'a Beside> for BesideObject<'a> {
    fn from(other: &'a Beside) -> Self {
        Self {
            name: &other.name,
            wants: other.wants.map(Replicas::get),
        }
    }
}

impl<'a> Decision<'a> {
    /// Of one record.
    pub(crate) fn new(record: &'a DecisionRecord) -> Self {
        Self::with(record, None)
    }

    /// The same, and why it is not `want`.
    pub(crate) fn with(record: &'a DecisionRecord, want: Option<Replicas>) -> Self {
        let decision = record.decision();
        let (mut ready, mut holds, mut bounds, mut steps) = (None, Vec::new(), None, Vec::new());
        if let Verdict::Decided {
            target, explanation, ..
        } = &record.verdict
        {
            ready = match target.readiness {
                Readiness::Unknown => None,
                Readiness::Known { ready, .. } => Some(ready.get()),
            };
            holds = target.holds.iter().map(HoldObject::from).collect();
            let active = &target.bounds;
            bounds = record.bounds.map(|own| BoundsInForce { own, active }.into());
            let each = explanation.0.iter();
            steps = each.map(|step| StepObject::new(step, record.at)).collect();
        }
        let want = want.and_then(|want| record.why_not(want));
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
            hold_query: record
                .hold_query
                .as_ref()
                .map(|asked| Metric::new(asked, record.at)),
            metrics: record
                .metrics
                .iter()
                .map(|metric| Metric::new(metric, record.at))
                .collect(),
            holds,
            beside: record.beside.iter().map(BesideObject::from).collect(),
            bounds,
            in_force: record.in_force.iter().map(InForceObject::new).collect(),
            conditions: record.conditions.iter().map(ConditionObject::new).collect(),
            rebuilt: record.rebuilt.as_ref().map(RebuiltObject::new),
            hpa: record.round.as_ref().map(HpaObject::from),
            steps,
            want: want.map(|answer| WantObject::new(&answer, record.at)),
        }
    }
}

fn modes(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let modes = [Mode::Apply, Mode::Preview, Mode::Shadow];
    schemars::json_schema!({ "type": "string", "enum": modes.map(mode) })
}

fn actions(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let courses = [Course::Up, Course::Down, Course::Hold, Course::Unknown];
    schemars::json_schema!({ "type": "string", "enum": courses.map(Course::code) })
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
        Outcome::NotConfirmed => "not_confirmed",
        Outcome::Conflict => "conflict",
        Outcome::NotAttempted => "not_attempted",
    }
}

impl<'a> Metric<'a> {
    fn new(record: &'a MetricRecord, at: Timestamp) -> Self {
        Self {
            name: record.name.as_str(),
            seen: ObservationObject::new(&record.observation, at),
            error: record.error.as_deref(),
            remarks: &record.remarks,
        }
    }
}

impl ConditionObject {
    fn new(condition: &RaisedCondition) -> Self {
        Self {
            code: condition.code(),
            severity: condition.severity().into(),
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
