//! Decisions that are kept: one row for as long as nothing changes, so many days, so many bytes.

use crate::world::*;
use headroom_autoscaler::{DecisionRecord, HistoryQuery, Mode, Pause, Store, Which};
use headroom_metrics_source::ObserveError;
use headroom_policy_engine::Obstacle;

#[tokio::test]
async fn the_same_decision_again_extends_its_row_with_the_latest_inputs() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    let mut last = None;
    for number in 0..5 {
        world.load("web", 200.0 + f64::from(number));
        last = Some(pass(&autoscaler, at(i64::from(number) * 30)).await);
    }
    let rows = world.rows("web");
    assert_eq!(rows.len(), 1);
    assert_eq!(
        (rows[0].first_at, rows[0].last_at, rows[0].count),
        (at(0), at(120), 5)
    );
    let last = about(&last.unwrap(), "web").clone();
    assert_eq!(rows[0].record, last);

    // Also when it is not the newest any more.
    world.load("web", 900.0);
    pass(&autoscaler, at(150)).await;
    let rows = world.rows("web");
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (rows[1].first_at, rows[1].last_at, rows[1].count),
        (at(0), at(120), 5)
    );
    assert_eq!(rows[1].record, last);
    assert_eq!(
        (rows[0].first_at, rows[0].last_at, rows[0].count),
        (at(150), at(150), 1)
    );
}

#[tokio::test]
async fn another_result_reason_or_kind_of_step_is_another_row() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    let mut now = 0;
    let mut step = async |load: Option<f64>| {
        match load {
            Some(load) => world.load("web", load),
            None => world.source.set_error(&query("web"), ObserveError::NoData),
        }
        now += 30;
        told(about(&pass(&autoscaler, at(now)).await, "web"))
    };
    let mut seen = Vec::new();
    for load in [
        Some(200.0),
        Some(200.0),
        None,
        None,
        Some(200.0),
        Some(150.0),
        Some(430.0),
        Some(430.0),
    ] {
        seen.push(step(load).await);
    }
    seen.dedup();
    let mut rows: Vec<_> = world.rows("web").iter().map(|row| told(&row.record)).collect();
    rows.reverse();
    assert_eq!(rows, seen);
    let counts: Vec<_> = world.rows("web").iter().rev().map(|row| row.count).collect();
    assert_eq!(counts.iter().sum::<u64>(), 8);
}

#[tokio::test]
async fn the_same_result_for_the_same_reason_by_other_steps_is_another_row() {
    let world = World::new(&["web"]);
    let paused = Pause {
        workload: id("web"),
        since: at(0),
        until: None,
        reason: None,
        by: None,
    };
    world.operator().pause(paused).unwrap();
    let autoscaler = world.start();
    // More than the maximum: the bounds have a say.
    for (number, load) in (0..).zip([430.0, 430.0, 1500.0]) {
        world.load("web", load);
        assert_eq!(
            told(about(&pass(&autoscaler, at(number * 30)).await, "web")),
            "2 Paused"
        );
    }
    let counts: Vec<_> = world.rows("web").iter().map(|row| row.count).collect();
    assert_eq!(counts, [1, 2]);
}

#[tokio::test]
async fn a_record_that_was_written_without_the_policy_s_bounds_is_read_without_them() {
    let world = World::new(&["web"]);
    world.load("web", 200.0);
    let pass = pass(&world.start(), at(0)).await;
    let record = about(&pass, "web");
    let mut written = serde_json::to_value(record).unwrap();
    let bounds = written.as_object_mut().unwrap().remove("bounds");
    assert!(bounds.is_some(), "{written}");
    let read: DecisionRecord = serde_json::from_value(written).unwrap();
    let without = DecisionRecord {
        bounds: None,
        ..record.clone()
    };
    assert_eq!(read, without);
    // Without them, only what the steps say stands in the way.
    let in_the_way = |record: &DecisionRecord| {
        let answer = record.why_not(replicas(1_000)).unwrap();
        let places = answer.in_the_way.iter().map(Obstacle::index);
        places.collect::<Vec<_>>()
    };
    assert_eq!(in_the_way(record), [Some(1), None]);
    assert_eq!(in_the_way(&read), [Some(1)]);
}

#[tokio::test]
async fn each_change_that_is_written_is_a_row_of_its_own() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    let autoscaler = world.start();
    for number in 0..3 {
        pass(&autoscaler, at(number * 30)).await;
        // Somebody sets the count back each time.
        world.actuator.put(&id("web"), replicas(2));
    }
    assert_eq!(world.rows("web").len(), 3);
}

#[tokio::test]
async fn a_change_of_mode_is_another_row() {
    let mut world = World::new(&["web"]);
    pass(&world.start(), at(0)).await;
    world = world.mode(Mode::Preview);
    pass(&world.start(), at(30)).await;
    assert_eq!(world.rows("web").len(), 2);
}

#[tokio::test]
async fn history_is_asked_for_by_workload_time_and_number() {
    let world = World::new(&["api", "web"]);
    let autoscaler = world.start();
    for number in 0..6_i32 {
        world.load("web", 150.0 + 100.0 * f64::from(number));
        pass(&autoscaler, at(i64::from(number) * 30)).await;
    }
    let store = autoscaler.store();
    let ask = |workload: Option<&str>, since: Option<i64>, limit| {
        let query = HistoryQuery {
            workload: workload.map(id),
            since: since.map(at),
            limit,
        };
        store.history(&query).unwrap().rows
    };
    assert_eq!(ask(Some("api"), None, 100).len(), 1);
    let web = ask(Some("web"), None, 100);
    assert!(web.len() >= 5);
    assert!(web.windows(2).all(|pair| pair[0].id > pair[1].id));
    assert_eq!(ask(None, None, 100).len(), web.len() + 1);
    assert_eq!(ask(Some("web"), None, 2), web[..2]);
    assert!(
        ask(Some("web"), Some(120), 100)
            .iter()
            .all(|row| row.last_at >= at(120))
    );
    assert_eq!(ask(Some("web"), Some(120), 100).len(), 2);
    assert_eq!(store.latest(&id("web")).unwrap().as_ref(), web.first());
    assert_eq!(store.latest(&id("other")).unwrap(), None);
    let status = store.status().unwrap();
    assert_eq!(
        status
            .iter()
            .map(|status| status.workload.as_str())
            .collect::<Vec<_>>(),
        ["api", "web"]
    );
    assert_eq!(status[1].latest.as_ref(), web.first());
}

#[tokio::test]
async fn decisions_older_than_is_kept_go_and_those_that_still_hold_stay() {
    let mut world = World::new(&["api", "web"]);
    world.history.keep_for = seconds(24 * 3600);
    let hours = 60;
    for hour in 0..hours {
        // The load of one moves every hour, that of the other stays.
        world.load("web", f64::from(if hour % 2 == 0 { 200 } else { 900 }));
        pass(&world.start(), at(i64::from(hour) * 3600)).await;
    }
    let oldest = world.rows("web").last().unwrap().last_at;
    let end = at(i64::from(hours - 1) * 3600);
    assert!(end.since(oldest) <= seconds(25 * 3600), "{oldest:?}");
    assert!(world.rows("web").len() >= 20);
    let api = world.rows("api");
    assert_eq!((api.len(), api[0].first_at, api[0].count), (1, at(0), 60));
}

#[tokio::test]
async fn the_oldest_decisions_go_where_there_are_too_many_bytes() {
    let mut world = World::new(&["web"]);
    world.history.max_bytes = 300_000;
    let autoscaler = world.start();
    for number in 0..600 {
        world.load("web", if number % 2 == 0 { 200.0 } else { 900.0 });
        world.actuator.put(&id("web"), replicas(2));
        pass(&autoscaler, at(number * 700)).await;
    }
    let size = std::fs::metadata(world.state_dir().join("state.db"))
        .unwrap()
        .len();
    drop(autoscaler);
    let rows = world.rows("web");
    assert!(size < 600_000, "{size}");
    assert!((50..300).contains(&rows.len()), "{}", rows.len());
    assert_eq!(rows[0].last_at, at(599 * 700));
}

#[tokio::test]
async fn a_decision_whose_row_is_gone_begins_one_and_extends_none_of_another_workload() {
    let mut world = World::new(&["api", "web"]);
    // The least that is kept, so that looking for what may go removes all rows.
    world.history.max_bytes = 1;
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    assert!(world.rows("api").is_empty() && world.rows("web").is_empty());
    // Both are remembered as the newest of their workloads, by this process and by another one.
    for (now, autoscaler) in [(30, &autoscaler), (60, &world.start())] {
        let web = [id("web")];
        autoscaler.pass(at(now), Which::These(&web)).await.unwrap();
        assert!(world.rows("api").is_empty(), "at {now}");
        let rows = world.rows("web");
        let begun: Vec<_> = rows.iter().map(|row| row.first_at).collect();
        assert_eq!(begun, [at(30)], "at {now}");
    }
    pass(&autoscaler, at(90)).await;
    let counts = |name| {
        world
            .rows(name)
            .iter()
            .map(|row| (row.first_at, row.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        [counts("api"), counts("web")],
        [vec![(at(90), 1)], vec![(at(30), 3)]]
    );
}

#[tokio::test]
async fn a_row_that_this_headroom_cannot_read_is_counted_and_hides_no_other() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    let connection = rusqlite::Connection::open(world.state_dir().join("state.db")).unwrap();
    connection
        .execute(
            "INSERT INTO decision (workload, first_at, last_at, count, record) VALUES ('web', 1, 1, 1, '{\"new\":1}')",
            [],
        )
        .unwrap();
    let store = Store::open_read_only(&world.state_dir(), world.history)
        .unwrap()
        .store;
    let query = HistoryQuery {
        workload: None,
        since: None,
        limit: 10,
    };
    let history = store.history(&query).unwrap();
    assert_eq!((history.rows.len(), history.unreadable), (1, 1));
    assert!(store.latest(&id("web")).unwrap().is_some());
}
