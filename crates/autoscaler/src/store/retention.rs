//! How long decisions are kept: so many days, and so many bytes.

use std::time::Duration;

use headroom_policy_engine::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{StoreError, millis, outbox};
use crate::HistorySettings;

/// The least time between two looks at what may go.
const EVERY: Duration = Duration::from_secs(600);
/// The share of the rows that goes when there are too many bytes: one in so many.
const SHARE: i64 = 10;

/// Removes what is older than is kept, and the oldest where there is more than is kept. Does nothing most of the time.
pub(super) fn prune(
    connection: &Connection,
    history: HistorySettings,
    now: Timestamp,
) -> Result<(), StoreError> {
    let pruned_at: Option<i64> = connection
        .prepare_cached("SELECT pruned_at FROM upkeep WHERE id = 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    // A clock that went back must not put this off for long.
    let is_due = pruned_at
        .map(Timestamp::from_unix_millis)
        .is_none_or(|last| now.since(last) >= EVERY || last.since(now) >= EVERY);
    if !is_due {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO upkeep (id, pruned_at) VALUES (1, ?1)")?
        .execute([millis(now)])?;
    remove_older(connection, now.minus(history.keep_for))?;
    while used_bytes(connection)? > history.max_bytes {
        if remove_oldest(connection)? == 0 {
            break;
        }
    }
    outbox::forget_threads(connection, now)?;
    forget_removed(connection)
}

/// Rows come in the order of their first decision, so the look ends at the first row that is young enough.
fn remove_older(connection: &Connection, cutoff: Timestamp) -> Result<(), StoreError> {
    let end: Option<i64> = connection
        .query_row(
            "SELECT id FROM decision WHERE first_at >= ?1 ORDER BY id LIMIT 1",
            [millis(cutoff)],
            |row| row.get(0),
        )
        .optional()?;
    connection.execute(
        "DELETE FROM decision WHERE id IN (SELECT id FROM history WHERE id < ?1 AND last_at < ?2)",
        params![end.unwrap_or(i64::MAX), millis(cutoff)],
    )?;
    connection.execute("DELETE FROM memory_aside WHERE at < ?1", [millis(cutoff)])?;
    Ok(())
}

fn remove_oldest(connection: &Connection) -> Result<usize, StoreError> {
    let removed = connection.execute(
        "DELETE FROM decision WHERE id IN
             (SELECT id FROM decision ORDER BY id LIMIT (SELECT count(*) / ?1 + 1 FROM decision))",
        [SHARE],
    )?;
    Ok(removed)
}

/// A row that is gone is nobody's newest: the next decision begins one.
fn forget_removed(connection: &Connection) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE workload SET last_decision = NULL, last_key = NULL, last_at = NULL, count = NULL, record = NULL
         WHERE last_decision NOT IN (SELECT id FROM decision)",
        [],
    )?;
    Ok(())
}

/// How much of the file is in use. What was freed is used again before the file grows.
fn used_bytes(connection: &Connection) -> Result<u64, StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    let bytes = pages.saturating_mul(number("page_size")?);
    Ok(u64::try_from(bytes).unwrap_or_default())
}
