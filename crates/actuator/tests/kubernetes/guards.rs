//! The guards' facts on a real API server with its real controllers, as a user who may do what the book says.

use headroom_actuator::TargetError;
use headroom_cluster::{ClusterError, Filling};
use headroom_policy_engine::{Held, Hold, Replicas};
use headroom_test_support::{
    cluster::{Cluster, Kind, Namespace, Workload, rule},
    wait_until,
};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, StatefulSet},
        core::v1::ResourceQuota,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Resource,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::{GroupVersionKind, NamespaceResourceScope},
};
use serde_json::{Value, json};

use super::real::{MINUTE, World, rules};

/// Rules 2 and 3 of [`rules`] are those for HPAs and ScaledObjects.
const HPAS: usize = 2;
const SCALED_OBJECTS: usize = 3;

impl World<'_> {
    async fn holds(&self, name: &str) -> Vec<Hold> {
        self.read(name).await.unwrap().workload.holds
    }

    /// What else scales it.
    async fn scalers(&self, name: &str) -> Vec<String> {
        let holds = self.holds(name).await.into_iter();
        let scalers = holds.filter_map(|hold| {
            let Hold::SecondScaler { name, .. } = hold else {
                return None;
            };
            Some(name.to_string())
        });
        scalers.collect()
    }

    async fn raised(&self, name: &str) -> Vec<String> {
        let raised = self.read(name).await.unwrap().workload.raised;
        raised.iter().map(ToString::to_string).collect()
    }

    async fn is_rolling_out(&self, name: &str) -> bool {
        let holds = self.holds(name).await;
        let mut rolling = holds
            .iter()
            .filter(|hold| matches!(hold, Hold::RollingOut { .. }));
        rolling.any(|hold| hold.is_in_force(super::real::now()))
    }

    async fn wait_until_settled(&self, name: &str, replicas: usize) {
        self.namespace.wait_for_ready_pods(name, replicas).await;
        wait_until(MINUTE, "nothing is rolled out", async || {
            !self.is_rolling_out(name).await
        })
        .await;
    }

    /// Changes an object as a person would with `kubectl edit`.
    async fn edit<K>(&self, name: &str, patch: Value)
    where
        K: Resource<DynamicType: Default, Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let parameters = PatchParams {
            field_manager: Some("kubectl-edit".to_owned()),
            ..PatchParams::default()
        };
        let api: Api<K> = self.namespace.api();
        api.patch(name, &parameters, &Patch::Merge(patch)).await.unwrap();
    }
}

/// A new image that never starts.
fn broken_image() -> Value {
    let annotations = json!({ "headroom.dev/waiting": "ImagePullBackOff" });
    json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } })
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn an_hpa_on_the_same_target_holds_all_writing_until_it_is_gone() {
    for (name, filling) in [("hpa-lists", Filling::Lists), ("hpa-watches", Filling::Watches)] {
        let world = World::new(name, Kind::Deployment, filling).await;
        world
            .namespace
            .create_hpa(Kind::Deployment, "good", 2..=2, 70)
            .await;
        wait_until(MINUTE, "the HPA is told of", async || {
            world.scalers("good").await == ["HorizontalPodAutoscaler/good"]
        })
        .await;
        let others = world.holds("locked").await;
        assert!(
            others.iter().all(|hold| hold.held() != Held::Writing),
            "{others:?}"
        );
        let hpas: Api<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler> = world.namespace.api();
        hpas.delete("good", &DeleteParams::default()).await.unwrap();
        wait_until(MINUTE, "nothing else scales it", async || {
            let holds = world.holds("good").await;
            holds.iter().all(|hold| hold.held() != Held::Writing)
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn where_hpas_may_not_be_read_the_guard_is_off_and_says_which_rule_is_missing() {
    let namespace = Cluster::shared().await.namespace("no-hpas").await;
    let workload = Workload::deployment("good").replicas(2);
    namespace.create_workload(&workload).await;
    namespace.create_hpa(Kind::Deployment, "good", 2..=2, 70).await;
    let mut rules = rules(Kind::Deployment, &["good"]);
    rules.remove(HPAS);
    let user = namespace.user("headroom", &rules).await;
    let world = World::of(namespace, Kind::Deployment, Filling::Watches, &user);
    let expected = format!(
        "the guard against a second scaler is off: horizontalpodautoscalers.autoscaling in namespace {} may not be \
         read; allow it with the rule {{apiGroups: [\"autoscaling\"], resources: [horizontalpodautoscalers], verbs: \
         [get, list, watch]}}",
        world.namespace.name()
    );
    let raised = world.raised("good").await;
    assert!(raised.contains(&expected), "{raised:?}");
    let holds = world.holds("good").await;
    assert!(holds.iter().all(|hold| hold.held() != Held::Writing), "{holds:?}");
}

/// A definition of ScaledObjects, as far as it is used.
fn keda() -> CustomResourceDefinition {
    serde_json::from_value(json!({
        "metadata": { "name": "scaledobjects.keda.sh" },
        "spec": {
            "group": "keda.sh", "scope": "Namespaced",
            "names": { "kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject" },
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            }],
        },
    }))
    .unwrap()
}

fn scaled_object(name: &str, target: &str) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": { "name": name },
        "spec": { "scaleTargetRef": { "name": target }, "triggers": [] },
    }))
    .unwrap()
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_scaled_object_holds_all_writing_where_keda_is_and_no_permission_is_missed_where_it_is_not() {
    let namespace = Cluster::shared().await.namespace("keda").await;
    namespace
        .create_workload(&Workload::deployment("good").replicas(2))
        .await;
    let all = rules(Kind::Deployment, &["good"]);
    let mut fewer = all.clone();
    fewer.remove(SCALED_OBJECTS);
    let user = namespace.user("headroom", &fewer).await;
    let client = namespace.client().clone();
    let world = World::of(namespace, Kind::Deployment, Filling::Lists, &user);
    let is_off = async || {
        let raised = world.raised("good").await;
        raised
            .iter()
            .any(|text| text.contains("resources: [scaledobjects]"))
    };
    assert!(!is_off().await, "there is no KEDA");

    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    definitions.create(&PostParams::default(), &keda()).await.unwrap();
    wait_until(MINUTE, "the guard is off", is_off).await;
    world.namespace.grant(&user, &all).await;
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject"));
    let objects: Api<DynamicObject> = Api::namespaced_with(client, world.namespace.name(), &kind);
    let (one, other) = (scaled_object("scaled", "good"), scaled_object("other", "shop"));
    objects.create(&PostParams::default(), &other).await.unwrap();
    wait_until(MINUTE, "the guard is on", async || !is_off().await).await;
    assert!(world.scalers("good").await.is_empty());
    objects.create(&PostParams::default(), &one).await.unwrap();
    wait_until(MINUTE, "the ScaledObject is told of", async || {
        world.scalers("good").await == ["ScaledObject/scaled"]
    })
    .await;
}

/// What follows the CPU of all containers, that of one, and memory.
const CPU: &[(&str, Option<&str>)] = &[("cpu", None)];
const CPU_OF_PROXY: &[(&str, Option<&str>)] = &[("cpu", Some("proxy"))];
const MEMORY: &[(&str, Option<&str>)] = &[("memory", None)];

impl World<'_> {
    /// What holds all writing of `good`, and what is told of beside, where its count follows `requests`.
    async fn beside(&self, requests: &[(&str, Option<&str>)]) -> (Vec<String>, Vec<String>) {
        let workload = self.read_following("good", requests).await.unwrap().workload;
        let holds = workload.holds.iter().filter(|hold| hold.held() == Held::Writing);
        let holds = holds.map(ToString::to_string).collect();
        (holds, workload.raised.iter().map(ToString::to_string).collect())
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_vpa_that_sets_what_the_count_follows_holds_all_writing_and_one_that_is_off_is_told_of() {
    let namespace = Cluster::shared().await.namespace("vpa").await;
    let workload = Workload::deployment("good")
        .replicas(2)
        .container("app", "100m", "64Mi")
        .container("proxy", "10m", "16Mi");
    namespace.create_workload(&workload).await;
    namespace.wait_for_ready_pods("good", 2).await;
    let few = rules(Kind::Deployment, &["good"]);
    let user = namespace.user("headroom", &few).await;
    let world = World::of(namespace, Kind::Deployment, Filling::Lists, &user);
    let is_off = async |requests| {
        let (_, raised) = world.beside(requests).await;
        raised.contains(&format!(
            "the guard against requests that change is off: verticalpodautoscalers.autoscaling.k8s.io in namespace {} \
             may not be read; allow it with the rule {{apiGroups: [\"autoscaling.k8s.io\"], resources: \
             [verticalpodautoscalers], verbs: [get, list, watch]}}",
            world.namespace.name()
        ))
    };
    assert!(!is_off(CPU).await, "there are no VPAs");
    world.namespace.install_vpas().await;
    wait_until(MINUTE, "the guard is off", async || is_off(CPU).await).await;
    assert!(!is_off(&[]).await, "no request is followed");

    let read = rule(
        &["autoscaling.k8s.io"],
        &["verticalpodautoscalers"],
        &["get", "list", "watch"],
    );
    world.namespace.grant(&user, &[few, vec![read]].concat()).await;
    wait_until(MINUTE, "the guard is on", async || !is_off(CPU).await).await;
    assert_eq!(world.beside(CPU).await, (vec![], vec![]));

    let vpa = async |mode: &str, policies: Value| {
        let namespace = &world.namespace;
        namespace
            .create_vpa(Kind::Deployment, "good", mode, &policies)
            .await;
    };
    let held = |resource: &str, mode: &str| {
        let said = format!(
            "VerticalPodAutoscaler/good sets the requests of {resource} (updateMode {mode}), which the count follows, and \
             the two would chase each other"
        );
        (vec![said], Vec::<String>::new())
    };
    vpa("Initial", json!([])).await;
    assert_eq!(world.beside(CPU).await, held("cpu", "Initial"));
    assert_eq!(world.beside(MEMORY).await, held("memory", "Initial"));
    assert_eq!(
        world.beside(&[]).await,
        (vec![], vec![]),
        "no request is followed"
    );
    vpa(
        "Recreate",
        json!([{ "containerName": "*", "controlledResources": ["memory"] }]),
    )
    .await;
    assert_eq!(world.beside(CPU).await, (vec![], vec![]), "memory alone");
    assert_eq!(world.beside(MEMORY).await, held("memory", "Recreate"));
    vpa("Recreate", json!([{ "containerName": "proxy", "mode": "Off" }])).await;
    assert_eq!(world.beside(CPU).await, held("cpu", "Recreate"));
    assert_eq!(
        world.beside(CPU_OF_PROXY).await,
        (vec![], vec![]),
        "not the proxy"
    );
    let both =
        json!([{ "containerName": "proxy", "mode": "Off" }, { "containerName": "app", "mode": "Off" }]);
    vpa("Recreate", both).await;
    assert_eq!(
        world.beside(CPU).await,
        (vec![], vec![]),
        "none of the pods' containers"
    );
    vpa("Off", json!([])).await;
    let remark = "VerticalPodAutoscaler/good recommends requests of cpu and sets none; if it set them, nothing would be \
                  written, because the count follows what is used of them";
    assert_eq!(world.beside(CPU).await, (vec![], vec![remark.to_owned()]));
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_rollout_holds_scaling_down_until_its_deadline_and_neither_a_new_count_nor_a_pause_is_one() {
    let world = World::new("rollout", Kind::Deployment, Filling::Lists).await;
    world.wait_until_settled("good", 2).await;
    world.set("good", 2, 4).await.unwrap();
    wait_until(MINUTE, "four replicas, and no rollout meanwhile", async || {
        let state = world.read("good").await.unwrap();
        assert_eq!(state.workload.holds, [], "a new count alone");
        state.workload.observed == Some(Replicas::new(4)) && state.replicas.iter().all(|one| one.ready)
    })
    .await;
    world
        .edit::<Deployment>(
            "good",
            json!({ "spec": { "paused": true, "progressDeadlineSeconds": 20 } }),
        )
        .await;
    wait_until(MINUTE, "the pause is seen, and holds nothing", async || {
        !world.is_rolling_out("good").await
    })
    .await;
    world
        .edit::<Deployment>("good", json!({ "spec": { "paused": false } }))
        .await;
    world.edit::<Deployment>("good", broken_image()).await;
    wait_until(MINUTE, "a rollout with a deadline", async || {
        let holds = world.holds("good").await;
        holds
            .iter()
            .any(|hold| matches!(hold, Hold::RollingOut { until: Some(_) }))
    })
    .await;
    wait_until(MINUTE, "the new image is told of", async || {
        let raised = world.raised("good").await;
        raised
            .iter()
            .any(|text| text.contains("container app: ImagePullBackOff"))
    })
    .await;
    let holds = world.holds("good").await;
    assert!(
        holds.iter().all(|hold| hold.held() == Held::Down),
        "it may grow all the same: {holds:?}"
    );
    wait_until(MINUTE, "its deadline is over", async || {
        !world.is_rolling_out("good").await
    })
    .await;
    assert!(!world.raised("good").await.is_empty(), "it still does not start");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_stateful_set_rolls_out_until_its_last_pod_is_new() {
    let world = World::new("sts-rollout", Kind::StatefulSet, Filling::Lists).await;
    world.wait_until_settled("good", 2).await;
    world.set("good", 2, 3).await.unwrap();
    world.namespace.wait_for_ready_pods("good", 3).await;
    assert_eq!(world.holds("good").await, [], "a new count alone");
    world.edit::<StatefulSet>("good", broken_image()).await;
    wait_until(MINUTE, "a rollout", async || world.is_rolling_out("good").await).await;
    wait_until(MINUTE, "the new image is told of", async || {
        !world.raised("good").await.is_empty()
    })
    .await;
    assert!(world.is_rolling_out("good").await, "it is not done");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_pod_that_no_node_takes_is_told_of_in_the_schedulers_words() {
    let namespace = Cluster::shared().await.namespace("unschedulable").await;
    let huge = Workload::deployment("good").container("app", "10k", "64Mi");
    namespace.create_workload(&huge).await;
    let user = namespace
        .user("headroom", &rules(Kind::Deployment, &["good"]))
        .await;
    let world = World::of(namespace, Kind::Deployment, Filling::Lists, &user);
    wait_until(MINUTE, "the scheduler's words", async || {
        let raised = world.raised("good").await;
        raised.iter().any(|text| {
            text.starts_with("1 replica does not come up: 0/") && text.contains("Insufficient cpu")
        })
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn pods_that_keep_crashing_or_whose_image_does_not_come_are_told_of_with_the_reason_and_hold_nothing() {
    for reason in ["CrashLoopBackOff", "ImagePullBackOff", "ErrImagePull"] {
        let name = format!("waiting-{}", reason.to_lowercase());
        let namespace = Cluster::shared().await.namespace(&name).await;
        let stuck = Workload::deployment("good").replicas(2).waiting(reason);
        namespace.create_workload(&stuck).await;
        let user = namespace
            .user("headroom", &rules(Kind::Deployment, &["good"]))
            .await;
        let world = World::of(namespace, Kind::Deployment, Filling::Lists, &user);
        let expected = format!("2 replicas do not come up: container app: {reason}");
        wait_until(MINUTE, "both are told of", async || {
            world.raised("good").await == [&*expected]
        })
        .await;
        // What else there is of it is a rollout, by which it may grow.
        let holds = world.holds("good").await;
        assert!(holds.iter().all(|hold| hold.held() == Held::Down), "{holds:?}");
    }
}

async fn limit_pods(namespace: &Namespace<'_>, pods: u32) -> Api<ResourceQuota> {
    let quotas: Api<ResourceQuota> = namespace.api();
    let quota = json!({ "metadata": { "name": "few" }, "spec": { "hard": { "pods": pods.to_string() } } });
    let quota = serde_json::from_value(quota).unwrap();
    quotas.create(&PostParams::default(), &quota).await.unwrap();
    wait_until(MINUTE, "the quota is in force", async || {
        let quota = quotas.get("few").await.unwrap();
        quota.status.is_some_and(|status| status.used.is_some())
    })
    .await;
    quotas
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_quota_that_refuses_pods_holds_scaling_up_with_its_words_until_it_is_gone() {
    let world = World::new("quota", Kind::Deployment, Filling::Lists).await;
    world.wait_until_settled("good", 2).await;
    world.namespace.wait_for_ready_pods("locked", 2).await;
    let quotas = limit_pods(&world.namespace, 5).await;
    world.set("good", 2, 4).await.unwrap();
    wait_until(MINUTE, "the fourth pod is refused", async || {
        let failing = Replicas::new(1);
        world
            .holds("good")
            .await
            .contains(&Hold::FailingToStart { failing })
    })
    .await;
    let raised = world.raised("good").await;
    let said = |text: &String| {
        text.starts_with("no further replica is let in: ") && text.contains("exceeded quota: few")
    };
    assert!(raised.iter().any(said), "{raised:?}");
    quotas.delete("few", &DeleteParams::default()).await.unwrap();
    // The controller tries again the less often the longer it could not, and at once when the count changes.
    world.set("good", 4, 5).await.unwrap();
    wait_until(MINUTE, "nothing is refused any more", async || {
        let holds = world.holds("good").await;
        holds.iter().all(|hold| hold.held() != Held::Up)
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_target_on_its_way_out_is_held() {
    let world = World::new("leaving", Kind::Deployment, Filling::Watches).await;
    let deployments: Api<Deployment> = world.namespace.api();
    let finalizers = |list: &[&str]| Patch::Merge(json!({"metadata": {"finalizers": list}}));
    let parameters = PatchParams::default();
    deployments
        .patch("good", &parameters, &finalizers(&["example.com/wait"]))
        .await
        .unwrap();
    deployments
        .delete("good", &DeleteParams::default())
        .await
        .unwrap();
    wait_until(MINUTE, "it is seen to be leaving", async || {
        let holds = world.read("good").await.unwrap().workload.holds;
        holds.contains(&Hold::BeingDeleted)
    })
    .await;
    deployments
        .patch("good", &parameters, &finalizers(&[]))
        .await
        .unwrap();
    wait_until(MINUTE, "it is seen to be gone", async || {
        matches!(
            world.read("good").await,
            Err(TargetError::Cluster(ClusterError::NotFound { .. }))
        )
    })
    .await;
}
