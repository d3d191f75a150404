//! A world of the command line whose targets are in a namespace of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use headroom_test_support::{
    Process,
    cluster::{Cluster, Kind, Namespace, User, Workload},
    wait_for_seen,
};
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding};
use kube::api::{Patch, PatchParams};
use rustix::process::Signal;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::common::{self, Ran};

/// The name of the ServiceAccount that headroom runs as.
const ACCOUNT: &str = "headroom";
/// How long `headroom run` may take to end: the machine may be busy, and a cluster may be broken.
const END: Duration = Duration::from_secs(240);

/// Objects of a namespace, and a user of headroom who may do nothing until it is granted.
pub(crate) struct World<'c> {
    pub(crate) namespace: Namespace<'c>,
    files: common::World,
    pub(crate) user: User,
    kubeconfig: PathBuf,
}

impl<'c> World<'c> {
    /// Workloads of two ready replicas.
    pub(crate) async fn new(cluster: &'c Cluster, name: &str, workloads: &[Workload]) -> Self {
        let namespace = cluster.namespace(name).await;
        for workload in workloads {
            namespace.create_workload(&workload.clone().replicas(2)).await;
        }
        let user = namespace.user(ACCOUNT, &[]).await;
        for workload in workloads {
            namespace.wait_for_ready_pods(workload.name(), 2).await;
        }
        Self {
            namespace,
            files: common::World::empty(),
            kubeconfig: user.kubeconfig().to_owned(),
            user,
        }
    }

    /// Grants the user what `headroom rbac` prints for the policy, and nothing else. Returns the rules.
    pub(crate) async fn grant_what_is_printed(&self) -> Vec<PolicyRule> {
        self.grant_without(&[]).await
    }

    /// The same without the rules about `forbidden` resources, such as `deployments/scale.apps`.
    pub(crate) async fn grant_without(&self, forbidden: &[&str]) -> Vec<PolicyRule> {
        let account = format!("{}/{ACCOUNT}", self.namespace.name());
        let printed = self
            .headroom(&["rbac", "--service-account", &account])
            .await
            .expect(0);
        let objects: Vec<Value> = serde_saphyr::from_multiple(&printed.stdout).unwrap();
        let [mut role, binding]: [Value; 2] = objects.try_into().unwrap();
        let rules = role["rules"].as_array_mut().unwrap();
        let before = rules.len();
        rules.retain(|rule| {
            let (resource, group) = (&rule["resources"][0], &rule["apiGroups"][0]);
            let named = format!("{}.{}", resource.as_str().unwrap(), group.as_str().unwrap());
            !forbidden.contains(&&*named)
        });
        assert_eq!(rules.len(), before - forbidden.len(), "{printed}");
        let role: Role = self.apply(role).await;
        let _: RoleBinding = self.apply(binding).await;
        let rules = role.rules.unwrap_or_default();
        self.namespace.wait_until_granted(&self.user, &rules).await;
        rules
    }

    /// Makes the user's account, where it is gone, with another token.
    pub(crate) async fn renew_user(&self) {
        self.namespace.user(ACCOUNT, &[]).await;
    }

    /// The user's token.
    pub(crate) fn token(&self) -> String {
        let token = &self.kubeconfig_of_user()["users"][0]["user"]["token"];
        token.as_str().unwrap().to_owned()
    }

    /// From now on headroom is told that the user's token is in `file`.
    pub(crate) fn use_token_file(&mut self, file: &Path) {
        let mut kubeconfig = self.kubeconfig_of_user();
        kubeconfig["users"][0]["user"] = json!({ "tokenFile": file });
        self.kubeconfig = self.files.write("kubeconfig", &kubeconfig.to_string());
    }

    /// From now on headroom is told that `plugin` gives the user's credentials.
    pub(crate) fn use_plugin(&mut self, plugin: &Path) {
        let mut kubeconfig = self.kubeconfig_of_user();
        kubeconfig["users"][0]["user"] = json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never",
        } });
        self.kubeconfig = self.files.write("kubeconfig", &kubeconfig.to_string());
    }

    fn kubeconfig_of_user(&self) -> Value {
        serde_json::from_str(&fs::read_to_string(self.user.kubeconfig()).unwrap()).unwrap()
    }

    /// As `kubectl apply` does it.
    async fn apply<K>(&self, object: Value) -> K
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let object: K = serde_json::from_value(object).unwrap();
        assert_eq!(object.meta().namespace.as_deref(), Some(self.namespace.name()));
        let (name, how) = (object.meta().name.clone().unwrap(), PatchParams::apply("kubectl"));
        let objects = self.namespace.api::<K>();
        objects.patch(&name, &how, &Patch::Apply(&object)).await.unwrap()
    }

    /// The name of a workload of this namespace.
    pub(crate) fn id(&self, workload: &str) -> String {
        format!("{}/{workload}", self.namespace.name())
    }

    /// Writes the policy.
    pub(crate) fn write_policy(&self, text: &str) {
        self.write("headroom.toml", text);
    }

    /// Writes a file where headroom is started.
    pub(crate) fn write(&self, name: &str, text: &str) {
        self.files.write(name, text);
    }

    /// Where headroom is started.
    pub(crate) fn path(&self) -> &Path {
        self.files.path()
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
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        command
    }

    /// Runs headroom to its end, as the user.
    pub(crate) async fn headroom(&self, arguments: &[&str]) -> Ran {
        self.finished(self.command(arguments)).await
    }

    /// Runs a command of this world to its end.
    pub(crate) async fn finished(&self, command: Command) -> Ran {
        self.files.finished(command).await
    }

    /// Lets headroom pass again and again until the Deployment `api` has `count` replicas. Returns what each pass said.
    pub(crate) async fn passes_until(&self, patience: Duration, count: u32) -> Vec<Ran> {
        let mut passes = Vec::new();
        wait_for_seen(patience, &format!("api has {count} replicas"), async || {
            let ran = self.headroom(&["run", "--once"]).await;
            let seen = ran.to_string();
            passes.push(ran);
            let replicas = self.replicas("api").await;
            if replicas == count {
                Ok(())
            } else {
                Err(format!("{replicas} replicas\n{seen}"))
            }
        })
        .await;
        passes
    }

    /// Starts `headroom run`, as the user.
    pub(crate) fn run(&self) -> Process {
        Process::start("headroom run", &mut self.command(&["run"]))
    }

    /// The count of a Deployment.
    pub(crate) async fn replicas(&self, workload: &str) -> u32 {
        self.namespace.replicas(Kind::Deployment, workload).await
    }
}

/// Asks a running headroom to end, which it does in order. Returns all it said.
pub(crate) async fn ends(running: &mut Process) -> String {
    running.signal(Signal::TERM);
    let status = running.wait(END).await;
    let said = running.stdout() + &running.stderr();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}
