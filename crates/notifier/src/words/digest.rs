//! What the digest of several workloads comes to.

use headroom_policy_engine::Number;

use super::Clock;
use crate::Digest;

/// Whether it is of the local day before the one from which people look, from its first moment to its last.
pub(super) fn is_of_yesterday(digest: &Digest, clock: &Clock<'_>) -> bool {
    let (since, until) = (clock.local(digest.since), clock.local(digest.until));
    let today = clock.local(clock.now).date();
    let is_start_of_day = |at: &jiff::Zoned| at.start_of_day().is_ok_and(|start| start == *at);
    is_start_of_day(&since)
        && is_start_of_day(&until)
        && until.date() == today
        && since.date().tomorrow().is_ok_and(|next| next == today)
}

/// How often counts were changed in it.
pub(super) fn changes(digest: &Digest) -> u64 {
    let each = digest.workloads.iter().map(|of| u64::from(of.changes));
    each.sum()
}

/// Replicas times hours: of all workloads, and what it would have been with the most that is allowed, all the time; `None`
/// where they are known of none.
pub(super) fn hours(digest: &Digest) -> Option<(f64, f64)> {
    let known = digest.workloads.iter().filter_map(|of| of.counts.as_ref());
    let hours = known.map(|counts| (counts.replica_hours, counts.fixed_hours));
    hours.reduce(|(replica, fixed), of| (replica + of.0, fixed + of.1))
}

/// Hours in whole ones, where it is not about a few.
pub(super) fn in_hours(hours: f64) -> Number {
    Number(if hours >= 10.0 { hours.round() } else { hours })
}
