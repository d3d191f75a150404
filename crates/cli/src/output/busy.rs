//! A sign of life while somebody waits at a terminal.

use std::time::Duration;

use indicatif::ProgressBar;

/// Shows that something is going on, until it is dropped. Leaves nothing on the screen.
#[derive(Debug)]
pub(crate) struct Busy(ProgressBar);

impl Busy {
    /// Shows `what` beside a turning sign.
    pub(super) fn show(what: &'static str) -> Self {
        let bar = ProgressBar::new_spinner().with_message(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Shows nothing.
    pub(super) fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
