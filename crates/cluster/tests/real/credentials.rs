//! Credentials that are not accepted, not enough, or renewed.

use std::{fs, path::PathBuf, time::Duration};

use headroom_cluster::{ClusterError, Filling};
use headroom_test_support::{
    cluster::{Cluster, Workload},
    temp_dir, wait_for_seen, wait_until,
};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::{Api, api::DeleteParams};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{MINUTE, deployment, now, reading, view};

const DEADLINE: Duration = Duration::from_secs(20);

fn changed(directory: &TempDir, kubeconfig: &std::path::Path, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut text: Value = serde_json::from_str(&fs::read_to_string(kubeconfig).unwrap()).unwrap();
    change(&mut text);
    let path = directory.path().join("kubeconfig");
    fs::write(&path, text.to_string()).unwrap();
    path
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_certificate_of_another_authority_is_not_trusted() {
    let (cluster, directory) = (Cluster::shared().await, temp_dir());
    let key = KeyPair::generate().unwrap();
    let other = CertificateParams::new(Vec::new())
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let authority = directory.path().join("other.crt");
    fs::write(&authority, other.pem()).unwrap();
    let kubeconfig = changed(&directory, &cluster.administrator_kubeconfig(), |kubeconfig| {
        let cluster = kubeconfig["clusters"][0]["cluster"].as_object_mut().unwrap();
        cluster.remove("certificate-authority-data");
        cluster.insert(
            "certificate-authority".to_owned(),
            authority.to_str().unwrap().into(),
        );
    });
    let view = view(kubeconfig, Filling::Lists, Duration::from_secs(2));
    let error = view.pods("default", now()).await.unwrap_err();
    assert!(matches!(error, ClusterError::Untrusted { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(&format!("the certificate of {} is not trusted", cluster.url())),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_token_that_is_not_accepted_is_said_so_and_a_new_one_is_taken_up() {
    let directory = temp_dir();
    let namespace = Cluster::shared().await.namespace("token").await;
    namespace.create_workload(&Workload::deployment("api")).await;
    let user = namespace.user("headroom", &reading()).await;
    let kubeconfig = changed(&directory, user.kubeconfig(), |kubeconfig| {
        kubeconfig["users"][0]["user"]["token"] = "of another cluster".into();
    });
    let name = deployment(namespace.name(), "api");
    let views = [Filling::Lists, Filling::Watches]
        .map(|filling| view(kubeconfig.clone(), filling, Duration::from_secs(2)));
    let error = views[0].scalable(&name, now()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not accept the credentials (401)"),
        "{error}"
    );
    wait_for_seen(MINUTE, "the watch is refused", async || {
        let error = views[1].scalable(&name, now()).await.unwrap_err().to_string();
        if error.contains("does not accept the credentials (401)") {
            Ok(())
        } else {
            Err(error)
        }
    })
    .await;
    fs::copy(user.kubeconfig(), &kubeconfig).unwrap();
    for view in &views {
        wait_until(MINUTE, "the new token is taken up", async || {
            view.scalable(&name, now()).await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_permission_that_is_revoked_is_named() {
    let namespace = Cluster::shared().await.namespace("revoked").await;
    namespace.create_workload(&Workload::deployment("api")).await;
    let user = namespace.user("headroom", &reading()).await;
    let view = view(user.kubeconfig().to_owned(), Filling::Lists, DEADLINE);
    let name = deployment(namespace.name(), "api");
    view.scalable(&name, now()).await.unwrap();
    let bindings: Api<RoleBinding> = namespace.api();
    bindings
        .delete_collection(&DeleteParams::default(), &kube::api::ListParams::default())
        .await
        .unwrap();
    wait_until(MINUTE, "the permission is gone", async || {
        let Err(error) = view.scalable(&name, now()).await else {
            return false;
        };
        let expected = format!(
            "not allowed: list deployments.apps in namespace {} (403)",
            namespace.name()
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
        true
    })
    .await;
}
