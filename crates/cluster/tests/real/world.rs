//! Connections to a real cluster.

use std::{path::PathBuf, sync::Arc, time::Duration};

use headroom_cluster::{ClusterView, Connection, ConnectionOptions, Filling, KindName, ObjectName};
use headroom_policy_engine::Timestamp;
use headroom_test_support::cluster::rule;
use k8s_openapi::api::rbac::v1::PolicyRule;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_millis(jiff::Timestamp::now().as_millisecond())
}

pub(crate) fn view(kubeconfig: PathBuf, filling: Filling, deadline: Duration) -> ClusterView {
    let connection = Connection::new(&ConnectionOptions {
        kubeconfig: Some(kubeconfig),
        context: None,
        deadline,
    });
    ClusterView::new(Arc::new(connection.unwrap()), filling)
}

pub(crate) fn deployment(namespace: &str, name: &str) -> ObjectName {
    ObjectName {
        kind: KindName {
            kind: "deployment".to_owned(),
            version: None,
            group: None,
        },
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// Reading Deployments.
pub(crate) fn reading() -> Vec<PolicyRule> {
    vec![rule(&["apps"], &["deployments"], &["get", "list", "watch"])]
}
