//! Digests: when they are made, and of what.

use std::sync::Arc;

use headroom_autoscaler::{FollowingClock, NotifySettings, Store, run};
use headroom_notifier::{Digest, Event, EventKind, delivery::Outbox as _, testing::ScriptedChannel};
use headroom_policy_engine::Outcome;
use rusqlite::Connection;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use crate::{
    telling::{channel, once, passes, waiting, world},
    world::*,
};

/// One at each full hour; the tests begin 800 s after one.
const HOURLY: &str = "0 * * * *";
/// The first full hour.
const FIRST: i64 = 2800;

/// Workloads of which `ops` gets a digest at each full hour, and is told nothing else.
fn hourly(names: &[&str]) -> World {
    let mut world = world(names);
    quiet(&mut world.notify, 0);
    world
}

fn quiet(notify: &mut NotifySettings, channel: usize) {
    notify.channels[channel].digest = Some(HOURLY.parse().unwrap());
    notify.channels[channel].rules.on = Some([EventKind::Overridden].into());
}

/// The digests that wait for `name`.
fn digests(world: &World, name: &str) -> Vec<Digest> {
    let opened = Store::open_read_only(&world.state_dir(), world.history).unwrap();
    let rows = opened.store.view(&name.into()).unwrap().waiting;
    let rows: Vec<_> = rows.iter().map(|row| row.row).collect();
    let notices = opened.store.notices(&rows).unwrap().into_iter();
    let digest = |event| {
        let Event::Digest(digest) = event else {
            return None;
        };
        Some(digest)
    };
    notices.filter_map(|notice| digest(notice.event)).collect()
}

/// The names of its workloads, with how often each was changed.
fn changes(digest: &Digest) -> Vec<(&str, u32)> {
    let each = digest.workloads.iter();
    each.map(|of| (of.workload.as_str(), of.changes)).collect()
}

fn state(world: &World) -> Connection {
    Connection::open(world.state_dir().join("state.db")).unwrap()
}

#[tokio::test]
async fn one_is_made_when_it_is_due_and_not_at_the_first_start() {
    let world = hourly(&["web"]);
    once(&world.start(), 0).await;
    world.load("web", 550.0);
    once(&world.start(), 30).await;
    assert_eq!(waiting(&world), [""; 0]);
    once(&world.start(), FIRST + 30).await;
    once(&world.start(), FIRST + 60).await;
    let made = digests(&world, "ops");
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(changes(&made[0]), [("web", 1)]);
    assert_eq!(made[0].until, at(FIRST), "it ends on the hour");
}

#[tokio::test]
async fn no_pass_makes_one() {
    let world = hourly(&["web"]);
    let autoscaler = world.start();
    once(&autoscaler, 0).await;
    passes(&autoscaler, [FIRST + 30, FIRST + 60]).await;
    assert_eq!(waiting(&world), [""; 0]);
    once(&autoscaler, FIRST + 90).await;
    assert_eq!(digests(&world, "ops").len(), 1);
}

#[tokio::test]
async fn one_that_cannot_be_made_stays_due() {
    let world = hourly(&["web"]);
    once(&world.start(), 0).await;
    world.load("web", 550.0);
    once(&world.start(), 30).await;
    let state = state(&world);
    let history: String = state
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE name = 'history'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    state.execute_batch("DROP VIEW history").unwrap();
    once(&world.start(), FIRST + 30).await;
    assert_eq!(waiting(&world), [""; 0]);
    state.execute_batch(&history).unwrap();
    once(&world.start(), FIRST + 60).await;
    let made = digests(&world, "ops");
    assert_eq!(changes(&made[0]), [("web", 1)]);
    assert_eq!(made[0].until, at(FIRST));
}

#[tokio::test]
async fn each_channel_has_one_of_the_workloads_that_name_it() {
    let mut world = hourly(&["api", "web"]);
    for name in ["urgent", "unnamed"] {
        world.notify.channels.push(channel(name, None));
    }
    quiet(&mut world.notify, 1);
    quiet(&mut world.notify, 2);
    world.workloads[1].routes.channels.clear();
    world.workloads[1].routes.critical = vec!["urgent".into()];
    once(&world.start(), 0).await;
    world.load("api", 550.0);
    world.load("web", 550.0);
    once(&world.start(), 30).await;
    once(&world.start(), FIRST).await;
    let made = |name| digests(&world, name);
    assert_eq!(changes(&made("ops")[0]), [("api", 1)]);
    assert_eq!(changes(&made("urgent")[0]), [("web", 1)]);
    assert_eq!(made("unnamed"), []);
}

#[tokio::test]
async fn a_history_of_any_length_is_counted_to_its_end() {
    let world = hourly(&["web"]);
    once(&world.start(), 0).await;
    world.load("web", 550.0);
    once(&world.start(), 30).await;
    let row = &world.rows("web")[0];
    assert_eq!(row.record.outcome(), Some(Outcome::Written));
    // The same change again in each of the next 1,400 seconds.
    state(&world)
        .execute(
            "WITH RECURSIVE next(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM next WHERE n < 1400)
             INSERT INTO decision (workload, first_at, last_at, count, record)
             SELECT workload, first_at + n * 1000, last_at + n * 1000, 1, record FROM decision, next WHERE id = ?1",
            [row.id],
        )
        .unwrap();
    once(&world.start(), FIRST).await;
    assert_eq!(changes(&digests(&world, "ops")[0]), [("web", 1401)]);
}

#[tokio::test(start_paused = true)]
async fn a_loop_makes_them_too() {
    let mut world = hourly(&["web"]);
    let ops = Arc::new(ScriptedChannel::default());
    world.notifiers = vec![("ops".into(), Arc::clone(&ops) as _)];
    let clock = Arc::new(FollowingClock::starting_at(at(FIRST - 45)));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(run(Arc::new(world.start()), clock, async {
        drop(stopped.await);
    }));
    let begun = Instant::now();
    while ops.arrived().is_empty() {
        assert!(begun.elapsed() < seconds(600), "none came");
        sleep(seconds(1)).await;
    }
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
    let Event::Digest(digest) = &ops.arrived()[0].notices[0].event else {
        panic!("{:?}", ops.arrived())
    };
    assert_eq!((digest.since, digest.until), (at(FIRST - 45), at(FIRST)));
}
