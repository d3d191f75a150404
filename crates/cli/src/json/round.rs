//! What the HPA would have in its status, as an object.

use headroom_policy_engine::{
    ConditionStatus, RoundStatus,
    hpa::{Condition, ConditionReason, ConditionType},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema;
use crate::moment;

/// What the HPA would have in its status after a round.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HpaStatus")]
pub(super) struct HpaObject {
    /// The count that was decided last (`status.desiredReplicas`); `null` where none ever was.
    desired_replicas: Option<u32>,
    /// Whether another count was written in this round.
    rescaled: bool,
    /// Why the round ended with an error, for people; `null` where it did not. It may have scaled all the same.
    error: Option<String>,
    /// One that no round has reached is absent.
    conditions: Vec<ConditionObject>,
}

/// A condition of an HPA, in its own words.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HpaCondition")]
struct ConditionObject {
    #[serde(rename = "type")]
    #[schemars(schema_with = "schema::code::<ConditionType>")]
    kind: String,
    #[schemars(schema_with = "status_schema")]
    status: String,
    #[schemars(schema_with = "schema::code::<ConditionReason>")]
    reason: String,
    /// Since when it has this status.
    #[schemars(schema_with = "schema::moment")]
    since: String,
}

fn status_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let statuses = [
        ConditionStatus::True,
        ConditionStatus::False,
        ConditionStatus::Unknown,
    ];
    schemars::json_schema!({ "type": "string", "enum": statuses.map(|status| status.to_string()) })
}

impl From<&RoundStatus> for HpaObject {
    fn from(round: &RoundStatus) -> Self {
        let condition = |(kind, condition): (ConditionType, Condition)| ConditionObject {
            kind: kind.to_string(),
            status: condition.status.to_string(),
            reason: condition.reason.to_string(),
            since: moment::rfc3339(condition.since),
        };
        Self {
            desired_replicas: round.desired.map(|replicas| replicas.get()),
            rescaled: round.rescaled,
            error: round.error.as_ref().map(ToString::to_string),
            conditions: round.conditions.iter().map(condition).collect(),
        }
    }
}
