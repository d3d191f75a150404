//! Scaling by what pods use, on a real cluster: metrics-server tells, and headroom may do what the book says and
//! nothing else.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use headroom_test_support::{
    cluster::{Cluster, Component, Kind, Load, Namespace, User, Workload, rule},
    temp_dir, wait_for_seen,
};
use tempfile::TempDir;

/// What a change of load takes at most: metrics-server looks every ten seconds, and windows are seconds here.
const PATIENCE: Duration = Duration::from_secs(240);

/// A Deployment `api` of two replicas, a user who may do what the book says, and a policy.
struct World<'c> {
    namespace: Namespace<'c>,
    user: User,
    directory: TempDir,
    /// The last that headroom said.
    said: Mutex<String>,
}

impl<'c> World<'c> {
    async fn new(cluster: &'c Cluster, name: &str, api: Workload, policy: &str) -> Self {
        let namespace = cluster.namespace(name).await;
        namespace.create_workload(&api.replicas(2)).await;
        let mut write = rule(&["apps"], &["deployments/scale"], &["patch"]);
        write.resource_names = Some(vec!["api".to_owned()]);
        let rules = [
            rule(&["apps"], &["deployments"], &["get", "list", "watch"]),
            rule(&[""], &["pods"], &["get", "list", "watch"]),
            rule(
                &["autoscaling"],
                &["horizontalpodautoscalers"],
                &["get", "list", "watch"],
            ),
            rule(&["metrics.k8s.io"], &["pods"], &["list"]),
            write,
        ];
        let user = namespace.user("headroom", &rules).await;
        namespace.wait_for_ready_pods("api", 2).await;
        let directory = temp_dir();
        let text = format!(
            "[hpa]\ncpu_initialization_period = \"10s\"\ninitial_readiness_delay = \"5s\"\ndownscale_stabilization = \"30s\"\n\
             [workload.\"{}/api\"]\nscale_target = \"deployment/api\"\nmin_replicas = 1\nmax_replicas = 10\n\
             interval = \"1s\"\n{policy}\n",
            namespace.name()
        );
        fs::write(directory.path().join("headroom.toml"), text).unwrap();
        Self {
            namespace,
            user,
            directory,
            said: Mutex::default(),
        }
    }

    async fn headroom(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(self.user.kubeconfig());
        command.current_dir(self.directory.path()).stdin(Stdio::null());
        for variable in ["HEADROOM_CONFIG", "DEBUG", "KUBECONFIG"] {
            command.env_remove(variable);
        }
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
        write!(said, "{}", String::from_utf8_lossy(&output.stderr)).unwrap();
        said.clone_into(&mut self.said.lock().unwrap());
        said
    }

    async fn load(&self, workload: &str, load: &Load) {
        self.namespace.set_load(workload, load).await;
    }

    async fn replicas(&self, workload: &str) -> u32 {
        self.namespace.replicas(Kind::Deployment, workload).await
    }

    /// Lets headroom pass again and again until `api` has `count` replicas that are ready and measured, and it changes
    /// nothing any more.
    async fn settles_at(&self, count: u32) {
        let what = format!("api settles at {count}");
        wait_for_seen(PATIENCE, &what, async || {
            let said = self.headroom(&["run", "--once"]).await;
            let (replicas, measured) = (self.replicas("api").await, self.namespace.usage("api").await);
            if replicas == count && measured.len() == usize::try_from(count).unwrap() {
                Ok(())
            } else {
                Err(format!("{replicas} replicas, which use {measured:?}\n{said}"))
            }
        })
        .await;
        self.headroom(&["run", "--once"]).await;
        assert_eq!(self.replicas("api").await, count, "{}", self.said.lock().unwrap());
    }
}

const CPU: &str = "metrics.cpu = { utilization = \"50%\" }\nscale_down = { stabilization = \"1s\", limit = [] }\n\
                   scale_up = { limit = [] }";

/// 100m for each replica, of which half is to be used.
fn api() -> Workload {
    Workload::deployment("api").container("app", "100m", "64Mi")
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_deployment_follows_what_its_pods_use_up_and_down() {
    let world = World::new(Cluster::shared().await, "usage", api(), CPU).await;
    world.load("api", &Load::none().cpu(0.28)).await;
    world.settles_at(6).await;
    let live = world.headroom(&["check", "--live"]).await;
    assert!(live.contains("cpu") && !live.contains("failed"), "{live}");
    world.load("api", &Load::none().cpu(0.09)).await;
    world.settles_at(2).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn one_container_is_measured_against_what_it_requests_itself() {
    // All containers together use 30 % of what they request: that alone would be no reason to scale up.
    let workload = api().container("log", "400m", "64Mi");
    let policy = CPU.replace("\"50%\" }", "\"50%\", container = \"app\" }");
    let world = World::new(Cluster::shared().await, "container", workload, &policy).await;
    let load = Load::none().container_cpu("app", 0.28).container_cpu("log", 0.02);
    world.load("api", &load).await;
    world.settles_at(6).await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn under_the_hpas_semantics_it_settles_where_the_hpa_does() {
    let policy = "semantics = \"hpa\"\nmetrics.cpu = { utilization = \"50%\" }";
    let world = World::new(Cluster::shared().await, "twins", api(), policy).await;
    world
        .namespace
        .create_workload(
            &Workload::deployment("twin")
                .container("app", "100m", "64Mi")
                .replicas(2),
        )
        .await;
    world
        .namespace
        .create_hpa(Kind::Deployment, "twin", 1..=10, 50)
        .await;
    for (cores, count) in [(0.33, 7), (0.12, 3)] {
        for workload in ["api", "twin"] {
            world.load(workload, &Load::none().cpu(cores)).await;
        }
        world.settles_at(count).await;
        let twin = world
            .namespace
            .wait_for_replicas(Kind::Deployment, "twin", |replicas| replicas == count)
            .await;
        assert_eq!(twin, world.replicas("api").await, "at {cores} cores");
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn without_metrics_server_nothing_is_lowered_and_the_cause_is_named() {
    let mut cluster = Cluster::start().await;
    cluster.kill(Component::MetricsServer);
    let world = World::new(&cluster, "gone", api(), CPU).await;
    let said = world.headroom(&["run", "--once"]).await;
    assert!(said.contains("the metrics API does not answer"), "{said}");
    assert_eq!(world.replicas("api").await, 2);
}
