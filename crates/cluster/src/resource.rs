//! Which kind of object, which object, and where the API server keeps them.

use std::fmt;

/// A kind as people write it: `deployment`, `rollout.argoproj.io`, `rollouts.v1alpha1.argoproj.io`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KindName {
    /// The kind, its plural, or a short name; in lower case.
    pub kind: String,
    /// The version in its group; `None`: the group's preferred one.
    pub version: Option<String>,
    /// Its group; `None`: the one group that has it.
    pub group: Option<String>,
}

impl fmt::Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        for part in [&self.version, &self.group].into_iter().flatten() {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

/// An object of a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// Its kind.
    pub kind: KindName,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} in namespace {}", self.kind, self.name, self.namespace)
    }
}

/// A kind of object as the API server serves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource {
    /// Its group; empty for the core group.
    pub group: String,
    /// Its version.
    pub version: String,
    /// Its name in paths and rules, such as `deployments`.
    pub plural: String,
    /// Its kind, such as `Deployment`.
    pub kind: String,
}

impl Resource {
    pub(crate) fn new(group: &str, version: &str, plural: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
        }
    }

    /// Pods.
    #[must_use]
    pub fn pods() -> Self {
        Self::new("", "v1", "pods", "Pod")
    }

    /// HorizontalPodAutoscalers.
    #[must_use]
    pub fn hpas() -> Self {
        Self::new(
            "autoscaling",
            "v2",
            "horizontalpodautoscalers",
            "HorizontalPodAutoscaler",
        )
    }

    /// ScaledObjects of KEDA.
    #[must_use]
    pub fn scaled_objects() -> Self {
        Self::new("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
    }

    /// VerticalPodAutoscalers.
    #[must_use]
    pub fn vpas() -> Self {
        Self::new(
            "autoscaling.k8s.io",
            "v1",
            "verticalpodautoscalers",
            "VerticalPodAutoscaler",
        )
    }

    /// PodDisruptionBudgets.
    pub(crate) fn pdbs() -> Self {
        Self::new("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
    }

    pub(crate) fn pod_metrics() -> Self {
        Self::new("metrics.k8s.io", "v1beta1", "pods", "PodMetrics")
    }

    /// Its group and version as objects have them: `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Where the objects of `namespace` are.
    pub(crate) fn collection(&self, namespace: &str) -> String {
        self.collection_in(Some(namespace))
    }

    /// Where the objects of `namespace` are, or of all namespaces.
    pub(crate) fn collection_in(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        let namespace = namespace.map_or_else(String::new, |namespace| format!("namespaces/{namespace}/"));
        format!("{root}/{namespace}{}", self.plural)
    }

    /// Where one of them is.
    pub(crate) fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection(namespace))
    }
}

/// As `kubectl` and the API server's errors have it: `deployments.apps`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.plural)?;
        if self.group.is_empty() {
            Ok(())
        } else {
            write!(f, ".{}", self.group)
        }
    }
}

/// What a request does to what, for errors that name the permission.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) verb: &'static str,
    /// As in a rule of a Role, such as `deployments.apps/scale`; a path for what is no resource.
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Action {
    pub(crate) fn list(resource: &Resource, namespace: &str) -> Self {
        Self::list_in(resource, Some(namespace))
    }

    /// Listing in one namespace, or in all of them.
    pub(crate) fn list_in(resource: &Resource, namespace: Option<&str>) -> Self {
        Self {
            verb: "list",
            resource: resource.to_string(),
            namespace: namespace.map(str::to_owned),
            name: None,
        }
    }

    pub(crate) fn watch(resource: &Resource, namespace: &str) -> Self {
        Self {
            verb: "watch",
            ..Self::list(resource, namespace)
        }
    }

    pub(crate) fn get(resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            verb: "get",
            name: Some(name.to_owned()),
            ..Self::list(resource, namespace)
        }
    }

    pub(crate) fn patch(resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            verb: "patch",
            ..Self::get(resource, namespace, name)
        }
    }

    pub(crate) fn on_scale(verb: &'static str, resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            verb,
            resource: format!("{resource}/scale"),
            ..Self::get(resource, namespace, name)
        }
    }

    /// Asking what the user may do.
    pub(crate) fn review() -> Self {
        Self {
            verb: "create",
            ..Self::get_path("selfsubjectaccessreviews.authorization.k8s.io")
        }
    }

    /// Reading what belongs to no namespace.
    pub(crate) fn get_path(path: &str) -> Self {
        Self {
            verb: "get",
            resource: path.to_owned(),
            namespace: None,
            name: None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if let Some(name) = &self.name {
            write!(f, " `{name}`")?;
        }
        if let Some(namespace) = &self.namespace {
            write!(f, " in namespace {namespace}")?;
        }
        Ok(())
    }
}
