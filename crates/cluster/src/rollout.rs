//! What an object tells of its rollout, and of replicas that were refused.
//!
//! Each of Kubernetes' own kinds tells in a way of its own; of a custom resource nothing is known.

use std::time::Duration;

use headroom_policy_engine::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::meta::Time;

/// Whether old replicas are being replaced by new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollout {
    /// The kind does not tell.
    Unknown,
    /// None is under way, or the kind has none.
    Settled,
    /// One is under way.
    UnderWay {
        /// When it counts as failed, if there is no progress until then; `None` where it has no deadline.
        until: Option<Timestamp>,
    },
}

/// The kinds that tell of rollouts, each in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Deployment,
    StatefulSet,
    /// Its pods are replaced by nobody.
    NoRollouts,
    Unknown,
}

impl Progress {
    pub(crate) fn of_kind(kind: &str) -> Self {
        match kind {
            "Deployment" => Self::Deployment,
            "StatefulSet" => Self::StatefulSet,
            "ReplicaSet" | "ReplicationController" => Self::NoRollouts,
            _ => Self::Unknown,
        }
    }

    /// What an object of `generation` tells.
    pub(crate) fn read(self, generation: Option<u64>, spec: &Value, status: &Value) -> Rollout {
        let at_work = match self {
            Self::Unknown => return Rollout::Unknown,
            Self::NoRollouts => return Rollout::Settled,
            Self::Deployment => deployment(spec, status),
            Self::StatefulSet => stateful_set(spec, status),
        };
        if at_work == Rollout::Settled && is_unseen(generation, spec, status) {
            return Rollout::UnderWay { until: None };
        }
        at_work
    }
}

/// Whether something other than the count changed, and the controller has not looked at it yet. What it was is not known.
fn is_unseen(generation: Option<u64>, spec: &Value, status: &Value) -> bool {
    let seen = status.get("observedGeneration").and_then(Value::as_u64);
    let count_is_seen = number(spec, "replicas") == number(status, "replicas");
    count_is_seen && generation.zip(seen).is_some_and(|(is, seen)| seen < is)
}

fn deployment(spec: &Value, status: &Value) -> Rollout {
    let progressing = condition(status, "Progressing");
    let reason = progressing
        .as_ref()
        .map_or("", |condition| condition.reason.as_str());
    if reason == "ProgressDeadlineExceeded" {
        return Rollout::Settled;
    }
    let old_are_left = number(status, "updatedReplicas") < number(status, "replicas");
    // A change of the count alone leaves the reason at `NewReplicaSetAvailable`.
    let new_are_awaited = matches!(
        reason,
        "NewReplicaSetCreated" | "FoundNewReplicaSet" | "ReplicaSetUpdated"
    );
    if !old_are_left && !new_are_awaited {
        return Rollout::Settled;
    }
    let patience = spec.get("progressDeadlineSeconds").and_then(Value::as_u64);
    let progressed = progressing.and_then(|condition| condition.last_update_time);
    Rollout::UnderWay {
        until: progressed
            .zip(patience)
            .map(|(at, seconds)| at.0.plus(Duration::from_secs(seconds))),
    }
}

fn stateful_set(spec: &Value, status: &Value) -> Rollout {
    let revision = |name| status.get(name).and_then(Value::as_str);
    let strategy = spec.get("updateStrategy");
    let by_hand = strategy.and_then(|one| one.get("type")).and_then(Value::as_str) == Some("OnDelete");
    let partition = strategy
        .and_then(|one| one.pointer("/rollingUpdate/partition"))
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let due = number(spec, "replicas").saturating_sub(partition);
    let is_new = revision("currentRevision") != revision("updateRevision");
    if is_new && !by_hand && number(status, "updatedReplicas") < due {
        Rollout::UnderWay { until: None }
    } else {
        Rollout::Settled
    }
}

/// Why no further pod was let in, in the words of the API server; `None` where it does not refuse any, or the kind does
/// not tell.
pub(crate) fn refusal(status: &Value) -> Option<Box<str>> {
    let failure = condition(status, "ReplicaFailure")?;
    (failure.status == "True" && failure.reason == "FailedCreate").then(|| failure.message.into())
}

fn number(of: &Value, name: &str) -> u64 {
    of.get(name).and_then(Value::as_u64).unwrap_or_default()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    last_update_time: Option<Time>,
}

/// The condition `kind`. What has another shape than Kubernetes' own is none.
fn condition(status: &Value, kind: &str) -> Option<Condition> {
    let conditions = status.get("conditions").and_then(Value::as_array)?;
    let mut each = conditions
        .iter()
        .filter_map(|one| Condition::deserialize(one).ok());
    each.find(|one| one.kind == kind)
}

#[cfg(test)]
mod tests;
