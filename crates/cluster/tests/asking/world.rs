//! A scripted API server, and a connection to it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headroom_cluster::{ClusterView, Connection, ConnectionOptions, Filling, KindName, ObjectName};
use headroom_policy_engine::Timestamp;
use headroom_test_support::temp_dir;
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

pub(crate) const NOW: Timestamp = Timestamp::from_unix_millis(1_790_000_000_000);
pub(crate) const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/shop/deployments";
pub(crate) const PODS: &str = "/api/v1/namespaces/shop/pods";
pub(crate) const USAGE: &str = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods";

pub(crate) struct World {
    pub(crate) server: MockServer,
    pub(crate) connection: Arc<Connection>,
    _directory: TempDir,
}

impl World {
    pub(crate) async fn new(deadline: Duration) -> Self {
        Self::as_user(deadline, &json!({"token": "secret"})).await
    }

    pub(crate) async fn as_user(deadline: Duration, user: &Value) -> Self {
        let (server, directory) = (MockServer::start().await, temp_dir());
        let kubeconfig = kubeconfig(&directory, &server.uri(), user);
        let connection = connect(kubeconfig, None, deadline).unwrap();
        Self {
            server,
            connection: Arc::new(connection),
            _directory: directory,
        }
    }

    pub(crate) fn view(&self, filling: Filling) -> Arc<ClusterView> {
        Arc::new(ClusterView::new(Arc::clone(&self.connection), filling))
    }

    pub(crate) async fn answer(&self, path: &str, answer: ResponseTemplate) {
        Mock::given(matchers::path(path))
            .respond_with(answer)
            .mount(&self.server)
            .await;
    }

    pub(crate) async fn answer_once(&self, path: &str, answer: ResponseTemplate) {
        let mock = Mock::given(matchers::path(path))
            .respond_with(answer)
            .up_to_n_times(1);
        mock.mount(&self.server).await;
    }

    /// The Deployments are `item`, in version 7, whenever they are listed.
    pub(crate) async fn list_always(&self, item: &Value) {
        Mock::given(matchers::path(DEPLOYMENTS))
            .and(matchers::query_param("limit", "500"))
            .respond_with(list(std::slice::from_ref(item), ""))
            .mount(&self.server)
            .await;
    }

    /// Each watch of the Deployments says `body` and ends.
    pub(crate) async fn watch_always(&self, body: &str) {
        let answer = ResponseTemplate::new(200).set_body_raw(body, "application/json");
        Mock::given(matchers::path(DEPLOYMENTS))
            .and(matchers::query_param("watch", "1"))
            .respond_with(answer)
            .mount(&self.server)
            .await;
    }

    /// How often `path` was asked for.
    pub(crate) async fn asked(&self, path: &str) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests
            .iter()
            .filter(|request| request.url.path() == path)
            .count()
    }
}

pub(crate) fn kubeconfig(directory: &TempDir, url: &str, user: &Value) -> PathBuf {
    let path = directory.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    });
    fs::write(&path, text.to_string()).unwrap();
    path
}

/// A user whose credential plugin is `script`.
pub(crate) fn plugin(directory: &Path, script: &str) -> Value {
    let path = directory.join("plugin");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": path, "interactiveMode": "Never"}})
}

/// A user whose plugin gives a certificate that has expired, so that it is asked each time; it hangs as long as there is
/// a file `hangs` beside it.
pub(crate) fn short_lived(directory: &Path) -> Value {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"clientCertificateData": certificate.pem(), "clientKeyData": key.serialize_pem(),
            "expirationTimestamp": "2020-01-01T00:00:00Z"}});
    fs::write(directory.join("credential"), credential.to_string()).unwrap();
    let script =
        "while [ -e \"$(dirname \"$0\")/hangs\" ]; do sleep 0.1; done; cat \"$(dirname \"$0\")/credential\"";
    plugin(directory, script)
}

pub(crate) fn connect(
    kubeconfig: PathBuf,
    context: Option<&str>,
    deadline: Duration,
) -> Result<Connection, headroom_cluster::ClusterError> {
    Connection::new(&ConnectionOptions {
        kubeconfig: Some(kubeconfig),
        context: context.map(str::to_owned),
        deadline,
    })
}

pub(crate) fn deployment(name: &str) -> ObjectName {
    object("deployment", None, name)
}

pub(crate) fn object(kind: &str, group: Option<&str>, name: &str) -> ObjectName {
    ObjectName {
        kind: KindName {
            kind: kind.to_owned(),
            version: None,
            group: group.map(str::to_owned),
        },
        namespace: "shop".to_owned(),
        name: name.to_owned(),
    }
}

pub(crate) fn list(items: &[Value], next: &str) -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_json(json!({"metadata": {"resourceVersion": "7", "continue": next}, "items": items}))
}

pub(crate) fn wanting(name: &str, replicas: u32) -> Value {
    json!({
        "metadata": {"name": name, "uid": format!("uid-of-{name}"), "resourceVersion": "5"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}},
    })
}

pub(crate) fn status(code: u16, message: &str) -> ResponseTemplate {
    let body = json!({"kind": "Status", "status": "Failure", "message": message, "code": code});
    ResponseTemplate::new(code).set_body_json(body)
}
