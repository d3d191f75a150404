//! The adapter on a real API server, as a user who may do what the book says and nothing else.

use std::{slice, sync::Arc, time::Duration};

use headroom_actuator::{
    Actuator, FollowedRequest, KubernetesActuator, KubernetesProbe, KubernetesReader, KubernetesTarget,
    ReplicaAddress, ReplicaEndpoint, ScaleTarget, TargetError, TargetReader as _, TargetState,
    testing::contract::{self, check},
};
use headroom_cluster::{
    ClusterError, ClusterView, Connection, ConnectionOptions, FieldManager, Filling, KindName, ObjectName,
};
use headroom_policy_engine::{CountOrigin, Readiness, Replicas, Resource, Timestamp};
use headroom_test_support::{
    cluster::{Cluster, Kind, Namespace, User, Workload, rule},
    wait_for, wait_until,
};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::Pod,
    rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule},
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::json;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
/// Why a guard is off that has to know who set the count.
const OF_NOBODY: &str = "the object as it may be read does not tell who wrote its fields";

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_millis(jiff::Timestamp::now().as_millisecond())
}

/// What may be read for any target, and written to those that are named.
pub(crate) fn rules(kind: Kind, writable: &[&str]) -> Vec<PolicyRule> {
    let group = kind.api_version().split('/').next().unwrap();
    let scale = format!("{}/scale", kind.plural());
    let mut write = rule(&[group], &[&scale], &["patch"]);
    write.resource_names = Some(writable.iter().map(ToString::to_string).collect());
    vec![
        rule(&[group], &[kind.plural()], &["get", "list", "watch"]),
        rule(&[""], &["pods"], &["get", "list", "watch"]),
        rule(
            &["autoscaling"],
            &["horizontalpodautoscalers"],
            &["get", "list", "watch"],
        ),
        rule(&["keda.sh"], &["scaledobjects"], &["get", "list", "watch"]),
        write,
    ]
}

pub(crate) fn connect(user: &User) -> Arc<Connection> {
    let connection = Connection::new(&ConnectionOptions {
        kubeconfig: Some(user.kubeconfig().to_owned()),
        context: None,
        deadline: Duration::from_secs(20),
    });
    Arc::new(connection.unwrap())
}

pub(crate) fn target(namespace: &Namespace<'_>, kind: Kind, name: &str) -> ScaleTarget {
    following(namespace, kind, name, &[])
}

/// A target whose count follows what its pods use of each of `requests`: a resource, of one container or of all.
pub(crate) fn following(
    namespace: &Namespace<'_>,
    kind: Kind,
    name: &str,
    requests: &[(&str, Option<&str>)],
) -> ScaleTarget {
    let followed = |(resource, container): &(&str, Option<&str>)| FollowedRequest {
        resource: Resource::named(resource).unwrap(),
        container: container.map(str::to_owned),
    };
    let (group, _) = kind.api_version().split_once('/').unwrap();
    ScaleTarget::Kubernetes(Arc::new(KubernetesTarget {
        workload: format!("{}/{name}", namespace.name()).parse().unwrap(),
        object: ObjectName {
            kind: KindName {
                kind: kind.name().to_lowercase(),
                version: None,
                group: Some(group.to_owned()),
            },
            namespace: namespace.name().to_owned(),
            name: name.to_owned(),
        },
        requests: requests.iter().map(followed).collect(),
        tells_pods: false,
    }))
}

pub(crate) struct World<'c> {
    pub(crate) namespace: Namespace<'c>,
    kind: Kind,
    actuator: KubernetesActuator,
    probe: KubernetesProbe,
}

impl World<'_> {
    /// Workloads `good` and `locked` of two replicas, and a user who may write to the first alone.
    pub(crate) async fn new(name: &str, kind: Kind, filling: Filling) -> Self {
        let namespace = Cluster::shared().await.namespace(name).await;
        for workload in ["good", "locked"] {
            namespace
                .create_workload(&Workload::new(kind, workload).replicas(2))
                .await;
        }
        let user = namespace
            .user("headroom", &rules(kind, &["good", "missing"]))
            .await;
        Self::of(namespace, kind, filling, &user)
    }

    pub(crate) fn of<'c>(namespace: Namespace<'c>, kind: Kind, filling: Filling, user: &User) -> World<'c> {
        let connection = connect(user);
        let view = Arc::new(ClusterView::new(Arc::clone(&connection), filling));
        World {
            namespace,
            kind,
            actuator: KubernetesActuator::new(
                Arc::clone(&connection),
                Arc::clone(&view),
                manager("1a2b3c4d"),
            ),
            probe: KubernetesProbe::new(connection, view),
        }
    }

    pub(crate) async fn read(&self, name: &str) -> Result<TargetState, TargetError> {
        self.read_following(name, &[]).await
    }

    /// Reads a target whose count follows what its pods use of each of `requests`.
    pub(crate) async fn read_following(
        &self,
        name: &str,
        requests: &[(&str, Option<&str>)],
    ) -> Result<TargetState, TargetError> {
        let target = following(&self.namespace, self.kind, name, requests);
        self.actuator
            .read(slice::from_ref(&target), now())
            .await
            .remove(0)
    }

    pub(crate) async fn set(&self, name: &str, from: u32, to: u32) -> Result<(), TargetError> {
        let target = target(&self.namespace, self.kind, name);
        let (from, to) = (Replicas::new(from), Replicas::new(to));
        self.actuator.set_replicas(&target, from, to, now()).await
    }
}

impl contract::World for World<'_> {
    fn actuator(&self) -> &dyn Actuator {
        &self.actuator
    }

    fn target(&self) -> ScaleTarget {
        target(&self.namespace, self.kind, "good")
    }

    fn unreadable(&self) -> ScaleTarget {
        target(&self.namespace, self.kind, "missing")
    }

    fn unwritable(&self) -> ScaleTarget {
        target(&self.namespace, self.kind, "locked")
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn every_kind_keeps_the_contract_over_lists() {
    for kind in [Kind::Deployment, Kind::StatefulSet, Kind::ReplicaSet] {
        let name = format!("lists-{}", kind.name().to_lowercase());
        check(&World::new(&name, kind, Filling::Lists).await).await;
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_deployment_keeps_the_contract_over_watches() {
    check(&World::new("watches", Kind::Deployment, Filling::Watches).await).await;
}

/// Lets `user` read the definition of Rollouts.
async fn let_read_definition(namespace: &Namespace<'_>, user: &User) {
    let name = format!("{}-definitions", namespace.name());
    let role: ClusterRole = serde_json::from_value(json!({
        "metadata": {"name": name},
        "rules": [{"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"],
            "resourceNames": ["rollouts.argoproj.io"], "verbs": ["get"]}],
    }))
    .unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name()}],
    }))
    .unwrap();
    let client = namespace.client();
    Api::all(client.clone())
        .create(&PostParams::default(), &role)
        .await
        .unwrap();
    Api::all(client.clone())
        .create(&PostParams::default(), &binding)
        .await
        .unwrap();
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/rollouts.argoproj.io";
    let theirs = user.client().await;
    wait_until(MINUTE, "the definition may be read", async || {
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        theirs.request::<serde_json::Value>(request).await.is_ok()
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_custom_resource_keeps_the_contract_where_its_definition_may_be_read() {
    let kind = Kind::Rollout;
    let namespace = Cluster::shared().await.namespace("rollouts").await;
    for workload in ["good", "locked"] {
        namespace
            .create_workload(&Workload::new(kind, workload).replicas(2))
            .await;
    }
    let user = namespace.user("headroom", &rules(kind, &["good"])).await;
    let_read_definition(&namespace, &user).await;
    namespace.wait_for_ready_pods("good", 2).await;
    let world = World::of(namespace, kind, Filling::Lists, &user);
    let state = world.read("good").await.unwrap();
    assert_eq!(state.workload.origin, CountOrigin::WrittenByOthers);
    world.set("good", 2, 3).await.unwrap();
    let state = world.read("good").await.unwrap();
    assert_eq!(state.workload.origin, CountOrigin::WrittenByHeadroom);
    world.set("good", 3, 2).await.unwrap();
    check(&world).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_custom_resource_keeps_the_contract_where_only_its_scale_may_be_read() {
    let kind = Kind::Rollout;
    let namespace = Cluster::shared().await.namespace("scales").await;
    for workload in ["good", "locked"] {
        namespace
            .create_workload(&Workload::new(kind, workload).replicas(2))
            .await;
    }
    let mut rules = rules(kind, &["good"]);
    rules[0] = rule(&["argoproj.io"], &["rollouts/scale"], &["get"]);
    let user = namespace.user("headroom", &rules).await;
    namespace.wait_for_ready_pods("good", 2).await;
    let world = World::of(namespace, kind, Filling::Watches, &user);
    wait_until(MINUTE, "two replicas are ready", async || {
        let ready = Readiness::Known {
            ready: Replicas::new(2),
            longest_unready: None,
        };
        world.read("good").await.unwrap().workload.readiness == ready
    })
    .await;
    let workload = world.read("good").await.unwrap().workload;
    assert_eq!(workload.origin, CountOrigin::Read);
    let off = [
        (
            "scaling down in a rollout",
            "nothing is known of the rollouts of this kind",
        ),
        ("a count that a deploy sets back", OF_NOBODY),
        ("a second headroom", OF_NOBODY),
    ];
    let off = off.map(|(what, because)| format!("the guard against {what} is off: {because}"));
    let raised: Vec<_> = workload.raised.iter().map(ToString::to_string).collect();
    assert_eq!(raised, off);
    check(&world).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn another_deployment_is_refused_by_the_api_server() {
    let world = World::new("refused", Kind::Deployment, Filling::Lists).await;
    let error = world.set("locked", 2, 5).await.unwrap_err();
    let TargetError::Cluster(ClusterError::Forbidden { action, message }) = &error else {
        panic!("{error:?}")
    };
    let expected = format!(
        "patch deployments.apps/scale `locked` in namespace {}",
        world.namespace.name()
    );
    assert_eq!(*action, expected);
    assert!(message.contains(":headroom\" cannot patch resource"), "{message}");
    assert_eq!(world.namespace.replicas(Kind::Deployment, "locked").await, 2);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn readiness_is_that_of_the_pods_and_says_since_when_one_waits() {
    let namespace = Cluster::shared().await.namespace("readiness").await;
    namespace
        .create_workload(&Workload::deployment("good").replicas(3))
        .await;
    namespace
        .create_workload(
            &Workload::deployment("stuck")
                .replicas(2)
                .waiting("ImagePullBackOff"),
        )
        .await;
    let user = namespace
        .user("headroom", &rules(Kind::Deployment, &["good"]))
        .await;
    namespace.wait_for_ready_pods("good", 3).await;
    let world = World::of(namespace, Kind::Deployment, Filling::Lists, &user);
    let state = wait_for(MINUTE, "the status has all three", async || {
        let state = world.read("good").await.unwrap();
        (state.workload.observed == Some(Replicas::new(3))).then_some(state)
    })
    .await;
    let all = Readiness::Known {
        ready: Replicas::new(3),
        longest_unready: None,
    };
    assert_eq!(state.workload.readiness, all);
    assert_eq!(state.replicas.len(), 3);
    let has_address =
        |replica: &ReplicaEndpoint| matches!(replica.address, ReplicaAddress::Pod { ip: Some(_), .. });
    assert!(
        state
            .replicas
            .iter()
            .all(|replica| replica.ready && has_address(replica))
    );
    wait_until(
        MINUTE,
        "replicas have waited for two seconds",
        async || match world.read("stuck").await.unwrap().workload.readiness {
            Readiness::Known {
                ready,
                longest_unready,
            } => {
                assert_eq!(ready, Replicas::ZERO);
                longest_unready.is_some_and(|span| span >= Duration::from_secs(2))
            }
            Readiness::Unknown => panic!("readiness is not known"),
        },
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn without_the_permission_to_read_pods_the_count_is_read_and_readiness_is_not_known() {
    let namespace = Cluster::shared().await.namespace("blind").await;
    namespace
        .create_workload(&Workload::deployment("good").replicas(2))
        .await;
    let mut rules = rules(Kind::Deployment, &["good"]);
    rules.remove(1);
    let user = namespace.user("headroom", &rules).await;
    for filling in [Filling::Lists, Filling::Watches] {
        let reader = KubernetesReader::new(
            Arc::new(ClusterView::new(connect(&user), filling)),
            manager("1a2b3c4d"),
        );
        let target = target(&namespace, Kind::Deployment, "good");
        let state = reader
            .read(slice::from_ref(&target), now())
            .await
            .remove(0)
            .unwrap();
        assert_eq!(state.workload.current, Replicas::new(2));
        assert_eq!(state.workload.readiness, Readiness::Unknown);
        let off = format!(
            "the guard against replicas that do not become ready is off: pods in namespace {} may not be read; allow it \
             with the rule {{apiGroups: [\"\"], resources: [pods], verbs: [get, list, watch]}}",
            namespace.name()
        );
        let raised: Vec<_> = state.workload.raised.iter().map(ToString::to_string).collect();
        assert_eq!(raised, [off]);
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn who_wrote_the_count_is_told_also_after_somebody_else_did() {
    let world = World::new("origin", Kind::Deployment, Filling::Lists).await;
    let origin = async || world.read("good").await.unwrap().workload.origin;
    assert_eq!(origin().await, CountOrigin::WrittenByOthers);
    world.set("good", 2, 3).await.unwrap();
    assert_eq!(origin().await, CountOrigin::WrittenByHeadroom);
    world.namespace.set_replicas(Kind::Deployment, "good", 4).await;
    assert_eq!(origin().await, CountOrigin::WrittenByOthers);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_zero_by_way_of_the_scale_has_no_writer_and_one_in_the_object_has() {
    let world = World::new("zero", Kind::Deployment, Filling::Lists).await;
    let zero = async || {
        let workload = world.read("good").await.unwrap().workload;
        assert_eq!(workload.current, Replicas::ZERO);
        workload.origin
    };
    world.set("good", 2, 3).await.unwrap();
    let deployments: Api<Deployment> = world.namespace.api();
    let edited = Patch::Merge(json!({"spec": {"replicas": 0}}));
    deployments
        .patch("good", &PatchParams::default(), &edited)
        .await
        .unwrap();
    assert_eq!(zero().await, CountOrigin::WrittenByOthers);
    world.set("good", 0, 1).await.unwrap();
    world.set("good", 1, 0).await.unwrap();
    assert_eq!(zero().await, CountOrigin::Read);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_dry_run_finds_out_what_a_write_would_be_answered_and_changes_nothing() {
    let world = World::new("dry", Kind::Deployment, Filling::Lists).await;
    let deployments: Api<Deployment> = world.namespace.api();
    // Its controller is done with it, so that nothing but a write would change it.
    world.namespace.wait_for_ready_pods("good", 2).await;
    let before = settled(&deployments, "good").await;
    world
        .probe
        .try_write(&target(&world.namespace, Kind::Deployment, "good"), now())
        .await
        .unwrap();
    assert_eq!(settled(&deployments, "good").await, before);
    let refused = world
        .probe
        .try_write(&target(&world.namespace, Kind::Deployment, "locked"), now())
        .await;
    assert!(
        matches!(refused, Err(TargetError::Cluster(ClusterError::Forbidden { .. }))),
        "{refused:?}"
    );
}

/// The field manager of the headroom whose state is called `state`.
pub(crate) fn manager(state: &str) -> FieldManager {
    FieldManager::of_state(state).unwrap()
}

/// The managers and the generation of a Deployment.
async fn settled(deployments: &Api<Deployment>, name: &str) -> (Option<i64>, Vec<Option<String>>) {
    let metadata = deployments.get(name).await.unwrap().metadata;
    let managers = metadata.managed_fields.unwrap_or_default();
    (
        metadata.generation,
        managers.into_iter().map(|fields| fields.manager).collect(),
    )
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_count_is_written_over_an_object_whose_status_and_labels_move_all_the_time() {
    let world = World::new("moving", Kind::Deployment, Filling::Lists).await;
    let deployments: Api<Deployment> = world.namespace.api();
    for round in 0..10_u32 {
        let (from, to) = (2 + round, 3 + round);
        // In one pass, so that what is known is as old as the pass.
        let (target, now) = (target(&world.namespace, Kind::Deployment, "good"), now());
        let state = world
            .actuator
            .read(slice::from_ref(&target), now)
            .await
            .remove(0)
            .unwrap();
        assert_eq!(state.workload.current, Replicas::new(from));
        let moved = Patch::Merge(json!({"metadata": {"labels": {"round": round.to_string()}}}));
        deployments
            .patch("good", &PatchParams::default(), &moved)
            .await
            .unwrap();
        let written = world
            .actuator
            .set_replicas(&target, Replicas::new(from), Replicas::new(to), now)
            .await;
        written.unwrap();
        assert_eq!(world.namespace.replicas(Kind::Deployment, "good").await, to);
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_count_that_somebody_set_meanwhile_stays() {
    for filling in [Filling::Lists, Filling::Watches] {
        let world = World::new("meanwhile", Kind::Deployment, filling).await;
        let (target, now) = (target(&world.namespace, Kind::Deployment, "good"), now());
        world
            .actuator
            .read(slice::from_ref(&target), now)
            .await
            .remove(0)
            .unwrap();
        world.namespace.set_replicas(Kind::Deployment, "good", 7).await;
        let written = world
            .actuator
            .set_replicas(&target, Replicas::new(2), Replicas::new(3), now)
            .await;
        let Err(TargetError::Conflict { expected, found }) = written else {
            panic!("{written:?}")
        };
        assert_eq!((expected.get(), found.get()), (2, 7));
        assert_eq!(world.namespace.replicas(Kind::Deployment, "good").await, 7);
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn an_object_that_was_made_anew_meanwhile_is_not_written_to() {
    let world = World::new("anew", Kind::Deployment, Filling::Lists).await;
    let (target, now) = (target(&world.namespace, Kind::Deployment, "good"), now());
    world
        .actuator
        .read(slice::from_ref(&target), now)
        .await
        .remove(0)
        .unwrap();
    let deployments: Api<Deployment> = world.namespace.api();
    deployments
        .delete("good", &DeleteParams::default())
        .await
        .unwrap();
    wait_until(MINUTE, "the Deployment is gone", async || {
        deployments.get_opt("good").await.unwrap().is_none()
    })
    .await;
    world
        .namespace
        .create_workload(&Workload::deployment("good").replicas(2))
        .await;
    let written = world
        .actuator
        .set_replicas(&target, Replicas::new(2), Replicas::new(3), now)
        .await;
    assert!(
        matches!(written, Err(TargetError::Cluster(ClusterError::Conflict { .. }))),
        "{written:?}"
    );
    assert_eq!(world.namespace.replicas(Kind::Deployment, "good").await, 2);
    world.set("good", 2, 3).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_watch_follows_the_pods() {
    let world = World::new("following", Kind::Deployment, Filling::Watches).await;
    world.namespace.wait_for_ready_pods("good", 2).await;
    world.set("good", 2, 4).await.unwrap();
    let ready = |count| Readiness::Known {
        ready: Replicas::new(count),
        longest_unready: None,
    };
    wait_until(MINUTE, "four are seen", async || {
        let state = world.read("good").await.unwrap();
        state.workload.readiness == ready(4) && state.workload.observed == Some(Replicas::new(4))
    })
    .await;
    let pods: Api<Pod> = world.namespace.api();
    let gone = world.read("good").await.unwrap().replicas[0].id.clone();
    let names = world.namespace.wait_for_ready_pods("good", 4).await;
    let mut deleted = 0;
    for name in names {
        let uid = pods.get(&name).await.unwrap().metadata.uid.unwrap();
        if *gone == format!("{name} ({uid})") {
            pods.delete(&name, &DeleteParams::default()).await.unwrap();
            deleted += 1;
        }
    }
    assert_eq!(deleted, 1, "{gone}");
    wait_until(MINUTE, "another one is seen in its place", async || {
        let state = world.read("good").await.unwrap();
        state.workload.readiness == ready(4) && state.replicas.iter().all(|replica| replica.id != gone)
    })
    .await;
}
