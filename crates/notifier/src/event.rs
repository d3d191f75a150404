//! What can happen that people are told of.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::{
    MetricName, Observation, Operator, RaisedCondition, Replicas, Step, Timestamp, WorkloadId,
};
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The count was changed.
    Scaled {
        /// From so many.
        from: Replicas,
        /// To so many.
        to: Replicas,
        /// The steps that led to it: that of the metric that asked for the most, and the last that had a say, where there
        /// are such.
        why: Vec<Step>,
    },
    /// More would be needed than is allowed.
    AtMax {
        /// So many are allowed.
        max: Replicas,
        /// The load would need so many.
        wanted: Replicas,
        /// The steps that led to it, as of a change.
        why: Vec<Step>,
    },
    /// Less would do than is allowed.
    AtMin {
        /// So many there have to be.
        min: Replicas,
        /// The load would need so many.
        wanted: Replicas,
        /// The steps that led to it, as of a change.
        why: Vec<Step>,
    },
    /// Too little is known of the load for too long, so the fallback holds.
    Fallback {
        /// So many replicas now.
        replicas: Replicas,
        /// The step that fell back.
        why: Vec<Step>,
    },
    /// The load is known again.
    Recovered {
        /// After what.
        from: Unknown,
    },
    /// A guard holds the workload, or would where the load asks for a change; or a guard is off.
    Held {
        /// Which, and why.
        condition: RaisedCondition,
    },
    /// Somebody else sets the count.
    ResetBy {
        /// Who, and how: [`RaisedCondition::Contested`] or [`RaisedCondition::CountReset`].
        condition: RaisedCondition,
    },
    /// Metrics are unknown or known only in part, so the workload is decided about with less than all.
    Blind {
        /// Which.
        metrics: Vec<UnknownMetric>,
    },
    /// Something could not be done.
    Error {
        /// What.
        failure: Failure,
    },
    /// A person paused the workload.
    Paused {
        /// Who, and why.
        operator: Operator,
        /// When it ends by itself; `None` when somebody has to resume.
        until: Option<Timestamp>,
    },
    /// The pause has ended.
    Resumed,
    /// A person asked for other bounds than the policy's, or that nothing is removed. Closed when that has ended.
    Overridden {
        /// Who, and why.
        operator: Operator,
        /// At least so many.
        min: Option<Replicas>,
        /// At most so many.
        max: Option<Replicas>,
        /// Whether the count does not fall meanwhile.
        holds_scale_down: bool,
        /// When it ends by itself.
        until: Option<Timestamp>,
    },
    /// The policy is another than in the pass before.
    PolicyChanged {
        /// What is other, by key.
        changes: Vec<Change>,
    },
    /// A metric has been above its value for its time, whether or not that changed the count.
    Threshold {
        /// Which metric.
        metric: MetricName,
        /// What was measured last.
        value: f64,
        /// What it is above of.
        above: f64,
        /// Whether the two are parts of a whole, to be shown as percentages.
        is_ratio: bool,
        /// For so long.
        lasting: Duration,
    },
    /// What happened in a while, all together.
    Digest(Digest),
}

/// Kinds of events, as `on` of a channel names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// [`Event::Scaled`].
    Scaled,
    /// [`Event::AtMax`].
    AtMax,
    /// [`Event::AtMin`].
    AtMin,
    /// [`Event::Fallback`].
    Fallback,
    /// [`Event::Recovered`].
    Recovered,
    /// [`Event::Held`].
    Held,
    /// [`Event::ResetBy`].
    ResetBy,
    /// [`Event::Blind`].
    Blind,
    /// [`Event::Error`].
    Error,
    /// [`Event::Paused`].
    Paused,
    /// [`Event::Resumed`].
    Resumed,
    /// [`Event::Overridden`].
    Overridden,
    /// [`Event::PolicyChanged`].
    PolicyChanged,
    /// [`Event::Threshold`].
    Threshold,
    /// [`Event::Digest`].
    Digest,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Scaled,
        Self::AtMax,
        Self::AtMin,
        Self::Fallback,
        Self::Recovered,
        Self::Held,
        Self::ResetBy,
        Self::Blind,
        Self::Error,
        Self::Paused,
        Self::Resumed,
        Self::Overridden,
        Self::PolicyChanged,
        Self::Threshold,
        Self::Digest,
    ];

    /// As machines name it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Scaled => "scaled",
            Self::AtMax => "at_max",
            Self::AtMin => "at_min",
            Self::Fallback => "fallback",
            Self::Recovered => "recovered",
            Self::Held => "held",
            Self::ResetBy => "reset_by",
            Self::Blind => "blind",
            Self::Error => "error",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::Overridden => "overridden",
            Self::PolicyChanged => "policy_changed",
            Self::Threshold => "threshold",
            Self::Digest => "digest",
        }
    }

    /// The one whose [`Self::code`] is `code`.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// What was not known of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// So much and for so long that the fallback held.
    Fallback,
    /// Some metrics.
    Blind,
}

/// A metric that is unknown, or known only in part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnknownMetric {
    /// Which.
    pub name: MetricName,
    /// What is known of it.
    pub seen: Observation,
    /// Why there is no value, in the source's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Arc<str>>,
}

/// What could not be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The target could not be read, so nothing was decided.
    Unreadable {
        /// Why not.
        error: Arc<str>,
    },
    /// A count could not be written.
    NotWritten {
        /// The count that stays.
        from: Replicas,
        /// The one that was to be.
        to: Replicas,
        /// Why not.
        error: Arc<str>,
    },
    /// A count was to be written and no answer came, so it is not known whether it was.
    NotConfirmed {
        /// The count that there was.
        from: Replicas,
        /// The one that there may be.
        to: Replicas,
        /// What was waited for.
        error: Arc<str>,
    },
    /// A pass could not be made, or something in it that concerns all workloads.
    Pass {
        /// What, why, and the way out.
        error: Arc<str>,
    },
    /// A channel did not take what people should have been told.
    Channel {
        /// Which channel.
        channel: Arc<str>,
        /// Why not.
        error: Arc<str>,
    },
}

/// One key of a policy that has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key, such as `metrics.rps.per_replica`.
    pub key: Arc<str>,
    /// Its value before; `None` where there was none.
    pub before: Option<Arc<str>>,
    /// Its value now; `None` where there is none.
    pub after: Option<Arc<str>>,
}

/// What happened in a while, all together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// From then.
    pub since: Timestamp,
    /// Until then.
    pub until: Timestamp,
    /// Workload by workload, those with the most changes first.
    pub workloads: Vec<WorkloadDigest>,
    /// So many further workloads of which nothing is to be told.
    pub quiet: u32,
}

/// What happened to one workload in a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadDigest {
    /// Which.
    pub workload: WorkloadId,
    /// How often its count was changed.
    pub changes: u32,
    /// How many replicas it had; `None` where its target could not be read in all that time.
    pub counts: Option<ReplicaCounts>,
    /// For how long more would have been needed than is allowed.
    pub at_max: Duration,
    /// For how long it was decided about with less than all of its metrics.
    pub blind: Duration,
    /// For how long its target could not be read.
    #[serde(default)]
    pub unreadable: Duration,
    /// How often something began that could not be done, or of which it is not known whether it was.
    pub errors: u32,
}

/// How many replicas a workload had in a while, for as long as that is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReplicaCounts {
    /// The fewest.
    pub fewest: Replicas,
    /// The most.
    pub most: Replicas,
    /// When there were that many first.
    pub most_at: Timestamp,
    /// Replicas times hours.
    pub replica_hours: f64,
    /// What it would have been with the most that is allowed, all that time.
    pub fixed_hours: f64,
}

impl Event {
    /// What people are told of `condition`.
    #[must_use]
    pub const fn of_condition(condition: RaisedCondition) -> Self {
        match condition {
            RaisedCondition::Contested { .. } | RaisedCondition::CountReset { .. } => {
                Self::ResetBy { condition }
            }
            RaisedCondition::NotBecomingReady { .. }
            | RaisedCondition::FailingToStart { .. }
            | RaisedCondition::Flapping { .. }
            | RaisedCondition::SecondScaler { .. }
            | RaisedCondition::SecondHeadroom { .. }
            | RaisedCondition::RequestsSet { .. }
            | RaisedCondition::FleetBrake
            | RaisedCondition::ReplicasNotStarting { .. }
            | RaisedCondition::ReplicasRefused { .. }
            | RaisedCondition::RequestsRecommended { .. }
            | RaisedCondition::GuardOff { .. } => Self::Held { condition },
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Scaled { .. } => EventKind::Scaled,
            Self::AtMax { .. } => EventKind::AtMax,
            Self::AtMin { .. } => EventKind::AtMin,
            Self::Fallback { .. } => EventKind::Fallback,
            Self::Recovered { .. } => EventKind::Recovered,
            Self::Held { .. } => EventKind::Held,
            Self::ResetBy { .. } => EventKind::ResetBy,
            Self::Blind { .. } => EventKind::Blind,
            Self::Error { .. } => EventKind::Error,
            Self::Paused { .. } => EventKind::Paused,
            Self::Resumed => EventKind::Resumed,
            Self::Overridden { .. } => EventKind::Overridden,
            Self::PolicyChanged { .. } => EventKind::PolicyChanged,
            Self::Threshold { .. } => EventKind::Threshold,
            Self::Digest(_) => EventKind::Digest,
        }
    }

    /// The kind of event that began it: of what has ended under another name, that of what opened.
    #[must_use]
    pub const fn opened_as(&self) -> EventKind {
        match self {
            Self::Recovered {
                from: Unknown::Fallback,
            } => EventKind::Fallback,
            Self::Recovered { from: Unknown::Blind } => EventKind::Blind,
            Self::Resumed => EventKind::Paused,
            Self::Scaled { .. }
            | Self::AtMax { .. }
            | Self::AtMin { .. }
            | Self::Fallback { .. }
            | Self::Held { .. }
            | Self::ResetBy { .. }
            | Self::Blind { .. }
            | Self::Error { .. }
            | Self::Paused { .. }
            | Self::Overridden { .. }
            | Self::PolicyChanged { .. }
            | Self::Threshold { .. }
            | Self::Digest(_) => self.kind(),
        }
    }

    /// What it is about, the same when it opens and when it closes.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Held { condition } | Self::ResetBy { condition } => condition.subject().into_owned(),
            Self::Threshold { metric, .. } => format!("threshold/{metric}"),
            Self::Error { failure } => format!("error/{}", failure.code()),
            Self::Overridden { operator, .. } => {
                format!("overridden/{}", operator.by.as_deref().unwrap_or_default())
            }
            Self::Scaled { .. }
            | Self::AtMax { .. }
            | Self::AtMin { .. }
            | Self::Fallback { .. }
            | Self::Recovered { .. }
            | Self::Blind { .. }
            | Self::Paused { .. }
            | Self::Resumed
            | Self::PolicyChanged { .. }
            | Self::Digest(_) => self.opened_as().code().to_owned(),
        }
    }

    /// The steps that led to it, where it is a decision.
    #[must_use]
    pub fn why(&self) -> &[Step] {
        match self {
            Self::Scaled { why, .. }
            | Self::AtMax { why, .. }
            | Self::AtMin { why, .. }
            | Self::Fallback { why, .. } => why,
            Self::Recovered { .. }
            | Self::Held { .. }
            | Self::ResetBy { .. }
            | Self::Blind { .. }
            | Self::Error { .. }
            | Self::Paused { .. }
            | Self::Resumed
            | Self::Overridden { .. }
            | Self::PolicyChanged { .. }
            | Self::Threshold { .. }
            | Self::Digest(_) => &[],
        }
    }
}

impl Failure {
    /// As machines name it.
    #[must_use]
    pub fn code(&self) -> String {
        match self {
            Self::Unreadable { .. } => "unreadable".to_owned(),
            Self::NotWritten { .. } => "not_written".to_owned(),
            Self::NotConfirmed { .. } => "not_confirmed".to_owned(),
            Self::Pass { .. } => "pass".to_owned(),
            Self::Channel { channel, .. } => format!("channel/{channel}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Notice, testing::notices};

    #[test]
    fn there_is_an_example_of_every_kind() {
        let kinds: BTreeSet<EventKind> = notices().iter().map(Notice::kind).collect();
        assert_eq!(kinds, BTreeSet::from(EventKind::ALL));
    }

    #[test]
    fn a_notice_reads_back_as_it_was_written() {
        for notice in notices() {
            let text = serde_json::to_string(&notice).unwrap();
            assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice, "{text}");
        }
    }

    #[test]
    fn what_closes_names_the_incident_that_opened() {
        let incident = |event: Event| {
            crate::testing::notice(crate::Severity::Info, crate::Stage::Once, event).incident()
        };
        let recovered = |from| incident(Event::Recovered { from });
        assert_eq!(
            recovered(Unknown::Blind),
            incident(Event::Blind { metrics: Vec::new() })
        );
        let fallback = Event::Fallback {
            replicas: Replicas::new(4),
            why: Vec::new(),
        };
        assert_eq!(recovered(Unknown::Fallback), incident(fallback));
        let paused = Event::Paused {
            operator: Operator::default(),
            until: None,
        };
        assert_eq!(incident(Event::Resumed), incident(paused));
        assert_eq!(incident(Event::Resumed), "prod-eu/devtrip/api/paused");
    }
}
