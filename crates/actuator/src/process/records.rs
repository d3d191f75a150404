//! Where the tables of process targets are kept.

use std::fmt;

use headroom_policy_engine::WorkloadId;

use super::ProcessTable;
use crate::BoxError;

/// Keeps one table for each workload, so that the next headroom finds the replicas of the one before.
pub trait ProcessRecords: fmt::Debug + Send + Sync {
    /// The table of `workload`; `None` when none was ever saved.
    ///
    /// # Errors
    /// When there is one and it cannot be read. It must not be taken for none.
    fn load(&self, workload: &WorkloadId) -> Result<Option<ProcessTable>, BoxError>;

    /// Replaces the table of `workload`, durably: when this returns, the end of the process or of the machine does
    /// not undo it.
    ///
    /// # Errors
    /// When it could not be made durable.
    fn save(&self, workload: &WorkloadId, table: &ProcessTable) -> Result<(), BoxError>;
}
