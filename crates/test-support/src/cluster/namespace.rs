//! The part of a cluster that belongs to one test: what it arranges there, and what it waits for.

use std::{collections::BTreeMap, fmt, sync::mpsc, thread, time::Duration};

use k8s_openapi::api::{
    authentication::v1::TokenRequest,
    autoscaling::{v1::Scale, v2::HorizontalPodAutoscaler},
    core::v1::{Event, Namespace as NamespaceObject, Pod, ServiceAccount},
    rbac::v1::PolicyRule,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use super::{
    Cluster, Component, Kind, Load, ScrapedLoad, Usage, User, WAIT, Workload,
    components::tail,
    load::{annotation, is_ready},
    objects::{MANAGER, apply, get},
    user::may,
};
use crate::{process::print_for_people, wait_for_seen, wait_until};

/// How much of each component's log a failing test prints.
const LINES_SHOWN: usize = 30;

/// A namespace of one test. When the value is dropped it is deleted, which nobody waits for; when the test has failed, what
/// happened in it is printed before.
pub struct Namespace<'c> {
    cluster: &'c Cluster,
    name: String,
    client: Client,
}

impl<'c> Namespace<'c> {
    pub(super) async fn create(cluster: &'c Cluster, name: String) -> Self {
        let client = cluster.client().await;
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
        apply(&client, "/api/v1/namespaces", &object).await;
        let namespace = Self {
            cluster,
            name,
            client,
        };
        // Pods are refused until their account is there.
        let accounts: Api<ServiceAccount> = namespace.api();
        wait_until(WAIT, "the account of pods is there", async || {
            matches!(accounts.get_opt("default").await, Ok(Some(_)))
        })
        .await;
        namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A client that may do everything: for what the test arranges and asserts.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The objects of a kind in this namespace, as one who may do everything.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType: Default, Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// A ServiceAccount that may do just what `rules` say, in this namespace alone, with a token of an hour. It waits until
    /// the API server grants them.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[expect(clippy::panic, reason = "without its user the test cannot run")]
    pub async fn user(&self, name: &str, rules: &[PolicyRule]) -> User {
        let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } });
        apply(&self.client, &self.path("api/v1", "serviceaccounts"), &account).await;
        let accounts: Api<ServiceAccount> = self.api();
        let token = accounts
            .create_subresource::<TokenRequest, TokenRequest>(
                "token",
                name,
                &PostParams::default(),
                &TokenRequest::default(),
            )
            .await
            .ok()
            .and_then(|request| request.status?.token)
            .unwrap_or_else(|| panic!("no token for {name}"));
        let file = format!("{}.{name}.kubeconfig", self.name);
        let user = self
            .cluster
            .access()
            .service_account(&self.name, name, &token)
            .write(self.cluster.folder().join(file));
        self.grant(&user, rules).await;
        user
    }

    /// Lets a user, also one of another namespace, do what `rules` say in this one, and waits until the API server does.
    ///
    /// # Panics
    ///
    /// When it does not.
    pub async fn grant(&self, user: &User, rules: &[PolicyRule]) {
        let role_name = user.name().replace(':', ".");
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": { "name": role_name },
            "rules": rules,
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": { "name": role_name },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name() }],
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role_name },
        });
        let path = |plural| self.path("apis/rbac.authorization.k8s.io/v1", plural);
        apply(&self.client, &path("roles"), &role).await;
        apply(&self.client, &path("rolebindings"), &binding).await;
        self.wait_until_granted(user, rules).await;
    }

    /// Waits until the API server lets a user do what `rules` say here.
    ///
    /// # Panics
    ///
    /// When it does not in time.
    pub async fn wait_until_granted(&self, user: &User, rules: &[PolicyRule]) {
        let client = user.client().await;
        for rule in rules {
            let what = format!("{} may do what {rule:?} says", user.name());
            wait_until(WAIT, &what, async || may(&client, &self.name, rule).await).await;
        }
    }

    /// Creates a workload.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn create_workload(&self, workload: &Workload) {
        let path = self.workloads(workload.kind());
        apply(&self.client, &path, &workload.object()).await;
    }

    /// Waits until so many pods of a workload are ready, no more and no fewer, and returns their names.
    ///
    /// # Panics
    ///
    /// When they are not in time; the message says which are.
    pub async fn wait_for_ready_pods(&self, workload: &str, count: usize) -> Vec<String> {
        let what = format!("{count} pods of {workload} are ready");
        wait_for_seen(WAIT, &what, async || {
            let ready = self.ready_pods(workload).await;
            if ready.len() == count {
                Ok(ready)
            } else {
                Err(format!("{ready:?}"))
            }
        })
        .await
    }

    /// The names of a workload's pods that are ready now.
    pub async fn ready_pods(&self, workload: &str) -> Vec<String> {
        let pods = self.api::<Pod>();
        let listed = pods
            .list(&ListParams::default().labels(&format!("app={workload}")))
            .await;
        let ready = listed
            .into_iter()
            .flatten()
            .filter(is_ready)
            .map(|pod| pod.name_any());
        ready.collect()
    }

    /// Sets what a workload uses in all: from now on its ready pods share it.
    ///
    /// metrics-server looks every ten seconds, and tells the CPU between two looks.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    #[expect(clippy::panic, reason = "a load that cannot be set fails the test")]
    pub async fn set_load(&self, workload: &str, load: &Load) {
        let namespaces: Api<NamespaceObject> = Api::all(self.client.clone());
        let annotations = json!({ annotation(workload): load.to_string() });
        let patch = Patch::Merge(json!({ "metadata": { "annotations": annotations } }));
        let parameters = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = namespaces.patch(&self.name, &parameters, &patch).await;
        patched.unwrap_or_else(|error| panic!("load on {workload}: {error}"));
    }

    /// A load of which the pods of a workload tell themselves, none to begin with. It is served on the runtime of the test.
    ///
    /// # Panics
    ///
    /// When 127.0.0.1 has no free port.
    pub async fn scraped_load(&self, workload: &str) -> ScrapedLoad {
        ScrapedLoad::serve(self.client.clone(), &self.name, workload).await
    }

    /// What metrics.k8s.io says of the pods of a workload, by pod and container. Pods of which it says nothing are not there.
    pub async fn usage(&self, workload: &str) -> BTreeMap<String, BTreeMap<String, Usage>> {
        let path = format!(
            "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods?labelSelector=app%3D{workload}",
            self.name
        );
        let answer = get(&self.client, &path).await.unwrap_or_default();
        let one = |metrics: &Value| {
            let pod = metrics.pointer("/metadata/name")?.as_str()?;
            Some((pod.to_owned(), Usage::by_container(metrics)))
        };
        let items = answer["items"].as_array();
        items.into_iter().flatten().filter_map(one).collect()
    }

    /// Asks metrics.k8s.io again until `predicate` holds for what it says, and returns that.
    ///
    /// # Panics
    ///
    /// When it does not in time; the message has the last answer.
    pub async fn wait_for_usage(
        &self,
        workload: &str,
        mut predicate: impl FnMut(&BTreeMap<String, BTreeMap<String, Usage>>) -> bool,
    ) -> BTreeMap<String, BTreeMap<String, Usage>> {
        let what = format!("usage of {workload} as the test wants it");
        wait_for_seen(WAIT, &what, async || {
            let usage = self.usage(workload).await;
            if predicate(&usage) {
                Ok(usage)
            } else {
                Err(format!("{usage:?}"))
            }
        })
        .await
    }

    /// The count that is asked of a workload, through its `scale` subresource.
    ///
    /// # Panics
    ///
    /// When the API server does not say.
    #[expect(clippy::panic, reason = "a count that cannot be read fails the test")]
    pub async fn replicas(&self, kind: Kind, workload: &str) -> u32 {
        let path = format!("{}/{workload}/scale", self.workloads(kind));
        let scale = get(&self.client, &path).await;
        let scale: Option<Scale> = scale.and_then(|scale| serde_json::from_value(scale).ok());
        // A Scale leaves out a zero.
        let replicas = scale.and_then(|scale| Some(scale.spec?.replicas.unwrap_or_default()));
        replicas
            .and_then(|replicas| replicas.try_into().ok())
            .unwrap_or_else(|| panic!("{path} says no count"))
    }

    /// Asks for another count, as a person would.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    #[expect(clippy::panic, reason = "a count that cannot be written fails the test")]
    pub async fn set_replicas(&self, kind: Kind, workload: &str, replicas: u32) {
        let request = kube::core::Request::new(self.workloads(kind))
            .patch_subresource(
                "scale",
                workload,
                &PatchParams::default(),
                &Patch::Merge(json!({ "spec": { "replicas": replicas } })),
            )
            .unwrap_or_else(|error| panic!("{workload}: {error}"));
        let answer: kube::Result<Value> = self.client.request(request).await;
        answer.unwrap_or_else(|error| panic!("{workload} was not scaled: {error}"));
    }

    /// Has the pods of a workload replaced by new ones, as `kubectl rollout restart` does.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    #[expect(clippy::panic, reason = "a rollout that does not begin fails the test")]
    pub async fn roll_out(&self, kind: Kind, workload: &str) {
        let now = k8s_openapi::jiff::Timestamp::now().to_string();
        let annotations = json!({ "kubectl.kubernetes.io/restartedAt": now });
        let template = json!({ "metadata": { "annotations": annotations } });
        let request = kube::core::Request::new(self.workloads(kind))
            .patch(
                workload,
                &PatchParams::default(),
                &Patch::Merge(json!({ "spec": { "template": template } })),
            )
            .unwrap_or_else(|error| panic!("{workload}: {error}"));
        let answer: kube::Result<Value> = self.client.request(request).await;
        answer.unwrap_or_else(|error| panic!("{workload} was not rolled out: {error}"));
    }

    /// Waits until a count is asked of a workload for which `predicate` holds, and returns it.
    ///
    /// # Panics
    ///
    /// When none is in time; the message has the last count.
    pub async fn wait_for_replicas(
        &self,
        kind: Kind,
        workload: &str,
        mut predicate: impl FnMut(u32) -> bool,
    ) -> u32 {
        let what = format!("{workload} is scaled as the test wants it");
        wait_for_seen(WAIT, &what, async || {
            let replicas = self.replicas(kind, workload).await;
            if predicate(replicas) {
                Ok(replicas)
            } else {
                Err(format!("{replicas} replicas"))
            }
        })
        .await
    }

    /// Creates an HPA of the same name that keeps a workload's CPU at `percent` of what it requests.
    ///
    /// # Panics
    ///
    /// When the API server refuses it.
    pub async fn create_hpa(
        &self,
        kind: Kind,
        workload: &str,
        replicas: std::ops::RangeInclusive<u32>,
        percent: u32,
    ) {
        let hpa = json!({
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": workload },
            "spec": {
                "scaleTargetRef": { "apiVersion": kind.api_version(), "kind": kind.name(), "name": workload },
                "minReplicas": replicas.start(),
                "maxReplicas": replicas.end(),
                "metrics": [{
                    "type": "Resource",
                    "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percent } },
                }],
            },
        });
        let path = self.path("apis/autoscaling/v2", "horizontalpodautoscalers");
        apply(&self.client, &path, &hpa).await;
    }

    /// An HPA as it is now.
    ///
    /// # Panics
    ///
    /// When there is none of this name.
    #[expect(clippy::panic, reason = "an HPA that is not there fails the test")]
    pub async fn hpa(&self, name: &str) -> HorizontalPodAutoscaler {
        let found = self.api::<HorizontalPodAutoscaler>().get(name).await;
        found.unwrap_or_else(|error| panic!("HPA {name}: {error}"))
    }

    fn workloads(&self, kind: Kind) -> String {
        self.path(&format!("apis/{}", kind.api_version()), kind.plural())
    }

    pub(super) fn path(&self, api: &str, plural: &str) -> String {
        format!("/{api}/namespaces/{}/{plural}", self.name)
    }

    /// What happened here, and the end of each component's log.
    fn explain(&self) {
        let (sender, receiver) = mpsc::channel();
        let (user, name) = (self.cluster.access().administrator().clone(), self.name.clone());
        self.cluster.background().spawn(async move {
            let events: Api<Event> = Api::namespaced(user.client().await, &name);
            let events = events.list(&ListParams::default()).await;
            // An error means that the test gave up waiting.
            drop(sender.send(events.map(|events| events.items).unwrap_or_default()));
        });
        let events = receiver.recv_timeout(Duration::from_secs(10)).unwrap_or_default();
        print_for_people(&format!("---- events in {} ----\n", self.name));
        for event in events {
            let object = event.involved_object;
            print_for_people(&format!(
                "{} {}: {} {}\n",
                object.kind.unwrap_or_default(),
                object.name.unwrap_or_default(),
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default()
            ));
        }
        for component in Component::ALL {
            let log = self.cluster.components().log(component);
            print_for_people(&format!(
                "---- the last of {component} ----\n{}\n",
                tail(&log, LINES_SHOWN)
            ));
        }
    }
}

impl fmt::Debug for Namespace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.explain();
        }
        let (user, name) = (self.cluster.access().administrator().clone(), self.name.clone());
        self.cluster.background().spawn(async move {
            let namespaces: Api<NamespaceObject> = Api::all(user.client().await);
            // One that is left goes with the cluster.
            drop(namespaces.delete(&name, &DeleteParams::default()).await);
        });
    }
}
