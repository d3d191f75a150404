//! What is kept of an object that can be scaled, of whatever kind.
//!
//! Where the count, the status and the selector stand is known for Kubernetes' own kinds, and told by its
//! definition for a custom resource.

use headroom_policy_engine::Replicas;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    ClusterError, FieldOwner, Rollout,
    meta::{self, Raw, RawManagedFields},
    rollout::{self, Progress},
    view::Kept,
};

/// An object that can be scaled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalable {
    /// Its name.
    pub name: Box<str>,
    /// What identifies this object and no later one of the same name.
    pub uid: Box<str>,
    /// The version of the whole object that this was read from.
    pub version: Box<str>,
    /// The count it wants; `None` where it does not say.
    pub replicas: Option<Replicas>,
    /// The count that its controller has seen: zero where the status does not say, as the scale subresource has it.
    pub observed: Replicas,
    /// The selector of its pods, in text; `None` where it has none.
    pub selector: Option<Box<str>>,
    /// Who wrote the count it wants; `None` where nobody says that it did.
    pub replicas_owner: Option<FieldOwner>,
    /// Whether it tells who wrote its fields at all.
    pub tells_owners: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether a rollout is under way.
    pub rollout: Rollout,
    /// Why no further pod is let in, in the API server's words; `None` where the object tells of none that was refused.
    pub refused: Option<Box<str>>,
}

/// Where things stand in an object of some kind, as paths from its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    pub(crate) replicas: Vec<String>,
    pub(crate) observed: Vec<String>,
    /// `None`: the kind has no selector.
    pub(crate) selector: Option<Vec<String>>,
    /// What it means that the wanted count is absent: nothing is known, but for the Scale object, which leaves out a zero.
    pub(crate) absent: Option<Replicas>,
    /// How it tells of rollouts.
    pub(crate) progress: Progress,
}

impl ScalePaths {
    /// Of one of Deployment, StatefulSet, ReplicaSet and ReplicationController.
    pub(crate) fn of_workload(kind: &str) -> Self {
        Self {
            replicas: path(".spec.replicas"),
            observed: path(".status.replicas"),
            selector: Some(path(".spec.selector")),
            absent: None,
            progress: Progress::of_kind(kind),
        }
    }

    /// As a custom resource's definition says.
    pub(crate) fn of_definition(replicas: &str, observed: &str, selector: Option<&str>) -> Self {
        Self {
            replicas: path(replicas),
            observed: path(observed),
            selector: selector.map(path),
            absent: None,
            progress: Progress::Unknown,
        }
    }

    /// Of the Scale object itself.
    pub(crate) fn of_scale() -> Self {
        Self {
            absent: Some(Replicas::ZERO),
            ..Self::of_definition(".spec.replicas", ".status.replicas", Some(".status.selector"))
        }
    }
}

/// The parts of a path such as `.spec.replicas`. Definitions allow nothing but names and points.
fn path(text: &str) -> Vec<String> {
    text.split('.')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Scalable {
    /// The count it wants.
    ///
    /// # Errors
    /// [`ClusterError::NoCount`] where it has none: absent is not zero.
    pub fn wanted(&self) -> Result<Replicas, ClusterError> {
        self.replicas.ok_or_else(|| ClusterError::NoCount {
            what: format!("`{}`", self.name),
        })
    }

    /// Whether `other` is the same object, and was read later.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        let version = |object: &Self| object.version.parse::<u64>().ok();
        self.uid == other.uid
            && version(self)
                .zip(version(other))
                .is_some_and(|(own, others)| own < others)
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tree(Value);

impl Kept for Scalable {
    type Raw = Raw<Tree, Tree, Vec<RawManagedFields>>;
    type How = ScalePaths;

    fn keep(raw: Self::Raw, paths: &ScalePaths) -> Self {
        let Raw {
            metadata,
            spec,
            status,
        } = raw;
        let at = |path: &[String]| {
            let (root, rest) = path.split_first()?;
            let tree = match root.as_str() {
                "spec" => &spec.0,
                "status" => &status.0,
                _ => return None,
            };
            rest.iter().try_fold(tree, |tree, part| tree.get(part))
        };
        let count = |path: &[String]| {
            let count = at(path).filter(|value| !value.is_null());
            count.map(|value| {
                let count = value.as_u64().and_then(|count| u32::try_from(count).ok());
                count.map(Replicas::new)
            })
        };
        Self {
            replicas: count(&paths.replicas).unwrap_or(paths.absent),
            observed: count(&paths.observed).flatten().unwrap_or_default(),
            selector: paths
                .selector
                .as_deref()
                .and_then(at)
                .and_then(selector)
                .map(String::into_boxed_str),
            replicas_owner: meta::owner(&metadata.managed_fields, &paths.replicas),
            tells_owners: !metadata.managed_fields.is_empty(),
            deleting: metadata.deletion_timestamp.is_some(),
            rollout: paths.progress.read(metadata.generation, &spec.0, &status.0),
            refused: rollout::refusal(&status.0),
            name: metadata.name.into(),
            uid: metadata.uid.into(),
            version: metadata.resource_version.into(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// A selector in text, as the scale subresource gives it.
pub(crate) fn selector(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(fields)
            if fields.contains_key("matchLabels") || fields.contains_key("matchExpressions") =>
        {
            let labels = fields.get("matchLabels").into_iter().flat_map(equalities);
            let expressions = fields.get("matchExpressions").and_then(Value::as_array);
            let expressions = expressions.into_iter().flatten().filter_map(expression);
            Some(labels.chain(expressions).collect::<Vec<_>>().join(","))
        }
        // A ReplicationController's selector is the labels themselves.
        Value::Object(_) => Some(equalities(value).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

fn equalities(labels: &Value) -> impl Iterator<Item = String> {
    let labels = labels.as_object().into_iter().flatten();
    labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
}

fn expression(value: &Value) -> Option<String> {
    let key = value.get("key")?.as_str()?;
    let values = || {
        let values = value
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        values.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
    };
    match value.get("operator")?.as_str()? {
        "In" => Some(format!("{key} in ({})", values())),
        "NotIn" => Some(format!("{key} notin ({})", values())),
        "Exists" => Some(key.to_owned()),
        "DoesNotExist" => Some(format!("!{key}")),
        // One that this version does not know must not match more than it means.
        other => Some(format!("{key} {other}")),
    }
}

#[cfg(test)]
mod tests;
