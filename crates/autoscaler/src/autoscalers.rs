//! The autoscalers that a cluster has, as they are, for `import`.

use std::time::Duration;

use headroom_cluster::{Connection, Resource};
use serde_json::Value;

pub use headroom_cluster::ClusterError;

use crate::{KubernetesSettings, config::MovedKind};

/// How long a request may take: a page of five hundred objects from a busy API server.
const DEADLINE: Duration = Duration::from_secs(30);

/// The autoscalers of one kind in the cluster of `settings`: those of one namespace, or of all.
///
/// # Errors
/// When there is no cluster, it cannot be asked, its autoscalers may not be listed, or it does not have the kind.
pub async fn autoscalers(
    kind: MovedKind,
    settings: &KubernetesSettings,
    namespace: Option<&str>,
) -> Result<Vec<Value>, ClusterError> {
    let connection = Connection::new(&settings.options(DEADLINE))?;
    let resource = match kind {
        MovedKind::Hpa => Resource::hpas(),
        MovedKind::ScaledObject => Resource::scaled_objects(),
    };
    connection.objects(&resource, namespace).await
}
