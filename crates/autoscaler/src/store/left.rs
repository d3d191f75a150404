//! What goes on with workloads that nobody looks at any more, as it was last recorded.

use headroom_policy_engine::{Timestamp, WorkloadId};

use super::{Store, StoreError, Told, millis, outbox};
use crate::notify::Incidents;

impl Store {
    /// What goes on with the workloads that nothing was decided about since `before`.
    pub(crate) fn left_alone(&self, before: Timestamp) -> Result<Vec<(WorkloadId, Incidents)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT workload.id, workload.incidents
             FROM workload LEFT JOIN decision ON decision.id = workload.last_decision
             WHERE workload.incidents IS NOT NULL AND coalesce(workload.last_at, decision.last_at, 0) < ?1",
        )?;
        let rows = statement.query_map([millis(before)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
        })?;
        let mut left = Vec::new();
        for row in rows {
            let (id, incidents) = row?;
            if let Ok(id) = id.parse() {
                left.push((id, Incidents::read(Some(&incidents))));
            }
        }
        Ok(left)
    }

    /// Records that nothing goes on with `workloads` any more, and what people are told of that, in one transaction.
    pub(crate) fn forget_incidents(
        &self,
        workloads: &[WorkloadId],
        told: &Told<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.transaction(|transaction| {
            let mut forget =
                transaction.prepare_cached("UPDATE workload SET incidents = NULL WHERE id = ?1")?;
            for workload in workloads {
                forget.execute([workload.as_str()])?;
            }
            outbox::tell(transaction, told, now)
        })
    }
}
