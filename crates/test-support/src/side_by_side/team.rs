//! The Deployments that one scaler scales, one of each pair, in a namespace of their own.

use std::{fmt::Write as _, fs, path::Path, process::Command, time::Duration};

use futures::future::join_all;
use tempfile::TempDir;

use super::{SideBySide, audit::Account, phase::quiet};
use crate::{
    Process,
    cluster::{Cluster, HpaController, Kind, Load, Namespace, SCRAPED_SERIES, ScrapedLoad, Workload, rule},
    temp_dir,
};

/// What each pod requests, in cores; half of it is to be used.
const REQUESTED: &str = "100m";
const TARGET_PERCENT: u32 = 50;
const TARGET_CORES: f64 = 0.05;
/// How many users a replica is to have.
const TARGET_USERS: f64 = 10.0;
const MOST: u32 = 30;
/// How long a pod takes until it is ready.
const READY_AFTER: Duration = Duration::from_secs(2);
/// How many pairs the one that scrapes takes part in: it asks every pod every second.
const SCRAPED_PAIRS: usize = 5;

/// Who scales.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scaler {
    /// The HPA of kube-controller-manager.
    Hpa,
    /// headroom under `semantics = "hpa"`.
    HeadroomAsHpa,
    /// headroom under its own semantics, with the same interval and window.
    Headroom,
    /// headroom under its own semantics, every second and by what the pods tell themselves. It takes part in the first
    /// five pairs.
    HeadroomScraping,
}

impl Scaler {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Hpa,
        Self::HeadroomAsHpa,
        Self::Headroom,
        Self::HeadroomScraping,
    ];

    /// What it is called, such as `headroom-as-hpa`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::HeadroomAsHpa => "headroom-as-hpa",
            Self::Headroom => "headroom",
            Self::HeadroomScraping => "headroom-scraping",
        }
    }

    /// How many of so many pairs it takes part in.
    pub fn pairs(self, pairs: usize) -> usize {
        match self {
            Self::Hpa | Self::HeadroomAsHpa | Self::Headroom => pairs,
            Self::HeadroomScraping => pairs.min(SCRAPED_PAIRS),
        }
    }
}

/// The Deployments of one scaler.
#[derive(Debug)]
pub(super) struct Team<'c> {
    scaler: Scaler,
    namespace: Namespace<'c>,
    workloads: Vec<String>,
    scraped: Vec<ScrapedLoad>,
    account: String,
    headroom: Option<Headroom>,
}

/// A running headroom.
#[derive(Debug)]
struct Headroom {
    process: Process,
    _directory: TempDir,
}

impl<'c> Team<'c> {
    pub(super) async fn new(cluster: &'c Cluster, scaler: Scaler, plan: &SideBySide) -> Self {
        let mut team = Self {
            scaler,
            namespace: cluster.namespace(scaler.name()).await,
            workloads: (0..scaler.pairs(plan.pairs))
                .map(|pair| format!("pair-{pair}"))
                .collect(),
            scraped: Vec::new(),
            account: "system:serviceaccount:kube-system:horizontal-pod-autoscaler".to_owned(),
            headroom: None,
        };
        for pair in 0..team.workloads.len() {
            team.begin(pair).await;
        }
        for (pair, workload) in team.workloads.iter().enumerate() {
            let count = usize::try_from(quiet(pair)).unwrap_or(1);
            team.namespace.wait_for_ready_pods(workload, count).await;
            if scaler == Scaler::Hpa {
                team.namespace
                    .create_hpa(Kind::Deployment, workload, 1..=MOST, TARGET_PERCENT)
                    .await;
            }
        }
        if scaler != Scaler::Hpa {
            team.start_headroom(&plan.program, plan.controller).await;
        }
        team
    }

    /// Creates the Deployment of a pair, under the load that there is at first.
    async fn begin(&mut self, pair: usize) {
        let workload = &self.workloads[pair];
        let mut deployment = Workload::deployment(workload)
            .container("app", REQUESTED, "64Mi")
            .ready_after(READY_AFTER)
            .replicas(quiet(pair));
        if self.scaler == Scaler::HeadroomScraping {
            let load = self.namespace.scraped_load(workload).await;
            deployment = deployment.scraped_at(load.address());
            self.scraped.push(load);
        }
        self.namespace.create_workload(&deployment).await;
        self.load(pair, quiet(pair)).await;
    }

    #[expect(clippy::panic, reason = "without its policy the comparison cannot run")]
    async fn start_headroom(&mut self, program: &Path, controller: HpaController) {
        let read = ["get", "list", "watch"];
        let rules = [
            rule(&["apps"], &["deployments"], &read),
            rule(&[""], &["pods"], &read),
            rule(&["autoscaling"], &["horizontalpodautoscalers"], &read),
            rule(&["metrics.k8s.io"], &["pods"], &["list"]),
            rule(&["apps"], &["deployments/scale"], &["patch"]),
        ];
        let user = self.namespace.user("headroom", &rules).await;
        user.name().clone_into(&mut self.account);
        let directory = temp_dir();
        let policy = directory.path().join("headroom.toml");
        fs::write(&policy, self.policy(controller)).unwrap_or_else(|error| panic!("{error}"));
        let mut command = Command::new(program);
        command.arg("run").arg("--kubeconfig").arg(user.kubeconfig());
        command
            .current_dir(directory.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", directory.path());
        self.headroom = Some(Headroom {
            process: Process::start(self.scaler.name(), &mut command),
            _directory: directory,
        });
    }

    fn policy(&self, controller: HpaController) -> String {
        let milliseconds = |span: Duration| format!("\"{}ms\"", span.as_millis());
        let window = milliseconds(controller.downscale_stabilization);
        let interval = milliseconds(controller.sync_period);
        let own = match self.scaler {
            Scaler::Hpa | Scaler::HeadroomAsHpa => {
                format!(
                    "semantics = \"hpa\"\ninterval = {interval}\nmetrics.cpu = {{ utilization = \"50%\" }}\n"
                )
            }
            Scaler::Headroom => format!(
                "interval = {interval}\nscale_down.stabilization = {window}\nmetrics.cpu = {{ utilization = \"50%\" }}\n"
            ),
            Scaler::HeadroomScraping => format!(
                "interval = \"1s\"\nscale_down.stabilization = {window}\n\
                 metrics.users = {{ scrape = \"{SCRAPED_SERIES}\", port = 9090, per_replica = {TARGET_USERS} }}\n"
            ),
        };
        let mut policy = format!(
            // All services of this fleet lose most of their load at once, which the brake is there to doubt.
            "allow_scrape_address = true\n[brake]\nmax_fall = \"100%\"\n[hpa]\ncpu_initialization_period = {}\n\
             initial_readiness_delay = {}\ndownscale_stabilization = {window}\n[template.pair]\n\
             scale_target = \"deployment/${{name}}\"\nmin_replicas = 1\nmax_replicas = {MOST}\n{own}",
            milliseconds(controller.cpu_initialization_period),
            milliseconds(controller.initial_readiness_delay),
        );
        for workload in &self.workloads {
            // A String takes everything.
            let _ = write!(
                policy,
                "[workload.\"{}/{workload}\"]\ntemplate = \"pair\"\n",
                self.namespace.name()
            );
        }
        policy
    }

    pub(super) fn scaler(&self) -> Scaler {
        self.scaler
    }

    /// Whose requests are its own.
    pub(super) fn account(&self) -> Account {
        Account {
            scaler: self.scaler,
            user: self.account.clone(),
            namespace: self.namespace.name().to_owned(),
        }
    }

    /// Fails the comparison where headroom does not run any more.
    #[expect(clippy::panic, reason = "without headroom there is nothing to compare")]
    pub(super) fn fail_if_ended(&mut self) {
        if let Some(headroom) = &mut self.headroom
            && let Some(status) = headroom.process.exit_status()
        {
            panic!(
                "{} ended ({status}):\n{}",
                self.scaler.name(),
                headroom.process.stderr()
            );
        }
    }

    /// Puts a load on a pair that is worth so many replicas: a fifth of one less, so that it is no other number.
    pub(super) async fn load(&self, pair: usize, replicas: u32) {
        let Some(workload) = self.workloads.get(pair) else {
            return;
        };
        let worth = f64::from(replicas) - 0.2;
        if let Some(scraped) = self.scraped.get(pair) {
            scraped.set(worth * TARGET_USERS);
        } else {
            self.namespace
                .set_load(workload, &Load::none().cpu(worth * TARGET_CORES))
                .await;
        }
    }

    /// Whether metrics.k8s.io knows what each pod uses, where that is asked for.
    pub(super) async fn is_measured(&self) -> bool {
        if self.scaler == Scaler::HeadroomScraping {
            return true;
        }
        let each = self.workloads.iter().enumerate().map(async |(pair, workload)| {
            let measured = self.namespace.usage(workload).await.len();
            u32::try_from(measured).is_ok_and(|measured| measured >= quiet(pair))
        });
        join_all(each).await.into_iter().all(|measured| measured)
    }

    pub(super) async fn roll_out(&self, pair: usize) {
        if let Some(workload) = self.workloads.get(pair) {
            self.namespace.roll_out(Kind::Deployment, workload).await;
        }
    }

    /// The count that is asked of each Deployment, by pair.
    pub(super) async fn counts(&self) -> Vec<u32> {
        let each = self
            .workloads
            .iter()
            .map(|workload| self.namespace.replicas(Kind::Deployment, workload));
        join_all(each).await
    }
}
