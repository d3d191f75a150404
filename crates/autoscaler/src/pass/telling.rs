//! What people are told of a pass: learned from its decisions, and kept in the same transaction as they are.

use std::sync::Arc;

use headroom_policy_engine::{Outcome, Timestamp, WorkloadId};
use tracing::error;

use super::{Acts, Autoscaler, Pass, PassError, cohort::Item, report::in_one_line};
use crate::{
    DecisionRecord, HistoryQuery, PassRecord, Pause, StoreError,
    notify::{Lesson, Tellings, digest},
    store::Told,
};

/// A digest looks at so many rows of the history at most.
const MOST_ROWS: u32 = 200_000;

impl Autoscaler {
    /// Learns from those of `items` that are `ready`: of a change, once it is known what became of it.
    pub(super) fn learn(&self, pass: &Pass, items: &mut [Item], ready: impl Fn(&Item) -> bool) -> Tellings {
        let teller = &self.notifications.teller;
        let lessons = items.iter_mut().filter(|item| ready(item)).map(|item| {
            let settings = &self.workloads[item.index()].settings;
            let settled = self.settled_change(item);
            let (record, incidents) = item.lesson();
            Lesson {
                settings,
                record,
                settled,
                pause: pass.acts.pause_itself(&settings.id),
                incidents,
            }
        });
        teller.learn(lessons)
    }

    /// The decision of a change that an earlier pass left open, and that turned out to be written.
    fn settled_change(&self, item: &Item) -> Option<DecisionRecord> {
        let (open, outcome) = item.settled.as_ref()?;
        if *outcome != Outcome::Written {
            return None;
        }
        // Without its record nobody knows why, and the change itself is in the history.
        let mut record = self.store.decided(open.row).ok().flatten()?;
        record.set_outcome(Outcome::Written, None);
        Some(record)
    }

    /// Says that there is something to hand over, where what was learned was `kept` with the decisions; keeps it in memory
    /// where it was not.
    pub(super) fn hand_over(&self, tellings: &Tellings, kept: &Result<(), StoreError>) {
        match kept {
            Ok(()) if tellings.told.is_empty() => {}
            Ok(()) => self.notifications.wake(),
            Err(_) => self.notifications.keep(&tellings.told),
        }
    }

    /// Tells what a whole pass says about no workload in particular, sends the digests that are due, and says that the pass
    /// could see everything where it could.
    pub(super) async fn tell_of_pass(&self, record: &PassRecord) {
        if self.store.is_read_only() {
            return;
        }
        let teller = &self.notifications.teller;
        let mut tellings = teller.learn_pass(record);
        let (due, begun) = teller.digests_due(record.at);
        for due in due {
            let digest = self.digest(due.since, record.at).await;
            tellings
                .told
                .extend(digest.map(|digest| teller.tell_digest(&due.channel, digest, record.at)));
        }
        tellings.fleet = begun.fleet.or(tellings.fleet);
        self.tell(tellings, record.at).await;
        if is_complete(record) {
            self.notifications.beat();
        }
    }

    /// Tells that a pass could not be made.
    pub(super) async fn tell_of_failure(&self, failure: Option<&PassError>, now: Timestamp) {
        let Some(failure) = failure.filter(|_| !self.store.is_read_only()) else {
            return;
        };
        let tellings = self
            .notifications
            .teller
            .learn_failure(&in_one_line(failure), now);
        self.tell(tellings, now).await;
    }

    async fn tell(&self, tellings: Tellings, now: Timestamp) {
        if tellings == Tellings::default() {
            return;
        }
        let store = Arc::clone(&self.store);
        let keep = move || {
            let kept = store.record_told(&told(&tellings), now);
            (tellings, kept)
        };
        let Ok((tellings, kept)) = tokio::task::spawn_blocking(keep).await else {
            return;
        };
        if let Err(error) = &kept {
            error!(
                error = in_one_line(error),
                "what people are told could not be kept"
            );
        }
        self.hand_over(&tellings, &kept);
    }

    async fn digest(&self, since: Timestamp, until: Timestamp) -> Option<headroom_notifier::Digest> {
        let store = Arc::clone(&self.store);
        let query = HistoryQuery {
            workload: None,
            since: Some(since),
            limit: MOST_ROWS,
        };
        let read = tokio::task::spawn_blocking(move || store.history(&query))
            .await
            .ok()?;
        match read {
            Ok(history) => {
                let workloads = self.workloads.iter().map(|managed| &managed.settings);
                Some(digest(&history.rows, workloads, since, until))
            }
            Err(error) => {
                error!(
                    error = in_one_line(&error),
                    "the history could not be read for a digest"
                );
                None
            }
        }
    }
}

/// What the state is given of `tellings`.
pub(super) fn told(tellings: &Tellings) -> Told<'_> {
    Told {
        notices: &tellings.told,
        fleet_incidents: tellings.fleet.as_deref(),
    }
}

/// Whether a pass could see and do everything.
fn is_complete(record: &PassRecord) -> bool {
    let is_well = |decision: &DecisionRecord| decision.error().is_none() && !decision.is_blind();
    record.skipped.is_empty()
        && record.decisions.iter().all(is_well)
        && !record.notices.iter().any(crate::Notice::is_failure)
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
