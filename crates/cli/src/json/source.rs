//! Who or what asks for something beside the policy, and what they ask for, as objects.

use headroom_policy_engine::{BoundSource, BoundsInForce, Hold, HoldSource, Operator};
use schemars::JsonSchema;
use serde::Serialize;

use super::schema;
use crate::moment;

/// Who or what asks for something beside the policy.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Source")]
pub(crate) enum SourceObject<'a> {
    /// A schedule of the policy.
    Schedule {
        /// Its name.
        name: &'a str,
    },
    /// A person, for a time.
    Override {
        /// Who, as far as they told.
        by: Option<&'a str>,
        /// Why, in their words.
        reason: Option<&'a str>,
    },
    /// A query of the policy, for as long as it has a value.
    Query {
        /// The query.
        query: &'a str,
        /// Why it cannot be known whether it has one, for people; `null` where it has.
        unknown: Option<String>,
    },
}

/// What holds a workload from outside the engine.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Hold")]
pub(super) enum HoldObject<'a> {
    /// A person paused it. Holds all writing.
    Paused {
        /// When it ends by itself; `null`: when somebody resumes.
        #[schemars(schema_with = "schema::moment_or_null")]
        until: Option<String>,
    },
    /// Something else scales it too. Holds all writing.
    SecondScaler {
        /// What it is, as its users call it.
        name: &'a str,
    },
    /// Another headroom has set the count since this one did. Holds all writing, until somebody else sets it.
    SecondHeadroom {
        /// The name under which it writes.
        by: &'a str,
    },
    /// Something sets the requests of a resource that the count follows the utilization of. Holds all writing.
    RequestsSet {
        /// What it is, as its users call it.
        by: &'a str,
        /// Of which resources.
        resources: &'a str,
        /// When it sets them, in its own words.
        mode: &'a str,
    },
    /// The target is on its way out. Holds all writing.
    BeingDeleted,
    /// New replicas cannot start or keep dying. Holds scaling up.
    FailingToStart {
        /// How many of the wanted replicas are failing.
        failing: u32,
    },
    /// Somebody asked that the count does not fall. Holds scaling down.
    ScaleDownHeld {
        /// Who or what asked for it.
        by: SourceObject<'a>,
        /// When it ends by itself; `null`: when that is ended.
        #[schemars(schema_with = "schema::moment_or_null")]
        until: Option<String>,
    },
    /// Old replicas are being replaced by new ones. Holds scaling down.
    RollingOut {
        /// Its deadline; `null` where it has none.
        #[schemars(schema_with = "schema::moment_or_null")]
        until: Option<String>,
    },
    /// Somebody else keeps setting the count. Holds scaling down.
    Contested {
        /// Who; `null` where the target does not tell.
        by: Option<&'a str>,
        /// When it ends, if the count is left alone until then; `null`: not by waiting.
        #[schemars(schema_with = "schema::moment_or_null")]
        until: Option<String>,
    },
    /// Too much of the whole fleet would fall at once. Holds scaling down.
    FleetBrake {
        /// When it ends by itself.
        #[schemars(schema_with = "schema::moment")]
        until: String,
    },
}

/// The bounds that held.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Bounds")]
pub(super) struct BoundsObject<'a> {
    /// The fewest replicas.
    min_replicas: u32,
    /// What set that; `null`: the policy itself.
    min_by: Option<SourceObject<'a>>,
    /// The most replicas.
    max_replicas: u32,
    /// What set that; `null`: the policy itself.
    max_by: Option<SourceObject<'a>>,
    /// Whether the count may rest at zero all the same.
    zero: bool,
}

impl<'a> From<&'a BoundSource> for SourceObject<'a> {
    fn from(by: &'a BoundSource) -> Self {
        match by {
            BoundSource::Schedule(name) => Self::Schedule { name: name.as_str() },
            BoundSource::Override(operator) => Self::from(operator),
        }
    }
}

impl<'a> From<&'a HoldSource> for SourceObject<'a> {
    fn from(by: &'a HoldSource) -> Self {
        match by {
            HoldSource::Override(operator) => Self::from(operator),
            HoldSource::Query(query) => Self::Query { query, unknown: None },
            HoldSource::UnknownQuery { query, why } => Self::Query {
                query,
                unknown: Some(why.to_string()),
            },
        }
    }
}

impl<'a> From<&'a Operator> for SourceObject<'a> {
    fn from(operator: &'a Operator) -> Self {
        Self::Override {
            by: operator.by.as_deref(),
            reason: operator.reason.as_deref(),
        }
    }
}

impl<'a> From<&'a Hold> for HoldObject<'a> {
    fn from(hold: &'a Hold) -> Self {
        let until = hold.until().map(moment::rfc3339);
        match hold {
            Hold::Paused { .. } => Self::Paused { until },
            Hold::SecondScaler { name, .. } => Self::SecondScaler { name },
            Hold::SecondHeadroom { by } => Self::SecondHeadroom { by },
            Hold::RequestsSet { by, resources, mode } => Self::RequestsSet { by, resources, mode },
            Hold::BeingDeleted => Self::BeingDeleted,
            Hold::FailingToStart { failing } => Self::FailingToStart {
                failing: failing.get(),
            },
            Hold::ScaleDownHeld { by, .. } => Self::ScaleDownHeld { by: by.into(), until },
            Hold::RollingOut { .. } => Self::RollingOut { until },
            Hold::Contested { by, .. } => Self::Contested {
                by: by.as_deref(),
                until,
            },
            Hold::FleetBrake { until } => Self::FleetBrake {
                until: moment::rfc3339(*until),
            },
        }
    }
}

impl<'a> From<BoundsInForce<'a>> for BoundsObject<'a> {
    fn from(in_force: BoundsInForce<'a>) -> Self {
        let bounds = in_force.bounds();
        Self {
            min_replicas: bounds.min().get(),
            min_by: in_force.active.minimum_by().map(Into::into),
            max_replicas: bounds.max().get(),
            max_by: in_force.active.maximum_by(in_force.own.bounds).map(Into::into),
            zero: in_force.own.zero && in_force.active.floor.is_none(),
        }
    }
}
