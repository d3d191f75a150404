//! The writes there are: the count of an object, through its scale subresource, and, where a policy asks for it, why it
//! was changed, as an annotation.
//!
//! What only reads is made without this type, so that it has no way to write.

use std::sync::Arc;

use headroom_policy_engine::Replicas;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::json;

use crate::{
    ClusterError, ClusterView, Connection, FieldManager, FieldOwner, ObjectName, Scalable, field_manager,
    resource::Action,
};

/// The annotation that says why a count was changed.
pub const REASON: &str = "headroom.dev/reason";

/// Sets counts, and says at the objects why they were changed.
#[derive(Debug)]
pub struct ScaleWriter {
    connection: Arc<Connection>,
    view: Arc<ClusterView>,
    manager: FieldManager,
}

#[derive(Deserialize)]
struct Scale {
    metadata: ScaleMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScaleMeta {
    #[serde(default)]
    resource_version: String,
}

/// Finds out whether a count may be set. Whatever is asked of it, the API server keeps nothing.
#[derive(Debug)]
pub struct ScaleProbe {
    connection: Arc<Connection>,
    view: Arc<ClusterView>,
}

impl ScaleWriter {
    /// Writes over `connection` as `manager`, and lets `view` know.
    #[must_use]
    pub const fn new(connection: Arc<Connection>, view: Arc<ClusterView>, manager: FieldManager) -> Self {
        Self {
            connection,
            view,
            manager,
        }
    }

    /// Sets the count of the object called `name`, which `decided_on` was read from, to `to`.
    ///
    /// Only its scale subresource is written, and only if the object is still the one, in the version, that was read.
    ///
    /// # Errors
    /// [`ClusterError::Conflict`] when it is not; otherwise why it could not be written.
    pub async fn set(
        &self,
        name: &ObjectName,
        decided_on: &Scalable,
        to: Replicas,
    ) -> Result<(), ClusterError> {
        let request = Request::new(&self.view, name, decided_on, to).await?;
        // What was listed is old as soon as the request is sent, whatever becomes of the answer.
        self.view.forget(name).await;
        let how = format!("fieldManager={}", self.manager);
        let written = request.send(&self.connection, &how).await?;
        self.view.forget(name).await;
        self.view
            .note_newer(name, left(decided_on, to, written, &self.manager));
        Ok(())
    }

    /// Writes `reason` into the annotation [`REASON`] of the object called `name`, and nothing else of it.
    ///
    /// # Errors
    /// Why it could not be written: patching the object itself is another permission than setting its count.
    pub async fn annotate(&self, name: &ObjectName, reason: &str) -> Result<(), ClusterError> {
        let resource = self.view.kind(&name.kind).await?.resource;
        let path = resource.object(&name.namespace, &name.name);
        let patch = json!({ "metadata": { "annotations": { REASON: reason } } });
        let action = Action::patch(&resource, &name.namespace, &name.name);
        let path = format!("{path}?fieldManager={}", self.manager);
        let until = self.connection.until();
        let _: IgnoredAny = self.connection.merge_patch(&path, &patch, &action, until).await?;
        self.view.forget(name).await;
        Ok(())
    }
}

impl ScaleProbe {
    /// Asks over `connection` about objects that `view` knows.
    #[must_use]
    pub const fn new(connection: Arc<Connection>, view: Arc<ClusterView>) -> Self {
        Self { connection, view }
    }

    /// Has the API server check what [`ScaleWriter::set`] would ask, permissions and admission too, and keep nothing
    /// (a server-side dry run).
    ///
    /// # Errors
    /// As [`ScaleWriter::set`].
    pub async fn try_set(
        &self,
        name: &ObjectName,
        known: &Scalable,
        to: Replicas,
    ) -> Result<(), ClusterError> {
        let request = Request::new(&self.view, name, known, to).await?;
        let how = format!("fieldManager={}&dryRun=All", field_manager::PREFIX);
        request.send(&self.connection, &how).await.map(drop)
    }
}

/// A write of one count.
struct Request {
    scale: String,
    patch: serde_json::Value,
    action: Action,
}

impl Request {
    async fn new(
        view: &ClusterView,
        name: &ObjectName,
        seen: &Scalable,
        to: Replicas,
    ) -> Result<Self, ClusterError> {
        let resource = view.kind(&name.kind).await?.resource;
        Ok(Self {
            scale: format!("{}/scale", resource.object(&name.namespace, &name.name)),
            patch: json!({
                "metadata": { "uid": seen.uid, "resourceVersion": seen.version },
                "spec": { "replicas": to.get() },
            }),
            action: Action::on_scale("patch", &resource, &name.namespace, &name.name),
        })
    }

    async fn send(&self, connection: &Connection, how: &str) -> Result<Scale, ClusterError> {
        let path = format!("{}?{how}", self.scale);
        let until = connection.until();
        connection
            .merge_patch(&path, &self.patch, &self.action, until)
            .await
    }
}

/// The object as a write left it.
fn left(before: &Scalable, to: Replicas, written: Scale, by: &FieldManager) -> Scalable {
    Scalable {
        replicas: Some(to),
        version: written.metadata.resource_version.into(),
        replicas_owner: Some(FieldOwner {
            manager: by.to_string().into(),
            at: None,
            wrote_template: false,
        }),
        ..before.clone()
    }
}
