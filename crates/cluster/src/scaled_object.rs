//! What is kept of KEDA's ScaledObject: which object it scales.

use serde::{Deserialize, de::IgnoredAny};

use crate::{hpa::RawRef, meta::Raw, view::Kept};

/// A ScaledObject of KEDA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaledObject {
    /// Its name.
    pub name: Box<str>,
    /// The kind of the object that it scales.
    pub target_kind: Box<str>,
    /// The group of that kind; empty for the core group.
    pub target_group: Box<str>,
    /// The name of that object.
    pub target_name: Box<str>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawSpec {
    scale_target_ref: RawRef,
}

impl Kept for ScaledObject {
    type Raw = Raw<RawSpec, Option<IgnoredAny>, IgnoredAny>;
    type How = ();

    fn keep(raw: Self::Raw, (): &()) -> Self {
        let target = raw.spec.scale_target_ref;
        // KEDA's defaults: a Deployment of apps/v1.
        let group = if target.api_version.is_some() {
            target.group()
        } else {
            "apps"
        };
        Self {
            name: raw.metadata.name.into(),
            target_group: group.into(),
            target_kind: target.kind.as_deref().unwrap_or("Deployment").into(),
            target_name: target.name.into(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(reference: serde_json::Value, group: &str, kind: &str) {
        let raw = serde_json::json!({
            "metadata": {"name": "so"}, "spec": {"scaleTargetRef": reference, "triggers": []},
        });
        let kept = ScaledObject::keep(serde_json::from_value(raw).unwrap(), &());
        assert_eq!(
            (&*kept.target_group, &*kept.target_kind, &*kept.target_name),
            (group, kind, "api")
        );
    }

    #[test]
    fn a_scaled_object_scales_a_deployment_where_it_says_nothing_else() {
        check(serde_json::json!({"name": "api"}), "apps", "Deployment");
        let rollout =
            serde_json::json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "api"});
        check(rollout, "argoproj.io", "Rollout");
    }
}
