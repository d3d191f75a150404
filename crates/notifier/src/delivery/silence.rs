//! Times in which people do not want to be told.

use headroom_policy_engine::{Operator, Timestamp, WorkloadId};
use serde::{Deserialize, Serialize};

use super::Waiting;

/// A time in which a person does not want to be told.
///
/// What happens in it is not told later, but for what goes on beyond its end, and the end of what was told before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// About which workload; `None` for all, and for what is about headroom itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadId>,
    /// From then on.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
    /// Who asked for it, and why.
    #[serde(default)]
    pub operator: Operator,
    /// Whether it silences what is critical, and failures, as well.
    #[serde(default)]
    pub silences_critical: bool,
}

impl Silence {
    /// Whether it is in force at `now`.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether it is about `waiting`.
    pub(super) fn covers(&self, waiting: &Waiting) -> bool {
        let is_about = match &self.workload {
            None => true,
            Some(workload) => waiting.workload.as_ref() == Some(workload),
        };
        is_about && (self.silences_critical || !waiting.is_urgent())
    }
}

/// Until when `waiting` is silenced, of those `in_force`; `None` where it is not.
pub(super) fn silenced_until(in_force: &[&Silence], waiting: &Waiting) -> Option<Timestamp> {
    let covering = in_force.iter().filter(|silence| silence.covers(waiting));
    covering.map(|silence| silence.until).max()
}
