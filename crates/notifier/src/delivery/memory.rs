//! An outbox in memory: for what the durable one could not keep, and for tests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headroom_policy_engine::Timestamp;

use super::{
    Addressed, Adopted, Change, ChannelName, ORPHANED_FOR, Outbox, OutboxError, Phase, QueueBound, Route,
    RowId, View, Waiting, bound,
};
use crate::Notice;

/// An outbox in memory, which ends with the process.
///
/// Holds at most what its bound says: beyond that the oldest of the least severe goes, and what nothing gives way to is
/// refused.
#[derive(Debug)]
pub struct MemoryOutbox {
    bound: QueueBound,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last: i64,
    channels: BTreeMap<ChannelName, View>,
    /// What the rows say, as JSON, so that what it takes is known.
    bodies: HashMap<RowId, Box<[u8]>>,
    told: HashMap<(ChannelName, Arc<str>), Vec<Notice>>,
    left_out: BTreeMap<ChannelName, u32>,
}

impl MemoryOutbox {
    /// An empty one that holds at most what `bound` says, for all channels together.
    #[must_use]
    pub fn new(bound: QueueBound) -> Self {
        Self {
            bound,
            kept: Mutex::default(),
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kept().bodies.is_empty()
    }

    /// So many notices wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kept().bodies.len()
    }

    /// So many notices of `channel` went because of the bound since this was last asked.
    pub(super) fn take_left_out(&self, channel: &ChannelName) -> u32 {
        self.kept().left_out.remove(channel).unwrap_or_default()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for MemoryOutbox {
    fn put(&self, notices: &[Addressed], now: Timestamp) -> Result<(), OutboxError> {
        let mut kept = self.kept();
        for addressed in notices {
            kept.put(addressed, now)?;
        }
        kept.shorten(self.bound)
    }

    fn view(&self, channel: &ChannelName) -> Result<View, OutboxError> {
        Ok(self.kept().channels.get(channel).cloned().unwrap_or_default())
    }

    fn notices(&self, rows: &[RowId]) -> Result<Vec<Notice>, OutboxError> {
        let kept = self.kept();
        let bodies = rows.iter().filter_map(|row| kept.bodies.get(row));
        bodies
            .map(|body| serde_json::from_slice(body).map_err(unreadable))
            .collect()
    }

    fn told(&self, channel: &ChannelName, incident: &str) -> Result<Vec<Notice>, OutboxError> {
        let key = (channel.clone(), Arc::from(incident));
        Ok(self.kept().told.get(&key).cloned().unwrap_or_default())
    }

    fn apply(&self, channel: &ChannelName, changes: &[Change], now: Timestamp) -> Result<(), OutboxError> {
        let mut kept = self.kept();
        for change in changes {
            kept.apply(channel, change, now)?;
        }
        Ok(())
    }

    fn adopt(&self, channels: &[ChannelName], now: Timestamp) -> Result<Adopted, OutboxError> {
        let mut adopted = Adopted::default();
        let Some(first) = channels.first() else {
            return Ok(adopted);
        };
        let mut kept = self.kept();
        let orphaned = kept
            .channels
            .iter_mut()
            .filter(|(name, _)| !channels.contains(name));
        let (mut moved, mut removed) = (Vec::new(), Vec::new());
        for (_, view) in orphaned {
            let waiting = std::mem::take(&mut view.waiting);
            for one in waiting {
                if one.is_urgent() {
                    moved.push(one);
                } else if now.since(one.put_at) > ORPHANED_FOR {
                    removed.push(one.row);
                } else {
                    view.waiting.push(one);
                }
            }
        }
        (adopted.moved, adopted.removed) = (moved.len(), removed.len());
        for row in removed {
            kept.bodies.remove(&row);
        }
        let view = kept.channels.entry(first.clone()).or_default();
        view.waiting.extend(moved);
        view.waiting.sort_by_key(|one| one.row);
        Ok(adopted)
    }
}

impl Kept {
    fn put(&mut self, addressed: &Addressed, now: Timestamp) -> Result<(), OutboxError> {
        let notice = &addressed.notice;
        let body: Box<[u8]> = serde_json::to_vec(notice).map_err(unreadable)?.into();
        let mut to = addressed.to.clone();
        if Phase::from(notice.stage) == Phase::Closed {
            to.extend(self.told_of(&notice.incident(), &addressed.to));
        }
        for channel in &to {
            let also = addressed.to.iter().filter(|other| *other != channel);
            let route = Route {
                also: also.cloned().collect(),
                then: addressed.then.clone(),
            };
            self.add(channel, notice, body.clone(), route, now);
        }
        Ok(())
    }

    /// Who was told, or is about to be, that `incident` goes on, of those that are none of `besides`.
    fn told_of(&self, incident: &str, besides: &[ChannelName]) -> Vec<ChannelName> {
        let knows = |view: &View| {
            let open = |thread: &super::Thread| &*thread.incident == incident && thread.open.is_some();
            let opens = |one: &Waiting| &*one.incident == incident && one.phase == Phase::Opened;
            view.threads.iter().any(open) || view.waiting.iter().any(opens)
        };
        let channels = self.channels.iter().filter(|(name, _)| !besides.contains(name));
        channels
            .filter(|(_, view)| knows(view))
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn add(&mut self, channel: &ChannelName, notice: &Notice, body: Box<[u8]>, route: Route, now: Timestamp) {
        let view = self.channels.entry(channel.clone()).or_default();
        if view.waiting.iter().any(|one| one.id == notice.id) {
            return;
        }
        self.last += 1;
        let row = RowId(self.last);
        let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
        view.waiting.push(Waiting {
            route,
            ..Waiting::of(notice, row, bytes, now)
        });
        self.bodies.insert(row, body);
    }

    fn apply(&mut self, channel: &ChannelName, change: &Change, now: Timestamp) -> Result<(), OutboxError> {
        match change {
            Change::Remove { rows } => {
                for row in rows {
                    self.bodies.remove(row);
                }
            }
            Change::PassOn {
                row,
                to: Some((to, then)),
            } => self.pass_on(*row, to, then, now)?,
            Change::Thread {
                thread,
                notices: Some(notices),
            } => {
                let key = (channel.clone(), Arc::clone(&thread.incident));
                self.told.insert(key, notices.clone());
            }
            Change::Put(addressed) => self.put(addressed, now)?,
            Change::PassOn { to: None, .. }
            | Change::Thread { notices: None, .. }
            | Change::Claim { .. }
            | Change::Release { .. }
            | Change::Retry { .. }
            | Change::Standing(_) => {}
        }
        self.channels.entry(channel.clone()).or_default().apply(change);
        Ok(())
    }

    fn pass_on(
        &mut self,
        row: RowId,
        to: &ChannelName,
        then: &[ChannelName],
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let Some(body) = self.bodies.get(&row).cloned() else {
            return Ok(());
        };
        let notice: Notice = serde_json::from_slice(&body).map_err(unreadable)?;
        let route = Route {
            also: Vec::new(),
            then: Some(then.to_vec()),
        };
        self.add(to, &notice, body, route, now);
        Ok(())
    }

    /// Lets the oldest of the least severe go until the rest is within `bound`.
    fn shorten(&mut self, bound: QueueBound) -> Result<(), OutboxError> {
        let waiting = self.channels.values().flat_map(|view| &view.waiting);
        let gone: Vec<RowId> = bound::beyond(bound, waiting).iter().map(|one| one.row).collect();
        for row in &gone {
            self.bodies.remove(row);
        }
        for (channel, view) in &mut self.channels {
            let before = view.waiting.len();
            view.waiting.retain(|one| !gone.contains(&one.row));
            let gone = u32::try_from(before - view.waiting.len()).unwrap_or(u32::MAX);
            let left_out = self.left_out.entry(channel.clone()).or_default();
            *left_out = left_out.saturating_add(gone);
        }
        self.refuse_what_is_left(bound)
    }

    /// What nothing gives way to is not kept either beyond twice the bound: then memory counts for more.
    fn refuse_what_is_left(&mut self, bound: QueueBound) -> Result<(), OutboxError> {
        let bytes: usize = self.bodies.values().map(|body| body.len()).sum();
        let most = usize::try_from(bound.bytes)
            .unwrap_or(usize::MAX)
            .saturating_mul(2);
        if self.bodies.len() <= bound.notices.saturating_mul(2) && bytes <= most {
            return Ok(());
        }
        let newest = self.bodies.keys().max().copied();
        if let Some(row) = newest {
            self.bodies.remove(&row);
            for view in self.channels.values_mut() {
                view.waiting.retain(|one| one.row != row);
            }
        }
        Err(OutboxError {
            reason: "as much waits in memory as may".to_owned(),
        })
    }
}

fn unreadable(error: serde_json::Error) -> OutboxError {
    OutboxError {
        reason: error.to_string(),
    }
}
