//! The fleet's brake in the state: that it has tripped, for the passes of other processes.

use headroom_policy_engine::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, StoreError, millis};
use crate::{Falls, Tripped};

impl Store {
    /// That the fleet's brake has tripped, as it was last recorded; `None` where it never has.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn tripped(&self) -> Result<Option<Tripped>, StoreError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT at, held_at, replicas, lost, workloads FROM brake WHERE id = 1")?;
        let read = statement.query_row([], |row| {
            Ok(Tripped {
                at: Timestamp::from_unix_millis(row.get(0)?),
                held_at: Timestamp::from_unix_millis(row.get(1)?),
                falls: Falls {
                    replicas: row.get(2)?,
                    lost: row.get(3)?,
                    workloads: row.get(4)?,
                },
            })
        });
        Ok(read.optional()?)
    }
}

/// Records that the brake has tripped, or still holds something.
pub(super) fn save(connection: &Connection, tripped: &Tripped) -> Result<(), StoreError> {
    let Tripped { at, held_at, falls } = *tripped;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO brake (id, at, held_at, replicas, lost, workloads) VALUES (1, ?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            millis(at),
            millis(held_at),
            falls.replicas,
            falls.lost,
            falls.workloads
        ])?;
    Ok(())
}
