//! A world of the command line whose targets are in a namespace of its own.

use std::process::Command;

use headroom_test_support::cluster::{Cluster, Kind, Namespace, User, Workload, rule};

use crate::common::{self, Ran};

/// What may be read, and the one Deployment that may be written to.
pub(crate) struct World<'c> {
    pub(crate) namespace: Namespace<'c>,
    files: common::World,
    user: User,
}

impl<'c> World<'c> {
    /// Deployments of two ready replicas, and a user who may write to `api` alone.
    pub(crate) async fn new(cluster: &'c Cluster, name: &str, deployments: &[Workload]) -> Self {
        let namespace = cluster.namespace(name).await;
        for deployment in deployments {
            namespace.create_workload(&deployment.clone().replicas(2)).await;
        }
        let mut write = rule(&["apps"], &["deployments/scale"], &["patch"]);
        write.resource_names = Some(vec!["api".to_owned()]);
        let read = ["get", "list", "watch"];
        let rules = [
            rule(&["apps"], &["deployments"], &read),
            rule(&[""], &["pods"], &read),
            rule(&["autoscaling"], &["horizontalpodautoscalers"], &read),
            rule(&["metrics.k8s.io"], &["pods"], &["list"]),
            write,
        ];
        let user = namespace.user("headroom", &rules).await;
        for deployment in deployments {
            namespace.wait_for_ready_pods(deployment.name(), 2).await;
        }
        Self {
            namespace,
            files: common::World::empty(),
            user,
        }
    }

    /// The name of a workload of this namespace.
    pub(crate) fn id(&self, workload: &str) -> String {
        format!("{}/{workload}", self.namespace.name())
    }

    /// Writes the policy.
    pub(crate) fn write_policy(&self, text: &str) {
        self.files.write("headroom.toml", text);
    }

    /// The policy.
    pub(crate) fn policy(&self) -> String {
        self.files.read("headroom.toml")
    }

    /// Sets what is recorded in `load.csv`.
    pub(crate) fn set_load(&self, load: u32) {
        self.files.set_load("load.csv", load);
    }

    /// headroom with these arguments, as the user.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.files.command(arguments);
        command.arg("--kubeconfig").arg(self.user.kubeconfig());
        command
    }

    /// Runs headroom to its end, as the user.
    pub(crate) async fn headroom(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        self.files.read_output(output.await.unwrap())
    }

    /// The count of a Deployment.
    pub(crate) async fn replicas(&self, workload: &str) -> u32 {
        self.namespace.replicas(Kind::Deployment, workload).await
    }
}
