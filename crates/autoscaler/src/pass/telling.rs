//! What people are told of a pass: learned from its decisions, and kept in the same transaction as they are.

use std::sync::Arc;

use headroom_notifier::delivery::Addressed;
use headroom_policy_engine::{Outcome, Timestamp, WorkloadId};
use tracing::error;

use super::{Acts, Autoscaler, Pass, PassError, Which, cohort::Item, report::in_one_line};
use crate::{
    PassRecord, Pause,
    notify::{Lesson, Seen},
};

impl Autoscaler {
    /// Learns from those of `items` that are `ready`: of a change, once it is known what became of it.
    pub(super) fn learn(
        &self,
        pass: &Pass,
        items: &mut [Item],
        ready: impl Fn(&Item) -> bool,
    ) -> Vec<Addressed> {
        let lessons = items.iter_mut().map(|item| {
            let settings = &self.workloads[item.index()].settings;
            let (settled, is_ready) = (item.settled_change(), ready(item));
            let (record, fallback, incidents) = item.lesson();
            let seen = Seen {
                record,
                pause: pass.acts.pause_itself(&settings.id),
                acts_are_known: matches!(pass.acts, Acts::Known(_)),
                fallback,
            };
            Lesson {
                settings,
                seen: is_ready.then_some(seen),
                settled,
                incidents,
            }
        });
        // Without its record nobody knows why, and the change itself is in the history.
        let settled = |row| {
            let mut record = self.store.decided(row).ok().flatten()?;
            record.set_outcome(Outcome::Written, None);
            Some(record)
        };
        self.notifications.teller.learn(lessons, settled)
    }

    /// Tells what a whole pass says about no workload in particular, and says that all is well where it is.
    pub(super) async fn tell_of_pass(&self, record: &PassRecord) {
        if self.store.is_read_only() {
            return;
        }
        let teller = &self.notifications.teller;
        self.tell(teller.learn_pass(record, |id| self.is_named(id)), record.at)
            .await;
        self.close_left(record.at).await;
        if self.notifications.note_health(record) {
            self.notifications.beat();
        }
    }

    /// Tells that a pass over the workloads that `which` names could not be made.
    pub(super) async fn tell_of_failure(
        &self,
        failure: Option<&PassError>,
        which: Which<'_>,
        now: Timestamp,
    ) {
        let Some(failure) = failure.filter(|_| !self.store.is_read_only()) else {
            return;
        };
        let workloads = match which {
            Which::All => self
                .workloads
                .iter()
                .map(|managed| managed.settings.id.clone())
                .collect(),
            Which::These(ids) => ids.iter().cloned().collect(),
        };
        let teller = &self.notifications.teller;
        let told = teller.learn_failure(&in_one_line(failure), workloads, now);
        self.tell(told, now).await;
    }

    /// Keeps `notices` for whoever hands them over, with what is known of the fleet.
    pub(super) async fn tell(&self, notices: Vec<Addressed>, now: Timestamp) {
        let notifications = Arc::clone(&self.notifications);
        if notices.is_empty() && !notifications.teller.is_unsaved() {
            return;
        }
        let store = Arc::clone(&self.store);
        let keep = move || {
            if let Err(error) = notifications.record(&notices, |told| store.record_told(told, now)) {
                error!(
                    error = in_one_line(&error),
                    "what people are told could not be kept"
                );
            }
        };
        // It is done once begun, also when nobody waits for it any more.
        let _ = tokio::task::spawn_blocking(keep).await;
    }
}

impl Acts {
    /// The pause of `workload`, with who asked for it.
    fn pause_itself(&self, workload: &WorkloadId) -> Option<&Pause> {
        match self {
            Self::Known(acts) => acts.pauses.iter().find(|pause| pause.workload == *workload),
            Self::Unreadable => None,
        }
    }
}
