//! The real Kubernetes control plane: it comes up, runs pods, measures them, scales them, refuses, and goes.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "cluster/end.rs"]
mod end;
#[path = "cluster/sockets.rs"]
mod sockets;

use std::{collections::BTreeMap, time::Duration};

use headroom_test_support::{
    cluster::{Cluster, Component, Kind, Load, Usage, Workload, rule},
    servers::KUBERNETES,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    authorization::v1::{SelfSubjectRulesReview, SelfSubjectRulesReviewSpec},
    core::v1::{Node, Pod},
};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

const COMPONENTS: [Component; 6] = [
    Component::Etcd,
    Component::ApiServer,
    Component::ControllerManager,
    Component::Scheduler,
    Component::Kwok,
    Component::MetricsServer,
];

/// The CPU of each pod's containers together, in cores.
fn cpu_of_pods(usage: &BTreeMap<String, BTreeMap<String, Usage>>) -> Vec<f64> {
    let of_pod = |containers: &BTreeMap<String, Usage>| containers.values().map(|usage| usage.cpu).sum();
    usage.values().map(of_pod).collect()
}

fn is_about(got: f64, wanted: f64) -> bool {
    (got - wanted).abs() < wanted * 0.1
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn it_is_the_pinned_version_and_listens_on_this_machine_alone() {
    let cluster = Cluster::shared().await;
    let client = cluster.client().await;
    let version = client.apiserver_version().await.unwrap();
    assert_eq!(version.git_version, KUBERNETES.version());
    let nodes: Api<Node> = Api::all(client);
    assert_eq!(nodes.list(&ListParams::default()).await.unwrap().items.len(), 3);

    let mut listening = 0;
    for component in COMPONENTS {
        for address in sockets::listening(cluster.pid(component).unwrap()) {
            assert!(address.ip().is_loopback(), "{component} listens on {address}");
            listening += 1;
        }
    }
    // etcd's two, the API server, kwok, metrics-server.
    assert_eq!(listening, 5);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn pods_of_every_kind_of_workload_become_ready_and_follow_the_count() {
    let namespace = Cluster::shared().await.namespace("kinds").await;
    for kind in [
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::ReplicaSet,
        Kind::Rollout,
    ] {
        let name = kind.name().to_lowercase();
        namespace
            .create_workload(&Workload::new(kind, &name).replicas(2))
            .await;
        namespace.wait_for_ready_pods(&name, 2).await;
        assert_eq!(namespace.replicas(kind, &name).await, 2);
        namespace.set_replicas(kind, &name, 3).await;
        namespace.wait_for_ready_pods(&name, 3).await;
        namespace.set_replicas(kind, &name, 1).await;
        namespace.wait_for_ready_pods(&name, 1).await;
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn pods_wait_as_they_are_told() {
    let namespace = Cluster::shared().await.namespace("waiting").await;
    let stuck = Workload::deployment("stuck").waiting("ImagePullBackOff");
    let slow = Workload::deployment("slow").ready_after(Duration::from_secs(3));
    for workload in [&stuck, &slow] {
        namespace.create_workload(workload).await;
    }
    namespace.wait_for_ready_pods("slow", 1).await;
    let pods = namespace.api::<Pod>();
    let reason_of = |pod: &Pod| {
        let container = pod.status.as_ref()?.container_statuses.as_ref()?.first()?.clone();
        container.state?.waiting?.reason
    };
    headroom_test_support::wait_until(Duration::from_secs(30), "the pod says why it waits", async || {
        let listed = pods
            .list(&ListParams::default().labels("app=stuck"))
            .await
            .unwrap();
        listed.items.first().and_then(reason_of).as_deref() == Some("ImagePullBackOff")
    })
    .await;
    namespace.wait_for_ready_pods("stuck", 0).await;

    // Ready at least as long after it was started as it was told: both times are in whole seconds.
    let listed = pods
        .list(&ListParams::default().labels("app=slow"))
        .await
        .unwrap();
    let pod = &listed.items[0];
    let created = pod.metadata.creation_timestamp.as_ref().unwrap().0;
    let conditions = pod.status.as_ref().unwrap().conditions.as_ref().unwrap();
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
        .unwrap();
    let since = ready
        .last_transition_time
        .as_ref()
        .unwrap()
        .0
        .duration_since(created);
    assert!(since.as_secs() >= 2, "{since:?}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn metrics_are_those_of_the_load_shared_over_ready_pods() {
    let namespace = Cluster::shared().await.namespace("load").await;
    let workload = Workload::deployment("api")
        .replicas(2)
        .container("sidecar", "50m", "32Mi");
    namespace.create_workload(&workload).await;
    namespace.create_workload(&Workload::deployment("idle")).await;
    let load = Load::none().cpu(0.6).memory(256e6).container_cpu("sidecar", 0.06);
    namespace.set_load("api", &load).await;
    namespace.wait_for_ready_pods("api", 2).await;
    let usage = namespace
        .wait_for_usage("api", |usage| {
            let cpu = cpu_of_pods(usage);
            cpu.len() == 2 && cpu.iter().all(|cpu| is_about(*cpu, 0.33))
        })
        .await;
    for containers in usage.values() {
        assert!(is_about(containers["app"].cpu, 0.3), "{containers:?}");
        assert!(is_about(containers["app"].memory, 128e6), "{containers:?}");
        assert!(is_about(containers["sidecar"].cpu, 0.03), "{containers:?}");
    }

    namespace.set_replicas(Kind::Deployment, "api", 3).await;
    namespace
        .wait_for_usage("api", |usage| {
            let cpu = cpu_of_pods(usage);
            cpu.len() == 3 && cpu.iter().all(|cpu| is_about(*cpu, 0.22))
        })
        .await;
    let idle = namespace.wait_for_usage("idle", |usage| !usage.is_empty()).await;
    assert!(cpu_of_pods(&idle).iter().all(|cpu| *cpu < 0.01), "{idle:?}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_real_hpa_scales_up_and_down_with_the_load() {
    let namespace = Cluster::shared().await.namespace("hpa").await;
    let workloads = [
        Workload::deployment("api").replicas(2),
        Workload::new(Kind::Rollout, "rollout").replicas(2),
    ];
    for workload in &workloads {
        namespace.create_workload(workload).await;
        let name = workload.name();
        namespace.set_load(name, &Load::none().cpu(0.1)).await;
        namespace.create_hpa(workload.kind(), name, 2..=10, 50).await;
    }
    for workload in &workloads {
        namespace
            .wait_for_usage(workload.name(), |usage| usage.len() == 2)
            .await;
        // Each pod is to use half of its 0.1 cores: 5.6 pods. Nothing here is close to where the HPA would round
        // otherwise: it counts in whole thousandths of a core and hundredths of a request.
        namespace.set_load(workload.name(), &Load::none().cpu(0.28)).await;
    }
    for workload in &workloads {
        namespace
            .wait_for_replicas(workload.kind(), workload.name(), |replicas| replicas == 6)
            .await;
        namespace.wait_for_ready_pods(workload.name(), 6).await;
        namespace.set_load(workload.name(), &Load::none().cpu(0.13)).await;
    }
    for workload in &workloads {
        namespace
            .wait_for_replicas(workload.kind(), workload.name(), |replicas| replicas == 3)
            .await;
        let status = namespace.hpa(workload.name()).await.status.unwrap();
        assert!(status.desired_replicas >= 3, "{status:?}");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_user_may_do_what_was_granted_and_nothing_else() {
    let cluster = Cluster::shared().await;
    let [mine, other] = [cluster.namespace("mine").await, cluster.namespace("other").await];
    for namespace in [&mine, &other] {
        for name in ["api", "web"] {
            namespace.create_workload(&Workload::deployment(name)).await;
        }
    }
    let mut scale_api = rule(&["apps"], &["deployments/scale"], &["get", "patch"]);
    scale_api.resource_names = Some(vec!["api".to_owned()]);
    let read = rule(&["apps"], &["deployments"], &["get", "list"]);
    let user = mine.user("headroom", &[scale_api, read]).await;

    let client = user.client().await;
    assert_eq!(client.default_namespace(), mine.name());
    let deployments = |namespace: &str| Api::<Deployment>::namespaced(client.clone(), namespace);
    let scale = Patch::Merge(json!({ "spec": { "replicas": 2 } }));
    let parameters = PatchParams::default();
    let scaled = deployments(mine.name())
        .patch_scale("api", &parameters, &scale)
        .await
        .unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(2));
    assert!(
        deployments(mine.name())
            .list(&ListParams::default())
            .await
            .is_ok()
    );

    let forbidden = [
        deployments(mine.name())
            .patch_scale("web", &parameters, &scale)
            .await
            .err(),
        deployments(other.name())
            .patch_scale("api", &parameters, &scale)
            .await
            .err(),
        deployments(mine.name())
            .patch("api", &parameters, &scale)
            .await
            .err(),
        deployments(other.name()).list(&ListParams::default()).await.err(),
        Api::<Pod>::namespaced(client.clone(), mine.name())
            .list(&ListParams::default())
            .await
            .err(),
    ];
    for refusal in forbidden {
        let Some(kube::Error::Api(status)) = refusal else {
            panic!("not refused: {refusal:?}");
        };
        assert_eq!(
            (status.code, status.reason.as_str()),
            (403, "Forbidden"),
            "{status:?}"
        );
    }
    assert!(!may_do_anything(&user.client().await, mine.name()).await);

    // Another namespace is another grant, also for the same user.
    other
        .grant(&user, &[rule(&["apps"], &["deployments"], &["list"])])
        .await;
    assert!(
        deployments(other.name())
            .list(&ListParams::default())
            .await
            .is_ok()
    );
}

/// Whether some rule lets the client's user do whatever they like.
async fn may_do_anything(client: &kube::Client, namespace: &str) -> bool {
    let review = SelfSubjectRulesReview {
        spec: SelfSubjectRulesReviewSpec {
            namespace: Some(namespace.to_owned()),
        },
        ..SelfSubjectRulesReview::default()
    };
    let reviews: Api<SelfSubjectRulesReview> = Api::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await.unwrap();
    let rules = answer.status.unwrap().resource_rules;
    assert!(!rules.is_empty());
    rules.iter().any(|rule| rule.verbs.iter().any(|verb| verb == "*"))
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_kubeconfig_works_for_other_programs() {
    let cluster = Cluster::shared().await;
    let namespace = cluster.namespace("kubeconfig").await;
    let user = namespace
        .user("headroom", &[rule(&[""], &["pods"], &["list"])])
        .await;
    for (path, name) in [
        (user.kubeconfig().to_owned(), namespace.name()),
        (cluster.administrator_kubeconfig(), "default"),
    ] {
        let kubeconfig = kube::config::Kubeconfig::read_from(path).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default())
            .await
            .unwrap();
        assert_eq!(config.default_namespace, name);
        let client = kube::Client::try_from(config).unwrap();
        let pods: Api<Pod> = Api::default_namespaced(client);
        assert!(pods.list(&ListParams::default()).await.is_ok());
    }
}
