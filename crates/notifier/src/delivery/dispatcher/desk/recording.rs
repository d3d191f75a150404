//! Records what happened, of each notice where it is kept, and remembers what cannot be recorded.

use std::sync::atomic::Ordering;

use headroom_policy_engine::Timestamp;
use tracing::{error, warn};

use super::Desk;
use crate::delivery::{Addressed, Change, Outbox as _, OutboxError};

impl Desk {
    fn remember_standing(&self, changes: &[Change]) {
        let newest = changes.iter().rev().find_map(|change| match change {
            Change::Standing(standing) => Some(standing.clone()),
            Change::Claim { .. }
            | Change::Release { .. }
            | Change::Retry { .. }
            | Change::Remove { .. }
            | Change::PassOn { .. }
            | Change::Thread { .. }
            | Change::Put(_) => None,
        });
        if let Some(newest) = newest {
            self.known().standing = newest;
        }
    }

    /// Records what happened, of each notice where it is kept.
    pub(super) fn record(&self, changes: Vec<Change>, now: Timestamp) {
        if changes.is_empty() {
            return;
        }
        self.remember_standing(&changes);
        let hands_on =
            |change: &Change| matches!(change, Change::Put(_) | Change::PassOn { to: Some(_), .. });
        let hands_on = changes.iter().any(hands_on);
        let spare = &self.shared.spare;
        if spare.is_empty() {
            self.record_durably(changes, now);
        } else {
            let of_rows = changes.iter().filter(|change| change.is_about_rows()).cloned();
            let of_spare: Vec<_> = of_rows
                .filter_map(|change| change.about(|row| spare.has(row)))
                .collect();
            let others = changes.into_iter();
            let others: Vec<_> = others
                .filter_map(|change| change.about(|row| !spare.has(row)))
                .collect();
            // What is passed on from there gets before what follows it in memory.
            self.record_durably(others, now);
            if let Err(error) = spare.apply(self.name(), &of_spare, now) {
                error!(channel = %self.name(), error = %error, "what became of notices could not be recorded");
            }
        }
        if hands_on {
            self.shared.handed_on.store(true, Ordering::Relaxed);
            self.shared.wake_all();
        }
    }

    /// Where it cannot be recorded it is remembered, and what other channels are to tell is kept in memory.
    fn record_durably(&self, mut changes: Vec<Change>, now: Timestamp) {
        if !self.known().is_read {
            // What is recorded of it is more than this process knows.
            changes.retain(|change| !matches!(change, Change::Standing(_)));
        }
        if changes.is_empty() {
            return;
        }
        let recorded = if self.unrecorded().is_empty() {
            self.shared.outbox.apply(self.name(), &changes, now).map_err(Some)
        } else {
            Err(None)
        };
        if let Err(error) = recorded {
            if let Some(error) = error {
                warn!(channel = %self.name(), error = %error, "what became of notices could not be recorded");
            }
            self.keep_what_is_handed_on(&mut changes, now);
            self.unrecorded_mut().push(changes);
        }
    }

    /// Keeps in memory what other channels are to tell. What cannot be kept for another channel is not passed on yet.
    fn keep_what_is_handed_on(&self, changes: &mut Vec<Change>, now: Timestamp) {
        changes.retain_mut(|change| match change {
            Change::Put(addressed) => {
                self.keep(std::slice::from_ref(addressed), now);
                false
            }
            Change::PassOn { row, to } => {
                let Some((channel, route)) = to else {
                    return true;
                };
                let Ok(notices) = self.notices(&[*row]) else {
                    return false;
                };
                let notices = notices.into_iter().map(|notice| Addressed {
                    notice,
                    to: vec![channel.clone()],
                    then: route.then.clone(),
                });
                let is_kept = self.keep(&notices.collect::<Vec<_>>(), now);
                *to = None;
                is_kept
            }
            Change::Claim { .. }
            | Change::Release { .. }
            | Change::Retry { .. }
            | Change::Remove { .. }
            | Change::Thread { .. }
            | Change::Standing(_) => true,
        });
    }

    /// Keeps `notices` in memory. Whether there was room for all of them.
    fn keep(&self, notices: &[Addressed], now: Timestamp) -> bool {
        let kept = self.shared.spare.put(notices, now);
        if let Err(error) = &kept {
            error!(channel = %self.name(), error = %error, "notices are kept nowhere, and not told");
        }
        kept.is_ok()
    }

    /// Records what could not be recorded so far.
    ///
    /// # Errors
    /// When that is still so, and too much to go on.
    pub(super) fn record_what_is_not(&self, now: Timestamp) -> Result<(), OutboxError> {
        let recorded = {
            let unrecorded = self.unrecorded();
            if unrecorded.is_empty() {
                return Ok(());
            }
            let recorded = self.shared.outbox.apply(self.name(), unrecorded.changes(), now);
            match recorded {
                Err(error) if unrecorded.is_full() => return Err(error),
                recorded => recorded.is_ok(),
            }
        };
        if recorded {
            self.unrecorded_mut().clear();
        }
        Ok(())
    }
}
