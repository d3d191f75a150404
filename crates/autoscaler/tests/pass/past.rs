//! A pass without memory takes what it would remember from the past of its sources, where that is exact.

use headroom_autoscaler::{
    DecisionRecord, FirstPass, MetricOrigin, Notice, Rebuilt, Schedule, Scraped, When, Window,
};
use headroom_metrics_source::{ObserveError, testing::promql};
use headroom_policy_engine::{
    ActiveBound, ActiveBounds, BoundSource, EvaluationInterval, Fallback, FallbackAction, FallbackWhen,
    MetricRule, OnMissing, Reading, ScheduleName, StabilizationWindow, TargetUtilization,
};

use crate::world::*;

/// The load of `web` was this until two minutes and a half ago, and two replicas' worth since; eight are there.
fn fallen(world: &World, before: f64, at_second: i64) {
    world.actuator.put(&id("web"), replicas(8));
    let times = [(-3600, before), (-150, 200.0)];
    let past = times.map(|(ago, load)| (at(at_second + ago), load));
    world.source.set_past(&query("web"), past);
}

fn refused(record: &DecisionRecord) -> &str {
    match &record.rebuilt {
        Some(Rebuilt::Refused { reason }) => reason,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_first_pass_scales_down_when_the_past_shows_that_it_may() {
    let world = World::new(&["web"]);
    fallen(&world, 800.0, 0);
    let record = pass(&world.start(), at(0)).await;
    let about = about(&record, "web");
    assert_eq!(told(about), "8 -> 2 Written");
    // The window of two minutes, every half a minute, and what reaches into it.
    let rebuilt = Rebuilt::From {
        since: at(-150),
        moments: 5,
        known: 5,
        is_covered: true,
    };
    assert_eq!(about.rebuilt, Some(rebuilt));
    let words = record.notices[0].to_string();
    assert!(
        words.starts_with(
            "no memory: the windows were rebuilt from the past of the load, so this pass can scale down; if"
        ),
        "{words}"
    );
}

#[tokio::test]
async fn a_peak_in_the_window_holds_a_first_pass_back_as_it_would_any_other() {
    let world = World::new(&["web"]);
    fallen(&world, 800.0, 0);
    world.source.set_past(
        &query("web"),
        [(at(-3600), 200.0), (at(-100), 610.0), (at(-80), 200.0)],
    );
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(
        told(about(&record, "web")),
        "8 -> 7 Written",
        "610 at 90 seconds ago"
    );
}

#[tokio::test]
async fn what_was_missing_then_is_a_gap() {
    let world = World::new(&["web"]);
    let past = |until: i64| [(at(-3600), 200.0), (at(-110), f64::NAN), (at(until), 200.0)];
    fallen(&world, 200.0, 0);
    world.source.set_past(&query("web"), past(-40));
    // Known 150 and 120 seconds ago, and then 30 seconds ago: a minute of two is not covered.
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(told(about(&record, "web")), "8 Stabilizing");
    let rebuilt = Rebuilt::From {
        since: at(-150),
        moments: 5,
        known: 3,
        is_covered: false,
    };
    assert_eq!(about(&record, "web").rebuilt, Some(rebuilt));
    let world = World::new(&["web"]);
    fallen(&world, 200.0, 0);
    // Here 90 seconds ago alone is missing, which the one before reaches over.
    world.source.set_past(&query("web"), past(-70));
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(told(about(&record, "web")), "8 -> 2 Written");
}

#[tokio::test]
async fn an_absence_that_means_no_load_now_is_a_gap_in_the_past() {
    let mut world = World::new(&["web"]);
    world.workloads[0].policy.metrics[0].on_missing = OnMissing::Zero;
    fallen(&world, 200.0, 0);
    // It may have been a time when nobody scraped.
    world
        .source
        .set_past(&query("web"), [(at(-3600), f64::NAN), (at(-40), 200.0)]);
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(told(about(&record, "web")), "8 Stabilizing");
}

#[tokio::test]
async fn a_memory_that_is_there_is_asked_for_no_past() {
    let world = World::new(&["web"]);
    fallen(&world, 200.0, 30);
    let autoscaler = world.start();
    world.load("web", 800.0);
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "web")), "8 OnTarget");
    assert!(about(&record, "web").rebuilt.is_some());
    world.load("web", 200.0);
    let record = pass(&autoscaler, at(30)).await;
    assert_eq!(told(about(&record, "web")), "8 Stabilizing");
    assert_eq!(about(&record, "web").rebuilt, None);
    assert_eq!(world.source.asked_of_the_past().len(), 1);
}

#[tokio::test]
async fn each_thing_is_asked_once_over_all_workloads() {
    let mut world = World::new(&["web", "api", "job"]);
    for workload in &mut world.workloads[..2] {
        workload.metrics[0].origin = prometheus("main", "load:web");
    }
    world.workloads[2].metrics[0].origin = prometheus("main", "load:web");
    world.workloads[2].policy.scale_down.stabilization = StabilizationWindow::new(seconds(600)).unwrap();
    fallen(&world, 200.0, 0);
    pass(&world.start(), at(0)).await;
    // One range for the two with the same window, and one for the longer window.
    let asked = world.source.asked_of_the_past();
    let mut asked: Vec<_> = asked
        .iter()
        .map(|(queries, moments)| (queries.len(), moments.count()))
        .collect();
    asked.sort_unstable();
    assert_eq!(asked, [(1, 5), (1, 21)]);
}

#[tokio::test]
async fn the_moments_are_of_the_clock_of_the_source() {
    let world = World::new(&["web"]);
    world.actuator.put(&id("web"), replicas(8));
    // Its clock is a minute behind, and so is the time of its past.
    let reading = Reading {
        value: 200.0,
        answered_at: Some(at(-60)),
        newest_sample: Some(at(-60)),
        coverage: Default::default(),
    };
    world.source.set_reading(&query("web"), reading);
    world.source.set_past(&query("web"), [(at(-3660), 200.0)]);
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(told(about(&record, "web")), "8 -> 2 Written");
    let (_, moments) = world.source.asked_of_the_past().remove(0);
    assert_eq!([moments.first(), moments.last()], [at(-210), at(-90)]);
    let rebuilt = Rebuilt::From {
        since: at(-150),
        moments: 5,
        known: 5,
        is_covered: true,
    };
    assert_eq!(about(&record, "web").rebuilt, Some(rebuilt));
}

#[tokio::test]
async fn where_it_is_not_exact_a_first_pass_is_as_it_was() {
    let mut world = World::new(&["web"]);
    world.workloads[0].policy.metrics[0].rule = MetricRule::Utilization(TargetUtilization::new(0.7).unwrap());
    world.load("web", 0.2);
    fallen(&world, 0.2, 0);
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(told(about(&record, "web")), "8 Stabilizing");
    assert_eq!(
        refused(about(&record, "web")),
        "what load asks for depends on the count that there was"
    );
    assert_eq!(world.source.asked_of_the_past(), []);
    assert!(
        record.notices[0]
            .to_string()
            .starts_with("no memory: this pass cannot scale down;")
    );
}

#[tokio::test]
async fn why_the_past_is_not_known_is_recorded() {
    let why = async |change: &dyn Fn(&mut World)| {
        let mut world = World::new(&["web"]);
        fallen(&world, 200.0, 0);
        change(&mut world);
        let record = pass(&world.start(), at(0)).await;
        assert_eq!(about(&record, "web").decision().unwrap().desired(), replicas(8));
        refused(about(&record, "web")).to_owned()
    };
    let scrape = |world: &mut World| {
        world.workloads[0].metrics[0].origin = MetricOrigin::Scrape {
            series: "requests_total".into(),
            path: "/metrics".into(),
            rate_over: Some(seconds(10)),
            across: Default::default(),
            asked: Scraped::Replicas,
        };
    };
    assert_eq!(
        why(&scrape).await,
        "load is read from the replicas, which do not know their past"
    );
    let down = |world: &mut World| world.source.set_error(&query("web"), ObserveError::NoData);
    assert_eq!(why(&down).await, "nothing is known of its load now");
    let often = |world: &mut World| {
        let interval = std::time::Duration::from_millis(100);
        world.workloads[0].policy.interval = EvaluationInterval::new(interval).unwrap();
    };
    assert_eq!(why(&often).await, "its windows hold more than 720 evaluations");
    let silent = |world: &mut World| {
        world.workloads[0].metrics[0].origin = prometheus("main", "other");
        world.source.set_value(&promql("other"), 200.0);
    };
    assert_eq!(why(&silent).await, "the past of this source is not known");
    let blind = |world: &mut World| {
        world.workloads[0].policy.fallback = Some(Fallback {
            action: FallbackAction::AtLeast(replicas(4)),
            after: seconds(60),
            when: FallbackWhen::All,
        });
        world.source.set_past(
            &query("web"),
            [(at(-3600), 200.0), (at(-100), f64::NAN), (at(-80), 200.0)],
        );
    };
    assert_eq!(
        why(&blind).await,
        "the load was unknown at times, and a fallback may have been in force"
    );
}

#[tokio::test]
async fn a_rise_that_a_schedule_asked_for_within_the_window_is_not_undone() {
    let scheduled = async |from: i64, until: i64| {
        let mut world = World::new(&["web"]);
        fallen(&world, 200.0, 0);
        let mut bounds = ActiveBounds::default();
        let name = BoundSource::Schedule(ScheduleName::new("evening"));
        bounds.add_floor(ActiveBound::new(replicas(8), name).unwrap());
        world.workloads[0].schedules = vec![Schedule {
            name: ScheduleName::new("evening"),
            when: When::Once(Window {
                from: at(from),
                until: at(until),
            }),
            bounds,
        }];
        let record = pass(&world.start(), at(0)).await;
        told(about(&record, "web"))
    };
    assert_eq!(scheduled(-100, -20).await, "8 Stabilizing");
    // Raised long before, and still in force.
    assert_eq!(scheduled(-3600, -20).await, "8 -> 2 Written");
    assert_eq!(scheduled(-3600, 3600).await, "8 AtMinimum");
}

#[tokio::test]
async fn the_notice_counts_those_that_were_rebuilt() {
    let mut world = World::new(&["web", "api", "job"]);
    world.workloads[1].policy.metrics[0].rule = MetricRule::Utilization(TargetUtilization::new(0.7).unwrap());
    fallen(&world, 200.0, 0);
    world.source.set_past(&query("job"), [(at(-3600), 200.0)]);
    let record = pass(&world.start(), at(0)).await;
    let first = FirstPass {
        workloads: 3,
        rebuilt: 2,
    };
    assert_eq!(
        record.notices,
        [Notice::NoMemory {
            state_dir: world.state_dir(),
            first
        }]
    );
    let words = record.notices[0].to_string();
    let expected = "the windows of 2 of 3 workloads were rebuilt from the past of the load; this pass cannot scale \
                    down the others";
    assert!(words.contains(expected), "{words}");
}

#[tokio::test]
async fn a_look_ahead_shows_what_a_first_pass_would_do() {
    let world = World::new(&["web"]);
    fallen(&world, 200.0, 0);
    let record = pass(&world.look(), at(0)).await;
    assert_eq!(about(&record, "web").decision().unwrap().desired(), replicas(2));
    assert_eq!(world.count("web"), 8);
}

#[tokio::test]
async fn runs_from_cron_that_lose_their_state_each_time_scale_down_all_the_same() {
    let mut world = World::new(&["web"]);
    world.load("web", 800.0);
    world
        .source
        .set_past(&query("web"), [(at(-3600), 800.0), (at(360), 300.0)]);
    let mut seen = Vec::new();
    for number in 0..6 {
        if number >= 3 {
            world.load("web", 300.0);
        }
        world.state_dir = world.dir.path().join(format!("state-{number}"));
        let record = pass(&world.start(), at(number * 120)).await;
        seen.push(told(about(&record, "web")));
    }
    // The load falls at 6 minutes; at 8 minutes the window of two is over.
    assert_eq!(
        seen,
        [
            "2 -> 8 Written",
            "8 OnTarget",
            "8 OnTarget",
            "8 Stabilizing",
            "8 -> 3 Written",
            "3 OnTarget"
        ]
    );
}
