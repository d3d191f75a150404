//! What happened, member by member.

use headroom_policy_engine::{MissingCause, Observation, Operator, RaisedCondition, Step};
use schemars::JsonSchema;
use serde::Serialize;

use super::{moment, moment_or_null, shortened};
use crate::{
    Digest, Event, Failure, Unknown, UnknownMetric, WorkloadDigest,
    webhook::{finite, rfc3339},
};

/// The most elements of a list; how many more there would be is said beside it.
const MAX_LIST: usize = 500;

/// What happened, by its `kind`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Event")]
pub(super) enum EventObject {
    /// The count was changed.
    Scaled {
        /// From so many replicas.
        from: u32,
        /// To so many.
        to: u32,
        #[serde(flatten)]
        why: WhyObject,
    },
    /// More would be needed than is allowed.
    AtMax {
        /// So many replicas are allowed.
        max: u32,
        /// The load would need so many.
        wanted: u32,
        #[serde(flatten)]
        why: WhyObject,
    },
    /// Less would do than is allowed.
    AtMin {
        /// So many replicas there have to be.
        min: u32,
        /// The load would need so many.
        wanted: u32,
        #[serde(flatten)]
        why: WhyObject,
    },
    /// Too little is known of the load for too long, so the fallback holds.
    Fallback {
        /// So many replicas now.
        replicas: u32,
        #[serde(flatten)]
        why: WhyObject,
    },
    /// The load is known again.
    Recovered {
        /// After what.
        from: UnknownCode,
    },
    /// A guard holds the workload, or would; or a guard is off.
    Held {
        #[serde(flatten)]
        condition: ConditionObject,
    },
    /// Somebody else sets the count.
    ResetBy {
        #[serde(flatten)]
        condition: ConditionObject,
    },
    /// Metrics are unknown or known only in part.
    Blind {
        /// Which.
        metrics: Vec<MetricObject>,
        /// So many more.
        more: usize,
    },
    /// Something could not be done.
    Error {
        /// What: `unreadable`, `not_written`, `not_confirmed`, `pass` or `channel`.
        failure: FailureCode,
        /// Why not.
        error: String,
        /// The channel that did not take notices; `null` of other failures.
        channel: Option<String>,
        /// The count that stays, or before what was not confirmed; `null` of other failures.
        from: Option<u32>,
        /// The count that was to be; `null` as `from` is.
        to: Option<u32>,
    },
    /// A person paused the workload.
    Paused {
        #[serde(flatten)]
        operator: OperatorObject,
        /// When it ends by itself; `null` when somebody has to resume.
        #[schemars(schema_with = "moment_or_null")]
        until: Option<String>,
    },
    /// The pause has ended.
    Resumed,
    /// A person asked for other bounds than the policy's, or that nothing is removed.
    Overridden {
        #[serde(flatten)]
        operator: OperatorObject,
        /// At least so many replicas; `null` where that is the policy's.
        min: Option<u32>,
        /// At most so many; `null` where that is the policy's.
        max: Option<u32>,
        /// Whether the count does not fall meanwhile.
        holds_scale_down: bool,
        /// When it ends by itself; `null` when somebody has to end it.
        #[schemars(schema_with = "moment_or_null")]
        until: Option<String>,
    },
    /// The policy is another than in the pass before.
    PolicyChanged {
        /// What is other.
        changes: Vec<ChangeObject>,
        /// So many more.
        more: usize,
    },
    /// A metric has been above its value for its time.
    Threshold {
        /// Which metric.
        metric: String,
        /// What was measured last; `null` where that is no number.
        value: Option<f64>,
        /// What it is above of.
        above: Option<f64>,
        /// Whether the two are parts of a whole.
        is_ratio: bool,
        /// For so many seconds.
        lasting: f64,
    },
    /// What happened in a while, all together.
    Digest {
        /// From then.
        #[schemars(schema_with = "moment")]
        since: String,
        /// Until then.
        #[schemars(schema_with = "moment")]
        until: String,
        /// Workload by workload, those with the most changes first.
        workloads: Vec<WorkloadObject>,
        /// So many more.
        more: usize,
        /// So many further workloads of which nothing is to be told.
        quiet: u32,
    },
}

/// What led to a decision.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Why")]
pub(super) struct WhyObject {
    /// The metric that asked for the most; `null` where none did.
    decided_by: Option<String>,
    /// The last step that had a say, as the schema of a decision names it; `null` where none had.
    last_step: Option<String>,
}

/// After what the load is known again.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Unknown")]
pub(super) enum UnknownCode {
    /// So little and for so long that the fallback held.
    Fallback,
    /// Some metrics were unknown.
    Blind,
}

/// What is wrong with a workload.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Condition")]
pub(super) struct ConditionObject {
    /// Its code, such as `second_scaler`.
    condition: String,
    /// Who or what is behind it; `null` where that is not known.
    by: Option<String>,
    /// So many replicas are concerned; `null` where it is about none in particular.
    replicas: Option<u32>,
    /// Why, in the words of what refuses or fails; `null` where there are none.
    because: Option<String>,
}

/// A metric that is unknown, or known only in part.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UnknownMetric")]
pub(super) struct MetricObject {
    /// Which.
    name: String,
    /// What is known of it.
    state: StateCode,
    /// What was measured; `null` where nothing was.
    value: Option<f64>,
    /// How many seconds ago; `null` where it is not too old.
    age: Option<f64>,
    /// Why there is no value, as a code; `null` where there is one.
    cause: Option<&'static str>,
    /// The same in the source's words; `null` where there are none.
    error: Option<String>,
}

/// What is known of a metric.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "State")]
enum StateCode {
    /// All of it.
    Fresh,
    /// Measured by too few replicas or over too little time.
    Partial,
    /// Measured too long ago.
    Stale,
    /// Nothing.
    Missing,
}

/// What could not be done.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Failure")]
pub(super) enum FailureCode {
    /// The target could not be read.
    Unreadable,
    /// A count could not be written.
    NotWritten,
    /// No answer came to the writing of a count: it may have been written or not.
    NotConfirmed,
    /// A pass could not be made in full.
    Pass,
    /// A channel did not take notices.
    Channel,
}

/// A person who acts beside the policy.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Operator")]
pub(super) struct OperatorObject {
    /// Who; `null` where they did not tell.
    by: Option<String>,
    /// Why, in their words; `null` where they did not tell.
    reason: Option<String>,
}

/// One key of a policy that has changed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Change")]
pub(super) struct ChangeObject {
    /// The key, such as `metrics.rps.per_replica`.
    key: String,
    /// Its value before; `null` where there was none.
    before: Option<String>,
    /// Its value now; `null` where there is none.
    after: Option<String>,
}

/// What happened to one workload in a while.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WorkloadDigest")]
pub(super) struct WorkloadObject {
    /// Which.
    workload: String,
    /// How often its count was changed.
    changes: u32,
    /// The fewest replicas; `null` where the target could not be read in all that time.
    fewest: Option<u32>,
    /// The most replicas; `null` as `fewest` is.
    most: Option<u32>,
    /// When there were that many first; `null` as `fewest` is.
    #[schemars(schema_with = "moment_or_null")]
    most_at: Option<String>,
    /// For how many seconds more would have been needed than is allowed.
    at_max: f64,
    /// For how many seconds it was decided about with less than all of its metrics.
    blind: f64,
    /// For how many seconds the target could not be read.
    unreadable: f64,
    /// How often something that could not be done began.
    errors: u32,
    /// Replicas times hours, for as long as the target could be read; `null` as `fewest` is.
    replica_hours: Option<f64>,
    /// What it would have been with the most that is allowed, all that time; `null` as `fewest` is.
    fixed_hours: Option<f64>,
}

impl EventObject {
    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::Scaled { from, to, why } => Self::Scaled {
                from: from.get(),
                to: to.get(),
                why: WhyObject::of(why),
            },
            Event::AtMax { max, wanted, why } => Self::AtMax {
                max: max.get(),
                wanted: wanted.get(),
                why: WhyObject::of(why),
            },
            Event::AtMin { min, wanted, why } => Self::AtMin {
                min: min.get(),
                wanted: wanted.get(),
                why: WhyObject::of(why),
            },
            Event::Fallback { replicas, why } => Self::Fallback {
                replicas: replicas.get(),
                why: WhyObject::of(why),
            },
            Event::Recovered { from } => Self::Recovered {
                from: match from {
                    Unknown::Fallback => UnknownCode::Fallback,
                    Unknown::Blind => UnknownCode::Blind,
                },
            },
            Event::Held { condition } => Self::Held {
                condition: ConditionObject::of(condition),
            },
            Event::ResetBy { condition } => Self::ResetBy {
                condition: ConditionObject::of(condition),
            },
            Event::Blind { metrics } => {
                let (metrics, more) = some_of(metrics, MetricObject::of);
                Self::Blind { metrics, more }
            }
            Event::Error { failure } => Self::of_failure(failure),
            Event::Paused { operator, until } => Self::Paused {
                operator: OperatorObject::of(operator),
                until: until.map(rfc3339),
            },
            Event::Resumed => Self::Resumed,
            Event::Overridden {
                operator,
                min,
                max,
                holds_scale_down,
                until,
            } => Self::Overridden {
                operator: OperatorObject::of(operator),
                min: min.map(|min| min.get()),
                max: max.map(|max| max.get()),
                holds_scale_down: *holds_scale_down,
                until: until.map(rfc3339),
            },
            Event::PolicyChanged { changes } => {
                let (changes, more) = some_of(changes, |change| ChangeObject {
                    key: shortened(&change.key),
                    before: change.before.as_deref().map(shortened),
                    after: change.after.as_deref().map(shortened),
                });
                Self::PolicyChanged { changes, more }
            }
            Event::Threshold {
                metric,
                value,
                above,
                is_ratio,
                lasting,
            } => Self::Threshold {
                metric: shortened(metric.as_str()),
                value: finite(*value),
                above: finite(*above),
                is_ratio: *is_ratio,
                lasting: lasting.as_secs_f64(),
            },
            Event::Digest(digest) => Self::of_digest(digest),
        }
    }

    fn of_failure(failure: &Failure) -> Self {
        let (code, error) = match failure {
            Failure::Unreadable { error } => (FailureCode::Unreadable, error),
            Failure::NotWritten { error, .. } => (FailureCode::NotWritten, error),
            Failure::NotConfirmed { error, .. } => (FailureCode::NotConfirmed, error),
            Failure::Pass { error } => (FailureCode::Pass, error),
            Failure::Channel { error, .. } => (FailureCode::Channel, error),
        };
        let (from, to) = match failure {
            Failure::NotWritten { from, to, .. } | Failure::NotConfirmed { from, to, .. } => {
                (Some(from.get()), Some(to.get()))
            }
            Failure::Unreadable { .. } | Failure::Pass { .. } | Failure::Channel { .. } => (None, None),
        };
        let channel = if let Failure::Channel { channel, .. } = failure {
            Some(shortened(channel))
        } else {
            None
        };
        Self::Error {
            failure: code,
            error: shortened(error),
            channel,
            from,
            to,
        }
    }

    fn of_digest(digest: &Digest) -> Self {
        let (workloads, more) = some_of(&digest.workloads, WorkloadObject::of);
        Self::Digest {
            since: rfc3339(digest.since),
            until: rfc3339(digest.until),
            workloads,
            more,
            quiet: digest.quiet,
        }
    }
}

/// The first of `all`, and how many more there are.
fn some_of<T, U>(all: &[T], object: impl FnMut(&T) -> U) -> (Vec<U>, usize) {
    let some = all.iter().take(MAX_LIST).map(object).collect();
    (some, all.len().saturating_sub(MAX_LIST))
}

impl WhyObject {
    fn of(why: &[Step]) -> Self {
        let recommends = |step: &&Step| matches!(step, Step::Recommended { .. } | Step::Combined { .. });
        let decided_by = why.iter().find(recommends).and_then(Step::metric);
        let last = why.iter().rev().find(|step| !recommends(step));
        Self {
            decided_by: decided_by.map(|metric| shortened(metric.as_str())),
            last_step: last.map(|step| step.code().to_owned()),
        }
    }
}

impl ConditionObject {
    fn of(condition: &RaisedCondition) -> Self {
        let (by, replicas, because) = match condition {
            RaisedCondition::NotBecomingReady { ready, .. } => (None, Some(*ready), None),
            RaisedCondition::FailingToStart { failing } => (None, Some(*failing), None),
            RaisedCondition::SecondScaler { name } => (Some(name), None, None),
            RaisedCondition::SecondHeadroom { by } => (Some(by), None, None),
            RaisedCondition::RequestsSet { by, .. } | RaisedCondition::RequestsRecommended { by, .. } => {
                (Some(by), None, None)
            }
            RaisedCondition::Contested { by } => (by.as_ref(), None, None),
            RaisedCondition::CountReset { by } => (Some(by), None, None),
            RaisedCondition::ReplicasNotStarting { replicas, because } => {
                (None, Some(*replicas), Some(because))
            }
            RaisedCondition::ReplicasRefused { because } => (None, None, Some(because)),
            RaisedCondition::GuardOff { guard, because } => (Some(guard), None, Some(because)),
            RaisedCondition::Flapping { .. } | RaisedCondition::FleetBrake => (None, None, None),
        };
        Self {
            condition: condition.code().to_owned(),
            by: by.map(|by| shortened(by)),
            replicas: replicas.map(|replicas| replicas.get()),
            because: because.map(|because| shortened(because)),
        }
    }
}

impl MetricObject {
    fn of(metric: &UnknownMetric) -> Self {
        let (state, value, age, missing) = match metric.seen {
            Observation::Fresh(sample) => (StateCode::Fresh, Some(sample.value), None, None),
            Observation::Partial(sample) => (StateCode::Partial, Some(sample.value), None, None),
            Observation::Stale { sample, age } => (StateCode::Stale, Some(sample.value), Some(age), None),
            Observation::Missing { cause } => (StateCode::Missing, None, None, Some(cause)),
        };
        Self {
            name: shortened(metric.name.as_str()),
            state,
            value: value.and_then(finite),
            age: age.map(|age| age.as_secs_f64()),
            cause: missing.map(MissingCause::code),
            error: metric.error.as_deref().map(shortened),
        }
    }
}

impl OperatorObject {
    fn of(operator: &Operator) -> Self {
        Self {
            by: operator.by.as_deref().map(shortened),
            reason: operator.reason.as_deref().map(shortened),
        }
    }
}

impl WorkloadObject {
    fn of(of: &WorkloadDigest) -> Self {
        let counts = of.counts.as_ref();
        Self {
            workload: of.workload.to_string(),
            changes: of.changes,
            fewest: counts.map(|counts| counts.fewest.get()),
            most: counts.map(|counts| counts.most.get()),
            most_at: counts.map(|counts| rfc3339(counts.most_at)),
            at_max: of.at_max.as_secs_f64(),
            blind: of.blind.as_secs_f64(),
            unreadable: of.unreadable.as_secs_f64(),
            errors: of.errors,
            replica_hours: counts.and_then(|counts| finite(counts.replica_hours)),
            fixed_hours: counts.and_then(|counts| finite(counts.fixed_hours)),
        }
    }
}
