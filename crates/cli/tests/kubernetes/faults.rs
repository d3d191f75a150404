//! What goes wrong in a cluster while `headroom run` goes: nothing is lowered for it, it is said once and names the cause,
//! and when it is over the count follows again.

use std::{collections::BTreeSet, fs, ops::Deref, thread, time::Duration};

use futures::StreamExt as _;
use headroom_test_support::{
    Process,
    cluster::{Cluster, Component, Kind, Load, Workload, rule},
    temp_dir, wait_for_seen, wait_until,
};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Node, ServiceAccount},
        rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, ResourceExt as _,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
        PostParams, WatchParams,
    },
    core::WatchEvent,
};
use rustix::process::Signal;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

use crate::world::{self, World};

const PATIENCE: Duration = Duration::from_secs(150);
/// The most lines that an outage may be worth, however many passes it lasts.
const LINES: usize = 25;

/// The one cluster that tests break, while a test has it.
pub(crate) struct Fragile {
    place: MutexGuard<'static, Place>,
}

/// Where that cluster is between tests.
struct Place {
    cluster: Option<Cluster>,
    /// Whether a test failed with it, and so may have left anything broken.
    has_failed: bool,
}

impl Deref for Fragile {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.place.cluster.as_ref().unwrap()
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        self.place.has_failed = thread::panicking();
    }
}

/// The one cluster that tests break, one after the other. Its API server gives requests up after three seconds.
///
/// After a test that failed it is another one.
pub(crate) async fn fragile() -> Fragile {
    static PLACE: Mutex<Place> = Mutex::const_new(Place {
        cluster: None,
        has_failed: false,
    });
    let mut fragile = Fragile {
        place: PLACE.lock().await,
    };
    let place = &mut *fragile.place;
    if place.has_failed {
        place.cluster = None;
    }
    if let Some(cluster) = &place.cluster {
        make_whole(cluster).await;
    } else {
        let builder = Cluster::builder().hpa(None).nodes(2);
        let builder = builder.request_timeout(Duration::from_secs(3));
        place.cluster = Some(builder.start().await);
    }
    fragile
}

/// Waits for nothing that a test before has broken: what asks the API server begins anew, and nodes come back.
async fn make_whole(cluster: &Cluster) {
    for component in [
        Component::ControllerManager,
        Component::Scheduler,
        Component::Kwok,
    ] {
        cluster.start_again(component).await;
    }
    let nodes: Api<Node> = Api::all(cluster.client().await);
    wait_for_seen(PATIENCE, "all nodes take pods", async || {
        let nodes = nodes
            .list(&ListParams::default())
            .await
            .map_err(|error| error.to_string())?;
        let taints = nodes.into_iter().filter_map(|node| node.spec?.taints);
        let tainted: Vec<_> = taints.collect();
        if tainted.is_empty() {
            Ok(())
        } else {
            Err(format!("{tainted:?}"))
        }
    })
    .await;
}

const LOAD: &str = "metrics.load = { recorded = \"load.csv\", per_replica = 100 }\nscale_up = { limit = [] }";

fn policy(world: &World<'_>, target: &str, metric: &str) -> String {
    format!(
        "deadline = \"8s\"\n[hpa]\ncpu_initialization_period = \"10s\"\n[workload.\"{}\"]\nscale_target = \"{target}\"\n\
         min_replicas = 1\nmax_replicas = 10\ninterval = \"1s\"\n\
         scale_down = {{ stabilization = \"1s\", limit = [] }}\n{metric}\n",
        world.id("api")
    )
}

/// A Deployment `api` under a load that asks for six, and headroom that scales it.
struct Running<'c> {
    world: World<'c>,
    process: Process,
}

impl<'c> Running<'c> {
    async fn new(cluster: &'c Cluster, name: &str) -> Self {
        let world = World::new(cluster, name, &[Workload::deployment("api")]).await;
        Self::of(world, LOAD).await
    }

    /// Begins to scale `api` of `world` by `metric`, which asks for six.
    async fn of(world: World<'c>, metric: &str) -> Self {
        world.write_policy(&policy(&world, "deployment/api", metric));
        world.grant_what_is_printed().await;
        world.set_load(540);
        let process = world.run();
        let running = Self { world, process };
        running.comes_to(6).await;
        running.world.namespace.wait_for_ready_pods("api", 6).await;
        running
    }

    fn said(&self) -> String {
        self.process.stdout() + &self.process.stderr()
    }

    async fn says(&self, words: &str) {
        let what = format!("it says `{words}`");
        wait_for_seen(PATIENCE, &what, async || {
            let said = self.said();
            if said.contains(words) { Ok(()) } else { Err(said) }
        })
        .await;
    }

    async fn comes_to(&self, count: u32) {
        let what = format!("api comes to {count}");
        wait_for_seen(PATIENCE, &what, async || {
            let replicas = self.world.replicas("api").await;
            if replicas == count {
                Ok(())
            } else {
                Err(format!("{replicas} replicas\n{}", self.said()))
            }
        })
        .await;
    }

    /// Waits until so many passes more were made.
    async fn passes(&self, more: u64) {
        let made = async || {
            let history = self
                .world
                .headroom(&["history", "--format", "json", "--limit", "1000"])
                .await;
            let rows = history.expect(0).json()["rows"].as_array().unwrap().clone();
            rows.iter().filter_map(|row| row["count"].as_u64()).sum::<u64>()
        };
        let begun = made().await;
        wait_for_seen(PATIENCE, "passes are made", async || {
            let now = made().await;
            if now >= begun + more {
                Ok(())
            } else {
                Err(format!("{now} after {begun}\n{}", self.said()))
            }
        })
        .await;
    }

    /// What explains the last decision has all of `words`.
    async fn explains(&self, words: &[&str]) {
        let what = format!("it explains {words:?}");
        wait_for_seen(PATIENCE, &what, async || {
            let explained = self
                .world
                .headroom(&["explain", &self.world.id("api"), "--last"])
                .await;
            let is_said = words.iter().all(|words| explained.stdout.contains(words));
            if is_said { Ok(()) } else { Err(explained) }
        })
        .await;
    }

    /// A person asks for `count` at least from now on.
    async fn asks_for(&self, count: u32) {
        let (workload, count) = (self.world.id("api"), count.to_string());
        let asked = ["override", &workload, "--min", &count, "--for", "1h"];
        self.world.headroom(&asked).await.expect(0);
    }

    /// Eight are asked for, and the count follows: the fault is over.
    async fn recovers(self) {
        self.asks_for(8).await;
        self.comes_to(8).await;
        self.ends_without_a_fall().await;
    }

    /// It ends in order, has lowered nothing, and has said no error twice.
    async fn ends_without_a_fall(mut self) {
        let said = self.ends().await;
        assert_eq!(falls(&said), [""; 0], "{said}");
    }

    /// It ends in order, and has said no error twice. Returns all it said.
    async fn ends(&mut self) -> String {
        let said = world::ends(&mut self.process).await;
        let stdout = self.process.stdout();
        let errors = errors(&stdout);
        let distinct: BTreeSet<&&str> = errors.iter().collect();
        assert_eq!(errors.len(), distinct.len(), "{said}");
        assert!(said.lines().count() <= LINES, "{said}");
        said
    }
}

fn without_time(line: &str) -> &str {
    line.split_once("  ").map_or(line, |(_, rest)| rest)
}

/// The errors of what was said, without their times.
fn errors(said: &str) -> Vec<&str> {
    let is_error = |line: &&str| line.contains("  unknown  (") || line.contains("failed: ");
    said.lines().filter(is_error).map(without_time).collect()
}

/// The changes of what was said by which the count falls.
fn falls(said: &str) -> Vec<&str> {
    said.lines().map(without_time).filter_map(fall).collect()
}

/// The change that a line tells, if the count falls by it.
fn fall(line: &str) -> Option<&str> {
    let (_, change) = line.split_once("  ")?;
    let change = change.trim_start().split_once(" replicas")?.0;
    let (from, to) = change.split_once(" \u{2192} ")?;
    (to.parse::<u32>().ok()? < from.parse::<u32>().ok()?).then_some(change)
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn an_api_server_that_is_killed_is_named_and_when_it_is_back_the_count_follows() {
    let cluster = fragile().await;
    let running = Running::new(&cluster, "killed").await;
    cluster.kill(Component::ApiServer);
    running
        .says(&format!("{} could not be reached: ", cluster.url()))
        .await;
    running.passes(3).await;
    cluster.start_again(Component::ApiServer).await;
    assert_eq!(running.world.replicas("api").await, 6);
    running.recovers().await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_certificate_that_has_changed_is_named_and_not_trusted() {
    let cluster = fragile().await;
    let running = Running::new(&cluster, "certificate").await;
    cluster.change_certificate().await;
    running
        .says(&format!("the certificate of {} is not trusted: ", cluster.url()))
        .await;
    running
        .says("the kubeconfig's certificate-authority must be the one that signed it")
        .await;
    running.passes(3).await;
    cluster.restore_certificate().await;
    assert_eq!(running.world.replicas("api").await, 6);
    running.recovers().await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn an_etcd_that_stands_still_is_named_as_the_servers_failure_and_the_write_is_made_when_it_goes_on() {
    let cluster = fragile().await;
    let running = Running::new(&cluster, "etcd").await;
    cluster.pause(Component::Etcd);
    running.asks_for(8).await;
    running
        .says("the API server failed (504): patch deployments.apps/scale `api`")
        .await;
    running.passes(2).await;
    cluster.resume(Component::Etcd);
    running.recovers().await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_watch_whose_version_is_gone_is_listed_anew() {
    let cluster = fragile().await;
    let running = Running::new(&cluster, "gone").await;
    let deployments = running.world.namespace.api::<Deployment>();
    let listed = deployments.list(&ListParams::default()).await.unwrap();
    let version = listed.metadata.resource_version.unwrap();
    // headroom hears of nothing meanwhile.
    running.process.signal(Signal::STOP);
    running
        .world
        .namespace
        .create_workload(&Workload::deployment("other"))
        .await;
    cluster.kill(Component::ApiServer);
    cluster.start_again(Component::ApiServer).await;
    running
        .world
        .namespace
        .set_replicas(Kind::Deployment, "api", 7)
        .await;
    let parameters = WatchParams::default().timeout(5);
    let mut events = Box::pin(deployments.watch(&parameters, &version).await.unwrap());
    let event = events.next().await.unwrap().unwrap();
    assert!(
        matches!(&event, WatchEvent::Error(status) if status.code == 410),
        "{event:?}"
    );
    // Before it goes on: 6 are enough for the load, and a pass in between would say so.
    running.asks_for(9).await;
    running.process.signal(Signal::CONT);
    running.comes_to(9).await;
    // What headroom wrote it knows without a watch; of this it hears by one.
    running
        .world
        .namespace
        .set_replicas(Kind::Deployment, "api", 8)
        .await;
    running.comes_to(9).await;
    running.ends_without_a_fall().await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn permissions_that_are_revoked_are_named_each_and_granted_again_they_are_used() {
    let running = Running::new(Cluster::shared().await, "revoked").await;
    let namespace = &running.world.namespace;
    let bindings = namespace.api::<RoleBinding>();
    bindings
        .delete_collection(&DeleteParams::default(), &ListParams::default())
        .await
        .unwrap();
    running.asks_for(7).await;
    let named = |what: &str| format!("not allowed: {what} in namespace {} (403)", namespace.name());
    running.says(&named("patch deployments.apps/scale `api`")).await;
    // A watch that goes on is not ended by that, and the next one is refused.
    running.says(&named("watch deployments.apps")).await;
    running.passes(3).await;
    assert_eq!(running.world.replicas("api").await, 6);
    running.world.grant_what_is_printed().await;
    running.recovers().await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_token_whose_account_was_made_anew_is_refused_until_its_file_has_the_new_one() {
    let mut world = World::new(Cluster::shared().await, "token", &[Workload::deployment("api")]).await;
    let directory = temp_dir();
    let file = directory.path().join("token");
    let rotate = |world: &World<'_>| fs::write(&file, world.token()).unwrap();
    rotate(&world);
    world.use_token_file(&file);
    let running = Running::of(world, LOAD).await;
    let accounts = running.world.namespace.api::<ServiceAccount>();
    accounts
        .delete("headroom", &DeleteParams::default())
        .await
        .unwrap();
    running.world.renew_user().await;
    running.says("does not accept the credentials (401)").await;
    running.asks_for(7).await;
    running.passes(2).await;
    assert_eq!(running.world.replicas("api").await, 6);
    rotate(&running.world);
    running.recovers().await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn metrics_of_some_pods_only_or_of_none_lower_nothing_and_are_explained() {
    let cluster = fragile().await;
    let api = Workload::deployment("api").container("app", "100m", "64Mi");
    let world = World::new(&cluster, "metrics", &[api]).await;
    world.namespace.set_load("api", &Load::none().cpu(0.28)).await;
    let mut running = Running::of(
        world,
        "metrics.cpu = { utilization = \"50%\" }\nscale_up = { limit = [] }",
    )
    .await;
    let namespace = &running.world.namespace;
    namespace.wait_for_usage("api", |usage| usage.len() == 6).await;

    // metrics-server does not find what the second node's pods use.
    let nodes: Api<Node> = Api::all(cluster.client().await);
    const PATH: &str = "metrics.k8s.io/resource-metrics-path";
    let path = nodes.get("node-2").await.unwrap().annotations()[PATH].clone();
    let measure_at = async |path: &str| {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {PATH: path}}}));
        nodes
            .patch("node-2", &PatchParams::default(), &patch)
            .await
            .unwrap();
    };
    measure_at("/nowhere").await;
    namespace
        .wait_for_usage("api", |usage| (1..=4).contains(&usage.len()))
        .await;
    namespace.set_load("api", &Load::none().cpu(0.09)).await;
    running.explains(&["(measured only in part)"]).await;
    running.passes(15).await;
    assert_eq!(running.world.replicas("api").await, 6);

    cluster.kill(Component::MetricsServer);
    running
        .explains(&[
            "unknown (the source answered 503)",
            "the metrics API does not answer: ",
        ])
        .await;
    running.passes(5).await;
    assert_eq!(running.world.replicas("api").await, 6);

    measure_at(&path).await;
    cluster.start_again(Component::MetricsServer).await;
    running.comes_to(2).await;
    let said = running.ends().await;
    assert!(!falls(&said).is_empty(), "{said}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_target_that_is_deleted_and_created_anew_is_a_new_workload() {
    let world = World::new(Cluster::shared().await, "anew", &[Workload::deployment("api")]).await;
    // The first object uses up all that may be added in half an hour.
    let metric = LOAD.replace("[]", "[\"4 per 30m\"]");
    let mut running = Running::of(world, &metric).await;
    let deployments = running.world.namespace.api::<Deployment>();
    deployments.delete("api", &DeleteParams::default()).await.unwrap();
    running
        .says("there is no deployments.apps `api` in namespace")
        .await;
    running
        .world
        .namespace
        .create_workload(&Workload::deployment("api").replicas(2))
        .await;
    running.comes_to(6).await;
    running
        .says("was deleted and created anew, so what was remembered of the one before is not used")
        .await;
    let said = running.ends().await;
    assert!(!errors(&said).is_empty(), "{said}");
}

async fn let_read_definition(world: &World<'_>, name: &str) {
    let of = format!("{}-definitions", world.namespace.name());
    let role: ClusterRole = serde_json::from_value(json!({
        "metadata": {"name": of},
        "rules": [{"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"],
            "resourceNames": [name], "verbs": ["get"]}],
    }))
    .unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": of},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": of},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": world.user.name()}],
    }))
    .unwrap();
    let (client, how) = (world.namespace.client(), PostParams::default());
    Api::all(client.clone()).create(&how, &role).await.unwrap();
    Api::all(client.clone()).create(&how, &binding).await.unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(world.user.client().await);
    wait_until(PATIENCE, "the definition may be read", async || {
        definitions.get(name).await.is_ok()
    })
    .await;
}

/// A kind of its own for one test, with a scale.
fn definition(group: &str) -> CustomResourceDefinition {
    serde_json::from_value(json!({
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "subresources": {"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
            }],
        },
    }))
    .unwrap()
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_kind_whose_definition_is_removed_is_named_and_scaled_again_when_it_is_back() {
    let world = World::new(Cluster::shared().await, "kind", &[]).await;
    let group = format!("{}.example.com", world.namespace.name());
    let name = format!("widgets.{group}");
    let client = world.namespace.client().clone();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(&group, "v1", "Widget"));
    let widgets: Api<DynamicObject> = Api::namespaced_with(client, world.namespace.name(), &kind);
    let create = async || {
        definitions
            .create(&PostParams::default(), &definition(&group))
            .await
            .unwrap();
        let widget = DynamicObject::new("api", &kind).data(json!({"spec": {"replicas": 2}}));
        wait_for_seen(PATIENCE, "there is a widget", async || {
            widgets
                .create(&PostParams::default(), &widget)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await;
    };
    create().await;
    let may = [
        rule(&[""], &["pods"], &["get", "list", "watch"]),
        rule(
            &["autoscaling"],
            &["horizontalpodautoscalers"],
            &["get", "list", "watch"],
        ),
        rule(&[&group], &["widgets"], &["get", "list", "watch"]),
        rule(&[&group], &["widgets/scale"], &["patch"]),
    ];
    world.namespace.grant(&world.user, &may).await;
    let_read_definition(&world, &name).await;
    world.write_policy(&policy(&world, &format!("widget.{group}/api"), LOAD));
    world.set_load(540);
    let process = world.run();
    let mut running = Running { world, process };
    let comes_to_six = async |running: &Running<'_>| {
        wait_for_seen(PATIENCE, "the widget comes to 6", async || {
            let replicas = widgets
                .get("api")
                .await
                .ok()
                .and_then(|widget| widget.data["spec"]["replicas"].as_u64());
            if replicas == Some(6) {
                Ok(())
            } else {
                Err(format!("{replicas:?}\n{}", running.said()))
            }
        })
        .await;
    };
    comes_to_six(&running).await;
    definitions.delete(&name, &DeleteParams::default()).await.unwrap();
    running
        .says(&format!("the cluster has no kind `widget.{group}`"))
        .await;
    running.passes(3).await;
    wait_for_seen(PATIENCE, "the definition is gone", async || {
        let found = definitions.get_opt(&name).await.unwrap();
        if found.is_none() {
            Ok(())
        } else {
            Err("it is there".to_owned())
        }
    })
    .await;
    create().await;
    comes_to_six(&running).await;
    running.ends().await;
    definitions.delete(&name, &DeleteParams::default()).await.unwrap();
}
