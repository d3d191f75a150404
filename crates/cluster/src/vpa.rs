//! What is kept of a VerticalPodAutoscaler: whose pods it is for, and which of their requests it sets.

use serde::{Deserialize, de::IgnoredAny};

use crate::{hpa::RawRef, meta::Raw, view::Kept};

/// What a VerticalPodAutoscaler controls of a container that no policy of it is for.
const BY_DEFAULT: [&str; 2] = ["cpu", "memory"];
/// The container that stands for all without a policy of their own.
const ALL_OTHERS: &str = "*";

/// A VerticalPodAutoscaler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vpa {
    /// Its name.
    pub name: Box<str>,
    /// The kind of the object whose pods it is for.
    pub target_kind: Box<str>,
    /// The group of that kind; empty for the core group.
    pub target_group: Box<str>,
    /// The name of that object.
    pub target_name: Box<str>,
    /// What becomes of its recommendations.
    pub mode: UpdateMode,
    /// What it controls of each container that it has a policy for.
    policies: Box<[ContainerPolicy]>,
}

/// What becomes of the recommendations of a VerticalPodAutoscaler, as its `updateMode` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// They are shown, and nothing is changed.
    Off,
    /// Requests are set by them, of new pods alone or of running ones too: `Initial`, `Recreate`, `InPlaceOrRecreate`,
    /// `Auto`, or one that is not known here.
    Sets(Box<str>),
}

/// What a VerticalPodAutoscaler controls of one container.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ContainerPolicy {
    /// The container; `*` for all that have no policy of their own.
    container: Box<str>,
    /// The resources whose requests it sets; empty where its mode is `Off`.
    resources: Box<[Box<str>]>,
}

impl Vpa {
    /// Whether it is for what `container` requests of `resource`.
    #[must_use]
    pub fn controls(&self, resource: &str, container: &str) -> bool {
        let of = |name: &str| self.policies.iter().find(|policy| &*policy.container == name);
        match of(container).or_else(|| of(ALL_OTHERS)) {
            Some(policy) => policy.resources.iter().any(|one| **one == *resource),
            None => BY_DEFAULT.contains(&resource),
        }
    }

    /// Whether it is for what some container requests of `resource`, whichever there are.
    #[must_use]
    pub fn may_control(&self, resource: &str) -> bool {
        let named = self.policies.iter().map(|policy| &*policy.container);
        named
            .chain([ALL_OTHERS])
            .any(|container| self.controls(resource, container))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RawSpec {
    target_ref: Option<RawRef>,
    update_policy: Option<RawUpdatePolicy>,
    resource_policy: Option<RawResourcePolicy>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawUpdatePolicy {
    update_mode: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawResourcePolicy {
    container_policies: Option<Vec<RawContainerPolicy>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawContainerPolicy {
    container_name: Option<String>,
    mode: Option<String>,
    controlled_resources: Option<Vec<String>>,
}

impl From<RawContainerPolicy> for ContainerPolicy {
    fn from(raw: RawContainerPolicy) -> Self {
        let resources = match (raw.mode.as_deref(), raw.controlled_resources) {
            (Some("Off"), _) => Vec::new(),
            (_, Some(resources)) => resources,
            (_, None) => BY_DEFAULT.map(str::to_owned).to_vec(),
        };
        Self {
            container: raw.container_name.as_deref().unwrap_or(ALL_OTHERS).into(),
            resources: resources.into_iter().map(String::into_boxed_str).collect(),
        }
    }
}

impl Kept for Vpa {
    type Raw = Raw<RawSpec, Option<IgnoredAny>, IgnoredAny>;
    type How = ();

    fn keep(raw: Self::Raw, (): &()) -> Self {
        let target = raw.spec.target_ref.unwrap_or_default();
        let mode = raw.spec.update_policy.unwrap_or_default().update_mode;
        let policies = raw.spec.resource_policy.unwrap_or_default().container_policies;
        Self {
            name: raw.metadata.name.into(),
            target_group: target.group().into(),
            target_kind: target.kind.unwrap_or_default().into(),
            target_name: target.name.into(),
            mode: match mode.as_deref() {
                Some("Off") => UpdateMode::Off,
                Some(mode) => UpdateMode::Sets(mode.into()),
                None => UpdateMode::Sets("Auto".into()),
            },
            policies: policies
                .into_iter()
                .flatten()
                .map(ContainerPolicy::from)
                .collect(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn vpa(more: &Value) -> Vpa {
        let mut spec =
            json!({ "targetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": "api" } });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let raw = json!({ "metadata": { "name": "vpa" }, "spec": spec });
        Vpa::keep(serde_json::from_value(raw).unwrap(), &())
    }

    #[test]
    fn recommendations_that_are_not_off_set_requests() {
        let mode = |mode: Value| vpa(&json!({ "updatePolicy": { "updateMode": mode } })).mode;
        assert_eq!(mode(json!("Off")), UpdateMode::Off);
        for sets in ["Initial", "Recreate", "InPlaceOrRecreate", "Auto"] {
            assert_eq!(mode(json!(sets)), UpdateMode::Sets(sets.into()));
        }
        assert_eq!(mode(Value::Null), UpdateMode::Sets("Auto".into()));
        let silent = vpa(&json!({}));
        assert_eq!(silent.mode, UpdateMode::Sets("Auto".into()));
        assert_eq!(
            (&*silent.target_group, &*silent.target_kind, &*silent.target_name),
            ("apps", "Deployment", "api")
        );
    }

    /// What is controlled of cpu and memory, of the containers `app` and `proxy`.
    #[track_caller]
    fn check(policies: Value, app: [bool; 2], proxy: [bool; 2]) {
        let vpa = vpa(&json!({ "resourcePolicy": { "containerPolicies": policies } }));
        for (container, expected) in [("app", app), ("proxy", proxy)] {
            let found = BY_DEFAULT.map(|resource| vpa.controls(resource, container));
            assert_eq!(found, expected, "{container} by {policies}");
        }
        for (place, resource) in BY_DEFAULT.iter().enumerate() {
            assert!(
                vpa.may_control(resource) || !(app[place] || proxy[place]),
                "{policies}"
            );
        }
        assert!(!vpa.controls("ephemeral-storage", "app"));
    }

    #[test]
    fn a_container_is_controlled_as_its_policy_says_or_that_of_all_others_or_wholly() {
        check(Value::Null, [true, true], [true, true]);
        check(
            json!([{ "containerName": "app", "mode": "Off" }]),
            [false, false],
            [true, true],
        );
        check(
            json!([{ "containerName": "*", "mode": "Off" }, { "containerName": "app", "mode": "Auto" }]),
            [true, true],
            [false, false],
        );
        check(
            json!([{ "containerName": "*", "controlledResources": ["memory"] }]),
            [false, true],
            [false, true],
        );
        check(
            json!([{ "containerName": "app", "controlledResources": [] }, { "mode": "Off" }]),
            [false, false],
            [false, false],
        );
    }

    #[test]
    fn where_no_container_is_known_any_that_is_controlled_counts() {
        let policies = json!([{ "containerName": "*", "mode": "Off" }, { "containerName": "app" }]);
        let one = vpa(&json!({ "resourcePolicy": { "containerPolicies": policies } }));
        assert!(one.may_control("cpu"));
        let policies = json!([{ "containerName": "*", "controlledResources": ["memory"] }]);
        let one = vpa(&json!({ "resourcePolicy": { "containerPolicies": policies } }));
        assert!(!one.may_control("cpu") && one.may_control("memory"));
    }
}
