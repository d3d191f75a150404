//! A thousand workloads with a recording as their load and their counts in memory.

use std::{path::PathBuf, sync::Arc, time::Duration};

use headroom_actuator::{Access, CommandTarget, ScaleTarget, testing::ScriptedActuator};
use headroom_autoscaler::{
    Autoscaler, BrakeSettings, HistorySettings, Managed, MetricOrigin, MetricSettings, Mode, Notifications,
    Parts, Routes, SourceId, Sources, Store, WorkloadSettings,
};
use headroom_metrics_source::RecordedSource;
use headroom_policy_engine::*;

/// How many workloads.
pub(crate) const WORKLOADS: u32 = 1000;
/// The time between two passes.
pub(crate) const STEP: Duration = Duration::from_secs(15);
/// As it is where nobody says otherwise.
const BRAKE: BrakeSettings = BrakeSettings {
    max_fall: 0.5,
    least: 5,
    hold: Duration::from_secs(600),
};

/// What is other from bench to bench.
pub(crate) struct Fleet<'a> {
    pub(crate) state_dir: PathBuf,
    /// The recording, with a series `load-N` for each workload.
    pub(crate) recording: &'a str,
    /// How far back recommendations count before a count may fall.
    pub(crate) scale_down_window: Duration,
    /// So many changes of direction are allowed within the window of that guard.
    pub(crate) max_reversals: u32,
    /// Who is told of each workload.
    pub(crate) routes: Routes,
}

/// A recording that has just begun.
pub(crate) fn time(step: u32) -> Timestamp {
    Timestamp::from_unix_millis(1_790_000_000_000).plus(STEP * step)
}

/// The autoscaler of `fleet`, with what tells people, made from its store.
pub(crate) fn autoscaler(
    fleet: Fleet<'_>,
    notifications: impl FnOnce(&Arc<Store>) -> Notifications,
) -> Autoscaler {
    let history = HistorySettings {
        keep_for: Duration::from_secs(7 * 24 * 3600),
        max_bytes: 200 << 20,
    };
    let opened = Store::open(&fleet.state_dir, history, time(0)).unwrap();
    let store = Arc::new(opened.store);
    let recording = RecordedSource::from_reader(fleet.recording.as_bytes()).unwrap();
    let mut sources = Sources::new();
    let deadline = Duration::from_secs(5);
    sources.insert(
        SourceId::Recorded(PathBuf::from("day.csv")),
        Arc::new(recording),
        deadline,
    );
    let actuator = Arc::new(ScriptedActuator::new());
    let manage = |number| {
        let settings = settings(number, &fleet);
        actuator.put(&settings.id, Replicas::new(8));
        Managed {
            target: settings.target.clone(),
            settings,
            access: Access::Write(Arc::clone(&actuator) as _),
        }
    };
    Autoscaler::new(Parts {
        workloads: (0..WORKLOADS).map(manage).collect(),
        sources,
        scrape: None,
        processes: None,
        notifications: notifications(&store),
        store,
        notices: opened.notices,
        brake: BRAKE,
        command: "a benchmark".to_owned(),
        deadline,
        pass_deadline: Duration::from_secs(90),
    })
}

fn settings(number: u32, fleet: &Fleet<'_>) -> WorkloadSettings {
    let id: WorkloadId = format!("fleet/service-{number}").parse().unwrap();
    let rules = |window| ScalingRules {
        stabilization: StabilizationWindow::new(window).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: vec![ChangeLimit::new(ChangeAmount::Percent(100), STEP).unwrap()],
        },
    };
    let policy = WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(20)).unwrap(),
        zero: None,
        metrics: vec![MetricPolicy::new(
            MetricName::new("requests"),
            MetricKind::External,
            MetricRule::PerReplica(Target::new(100.0).unwrap()),
            Tolerance::new(0.1, 0.1).unwrap(),
        )],
        scale_up: rules(Duration::ZERO),
        scale_down: rules(fleet.scale_down_window),
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: fleet.max_reversals,
        },
        interval: EvaluationInterval::new(STEP).unwrap(),
    };
    let target = CommandTarget {
        workload: id.clone(),
        get: vec!["get".to_owned()],
        set: vec!["set".to_owned()],
        ready: None,
        directory: PathBuf::from("/"),
        timeout: Duration::from_secs(2),
    };
    WorkloadSettings {
        id,
        mode: Mode::Apply,
        annotate: false,
        policy,
        metrics: vec![MetricSettings {
            origin: MetricOrigin::Recorded {
                file: PathBuf::from("day.csv"),
                series: format!("load-{number}").into(),
            },
            max_age: None,
        }],
        schedules: Vec::new(),
        hold_query: None,
        routes: fleet.routes.clone(),
        target: ScaleTarget::Command(Arc::new(target)),
    }
}
