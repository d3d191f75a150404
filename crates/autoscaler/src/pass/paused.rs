//! Pauses that begin while a pass is under way.

use super::{Acts, Autoscaler, Pass, cohort::Item};

impl Autoscaler {
    /// Holds what would be changed of workloads that were paused since the pass began: whoever was told that a workload is
    /// paused sets its count by hand. Where that cannot be read, they may be.
    ///
    /// Nothing of them has been recorded or written yet, see [`Autoscaler::brake`].
    pub(super) fn hold_what_is_paused(&self, pass: &Pass, items: &mut [Item]) {
        if !items.iter().any(Item::is_change) {
            return;
        }
        let by_now = match self.operator.acts() {
            Ok(acts) => Acts::Known(acts.at(pass.now)),
            Err(_) => Acts::Unreadable,
        };
        for item in items.iter_mut().filter(|item| item.is_change()) {
            let managed = &self.workloads[item.index()];
            if let Some(hold) = by_now.pause(&managed.settings.id) {
                item.hold(managed, hold, pass.now);
            }
        }
    }
}
