//! Digests: made beside the passes, of what the history says, and given to whoever hands notices over.

use std::sync::Arc;

use headroom_policy_engine::Timestamp;
use tracing::error;

use super::{Autoscaler, report::in_one_line};
use crate::{
    Mode, StoreError,
    notify::{Digesting, DueDigest},
};

impl Autoscaler {
    /// Makes the digests that are due at `now`. One that cannot be made stays due. No pass waits for it.
    pub(crate) async fn make_digests(&self, now: Timestamp) {
        let teller = &self.notifications.teller;
        if self.store.is_read_only() || !teller.has_digests() {
            return;
        }
        let made = match self.read_for_digests(now).await {
            Ok(made) => made,
            Err(error) => {
                error!(
                    error = in_one_line(&error),
                    "the history could not be read for a digest, which stays due"
                );
                return;
            }
        };
        let mut told = Vec::new();
        for (digesting, due) in made {
            if !digesting.is_empty() {
                told.push(teller.address_digest(&due.channel, digesting.finish(), now));
            }
            teller.note_digest(&due);
        }
        self.tell(told, now).await;
    }

    /// The digests that are due, with what the history says of their times. It is read once for all of them.
    async fn read_for_digests(&self, now: Timestamp) -> Result<Vec<(Digesting, DueDigest)>, StoreError> {
        let store = Arc::clone(&self.store);
        if let Some(fleet) = on_a_thread(move || store.fleet_incidents()).await? {
            self.notifications.teller.learn_digests(&fleet);
        }
        let due = self.notifications.teller.digests_due(now).into_iter();
        let mut made: Vec<_> = due.map(|due| (self.begin_digest(&due), due)).collect();
        let Some(since) = made.iter().map(|(_, due)| due.since).min() else {
            return Ok(Vec::new());
        };
        let store = Arc::clone(&self.store);
        on_a_thread(move || {
            store.each_decision(since, |row| {
                made.iter_mut().for_each(|(digesting, _)| digesting.add(row));
            })?;
            Ok(made)
        })
        .await
    }

    /// A digest of the workloads that name its channel, and that headroom scales.
    fn begin_digest(&self, due: &DueDigest) -> Digesting {
        let settings = self.workloads.iter().map(|managed| &managed.settings);
        let told = settings.filter(|one| one.mode == Mode::Apply && one.routes.tells(&due.channel));
        let workloads = told.map(|one| (one.id.clone(), one.policy.bounds.max()));
        Digesting::new(workloads, due.since, due.until)
    }
}

/// Reads the state on a thread where that may wait.
async fn on_a_thread<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read,
        Err(error) => Err(StoreError::Decode {
            what: "the history",
            reason: error.to_string(),
        }),
    }
}
