//! What is kept of a HorizontalPodAutoscaler: which object it scales, and the count that it wants.

use serde::{Deserialize, de::IgnoredAny};

use crate::{meta::Raw, view::Kept};

/// A HorizontalPodAutoscaler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hpa {
    /// Its name.
    pub name: Box<str>,
    /// The kind of the object that it scales, such as `Deployment`.
    pub target_kind: Box<str>,
    /// The group of that kind; empty for the core group.
    pub target_group: Box<str>,
    /// The name of that object.
    pub target_name: Box<str>,
    /// The fewest replicas it sets.
    pub min_replicas: Option<u32>,
    /// The most replicas it sets.
    pub max_replicas: u32,
    /// The ScaledObject that made it, where KEDA did.
    pub scaled_object: Option<Box<str>>,
    /// The count that it wanted when it last looked; `None` where it never did, or does not look: its status has 0 then.
    pub wants: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawSpec {
    scale_target_ref: RawRef,
    min_replicas: Option<u32>,
    max_replicas: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawStatus {
    desired_replicas: Option<u32>,
}

/// An object as another one names it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawRef {
    pub(crate) api_version: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) name: String,
}

impl RawRef {
    /// The group in `apps/v1`; the core group where there is only a version.
    pub(crate) fn group(&self) -> &str {
        let version = self.api_version.as_deref().unwrap_or_default();
        version.split_once('/').map_or("", |(group, _)| group)
    }
}

impl Kept for Hpa {
    type Raw = Raw<RawSpec, RawStatus, IgnoredAny>;
    type How = ();

    fn keep(raw: Self::Raw, (): &()) -> Self {
        let Raw {
            metadata,
            spec,
            status,
        } = raw;
        let mut labels = metadata.labels.unwrap_or_default();
        Self {
            name: metadata.name.into(),
            target_group: spec.scale_target_ref.group().into(),
            target_kind: spec.scale_target_ref.kind.unwrap_or_default().into(),
            target_name: spec.scale_target_ref.name.into(),
            min_replicas: spec.min_replicas,
            max_replicas: spec.max_replicas,
            scaled_object: labels
                .remove("scaledobject.keda.sh/name")
                .map(String::into_boxed_str),
            wants: status.desired_replicas.filter(|wants| *wants > 0),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hpa_is_kept_with_what_it_scales() {
        let raw = serde_json::json!({
            "metadata": {"name": "keda-hpa-api", "labels": {"scaledobject.keda.sh/name": "api"}},
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
                "minReplicas": 2, "maxReplicas": 9, "metrics": [{"type": "Resource"}],
            },
            "status": {"currentReplicas": 2, "desiredReplicas": 3, "conditions": []},
        });
        let expected = Hpa {
            name: "keda-hpa-api".into(),
            target_kind: "Deployment".into(),
            target_group: "apps".into(),
            target_name: "api".into(),
            min_replicas: Some(2),
            max_replicas: 9,
            scaled_object: Some("api".into()),
            wants: Some(3),
        };
        assert_eq!(Hpa::keep(serde_json::from_value(raw).unwrap(), &()), expected);
    }

    #[test]
    fn an_hpa_that_has_not_looked_yet_wants_no_count() {
        for status in [
            serde_json::json!({}),
            serde_json::json!({"desiredReplicas": 0, "conditions": null}),
        ] {
            let raw = serde_json::json!({
                "metadata": {"name": "api"},
                "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "api"}, "maxReplicas": 9},
                "status": status,
            });
            assert_eq!(Hpa::keep(serde_json::from_value(raw).unwrap(), &()).wants, None);
        }
    }

    #[test]
    fn a_version_without_a_group_is_of_the_core_group() {
        let named = |version: &str| RawRef {
            api_version: Some(version.to_owned()),
            ..RawRef::default()
        };
        assert_eq!(named("v1").group(), "");
        assert_eq!(named("argoproj.io/v1alpha1").group(), "argoproj.io");
    }
}
