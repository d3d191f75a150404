//! What people are told of passes: kept with the decisions, whatever happens to the process, and nobody waits for it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use headroom_actuator::testing::Fault;
use headroom_autoscaler::{
    Autoscaler, ChannelSettings, FollowingClock, Medium, Mode, NotifySettings, Once, Pause, Routes, Secret,
    Store, Threshold, Which, finish_once, run_once,
};
use headroom_metrics_source::ObserveError;
use headroom_notifier::{
    Event, EventKind, Language, Message, Notice, Notifier, Receipt, SendError, Stage, Style,
    delivery::{ChannelName, ChannelRules, Outbox as _},
    testing::rules,
};
use headroom_policy_engine::*;
use tokio::sync::Semaphore;

use crate::world::{World, at, id, pass, seconds, until};

/// Says of everything that it cannot take it now.
#[derive(Debug)]
struct Down;

#[async_trait]
impl Notifier for Down {
    async fn send(&self, _: &Message) -> Result<Receipt, SendError> {
        let reason = "it is down".to_owned();
        Err(SendError::Busy { after: None, reason })
    }

    fn preview(&self, message: &Message) -> String {
        format!("{message:?}")
    }
}

/// Takes everything, once it may.
#[derive(Debug)]
struct Scripted {
    taken: Mutex<Vec<Message>>,
    may: Semaphore,
}

impl Scripted {
    fn new(may: usize) -> Arc<Self> {
        Arc::new(Self {
            taken: Mutex::default(),
            may: Semaphore::new(may),
        })
    }

    fn told(&self) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        taken.iter().flat_map(Message::fresh).map(told).collect()
    }
}

#[async_trait]
impl Notifier for Scripted {
    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        self.may.acquire().await.unwrap().forget();
        self.taken.lock().unwrap().push(message.clone());
        Ok(Receipt::default())
    }

    fn preview(&self, message: &Message) -> String {
        format!("{message:?}")
    }
}

/// A notice in one line.
fn told(notice: &Notice) -> String {
    let stage = match notice.stage {
        Stage::Once => String::new(),
        Stage::Opened => " opened".to_owned(),
        Stage::Closed { after } => format!(" closed after {} s", after.as_secs()),
    };
    let what = if let Event::Scaled { from, to, .. } = &notice.event {
        format!(" {from} -> {to}")
    } else if let Event::Threshold { value, above, .. } = &notice.event {
        format!(" {value} > {above}")
    } else if let Event::Digest(digest) = &notice.event {
        let changes = digest.workloads.iter().map(|one| one.changes);
        format!(" {} changes", changes.sum::<u32>())
    } else {
        String::new()
    };
    let incident = notice.incident();
    // Of several at once it has its time in it.
    let incident = incident.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let incident = incident.trim_end_matches('/');
    format!("{incident}{what}{stage} ({})", notice.severity.code())
}

pub(crate) fn channel(name: &str, on: Option<&[EventKind]>) -> ChannelSettings {
    ChannelSettings {
        name: name.into(),
        medium: Medium::SlackWebhook {
            url: Secret::Env("URL".to_owned()),
            allow_http: false,
        },
        rules: ChannelRules {
            on: on.map(|on| on.iter().copied().collect()),
            ..rules()
        },
        style: Style {
            language: Language::En,
            timezone: jiff::tz::TimeZone::UTC,
        },
        digest: None,
    }
}

/// Workloads of which `ops` is told.
pub(crate) fn world(names: &[&str]) -> World {
    let mut world = World::new(names);
    let routes = Routes {
        channels: vec!["ops".into()],
        ..Routes::default()
    };
    world.notify = NotifySettings {
        channels: vec![channel("ops", None)],
        general: routes.clone(),
        ..NotifySettings::default()
    };
    for workload in &mut world.workloads {
        workload.routes = routes.clone();
    }
    world
}

/// What waits for `ops` in the state, as another process would find it.
pub(crate) fn waiting(world: &World) -> Vec<String> {
    let opened = Store::open_read_only(&world.state_dir(), world.history).unwrap();
    let rows: Vec<_> = opened.store.view(&ChannelName::from("ops")).unwrap().waiting;
    let rows: Vec<_> = rows.iter().map(|row| row.row).collect();
    opened.store.notices(&rows).unwrap().iter().map(told).collect()
}

/// A one-shot run at this second.
pub(crate) async fn once(autoscaler: &Autoscaler, moment: i64) {
    let clock = FollowingClock::starting_at(at(moment));
    let made = run_once(autoscaler, &clock, Which::All).await.unwrap();
    assert!(matches!(made, Once::Done(_)), "{made:?}");
    finish_once(autoscaler, &clock, std::future::pending()).await;
}

/// Passes at these seconds.
pub(crate) async fn passes(autoscaler: &Autoscaler, moments: impl IntoIterator<Item = i64>) {
    for moment in moments {
        pass(autoscaler, at(moment)).await;
    }
}

#[tokio::test]
async fn a_change_is_kept_with_its_reason_in_the_transaction_of_its_outcome() {
    let world = world(&["web"]);
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    assert_eq!(waiting(&world), [""; 0]);
    world.load("web", 550.0);
    pass(&autoscaler, at(30)).await;
    assert_eq!(waiting(&world), ["prod-eu/web/scaled 2 -> 6 (info)"]);
    let opened = Store::open_read_only(&world.state_dir(), world.history).unwrap();
    let rows: Vec<_> = opened
        .store
        .view(&"ops".into())
        .unwrap()
        .waiting
        .iter()
        .map(|row| row.row)
        .collect();
    let notices = opened.store.notices(&rows).unwrap();
    let why = notices[0].event.why();
    assert_eq!(why.iter().map(Step::code).collect::<Vec<_>>(), ["recommended"]);
}

/// A workload whose change from 2 to 6 was written by a process that was killed before it learned so.
async fn left_open() -> World {
    let world = world(&["web"]);
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    world.load("web", 550.0);
    world
        .actuator
        .fail_writes(&id("web"), Some(Fault::HangAfterwards));
    pass(&autoscaler, at(30)).await;
    world.actuator.fail_writes(&id("web"), None);
    world
}

#[tokio::test]
async fn a_change_that_a_killed_process_left_open_is_told_of_by_the_next_one() {
    let world = left_open().await;
    let open = "prod-eu/web/error/not_confirmed opened (critical)";
    assert_eq!(waiting(&world), [open]);
    passes(&world.start(), [60]).await;
    let closed = "prod-eu/web/error/not_confirmed closed after 30 s (critical)";
    assert_eq!(
        waiting(&world),
        [open, "prod-eu/web/scaled 2 -> 6 (info)", closed]
    );
}

#[tokio::test]
async fn a_change_that_was_left_open_is_told_of_also_where_the_next_pass_changes_the_count_again() {
    let world = left_open().await;
    world.load("web", 750.0);
    passes(&world.start(), [60]).await;
    let told = waiting(&world);
    let scaled: Vec<_> = told.iter().filter(|told| told.contains("scaled")).collect();
    assert_eq!(
        scaled,
        [
            "prod-eu/web/scaled 2 -> 6 (info)",
            "prod-eu/web/scaled 6 -> 8 (info)"
        ]
    );
}

#[tokio::test]
async fn what_goes_on_with_a_workload_that_is_not_scaled_any_more_is_closed() {
    let world = world(&["web"]);
    world.load("web", 5000.0);
    passes(&world.start(), [0, 30, 60]).await;
    let world = world.mode(Mode::Shadow);
    passes(&world.start(), [90, 120]).await;
    let told = waiting(&world);
    assert_eq!(
        told.last().map(String::as_str),
        Some("prod-eu/web/at_max closed after 90 s (warning)"),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_goes_on_with_a_workload_of_which_nobody_is_told_any_more_is_closed_where_it_was_told() {
    let mut world = world(&["web"]);
    world.load("web", 5000.0);
    passes(&world.start(), [0, 30, 60]).await;
    world.workloads[0].routes = Routes::default();
    passes(&world.start(), [90]).await;
    let told = waiting(&world);
    assert_eq!(
        told.last().map(String::as_str),
        Some("prod-eu/web/at_max closed after 90 s (warning)"),
        "{told:?}"
    );
}

#[tokio::test]
async fn what_goes_on_with_a_workload_that_no_policy_names_any_more_is_closed_once_nobody_looks_at_it() {
    let mut world = world(&["web", "gone", "other"]);
    for name in ["web", "gone", "other"] {
        world.load(name, 5000.0);
    }
    passes(&world.start(), [0, 30, 60]).await;
    assert_eq!(
        waiting(&world)
            .iter()
            .filter(|told| told.ends_with("opened (warning)"))
            .count(),
        3
    );
    world.workloads.retain(|workload| workload.id == id("web"));
    world.notify.others = vec![id("other")];
    let closed = |world: &World| {
        let told = waiting(world).into_iter();
        told.filter(|told| told.contains("closed")).collect::<Vec<_>>()
    };
    let autoscaler = world.start();
    passes(&autoscaler, [90]).await;
    assert_eq!(closed(&world), [""; 0], "somebody else may look at it");
    passes(&autoscaler, [3630, 3690]).await;
    assert_eq!(closed(&world), [""; 0], "it is not looked for each time");
    passes(&autoscaler, [4300]).await;
    assert_eq!(
        closed(&world),
        ["prod-eu/gone/at_max closed after 4300 s (warning)"]
    );
    passes(&world.start(), [9000]).await;
    assert_eq!(closed(&world).len(), 1);
}

#[tokio::test]
async fn what_lasts_opens_and_closes_across_restarts() {
    let world = world(&["web"]);
    world.load("web", 5000.0);
    passes(&world.start(), [0]).await;
    passes(&world.start(), [30, 60]).await;
    let told: Vec<_> = waiting(&world)
        .into_iter()
        .filter(|told| told.contains("at_max"))
        .collect();
    assert_eq!(told, ["prod-eu/web/at_max opened (warning)"]);
    world.load("web", 800.0);
    passes(&world.start(), [90, 120, 150]).await;
    let told: Vec<_> = waiting(&world)
        .into_iter()
        .filter(|told| told.contains("at_max"))
        .collect();
    assert_eq!(
        told.last().map(String::as_str),
        Some("prod-eu/web/at_max closed after 90 s (warning)")
    );
}

#[tokio::test]
async fn a_prometheus_that_is_down_is_one_notice_for_all_that_ask_it() {
    let names = ["a", "b", "c", "d", "e"];
    let world = world(&names);
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    for name in names {
        world
            .source
            .set_error(&crate::world::query(name), ObserveError::NoData);
    }
    passes(&autoscaler, [30, 60, 90, 120, 150]).await;
    assert_eq!(waiting(&world), ["prod-eu/*/blind opened (warning)"]);
    for name in names {
        world.load(name, 200.0);
    }
    passes(&autoscaler, [180, 300]).await;
    assert_eq!(
        waiting(&world),
        [
            "prod-eu/*/blind opened (warning)",
            "prod-eu/*/blind closed after 150 s (warning)"
        ]
    );
}

#[tokio::test]
async fn what_has_ended_while_the_state_could_not_be_written_has_ended_in_it_too_once_it_can() {
    let names = ["a", "b", "c", "d"];
    let world = world(&names);
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    for name in names {
        world
            .source
            .set_error(&crate::world::query(name), ObserveError::NoData);
    }
    passes(&autoscaler, [30, 60, 90, 120, 150]).await;
    let goes_on = |world: &World| {
        let opened = Store::open_read_only(&world.state_dir(), world.history).unwrap();
        let text = opened.store.fleet_incidents().unwrap();
        text.is_some_and(|text| text.contains("affected"))
    };
    assert!(goes_on(&world));
    for name in names {
        world.load(name, 200.0);
    }
    pass(&autoscaler, at(180)).await;
    let blocker = rusqlite::Connection::open(world.state_dir().join("state.db")).unwrap();
    blocker
        .execute_batch("BEGIN IMMEDIATE; UPDATE workload SET last_key = NULL")
        .unwrap();
    pass(&autoscaler, at(300)).await;
    assert!(goes_on(&world), "nothing could be written");
    blocker.execute_batch("ROLLBACK").unwrap();
    pass(&autoscaler, at(330)).await;
    assert!(!goes_on(&world));
}

#[tokio::test]
async fn what_a_pass_that_is_given_up_could_not_keep_is_told_all_the_same() {
    let names = ["a", "b", "c", "d"];
    let mut world = world(&names);
    let open = Scripted::new(100);
    world.notifiers = vec![("ops".into(), Arc::clone(&open) as _)];
    let autoscaler = Arc::new(world.start());
    pass(&autoscaler, at(0)).await;
    for name in names {
        world
            .source
            .set_error(&crate::world::query(name), ObserveError::NoData);
    }
    passes(&autoscaler, [30, 60, 90, 120]).await;
    // Another connection that makes the pass wait, and the state one that refuses what the pass writes.
    let other = rusqlite::Connection::open(world.state_dir().join("state.db")).unwrap();
    other
        .execute_batch(
            "BEGIN IMMEDIATE;
             CREATE TRIGGER refuse BEFORE UPDATE ON workload BEGIN SELECT raise(ABORT, 'refused'); END;",
        )
        .unwrap();
    let asked = world.source.asked().len();
    let given_up = tokio::spawn({
        let autoscaler = Arc::clone(&autoscaler);
        async move { autoscaler.pass(at(150), Which::All).await }
    });
    // Once it has its answers nothing but the state makes it wait.
    until(|| world.source.asked().len() > asked).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    given_up.abort();
    assert!(given_up.await.unwrap_err().is_cancelled());
    other.execute_batch("COMMIT").unwrap();
    let begun = std::time::Instant::now();
    while open.told().is_empty() {
        assert!(begun.elapsed() < seconds(20), "nobody was told");
        let clock = FollowingClock::starting_at(at(150));
        finish_once(&autoscaler, &clock, std::future::pending()).await;
    }
    assert_eq!(open.told(), ["prod-eu/*/blind opened (warning)"]);
}

#[tokio::test]
async fn a_metric_above_its_value_is_told_of_whether_or_not_the_count_changes() {
    let mut world = world(&["web"]);
    world.workloads[0].routes.thresholds = vec![Threshold {
        above: Some(90.0),
        lasting: seconds(60),
    }];
    let autoscaler = world.start();
    world.load("web", 190.0);
    passes(&autoscaler, [0, 30, 60, 90]).await;
    let opened = "prod-eu/web/threshold/load 95 > 90 opened (warning)";
    assert_eq!(waiting(&world), [opened]);
    world.load("web", 150.0);
    passes(&autoscaler, [120, 180]).await;
    let closed = "prod-eu/web/threshold/load 95 > 90 closed after 120 s (warning)";
    assert_eq!(waiting(&world), [opened, closed]);
}

#[tokio::test]
async fn a_pause_is_told_of_and_that_it_has_ended() {
    let world = world(&["web"]);
    let pause = Pause {
        workload: id("web"),
        since: at(0),
        until: Some(at(60)),
        reason: Some("load test".to_owned()),
        by: Some("min".to_owned()),
    };
    world.operator().pause(pause).unwrap();
    let autoscaler = world.start();
    passes(&autoscaler, [0, 30, 60]).await;
    let told = [
        "prod-eu/web/paused opened (info)",
        "prod-eu/web/paused closed after 60 s (info)",
    ];
    assert_eq!(waiting(&world), told);
}

#[tokio::test]
async fn of_what_is_not_carried_out_nobody_is_told() {
    for mode in [Mode::Preview, Mode::Shadow] {
        let world = world(&["web"]).mode(mode);
        let autoscaler = world.start();
        world.load("web", 5000.0);
        world.actuator.fail_reads(&id("web"), Some(Fault::Refuse));
        passes(&autoscaler, [0, 30, 60, 90]).await;
        assert_eq!(waiting(&world), [""; 0], "{mode:?}");
    }
}

#[tokio::test]
async fn looking_ahead_tells_nobody() {
    let world = world(&["web"]);
    pass(&world.start(), at(0)).await;
    world.load("web", 550.0);
    pass(&world.look(), at(30)).await;
    assert_eq!(waiting(&world), [""; 0]);
}

#[tokio::test]
async fn a_one_shot_run_hands_over_what_is_due_and_a_channel_that_is_down_keeps_it() {
    let mut world = world(&["web"]);
    let open = Scripted::new(100);
    world.notifiers = vec![
        ("ops".into(), Arc::clone(&open) as _),
        ("other".into(), Arc::new(Down) as _),
    ];
    world.notify.channels.push(channel("other", None));
    world.workloads[0].routes.channels.push("other".into());
    once(&world.start(), 0).await;
    world.load("web", 550.0);
    once(&world.start(), 30).await;
    assert_eq!(open.told(), ["prod-eu/web/scaled 2 -> 6 (info)"]);
    assert_eq!(waiting(&world), [""; 0]);
    let opened = Store::open_read_only(&world.state_dir(), world.history).unwrap();
    assert_eq!(opened.store.view(&"other".into()).unwrap().waiting.len(), 1);
}

#[tokio::test]
async fn a_pass_does_not_wait_for_a_channel_that_does_not_answer() {
    let mut world = world(&["web"]);
    let shut = Scripted::new(0);
    world.notifiers = vec![("ops".into(), Arc::clone(&shut) as _)];
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    world.load("web", 550.0);
    pass(&autoscaler, at(30)).await;
    assert_eq!(world.count("web"), 6);
    assert_eq!(shut.told(), [""; 0]);
}

#[tokio::test]
async fn a_state_that_cannot_be_written_is_told_of_all_the_same() {
    let mut world = world(&["web"]);
    let open = Scripted::new(100);
    world.notifiers = vec![("ops".into(), Arc::clone(&open) as _)];
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    // Another connection that writes and does not come to an end.
    let blocker = rusqlite::Connection::open(world.state_dir().join("state.db")).unwrap();
    blocker
        .execute_batch("BEGIN IMMEDIATE; UPDATE workload SET last_key = NULL")
        .unwrap();
    once(&autoscaler, 30).await;
    assert_eq!(open.told(), ["prod-eu/headroom/error/pass opened (critical)"]);
}

#[tokio::test]
async fn a_target_that_cannot_be_read_is_critical_and_told_of_once() {
    let world = world(&["web"]);
    let autoscaler = world.start();
    world.actuator.fail_reads(&id("web"), Some(Fault::Refuse));
    passes(&autoscaler, [0, 30]).await;
    assert_eq!(
        waiting(&world),
        ["prod-eu/web/error/unreadable opened (critical)"]
    );
    world.actuator.fail_reads(&id("web"), None);
    passes(&autoscaler, [60]).await;
    let closed = "prod-eu/web/error/unreadable closed after 60 s (critical)";
    assert_eq!(
        waiting(&world),
        ["prod-eu/web/error/unreadable opened (critical)", closed]
    );
}
