//! The one write there is: the count of an object, through its scale subresource.
//!
//! What only reads is made without this type, so that it has no way to write.

use std::sync::Arc;

use headroom_policy_engine::Replicas;
use serde::Deserialize;
use serde_json::json;

use crate::{
    ClusterError, ClusterView, Connection, FieldOwner, ObjectName, Scalable, connection::SharedConnection,
    resource::Action,
};

/// The name under which headroom's writes stand in managed fields.
pub(crate) const FIELD_MANAGER: &str = "headroom";

/// Whether the API server keeps what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It does.
    No,
    /// It checks everything, permissions and admission too, and keeps nothing.
    Yes,
}

/// Sets counts.
#[derive(Debug)]
pub struct ScaleWriter {
    connection: SharedConnection,
    view: Arc<ClusterView>,
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

impl ScaleWriter {
    /// Writes over `connection`, and lets `view` know.
    #[must_use]
    pub const fn new(connection: Arc<Connection>, view: Arc<ClusterView>) -> Self {
        Self { connection, view }
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
        dry_run: DryRun,
    ) -> Result<(), ClusterError> {
        let kind = self.view.kind(&name.kind).await?;
        let object = kind.resource.object(&name.namespace, &name.name);
        let dry = match dry_run {
            DryRun::No => "",
            DryRun::Yes => "&dryRun=All",
        };
        let path = format!("{object}/scale?fieldManager={FIELD_MANAGER}{dry}");
        let patch = json!({
            "metadata": { "uid": decided_on.uid, "resourceVersion": decided_on.version },
            "spec": { "replicas": to.get() },
        });
        let action = Action::on_scale("patch", &kind.resource, &name.namespace, &name.name);
        self.view.forget(name).await;
        let until = self.connection.until();
        let written: Scale = self.connection.merge_patch(&path, &patch, &action, until).await?;
        if dry_run == DryRun::No {
            self.view.forget(name).await;
            self.view.note_written(name, left(decided_on, to, written));
        }
        Ok(())
    }
}

/// The object as a write left it.
fn left(before: &Scalable, to: Replicas, written: Scale) -> Scalable {
    Scalable {
        replicas: Some(to),
        version: written.metadata.resource_version.into(),
        replicas_owner: Some(FieldOwner {
            manager: FIELD_MANAGER.into(),
            at: None,
        }),
        ..before.clone()
    }
}
