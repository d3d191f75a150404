//! What is remembered of the replicas of one process target, and the rules that change it.
//!
//! Owns counting, order, backoff and which replicas are failing. It looks at no process and reads no clock.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use headroom_policy_engine::{Replicas, Timestamp};
use serde::{Deserialize, Serialize};

use super::kernel::ProcessIdentity;

/// A replica that served this long is no failure when it ends, and one that ends sooner is.
pub(super) const STAYED_UP: Duration = Duration::from_secs(10);
/// The wait after the first failure; it doubles with each.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two attempts to start a replica.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// Ends in a row that make a replica a failing one. Failing to start at all counts at once.
const FAILING: u32 = 2;

/// The records of one process target: the wanted count and every process that serves it.
///
/// Stored as serde has it, in any format. It carries its version, and refuses to be read by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTable {
    version: Version,
    /// Unlike any other table's. Part of each replica's id.
    unique: String,
    wanted: Replicas,
    /// The number of the next replica. No number is used twice.
    next: u64,
    pub(super) slots: Vec<Slot>,
    pub(super) draining: Vec<Draining>,
}

/// One of the wanted replicas, through all its lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slot {
    /// Names its log file. No two that live have the same.
    pub(super) number: u32,
    /// The process, if one was started and its end was not seen.
    pub(super) replica: Option<Replica>,
    /// Since when nothing here was ready to serve; `None` if it was when last looked at.
    pub(super) unready_since: Option<Timestamp>,
    /// Ends in a row without having stayed up.
    pub(super) failures: u32,
    /// The last one, if there are any.
    pub(super) last: Option<FailureKind>,
    /// When the next life may begin; `None`: at once.
    pub(super) retry_at: Option<Timestamp>,
}

/// How a replica failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum FailureKind {
    /// No process came to be.
    CannotStart,
    /// It ended by itself.
    Ended,
}

/// One life of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replica {
    /// Counts up: the highest is the newest.
    pub(super) sequence: u64,
    /// What its environment says it is, and nobody else's.
    pub(super) id: String,
    pub(super) process: ProcessIdentity,
    pub(super) port: u16,
    pub(super) started_at: Timestamp,
}

/// A replica that is no longer wanted and may finish what it is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Draining {
    /// Keeps its log file to itself until it is gone.
    pub(super) number: u32,
    pub(super) replica: Replica,
    /// When it was sent SIGTERM; `None`: not yet.
    pub(super) asked_at: Option<Timestamp>,
}

impl ProcessTable {
    /// A table that wants nothing yet.
    pub(super) fn new() -> Self {
        Self {
            version: Version,
            unique: format!("{:016x}", RandomState::new().build_hasher().finish()),
            wanted: Replicas::ZERO,
            next: 1,
            slots: Vec::new(),
            draining: Vec::new(),
        }
    }

    /// The wanted count.
    #[must_use]
    pub fn wanted(&self) -> Replicas {
        self.wanted
    }

    /// Wants `count` replicas. Slots follow with [`Self::fit`].
    pub(super) fn want(&mut self, count: Replicas) {
        self.wanted = count;
    }

    /// The id of the replica with this number.
    pub(super) fn id(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.unique)
    }

    /// The number of the replica called `id`, if it is one of this table's.
    pub(super) fn sequence(&self, id: &str) -> Option<u64> {
        id.strip_prefix(self.unique.as_str())?
            .strip_prefix('-')?
            .parse()
            .ok()
    }

    /// Numbers for that many new replicas. To be saved before any of them is used.
    pub(super) fn reserve(&mut self, count: usize) -> std::ops::Range<u64> {
        let first = self.next;
        self.next = self.next.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        first..self.next
    }

    /// All replicas that were started and not seen to end.
    pub(super) fn replicas(&self) -> impl Iterator<Item = &Replica> {
        let slots = self.slots.iter().filter_map(|slot| slot.replica.as_ref());
        slots.chain(self.draining.iter().map(|draining| &draining.replica))
    }

    /// Makes as many slots as are wanted: empty ones come and go first, then the newest replicas begin to drain.
    pub(super) fn fit(&mut self, now: Timestamp) {
        let wanted = usize::try_from(self.wanted.get()).unwrap_or(usize::MAX);
        while self.slots.len() > wanted {
            let age = |slot: &Slot| slot.replica.as_ref().map_or(u64::MAX, |replica| replica.sequence);
            let Some(newest) = (0..self.slots.len()).max_by_key(|index| self.slots.get(*index).map(age))
            else {
                return;
            };
            let slot = self.slots.remove(newest);
            self.drain(slot);
        }
        while self.slots.len() < wanted {
            let number = self.free_number();
            self.slots.push(Slot::empty(number, now));
        }
    }

    /// Lets all replicas drain, and wants as many as before.
    pub(super) fn drain_all(&mut self) {
        for slot in std::mem::take(&mut self.slots) {
            self.drain(slot);
        }
    }

    fn drain(&mut self, slot: Slot) {
        if let Some(replica) = slot.replica {
            self.draining.push(Draining {
                number: slot.number,
                replica,
                asked_at: None,
            });
        }
    }

    /// Takes in a replica that runs and that no record knows: into an empty slot, or it is surplus and drains.
    pub(super) fn adopt(&mut self, number: Option<u32>, replica: Replica, now: Timestamp) {
        self.next = self.next.max(replica.sequence.saturating_add(1));
        let empty = |slot: &&mut Slot| slot.replica.is_none();
        let same = self
            .slots
            .iter_mut()
            .filter(empty)
            .find(|slot| Some(slot.number) == number);
        // Two searches, because the first one holds the slots for as long as it might be returned.
        let found = match same {
            Some(slot) => Some(slot.number),
            None => self.slots.iter_mut().find(empty).map(|slot| slot.number),
        };
        match self.slots.iter_mut().find(|slot| Some(slot.number) == found) {
            Some(slot) => {
                slot.replica = Some(replica);
                slot.unready_since.get_or_insert(now);
                slot.retry_at = None;
            }
            None => {
                let number = number.filter(|number| !self.is_taken(*number));
                let number = number.unwrap_or_else(|| self.free_number());
                self.draining.push(Draining {
                    number,
                    replica,
                    asked_at: None,
                });
            }
        }
    }

    fn free_number(&self) -> u32 {
        (1..u32::MAX)
            .find(|number| !self.is_taken(*number))
            .unwrap_or(u32::MAX)
    }

    fn is_taken(&self, number: u32) -> bool {
        self.slots.iter().any(|slot| slot.number == number)
            || self.draining.iter().any(|draining| draining.number == number)
    }

    /// Notes which replicas are ready, by number. Returns whether that was news.
    pub(super) fn note_ready(&mut self, seen: &[(u64, Ready)], now: Timestamp) -> bool {
        let before = self.slots.clone();
        for slot in &mut self.slots {
            let Some(replica) = &slot.replica else { continue };
            let Some((_, ready)) = seen.iter().find(|(sequence, _)| *sequence == replica.sequence) else {
                continue;
            };
            match ready {
                Ready::No => {
                    slot.unready_since.get_or_insert(now);
                }
                Ready::Yes => {
                    slot.unready_since = None;
                    if now.since(replica.started_at) >= STAYED_UP {
                        slot.failures = 0;
                        slot.last = None;
                    }
                }
            }
        }
        self.slots != before
    }

    /// How many of the wanted replicas cannot start or keep dying.
    pub(super) fn failing(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_failing()).count()
    }
}

/// Whether a replica passed its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    Yes,
    No,
}

impl Slot {
    fn empty(number: u32, now: Timestamp) -> Self {
        Self {
            number,
            replica: None,
            unready_since: Some(now),
            failures: 0,
            last: None,
            retry_at: None,
        }
    }

    /// Whether a new life may begin.
    ///
    /// A time to wait for beyond the longest wait is one that a clock which went back left behind.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let waits = |at: Timestamp| now < at && at.since(now) <= LONGEST_WAIT;
        self.replica.is_none() && !self.retry_at.is_some_and(waits)
    }

    fn is_failing(&self) -> bool {
        match self.last {
            None => false,
            Some(FailureKind::CannotStart) => true,
            Some(FailureKind::Ended) => self.failures >= FAILING,
        }
    }

    /// The process is gone through no fault of its own: the machine was started anew.
    pub(super) fn vacate(&mut self, now: Timestamp) {
        self.replica = None;
        self.retry_at = None;
        self.unready_since.get_or_insert(now);
    }

    /// The process ended by itself, or none came to be. Returns the wait before the next attempt.
    pub(super) fn fail(&mut self, kind: FailureKind, now: Timestamp) -> Duration {
        let lived = self
            .replica
            .take()
            .map_or(Duration::ZERO, |replica| now.since(replica.started_at));
        let served = lived >= STAYED_UP && self.unready_since.is_none();
        if served {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = Some(kind);
        self.unready_since.get_or_insert(now);
        let wait = if served {
            Duration::ZERO
        } else {
            wait_after(self.failures)
        };
        self.retry_at = Some(now.plus(wait));
        wait
    }
}

/// The wait after that many failures in a row.
fn wait_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

/// The version of the shape above. Raised with every change that older code would misread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Version;

const VERSION: u32 = 1;

impl From<Version> for u32 {
    fn from(Version: Version) -> Self {
        VERSION
    }
}

impl TryFrom<u32> for Version {
    type Error = String;

    fn try_from(version: u32) -> Result<Self, String> {
        if version == VERSION {
            Ok(Self)
        } else {
            Err(format!(
                "records of replicas in version {version}; this headroom reads version {VERSION}"
            ))
        }
    }
}

#[cfg(test)]
mod tests;
