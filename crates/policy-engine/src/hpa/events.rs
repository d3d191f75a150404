//! Remembering what was written (`hpa-semantics` §10.4).

use crate::{HpaPath, ScaleEvents, Timestamp};

/// Stores a change that was written, of either direction, in the events of its direction. Without `behavior` nothing is
/// stored, because nothing reads it.
///
/// An event matters for as long as the longest period of the rules that are set then; that is seen to where they are
/// read ([`ScaleEvents::live`]).
pub fn store_scale_event(path: HpaPath, previous: i32, new: i32, events: &mut ScaleEvents, now: Timestamp) {
    match path {
        HpaPath::WithoutBehavior => {}
        HpaPath::WithBehavior => events.add(now, previous.abs_diff(new)),
    }
}
