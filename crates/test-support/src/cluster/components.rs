//! The processes of a cluster: what each is told, on which ports, and when it answers.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::PathBuf,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kube::Client;
use rustix::process::Signal;
use serde_json::json;

use super::{Audit, HpaController, START, objects};
use crate::{
    Process, free_port,
    servers::{ETCD, KUBERNETES, KWOK, METRICS_SERVER, Server, built},
    wait_for, wait_until,
};

/// How often another port is tried where the picked one was taken meanwhile.
const PORTS: usize = 5;

/// What the API server writes down, and where.
const AUDIT_POLICY: &str = "audit.yaml";
pub(super) const AUDIT_LOG: &str = "audit.log";

/// A process of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Where the API server keeps its objects.
    Etcd,
    /// kube-apiserver.
    ApiServer,
    /// kube-controller-manager: Deployments, the HPA, garbage collection and all the others.
    ControllerManager,
    /// kube-scheduler.
    Scheduler,
    /// kwok, in the place of every kubelet.
    Kwok,
    /// metrics-server, which serves metrics.k8s.io.
    MetricsServer,
}

impl Component {
    pub(super) const ALL: [Self; 6] = [
        Self::Etcd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kwok,
        Self::MetricsServer,
    ];

    /// The name of its binary, and of its log.
    fn binary(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kwok => "kwok",
            Self::MetricsServer => "metrics-server",
        }
    }

    fn server(self) -> &'static Server {
        match self {
            Self::Etcd => &ETCD,
            Self::ApiServer | Self::ControllerManager | Self::Scheduler => &KUBERNETES,
            Self::Kwok => &KWOK,
            Self::MetricsServer => &METRICS_SERVER,
        }
    }

    /// A line of its log without which it does not listen yet.
    fn says_it_listens(self) -> Option<&'static str> {
        match self {
            Self::Etcd => Some("ready to serve client requests"),
            Self::ApiServer | Self::MetricsServer => Some("Serving securely on"),
            Self::Kwok => Some("Starting HTTPS server"),
            Self::ControllerManager | Self::Scheduler => None,
        }
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.binary())
    }
}

/// What the processes have in common.
#[derive(Debug)]
pub(super) struct Plan {
    /// Where their files are.
    pub(super) folder: PathBuf,
    pub(super) hpa: Option<HpaController>,
    pub(super) audit: Audit,
    /// How long the API server lets a request take; `None`: as long as it does by itself.
    pub(super) request_timeout: Option<Duration>,
}

impl Plan {
    /// Writes what the API server is to write down, where it is to.
    #[expect(clippy::panic, reason = "without its files the cluster cannot run")]
    pub(super) fn write_audit_policy(&self) {
        if self.audit == Audit::Scaling {
            let written = fs::write(self.folder.join(AUDIT_POLICY), audit_policy());
            written.unwrap_or_else(|error| panic!("{AUDIT_POLICY}: {error}"));
        }
    }
}

/// Where a component listens: clients, and for etcd also its peers, of which there are none.
#[derive(Clone, Copy, Debug)]
struct Ports {
    clients: u16,
    peers: u16,
}

impl Ports {
    fn pick() -> Self {
        Self {
            clients: free_port(),
            peers: free_port(),
        }
    }
}

/// The processes of one cluster. Dropping it kills them.
#[derive(Debug)]
pub(crate) struct Components {
    plan: Plan,
    ports: Mutex<BTreeMap<Component, Ports>>,
    processes: Mutex<BTreeMap<Component, Process>>,
}

impl Components {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            ports: Mutex::default(),
            processes: Mutex::default(),
        }
    }

    pub(super) fn api_server_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port(Component::ApiServer))
    }

    /// The port on which a component that was started listens.
    pub(super) fn port(&self, component: Component) -> u16 {
        self.ports(component).map_or(0, |ports| ports.clients)
    }

    fn ports(&self, component: Component) -> Option<Ports> {
        locked(&self.ports).get(&component).copied()
    }

    pub(super) fn pid(&self, component: Component) -> Option<u32> {
        locked(&self.processes).get(&component).map(Process::pid)
    }

    pub(crate) fn log(&self, component: Component) -> String {
        let processes = locked(&self.processes);
        processes.get(&component).map(Process::stderr).unwrap_or_default()
    }

    /// Starts a component on ports that the system picks, and waits until it listens.
    pub(super) async fn start(&self, component: Component) {
        for _ in 1..PORTS {
            locked(&self.ports).insert(component, Ports::pick());
            if self.launch(component).await.is_ok() {
                return;
            }
        }
        locked(&self.ports).insert(component, Ports::pick());
        self.launch_or_fail(component).await;
    }

    /// Starts a component that was started before on the same ports.
    pub(super) async fn start_again(&self, component: Component) {
        self.kill(component);
        // Some connection of the machine may have the port by chance, and will give it back.
        wait_until(START, &format!("{component} has its port again"), async || {
            self.launch(component).await.is_ok()
        })
        .await;
    }

    pub(super) fn kill(&self, component: Component) {
        let killed = locked(&self.processes).remove(&component);
        if let Some(mut process) = killed {
            process.kill();
        }
    }

    pub(super) fn signal(&self, component: Component, signal: Signal) {
        if let Some(process) = locked(&self.processes).get(&component) {
            process.signal(signal);
        }
    }

    /// Waits until the API server says that it is ready, its own roles and all.
    pub(super) async fn wait_for_api_server(&self, client: &Client) {
        let what = "the API server is ready";
        wait_until(START, what, async || {
            self.fail_if_ended(Component::ApiServer);
            objects::get_text(client, "/readyz").await.is_some()
        })
        .await;
    }

    /// Fails the test where a component that was started does not run.
    pub(super) fn fail_if_any_ended(&self) {
        for component in Component::ALL {
            self.fail_if_ended(component);
        }
    }

    /// Fails the test where a component that should run does not.
    #[expect(clippy::panic, reason = "without its servers the test cannot run")]
    fn fail_if_ended(&self, component: Component) {
        let ended = locked(&self.processes)
            .get_mut(&component)
            .and_then(|process| Some((process.exit_status()?, process.stderr())));
        if let Some((status, log)) = ended {
            panic!("{component} ended ({status}):\n{}", tail(&log, 40));
        }
    }

    #[expect(clippy::panic, reason = "without its servers the test cannot run")]
    async fn launch_or_fail(&self, component: Component) {
        if let Err(PortTaken { log }) = self.launch(component).await {
            panic!("{component} found no free port:\n{}", tail(&log, 40));
        }
    }

    /// Starts a process and waits until it says that it listens: on a port that was taken meanwhile, another server
    /// would answer.
    async fn launch(&self, component: Component) -> Result<(), PortTaken> {
        let mut command = Command::new(binary(component));
        command
            .current_dir(&self.plan.folder)
            .args(self.arguments(component));
        let mut process = Process::start_in(&self.plan.folder, component.binary(), &mut command);
        let what = format!("{component} listens");
        let listens = wait_for(START, &what, async || {
            if process.exit_status().is_some() {
                return Some(false);
            }
            let listens = component
                .says_it_listens()
                .is_none_or(|line| process.stderr().contains(line));
            listens.then_some(true)
        })
        .await;
        let log = process.stderr();
        locked(&self.processes).insert(component, process);
        if listens {
            return Ok(());
        }
        if log.contains("address already in use") {
            return Err(PortTaken { log });
        }
        self.fail_if_ended(component);
        Ok(())
    }

    fn arguments(&self, component: Component) -> Vec<String> {
        let own = self.port(component);
        match component {
            Component::Etcd => {
                let peers = self.ports(component).map_or(0, |ports| ports.peers);
                etcd(own, peers)
            }
            Component::ApiServer => api_server(own, self.port(Component::Etcd), &self.plan),
            Component::ControllerManager => controller_manager(self.plan.hpa),
            Component::Scheduler => words(&[
                "--kubeconfig=kube-scheduler.kubeconfig",
                "--leader-elect=false",
                "--secure-port=0",
            ]),
            Component::Kwok => kwok(own),
            Component::MetricsServer => metrics_server(own),
        }
    }
}

impl Drop for Components {
    fn drop(&mut self) {
        // What they hold is thrown away, so nothing is won by asking: an API server with open watches takes a minute.
        for component in Component::ALL.into_iter().rev() {
            if let Some(process) = locked(&self.processes).get_mut(&component) {
                process.kill();
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A start that came to nothing because another process has the port.
#[derive(Debug)]
struct PortTaken {
    log: String,
}

fn etcd(clients: u16, peers: u16) -> Vec<String> {
    let mut arguments = words(&["--data-dir=etcd", "--unsafe-no-fsync"]);
    for (what, port) in [
        ("listen-client-urls", clients),
        ("advertise-client-urls", clients),
        ("listen-peer-urls", peers),
        ("initial-advertise-peer-urls", peers),
    ] {
        arguments.push(format!("--{what}=http://127.0.0.1:{port}"));
    }
    arguments.push(format!("--initial-cluster=default=http://127.0.0.1:{peers}"));
    arguments
}

fn api_server(port: u16, etcd: u16, plan: &Plan) -> Vec<String> {
    let mut arguments = words(&[
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        // It would write 127.0.0.1 as an endpoint of itself, which is not allowed, and say so every ten seconds.
        "--endpoint-reconciler-type=none",
        "--authorization-mode=RBAC",
        "--client-ca-file=ca.crt",
        "--tls-cert-file=server.crt",
        "--tls-private-key-file=server.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=tokens.pub",
        "--service-account-signing-key-file=tokens.key",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--requestheader-client-ca-file=ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--proxy-client-cert-file=proxy.crt",
        "--proxy-client-key-file=proxy.key",
        "--profiling=false",
    ]);
    arguments.push(format!("--secure-port={port}"));
    arguments.push(format!("--etcd-servers=http://127.0.0.1:{etcd}"));
    if plan.audit == Audit::Scaling {
        arguments.push(format!("--audit-policy-file={AUDIT_POLICY}"));
        arguments.push(format!("--audit-log-path={AUDIT_LOG}"));
    }
    if let Some(timeout) = plan.request_timeout {
        arguments.push(format!("--request-timeout={}", go_duration(timeout)));
    }
    arguments
}

/// Each request once, when it is answered.
fn audit_policy() -> String {
    let scale = json!([{ "group": "apps", "resources": ["deployments/scale"] }]);
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            { "level": "Request", "verbs": ["update", "patch"], "resources": scale },
            { "level": "Metadata", "users": ["system:serviceaccount:kube-system:horizontal-pod-autoscaler"] },
            { "level": "None", "userGroups": ["system:serviceaccounts:kube-system"] },
            { "level": "Metadata", "userGroups": ["system:serviceaccounts"] },
            { "level": "None" },
        ],
    });
    policy.to_string()
}

fn controller_manager(hpa: Option<HpaController>) -> Vec<String> {
    let mut arguments = words(&[
        "--kubeconfig=kube-controller-manager.kubeconfig",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
        "--root-ca-file=ca.crt",
        "--service-account-private-key-file=tokens.key",
        // Each controller with the few permissions that Kubernetes gives it, as in a cluster of users.
        "--use-service-account-credentials=true",
    ]);
    match hpa {
        None => arguments.push("--controllers=*,-horizontal-pod-autoscaler-controller".to_owned()),
        Some(hpa) => {
            for (what, span) in [
                ("sync-period", hpa.sync_period),
                ("downscale-stabilization", hpa.downscale_stabilization),
                ("cpu-initialization-period", hpa.cpu_initialization_period),
                ("initial-readiness-delay", hpa.initial_readiness_delay),
            ] {
                arguments.push(format!(
                    "--horizontal-pod-autoscaler-{what}={}",
                    go_duration(span)
                ));
            }
        }
    }
    arguments
}

fn kwok(port: u16) -> Vec<String> {
    let mut arguments = words(&[
        "--kubeconfig=kubeconfig",
        "--manage-all-nodes",
        "--node-name=kwok",
        "--node-ip=127.0.0.1",
        "--cidr=10.1.0.1/16",
        // Without their lease the nodes, and with them the pods, turn unready after fifty seconds.
        "--node-lease-duration-seconds=40",
        "--enable-crds=Stage,Metric,ClusterResourceUsage,ResourceUsage",
        "--tls-cert-file=server.crt",
        "--tls-private-key-file=server.key",
    ]);
    arguments.push(format!("--node-port={port}"));
    arguments.push(format!("--server-address=127.0.0.1:{port}"));
    arguments
}

fn metrics_server(port: u16) -> Vec<String> {
    let mut arguments = words(&[
        "--kubeconfig=kubeconfig",
        "--authentication-kubeconfig=kubeconfig",
        "--authorization-kubeconfig=kubeconfig",
        "--bind-address=127.0.0.1",
        "--tls-cert-file=server.crt",
        "--tls-private-key-file=server.key",
        "--kubelet-certificate-authority=ca.crt",
        "--kubelet-use-node-status-port",
        "--kubelet-preferred-address-types=InternalIP",
        // The least that it accepts, and a deadline that it wants below that.
        "--metric-resolution=10s",
        "--kubelet-request-timeout=5s",
    ]);
    arguments.push(format!("--secure-port={port}"));
    arguments
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

fn go_duration(span: Duration) -> String {
    format!("{}ms", span.as_millis())
}

/// The last lines of a log.
pub(super) fn tail(log: &str, lines: usize) -> String {
    let all: Vec<&str> = log.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn binary(component: Component) -> PathBuf {
    built(|servers| servers.binary(component.server(), component.binary()))
}

/// The folder of the definitions of kwok's resources.
pub(super) fn kwok_definitions() -> PathBuf {
    built(|servers| servers.files(&KWOK, "crds"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::credentials::Credentials;

    /// What listens before it needs anything of the others.
    #[tokio::test]
    #[ignore = "needs the real servers: run `cargo xtask test`"]
    async fn a_port_that_was_taken_meanwhile_is_told_from_other_failures() {
        let folder = crate::temp_dir();
        Credentials::new().write(folder.path());
        let components = Components::new(Plan {
            folder: folder.path().to_owned(),
            hpa: None,
            audit: Audit::Off,
            request_timeout: None,
        });
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let clients = taken.local_addr().unwrap().port();
        for component in [Component::Etcd, Component::ApiServer] {
            let ports = Ports {
                clients,
                peers: free_port(),
            };
            locked(&components.ports).insert(component, ports);
            let PortTaken { log } = components.launch(component).await.unwrap_err();
            assert!(log.contains(&clients.to_string()), "{log}");
            let mut ended = locked(&components.processes).remove(&component).unwrap();
            assert!(ended.exit_status().is_some());
        }
    }

    #[tokio::test]
    #[ignore = "needs the real servers: run `cargo xtask test`"]
    #[should_panic(expected = "kube-scheduler ended")]
    async fn a_component_that_cannot_start_fails_the_test_with_its_log() {
        let folder = crate::temp_dir();
        let components = Components::new(Plan {
            folder: folder.path().to_owned(),
            hpa: None,
            audit: Audit::Off,
            request_timeout: None,
        });
        // Without a kubeconfig.
        components.start(Component::Scheduler).await;
        wait_until(START, "it ends", async || {
            components.fail_if_any_ended();
            false
        })
        .await;
    }

    #[test]
    fn the_hpa_is_tuned_or_not_there() {
        let tuned = controller_manager(Some(HpaController {
            sync_period: Duration::from_millis(1500),
            ..HpaController::default()
        }));
        assert!(
            tuned.contains(&"--horizontal-pod-autoscaler-sync-period=1500ms".to_owned()),
            "{tuned:?}"
        );
        let without = controller_manager(None).join(" ");
        assert!(
            without.contains("-horizontal-pod-autoscaler-controller"),
            "{without}"
        );
    }

    #[test]
    fn a_tail_is_the_end() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a", 2), "a");
    }
}
