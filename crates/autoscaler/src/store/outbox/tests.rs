use std::{path::Path, sync::Arc, time::Duration};

use headroom_notifier::{
    Event, Failure, Stage, Unknown,
    delivery::{Failing, Sent},
    testing::{AT, notice, scaled},
};

use super::*;
use crate::HistorySettings;

fn open(dir: &Path) -> Store {
    let history = HistorySettings {
        keep_for: Duration::from_secs(3600),
        max_bytes: 1 << 20,
    };
    Store::open(dir, history, AT).unwrap().store
}

fn named(id: &str, notice: Notice) -> Notice {
    Notice {
        id: NoticeId(id.into()),
        ..notice
    }
}

/// Something that goes on, or has ended.
fn failure(id: &str, stage: Stage) -> Notice {
    let failure = Failure::Pass {
        error: "connection refused".into(),
    };
    named(id, notice(Severity::Critical, stage, Event::Error { failure }))
}

const CLOSED: Stage = Stage::Closed {
    after: Duration::from_secs(720),
};

fn names(names: &[&str]) -> Vec<ChannelName> {
    names.iter().map(|name| ChannelName::from(*name)).collect()
}

fn put_for(store: &Store, notice: Notice, to: &[&str]) {
    store.put(&[Addressed::new(notice, names(to))], AT).unwrap();
}

fn view(store: &Store, channel: &str) -> View {
    store.view(&channel.into()).unwrap()
}

fn ids(store: &Store, channel: &str) -> Vec<String> {
    let waiting = view(store, channel).waiting;
    waiting.iter().map(|one| one.id.to_string()).collect()
}

/// What one message told about `incident`, which goes on as `open` says.
fn thread_about(incident: &str, open: Option<Severity>) -> Thread {
    Thread {
        incident: incident.into(),
        receipt: None,
        began_at: AT,
        last_at: AT,
        notices: 1,
        open,
    }
}

#[test]
fn what_was_put_is_read_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    put_for(
        &open(dir.path()),
        named("a", scaled()),
        &["slack.ops", "email.oncall"],
    );
    let store = open(dir.path());
    let waiting = view(&store, "slack.ops").waiting;
    let expected = Waiting {
        route: Route {
            also: names(&["email.oncall"]),
            then: None,
        },
        ..Waiting::of(&named("a", scaled()), waiting[0].row, waiting[0].bytes, AT)
    };
    assert_eq!(waiting, [expected]);
    assert_eq!(store.notices(&[waiting[0].row]).unwrap(), [named("a", scaled())]);
    assert_eq!(ids(&store, "email.oncall"), ["a"]);
    assert_eq!(ids(&store, "slack.other"), [""; 0]);
}

#[test]
fn what_began_an_end_is_kept_with_it_and_read_of_an_earlier_state_too() {
    let dir = tempfile::tempdir().unwrap();
    let end = |id: &str, event| named(id, notice(Severity::Info, CLOSED, event));
    let recovered = |from| Event::Recovered { from };
    let ends = [
        end("a", recovered(Unknown::Fallback)),
        end("b", recovered(Unknown::Blind)),
        end("c", Event::Resumed),
        named("d", scaled()),
    ];
    let state = Connection::open(dir.path().join("state.db")).unwrap();
    let earlier = include_str!("../../../tests/pass/saved/state-v6.sql");
    state.execute_batch(earlier).unwrap();
    let insert = |notice: &Notice, body: &str| {
        let row = "INSERT INTO outbox (channel, notice, incident, kind, severity, phase, put_at, attempts, passed_on,
                       bytes, body) VALUES ('slack.ops', ?1, 'a', ?2, 'info', 'closed', 0, 0, 0, 1, ?3)";
        let columns = params![&*notice.id.0, notice.kind().code(), body];
        state.execute(row, columns).unwrap();
    };
    for notice in &ends {
        insert(notice, &serde_json::to_string(notice).unwrap());
    }
    insert(&end("e", recovered(Unknown::Blind)), "nothing that can be read");
    drop(state);

    let store = open(dir.path());
    for notice in &ends {
        put_for(&store, notice.clone(), &["email.ops"]);
    }
    let opened_as = |channel| -> Vec<&str> {
        let waiting = view(&store, channel).waiting.into_iter();
        waiting.map(|one| one.opened_as.code()).collect()
    };
    assert_eq!(opened_as("email.ops"), ["fallback", "blind", "paused", "scaled"]);
    assert_eq!(
        opened_as("slack.ops"),
        ["fallback", "blind", "paused", "scaled", "recovered"]
    );
    let first = view(&store, "email.ops").waiting[0].row;
    let pass_on = Change::PassOn {
        row: first,
        to: Some(("pager".into(), Route::default())),
    };
    store.apply(&"email.ops".into(), &[pass_on], AT).unwrap();
    assert_eq!(opened_as("pager"), ["fallback"]);
}

/// What waits in a state of version 7, as that stood there.
fn waiting_in_version_7(state: &Connection) -> Vec<(String, Waiting, Notice)> {
    let mut asked = state
        .prepare("SELECT channel, id, bytes, put_at, attempts, claimed, retry_at, route, passed_on, body FROM outbox ORDER BY id")
        .unwrap();
    let rows = asked.query_map([], |row| {
        let body: String = row.get(9)?;
        let notice: Notice = serde_json::from_str(&body).unwrap();
        let route: Option<String> = row.get(7)?;
        let waiting = Waiting {
            attempts: row.get(4)?,
            claimed: row.get(5)?,
            retry_at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_unix_millis),
            route: route.map_or_else(Route::default, |route| serde_json::from_str(&route).unwrap()),
            is_passed_on: row.get(8)?,
            ..Waiting::of(&notice, RowId(row.get(1)?), row.get(2)?, moment(row, 3)?)
        };
        Ok((row.get(0)?, waiting, notice))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_waits_in_a_state_that_has_it_once_for_each_channel_waits_as_it_did() {
    let dir = tempfile::tempdir().unwrap();
    let state = Connection::open(dir.path().join("state.db")).unwrap();
    state
        .execute_batch(include_str!("../../../tests/pass/saved/state-v7.sql"))
        .unwrap();
    state
        .execute_batch(include_str!("../../../tests/pass/saved/outbox-v7.sql"))
        .unwrap();
    let before = waiting_in_version_7(&state);
    assert_eq!(before.len(), 10);
    drop(state);

    let store = open(dir.path());
    let channels = names(&["email.oncall", "email.ops", "pager", "slack.ops"]);
    assert_eq!(store.channels().unwrap(), channels);
    for channel in &channels {
        let of_it = before.iter().filter(|(of, ..)| of == channel.as_str());
        let (waiting, notices): (Vec<_>, Vec<_>) = of_it
            .map(|(_, waiting, notice)| (waiting.clone(), notice.clone()))
            .unzip();
        assert_eq!(store.view(channel).unwrap().waiting, waiting);
        let rows: Vec<_> = waiting.iter().map(|one| one.row).collect();
        assert_eq!(store.notices(&rows).unwrap(), notices);
    }
    let ops = view(&store, "slack.ops");
    assert_eq!((ops.standing.failures, ops.threads.len()), (3, 1));
    assert_eq!(
        store.told(&"slack.ops".into(), &ops.threads[0].incident).unwrap(),
        [scaled()]
    );
    // It is the same notice still, and rows are numbered on.
    put_for(&store, named("a", scaled()), &["slack.ops", "late"]);
    assert_eq!(view(&store, "slack.ops").waiting, ops.waiting);
    let late = view(&store, "late").waiting;
    assert!(before.iter().all(|(_, waiting, _)| waiting.row < late[0].row));
    assert_eq!(late[0].route.also, names(&["slack.ops"]));
}

#[test]
fn what_several_channels_are_told_is_kept_once_and_as_long_as_it_waits_for_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let kept = || -> i64 {
        let count = "SELECT count(*) FROM outbox_notice";
        store.connection().query_row(count, [], |row| row.get(0)).unwrap()
    };
    let channels = ["slack.ops", "email.ops", "pager"];
    put_for(&store, named("a", scaled()), &channels);
    put_for(&store, failure("nobody", CLOSED), &[]);
    for channel in channels {
        assert_eq!(kept(), 1);
        let waiting = view(&store, channel).waiting;
        let others: Vec<_> = channels.into_iter().filter(|other| *other != channel).collect();
        assert_eq!(waiting[0].route.also, names(&others));
        let remove = Change::Remove {
            rows: vec![waiting[0].row],
        };
        store.apply(&channel.into(), &[remove], AT).unwrap();
    }
    assert_eq!(kept(), 0);
}

#[test]
fn what_is_told_under_one_name_says_to_each_channel_what_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let also = |also| Notice {
        also,
        ..named("a", scaled())
    };
    for (number, channel) in (0..).zip(["slack.ops", "email.ops"]) {
        put_for(&store, also(number), &[channel]);
    }
    put_for(&store, also(1), &["slack.ops", "pager"]);
    let says = |channel: &str| {
        let waiting = view(&store, channel).waiting.into_iter();
        let rows: Vec<_> = waiting.map(|one| one.row).collect();
        let notices = store.notices(&rows).unwrap().into_iter();
        notices.map(|notice| notice.also).collect::<Vec<_>>()
    };
    assert_eq!(["slack.ops", "email.ops", "pager"].map(says), [[0], [1], [1]]);
    let pass_on = Change::PassOn {
        row: view(&store, "slack.ops").waiting[0].row,
        to: Some(("email.ops".into(), Route::default())),
    };
    store.apply(&"slack.ops".into(), &[pass_on], AT).unwrap();
    assert_eq!(["slack.ops", "email.ops", "pager"].map(says), [[0], [0], [1]]);
}

#[test]
fn it_is_recorded_with_the_decisions_of_a_pass_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let notices = [Addressed::new(scaled(), names(&["slack.ops"]))];
    let told = Told {
        notices: &notices,
        fleet_incidents: Some(&|| Some("[]".to_owned())),
    };
    store.record_decided(&[], None, None, &told, AT).unwrap();
    assert_eq!(ids(&store, "slack.ops").len(), 1);
    assert_eq!(store.fleet_incidents().unwrap().as_deref(), Some("[]"));

    let failed = store.transaction(|transaction| {
        let told = Told {
            fleet_incidents: Some(&|| Some("[1]".to_owned())),
            notices: &[Addressed::new(named("b", scaled()), names(&["slack.ops"]))],
        };
        tell(transaction, &told, AT)?;
        Err::<(), _>(StoreError::ReadOnly)
    });
    assert!(failed.is_err());
    assert_eq!(ids(&store, "slack.ops").len(), 1);
    assert_eq!(store.fleet_incidents().unwrap().as_deref(), Some("[]"));
}

#[test]
fn a_notice_waits_once_for_each_channel() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for _ in 0..2 {
        put_for(&store, named("a", scaled()), &["slack.ops"]);
    }
    assert_eq!(ids(&store, "slack.ops"), ["a"]);
}

#[test]
fn the_end_also_goes_to_whoever_knows_of_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put_for(
        &store,
        failure("open", Stage::Opened),
        &["waits", "told", "closed"],
    );
    for (channel, open) in [("told", Some(Severity::Critical)), ("closed", None)] {
        let waiting = view(&store, channel).waiting;
        let thread = Thread {
            incident: Arc::clone(&waiting[0].incident),
            receipt: None,
            began_at: AT,
            last_at: AT,
            notices: 1,
            open,
        };
        let changes = [
            Change::Remove {
                rows: vec![waiting[0].row],
            },
            Change::Thread {
                thread,
                notices: None,
            },
        ];
        store.apply(&channel.into(), &changes, AT).unwrap();
    }
    put_for(&store, failure("end", CLOSED), &["asked"]);
    assert_eq!(ids(&store, "waits"), ["open", "end"]);
    assert_eq!(ids(&store, "told"), ["end"]);
    assert_eq!(ids(&store, "closed"), [""; 0]);
    assert_eq!(ids(&store, "asked"), ["end"]);
}

#[test]
fn an_end_that_waits_already_comes_after_what_is_passed_on_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put_for(&store, failure("open", Stage::Opened), &["slack.ops"]);
    put_for(&store, failure("end", CLOSED), &["email.oncall"]);
    assert_eq!(ids(&store, "email.oncall"), ["end"]);
    let waiting = view(&store, "slack.ops").waiting;
    let passed_on = waiting.iter().map(|one| Change::PassOn {
        row: one.row,
        to: Some(("email.oncall".into(), Route::default())),
    });
    let changes: Vec<_> = passed_on.collect();
    store.apply(&"slack.ops".into(), &changes, AT).unwrap();
    assert_eq!(ids(&store, "email.oncall"), ["open", "end"]);
}

#[test]
fn what_becomes_of_it_is_read_as_it_was_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let channel = ChannelName::from("slack.ops");
    for id in ["a", "b", "c"] {
        put_for(&store, named(id, scaled()), &["slack.ops"]);
    }
    let mut expected = store.view(&channel).unwrap();
    let rows: Vec<_> = expected.waiting.iter().map(|one| one.row).collect();
    let thread = Thread {
        incident: Arc::clone(&expected.waiting[0].incident),
        receipt: Some(Receipt("r".to_owned())),
        began_at: AT,
        last_at: AT.plus(Duration::from_secs(5)),
        notices: 2,
        open: Some(Severity::Warning),
    };
    let standing = Standing {
        failures: 3,
        rest_until: Some(AT.plus(Duration::from_secs(8))),
        busy_until: Some(AT.plus(Duration::from_secs(9))),
        last_error: Some("too many requests".into()),
        left_out: 7,
        sent: vec![Sent {
            key: "a".into(),
            at: AT,
        }],
        failing: Some(Failing {
            again: Some(AT),
            since: AT,
            error: "gone".into(),
        }),
    };
    let retry_at = AT.plus(Duration::from_secs(2));
    let changes = [
        Change::Claim {
            rows: rows[..2].to_vec(),
            key: "a+1".into(),
        },
        Change::Retry {
            rows: rows[1..2].to_vec(),
            retry_at,
        },
        Change::Release {
            rows: rows[..1].to_vec(),
            retry_at,
        },
        Change::Remove {
            rows: rows[2..].to_vec(),
        },
        Change::PassOn {
            row: rows[0],
            to: Some((
                "email.oncall".into(),
                Route {
                    also: names(&["slack.ops"]),
                    then: Some(names(&["slack.other"])),
                },
            )),
        },
        Change::Thread {
            thread,
            notices: Some(vec![scaled()]),
        },
        Change::Standing(standing),
        Change::Put(Addressed::new(named("d", scaled()), names(&["email.oncall"]))),
    ];
    store.apply(&channel, &changes, AT).unwrap();
    for change in &changes {
        expected.apply(change);
    }
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.view(&channel).unwrap(), expected);
    let incident = &expected.waiting[0].incident;
    assert_eq!(store.told(&channel, incident).unwrap(), [scaled()]);
    assert_eq!(ids(&store, "email.oncall"), ["a", "d"]);
    let passed_on = &view(&store, "email.oncall").waiting[0];
    assert_eq!(passed_on.route.then, Some(names(&["slack.other"])));
    assert_eq!(passed_on.route.also, names(&["slack.ops"]));
    assert_eq!(store.channels().unwrap(), names(&["email.oncall", "slack.ops"]));
    assert_eq!((passed_on.attempts, passed_on.is_passed_on), (0, false));
}

#[test]
fn what_goes_on_is_read_of_one_channel_as_it_was_told_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let told = |incident: &str, open, notices| Change::Thread {
        thread: thread_about(incident, open),
        notices,
    };
    let opened = |id| vec![failure(id, Stage::Opened)];
    let goes_on = Some(Severity::Critical);
    let channel = ChannelName::from("webhook.alerts");
    let changes = [
        told("goes on", goes_on, Some(opened("a"))),
        told("goes on", goes_on, None),
        told("has ended", None, Some(opened("b"))),
        told("is not known to have been told", goes_on, None),
    ];
    store.apply(&channel, &changes, AT).unwrap();
    let other = [told("goes on", goes_on, Some(opened("c")))];
    store.apply(&"slack.ops".into(), &other, AT).unwrap();
    assert_eq!(store.going_on(&channel).unwrap(), opened("a"));
}

#[test]
fn what_cannot_be_understood_does_not_hold_up_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put_for(&store, named("a", scaled()), &["slack.ops"]);
    put_for(&store, named("b", scaled()), &["slack.ops"]);
    store
        .transaction(|transaction| {
            transaction.execute_batch(
                "UPDATE outbox_notice SET kind = 'danced', severity = 'so-so', body = '{}' WHERE name = 'a'",
            )?;
            Ok(())
        })
        .unwrap();
    let waiting = view(&store, "slack.ops").waiting;
    let rows: Vec<_> = waiting.iter().map(|one| one.row).collect();
    assert_eq!(rows.len(), 2);
    assert!(waiting[0].is_urgent());
    assert_eq!(store.notices(&rows).unwrap(), [named("b", scaled())]);
}

#[test]
fn what_ended_long_ago_is_forgotten_and_what_goes_on_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (incident, open) in [("ended", None), ("goes on", Some(Severity::Info))] {
        let thread = thread_about(incident, open);
        let change = Change::Thread {
            thread,
            notices: Some(vec![scaled()]),
        };
        store.apply(&"slack.ops".into(), &[change], AT).unwrap();
    }
    let later = AT.plus(Duration::from_secs(25 * 3600));
    store
        .record_decided(&[], None, None, &Told::default(), later)
        .unwrap();
    let told = |incident| store.told(&"slack.ops".into(), incident).unwrap().len();
    assert_eq!((told("ended"), told("goes on")), (0, 1));
}

#[test]
fn delivery_does_not_make_the_pass_read_again_what_it_remembers() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put_for(&store, scaled(), &["slack.ops"]);
    let before = store.generation().unwrap();
    let waiting = view(&store, "slack.ops").waiting;
    let changes = [Change::Remove {
        rows: vec![waiting[0].row],
    }];
    store.apply(&"slack.ops".into(), &changes, AT).unwrap();
    assert_eq!(store.generation().unwrap(), before);
    assert_eq!(ids(&store, "slack.ops"), [""; 0]);
    let synchronous: i64 = store
        .connection()
        .pragma_query_value(None, "synchronous", |row| row.get(0))
        .unwrap();
    let full = 2;
    assert_eq!(synchronous, full, "decisions survive a loss of power");
}

#[test]
fn a_row_of_a_file_that_was_set_aside_is_none_of_the_one_that_replaced_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    put_for(&store, named("a", scaled()), &["slack.ops"]);
    let row = view(&store, "slack.ops").waiting[0].row;
    let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    let corrupt = rusqlite::Error::SqliteFailure(corrupt, None);
    assert!(store.transaction(|_| Err::<(), _>(corrupt.into())).is_err());
    assert_eq!(ids(&store, "slack.ops"), [""; 0]);
    put_for(&store, named("b", scaled()), &["slack.ops"]);
    let changes = [Change::Remove { rows: vec![row] }];
    store.apply(&"slack.ops".into(), &changes, AT).unwrap();
    assert_eq!(ids(&store, "slack.ops"), ["b"]);
}
