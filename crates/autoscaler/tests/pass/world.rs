//! Workloads in a scripted world: load and targets do as they are told, the state is a real one.
use std::{path::PathBuf, sync::Arc, time::Duration};

use headroom_actuator::{Access, Actuator, CommandTarget, ScaleTarget, testing::ScriptedActuator};
use headroom_autoscaler::{
    Autoscaler, BrakeSettings, Channels, DecisionRecord, FollowingClock, HistoryQuery, HistoryRow,
    HistorySettings, Managed, MetricOrigin, MetricSettings, Mode, Notifications, NotifySettings, Opened,
    OperatorFile, Parts, PassRecord, SourceId, Sources, Store, Verdict, Which, WorkloadSettings,
};
use headroom_metrics_source::{
    MetricQuery, PromqlQuery,
    testing::{ScriptedSource, promql},
};
use headroom_notifier::{
    Notifier,
    delivery::{Channel, ChannelName},
};
use headroom_policy_engine::*;
use tempfile::TempDir;

/// How long a source or target may take in these tests.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);
/// The window of scaling down.
pub(crate) const WINDOW: Duration = Duration::from_secs(120);

#[must_use]
pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// So many seconds after the beginning of these tests.
#[must_use]
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_790_000_000_000 + seconds * 1000)
}

#[must_use]
pub(crate) fn id(name: &str) -> WorkloadId {
    name.parse().unwrap()
}

#[must_use]
pub(crate) const fn replicas(count: u32) -> Replicas {
    Replicas::new(count)
}

pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) state_dir: PathBuf,
    pub(crate) source: Arc<ScriptedSource>,
    pub(crate) actuator: Arc<ScriptedActuator>,
    pub(crate) workloads: Vec<WorkloadSettings>,
    pub(crate) history: HistorySettings,
    pub(crate) brake: BrakeSettings,
    /// Who can be told.
    pub(crate) notify: NotifySettings,
    /// What hands messages over, by the names of channels.
    pub(crate) notifiers: Vec<(ChannelName, Arc<dyn Notifier>)>,
}

impl World {
    /// Workloads with these names, each at two replicas of 100 requests per second and with a load that fits.
    #[must_use]
    pub(crate) fn new(names: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self {
            state_dir: dir.path().join("state"),
            dir,
            source: Arc::new(ScriptedSource::new()),
            actuator: Arc::new(ScriptedActuator::new()),
            workloads: names.iter().map(|name| settings(name)).collect(),
            history: HistorySettings {
                keep_for: seconds(7 * 24 * 3600),
                max_bytes: 200 << 20,
            },
            brake: BrakeSettings {
                max_fall: 0.5,
                least: 5,
                hold: seconds(600),
            },
            notify: NotifySettings::default(),
            notifiers: Vec::new(),
        };
        for name in names {
            world.actuator.put(&id(name), replicas(2));
            world.load(name, 200.0);
        }
        world
    }

    #[must_use]
    pub(crate) fn mode(mut self, mode: Mode) -> Self {
        for workload in &mut self.workloads {
            workload.mode = mode;
        }
        self
    }

    #[must_use]
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.state_dir.clone()
    }

    #[must_use]
    pub(crate) fn operator(&self) -> OperatorFile {
        OperatorFile::new(&self.state_dir())
    }

    /// From now on the load of `name` is so many requests per second.
    pub(crate) fn load(&self, name: &str, load: f64) {
        self.source.set_value(&query(name), load);
    }

    /// An autoscaler as a new process would have it.
    #[must_use]
    pub(crate) fn start(&self) -> Autoscaler {
        let opened = Store::open(&self.state_dir(), self.history, at(0)).unwrap();
        Autoscaler::new(self.parts(opened, Arc::clone(&self.actuator) as _))
    }

    /// An autoscaler that can only look.
    #[must_use]
    pub(crate) fn look(&self) -> Autoscaler {
        let opened = Store::open_read_only(&self.state_dir(), self.history).unwrap();
        let mut parts = self.parts(opened, Arc::clone(&self.actuator) as _);
        for workload in &mut parts.workloads {
            workload.access = Access::ReadOnly(Arc::clone(&self.actuator) as _);
        }
        Autoscaler::new(parts)
    }

    /// The parts of an autoscaler whose targets are written to by `actuator`.
    #[must_use]
    pub(crate) fn parts(&self, opened: Opened, actuator: Arc<dyn Actuator>) -> Parts {
        let mut sources = Sources::new();
        sources.insert(
            SourceId::Prometheus("main".to_owned()),
            Arc::clone(&self.source) as _,
            DEADLINE,
        );
        let manage = |settings: &WorkloadSettings| Managed {
            target: settings.target.clone(),
            settings: settings.clone(),
            access: match settings.mode {
                Mode::Apply => Access::Write(Arc::clone(&actuator)),
                Mode::Preview | Mode::Shadow => Access::ReadOnly(Arc::clone(&self.actuator) as _),
            },
        };
        let store = Arc::new(opened.store);
        Parts {
            notifications: self.notifications(&store),
            workloads: self.workloads.iter().map(manage).collect(),
            sources,
            scrape: None,
            processes: None,
            store,
            notices: opened.notices,
            brake: self.brake,
            command: "a test".to_owned(),
            deadline: DEADLINE,
            pass_deadline: seconds(90),
        }
    }

    fn notifications(&self, store: &Arc<Store>) -> Notifications {
        let usable = self.notifiers.iter().map(|(name, notifier)| Channel {
            name: name.clone(),
            notifier: Arc::clone(notifier),
            rules: headroom_notifier::testing::rules(),
            alternates: Vec::new(),
        });
        let channels = Channels {
            usable: usable.collect(),
            ..Channels::default()
        };
        let clock = Arc::new(FollowingClock::starting_at(at(0)));
        Notifications::new(Some("prod-eu"), &self.notify, channels, store, clock).unwrap()
    }

    /// The count of `name` now.
    #[must_use]
    pub(crate) fn count(&self, name: &str) -> u32 {
        self.actuator.count(&id(name)).get()
    }

    /// The history of `name`, newest first, read as another process would.
    #[must_use]
    pub(crate) fn rows(&self, name: &str) -> Vec<HistoryRow> {
        let opened = Store::open_read_only(&self.state_dir(), self.history).unwrap();
        let query = HistoryQuery {
            workload: Some(id(name)),
            since: None,
            limit: 1000,
        };
        let history = opened.store.history(&query).unwrap();
        assert_eq!(history.unreadable, 0);
        history.rows
    }
}

/// Waits until `reached`, while paused time stands still: transactions take real time.
pub(crate) async fn until(reached: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !reached() {
        assert!(begun.elapsed() < seconds(20), "the point was not reached");
        tokio::task::yield_now().await;
    }
}

/// One pass over everything.
pub(crate) async fn pass(autoscaler: &Autoscaler, now: Timestamp) -> PassRecord {
    autoscaler.pass(now, Which::All).await.unwrap()
}

/// The record about `name`.
#[track_caller]
#[must_use]
pub(crate) fn about<'r>(record: &'r PassRecord, name: &str) -> &'r DecisionRecord {
    let mut found = record
        .decisions
        .iter()
        .filter(|decision| decision.workload == id(name));
    found.next().expect("the workload was looked at")
}

/// `from -> to` with the outcome, or why it was held, or why the target could not be read.
#[must_use]
pub(crate) fn told(record: &DecisionRecord) -> String {
    match &record.verdict {
        Verdict::Decided {
            decision, outcome, ..
        } => match decision.direction() {
            Some(_) => format!("{} -> {} {outcome:?}", decision.current(), decision.desired()),
            None => format!("{} {:?}", decision.current(), decision.reason()),
        },
        Verdict::Unreadable { .. } => "unreadable".to_owned(),
    }
}

/// What is asked for the load of `name`.
#[must_use]
pub(crate) fn query(name: &str) -> MetricQuery {
    promql(&format!("load:{name}"))
}

/// One metric, 100 per replica, 1 to 10 replicas, no limits of change.
#[must_use]
pub(crate) fn settings(name: &str) -> WorkloadSettings {
    let rules = |window| ScalingRules {
        stabilization: StabilizationWindow::new(window).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: Vec::new(),
        },
    };
    let policy = WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(replicas(1), replicas(10)).unwrap(),
        zero: None,
        metrics: vec![MetricPolicy::new(
            MetricName::new("load"),
            MetricKind::External,
            MetricRule::PerReplica(Target::new(100.0).unwrap()),
            Tolerance::new(0.1, 0.1).unwrap(),
        )],
        scale_up: rules(Duration::ZERO),
        scale_down: rules(WINDOW),
        fallback: None,
        guards: Guards {
            startup: seconds(120),
            max_reversals: 4,
        },
        interval: EvaluationInterval::new(seconds(30)).unwrap(),
    };
    WorkloadSettings {
        id: id(name),
        mode: Mode::Apply,
        annotate: false,
        policy,
        metrics: vec![MetricSettings {
            origin: prometheus("main", &format!("load:{name}")),
            max_age: None,
        }],
        schedules: Vec::new(),
        hold_query: None,
        routes: headroom_autoscaler::Routes::default(),
        target: command(name),
    }
}

#[must_use]
pub(crate) fn prometheus(server: &str, query: &str) -> MetricOrigin {
    MetricOrigin::Prometheus {
        server: server.to_owned(),
        query: PromqlQuery {
            query: query.into(),
            coverage: None,
        },
    }
}

#[must_use]
pub(crate) fn command(name: &str) -> ScaleTarget {
    ScaleTarget::Command(Arc::new(CommandTarget {
        workload: id(name),
        get: vec!["get".to_owned()],
        set: vec!["set".to_owned(), "{replicas}".to_owned()],
        ready: None,
        directory: PathBuf::from("/"),
        timeout: seconds(2),
    }))
}
