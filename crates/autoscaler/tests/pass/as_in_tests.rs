//! A test of a policy decides as passes do: the same records, number for number and step for step.

use std::{path::PathBuf, sync::Arc};

use crate::world::*;
use headroom_actuator::testing::ScriptedActuator;
use headroom_autoscaler::{
    Autoscaler, MetricOrigin, MetricSettings, SourceId, Sources, Store, WorkloadSettings,
    policy_test::{Case, During, Event, Happening, Input, Point, Series},
};
use headroom_metrics_source::{RecordedQuery, RecordedSource};
use headroom_policy_engine::{Fallback, FallbackAction, FallbackWhen};

/// A load that rises, falls, is lost for a while and comes back, every 30 seconds from the beginning on.
fn recording() -> RecordedSource {
    let rise = (0..10).map(|step| format!("{}", 150 + 90 * step));
    let fall = (0..12).map(|step| format!("{}", 900 - 70 * step));
    let lost = std::iter::repeat_n("_".to_owned(), 8);
    let calm = std::iter::repeat_n("120".to_owned(), 14);
    let lines: String = (0..)
        .zip(rise.chain(fall).chain(lost).chain(calm))
        .map(|(step, load)| format!("{},{load}\n", at(step * 30).unix_millis() / 1000))
        .collect();
    RecordedSource::from_reader(format!("timestamp,load\n{lines}").as_bytes()).unwrap()
}

/// The workload of these tests, with its load from a recording, and a fallback.
fn recorded() -> WorkloadSettings {
    let mut settings = settings("web");
    settings.policy.fallback = Some(Fallback {
        action: FallbackAction::AtLeast(replicas(6)),
        after: seconds(90),
        when: FallbackWhen::All,
    });
    settings.metrics = vec![MetricSettings {
        origin: MetricOrigin::Recorded {
            file: PathBuf::from("load.csv"),
            series: "load".into(),
        },
        max_age: None,
    }];
    settings
}

fn live(world: &World, recording: &Arc<RecordedSource>) -> Autoscaler {
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let mut parts = world.parts(opened, Arc::<ScriptedActuator>::clone(&world.actuator) as _);
    parts.sources = Sources::new();
    let id = SourceId::Recorded(PathBuf::from("load.csv"));
    parts.sources.insert(id, Arc::clone(recording) as _, DEADLINE);
    Autoscaler::new(parts)
}

#[tokio::test]
async fn a_case_decides_as_passes_do() {
    let mut world = World::new(&["web"]);
    world.workloads = vec![recorded()];
    let recording = Arc::new(recording());
    let (begins, _) = recording.span().unwrap();
    let case = Case {
        name: "as live".to_owned(),
        line: 1,
        workload: Arc::new(world.workloads[0].clone()),
        start: at(0),
        interval: seconds(30),
        passes: 44,
        replicas: replicas(2),
        spacing: seconds(30),
        ready: Some(Series::constant(Point::Value(10.0))),
        inputs: vec![Input::Recorded {
            recording: Arc::clone(&recording),
            query: RecordedQuery {
                series: "load".into(),
            },
            begins,
        }],
        hold: None,
        events: vec![Event {
            during: During::Next(seconds(150)),
            what: Happening::Replicas(replicas(9)),
        }],
        expectations: Vec::new(),
    };
    let autoscaler = live(&world, &recording);
    let mut told_apart = std::collections::BTreeSet::new();
    for number in 0..44 {
        if number == 5 {
            world.actuator.put(&id("web"), replicas(9));
        }
        let record = pass(&autoscaler, at(number * 30)).await;
        let mut decided = about(&record, "web").clone();
        // A pass asks for the past of a workload without memory. There is none before the recording.
        decided.rebuilt = None;
        let since_start = seconds(u64::try_from(number).unwrap() * 30);
        assert_eq!(
            case.decision_at(since_start).as_ref(),
            Some(&decided),
            "pass {number}"
        );
        told_apart.insert(told(&decided));
    }
    assert_eq!(
        case.run().rows.last().unwrap().after,
        replicas(world.count("web"))
    );
    assert!(
        told_apart.len() > 10,
        "the run has something to tell: {told_apart:?}"
    );
}
