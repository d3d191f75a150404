//! What is remembered of each workload, between passes of one process, and which workloads are in a pass.
//!
//! What is kept here is what stands in the state; it spares reading it again. As soon as another process has written,
//! or a pass ended midway, it is read anew.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headroom_policy_engine::{Timestamp, WorkloadId};

use crate::{
    Notice, Store, StoreError,
    store::{Generation, Remembered},
};

/// The memories of all workloads.
#[derive(Debug)]
pub(super) struct States {
    store: Arc<Store>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Of the state, when `slots` was last known to agree with it.
    generation: Option<Generation>,
    slots: HashMap<WorkloadId, Slot>,
}

#[derive(Debug)]
enum Slot {
    InPass,
    Idle(Box<Remembered>),
}

/// The workloads that a pass works on.
#[derive(Debug)]
pub(super) struct CheckedOut {
    pub(super) taken: Vec<Taken>,
    /// Those that are in another pass.
    pub(super) skipped: Vec<WorkloadId>,
    pub(super) notices: Vec<Notice>,
}

/// One workload that belongs to a pass until this is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    states: Arc<States>,
    /// Its place in the configuration.
    pub(super) index: usize,
    id: WorkloadId,
    remembered: Box<Remembered>,
    /// Whether what is remembered agrees with the state, so that it need not be read again.
    is_saved: bool,
}

impl States {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            kept: Mutex::default(),
        }
    }

    /// Takes those of `due` that no other pass has.
    pub(super) fn check_out<'a>(
        self: &Arc<Self>,
        due: impl Iterator<Item = (usize, &'a WorkloadId)>,
        now: Timestamp,
    ) -> Result<CheckedOut, StoreError> {
        let mut kept = self.kept();
        let generation = Some(self.store.generation()?);
        if kept.generation != generation {
            kept.slots.retain(|_, slot| matches!(slot, Slot::InPass));
            kept.generation = generation;
        }
        let mut out = CheckedOut {
            taken: Vec::with_capacity(due.size_hint().1.unwrap_or_default()),
            skipped: Vec::new(),
            notices: Vec::new(),
        };
        let mut fresh = Vec::new();
        for (index, id) in due {
            let remembered = match kept.slots.remove(id) {
                Some(Slot::InPass) => {
                    kept.slots.insert(id.clone(), Slot::InPass);
                    out.skipped.push(id.clone());
                    continue;
                }
                Some(Slot::Idle(remembered)) => remembered,
                None => {
                    let (remembered, notice) = self.store.remembered(id)?;
                    out.notices.extend(notice);
                    Box::new(remembered)
                }
            };
            fresh.push((index, id.clone(), remembered));
        }
        if !out.notices.is_empty() && !self.store.is_read_only() {
            self.store.set_memories_aside(&out.notices, now)?;
        }
        for (index, id, remembered) in fresh {
            kept.slots.insert(id.clone(), Slot::InPass);
            out.taken.push(Taken {
                states: Arc::clone(self),
                index,
                id,
                remembered,
                is_saved: false,
            });
        }
        Ok(out)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Each change is one step, so a panic leaves nothing half done.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    pub(super) fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    pub(super) fn remembered_mut(&mut self) -> &mut Remembered {
        &mut self.remembered
    }

    /// Ends the workload's part in the pass. What is remembered stands in the state as it is here.
    pub(super) fn saved(mut self) {
        self.is_saved = true;
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut kept = self.states.kept();
        if self.is_saved {
            let remembered = std::mem::take(&mut self.remembered);
            kept.slots.insert(self.id.clone(), Slot::Idle(remembered));
        } else {
            kept.slots.remove(&self.id);
        }
    }
}
