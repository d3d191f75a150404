//! What is logged of what is not told.

use tracing::{error, warn};

use crate::delivery::{ChannelName, LeftOut, Reason};

/// Says how many notices of `channel` are left out that somebody may miss.
pub(super) fn left_out(channel: &ChannelName, left_out: &[LeftOut]) {
    let count = |reason| left_out.iter().filter(|one| one.reason == reason).count();
    for (reason, text) in [
        (
            Reason::TooMany,
            "more waited than may, and the oldest are not told",
        ),
        (
            Reason::HeldTooLong,
            "the channel's limit held notices back for too long",
        ),
    ] {
        let notices = count(reason);
        if notices > 0 {
            warn!(%channel, notices, "{text}");
        }
    }
    let notices = count(Reason::NotTaken);
    if notices > 0 {
        error!(%channel, notices, "the channel did not take notices for too long, and they are not told");
    }
}
