//! What goes on is sent again to those who forget it.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{Interval, MissedTickBehavior, interval},
};
use tracing::{debug, warn};

use super::Desk;
use crate::{Message, Notice, delivery::OutboxError};

/// After so long, as Prometheus does.
const EVERY: Duration = Duration::from_secs(60);
/// So much of what goes on is sent again in one message.
const AT_ONCE: usize = 200;

/// When it is done: at once, and then regularly.
pub(super) fn ticks() -> Interval {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

impl Desk {
    /// Sends what goes on again, where the other side [forgets](crate::Notifier::forgets).
    ///
    /// That is nothing new, so it does not count against the limit, and where it is not taken it is left to the next time.
    pub(in super::super) async fn repeat(self: &Arc<Self>) {
        if !self.channel.notifier.forgets() || self.known().standing.failures > 0 {
            return;
        }
        let desk = Arc::clone(self);
        let going_on = match spawn_blocking(move || desk.going_on()).await {
            Ok(Ok(going_on)) => going_on,
            Ok(Err(error)) => {
                warn!(channel = %self.name(), error = %error, "what goes on cannot be read, and is not sent again");
                return;
            }
            Err(error) => {
                self.fault(&error);
                return;
            }
        };
        for notices in going_on.chunks(AT_ONCE) {
            let message = Message {
                key: "again".to_owned(),
                notices: notices.to_vec(),
                told: 0,
                earlier: None,
                left_out: 0,
            };
            if let Err(error) = self.send(&message).await {
                debug!(channel = %self.name(), error = %error, "what goes on could not be sent again");
                return;
            }
        }
    }

    /// What the channel was told that goes on, as far as it has not ended meanwhile.
    fn going_on(&self) -> Result<Vec<Notice>, OutboxError> {
        let mut going_on = self.shared.outbox.going_on(self.name())?;
        let unrecorded = self.unrecorded();
        let goes_on = |notice: &Notice| {
            let known = unrecorded.thread(&notice.incident());
            known.is_none_or(|thread| thread.open.is_some())
        };
        going_on.retain(goes_on);
        Ok(going_on)
    }
}
