//! A state of an earlier version: it goes on where it stands, and nothing of it is lost.

use std::{fs, path::PathBuf};

use crate::world::*;
use headroom_autoscaler::Store;
use rusqlite::Connection;

const V1: &str = include_str!("saved/state-v1.sql");
const V2: &str = include_str!("saved/state-v2.sql");
const V3: &str = include_str!("saved/state-v3.sql");
const V4: &str = include_str!("saved/state-v4.sql");
const V5: &str = include_str!("saved/state-v5.sql");
const V6: &str = include_str!("saved/state-v6.sql");
const V7: &str = include_str!("saved/state-v7.sql");
/// What the first version of the engine's memory is like in the state.
const MEMORY_V1: &[u8] = include_bytes!("../../../policy-engine/tests/saved/memory-v1.bin");
/// The version of now.
const NOW: i64 = 8;

/// A world whose next pass lowers `api`, because its window is known, and nothing else says so than its state, which is one
/// that headroom left when its tables were `tables`.
async fn with_state_of(tables: &str) -> World {
    let world = World::new(&["api", "web"]);
    let autoscaler = world.start();
    for number in 0..5 {
        pass(&autoscaler, at(number * 30)).await;
        world.load("api", 100.0);
    }
    drop(autoscaler);
    let path = file(&world);
    let present = path.with_extension("present");
    fs::rename(&path, &present).unwrap();
    let state = Connection::open(&path).unwrap();
    state.pragma_update(None, "journal_mode", "WAL").unwrap();
    state.execute_batch(tables).unwrap();
    let version: i64 = state
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    state
        .execute_batch(&format!(
            "ATTACH '{}' AS present;
             INSERT INTO decision SELECT id, workload, first_at, last_at, count, record FROM present.history;
             INSERT INTO workload (id, last_decision, last_key, memory)
                 SELECT id, last_decision, last_key, memory FROM present.workload;
             INSERT INTO readings SELECT * FROM present.readings;
             INSERT INTO upkeep SELECT * FROM present.upkeep;",
            present.display()
        ))
        .unwrap();
    if version >= 2 {
        state
            .execute_batch(
                "UPDATE workload SET (last_at, count, record) = (SELECT last_at, count, record FROM decision WHERE id = last_decision);
                 UPDATE decision SET count = 1, last_at = first_at WHERE id IN (SELECT last_decision FROM workload);",
            )
            .unwrap();
    }
    state.close().unwrap();
    fs::remove_file(present).unwrap();
    world
}

fn file(world: &World) -> PathBuf {
    world.state_dir().join("state.db")
}

fn version(world: &World) -> i64 {
    let state = Connection::open(file(world)).unwrap();
    state
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap()
}

/// The tables with their columns, the indices and the views.
fn shape(world: &World) -> Vec<String> {
    let state = Connection::open(file(world)).unwrap();
    let mut asked = state
        .prepare(
            "SELECT item.type || ' ' || item.name || ' ' || coalesce(group_concat(format('%s %s %d %d', info.name, info.type, \"notnull\", pk)), '')
             FROM sqlite_schema AS item LEFT JOIN pragma_table_info(item.name) AS info GROUP BY item.name ORDER BY 1",
        )
        .unwrap();
    let rows = asked.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn it_is_gone_on_with_where_it_stands() {
    let fresh = World::new(&["web"]);
    pass(&fresh.start(), at(0)).await;
    for tables in [V1, V2, V3, V4, V5, V6, V7] {
        let world = with_state_of(tables).await;
        let record = pass(&world.start(), at(150)).await;
        assert_eq!(record.notices, []);
        assert_eq!(told(about(&record, "api")), "2 -> 1 Written");
        assert_eq!(version(&world), NOW);
        assert_eq!(shape(&world), shape(&fresh));
        // What was decided before is one row with what is decided now.
        assert_eq!(pass(&world.start(), at(180)).await.notices, []);
        let rows = world.rows("web");
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(
            (rows[0].first_at, rows[0].last_at, rows[0].count),
            (at(0), at(180), 7)
        );
    }
}

#[tokio::test]
async fn a_look_ahead_reads_it_and_leaves_it_as_it_is() {
    for tables in [V1, V2, V3, V4, V5, V6, V7] {
        let world = with_state_of(tables).await;
        let before = fs::read(file(&world)).unwrap();
        let record = pass(&world.look(), at(150)).await;
        assert_eq!(record.notices, []);
        assert_eq!(told(about(&record, "api")), "2 -> 1 NotAttempted");
        assert_eq!(world.rows("web")[0].count, 5);
        assert_eq!(fs::read(file(&world)).unwrap(), before);
    }
}

#[tokio::test]
async fn a_memory_of_the_first_version_in_it_is_read() {
    let world = with_state_of(V1).await;
    let state = Connection::open(file(&world)).unwrap();
    state
        .execute("UPDATE workload SET memory = ?1 WHERE id = 'web'", [MEMORY_V1])
        .unwrap();
    state.close().unwrap();
    assert_eq!(pass(&world.start(), at(150)).await.notices, []);
}

#[tokio::test]
async fn one_that_cannot_be_brought_to_this_version_is_an_error_and_stays_as_it_was() {
    let world = with_state_of(V1).await;
    let state = Connection::open(file(&world)).unwrap();
    state.execute_batch("CREATE TABLE brake (somebody TEXT)").unwrap();
    state.close().unwrap();
    let error = Store::open(&world.state_dir(), world.history, at(150)).unwrap_err();
    assert!(error.to_string().contains("brake already exists"), "{error}");
    assert_eq!(version(&world), 1);
    assert_eq!(
        fs::read_dir(world.state_dir())
            .unwrap()
            .flatten()
            .filter(|entry| { entry.file_name().to_string_lossy().contains("aside") })
            .count(),
        0
    );
}
