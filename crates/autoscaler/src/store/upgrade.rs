//! Bringing a state of an earlier version to this one, where it stands.
//!
//! All steps are one transaction: whoever is interrupted leaves the state as it was, and the next one begins again.

use rusqlite::{
    Connection, TransactionBehavior,
    backup::{Backup, StepResult},
    ffi,
};

use super::{
    open::{Refusal, version},
    schema,
};

/// Makes what `connection` holds, of whatever earlier version, a state of this version.
///
/// Does nothing where it is of this version already, as where another process came first.
pub(super) fn upgrade(connection: &mut Connection) -> Result<(), Refusal> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(from) = version(&transaction)? else {
        return Ok(());
    };
    for step in steps(from) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", schema::VERSION)?;
    Ok(transaction.commit()?)
}

/// What has to be done with a state of the version `from`.
fn steps(from: i64) -> &'static [&'static str] {
    let done = usize::try_from(from - schema::FIRST).unwrap_or(0);
    schema::UPGRADES.get(done..).unwrap_or_default()
}

/// A copy of `state` in memory that is of this version, for looking at a state that must not change.
pub(super) fn upgraded_copy(state: &Connection) -> Result<Connection, Refusal> {
    let mut copy = Connection::open_in_memory()?;
    let all_pages = -1;
    if Backup::new(state, &mut copy)?.step(all_pages)? != StepResult::Done {
        // What was copied is not the whole.
        let busy = ffi::Error::new(ffi::SQLITE_BUSY);
        return Err(rusqlite::Error::SqliteFailure(busy, None).into());
    }
    upgrade(&mut copy)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const V1: &str = include_str!("../../tests/pass/saved/state-v1.sql");

    /// A state of version 1 with so much in it that a change of it does not fit into [`little_memory`].
    fn first_version(path: &std::path::Path) -> Connection {
        let state = Connection::open(path).unwrap();
        state.pragma_update(None, "journal_mode", "WAL").unwrap();
        state.execute_batch(V1).unwrap();
        state
            .execute_batch(
                "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 200)
                 INSERT INTO workload (id, memory) SELECT 'shop/' || n, zeroblob(4000) FROM number",
            )
            .unwrap();
        state
    }

    fn little_memory(state: &Connection) {
        state.pragma_update(None, "cache_size", 10).unwrap();
        state.pragma_update(None, "wal_autocheckpoint", 0).unwrap();
    }

    fn count(state: &Connection, what: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {what}");
        state.query_row(&query, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn there_is_a_step_from_each_version_to_the_next() {
        let numbers = (schema::FIRST..=schema::VERSION).map(|from| steps(from).len());
        assert_eq!(numbers.collect::<Vec<_>>(), [7, 6, 5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn what_a_process_leaves_that_ends_in_the_midst_of_it_is_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let (path, left) = (dir.path().join("state.db"), dir.path().join("left.db"));
        let mut state = first_version(&path);
        little_memory(&state);
        let transaction = state.transaction().unwrap();
        for step in steps(schema::FIRST) {
            transaction.execute_batch(step).unwrap();
        }
        let log = dir.path().join("state.db-wal");
        assert!(
            fs::metadata(&log).unwrap().len() > 100_000,
            "part of it is on disk"
        );
        fs::copy(&path, &left).unwrap();
        fs::copy(&log, dir.path().join("left.db-wal")).unwrap();
        drop(transaction);

        let mut left = Connection::open(&left).unwrap();
        assert_eq!(version(&left).ok().flatten(), Some(schema::FIRST));
        assert_eq!(
            count(
                &left,
                "sqlite_schema WHERE name IN ('brake', 'history', 'workload_before')"
            ),
            0
        );
        assert_eq!(count(&left, "workload"), 200);
        assert!(upgrade(&mut left).is_ok());
        assert_eq!(version(&left).ok().flatten(), Some(schema::VERSION));
        assert_eq!((count(&left, "workload"), count(&left, "brake")), (200, 0));
    }

    #[test]
    fn a_step_that_fails_takes_those_before_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = first_version(&dir.path().join("state.db"));
        state.execute_batch("CREATE TABLE brake (somebody TEXT)").unwrap();
        assert!(upgrade(&mut state).is_err());
        assert_eq!(version(&state).ok().flatten(), Some(schema::FIRST));
        assert_eq!(count(&state, "sqlite_schema WHERE name = 'history'"), 0);
        assert_eq!(count(&state, "workload"), 200);
    }
}
