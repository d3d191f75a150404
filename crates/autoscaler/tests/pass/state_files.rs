//! The files of a state: one that cannot be used is set aside and never overwritten, and only its owner may read it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::world::*;
use headroom_autoscaler::{Autoscaler, Notice, Pause, Store, Which};
use rusqlite::Connection;

/// A world with a state in which the window of scaling down is known, closed.
async fn with_state() -> World {
    let world = World::new(&["api", "web"]);
    world.load("web", 800.0);
    let autoscaler = world.start();
    for number in 0..8 {
        pass(&autoscaler, at(number * 30)).await;
        world.load("web", 300.0);
    }
    assert_eq!(world.count("web"), 3);
    drop(autoscaler);
    world
}

fn file(world: &World) -> PathBuf {
    world.state_dir().join("state.db")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The state is set aside with this reason and unchanged, and the pass goes on as a first one.
async fn check_set_aside(world: &World, reason: &str) {
    let before = fs::read(file(world)).unwrap();
    let record = pass(&world.start(), at(240)).await;
    let [
        Notice::StateSetAside {
            from,
            to,
            reason: given,
        },
    ] = &record.notices[..]
    else {
        panic!("{:?}", record.notices);
    };
    assert_eq!(*from, file(world));
    assert!(given.contains(reason), "{given}");
    assert_eq!(fs::read(to).unwrap(), before);
    assert!(
        to.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("state.db.set-aside-2026"),
        "{to:?}"
    );
    assert!(record.notices[0].to_string().contains(&to.display().to_string()));
    world.load("web", 100.0);
    assert_eq!(
        told(about(&pass(&world.start(), at(270)).await, "web")),
        "3 Stabilizing"
    );
    assert!(to.exists());
}

#[tokio::test]
async fn a_file_that_is_no_database_is_set_aside() {
    let world = with_state().await;
    fs::write(
        file(&world),
        b"no database, but something somebody put here".repeat(100),
    )
    .unwrap();
    check_set_aside(&world, "file is not a database").await;
}

#[tokio::test]
async fn a_truncated_state_is_set_aside() {
    let world = with_state().await;
    let whole = fs::read(file(&world)).unwrap();
    fs::write(file(&world), &whole[..whole.len() / 3]).unwrap();
    check_set_aside(&world, "").await;
}

#[tokio::test]
async fn a_state_with_random_bytes_in_it_is_set_aside() {
    let world = with_state().await;
    let mut bytes = fs::read(file(&world)).unwrap();
    let mut random: u64 = 7;
    for byte in &mut bytes[2000..20_000] {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = u8::try_from(random >> 56).unwrap();
    }
    fs::write(file(&world), bytes).unwrap();
    check_set_aside(&world, "").await;
}

#[tokio::test]
async fn a_state_of_a_newer_version_is_set_aside() {
    let world = with_state().await;
    let newer = Connection::open(file(&world)).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    newer.close().unwrap();
    check_set_aside(&world, "it is of version 99, written by a newer headroom").await;
}

#[tokio::test]
async fn a_database_of_somebody_else_is_set_aside() {
    let world = World::new(&["api", "web"]);
    world.actuator.put(&id("web"), replicas(3));
    fs::create_dir_all(world.state_dir()).unwrap();
    let other = Connection::open(file(&world)).unwrap();
    other
        .execute_batch("CREATE TABLE addresses (name TEXT); INSERT INTO addresses VALUES ('ada')")
        .unwrap();
    other.close().unwrap();
    check_set_aside(&world, "it is not a state of headroom").await;
}

/// Spoils what only a new decision touches, so that it is found when one is written.
fn spoil_the_index_of_decisions(world: &World) {
    let connection = Connection::open(file(world)).unwrap();
    let page: u64 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'decision_by_workload'",
            [],
            |row| row.get::<_, u32>(0).map(u64::from),
        )
        .unwrap();
    let size: u64 = connection
        .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0).map(u64::from))
        .unwrap();
    connection.close().unwrap();
    let mut bytes = fs::read(file(world)).unwrap();
    let start = usize::try_from((page - 1) * size).unwrap();
    bytes[start..start + usize::try_from(size).unwrap()].fill(0xee);
    fs::write(file(world), bytes).unwrap();
}

#[tokio::test]
async fn a_state_that_turns_out_to_be_corrupt_during_a_pass_is_set_aside_and_nothing_is_written() {
    let world = with_state().await;
    spoil_the_index_of_decisions(&world);

    let name = name_of_state(&world);
    let writes = world.actuator.writes().len();
    world.load("web", 900.0);
    let autoscaler = world.start();
    let record = pass(&autoscaler, at(240)).await;
    assert_eq!(told(about(&record, "web")), "3 -> 9 NotAttempted");
    assert_eq!(world.actuator.writes().len(), writes);
    assert!(
        record
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::StateNotWritten { .. }))
    );
    assert!(
        record
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::StateSetAside { .. }))
    );
    assert_eq!(
        told(about(&pass(&autoscaler, at(270)).await, "web")),
        "3 -> 9 Written"
    );
    assert_eq!(
        told(about(&pass(&world.start(), at(300)).await, "web")),
        "9 OnTarget"
    );
    assert_eq!(
        name_of_state(&world),
        name,
        "what is remembered is of the same one"
    );
}

/// What the state is called among all states.
fn name_of_state(world: &World) -> String {
    let opened = Store::open_read_only(&world.state_dir(), world.history).unwrap();
    opened.store.name().to_owned()
}

#[tokio::test]
async fn each_state_has_a_name_of_its_own_that_it_keeps() {
    let [one, other] = [World::new(&["web"]), World::new(&["web"])];
    for world in [&one, &other] {
        pass(&world.start(), at(0)).await;
    }
    let name = name_of_state(&one);
    assert_ne!(name, name_of_state(&other));
    pass(&one.start(), at(30)).await;
    assert_eq!(name_of_state(&one), name);
    fs::remove_dir_all(one.state_dir()).unwrap();
    pass(&one.start(), at(60)).await;
    assert_ne!(name_of_state(&one), name, "it is lost with what it names");
}

#[tokio::test]
async fn what_is_known_of_other_workloads_goes_with_a_state_that_turns_out_to_be_corrupt() {
    for is_spoilt in [false, true] {
        let world = with_state().await;
        let (api, web) = ([id("api")], [id("web")]);
        let over = async |autoscaler: &Autoscaler, workloads, now| {
            let which = Which::These(workloads);
            autoscaler.pass(at(now), which).await.unwrap()
        };
        world.load("api", 50.0);
        for now in [225, 240] {
            over(&world.start(), &api, now).await;
        }
        if is_spoilt {
            spoil_the_index_of_decisions(&world);
        }
        let autoscaler = world.start();
        // The same decision again touches no index, and another one does.
        over(&autoscaler, &api, 255).await;
        world.load("web", 900.0);
        let record = over(&autoscaler, &web, 260).await;
        let is_set_aside = |notice: &Notice| matches!(notice, Notice::StateSetAside { .. });
        assert_eq!(record.notices.iter().any(is_set_aside), is_spoilt);
        for now in [290, 320] {
            over(&autoscaler, &api, now).await;
        }
        let record = over(&autoscaler, &api, 350).await;
        // The window is covered only by what was known.
        let expected = if is_spoilt {
            "2 Stabilizing"
        } else {
            "2 -> 1 Written"
        };
        assert_eq!(told(about(&record, "api")), expected);
    }
}

#[tokio::test]
async fn two_states_set_aside_in_the_same_second_are_both_kept() {
    let world = with_state().await;
    for text in ["the first", "the second", "the third"] {
        fs::write(file(&world), text.repeat(200)).unwrap();
        drop(world.start());
    }
    let aside: Vec<_> = names(&world.state_dir())
        .into_iter()
        .filter(|name| name.contains("aside"))
        .collect();
    assert_eq!(aside.len(), 3, "{aside:?}");
}

#[tokio::test]
async fn a_log_that_belongs_to_an_unusable_state_goes_with_it() {
    let world = with_state().await;
    fs::write(file(&world), "no database".repeat(500)).unwrap();
    fs::write(world.state_dir().join("state.db-wal"), "its log").unwrap();
    drop(world.start());
    let logs: Vec<_> = names(&world.state_dir())
        .into_iter()
        .filter(|name| name.ends_with("-wal"))
        .collect();
    assert!(logs.iter().any(|name| name.contains("aside")), "{logs:?}");
}

#[tokio::test]
async fn pauses_survive_when_the_state_is_set_aside() {
    let world = with_state().await;
    let pause = Pause {
        workload: id("web"),
        since: at(0),
        until: None,
        reason: None,
        by: Some("ada".to_owned()),
    };
    world.operator().pause(pause.clone()).unwrap();
    fs::write(file(&world), "no database".repeat(500)).unwrap();
    world.load("web", 900.0);
    let record = pass(&world.start(), at(240)).await;
    assert_eq!(told(about(&record, "web")), "3 Paused");
    assert_eq!(world.operator().acts().unwrap().pauses, [pause]);
}

#[tokio::test]
async fn a_look_ahead_leaves_an_unusable_state_where_it_is() {
    let world = with_state().await;
    fs::write(file(&world), "no database".repeat(500)).unwrap();
    let before = names(&world.state_dir());
    let record = pass(&world.look(), at(240)).await;
    assert!(
        matches!(record.notices[..], [Notice::StateUnusable { .. }]),
        "{:?}",
        record.notices
    );
    assert_eq!(names(&world.state_dir()), before);
}

#[tokio::test]
async fn one_memory_that_cannot_be_read_costs_only_its_own_workload() {
    let world = with_state().await;
    world.load("web", 100.0);
    world.load("api", 100.0);
    for number in 8..11 {
        pass(&world.start(), at(number * 30)).await;
    }
    let connection = Connection::open(file(&world)).unwrap();
    connection
        .execute("UPDATE workload SET memory = x'ff00ff' WHERE id = 'web'", [])
        .unwrap();
    connection.close().unwrap();
    let record = pass(&world.start(), at(360)).await;
    let [Notice::MemorySetAside { workload, .. }] = &record.notices[..] else {
        panic!("{:?}", record.notices);
    };
    assert_eq!(*workload, id("web"));
    assert_eq!(told(about(&record, "api")), "2 -> 1 Written");
    assert_eq!(told(about(&record, "web")), "3 Stabilizing");
    assert_eq!(pass(&world.start(), at(390)).await.notices, []);
    let connection = Connection::open(file(&world)).unwrap();
    let aside: Vec<u8> = connection
        .query_row(
            "SELECT memory FROM memory_aside WHERE workload = 'web'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(aside, [0xff, 0x00, 0xff]);
}

#[tokio::test]
async fn only_the_owner_may_read_the_state_and_its_directory() {
    let world = World::new(&["web"]);
    let autoscaler = world.start();
    autoscaler
        .locked_pass(&headroom_autoscaler::SystemClock, Which::All)
        .await
        .unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.state_dir()), 0o700);
    let files = names(&world.state_dir());
    assert!(files.len() >= 3, "{files:?}");
    for name in files {
        assert_eq!(mode(&world.state_dir().join(&name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let world = World::new(&["web"]);
    fs::write(world.state_dir(), "a file is in the way").unwrap();
    let error = Store::open(&world.state_dir(), world.history, at(0)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&world.state_dir().display().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn a_state_in_a_directory_with_a_strange_name_can_be_read() {
    let mut world = World::new(&["web"]);
    let strange = world.dir.path().join("100% öd?#");
    fs::create_dir(&strange).unwrap();
    world.state_dir = strange.join("state");
    pass(&world.start(), at(0)).await;
    assert_eq!(world.rows("web").len(), 1);
}
