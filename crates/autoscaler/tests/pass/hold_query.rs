//! `hold_scale_down_when`: a query that fires holds scaling down, and so does one of which nobody knows whether it does.

use crate::world::*;
use headroom_autoscaler::{HoldQuery, Mode, Verdict};
use headroom_metrics_source::{Answer, MetricQuery, ObserveError, testing::promql};
use headroom_policy_engine::{Coverage, Observation, Reading, Semantics};

const ALERT: &str = r#"ALERTS{alertname="Down",alertstate="firing"}"#;

fn alert() -> MetricQuery {
    promql(ALERT)
}

/// Six replicas of which two are enough, for longer than the window, with an alert that does not fire.
async fn idle(names: &[&str]) -> World {
    let mut world = World::new(names);
    for workload in &mut world.workloads {
        workload.hold_query = Some(HoldQuery {
            query: ALERT.into(),
            asked: headroom_autoscaler::MetricSettings {
                origin: prometheus("main", ALERT),
                max_age: None,
            },
        });
    }
    for name in names {
        world.actuator.put(&id(name), replicas(6));
        world.load(name, 600.0);
    }
    let autoscaler = world.start();
    for number in 0..5 {
        pass(&autoscaler, at(number * 30)).await;
    }
    for name in names {
        world.load(name, 200.0);
    }
    for number in 5..9 {
        pass(&autoscaler, at(number * 30)).await;
    }
    world
}

/// What the next pass tells of `web`, the last step of its explanation, and whether it was blind.
async fn next(world: &World) -> (String, String, bool) {
    let record = pass(&world.start(), at(270)).await;
    let record = about(&record, "web");
    let Verdict::Decided { explanation, .. } = &record.verdict else {
        panic!("it was read");
    };
    let last = explanation.0.last().unwrap().to_string().replace(ALERT, "Q");
    (told(record), last, record.is_blind())
}

#[tokio::test]
async fn an_alert_that_does_not_fire_holds_nothing() {
    let world = idle(&["web"]).await;
    let (told, _, blind) = next(&world).await;
    assert_eq!((told.as_str(), blind), ("6 -> 2 Written", false));
}

#[tokio::test]
async fn a_query_that_gives_zero_holds_nothing() {
    let world = idle(&["web"]).await;
    world.source.set_value(&alert(), 0.0);
    assert_eq!(next(&world).await.0, "6 -> 2 Written");
}

#[tokio::test]
async fn an_alert_that_fires_holds_scaling_down_until_it_ends() {
    let world = idle(&["web"]).await;
    for error in [None, Some(ObserveError::Ambiguous { found: 3 })] {
        match error {
            None => world.source.set_value(&alert(), 1.0),
            Some(error) => world.source.set_error(&alert(), error),
        }
        let (told, last, blind) = next(&world).await;
        assert_eq!((told.as_str(), blind), ("6 ScaleDownHeld", false));
        let words = "2 would be enough, but the query `Q`, which has a value, forbids scaling down: stays at 6 for as \
                     long as it has one";
        assert_eq!(last, words);
    }
    world.source.set_error(&alert(), ObserveError::NoData);
    assert_eq!(next(&world).await.0, "6 -> 2 Written");
}

#[tokio::test]
async fn an_alert_that_fires_lets_the_count_rise() {
    let world = idle(&["web"]).await;
    world.source.set_value(&alert(), 1.0);
    world.load("web", 900.0);
    assert_eq!(next(&world).await.0, "6 -> 9 Written");
}

#[tokio::test]
async fn what_cannot_be_known_holds_and_the_pass_is_partly_blind() {
    let world = idle(&["web"]).await;
    let old = Answer {
        reading: Ok(Reading {
            value: 0.0,
            answered_at: Some(at(270)),
            newest_sample: Some(at(70)),
            coverage: Coverage::default(),
        }),
        remarks: Vec::new(),
        scrape_interval: None,
        pods: None,
    };
    let refused = ObserveError::Rejected {
        status: 503,
        message: "starting up".to_owned(),
    };
    for (answer, why) in [
        (old, "its newest sample is 3 min 20 s old"),
        (
            Answer::failed(ObserveError::NotANumber),
            "the value is not a number",
        ),
        (Answer::failed(refused), "the source answered 503"),
    ] {
        world.source.set_answer(&alert(), answer);
        let (told, last, blind) = next(&world).await;
        assert_eq!((told.as_str(), blind), ("6 ScaleDownHeld", true));
        let unknown = format!("of which it cannot be known whether it has a value ({why})");
        assert!(last.contains(&unknown), "{last}");
    }
}

#[tokio::test]
async fn a_query_of_many_workloads_is_asked_once_with_the_others() {
    let world = idle(&["api", "web"]).await;
    let asked = world.source.asked();
    let last = asked.last().unwrap();
    assert_eq!(last.len(), 3, "two loads and one alert: {last:?}");
    assert_eq!(last.iter().filter(|query| **query == alert()).count(), 1);
}

#[tokio::test]
async fn what_it_said_stands_in_the_record_and_holds_under_the_hpas_rules_too() {
    let mut world = idle(&["web"]).await;
    world.workloads[0].policy.semantics = Semantics::Hpa(headroom_policy_engine::HpaPath::WithBehavior);
    world.workloads[0].mode = Mode::Preview;
    world.source.set_value(&alert(), 1.0);
    let record = pass(&world.start(), at(270)).await;
    let asked = about(&record, "web").hold_query.as_ref().unwrap();
    assert_eq!(asked.name.as_str(), "hold_scale_down_when");
    assert!(matches!(asked.observation, Observation::Fresh(sample) if sample.value == 1.0));
    let Verdict::Decided { target, .. } = &about(&record, "web").verdict else {
        panic!("it was read");
    };
    assert_eq!(target.holds.len(), 1);
}
