//! What a pass over a thousand workloads costs: reading a recording and targets in memory, deciding, both transactions
//! with their decisions on the disk of the system's directory for temporary files, and the few changes that are due.
//!
//! Goal: a median of at most 20 ms on one core. `cargo bench -p headroom-autoscaler`

#![expect(clippy::unwrap_used, reason = "the world of a benchmark is right")]

use std::{fmt::Write as _, path::PathBuf, sync::Arc, time::Duration};

use divan::Bencher;
use headroom_actuator::{Access, CommandTarget, ScaleTarget, testing::ScriptedActuator};
use headroom_autoscaler::{
    Autoscaler, BrakeSettings, HistorySettings, Managed, MetricOrigin, MetricSettings, Mode, Parts, SourceId,
    Sources, Store, Which, WorkloadSettings,
};
use headroom_metrics_source::RecordedSource;
use headroom_policy_engine::*;

/// How many workloads.
/// As it is where nobody says otherwise.
const BRAKE: BrakeSettings = BrakeSettings {
    max_fall: 0.5,
    least: 5,
    hold: Duration::from_secs(600),
};
const WORKLOADS: u32 = 1000;
/// How many passes the recording lasts.
const STEPS: u32 = 600;
/// The time between two passes.
const STEP: Duration = Duration::from_secs(15);

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn a_thousand_workloads(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let autoscaler = autoscaler(dir.path().join("state"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut step = 0;
    let mut pass = || {
        let now = time(step);
        step += 1;
        let record = runtime.block_on(autoscaler.pass(now, Which::All)).unwrap();
        assert!(record.decisions.iter().all(|decision| decision.error().is_none()));
        record
    };
    // The windows fill first.
    for _ in 0..40 {
        pass();
    }
    bencher.bench_local(pass);
}

/// A recording that has just begun.
fn time(step: u32) -> Timestamp {
    Timestamp::from_unix_millis(1_790_000_000_000).plus(STEP * step)
}

fn autoscaler(state_dir: PathBuf) -> Autoscaler {
    let history = HistorySettings {
        keep_for: Duration::from_secs(7 * 24 * 3600),
        max_bytes: 200 << 20,
    };
    let opened = Store::open(&state_dir, history, time(0)).unwrap();
    let recording = RecordedSource::from_reader(recording().as_bytes()).unwrap();
    let mut sources = Sources::new();
    let deadline = Duration::from_secs(5);
    sources.insert(
        SourceId::Recorded(PathBuf::from("day.csv")),
        Arc::new(recording),
        deadline,
    );
    let actuator = Arc::new(ScriptedActuator::new());
    let manage = |number| {
        let settings = settings(number);
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
        store: Arc::new(opened.store),
        notices: opened.notices,
        brake: BRAKE,
        notifications: headroom_autoscaler::Notifications::default(),
        command: "a benchmark".to_owned(),
        deadline,
        pass_deadline: Duration::from_secs(90),
    })
}

/// Each workload has a wave of its own, an hour long.
fn recording() -> String {
    let mut text = "timestamp".to_owned();
    for number in 0..WORKLOADS {
        write!(text, ",load-{number}").unwrap();
    }
    text.push('\n');
    for step in 0..STEPS {
        write!(text, "{}", time(step).unix_millis() / 1000).unwrap();
        for number in 0..WORKLOADS {
            let phase = f64::from(step) / 240.0 + f64::from(number) / f64::from(WORKLOADS);
            write!(
                text,
                ",{:.1}",
                800.0 + 500.0 * (phase * std::f64::consts::TAU).sin()
            )
            .unwrap();
        }
        text.push('\n');
    }
    text
}

fn settings(number: u32) -> WorkloadSettings {
    let id: WorkloadId = format!("fleet/service-{number}").parse().unwrap();
    let rules = |seconds| ScalingRules {
        stabilization: StabilizationWindow::new(Duration::from_secs(seconds)).unwrap(),
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
        scale_up: rules(0),
        scale_down: rules(300),
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: 4,
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
        routes: headroom_autoscaler::Routes::default(),
        target: ScaleTarget::Command(Arc::new(target)),
    }
}
