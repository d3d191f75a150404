//! How a log of recommendations is written: every time but one counts from the start of its slot.
//!
//! Most slots hold one recommendation, so most of these numbers are zero, and a pass over thousands of workloads writes a
//! third of the bytes.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Recommendations, Slot};
use crate::{Replicas, Timestamp};

/// A slot as it is written.
#[derive(Serialize, Deserialize)]
pub(super) struct Packed {
    start: Timestamp,
    /// Milliseconds after the start, as all that follows.
    newest: i64,
    high: Replicas,
    low: Replicas,
    complete: Option<(i64, i64)>,
    gap: Duration,
}

impl From<Slot> for Packed {
    fn from(slot: Slot) -> Self {
        let after = |at: Timestamp| at.unix_millis().wrapping_sub(slot.start.unix_millis());
        Self {
            start: slot.start,
            newest: after(slot.newest),
            high: slot.high,
            low: slot.low,
            complete: slot.complete.map(|(first, newest)| (after(first), after(newest))),
            gap: slot.gap,
        }
    }
}

impl From<Packed> for Slot {
    fn from(packed: Packed) -> Self {
        let start = packed.start.unix_millis();
        let at = |after| Timestamp::from_unix_millis(start.wrapping_add(after));
        Self {
            start: packed.start,
            newest: at(packed.newest),
            high: packed.high,
            low: packed.low,
            complete: packed.complete.map(|(first, newest)| (at(first), at(newest))),
            gap: packed.gap,
        }
    }
}

/// A log as the first two versions of a memory hold it.
#[derive(Deserialize)]
pub(in crate::memory) struct Unpacked {
    slots: VecDeque<UnpackedSlot>,
    spacings: VecDeque<Duration>,
}

#[derive(Deserialize)]
struct UnpackedSlot {
    start: Timestamp,
    newest: Timestamp,
    high: Replicas,
    low: Replicas,
    complete: Option<(Timestamp, Timestamp)>,
    gap: Duration,
}

impl From<Unpacked> for Recommendations {
    fn from(log: Unpacked) -> Self {
        let slots = log.slots.into_iter().map(|slot| Slot {
            start: slot.start,
            newest: slot.newest,
            high: slot.high,
            low: slot.low,
            complete: slot.complete,
            gap: slot.gap,
        });
        Self {
            slots: slots.collect(),
            spacings: log.spacings,
        }
    }
}
