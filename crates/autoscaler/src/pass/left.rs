//! Workloads that no policy names any more: what people were told to go on with them is closed.

use std::{collections::HashSet, sync::Arc, time::Duration};

use headroom_policy_engine::{Timestamp, WorkloadId};
use tracing::error;

use super::{Autoscaler, report::in_one_line};
use crate::StoreError;

/// Nobody looks at a workload any more that nothing was decided about for so long. Until then another process may.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(3600);

impl Autoscaler {
    /// Every workload that the policies name, whether or not this process looks at it.
    fn named(&self) -> impl Iterator<Item = &WorkloadId> {
        let own = self.workloads.iter().map(|managed| &managed.settings.id);
        own.chain(self.notifications.others())
    }

    /// Whether the policies name `workload`.
    pub(super) fn is_named(&self, workload: &WorkloadId) -> bool {
        self.named().any(|named| named == workload)
    }

    /// Closes what goes on with workloads that are not looked at any more, where that has not been looked for a moment ago.
    pub(super) async fn close_left(&self, now: Timestamp) {
        if !self.notifications.looks_for_left(now) {
            return;
        }
        let named: HashSet<WorkloadId> = self.named().cloned().collect();
        let (store, notifications) = (Arc::clone(&self.store), Arc::clone(&self.notifications));
        let closing = tokio::task::spawn_blocking(move || -> Result<bool, StoreError> {
            let mut left = store.left_alone(now.minus(LEFT_ALONE_FOR))?;
            left.retain(|(id, _)| !named.contains(id));
            let ids: Vec<WorkloadId> = left.iter().map(|(id, _)| id.clone()).collect();
            if ids.is_empty() {
                return Ok(false);
            }
            let teller = &notifications.teller;
            let notices = teller.end(left, now);
            // Where that fails it is still in the state, and closed the next time.
            teller.keep(&notices, |told| store.forget_incidents(&ids, told, now))?;
            Ok(true)
        });
        match closing.await {
            Ok(Ok(true)) => self.notifications.wake(),
            Ok(Ok(false)) | Err(_) => {}
            Ok(Err(error)) => error!(
                error = in_one_line(&error),
                "what goes on with workloads that there are no more could not be closed"
            ),
        }
    }
}
