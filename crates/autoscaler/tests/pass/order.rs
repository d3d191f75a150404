//! One pass: its order, what is asked, what is written, and what a slow or broken part does to the others.

use std::sync::{Arc, Mutex};

use crate::{meddler::Meddler, world::*};
use async_trait::async_trait;
use headroom_actuator::{
    Actuator, CommandTarget, ScaleTarget, TargetError, TargetReader, TargetState,
    testing::{Fault, ScriptedActuator},
};
use headroom_autoscaler::{
    Autoscaler, DecisionRecord, Mode, Notice, Override, OverrideAsks, Parts, Pause, ScaleDown, SourceId,
    Sources, Store, Verdict, Which,
};
use headroom_metrics_source::{ObserveError, testing::ScriptedSource};
use headroom_policy_engine::{
    Hold, MissingCause, Observation, Operator, Outcome, RaisedCondition, Replicas, Timestamp, Workload,
};

#[tokio::test]
async fn scales_up_with_the_load_and_records_it() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 5 Written");
    assert_eq!(world.count("web"), 5);
    let rows = world.rows("web");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].record, *about(&record, "web"));
}

/// Looks into the state, as another process would, whenever a target is written to.
#[derive(Debug)]
struct Witness {
    inner: Arc<ScriptedActuator>,
    store: Arc<Store>,
    seen: Mutex<Vec<usize>>,
}

#[async_trait]
impl TargetReader for Witness {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        assert_eq!(
            self.inner.tended().len(),
            2,
            "all are tended before they are read"
        );
        self.inner.read(targets, now).await
    }
}

#[async_trait]
impl Actuator for Witness {
    async fn tend(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError> {
        self.inner.tend(target, now).await?;
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        let other = Store::open_read_only(self.store.state_dir(), World::new(&[]).history).unwrap();
        let intents = other.store.open_intents().unwrap();
        assert!(intents.iter().any(|intent| intent.workload == *target.workload()
            && intent.decision.current() == from
            && intent.decision.desired() == to
            && intent.at == now));
        self.seen.lock().unwrap().push(intents.len());
        self.inner.set_replicas(target, from, to, now).await
    }
}

#[tokio::test]
async fn every_intent_is_durable_before_the_first_target_is_written_to() {
    let world = World::new(&["api", "web"]);
    world.load("api", 300.0);
    world.load("web", 400.0);
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let mut parts = world.parts(opened, Arc::clone(&world.actuator) as _);
    let witness = Arc::new(Witness {
        inner: Arc::clone(&world.actuator),
        store: Arc::clone(&parts.store),
        seen: Mutex::default(),
    });
    for workload in &mut parts.workloads {
        workload.access = headroom_actuator::Access::Write(Arc::clone(&witness) as _);
    }
    let autoscaler = Autoscaler::new(parts);
    pass(&autoscaler, at(0)).await;
    assert_eq!(*witness.seen.lock().unwrap(), [2, 2]);
    assert_eq!(autoscaler.store().open_intents().unwrap(), []);
    assert_eq!((world.count("api"), world.count("web")), (3, 4));
}

#[tokio::test]
async fn a_query_of_several_workloads_is_asked_once() {
    let mut world = World::new(&["api", "web", "shop"]);
    for workload in &mut world.workloads[..2] {
        workload.metrics[0].origin = prometheus("main", "load:shop");
    }
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(record.decisions.len(), 3);
    assert_eq!(world.source.asked(), [vec![query("shop")]]);
}

#[tokio::test]
async fn a_preview_writes_nothing_and_never_counts_as_a_change() {
    let world = World::new(&["web"]).mode(Mode::Preview);
    world.load("web", 430.0);
    let autoscaler = world.start();
    for pass_number in 0..4 {
        let record = pass(&autoscaler, at(pass_number * 30)).await;
        assert_eq!(told(about(&record, "web")), "2 -> 5 NotAttempted");
    }
    assert_eq!(world.actuator.writes(), []);
    assert_eq!(world.actuator.tended(), []);
    assert_eq!(autoscaler.store().open_intents().unwrap(), []);
    let rows = world.rows("web");
    assert_eq!((rows.len(), rows[0].count), (1, 4));
    assert_eq!((rows[0].first_at, rows[0].last_at), (at(0), at(90)));
}

#[tokio::test]
async fn looking_ahead_changes_nothing_at_all() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    assert_eq!(
        told(about(&pass(&world.look(), at(0)).await, "web")),
        "2 -> 5 NotAttempted"
    );
    assert!(!world.state_dir().exists());

    pass(&world.start(), at(0)).await;
    let before = contents(&world);
    world.load("web", 700.0);
    let ahead = world.look();
    for _ in 0..2 {
        assert_eq!(
            told(about(&pass(&ahead, at(30)).await, "web")),
            "5 -> 7 NotAttempted"
        );
    }
    assert_eq!(contents(&world), before);
}

/// Every file of the state directory with what is in it.
fn contents(world: &World) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let files = std::fs::read_dir(world.state_dir()).unwrap();
    let mut files: Vec<_> = files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name(), std::fs::read(file.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_refused_write_is_told_and_is_no_change() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    world.actuator.fail_writes(&id("web"), Some(Fault::Refuse));
    let autoscaler = world.start();
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 5 Failed");
    assert_eq!(
        about(&record, "web").error(),
        Some("the target refuses: as scripted")
    );
    assert_eq!(autoscaler.store().open_intents().unwrap(), []);
    assert_eq!(world.rows("web")[0].record.outcome(), Some(Outcome::Failed));

    world.actuator.fail_writes(&id("web"), None);
    assert_eq!(
        told(about(&pass(&autoscaler, at(30)).await, "web")),
        "2 -> 5 Written"
    );
}

/// Somebody else sets the count after each read to the next of `states`, as long as there are any.
fn sets(world: &World, states: Vec<TargetState>) -> Arc<Meddler> {
    let states = Mutex::new(states.into_iter());
    let actuator = Arc::clone(&world.actuator);
    Meddler::new(&world.actuator, move |workload| {
        if let Some(state) = states.lock().unwrap().next() {
            actuator.put_state(workload, state);
        }
    })
}

/// A target of `count` replicas.
fn of_target(count: u32, identity: Option<&str>) -> TargetState {
    TargetState {
        workload: Workload::running(replicas(count)),
        identity: identity.map(Into::into),
        pods: None,
        replicas: Vec::new(),
    }
}

/// A first pass over `web`, whose load asks for five, where somebody sets it to each of `counts` after it was read.
async fn meddled(counts: &[u32]) -> (World, Autoscaler, DecisionRecord) {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let states = counts.iter().map(|&count| of_target(count, None)).collect();
    let meddler = sets(&world, states);
    let autoscaler = Autoscaler::new(world.parts(opened, meddler));
    let record = about(&pass(&autoscaler, at(0)).await, "web").clone();
    assert_eq!(autoscaler.store().open_intents().unwrap(), []);
    (world, autoscaler, record)
}

#[tokio::test]
async fn a_count_that_somebody_else_set_is_decided_on_anew_in_the_same_pass() {
    for (set, expected, count) in [(3, "3 -> 5 Written", 5), (7, "7 Stabilizing", 7)] {
        let (world, autoscaler, record) = meddled(&[set]).await;
        assert_eq!(told(&record), expected);
        assert_eq!(world.count("web"), count);
        let rows = world.rows("web");
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!(told(&rows[1].record), "2 -> 5 Conflict");
        assert_eq!(told(&rows[0].record), expected);
        // What was remembered of it is what the second decision left.
        world.load("web", 1000.0);
        let next = format!("{count} -> 10 Written");
        assert_eq!(told(about(&pass(&autoscaler, at(30)).await, "web")), next);
    }
}

#[tokio::test]
async fn a_second_conflict_is_left_to_the_next_pass() {
    let (world, autoscaler, record) = meddled(&[3, 2]).await;
    assert_eq!(told(&record), "3 -> 5 Conflict");
    assert_eq!(world.count("web"), 2);
    assert_eq!(
        told(about(&pass(&autoscaler, at(30)).await, "web")),
        "2 -> 5 Written"
    );
}

#[tokio::test]
async fn a_target_that_is_another_one_by_now_is_left_to_the_next_pass() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    world.actuator.put_state(&id("web"), of_target(2, Some("first")));
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let meddler = sets(&world, vec![of_target(3, Some("second"))]);
    let autoscaler = Autoscaler::new(world.parts(opened, meddler));
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 5 Conflict");
    assert_eq!(world.count("web"), 3, "nothing is written to it");
    let record = pass(&autoscaler, at(30)).await;
    assert_eq!(record.notices, [Notice::TargetReplaced { workload: id("web") }]);
    assert_eq!(told(about(&record, "web")), "3 -> 5 Written");
}

#[tokio::test]
async fn what_people_ask_for_holds_a_decision_that_is_made_anew_too() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    let at_most_four = Override {
        workload: id("web"),
        since: at(0),
        until: at(600),
        operator: Operator::default(),
        asks: OverrideAsks::new(None, Some(replicas(4)), ScaleDown::Allowed).unwrap(),
    };
    world.operator().override_bounds(at_most_four).unwrap();
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let meddler = sets(&world, vec![of_target(3, None)]);
    let autoscaler = Autoscaler::new(world.parts(opened, meddler));
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "web")), "3 -> 4 Written");
}

#[tokio::test]
async fn a_target_that_cannot_be_read_is_told_and_disturbs_no_other() {
    let world = World::new(&["api", "web"]);
    world.load("web", 430.0);
    world.actuator.fail_reads(&id("api"), Some(Fault::Refuse));
    let record = pass(&world.start(), at(0)).await;
    assert_eq!(told(about(&record, "api")), "unreadable");
    assert_eq!(told(about(&record, "web")), "2 -> 5 Written");
    assert_eq!(
        world.rows("api")[0].record.error(),
        Some("the target refuses: as scripted")
    );
}

#[tokio::test(start_paused = true)]
async fn a_slow_target_delays_no_other_and_is_skipped_by_the_next_pass() {
    let mut world = World::new(&["api", "slow", "web"]);
    let ScaleTarget::Command(target) = &world.workloads[1].target else {
        panic!("a command");
    };
    let patient = CommandTarget {
        timeout: seconds(60),
        ..(**target).clone()
    };
    world.workloads[1].target = ScaleTarget::Command(Arc::new(patient));
    world.load("web", 430.0);
    world.actuator.fail_reads(&id("slow"), Some(Fault::Hang));
    let autoscaler = Arc::new(world.start());
    let first = tokio::spawn({
        let autoscaler = Arc::clone(&autoscaler);
        async move { pass(&autoscaler, at(0)).await }
    });
    tokio::time::sleep(seconds(1)).await;
    until(|| world.count("web") == 5).await;
    assert!(!first.is_finished());

    world.load("web", 700.0);
    let second = pass(&autoscaler, at(30)).await;
    assert_eq!(second.skipped, [id("slow")]);
    assert_eq!(told(about(&second, "web")), "5 -> 7 Written");

    let first = first.await.unwrap();
    let order: Vec<_> = first
        .decisions
        .iter()
        .map(|record| record.workload.as_str())
        .collect();
    assert_eq!(order, ["api", "slow", "web"]);
    assert_eq!(told(about(&first, "slow")), "unreadable");
}

#[tokio::test(start_paused = true)]
async fn a_slow_source_is_missing_after_its_deadline_and_delays_no_other() {
    let mut world = World::new(&["api", "web"]);
    world.load("web", 430.0);
    world.workloads[0].metrics[0].origin = prometheus("slow", "load:api");
    let slow = Arc::new(ScriptedSource::new());
    slow.set_silent(&query("api"));
    let opened = Store::open(&world.state_dir(), world.history, at(0)).unwrap();
    let mut sources = Sources::new();
    let name = |name: &str| SourceId::Prometheus(name.to_owned());
    sources.insert(name("main"), Arc::clone(&world.source) as _, DEADLINE);
    sources.insert(name("slow"), slow, DEADLINE);
    let autoscaler = Autoscaler::new(Parts {
        sources,
        ..world.parts(opened, Arc::clone(&world.actuator) as _)
    });
    let begun = tokio::time::Instant::now();
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(begun.elapsed(), DEADLINE);
    assert_eq!(told(about(&record, "web")), "2 -> 5 Written");
    assert_eq!(told(about(&record, "api")), "2 Blind");
    let metric = &about(&record, "api").metrics[0];
    let cause = MissingCause::TimedOut;
    assert_eq!(metric.observation, Observation::Missing { cause });
    assert_eq!(metric.error.as_deref(), Some("no answer within 5s"));
}

#[tokio::test]
async fn what_a_source_says_about_a_failure_stands_in_the_record() {
    let world = World::new(&["web"]);
    let refusal = ObserveError::Rejected {
        status: 503,
        message: "starting up".to_owned(),
    };
    world.source.set_error(&query("web"), refusal);
    let record = pass(&world.start(), at(0)).await;
    let record = about(&record, "web");
    assert!(record.is_blind());
    assert_eq!(
        record.metrics[0].error.as_deref(),
        Some("the metrics server answered 503: starting up")
    );
}

fn pause(name: &str, until: Option<Timestamp>) -> Pause {
    Pause {
        workload: id(name),
        since: at(0),
        until,
        reason: None,
        by: None,
    }
}

#[tokio::test]
async fn a_paused_workload_is_watched_and_not_written_to() {
    let world = World::new(&["api", "web"]);
    world.load("api", 430.0);
    world.load("web", 430.0);
    world.operator().pause(pause("web", Some(at(60)))).unwrap();
    let autoscaler = world.start();
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "api")), "2 -> 5 Written");
    assert_eq!(told(about(&record, "web")), "2 Paused");
    let record = pass(&autoscaler, at(60)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 5 Written");
}

#[tokio::test]
async fn what_is_wrong_with_a_workload_is_recorded_for_as_long_as_it_lasts() {
    let world = World::new(&["web"]);
    world.load("web", 200.0);
    let autoscaler = world.start();
    let scaler = Hold::SecondScaler {
        name: "HorizontalPodAutoscaler/web".into(),
        wants: None,
    };
    for (second, holds, codes) in [
        (0, Vec::new(), &[][..]),
        (15, vec![scaler], &["second_scaler"][..]),
        (30, Vec::new(), &[]),
    ] {
        let workload = Workload {
            holds,
            ..Workload::running(Replicas::new(2))
        };
        world.actuator.put_state(
            &id("web"),
            TargetState {
                workload,
                identity: None,
                pods: None,
                replicas: Vec::new(),
            },
        );
        let record = pass(&autoscaler, at(second)).await;
        let conditions = about(&record, "web").conditions.iter();
        let told: Vec<_> = conditions.map(RaisedCondition::code).collect();
        assert_eq!(told, codes, "after {second} s");
    }
    assert_eq!(world.rows("web").len(), 3, "each is a row of the history");
}

#[tokio::test]
async fn pauses_that_cannot_be_read_hold_everything_and_say_so() {
    let world = World::new(&["web"]);
    world.load("web", 430.0);
    let autoscaler = world.start();
    std::fs::write(world.operator().path(), "not what headroom writes").unwrap();
    let record = pass(&autoscaler, at(0)).await;
    assert_eq!(told(about(&record, "web")), "2 Paused");
    let Verdict::Decided { target, .. } = &about(&record, "web").verdict else {
        panic!("it was read");
    };
    assert_eq!(target.holds, [Hold::Paused { until: None }]);
    let notice = record.notices.iter().find(|notice| notice.is_failure()).unwrap();
    assert!(matches!(notice, Notice::PausesUnreadable { .. }));
    let said = notice.to_string();
    for words in ["cannot be read", "mend the file, or move it away"] {
        assert_eq!(said.matches(words).count(), 1, "{said}");
    }
    assert_eq!(world.actuator.writes(), []);
}

#[tokio::test]
async fn only_the_workloads_that_were_named_are_looked_at() {
    let world = World::new(&["api", "web"]);
    let record = world
        .start()
        .pass(at(0), Which::These(&[id("web")]))
        .await
        .unwrap();
    assert_eq!(record.decisions.len(), 1);
    assert_eq!(world.actuator.tended(), [id("web")]);
}

#[tokio::test]
async fn a_listener_that_does_not_listen_delays_nothing() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    let mut slow = autoscaler.subscribe();
    for number in 0..100 {
        pass(&autoscaler, at(number * 30)).await;
    }
    let missed = slow.recv().await.unwrap_err();
    assert!(
        matches!(missed, tokio::sync::broadcast::error::RecvError::Lagged(36)),
        "{missed}"
    );
    assert_eq!(slow.recv().await.unwrap().at, at(36 * 30));
}

#[tokio::test]
async fn without_a_state_that_can_be_written_nothing_is_written_anywhere() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    pass(&autoscaler, at(0)).await;
    world.load("web", 430.0);
    // Another connection that writes and does not come to an end.
    let blocker = rusqlite::Connection::open(world.state_dir().join("state.db")).unwrap();
    blocker
        .execute_batch("BEGIN IMMEDIATE; UPDATE workload SET last_key = NULL")
        .unwrap();
    let record = pass(&autoscaler, at(30)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 5 NotAttempted");
    let error = about(&record, "web").error().unwrap();
    assert!(error.starts_with("the state could not be written: "), "{error}");
    assert!(
        matches!(record.notices[..], [Notice::StateNotWritten { .. }]),
        "{:?}",
        record.notices
    );
    assert_eq!(world.actuator.writes(), []);

    blocker.execute_batch("ROLLBACK").unwrap();
    let record = pass(&autoscaler, at(60)).await;
    assert_eq!(told(about(&record, "web")), "2 -> 5 Written");
}
