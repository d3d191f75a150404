//! From times on the wall to moments, also where the clocks change.

use headroom_policy_engine::Timestamp as Moment;
use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::DateTime,
    tz::{AmbiguousOffset, Offset, TimeZone},
};

/// Zones change their clocks for one reason at a time, but records of several changes may lie close together.
const CHANGES_LOOKED_AT: usize = 8;

/// The moment of a decision; `None` beyond the calendar.
pub(crate) fn on_the_calendar(at: Moment) -> Option<Timestamp> {
    Timestamp::from_millisecond(at.unix_millis()).ok()
}

/// A moment of the calendar, as the engine counts.
pub(crate) fn moment_of(at: Timestamp) -> Moment {
    Moment::from_unix_millis(at.as_millisecond())
}

/// The first moment at which the clocks of `zone` show `time` or later: of a time that happens twice the first, of one
/// that is left out the moment at which the clocks go on. `None` beyond the calendar.
pub(crate) fn first_moment(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).ok(),
        AmbiguousOffset::Gap { before, after } => {
            // Read by the later offset, the time lies before the change.
            let earlier = after.to_timestamp(time).ok()?;
            let mut changes = zone.following(earlier).take(CHANGES_LOOKED_AT);
            let change = changes.find(|change| changes_at(zone, change.timestamp(), before, after));
            change.map(|change| change.timestamp())
        }
    }
}

/// The latest time on the wall whose first moment is not after `now`. `None` beyond the calendar.
///
/// That is what the clocks show, but for the second time an hour happens: by then all of that hour has been.
pub(crate) fn latest_begun(zone: &TimeZone, now: Timestamp) -> Option<DateTime> {
    let here = zone.to_offset(now);
    let shown = here.to_datetime(now);
    match zone.to_ambiguous_timestamp(shown).offset() {
        AmbiguousOffset::Fold { before, after } if after == here => {
            let just_after = now.checked_add(SignedDuration::from_nanos(1)).ok()?;
            let mut changes = zone.preceding(just_after).take(CHANGES_LOOKED_AT);
            let change = changes.find(|change| changes_at(zone, change.timestamp(), before, after))?;
            // What the clocks would have shown next if they had not gone back.
            before
                .to_datetime(change.timestamp())
                .checked_sub(1.nanosecond())
                .ok()
        }
        AmbiguousOffset::Fold { .. } | AmbiguousOffset::Gap { .. } | AmbiguousOffset::Unambiguous { .. } => {
            Some(shown)
        }
    }
}

/// Whether the clocks of `zone` change from `before` to `after` at `moment`.
fn changes_at(zone: &TimeZone, moment: Timestamp, before: Offset, after: Offset) -> bool {
    let just_before = moment.checked_sub(SignedDuration::from_nanos(1));
    zone.to_offset(moment) == after
        && just_before.is_ok_and(|just_before| zone.to_offset(just_before) == before)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every change of every zone from 1970 to 2040, with the offsets before and after it.
    fn changes(mut look: impl FnMut(&str, &TimeZone, Timestamp, Offset, Offset)) {
        let from: Timestamp = "1970-01-02T00:00:00Z".parse().unwrap();
        let until: Timestamp = "2040-01-01T00:00:00Z".parse().unwrap();
        let names: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        assert!(names.len() > 300, "{} zones", names.len());
        for name in names {
            let zone = TimeZone::get(&name).unwrap();
            let within = zone
                .following(from)
                .take_while(|change| change.timestamp() < until);
            for change in within {
                let before = zone.to_offset(change.timestamp() - SignedDuration::from_nanos(1));
                look(&name, &zone, change.timestamp(), before, change.offset());
            }
        }
    }

    /// A minute at a time through what a change leaves out or shows twice; its two ends included.
    fn minutes(first: DateTime, last: DateTime) -> impl Iterator<Item = DateTime> {
        (0_i64..)
            .map(move |minute| first + minute.minutes())
            .take_while(move |time| *time <= last)
            .step_by(7)
    }

    #[test]
    fn a_time_that_is_left_out_is_the_moment_at_which_the_clocks_go_on() {
        let mut looked_at = 0;
        changes(|name, zone, at, before, after| {
            if after <= before {
                return;
            }
            let (first, last) = (before.to_datetime(at), after.to_datetime(at) - 1.second());
            for time in minutes(first, last) {
                assert_eq!(first_moment(zone, time), Some(at), "{name}: {time}");
                looked_at += 1;
            }
        });
        assert!(looked_at > 10_000, "{looked_at}");
    }

    #[test]
    fn a_time_that_happens_twice_is_the_first_moment_and_has_been_by_the_second() {
        let mut looked_at = 0;
        changes(|name, zone, at, before, after| {
            if after >= before {
                return;
            }
            let (first, end) = (after.to_datetime(at), before.to_datetime(at));
            for time in minutes(first, end - 1.second()) {
                let moment = before.to_timestamp(time).unwrap();
                assert_eq!(first_moment(zone, time), Some(moment), "{name}: {time}");
                assert_eq!(latest_begun(zone, moment), Some(time), "{name}: {time}, first");
                let again = after.to_timestamp(time).unwrap();
                let latest = latest_begun(zone, again).unwrap();
                assert_eq!(latest, end - 1.nanosecond(), "{name}: {time}, again");
                looked_at += 1;
            }
        });
        assert!(looked_at > 10_000, "{looked_at}");
    }

    #[test]
    fn beyond_the_calendar_there_is_no_time() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(on_the_calendar(Moment::MAX), None);
        assert_eq!(on_the_calendar(Moment::MIN), None);
        assert_eq!(
            first_moment(&berlin, DateTime::MIN),
            None,
            "Berlin's clocks are ahead of the first moment"
        );
        assert!(latest_begun(&berlin, Timestamp::MAX).is_some());
    }
}
