//! What is known of a metric, and on what terms it asks for replicas, as objects.

use headroom_policy_engine::{
    Arithmetic, Breach, Compared, Coverage, MetricRule, MissingCause, Observation, Sample, StepRule, Terms,
    Timestamp, Votes,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{schema, seconds};
use crate::moment;

/// What is known of a metric at a moment.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Observation")]
pub(super) struct ObservationObject {
    state: State,
    /// The value in the metric's own unit (a utilization as a fraction); `null` where it is not known.
    value: Option<f64>,
    /// When it was measured; `null` where that is not known.
    #[schemars(schema_with = "schema::moment_or_null")]
    measured_at: Option<String>,
    age_seconds: Option<f64>,
    /// How many replicas took part in it.
    replicas_covered: Option<f64>,
    /// The share of the query's window that had samples, from 0 to 1.
    window_covered: Option<f64>,
    /// Why it is not known; `null` where it is.
    #[schemars(schema_with = "schema::code_or_null::<MissingCause>")]
    cause: Option<&'static str>,
    /// The same for people.
    cause_text: Option<String>,
}

/// What a value may be used for.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ObservationState")]
enum State {
    /// To act on.
    Fresh,
    /// To raise, and not to lower: measured by too few replicas, or over too little of its window.
    Partial,
    /// To show: measured too long ago.
    Stale,
    /// There is none.
    Missing,
}

impl ObservationObject {
    /// What is known at `at`.
    pub(super) fn new(seen: &Observation, at: Timestamp) -> Self {
        let (state, sample, cause): (_, Option<&Sample>, Option<MissingCause>) = match seen {
            Observation::Fresh(sample) => (State::Fresh, Some(sample), None),
            Observation::Partial(sample) => (State::Partial, Some(sample), None),
            Observation::Stale { sample, .. } => (State::Stale, Some(sample), None),
            Observation::Missing { cause } => (State::Missing, None, Some(*cause)),
        };
        let measured_at = sample.and_then(|sample| sample.measured_at);
        let coverage = sample.map_or_else(Coverage::default, |sample| sample.coverage);
        Self {
            state,
            value: sample.map(|sample| sample.value),
            measured_at: measured_at.map(moment::rfc3339),
            age_seconds: measured_at.map(|measured| seconds(at.since(measured))),
            replicas_covered: coverage.replicas.filter(|count| count.is_finite()),
            window_covered: coverage.window.filter(|share| share.is_finite()),
            cause: cause.map(MissingCause::code),
            cause_text: cause.map(|cause| cause.to_string()),
        }
    }
}

/// On what terms a metric asks for replicas.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Terms")]
pub(super) struct TermsObject {
    rule: RuleObject,
    votes: VotesWord,
    /// How far above its target a value may be without a change, as a fraction of that.
    tolerance_up: f64,
    /// How far below its target a value may be without a change, as a fraction of that.
    tolerance_down: f64,
    /// The count that was wanted then.
    current: u32,
    /// Whose arithmetic it is, and from what.
    arithmetic: ArithmeticWord,
    /// The count that was there, where the HPA's arithmetic counts with that; `null` elsewhere.
    observed: Option<u32>,
}

/// How the value of a metric becomes a count.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Rule")]
enum RuleObject {
    /// A fraction of capacity in use.
    Utilization { target: f64 },
    /// A total to be shared: so much for each replica.
    PerReplica { target: f64 },
    /// A value to be met itself.
    Value { target: f64 },
    /// Nothing changes between two marks.
    Watermarks {
        compared: ComparedWord,
        low: f64,
        high: f64,
    },
    /// Steps of replicas while a threshold is breached.
    Step {
        above: Option<BreachObject>,
        below: Option<BreachObject>,
    },
}

/// One side of a step rule.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Breach")]
struct BreachObject {
    threshold: f64,
    /// How long it has to last; `null`: as long as the window of that direction.
    for_seconds: Option<f64>,
    /// How many replicas a step adds or removes.
    replicas: u32,
}

/// Which proposals count.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Votes")]
enum VotesWord {
    UpAndDown,
    UpOnly,
}

/// What is compared with two marks.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Compared")]
enum ComparedWord {
    PerReplica,
    Value,
}

/// Whose arithmetic works a count out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Arithmetic")]
enum ArithmeticWord {
    /// headroom's, from one number.
    Headroom,
    /// The HPA's, from one number.
    Hpa,
    /// The HPA's, pod by pod.
    EachPod,
}

impl From<&Terms> for TermsObject {
    fn from(terms: &Terms) -> Self {
        let (arithmetic, observed) = match terms.arithmetic {
            Arithmetic::Headroom => (ArithmeticWord::Headroom, None),
            Arithmetic::Hpa { observed } => (ArithmeticWord::Hpa, Some(observed.get())),
            Arithmetic::EachPod => (ArithmeticWord::EachPod, None),
        };
        Self {
            rule: RuleObject::from(terms.rule),
            votes: match terms.votes {
                Votes::UpAndDown => VotesWord::UpAndDown,
                Votes::UpOnly => VotesWord::UpOnly,
            },
            tolerance_up: terms.tolerance.up(),
            tolerance_down: terms.tolerance.down(),
            current: terms.current.get(),
            arithmetic,
            observed,
        }
    }
}

impl From<MetricRule> for RuleObject {
    fn from(rule: MetricRule) -> Self {
        match rule {
            MetricRule::Utilization(target) => Self::Utilization { target: target.get() },
            MetricRule::PerReplica(target) => Self::PerReplica { target: target.get() },
            MetricRule::Value(target) => Self::Value { target: target.get() },
            MetricRule::Watermarks(marks) => Self::Watermarks {
                compared: match marks.compared() {
                    Compared::PerReplica => ComparedWord::PerReplica,
                    Compared::Value => ComparedWord::Value,
                },
                low: marks.low().get(),
                high: marks.high().get(),
            },
            MetricRule::Step(rule) => Self::step(&rule),
        }
    }
}

impl RuleObject {
    fn step(rule: &StepRule) -> Self {
        let side = |breach: Breach| BreachObject {
            threshold: breach.threshold,
            for_seconds: breach.lasting.map(seconds),
            replicas: breach.step.get(),
        };
        Self::Step {
            above: rule.above().map(side),
            below: rule.below().map(side),
        }
    }
}
