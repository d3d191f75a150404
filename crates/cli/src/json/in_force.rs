//! What is in force beside a policy, as an object.

use headroom_autoscaler::InForce;
use schemars::JsonSchema;
use serde::Serialize;

use super::{SourceObject, schema};
use crate::moment;

/// One schedule or override that is in force.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "InForce")]
pub(crate) struct InForceObject<'a> {
    #[serde(flatten)]
    by: SourceObject<'a>,
    /// At least so many; `null` where it asks for none.
    min_replicas: Option<u32>,
    /// At most so many; `null` where it asks for none.
    max_replicas: Option<u32>,
    /// Whether the count is not to fall.
    hold_down: bool,
    #[schemars(schema_with = "schema::moment")]
    until: String,
}

impl<'a> InForceObject<'a> {
    /// Of one.
    pub(crate) fn new(one: &'a InForce) -> Self {
        let floor = one.bounds.floor.as_ref();
        let ceiling = one.bounds.ceiling.as_ref();
        Self {
            by: (&one.by).into(),
            min_replicas: floor.map(|bound| bound.replicas().get()),
            max_replicas: ceiling.map(|bound| bound.replicas().get()),
            hold_down: one.hold.is_some(),
            until: moment::rfc3339(one.until),
        }
    }
}
