//! What is in force beside a policy, as an object.

use headroom_autoscaler::InForce;
use headroom_policy_engine::BoundSource;
use serde::Serialize;

use crate::moment;

/// One schedule or override that is in force.
#[derive(Debug, Serialize)]
pub(crate) struct InForceObject<'a> {
    /// `schedule` or `override`.
    kind: &'static str,
    /// The schedule's name.
    name: Option<&'a str>,
    /// Who overrode, as far as they told.
    by: Option<&'a str>,
    /// Why they did, in their words.
    reason: Option<&'a str>,
    /// At least so many.
    min_replicas: Option<u32>,
    /// At most so many.
    max_replicas: Option<u32>,
    /// Whether the count is not to fall.
    hold_down: bool,
    until: String,
}

impl<'a> InForceObject<'a> {
    /// Of one.
    pub(crate) fn new(one: &'a InForce) -> Self {
        let (kind, name, by, reason) = match &one.by {
            BoundSource::Schedule(name) => ("schedule", Some(name.as_str()), None, None),
            BoundSource::Override(operator) => (
                "override",
                None,
                operator.by.as_deref(),
                operator.reason.as_deref(),
            ),
        };
        let floor = one.bounds.floor.as_ref();
        let ceiling = one.bounds.ceiling.as_ref();
        Self {
            kind,
            name,
            by,
            reason,
            min_replicas: floor.map(|bound| bound.replicas().get()),
            max_replicas: ceiling.map(|bound| bound.replicas().get()),
            hold_down: one.hold.is_some(),
            until: moment::rfc3339(one.until),
        }
    }
}
