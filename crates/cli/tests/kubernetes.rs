//! The whole way on a real cluster: headroom scales Deployments as a user who may do what the book says and nothing
//! else.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use headroom_test_support::{
    Process,
    cluster::{Cluster, Kind, Namespace, User, Workload, rule},
    temp_dir, wait_until,
};
use k8s_openapi::api::{apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler};
use kube::api::{DeleteParams, Patch, PatchParams};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

const MINUTE: Duration = Duration::from_secs(60);

/// Two Deployments of two replicas under a load that asks for six, and a user who may write to `api` alone.
struct World<'c> {
    namespace: Namespace<'c>,
    user: User,
    directory: TempDir,
}

/// How a command ended and what it said.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    said: String,
}

impl World<'_> {
    async fn new(name: &str, workloads: &[&str]) -> Self {
        let namespace = Cluster::shared().await.namespace(name).await;
        for workload in ["api", "locked"] {
            namespace
                .create_workload(&Workload::deployment(workload).replicas(2))
                .await;
        }
        let mut write = rule(&["apps"], &["deployments/scale"], &["patch"]);
        write.resource_names = Some(vec!["api".to_owned()]);
        let read = ["get", "list", "watch"];
        let rules = [
            rule(&["apps"], &["deployments"], &read),
            rule(&[""], &["pods"], &read),
            rule(&["autoscaling"], &["horizontalpodautoscalers"], &read),
            write,
        ];
        let user = namespace.user("headroom", &rules).await;
        for workload in ["api", "locked"] {
            namespace.wait_for_ready_pods(workload, 2).await;
        }
        let world = Self {
            namespace,
            user,
            directory: temp_dir(),
        };
        world.write_policy(workloads);
        world.write_load(540);
        world
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn write_policy(&self, workloads: &[&str]) {
        let one = |workload: &&str| {
            format!(
                "[workload.\"{}/{workload}\"]\nscale_target = \"deployment/{workload}\"\nmin_replicas = 1\n\
                 max_replicas = 10\ninterval = \"1s\"\nmetrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n",
                self.namespace.name()
            )
        };
        let policy: String = workloads.iter().map(one).collect();
        fs::write(self.path().join("headroom.toml"), policy).unwrap();
    }

    fn write_load(&self, load: u32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        fs::write(
            self.path().join("load.csv"),
            format!("timestamp,value\n{now},{load}\n"),
        )
        .unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headroom"));
        command
            .args(arguments)
            .arg("--kubeconfig")
            .arg(self.user.kubeconfig());
        command.current_dir(self.path()).stdin(Stdio::null());
        command
            .env_remove("HEADROOM_CONFIG")
            .env_remove("DEBUG")
            .env_remove("KUBECONFIG");
        command
    }

    async fn headroom(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran {
            code: output.status.code(),
            said: text(&output.stdout) + &text(&output.stderr),
        }
    }

    async fn explain(&self) -> Ran {
        let workload = format!("{}/api", self.namespace.name());
        self.headroom(&["explain", &workload]).await
    }

    async fn replicas(&self, workload: &str) -> u32 {
        self.namespace.replicas(Kind::Deployment, workload).await
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_deployment_is_scaled_by_one_pass_and_by_nothing_that_only_looks() {
    let world = World::new("once", &["api"]).await;
    let planned = world.headroom(&["plan", "--detailed-exitcode"]).await;
    assert_eq!(planned.code, Some(10), "{}", planned.said);
    let live = world.headroom(&["check", "--live"]).await;
    assert_eq!(live.code, Some(0), "{}", live.said);
    assert!(live.said.contains("2 wanted, 2 ready"), "{}", live.said);
    assert!(live.said.contains("would be accepted (dry run)"), "{}", live.said);
    assert_eq!(world.replicas("api").await, 2);
    let ran = world.headroom(&["run", "--once"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert_eq!(world.replicas("api").await, 6);
    assert_eq!(world.replicas("locked").await, 2);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_write_that_is_not_allowed_is_refused_named_and_keeps_no_other_from_being_scaled() {
    let world = World::new("refused", &["api", "locked"]).await;
    let ran = world.headroom(&["run", "--once"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    let named = format!(
        "not allowed: patch deployments.apps/scale `locked` in namespace {} (403)",
        world.namespace.name()
    );
    assert!(ran.said.contains(&named), "{}", ran.said);
    assert_eq!(
        (world.replicas("api").await, world.replicas("locked").await),
        (6, 2)
    );
    let live = world.headroom(&["check", "--live"]).await;
    assert_eq!(live.code, Some(1), "{}", live.said);
    assert!(live.said.contains(&named), "{}", live.said);
    assert_eq!(live.said.matches("would be accepted").count(), 1, "{}", live.said);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn beside_an_hpa_nothing_is_written_and_the_way_out_is_told_until_it_is_gone() {
    let world = World::new("beside", &["api"]).await;
    world
        .namespace
        .create_hpa(Kind::Deployment, "api", 2..=2, 70)
        .await;
    let ran = world.headroom(&["run", "--once"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let explained = world.explain().await;
    let way_out = "HorizontalPodAutoscaler/api scales it too, and two scalers would fight: stays at 2 until only one of \
                   them is left: delete it, or compare the two with mode = \"shadow\"";
    assert!(explained.said.contains(way_out), "{}", explained.said);
    assert_eq!(world.replicas("api").await, 2);
    let policy = fs::read_to_string(world.path().join("headroom.toml")).unwrap();
    let shadow = format!("{policy}mode = \"shadow\"\n");
    fs::write(world.path().join("headroom.toml"), shadow).unwrap();
    let compared = world.headroom(&["plan", "--format", "json"]).await;
    assert!(
        compared.said.contains("\"desired\": 6") || compared.said.contains("\"desired\":6"),
        "{}",
        compared.said
    );
    assert!(!compared.said.contains("second_scaler"), "{}", compared.said);
    fs::write(world.path().join("headroom.toml"), policy).unwrap();
    let hpas = world.namespace.api::<HorizontalPodAutoscaler>();
    hpas.delete("api", &DeleteParams::default()).await.unwrap();
    world.write_load(540);
    let ran = world.headroom(&["run", "--once"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert_eq!(world.replicas("api").await, 6);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_zero_that_a_person_wrote_means_off_also_where_the_policy_has_a_zero() {
    let world = World::new("off", &["api"]).await;
    let policy = fs::read_to_string(world.path().join("headroom.toml")).unwrap();
    let policy = policy
        .replace("min_replicas = 1", "min_replicas = 0")
        .replace("per_replica = 100", "per_replica = 100, activation = true");
    fs::write(world.path().join("headroom.toml"), policy).unwrap();
    let deployments = world.namespace.api::<Deployment>();
    let zero = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
    deployments
        .patch("api", &PatchParams::default(), &zero)
        .await
        .unwrap();
    let ran = world.headroom(&["run", "--once"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    let api = deployments.get("api").await.unwrap();
    assert_eq!(api.spec.unwrap().replicas, Some(0), "{}", ran.said);
}

/// A new image that never starts, on a Deployment whose old replicas all stay.
async fn roll_out_broken_image(world: &World<'_>) {
    let deployments = world.namespace.api::<Deployment>();
    let patch = Patch::Merge(json!({ "spec": {
        "strategy": { "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } },
        "template": { "metadata": { "annotations": { "headroom.dev/waiting": "ImagePullBackOff" } } },
    } }));
    deployments
        .patch("api", &PatchParams::default(), &patch)
        .await
        .unwrap();
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_new_image_that_never_starts_still_gets_replicas_under_load_one_step_beyond_the_ready_ones() {
    let world = World::new("image", &["api"]).await;
    let policy = fs::read_to_string(world.path().join("headroom.toml")).unwrap();
    let step = "guards.startup = \"1s\"\nscale_up.limit = [\"1 per 1s\"]\n";
    fs::write(world.path().join("headroom.toml"), format!("{policy}{step}")).unwrap();
    roll_out_broken_image(&world).await;
    wait_until(MINUTE, "the new image is stuck", async || {
        let explained = world.headroom(&["plan", "--format", "json"]).await;
        explained.said.contains("not_becoming_ready")
    })
    .await;
    for _ in 0..3 {
        world.write_load(540);
        let ran = world.headroom(&["run", "--once"]).await;
        assert_eq!(ran.code, Some(0), "{}", ran.said);
    }
    let explained = world.explain().await;
    assert!(explained.said.contains("ImagePullBackOff"), "{}", explained.said);
    assert_eq!(world.replicas("api").await, 3, "{}", explained.said);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_workload_in_preview_is_not_written() {
    let world = World::new("preview", &["api"]).await;
    let policy = fs::read_to_string(world.path().join("headroom.toml")).unwrap();
    fs::write(
        world.path().join("headroom.toml"),
        format!("{policy}mode = \"preview\"\n"),
    )
    .unwrap();
    let ran = world.headroom(&["run", "--once"]).await;
    assert_eq!(ran.code, Some(0), "{}", ran.said);
    assert_eq!(world.replicas("api").await, 2);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_target_that_is_not_there_is_named() {
    let world = World::new("missing", &["api", "typo"]).await;
    let ran = world.headroom(&["run", "--once"]).await;
    assert_eq!(ran.code, Some(1), "{}", ran.said);
    let named = format!(
        "there is no deployments.apps `typo` in namespace {}",
        world.namespace.name()
    );
    assert!(ran.said.contains(&named), "{}", ran.said);
    assert_eq!(world.replicas("api").await, 6);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_loop_follows_what_others_do_and_ends_in_order() {
    let world = World::new("loop", &["api"]).await;
    let mut running = Process::start("headroom run", &mut world.command(&["run"]));
    world
        .namespace
        .wait_for_replicas(Kind::Deployment, "api", |replicas| replicas == 6)
        .await;
    world.namespace.wait_for_ready_pods("api", 6).await;
    // Somebody lowers it; the load still asks for six.
    world.namespace.set_replicas(Kind::Deployment, "api", 3).await;
    world.write_load(540);
    world
        .namespace
        .wait_for_replicas(Kind::Deployment, "api", |replicas| replicas == 6)
        .await;
    running.signal(Signal::TERM);
    let status = running.wait(MINUTE).await;
    assert_eq!(
        status.code(),
        Some(0),
        "{}\n{}",
        running.stdout(),
        running.stderr()
    );
}
