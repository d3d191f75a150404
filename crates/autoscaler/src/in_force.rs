//! What is in force beside a policy at one moment: schedules, and what people asked for.
//!
//! Kept with each decision, so that whoever reads it later sees who asked for what, and until when.

use headroom_policy_engine::{ActiveBounds, BoundSource, Hold, Timestamp, Workload};
use serde::{Deserialize, Serialize};

/// A schedule or an override that is in force at the moment of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// What it is.
    pub by: BoundSource,
    /// The floor and the ceiling that it asks for.
    pub bounds: ActiveBounds,
    /// The hold that it asks for.
    pub hold: Option<Hold>,
    /// When it ends, if nothing else happens.
    pub until: Timestamp,
}

/// Tells the engine what is in force.
pub(crate) fn impose(in_force: &[InForce], target: &mut Workload) {
    for one in in_force {
        target.bounds.add(&one.bounds);
        target.holds.extend(one.hold.clone());
    }
}
