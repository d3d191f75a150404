//! The tables of process targets, kept beside the rest of the state.

use headroom_actuator::{BoxError, ProcessRecords, ProcessTable};
use headroom_policy_engine::WorkloadId;
use rusqlite::{OptionalExtension as _, params};

use super::{Store, StoreError};

impl ProcessRecords for Store {
    fn load(&self, workload: &WorkloadId) -> Result<Option<ProcessTable>, BoxError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT body FROM process_table WHERE workload = ?1")?;
        let body: Option<String> = statement
            .query_row([workload.as_str()], |row| row.get(0))
            .optional()?;
        Ok(body.map(|body| serde_json::from_str(&body)).transpose()?)
    }

    fn save(&self, workload: &WorkloadId, table: &ProcessTable) -> Result<(), BoxError> {
        let body = serde_json::to_string(table)?;
        let saved: Result<(), StoreError> = self.transaction(|transaction| {
            let mut statement = transaction
                .prepare_cached("INSERT OR REPLACE INTO process_table (workload, body) VALUES (?1, ?2)")?;
            statement.execute(params![workload.as_str(), body])?;
            Ok(())
        });
        Ok(saved?)
    }
}
