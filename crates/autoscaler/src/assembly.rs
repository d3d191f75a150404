//! From a configuration to an autoscaler: sources, targets and state put together for what is about to be done.
//!
//! Secrets are read here, and only those of parts that are used. What writes to targets is made only where something may
//! be written.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headroom_actuator::{
    Access, CommandActuator, CommandReader, KubernetesActuator, KubernetesProbe, KubernetesReader,
    ProcessActuator, ProcessReader, ProcessRecords, ScaleTarget,
};
use headroom_cluster::{ClusterError, ClusterView, Connection, FieldManager, Filling, Inquiry};
use headroom_metrics_source::{
    ClientCertificate, FirstRate, Hidden, KubernetesSource, PrometheusCredentials, PrometheusOptions,
    PrometheusSetupError, PrometheusSource, RecordedError, RecordedSource, ScrapeOptions, ScrapeSetupError,
    ScrapeSource,
};
use headroom_policy_engine::WorkloadId;
use thiserror::Error;
use tracing::warn;

use crate::{
    Autoscaler, Channels, Clock as _, Configuration, Credentials, Managed, MetricOrigin, Mode, Notifications,
    Opened, Parts, PlainSecret, PrometheusSettings, Secret, Settings, SourceId, Sources, Store, StoreError,
    SystemClock, WorkloadSettings,
    config::{Environment, SecretError},
    pass::in_one_line,
};

/// What a source may take beyond the deadline of its own requests, to hand over what did come.
const GRACE: Duration = Duration::from_millis(500);

/// How long a reading of a replica serves for a rate at least, in a loop.
const SHORTEST_REACH_OF_A_READING: Duration = Duration::from_secs(120);

/// What an autoscaler is put together for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Passes again and again: a rate that needs an earlier reading waits for the next pass.
    Apply,
    /// One pass: a rate that needs an earlier reading is read twice.
    Once,
    /// To look ahead. Nothing is written: no target, no state, no lock.
    ReadOnly,
}

impl Purpose {
    const fn writes(self) -> bool {
        match self {
            Self::Apply | Self::Once => true,
            Self::ReadOnly => false,
        }
    }
}

/// What an autoscaler that looks ahead asks, to be asked more without changing anything.
#[derive(Debug)]
pub struct Probes {
    /// The cluster that targets are in; `None` where none is in one.
    pub cluster: Option<ClusterProbe>,
    /// Each Prometheus that some workload asks, by its name.
    pub servers: Servers,
}

/// Each Prometheus that some workload asks, by its name.
type Servers = BTreeMap<String, Arc<PrometheusSource>>;

/// The sources that some workload asks.
struct Asked {
    sources: Sources,
    scrape: Option<Arc<ScrapeSource>>,
    servers: Servers,
}

/// What can be asked of a cluster without changing anything.
#[derive(Debug)]
pub struct ClusterProbe {
    /// The objects in it, by one list for each kind and namespace.
    pub view: Arc<ClusterView>,
    /// The cluster itself, and what it allows.
    pub inquiry: Inquiry,
    /// Whether counts may be written.
    pub writing: KubernetesProbe,
}

/// Puts an autoscaler together.
#[derive(Debug)]
pub struct Assembly<'a> {
    settings: &'a Settings,
    environment: &'a Environment,
    purpose: Purpose,
}

/// Why the parts could not be put together.
#[derive(Debug, Error)]
pub enum AssemblyError {
    /// The cluster that targets are in cannot be reached as it is configured.
    #[error("the cluster of {} cannot be asked", list(workloads))]
    Cluster {
        /// Whose targets.
        workloads: Vec<WorkloadId>,
        /// Why not.
        #[source]
        source: ClusterError,
    },
    /// A metric names a server that is not configured.
    #[error("{workload} asks prometheus.{server}, which is not configured")]
    UnknownServer {
        /// Whose metric.
        workload: WorkloadId,
        /// The name of the server.
        server: String,
    },
    /// A secret cannot be had.
    #[error("the {what} of prometheus.{server} cannot be had")]
    Secret {
        /// The name of the server.
        server: String,
        /// What the secret is for.
        what: &'static str,
        /// Why not.
        #[source]
        source: SecretError,
    },
    /// A Prometheus cannot be asked as it is configured.
    #[error("prometheus.{server} cannot be asked")]
    Prometheus {
        /// The name of the server.
        server: String,
        /// Why not.
        #[source]
        source: PrometheusSetupError,
    },
    /// A recording cannot be used.
    #[error("the recording {} cannot be used", file.display())]
    Recorded {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: RecordedError,
    },
    /// The replicas' own metrics cannot be asked for.
    #[error("the replicas' own metrics cannot be asked for")]
    Scrape(#[from] ScrapeSetupError),
    /// The state cannot be used.
    #[error("the state cannot be used")]
    State(#[from] StoreError),
}

impl AssemblyError {
    /// What the user can do about it.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Cluster { .. } => {
                "choose the cluster with --kubeconfig and --context, or KUBECONFIG, as for kubectl; `kubectl get pods` \
                 with the same settings has to work"
            }
            Self::UnknownServer { .. } => {
                "add the server under [prometheus.NAME], or change the metric's source"
            }
            Self::Secret { .. } => {
                "set the variable or make the file readable for the user that runs headroom"
            }
            Self::Prometheus { .. } => "mend what the message names under [prometheus.NAME]",
            Self::Recorded { .. } => "mend or replace the file, or change the metric's `recorded`",
            Self::Scrape(_) => "check the TLS setup of this machine",
            Self::State(_) => {
                "give the user that runs headroom a directory it can write: state_dir, or --state-dir"
            }
        }
    }
}

fn list(workloads: &[WorkloadId]) -> String {
    workloads
        .iter()
        .map(WorkloadId::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Assembly<'_> {
    /// An autoscaler for the workloads of `configuration`, with secrets from `environment` and from files.
    ///
    /// # Errors
    /// When something in the configuration cannot be had.
    pub fn build(
        configuration: Configuration,
        environment: &Environment,
        purpose: Purpose,
    ) -> Result<Autoscaler, AssemblyError> {
        let (autoscaler, ..) = Self::put_together(configuration, environment, purpose)?;
        Ok(autoscaler)
    }

    /// An autoscaler that only looks ahead, as [`Self::build`] makes it, with what it asks: the same connections, and what
    /// is known by them.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn look_ahead(
        configuration: Configuration,
        environment: &Environment,
    ) -> Result<(Autoscaler, Probes), AssemblyError> {
        let (autoscaler, cluster, servers) =
            Self::put_together(configuration, environment, Purpose::ReadOnly)?;
        let cluster = cluster.map(Cluster::probe);
        Ok((autoscaler, Probes { cluster, servers }))
    }

    fn put_together(
        configuration: Configuration,
        environment: &Environment,
        purpose: Purpose,
    ) -> Result<(Autoscaler, Option<Cluster>, Servers), AssemblyError> {
        let Configuration {
            settings, workloads, ..
        } = configuration;
        // Before the state is touched: what cannot be asked leaves no trace.
        let cluster = Cluster::of(&settings, &workloads, purpose)?;
        let assembly = Assembly {
            settings: &settings,
            environment,
            purpose,
        };
        let Asked {
            sources,
            scrape,
            servers,
        } = assembly.sources(&workloads, cluster.as_ref())?;
        let Opened { store, notices } = assembly.open_store()?;
        let store = Arc::new(store);
        if let Some(scrape) = &scrape {
            restore_readings(scrape, &store)?;
        }
        let notifications = assembly.notifications(&store)?;
        let targets = Targets::new(&store, cluster.clone(), purpose)?;
        let workloads = workloads
            .into_iter()
            .filter_map(|settings| targets.manage(settings))
            .collect();
        let autoscaler = Autoscaler::new(Parts {
            workloads,
            sources,
            scrape,
            processes: targets.actuators.map(|actuators| actuators.process),
            store,
            notices,
            command: this_command(),
            brake: settings.brake,
            notifications,
            deadline: settings.deadline,
            pass_deadline: settings.pass_deadline,
        });
        Ok((autoscaler, cluster, servers))
    }

    /// Who is told of what. A channel that cannot be used is said, and keeps nothing from being scaled.
    fn notifications(&self, store: &Arc<Store>) -> Result<Notifications, StoreError> {
        if !self.purpose.writes() {
            return Ok(Notifications::default());
        }
        let channels = Channels::of(&self.settings.notify, self.environment);
        for unusable in &channels.unusable {
            warn!("{unusable}");
        }
        let cluster = self.settings.cluster.as_deref();
        Notifications::new(
            cluster,
            &self.settings.notify,
            channels,
            store,
            Arc::new(SystemClock),
        )
    }

    fn open_store(&self) -> Result<Opened, StoreError> {
        let (dir, history) = (&self.settings.state_dir, self.settings.history);
        if self.purpose.writes() {
            Store::open(dir, history, SystemClock.now())
        } else {
            Store::open_read_only(dir, history)
        }
    }

    /// The sources that some workload asks, and no others.
    fn sources(
        &self,
        workloads: &[WorkloadSettings],
        cluster: Option<&Cluster>,
    ) -> Result<Asked, AssemblyError> {
        let mut sources = Sources::new();
        let mut named: BTreeMap<&str, &WorkloadId> = BTreeMap::new();
        let mut recordings: BTreeSet<&Path> = BTreeSet::new();
        let mut longest_rate: Option<Duration> = None;
        let mut asks_cluster = false;
        for workload in workloads {
            for metric in workload.asked() {
                match &metric.origin {
                    MetricOrigin::Prometheus { server, .. } => {
                        named.entry(server).or_insert(&workload.id);
                    }
                    MetricOrigin::Scrape { rate_over, .. } => {
                        longest_rate = longest_rate.max(Some(rate_over.unwrap_or_default()));
                    }
                    MetricOrigin::Recorded { file, .. } => {
                        recordings.insert(file);
                    }
                    MetricOrigin::Resource { .. } => asks_cluster = true,
                }
            }
        }
        let mut servers = Servers::new();
        for (server, workload) in named {
            let Some(settings) = self.settings.prometheus.get(server) else {
                return Err(AssemblyError::UnknownServer {
                    workload: workload.clone(),
                    server: server.to_owned(),
                });
            };
            let source = Arc::new(self.prometheus(server, settings)?);
            sources.insert(
                SourceId::Prometheus(server.to_owned()),
                Arc::clone(&source) as _,
                settings.timeout + GRACE,
            );
            servers.insert(server.to_owned(), source);
        }
        if let (true, Some(cluster)) = (asks_cluster, cluster) {
            let source = KubernetesSource::new(Arc::clone(&cluster.view));
            sources.insert(
                SourceId::Kubernetes,
                Arc::new(source),
                self.settings.deadline + GRACE,
            );
        }
        for file in recordings {
            let source = RecordedSource::from_file(file).map_err(|source| AssemblyError::Recorded {
                file: file.to_owned(),
                source,
            })?;
            sources.insert(
                SourceId::Recorded(file.to_owned()),
                Arc::new(source),
                self.settings.deadline,
            );
        }
        let intervals = workloads.iter().map(|workload| workload.policy.interval.get());
        let longest_interval = intervals.max().unwrap_or_default();
        let scrape = longest_rate
            .map(|longest| self.scrape(longest, longest_interval, &mut sources))
            .transpose()?;
        Ok(Asked {
            sources,
            scrape,
            servers,
        })
    }

    fn scrape(
        &self,
        longest_rate: Duration,
        longest_interval: Duration,
        sources: &mut Sources,
    ) -> Result<Arc<ScrapeSource>, AssemblyError> {
        let deadline = self.settings.deadline;
        let longest_wait = self.settings.pass_deadline / 2;
        let (first_rate, outer) = match self.purpose {
            Purpose::Apply => {
                // The pass before has to be near enough for a rate, with room for one that was late.
                let longest = longest_interval
                    .saturating_mul(2)
                    .max(SHORTEST_REACH_OF_A_READING);
                (FirstRate::Wait { longest }, deadline)
            }
            Purpose::Once | Purpose::ReadOnly => (
                FirstRate::ReadTwice { longest_wait },
                deadline * 2 + longest_rate.min(longest_wait),
            ),
        };
        let source = Arc::new(ScrapeSource::new(ScrapeOptions {
            deadline,
            first_rate,
            ..ScrapeOptions::default()
        })?);
        sources.insert(SourceId::Scrape, Arc::clone(&source) as _, outer + GRACE);
        Ok(source)
    }

    fn prometheus(
        &self,
        server: &str,
        settings: &PrometheusSettings,
    ) -> Result<PrometheusSource, AssemblyError> {
        let read = |secret: &Secret, what| {
            let read = secret.resolve(self.environment);
            read.map(|PlainSecret(text)| text)
                .map_err(|source| AssemblyError::Secret {
                    server: server.to_owned(),
                    what,
                    source,
                })
        };
        let bytes = |secret: &Option<Secret>, what| {
            let text = secret.as_ref().map(|secret| read(secret, what)).transpose();
            text.map(|text| text.map(String::into_bytes))
        };
        let credentials = match &settings.credentials {
            Credentials::None => PrometheusCredentials::None,
            Credentials::Bearer(token) => PrometheusCredentials::Bearer(Hidden(read(token, "bearer token")?)),
            Credentials::Basic { username, password } => PrometheusCredentials::Basic {
                username: username.clone(),
                password: Hidden(read(password, "password")?),
            },
        };
        let headers = settings.headers.iter();
        let headers = headers.map(|(name, value)| Ok((name.clone(), Hidden(read(value, "header")?))));
        let key = bytes(&settings.tls.client_key, "client key")?;
        let certificate = bytes(&settings.tls.client_certificate, "client certificate")?;
        let options = PrometheusOptions {
            url: settings.url.clone(),
            credentials,
            headers: headers.collect::<Result<_, AssemblyError>>()?,
            ca: bytes(&settings.tls.ca, "private CA")?,
            client_certificate: certificate.map(|certificate| ClientCertificate {
                certificate: Hidden(certificate),
                key: key.map(Hidden),
            }),
            timeout: settings.timeout,
            max_concurrent: settings.max_concurrent,
            scrape_interval: settings.scrape_interval,
        };
        PrometheusSource::new(&options).map_err(|source| AssemblyError::Prometheus {
            server: server.to_owned(),
            source,
        })
    }
}

/// Takes up the readings of the run before. Those that cannot be read only cost a second reading.
fn restore_readings(scrape: &ScrapeSource, store: &Store) -> Result<(), StoreError> {
    let Some(bytes) = store.readings()? else {
        return Ok(());
    };
    let restored = match postcard::from_bytes(&bytes) {
        Ok(readings) => scrape.restore(readings).map_err(|error| in_one_line(&error)),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = restored {
        warn!(
            error,
            "the readings of replicas of the run before cannot be used, so rates start anew"
        );
    }
    Ok(())
}

/// The cluster that targets are in.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) connection: Arc<Connection>,
    pub(crate) view: Arc<ClusterView>,
}

impl Cluster {
    /// The cluster, where some target is in one.
    pub(crate) fn of(
        settings: &Settings,
        workloads: &[WorkloadSettings],
        purpose: Purpose,
    ) -> Result<Option<Self>, AssemblyError> {
        let in_cluster = workloads.iter().filter(|workload| match workload.target {
            ScaleTarget::Kubernetes(_) => true,
            ScaleTarget::Process(_) | ScaleTarget::Command(_) => false,
        });
        let in_cluster: Vec<WorkloadId> = in_cluster.map(|workload| workload.id.clone()).collect();
        if in_cluster.is_empty() {
            return Ok(None);
        }
        let options = settings.kubernetes.options(settings.deadline);
        let connection = Connection::new(&options).map_err(|source| AssemblyError::Cluster {
            workloads: in_cluster,
            source,
        })?;
        let connection = Arc::new(connection);
        let filling = match purpose {
            Purpose::Apply => Filling::Watches,
            Purpose::Once | Purpose::ReadOnly => Filling::Lists,
        };
        Ok(Some(Self {
            view: Arc::new(ClusterView::new(Arc::clone(&connection), filling)),
            connection,
        }))
    }

    /// What can be asked of it without changing anything.
    fn probe(self) -> ClusterProbe {
        let Self { connection, view } = self;
        ClusterProbe {
            view: Arc::clone(&view),
            inquiry: Inquiry::new(Arc::clone(&connection)),
            writing: KubernetesProbe::new(connection, view),
        }
    }
}

/// What reaches targets: readers always, and what writes only where something may be written.
struct Targets {
    kubernetes: Option<Arc<KubernetesReader>>,
    process: Arc<ProcessReader>,
    command: Arc<CommandReader>,
    actuators: Option<Actuators>,
}

struct Actuators {
    kubernetes: Option<Arc<KubernetesActuator>>,
    process: Arc<ProcessActuator>,
    command: Arc<CommandActuator>,
}

impl Targets {
    fn new(store: &Arc<Store>, cluster: Option<Cluster>, purpose: Purpose) -> Result<Self, StoreError> {
        let own = cluster.as_ref().map(|_| field_manager(store)).transpose()?;
        let cluster = cluster.zip(own);
        let records = || Arc::clone(store) as Arc<dyn ProcessRecords>;
        Ok(Self {
            kubernetes: cluster.as_ref().map(|(cluster, own)| {
                Arc::new(KubernetesReader::new(Arc::clone(&cluster.view), own.clone()))
            }),
            process: Arc::new(ProcessReader::new(records())),
            command: Arc::new(CommandReader),
            actuators: purpose.writes().then(|| Actuators {
                kubernetes: cluster.map(|(Cluster { connection, view }, own)| {
                    Arc::new(KubernetesActuator::new(connection, view, own))
                }),
                process: Arc::new(ProcessActuator::new(records())),
                command: Arc::new(CommandActuator),
            }),
        })
    }

    /// The workload with its target; `None` where there is nothing that reaches it.
    fn manage(&self, settings: WorkloadSettings) -> Option<Managed> {
        let writer = match settings.mode {
            Mode::Apply => self.actuators.as_ref(),
            Mode::Preview | Mode::Shadow => None,
        };
        let access = match (&settings.target, writer) {
            (ScaleTarget::Kubernetes(_), Some(write)) => Access::Write(write.kubernetes.clone()? as _),
            (ScaleTarget::Kubernetes(_), None) => Access::ReadOnly(self.kubernetes.clone()? as _),
            (ScaleTarget::Process(_), Some(write)) => Access::Write(Arc::clone(&write.process) as _),
            (ScaleTarget::Process(_), None) => Access::ReadOnly(Arc::clone(&self.process) as _),
            (ScaleTarget::Command(_), Some(write)) => Access::Write(Arc::clone(&write.command) as _),
            (ScaleTarget::Command(_), None) => Access::ReadOnly(Arc::clone(&self.command) as _),
        };
        Some(Managed {
            target: settings.target.clone(),
            settings,
            access,
        })
    }
}

/// Who writes with this state, as others see it.
fn field_manager(store: &Store) -> Result<FieldManager, StoreError> {
    let name = store.name();
    FieldManager::of_state(name).ok_or_else(|| StoreError::Decode {
        what: "the name of the state",
        reason: format!("`{name}` is not eight digits of base 16"),
    })
}

/// What this process was started as, for those who find its lock: the program's name and its arguments.
fn this_command() -> String {
    let mut arguments = std::env::args_os();
    let program = arguments.next().unwrap_or_default();
    let name = Path::new(&program)
        .file_name()
        .unwrap_or(&program)
        .to_string_lossy()
        .into_owned();
    let rest = arguments.map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(name).chain(rest).collect::<Vec<_>>().join(" ")
}
