//! A real Kubernetes control plane: etcd, API server, controllers with the HPA, scheduler, metrics-server, and kwok
//! in the place of nodes.
//!
//! Owns its start and its end; what a test does in it is in [`Namespace`]. Every process listens on 127.0.0.1 alone, on
//! ports that the system picks. All of it goes with the value, and with the process that started it, however that ends.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use kube::Client;
use tokio::sync::OnceCell;

mod access;
mod components;
mod credentials;
mod folder;
mod load;
mod namespace;
mod objects;
mod pods;
mod quantity;
mod rollouts;
mod scraped_load;
mod set_up;
mod user;
mod vpas;
mod watched;
mod workload;

use self::{
    access::Access,
    components::{Components, Plan},
    credentials::Credentials,
    folder::Folder,
};
pub use self::{
    components::Component,
    load::Load,
    namespace::Namespace,
    rollouts::ROLLOUTS,
    scraped_load::{SCRAPE_ADDRESS, SCRAPED_SERIES, ScrapedLoad},
    user::{User, rule},
    workload::{Kind, Usage, Workload},
};
use crate::install_tls;

/// How long a part of the cluster may take until it answers: the machine may be busy with compiling.
const START: Duration = Duration::from_secs(120);
/// How long a condition inside of the cluster is waited for.
const WAIT: Duration = Duration::from_secs(120);

/// A port on which nobody listens.
const NOBODY: u16 = 1;

/// What kube-controller-manager's horizontal pod autoscaler is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpaController {
    /// How often it looks at each HPA.
    pub sync_period: Duration,
    /// How far back its recommendations count against a scale-down.
    pub downscale_stabilization: Duration,
    /// For how long after its start a pod's CPU may be that of starting.
    pub cpu_initialization_period: Duration,
    /// For how long after its start a pod that is not ready counts as never having been.
    pub initial_readiness_delay: Duration,
}

impl Default for HpaController {
    /// Seconds where the HPA has minutes, so that a test need not wait for them; the stabilization is still longer than the
    /// twenty seconds that a usage may be old.
    fn default() -> Self {
        Self {
            sync_period: Duration::from_secs(5),
            downscale_stabilization: Duration::from_secs(30),
            cpu_initialization_period: Duration::from_secs(10),
            initial_readiness_delay: Duration::from_secs(5),
        }
    }
}

/// A cluster that is not started yet.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    hpa: Option<HpaController>,
    nodes: u32,
    request_timeout: Option<Duration>,
    folder: Option<PathBuf>,
    audit: Audit,
}

/// Whether the API server writes down who asked what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    Off,
    /// What service accounts of tests and the HPA ask, and every count that is written.
    Scaling,
}

impl ClusterBuilder {
    /// What the HPA controller is told; nothing switches it off.
    pub fn hpa(mut self, hpa: Option<HpaController>) -> Self {
        self.hpa = hpa;
        self
    }

    /// How many nodes there are, each with 32 CPUs, 128 GiB and place for 250 pods.
    pub fn nodes(mut self, nodes: u32) -> Self {
        self.nodes = nodes;
        self
    }

    /// Has the API server write down who scales what, in [`Cluster::audit_log`].
    pub fn audited(mut self) -> Self {
        self.audit = Audit::Scaling;
        self
    }

    /// How long the API server lets a request take before it answers 504; a minute otherwise.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = Some(timeout);
        self
    }

    /// Where its files are, in place of a temporary directory. They are removed at its end all the same.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Starts it, and waits until its nodes are ready and metrics.k8s.io is available.
    ///
    /// The first usage is there some half a minute later; a test that needs it waits for that.
    ///
    /// # Panics
    ///
    /// When the servers have not been built, or one of them does not start; the message has its log.
    pub async fn start(self) -> Cluster {
        Cluster::start_with(self).await
    }
}

/// A running cluster. Dropping it kills its processes and removes its files.
#[derive(Debug)]
pub struct Cluster {
    // In this order: what asks the API server ends first, and the files are removed last.
    background: Background,
    components: Components,
    access: Access,
    folder: Folder,
    namespaces: AtomicU32,
}

impl Cluster {
    /// A cluster of its own with the defaults: for tests that break or tune it. Others take [`Cluster::shared`].
    ///
    /// # Panics
    ///
    /// As [`ClusterBuilder::start`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with the HPA controller on and three nodes.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder {
            hpa: Some(HpaController::default()),
            nodes: 3,
            request_timeout: None,
            folder: None,
            audit: Audit::Off,
        }
    }

    /// The one cluster of this test process. The first test that asks starts it.
    ///
    /// Nothing is dropped at the end of a test process: what watches over the processes and files of the cluster sees
    /// that end, and cleans up.
    ///
    /// # Panics
    ///
    /// As [`ClusterBuilder::start`].
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start_with(builder: ClusterBuilder) -> Self {
        install_tls();
        let folder = Folder::new(builder.folder.as_deref());
        let credentials = Credentials::new();
        credentials.write(folder.path());
        let plan = Plan {
            folder: folder.path().to_owned(),
            hpa: builder.hpa,
            audit: builder.audit,
            request_timeout: builder.request_timeout,
        };
        plan.write_audit_policy();
        let components = Components::new(plan);
        components.start(Component::Etcd).await;
        components.start(Component::ApiServer).await;
        let access = Access::new(&components.api_server_url(), credentials);
        access.write_kubeconfigs(folder.path());
        let client = access.administrator().client().await;
        components.wait_for_api_server(&client).await;
        set_up::bring_up(&components, &client, &access, builder.nodes).await;
        let background = Background::start(&access);
        Self {
            background,
            components,
            access,
            folder,
            namespaces: AtomicU32::new(0),
        }
    }

    /// A client that may do everything: for what a test arranges and asserts, never for what it tests.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    pub async fn client(&self) -> Client {
        self.access.administrator().client().await
    }

    /// The path of a kubeconfig that may do everything, for people.
    pub fn administrator_kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The address of the API server, such as `https://127.0.0.1:34567`.
    pub fn url(&self) -> &str {
        self.access.url()
    }

    /// Where its files and logs are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process of a component while it runs.
    pub fn pid(&self, component: Component) -> Option<u32> {
        self.components.pid(component)
    }

    /// What the API server wrote down, an event a line. There is none unless the cluster is audited.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.path().join(components::AUDIT_LOG)
    }

    /// Takes metrics.k8s.io away: the API server answers 503 until [`Cluster::restore_metrics`]. metrics-server itself runs on.
    pub async fn cut_metrics(&self) {
        set_up::serve_metrics(&self.client().await, &self.access, NOBODY).await;
    }

    /// Gives metrics.k8s.io back.
    pub async fn restore_metrics(&self) {
        let port = self.components.port(Component::MetricsServer);
        set_up::serve_metrics(&self.client().await, &self.access, port).await;
    }

    /// A namespace that no other test has. It begins with `name`.
    ///
    /// # Panics
    ///
    /// When the API server does not make it.
    pub async fn namespace(&self, name: &str) -> Namespace<'_> {
        let number = self.namespaces.fetch_add(1, Ordering::Relaxed);
        Namespace::create(self, format!("{name}-{number}")).await
    }

    /// Kills a component, as a crash would. Its data and its port stay.
    pub fn kill(&self, component: Component) {
        self.components.kill(component);
    }

    /// Stops a component's process where it stands, so that it answers nothing, until [`Cluster::resume`].
    pub fn pause(&self, component: Component) {
        self.components.signal(component, rustix::process::Signal::STOP);
    }

    /// Lets a paused component go on.
    pub fn resume(&self, component: Component) {
        self.components.signal(component, rustix::process::Signal::CONT);
    }

    /// Starts a component that was killed, with the same data and port, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    pub async fn start_again(&self, component: Component) {
        if component == Component::Kwok {
            self.kill(component);
            set_up::release_nodes(&self.client().await).await;
        }
        self.components.start_again(component).await;
        if component == Component::ApiServer {
            let client = self.client().await;
            self.components.wait_for_api_server(&client).await;
        }
    }

    /// Starts the API server again with a certificate of another authority, which nobody trusts.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn change_certificate(&self) {
        self.kill(Component::ApiServer);
        Credentials::new().write_server(self.folder.path());
        self.components.start_again(Component::ApiServer).await;
    }

    /// Starts the API server again with the certificate that it had in the beginning.
    ///
    /// # Panics
    ///
    /// When it does not answer in time.
    pub async fn restore_certificate(&self) {
        self.kill(Component::ApiServer);
        self.access.credentials().write_server(self.folder.path());
        self.start_again(Component::ApiServer).await;
    }

    pub(crate) fn access(&self) -> &Access {
        &self.access
    }

    pub(crate) fn background(&self) -> &Background {
        &self.background
    }

    pub(crate) fn components(&self) -> &Components {
        &self.components
    }
}

/// What the harness itself does while the cluster runs: spreading load, and running rollouts.
///
/// It has threads of its own, because a shared cluster outlives the runtime of the test that started it.
#[derive(Debug)]
pub(crate) struct Background {
    runtime: Option<tokio::runtime::Runtime>,
}

impl Background {
    #[expect(clippy::panic, reason = "without threads the test cannot run")]
    fn start(access: &Access) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("test-cluster")
            .enable_all()
            .build()
            .unwrap_or_else(|error: io::Error| panic!("{error}"));
        let user = access.administrator().clone();
        runtime.spawn(async move {
            let client = user.client().await;
            tokio::join!(load::spread(client.clone()), rollouts::run(client));
        });
        Self {
            runtime: Some(runtime),
        }
    }

    /// Does something that nobody waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(task);
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Also from inside another runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}
