//! An outbox in memory: for what the durable one could not keep, and for tests.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headroom_policy_engine::Timestamp;

use super::{
    Addressed, Change, ChannelName, Outbox, OutboxError, Phase, QueueBound, Route, RowId, Thread, View,
    Waiting, bound,
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

    /// One for what another outbox cannot keep. Its rows are numbered below zero, so that they are none of the other's.
    pub(super) fn beside(bound: QueueBound) -> Self {
        let kept = Kept {
            last: i64::MIN,
            ..Kept::default()
        };
        Self {
            bound,
            kept: Mutex::new(kept),
        }
    }

    /// Whether `row` is one of those that wait.
    pub(super) fn has(&self, row: RowId) -> bool {
        self.kept().bodies.contains_key(&row)
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

    fn going_on(&self, channel: &ChannelName) -> Result<Vec<Notice>, OutboxError> {
        let kept = self.kept();
        let threads = kept
            .channels
            .get(channel)
            .into_iter()
            .flat_map(|view| &view.threads);
        let open = threads.filter(|thread| thread.open.is_some());
        let told = open.filter_map(|thread| kept.told.get(&(channel.clone(), Arc::clone(&thread.incident))));
        Ok(told.flatten().cloned().collect())
    }

    fn thread(&self, channel: &ChannelName, incident: &str) -> Result<Option<Thread>, OutboxError> {
        let kept = self.kept();
        let mut threads = kept
            .channels
            .get(channel)
            .into_iter()
            .flat_map(|view| &view.threads);
        Ok(threads.find(|thread| &*thread.incident == incident).cloned())
    }

    fn told_of(&self, incident: &str) -> Result<Vec<ChannelName>, OutboxError> {
        Ok(self.kept().told_of(incident))
    }

    fn apply(&self, channel: &ChannelName, changes: &[Change], now: Timestamp) -> Result<(), OutboxError> {
        let mut kept = self.kept();
        for change in changes {
            kept.apply(channel, change, now)?;
        }
        Ok(())
    }

    fn channels(&self) -> Result<Vec<ChannelName>, OutboxError> {
        let kept = self.kept();
        let channels = kept.channels.iter().filter(|(_, view)| !view.waiting.is_empty());
        Ok(channels.map(|(name, _)| name.clone()).collect())
    }
}

impl Kept {
    fn put(&mut self, addressed: &Addressed, now: Timestamp) -> Result<(), OutboxError> {
        let notice = &addressed.notice;
        let body: Box<[u8]> = serde_json::to_vec(notice).map_err(unreadable)?.into();
        for channel in addressed.channels(|incident| Ok::<_, OutboxError>(self.told_of(incident)))? {
            let route = addressed.route().besides(&channel);
            self.add(&channel, notice, body.clone(), route, now);
        }
        Ok(())
    }

    /// Who was told, or is about to be, that `incident` goes on.
    fn told_of(&self, incident: &str) -> Vec<ChannelName> {
        let knows = |view: &View| {
            let open = |thread: &Thread| &*thread.incident == incident && thread.open.is_some();
            let opens = |one: &Waiting| &*one.incident == incident && one.phase == Phase::Opened;
            view.threads.iter().any(open) || view.waiting.iter().any(opens)
        };
        let channels = self.channels.iter().filter(|(_, view)| knows(view));
        channels.map(|(name, _)| name.clone()).collect()
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
                to: Some((to, route)),
            } => self.pass_on(*row, to, route, now)?,
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
        route: &Route,
        now: Timestamp,
    ) -> Result<(), OutboxError> {
        let Some(body) = self.bodies.get(&row).cloned() else {
            return Ok(());
        };
        let notice: Notice = serde_json::from_slice(&body).map_err(unreadable)?;
        // An end that waits there already comes after what it ends, which is passed on before it.
        if let Some(view) = self.channels.get_mut(to) {
            let is_it = |one: &Waiting| one.id == notice.id && one.claimed.is_none();
            for one in view.waiting.extract_if(.., |one| is_it(one)) {
                self.bodies.remove(&one.row);
            }
        }
        self.add(to, &notice, body, route.clone(), now);
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

    /// What nothing gives way to is not kept either beyond twice the bound: then memory counts for more. The newest goes.
    fn refuse_what_is_left(&mut self, bound: QueueBound) -> Result<(), OutboxError> {
        let mut rows: Vec<_> = self.bodies.iter().map(|(row, body)| (*row, body.len())).collect();
        rows.sort_unstable();
        let most = usize::try_from(bound.bytes)
            .unwrap_or(usize::MAX)
            .saturating_mul(2);
        let mut bytes = 0_usize;
        let fits = rows
            .iter()
            .take(bound.notices.saturating_mul(2))
            .take_while(|(_, of_row)| {
                bytes = bytes.saturating_add(*of_row);
                bytes <= most
            });
        let refused = rows.split_off(fits.count());
        if refused.is_empty() {
            return Ok(());
        }
        for (row, _) in &refused {
            self.bodies.remove(row);
        }
        for view in self.channels.values_mut() {
            view.waiting.retain(|one| self.bodies.contains_key(&one.row));
        }
        Err(OutboxError {
            reason: format!(
                "as much waits in memory as may, so {} more are not kept",
                refused.len()
            ),
        })
    }
}

fn unreadable(error: serde_json::Error) -> OutboxError {
    OutboxError {
        reason: error.to_string(),
    }
}
