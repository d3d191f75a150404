//! What happened and could not be recorded, as briefly as it can be said.

use std::collections::HashSet;

use crate::{
    Notice,
    delivery::{Change, RowId, Thread},
};

/// So many bytes are remembered of what could not be recorded.
const MOST: usize = 2 << 20;
/// What a change takes beside what is in it, and what a notice takes, more or less.
const CHANGE: usize = 200;
const NOTICE: usize = 1000;
/// So many attempts at the same are remembered: more of them change nothing.
const ATTEMPTS: usize = 16;

/// What happened and could not be recorded.
///
/// What counts no more because of what came later is forgotten, so this grows with what was told, not with time.
#[derive(Debug, Default)]
pub(super) struct Unrecorded {
    changes: Vec<Change>,
    bytes: usize,
}

impl Unrecorded {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether it is as much as may be.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= MOST
    }

    /// In their order.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// What is known of `incident` by it.
    pub(super) fn thread(&self, incident: &str) -> Option<&Thread> {
        self.of(incident).map(|(thread, _)| thread)
    }

    /// The notices in the message of [`Self::thread`]; `None` where they are as they were recorded.
    pub(super) fn told(&self, incident: &str) -> Option<&[Notice]> {
        self.of(incident).and_then(|(_, notices)| notices)
    }

    fn of(&self, incident: &str) -> Option<(&Thread, Option<&[Notice]>)> {
        self.changes.iter().find_map(|change| {
            if let Change::Thread { thread, notices } = change
                && &*thread.incident == incident
            {
                Some((thread, notices.as_deref()))
            } else {
                None
            }
        })
    }

    pub(super) fn push(&mut self, changes: Vec<Change>) {
        for mut change in changes {
            self.make_room(&mut change);
            self.changes.push(change);
        }
        self.bytes = self.changes.iter().map(bytes).sum();
    }

    /// Everything was recorded.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what does not count any more once there is `newer`.
    fn make_room(&mut self, newer: &mut Change) {
        match newer {
            Change::Standing(_) => self
                .changes
                .retain(|change| !matches!(change, Change::Standing(_))),
            Change::Thread { thread, notices } => {
                if let Some(at) = self.position(&thread.incident)
                    && let Change::Thread { notices: before, .. } = self.changes.remove(at)
                {
                    *notices = notices.take().or(before);
                }
                if self.is_full() && notices.is_some() {
                    // It is not changed then, but followed by another one.
                    thread.notices = 0;
                    *notices = Some(Vec::new());
                }
            }
            Change::Remove { rows } => {
                self.overtake(rows, |change| !matches!(change, Change::Remove { .. }));
            }
            Change::Release { rows, .. } | Change::Retry { rows, .. } => {
                self.overtake(rows, |change| {
                    matches!(change, Change::Release { .. } | Change::Retry { .. })
                });
            }
            Change::Claim { rows, .. } => {
                let is_same =
                    |change: &Change| matches!(change, Change::Claim { rows: of, .. } if of == rows);
                if self.changes.iter().filter(|change| is_same(change)).count() >= ATTEMPTS
                    && let Some(oldest) = self.changes.iter().position(is_same)
                {
                    self.changes.remove(oldest);
                }
            }
            Change::PassOn { .. } | Change::Put(_) => {}
        }
    }

    /// Forgets of those that count no more what they say about `rows`.
    fn overtake(&mut self, rows: &[RowId], counts_no_more: impl Fn(&Change) -> bool) {
        let rows: HashSet<RowId> = rows.iter().copied().collect();
        let older = std::mem::take(&mut self.changes).into_iter();
        let counts = |change: Change| {
            if counts_no_more(&change) {
                change.about(|row| !rows.contains(&row))
            } else {
                Some(change)
            }
        };
        self.changes = older.filter_map(counts).collect();
    }

    fn position(&self, incident: &str) -> Option<usize> {
        self.changes.iter().position(
            |change| matches!(change, Change::Thread { thread, .. } if &*thread.incident == incident),
        )
    }
}

fn bytes(change: &Change) -> usize {
    CHANGE
        + match change {
            Change::Claim { rows, .. }
            | Change::Release { rows, .. }
            | Change::Retry { rows, .. }
            | Change::Remove { rows } => rows.len() * size_of::<RowId>(),
            Change::Thread { notices, .. } => notices.as_ref().map_or(0, Vec::len) * NOTICE,
            Change::Standing(_) | Change::PassOn { .. } | Change::Put(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Severity,
        delivery::{
            Standing,
            testing::{after, thread},
        },
        testing::scaled,
    };

    fn told(notices: Option<usize>) -> Change {
        Change::Thread {
            thread: thread(Some(Severity::Info)),
            notices: notices.map(|notices| vec![scaled(); notices]),
        }
    }

    fn claim(row: i64) -> [Change; 2] {
        let rows = vec![RowId(row)];
        let retry_at = after(1);
        [
            Change::Claim {
                rows: rows.clone(),
                key: "key".into(),
            },
            Change::Retry { rows, retry_at },
        ]
    }

    #[test]
    fn what_counts_no_more_is_forgotten() {
        let mut unrecorded = Unrecorded::default();
        for row in 0..3 {
            unrecorded.push(claim(row).to_vec());
            unrecorded.push(vec![Change::Standing(Standing::default()), told(Some(2))]);
        }
        unrecorded.push(vec![told(None)]);
        assert_eq!(unrecorded.changes().len(), 6 + 1 + 1);
        assert_eq!(unrecorded.told("a").map(<[Notice]>::len), Some(2));
        let rows = vec![RowId(0), RowId(1)];
        unrecorded.push(vec![Change::Remove { rows }]);
        assert_eq!(unrecorded.changes().len(), 2 + 1 + 1 + 1);
        unrecorded.clear();
        assert!(unrecorded.is_empty() && unrecorded.thread("a").is_none());
    }

    #[test]
    fn it_does_not_grow_with_the_attempts_at_the_same() {
        let mut unrecorded = Unrecorded::default();
        for _ in 0..1000 {
            unrecorded.push(claim(1).to_vec());
            unrecorded.push(claim(2).to_vec());
        }
        assert_eq!(unrecorded.changes().len(), 2 * (ATTEMPTS + 1));
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let mut unrecorded = Unrecorded::default();
        unrecorded.push(vec![told(Some(MOST / NOTICE))]);
        assert!(unrecorded.is_full());
        let other = Thread {
            incident: "b".into(),
            ..thread(None)
        };
        let other = Change::Thread {
            thread: other,
            notices: Some(vec![scaled()]),
        };
        unrecorded.push(vec![other]);
        let thread = unrecorded.thread("b").unwrap();
        assert_eq!(
            (thread.notices, unrecorded.told("b").map(<[Notice]>::len)),
            (0, Some(0))
        );
    }
}
