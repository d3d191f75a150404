//! An API server that goes and comes back.

use std::{mem, time::Duration};

use headroom_cluster::{ClusterError, ClusterView, Filling};
use headroom_policy_engine::Replicas;
use headroom_test_support::{
    cluster::{Cluster, Component, User, Workload},
    wait_for, wait_until,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::world::{MINUTE, deployment, now, reading, view};

/// A Deployment `api` of two replicas, and who may read it. The namespace goes with the cluster.
async fn with_deployment(cluster: &Cluster) -> (String, User) {
    let namespace = cluster.namespace("outage").await;
    namespace
        .create_workload(&Workload::deployment("api").replicas(2))
        .await;
    let user = namespace.user("headroom", &reading()).await;
    let name = namespace.name().to_owned();
    mem::forget(namespace);
    (name, user)
}

async fn set(cluster: &Cluster, namespace: &str, replicas: u32) {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client().await, namespace);
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments
        .patch("api", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

async fn wait_for_replicas(view: &ClusterView, namespace: &str, replicas: u32) {
    let name = deployment(namespace, "api");
    wait_until(MINUTE, &format!("{replicas} are wanted"), async || {
        let found = view.scalable(&name, now()).await;
        found.is_ok_and(|found| found.replicas == Some(Replicas::new(replicas)))
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_watch_knows_that_it_is_out_of_step_and_is_in_step_again_by_itself() {
    let cluster = Cluster::builder().hpa(None).start().await;
    let (namespace, user) = with_deployment(&cluster).await;
    let view = view(
        user.kubeconfig().to_owned(),
        Filling::Watches,
        Duration::from_secs(1),
    );
    wait_for_replicas(&view, &namespace, 2).await;
    set(&cluster, &namespace, 3).await;
    wait_for_replicas(&view, &namespace, 3).await;

    cluster.kill(Component::ApiServer);
    let name = deployment(&namespace, "api");
    let error = wait_for(MINUTE, "what is known is too old", async || {
        view.scalable(&name, now()).await.err()
    })
    .await;
    let ClusterError::OutOfStep { since, cause, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(*since >= Duration::from_secs(10), "{since:?}");
    assert!(
        matches!(cause.as_deref(), Some(ClusterError::Unreachable { .. })),
        "{cause:?}"
    );

    cluster.start_again(Component::ApiServer).await;
    wait_for_replicas(&view, &namespace, 3).await;
    set(&cluster, &namespace, 5).await;
    wait_for_replicas(&view, &namespace, 5).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_list_while_the_server_is_gone_fails_with_its_address_and_the_next_one_succeeds() {
    let cluster = Cluster::builder().hpa(None).start().await;
    let (namespace, user) = with_deployment(&cluster).await;
    let view = view(
        user.kubeconfig().to_owned(),
        Filling::Lists,
        Duration::from_secs(2),
    );
    wait_for_replicas(&view, &namespace, 2).await;
    cluster.kill(Component::ApiServer);
    let error = view
        .scalable(&deployment(&namespace, "api"), now())
        .await
        .unwrap_err();
    let expected = format!("{} could not be reached: ", cluster.url());
    assert!(error.to_string().starts_with(&expected), "{error}");
    cluster.start_again(Component::ApiServer).await;
    wait_for_replicas(&view, &namespace, 2).await;
}
