//! Hours of the day in which only what is urgent is sent, on the clocks of a time zone.

use headroom_policy_engine::Timestamp as Moment;
use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, TimeZone},
};
use thiserror::Error;

/// Hours of each day in which only what is urgent is sent, such as 22:00 to 07:00.
///
/// They begin when the clocks first show the one time or a later one, and end when they first show the other: where an
/// hour is left out, at the moment the clocks go on, and where it happens twice, at its first time.
#[derive(Clone, Debug, PartialEq)]
pub struct QuietHours {
    from: Time,
    until: Time,
    zone: TimeZone,
}

/// Why hours are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QuietHoursError {
    /// They end when they begin.
    #[error("quiet hours that end when they begin are none, or all")]
    Empty,
}

impl QuietHours {
    /// From `from` until `until` on the clocks of `zone`, on the next day where that is earlier.
    ///
    /// # Errors
    /// When both are the same.
    pub fn new(from: Time, until: Time, zone: TimeZone) -> Result<Self, QuietHoursError> {
        if from == until {
            return Err(QuietHoursError::Empty);
        }
        Ok(Self { from, until, zone })
    }

    /// When those of `now` end; `None` where `now` is in none.
    #[must_use]
    pub fn end(&self, now: Moment) -> Option<Moment> {
        let now = Timestamp::from_millisecond(now.unix_millis()).ok()?;
        let today = self.zone.to_datetime(now).date();
        // Where the clocks go back over midnight, those of tomorrow have begun.
        let days = [today.yesterday().ok(), Some(today), today.tomorrow().ok()];
        let ends = days.into_iter().flatten().filter_map(|day| self.of(day));
        ends.filter(|(begin, end)| *begin <= now && now < *end)
            .map(|(_, end)| Moment::from_unix_millis(end.as_millisecond()))
            .max()
    }

    /// The first moment from `at` on that is in none.
    pub(super) fn after(&self, at: Moment) -> Moment {
        self.end(at).unwrap_or(at)
    }

    /// When those that begin on `day` begin and end.
    fn of(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let last = if self.until < self.from {
            day.checked_add(1.day()).ok()?
        } else {
            day
        };
        let begin = first_moment(&self.zone, day.to_datetime(self.from))?;
        let end = first_moment(&self.zone, last.to_datetime(self.until))?;
        Some((begin, end))
    }
}

/// The first moment at which the clocks of `zone` show `time` or later; `None` beyond the calendar.
fn first_moment(zone: &TimeZone, time: DateTime) -> Option<Timestamp> {
    let read = zone.to_ambiguous_timestamp(time);
    match read.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => read.earlier().ok(),
        // Read by the later offset, the time lies before the change, and the change is the next one.
        AmbiguousOffset::Gap { .. } => {
            let before = read.earlier().ok()?;
            Some(zone.following(before).next()?.timestamp())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether hours from `from` until `until` in `zone` hold at `now`, and until when.
    #[track_caller]
    fn check(zone: &str, from: &str, until: &str, now: &str, expected: Option<&str>) {
        let zone = TimeZone::get(zone).unwrap();
        let hours = QuietHours::new(from.parse().unwrap(), until.parse().unwrap(), zone).unwrap();
        let moment = |text: &str| {
            let at: Timestamp = text.parse().unwrap();
            Moment::from_unix_millis(at.as_millisecond())
        };
        assert_eq!(hours.end(moment(now)), expected.map(moment), "{now}");
    }

    #[test]
    fn they_may_span_midnight() {
        let seoul = |now, expected| check("Asia/Seoul", "22:00", "07:00", now, expected);
        seoul("2026-05-01T21:59:59.999+09:00", None);
        seoul("2026-05-01T22:00:00+09:00", Some("2026-05-02T07:00:00+09:00"));
        seoul("2026-05-02T00:30:00+09:00", Some("2026-05-02T07:00:00+09:00"));
        seoul("2026-05-02T06:59:59.999+09:00", Some("2026-05-02T07:00:00+09:00"));
        seoul("2026-05-02T07:00:00+09:00", None);
        let midday = |now, expected| check("Asia/Seoul", "12:00", "13:00", now, expected);
        midday("2026-05-01T12:30:00+09:00", Some("2026-05-01T13:00:00+09:00"));
        midday("2026-05-01T00:30:00+09:00", None);
    }

    #[test]
    fn clocks_that_go_on_shorten_them() {
        // On 2026-03-29 clocks in Berlin go from 02:00 to 03:00.
        let berlin = |from, until, now, expected| check("Europe/Berlin", from, until, now, expected);
        let seven = Some("2026-03-29T07:00:00+02:00");
        berlin("22:00", "07:00", "2026-03-28T22:00:00+01:00", seven);
        // An end that is left out is when the clocks go on.
        let three = Some("2026-03-29T03:00:00+02:00");
        berlin("22:00", "02:30", "2026-03-29T01:59:59+01:00", three);
        berlin("22:00", "02:30", "2026-03-29T03:00:00+02:00", None);
        // So is a beginning.
        let four = Some("2026-03-29T04:00:00+02:00");
        berlin("02:30", "04:00", "2026-03-29T03:00:00+02:00", four);
        berlin("02:30", "04:00", "2026-03-29T01:59:59+01:00", None);
    }

    #[test]
    fn clocks_that_go_back_lengthen_them_and_do_not_repeat_their_end() {
        // On 2026-10-25 clocks in Berlin go from 03:00 back to 02:00.
        let berlin = |from, until, now, expected| check("Europe/Berlin", from, until, now, expected);
        let seven = Some("2026-10-25T07:00:00+01:00");
        berlin("22:00", "07:00", "2026-10-24T22:00:00+02:00", seven);
        let first = Some("2026-10-25T02:30:00+02:00");
        berlin("22:00", "02:30", "2026-10-25T02:29:00+02:00", first);
        berlin("22:00", "02:30", "2026-10-25T02:10:00+01:00", None);
        // What begins in the hour that happens twice begins at its first time.
        let four = Some("2026-10-25T04:00:00+01:00");
        berlin("02:30", "04:00", "2026-10-25T02:30:00+02:00", four);
        berlin("02:30", "04:00", "2026-10-25T02:10:00+01:00", four);
    }

    #[test]
    fn hours_of_no_length_are_refused() {
        let noon = Time::midnight();
        assert_eq!(
            QuietHours::new(noon, noon, TimeZone::UTC),
            Err(QuietHoursError::Empty)
        );
    }
}
