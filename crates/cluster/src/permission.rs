//! What headroom asks of a cluster, and the permission that each of it takes: the one table of these.
//!
//! Roles are made from it, the API server is asked about it, and a guard that is off names what it misses from it.

use std::fmt;

use crate::Resource;

/// What is done to a resource, as rules of a Role name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads all objects.
    List,
    /// Follows all objects.
    Watch,
    /// Changes a part of one object.
    Patch,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Patch => "patch",
        })
    }
}

const FOLLOW: &[Verb] = &[Verb::Get, Verb::List, Verb::Watch];

/// Something that headroom asks of a cluster, in one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// To read the objects of a kind that are scaled.
    Targets(Resource),
    /// To read the count of one object through its scale subresource, where the definition of its kind may not be read.
    ReadCount {
        /// The kind.
        resource: Resource,
        /// The name of the object.
        name: String,
    },
    /// To set the count of one object.
    SetCount {
        /// The kind.
        resource: Resource,
        /// The name of the object.
        name: String,
    },
    /// To say at one object why its count was changed, which takes the right to change all of it.
    Annotate {
        /// The kind.
        resource: Resource,
        /// The name of the object.
        name: String,
    },
    /// To read pods.
    Pods,
    /// To read HorizontalPodAutoscalers.
    Hpas,
    /// To read ScaledObjects, where KEDA is installed.
    ScaledObjects,
    /// To read VerticalPodAutoscalers, where they are installed.
    Vpas,
    /// To read PodDisruptionBudgets.
    Pdbs,
    /// To read what pods use.
    Usage,
}

impl Need {
    /// The permission that it takes in `namespace`.
    #[must_use]
    pub fn permission(&self, namespace: &str) -> Permission {
        let on = |resource: &Resource, verbs| Permission {
            namespace: namespace.to_owned(),
            resource: resource.clone(),
            subresource: None,
            name: None,
            verbs,
        };
        let on_scale = |resource: &Resource, name: &str, verbs| Permission {
            subresource: Some("scale"),
            name: Some(name.to_owned()),
            ..on(resource, verbs)
        };
        match self {
            Self::Targets(resource) => on(resource, FOLLOW),
            Self::ReadCount { resource, name } => on_scale(resource, name, &[Verb::Get]),
            Self::SetCount { resource, name } => on_scale(resource, name, &[Verb::Patch]),
            Self::Annotate { resource, name } => Permission {
                name: Some(name.clone()),
                ..on(resource, &[Verb::Patch])
            },
            Self::Pods => on(&Resource::pods(), FOLLOW),
            Self::Hpas => on(&Resource::hpas(), FOLLOW),
            Self::ScaledObjects => on(&Resource::scaled_objects(), FOLLOW),
            Self::Vpas => on(&Resource::vpas(), FOLLOW),
            // They are looked at once, and decide nothing.
            Self::Pdbs => on(&Resource::pdbs(), &[Verb::List]),
            // metrics.k8s.io cannot be watched.
            Self::Usage => on(&Resource::pod_metrics(), &[Verb::List]),
        }
    }

    /// What it is for, as people are told.
    #[must_use]
    pub const fn purpose(&self) -> &'static str {
        match self {
            Self::Targets(_) => "what is scaled: counts, selectors, rollouts",
            Self::ReadCount { .. } => "counts, where the definition of the kind may not be read",
            Self::SetCount { .. } => "the counts that are set, and no others",
            Self::Annotate { .. } => "why a count was changed, written at the object: annotate = true",
            Self::Pods => "how many replicas are ready, and what keeps others from starting",
            Self::Hpas => "the guard against a second scaler",
            Self::ScaledObjects => "the guard against a second scaler, where KEDA is installed",
            Self::Vpas => {
                "the guard against requests that change, where VerticalPodAutoscalers are installed"
            }
            Self::Pdbs => "what `check --live` says of PodDisruptionBudgets",
            Self::Usage => "cpu and memory of pods",
        }
    }

    /// The kind whose definition decides whether it is needed at all; `None`: it is needed in every cluster.
    #[must_use]
    pub fn only_where_served(&self) -> Option<Resource> {
        match self {
            Self::ScaledObjects => Some(Resource::scaled_objects()),
            Self::Vpas => Some(Resource::vpas()),
            Self::Targets(_)
            | Self::ReadCount { .. }
            | Self::SetCount { .. }
            | Self::Annotate { .. }
            | Self::Pods
            | Self::Hpas
            | Self::Pdbs
            | Self::Usage => None,
        }
    }
}

/// What has to be allowed, as Roles have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The namespace.
    pub namespace: String,
    /// The kind.
    pub resource: Resource,
    /// The part of its objects, such as `scale`; `None`: the objects themselves.
    pub subresource: Option<&'static str>,
    /// The one object; `None`: all of the namespace.
    pub name: Option<String>,
    /// What is done.
    pub verbs: &'static [Verb],
}

impl Permission {
    /// The rule of a Role that allows it, on one line of YAML.
    #[must_use]
    pub fn rule(&self) -> String {
        let names = self
            .name
            .as_ref()
            .map_or_else(String::new, |name| format!("resourceNames: [\"{name}\"], "));
        let verbs: Vec<String> = self.verbs.iter().map(Verb::to_string).collect();
        format!(
            "{{apiGroups: [\"{}\"], resources: [{}], {names}verbs: [{}]}}",
            self.resource.group,
            self.in_role(),
            verbs.join(", ")
        )
    }

    /// The resource as rules of a Role have it, such as `deployments/scale`.
    #[must_use]
    pub fn in_role(&self) -> String {
        self.with_subresource(&self.resource.plural)
    }

    /// The resource as the API server's errors have it, such as `deployments.apps/scale`.
    #[must_use]
    pub fn resource_in_group(&self) -> String {
        self.with_subresource(&self.resource)
    }

    fn with_subresource(&self, resource: &dyn fmt::Display) -> String {
        self.subresource.map_or_else(
            || resource.to_string(),
            |subresource| format!("{resource}/{subresource}"),
        )
    }
}

/// As the API server's errors have it: ``patch deployments.apps/scale `api` in namespace shop``.
impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs: Vec<String> = self.verbs.iter().map(Verb::to_string).collect();
        match verbs.split_last() {
            Some((last, rest)) if !rest.is_empty() => write!(f, "{} and {last} ", rest.join(", "))?,
            Some((only, _)) => write!(f, "{only} ")?,
            None => {}
        }
        f.write_str(&self.resource_in_group())?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        write!(f, " in namespace {}", self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployments() -> Resource {
        Resource::new("apps", "v1", "deployments", "Deployment")
    }

    #[test]
    fn a_count_may_be_set_of_one_object_alone() {
        let need = Need::SetCount {
            resource: deployments(),
            name: "api".to_owned(),
        };
        let permission = need.permission("shop");
        assert_eq!(
            permission.rule(),
            "{apiGroups: [\"apps\"], resources: [deployments/scale], resourceNames: [\"api\"], verbs: [patch]}"
        );
        assert_eq!(
            permission.to_string(),
            "patch deployments.apps/scale `api` in namespace shop"
        );
    }

    #[test]
    fn what_is_followed_is_read_in_three_ways() {
        let permission = Need::Pods.permission("shop");
        assert_eq!(
            permission.rule(),
            "{apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch]}"
        );
        assert_eq!(
            permission.to_string(),
            "get, list and watch pods in namespace shop"
        );
    }
}
