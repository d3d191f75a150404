//! Intents: changes that are about to be written, recorded before they are.
//!
//! One that is found by a later pass tells that nobody learned what became of it.

use headroom_policy_engine::{Decision, Timestamp, WorkloadId};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{RowId, Store, StoreError, millis};

/// A change that was about to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// To which workload.
    pub workload: WorkloadId,
    /// When it was decided.
    pub at: Timestamp,
    /// The change.
    pub decision: Decision,
}

/// An intent whose outcome nobody learned, and the row of its decision.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OpenIntent {
    pub(crate) intent: Intent,
    pub(crate) row: RowId,
}

impl Store {
    /// The changes of which nobody has learned yet whether they were written, by workload.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn open_intents(&self) -> Result<Vec<Intent>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT workload FROM intent ORDER BY workload")?;
        let workloads = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut intents = Vec::new();
        for workload in workloads {
            let known = workload?.parse().ok();
            if let Some(open) = known.map(|id| load(&connection, &id)).transpose()?.flatten() {
                intents.push(open.intent);
            }
        }
        Ok(intents)
    }
}

pub(super) fn load(connection: &Connection, workload: &WorkloadId) -> Result<Option<OpenIntent>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT at, row, decision FROM intent WHERE workload = ?1")?;
    let found = statement
        .query_row([workload.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    let Some((at, row, text)) = found else {
        return Ok(None);
    };
    let decision = serde_json::from_str(&text).map_err(|error| StoreError::Decode {
        what: "an intent",
        reason: error.to_string(),
    })?;
    Ok(Some(OpenIntent {
        intent: Intent {
            workload: workload.clone(),
            at: Timestamp::from_unix_millis(at),
            decision,
        },
        row: RowId(row),
    }))
}

pub(super) fn save(
    connection: &Connection,
    workload: &WorkloadId,
    at: Timestamp,
    row: RowId,
    decision: &Decision,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(decision).map_err(|error| StoreError::Encode {
        what: "an intent",
        reason: error.to_string(),
    })?;
    let mut statement = connection.prepare_cached(
        "INSERT OR REPLACE INTO intent (workload, at, row, decision) VALUES (?1, ?2, ?3, ?4)",
    )?;
    statement.execute(params![workload.as_str(), millis(at), row.0, text])?;
    Ok(())
}

pub(super) fn remove(connection: &Connection, workload: &WorkloadId) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached("DELETE FROM intent WHERE workload = ?1")?;
    statement.execute([workload.as_str()])?;
    Ok(())
}
