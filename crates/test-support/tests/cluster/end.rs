//! The end of a cluster, and of its parts.

use std::{fs, path::Path, process::Command, time::Duration};

use headroom_test_support::{
    LeftoverCheck, Process,
    cluster::{Cluster, Component, Workload},
    temp_dir, wait_until, wait_until_blocking,
};

use crate::COMPONENTS;

const DEADLINE: Duration = Duration::from_secs(180);

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_killed_api_server_starts_again_where_it_was_and_nothing_outlives_the_cluster() {
    let cluster = Cluster::builder().nodes(1).hpa(None).start().await;
    let namespace = cluster.namespace("kept").await;
    let name = namespace.name().to_owned();
    namespace
        .create_workload(&Workload::deployment("api").replicas(2))
        .await;
    namespace.wait_for_ready_pods("api", 2).await;
    // A namespace is deleted when it is dropped, and this test wants to see it again.
    std::mem::forget(namespace);

    let url = cluster.url().to_owned();
    let client = cluster.client().await;
    cluster.kill(Component::ApiServer);
    assert!(client.apiserver_version().await.is_err());
    assert_eq!(cluster.pid(Component::ApiServer), None);
    cluster.start_again(Component::ApiServer).await;
    assert_eq!(cluster.url(), url);
    let deployments = kube::Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(client, &name);
    let scale = kube::api::Patch::Merge(serde_json::json!({ "spec": { "replicas": 3 } }));
    deployments
        .patch_scale("api", &kube::api::PatchParams::default(), &scale)
        .await
        .unwrap();
    // The controllers found it again, and so did kwok.
    wait_until(DEADLINE, "the third pod is ready", async || {
        let deployment = deployments.get("api").await.unwrap();
        deployment.status.unwrap().ready_replicas == Some(3)
    })
    .await;

    cluster.pause(Component::MetricsServer);
    cluster.resume(Component::MetricsServer);
    let pids: Vec<u32> = COMPONENTS.iter().map(|one| cluster.pid(*one).unwrap()).collect();
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
    for pid in pids {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "{pid}");
    }
}

/// Runs a test of this file in a process of its own, whose temporary files are in a folder of their own.
struct OtherProcess {
    process: Process,
    leftovers: LeftoverCheck,
    folder: tempfile::TempDir,
}

impl OtherProcess {
    fn start(test: &str) -> Self {
        let (leftovers, folder) = (LeftoverCheck::new(), temp_dir());
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", test, "--include-ignored", "--nocapture"])
            .env("HEADROOM_TEST_OTHER_PROCESS", "1")
            .env("TMPDIR", folder.path());
        let process = Process::start("other test process", leftovers.mark(&mut command));
        Self {
            process,
            leftovers,
            folder,
        }
    }

    fn is_this() -> bool {
        std::env::var_os("HEADROOM_TEST_OTHER_PROCESS").is_some()
    }

    fn assert_nothing_is_left(&self) {
        self.leftovers.assert_none(DEADLINE);
        let left = || fs::read_dir(self.folder.path()).unwrap().count();
        wait_until_blocking(DEADLINE, "its files are removed", || left() == 0);
    }
}

/// Not a test by itself: [`a_test_that_fails_shows_the_logs_and_leaves_nothing`] runs it.
#[tokio::test]
#[ignore = "started by another test"]
async fn fail_in_a_shared_cluster() {
    if !OtherProcess::is_this() {
        return;
    }
    let namespace = Cluster::shared().await.namespace("failing").await;
    namespace.create_workload(&Workload::deployment("api")).await;
    namespace.wait_for_ready_pods("api", 1).await;
    panic!("as it was told");
}

#[test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
fn a_test_that_fails_shows_the_logs_and_leaves_nothing() {
    let mut other = OtherProcess::start("end::fail_in_a_shared_cluster");
    assert!(!other.process.wait_blocking(DEADLINE).success());
    let said = other.process.stderr();
    for expected in [
        "as it was told",
        "---- events in failing-0 ----",
        "Scaled up replica set",
        "---- the last of kube-apiserver ----",
    ] {
        assert!(said.contains(expected), "no {expected} in:\n{said}");
    }
    other.assert_nothing_is_left();
}

/// Not a test by itself: [`a_test_process_that_is_killed_leaves_nothing`] runs it, and kills it.
#[tokio::test]
#[ignore = "started by another test"]
async fn hang_in_a_shared_cluster() {
    if !OtherProcess::is_this() {
        return;
    }
    let cluster = Cluster::shared().await;
    let ready = std::env::temp_dir().join("ready");
    fs::write(ready, cluster.folder().as_os_str().as_encoded_bytes()).unwrap();
    std::future::pending::<()>().await;
}

#[test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
fn a_test_process_that_is_killed_leaves_nothing() {
    let mut other = OtherProcess::start("end::hang_in_a_shared_cluster");
    let ready = other.folder.path().join("ready");
    wait_until_blocking(DEADLINE, "the other test has its cluster", || {
        assert_eq!(other.process.exit_status(), None, "{}", other.process.stderr());
        ready.exists()
    });
    // The test process, six servers with a watcher each, and the watcher of their folder.
    assert_eq!(other.leftovers.pids().len(), 14);
    // Only the test process, not its group: the rest must go because of the watchers.
    other.process.signal(rustix::process::Signal::KILL);
    fs::remove_file(ready).unwrap();
    other.assert_nothing_is_left();
}

#[test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
fn the_one_to_play_with_stays_until_it_is_asked_to_stop() {
    let (leftovers, target) = (LeftoverCheck::new(), temp_dir());
    let folder = target.path().join("cluster");
    let mut command = Command::new(env!("CARGO_BIN_EXE_headroom-test-cluster"));
    let mut holder = Process::start("holder", leftovers.mark(command.arg(&folder)));
    wait_until_blocking(DEADLINE, "the cluster is whole", || {
        assert_eq!(holder.exit_status(), None, "{}", holder.stderr());
        folder.join("ready").exists()
    });
    let url = fs::read_to_string(folder.join("ready")).unwrap();
    let kubeconfig = fs::read_to_string(folder.join("kubeconfig")).unwrap();
    assert!(kubeconfig.contains(&url), "{kubeconfig}");
    assert!(holder.stop().unwrap().success(), "{}", holder.stderr());
    assert!(!folder.exists());
    leftovers.assert_none(DEADLINE);
}
