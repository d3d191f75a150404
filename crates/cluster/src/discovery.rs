//! Which kind a word means, and where objects of that kind have their count.

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{APIGroup, APIGroupList, APIResource, APIResourceList};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{ClusterError, Connection, KindName, Resource, resource::Action, scalable::ScalePaths};

/// A kind that can be scaled, and how its objects are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScalableKind {
    pub(crate) resource: Resource,
    pub(crate) reading: Reading,
}

/// How an object of a kind is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// From the object itself.
    Object(ScalePaths),
    /// From its scale subresource: where the definition of the kind may not be read.
    Scale,
}

/// Kubernetes' own kinds, which are the same in every cluster.
const OWN: [(&str, &str, &str, &str); 4] = [
    ("apps", "deployments", "deployment", "Deployment"),
    ("apps", "statefulsets", "statefulset", "StatefulSet"),
    ("apps", "replicasets", "replicaset", "ReplicaSet"),
    (
        "",
        "replicationcontrollers",
        "replicationcontroller",
        "ReplicationController",
    ),
];

/// Finds the kind that `name` means, which is none of [`own`].
pub(crate) async fn find(
    connection: &Connection,
    name: &KindName,
    until: Instant,
) -> Result<ScalableKind, ClusterError> {
    let resource = match &name.group {
        Some(group) => in_group(connection, name, group, until).await?,
        None => in_any_group(connection, name, until).await?,
    };
    let reading = reading(connection, &resource, until).await?;
    Ok(ScalableKind { resource, reading })
}

/// The kind that `name` means, if it is one of Kubernetes' own.
pub(crate) fn own(name: &KindName) -> Option<ScalableKind> {
    let resource = Resource::own(name)?;
    let reading = Reading::Object(ScalePaths::of_workload(&resource.kind));
    Some(ScalableKind { resource, reading })
}

impl Resource {
    /// The kind that `name` means, where it is one of Kubernetes' own that can be scaled; these are the same in every
    /// cluster. What others mean, [`ClusterView::resource`](crate::ClusterView::resource) finds out.
    #[must_use]
    pub fn own(name: &KindName) -> Option<Self> {
        let (group, plural, _, kind) = OWN.into_iter().find(|(group, plural, singular, _)| {
            (name.kind == *singular || name.kind == *plural)
                && name.group.as_ref().is_none_or(|asked| asked == group)
                && name.version.as_ref().is_none_or(|asked| asked == "v1")
        })?;
        Some(Self::new(group, "v1", plural, kind))
    }
}

async fn in_group(
    connection: &Connection,
    name: &KindName,
    group: &str,
    until: Instant,
) -> Result<Resource, ClusterError> {
    let version = match &name.version {
        Some(version) => version.clone(),
        None => {
            let path = format!("/apis/{group}");
            let answer: Result<APIGroup, _> = connection.get(&path, &Action::get_path(&path), until).await;
            preferred(&answer.map_err(|error| unknown(error, name))?).ok_or_else(|| no_kind(name))?
        }
    };
    let kinds = kinds(connection, group, &version, until).await;
    scalable_among(&kinds.map_err(|error| unknown(error, name))?, name)
}

async fn in_any_group(
    connection: &Connection,
    name: &KindName,
    until: Instant,
) -> Result<Resource, ClusterError> {
    let groups: APIGroupList = connection.get("/apis", &Action::get_path("/apis"), until).await?;
    let asked_until = Instant::now() + (until - Instant::now()) / 2;
    let each = groups
        .groups
        .iter()
        .filter_map(|group| Some((group.name.as_str(), preferred(group)?)));
    let each: Vec<_> = each
        .map(async |(group, version)| kinds(connection, group, &version, asked_until).await)
        .collect();
    // A group whose server is gone hides its own kinds, and no others: there has to be time left for those.
    let found: Vec<Resource> = join_all(each)
        .await
        .into_iter()
        .flatten()
        .filter_map(|kinds| scalable_among(&kinds, name).ok())
        .collect();
    match found.as_slice() {
        [] => Err(no_kind(name)),
        [resource] => Ok(resource.clone()),
        several => Err(ClusterError::AmbiguousKind {
            kind: name.to_string(),
            candidates: several
                .iter()
                .map(|one| format!("{}.{}", name.kind, one.group))
                .collect(),
        }),
    }
}

/// Whether `group` is served.
pub(crate) async fn has_group(
    connection: &Connection,
    group: &str,
    until: Instant,
) -> Result<bool, ClusterError> {
    let path = format!("/apis/{group}");
    let found: Result<APIGroup, _> = connection.get(&path, &Action::get_path(&path), until).await;
    match found {
        Ok(_) => Ok(true),
        Err(ClusterError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn preferred(group: &APIGroup) -> Option<String> {
    let preferred = group
        .preferred_version
        .as_ref()
        .or_else(|| group.versions.first())?;
    Some(preferred.version.clone())
}

/// The kinds of one version of a group, with their subresources.
struct Kinds {
    group: String,
    version: String,
    resources: Vec<APIResource>,
}

async fn kinds(
    connection: &Connection,
    group: &str,
    version: &str,
    until: Instant,
) -> Result<Kinds, ClusterError> {
    let path = format!("/apis/{group}/{version}");
    let list: APIResourceList = connection.get(&path, &Action::get_path(&path), until).await?;
    Ok(Kinds {
        group: group.to_owned(),
        version: version.to_owned(),
        resources: list.resources,
    })
}

fn scalable_among(kinds: &Kinds, name: &KindName) -> Result<Resource, ClusterError> {
    let is_meant = |resource: &&APIResource| {
        let short = resource.short_names.as_deref().unwrap_or_default();
        !resource.name.contains('/')
            && (resource.name == name.kind
                || resource.singular_name == name.kind
                || resource.kind.to_ascii_lowercase() == name.kind
                || short.contains(&name.kind))
    };
    let found = kinds
        .resources
        .iter()
        .find(is_meant)
        .ok_or_else(|| no_kind(name))?;
    let resource = Resource::new(&kinds.group, &kinds.version, &found.name, &found.kind);
    let scale = format!("{}/scale", found.name);
    if found.namespaced && kinds.resources.iter().any(|resource| resource.name == scale) {
        Ok(resource)
    } else {
        Err(ClusterError::NotScalable {
            resource: resource.to_string(),
        })
    }
}

/// How objects of a kind that is not Kubernetes' own are read.
async fn reading(
    connection: &Connection,
    resource: &Resource,
    until: Instant,
) -> Result<Reading, ClusterError> {
    let name = resource.to_string();
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    let action = Action {
        name: Some(name),
        ..Action::get_path("customresourcedefinitions.apiextensions.k8s.io")
    };
    match connection.get::<Definition>(&path, &action, until).await {
        Ok(definition) => Ok(definition.reading(&resource.version)),
        // Not allowed to know, or a kind of an aggregated server: the scale subresource tells of one object at a time.
        Err(ClusterError::Forbidden { .. } | ClusterError::NotFound { .. }) => Ok(Reading::Scale),
        Err(error) => Err(error),
    }
}

/// The part of a custom resource's definition that says where counts stand.
#[derive(Debug, Deserialize)]
struct Definition {
    spec: DefinitionSpec,
}

#[derive(Debug, Deserialize)]
struct DefinitionSpec {
    versions: Vec<DefinitionVersion>,
}

#[derive(Debug, Deserialize)]
struct DefinitionVersion {
    name: String,
    #[serde(default)]
    subresources: Option<Subresources>,
}

#[derive(Debug, Deserialize)]
struct Subresources {
    #[serde(default)]
    scale: Option<ScaleDefinition>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScaleDefinition {
    spec_replicas_path: String,
    status_replicas_path: String,
    #[serde(default)]
    label_selector_path: Option<String>,
}

impl Definition {
    fn reading(&self, version: &str) -> Reading {
        let mut versions = self.spec.versions.iter();
        let scale = versions
            .find(|one| one.name == version)
            .and_then(|one| one.subresources.as_ref()?.scale.as_ref());
        scale.map_or(Reading::Scale, |scale| {
            let selector = scale
                .label_selector_path
                .as_deref()
                .filter(|path| !path.is_empty());
            Reading::Object(ScalePaths::of_definition(
                &scale.spec_replicas_path,
                &scale.status_replicas_path,
                selector,
            ))
        })
    }
}

/// A group or version that is not there means that the kind is not.
fn unknown(error: ClusterError, name: &KindName) -> ClusterError {
    if matches!(error, ClusterError::NotFound { .. }) {
        no_kind(name)
    } else {
        error
    }
}

fn no_kind(name: &KindName) -> ClusterError {
    ClusterError::UnknownKind {
        kind: name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(kind: &str, version: Option<&str>, group: Option<&str>) -> KindName {
        KindName {
            kind: kind.to_owned(),
            version: version.map(str::to_owned),
            group: group.map(str::to_owned),
        }
    }

    #[test]
    fn kubernetes_own_kinds_need_no_question() {
        let found = |name: &KindName| own(name).map(|own| own.resource.to_string());
        assert_eq!(
            found(&name("deployment", None, None)).as_deref(),
            Some("deployments.apps")
        );
        assert_eq!(
            found(&name("statefulsets", Some("v1"), Some("apps"))).as_deref(),
            Some("statefulsets.apps")
        );
        assert_eq!(
            found(&name("replicationcontroller", None, None)).as_deref(),
            Some("replicationcontrollers")
        );
        assert_eq!(
            found(&name("deployment", None, Some("example.com"))),
            None,
            "another group's"
        );
        assert_eq!(found(&name("rollout", None, Some("argoproj.io"))), None);
    }

    #[test]
    fn a_definition_tells_where_the_count_stands_in_the_version_in_use() {
        let definition: Definition = serde_json::from_value(serde_json::json!({"spec": {"versions": [
            {"name": "v1alpha1", "subresources": {"status": {}, "scale": {
                "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.HPAReplicas",
                "labelSelectorPath": ".status.selector"}}},
            {"name": "v2", "schema": {}},
        ]}}))
        .unwrap();
        let expected =
            ScalePaths::of_definition(".spec.replicas", ".status.HPAReplicas", Some(".status.selector"));
        assert_eq!(definition.reading("v1alpha1"), Reading::Object(expected));
        assert_eq!(definition.reading("v2"), Reading::Scale);
        assert_eq!(definition.reading("v3"), Reading::Scale);
    }
}
