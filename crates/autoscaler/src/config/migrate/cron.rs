//! From two cron expressions, of a start and of an end, to how long that is each time, and whether clocks change within it.

use std::time::Duration;

use headroom_policy_engine::Timestamp;
use jiff::{SignedDuration, tz::TimeZone};

use crate::{
    Recurrence,
    schedule::{moment_of, on_the_calendar},
};

const HOUR: u64 = 60;
const DAY: u64 = 24 * HOUR;
/// How many changes of the clocks are looked at, of which a year has two: after 28 years the days of the month fall on the
/// same days of the week again.
const CHANGES: usize = 56;

/// How long it is from `start` to the next `end`; `None` where that is not the same each time, as far as can be told.
pub(super) fn length(start: &str, end: &str) -> Option<Duration> {
    let (start, end) = (Times::read(start)?, Times::read(end)?);
    let ahead = |whole: u64, from: u64, to: u64| (to + whole - from - 1) % whole + 1;
    let minutes = if start.hour.is_none() && end.hour.is_none() {
        (start.days == end.days && start.is_daily()).then(|| ahead(HOUR, start.minute, end.minute))?
    } else {
        let (from, to) = (start.hour? * HOUR + start.minute, end.hour? * HOUR + end.minute);
        if start.is_daily() && end.is_daily() {
            ahead(DAY, from, to)
        } else if start.days == end.days {
            (to > from).then(|| to - from)?
        } else {
            let (first, last) = (start.weekday()?, end.weekday()?);
            ahead(7 * DAY, first * DAY + from, last * DAY + to)
        }
    };
    Some(Duration::from_secs(minutes * 60))
}

/// Whether the clocks of `zone` change, after `now`, within a span of `length` that begins at `start` by them: then it does
/// not end at the time that they show otherwise.
pub(super) fn meets_a_change(start: &str, zone: &str, length: Duration, now: Timestamp) -> bool {
    let (Ok(cron), Ok(zone), Some(now)) = (start.parse(), TimeZone::get(zone), on_the_calendar(now)) else {
        return false;
    };
    let spans = Recurrence {
        cron,
        zone,
        duration: length,
    };
    let mut changes = spans.zone.following(now).take(CHANGES);
    changes.any(|change| {
        let Ok(just_before) = change.timestamp().checked_sub(SignedDuration::from_millis(1)) else {
            return false;
        };
        let under_way = spans.latest_window(moment_of(just_before));
        spans.zone.to_offset(just_before) != change.offset()
            && under_way.is_some_and(|span| span.until > moment_of(change.timestamp()))
    })
}

/// One time of the day, on certain days.
struct Times<'a> {
    minute: u64,
    /// `None`: every hour.
    hour: Option<u64>,
    /// Day of the month, month, day of the week.
    days: [&'a str; 3],
}

impl<'a> Times<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, days @ ..] = fields.as_slice() else {
            return None;
        };
        let below = |text: &str, most: u64| text.parse().ok().filter(|number| *number < most);
        Some(Self {
            minute: below(minute, HOUR)?,
            hour: if *hour == "*" {
                None
            } else {
                Some(below(hour, 24)?)
            },
            days: <[&str; 3]>::try_from(days).ok()?,
        })
    }

    fn is_daily(&self) -> bool {
        self.days == ["*"; 3]
    }

    /// The one day of the week, from Sunday.
    fn weekday(&self) -> Option<u64> {
        const NAMES: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let [day, month, weekday] = self.days;
        if (day, month) != ("*", "*") {
            return None;
        }
        let named = NAMES
            .iter()
            .zip(0..)
            .find_map(|(name, number)| (weekday.eq_ignore_ascii_case(name)).then_some(number));
        named.or_else(|| weekday.parse().ok().filter(|number| *number < 7))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(start: &str, end: &str, minutes: Option<u64>) {
        let expected = minutes.map(|minutes| Duration::from_secs(minutes * 60));
        assert_eq!(length(start, end), expected, "{start} to {end}");
    }

    #[test]
    fn a_span_that_is_the_same_each_time_has_a_length() {
        check("0 8 * * 1-5", "0 20 * * 1-5", Some(12 * 60));
        check("30 22 * * *", "0 6 * * *", Some(7 * 60 + 30));
        check("0 18 * * 5", "0 6 * * 1", Some(60 * 60));
        check("0 18 * * fri", "0 6 * * Mon", Some(60 * 60));
        check("10 * * * *", "40 * * * *", Some(30));
        check("0 8 * * *", "0 8 * * *", Some(24 * 60));
    }

    #[track_caller]
    fn check_change(start: &str, end: &str, zone: &str, expected: bool) {
        let now = Timestamp::from_unix_millis(1_790_000_000_000);
        let found = meets_a_change(start, zone, length(start, end).unwrap(), now);
        assert_eq!(found, expected, "{start} to {end} in {zone}");
    }

    #[test]
    fn clocks_change_within_a_span_of_the_night_where_they_change() {
        check_change("0 22 * * *", "0 6 * * *", "Europe/Berlin", true);
        check_change("0 18 * * 5", "0 6 * * 1", "Europe/Berlin", true);
        check_change("0 0 29 3 *", "0 6 29 3 *", "Europe/Berlin", true);
        check_change("0 8 * * *", "0 20 * * *", "Europe/Berlin", false);
        check_change("0 0 * * 1-5", "0 6 * * 1-5", "Europe/Berlin", false);
        check_change("0 0 * * *", "0 2 * * *", "Europe/Berlin", false);
        check_change("0 3 * * *", "0 6 * * *", "Europe/Berlin", false);
        check_change("0 22 * * *", "0 6 * * *", "Asia/Seoul", false);
        check_change("0 22 * * *", "0 6 * * *", "UTC", false);
    }

    #[test]
    fn any_other_span_has_none() {
        check("0 20 * * 1-5", "0 6 * * 1-5", None);
        check("0 8 * * 1-5", "0 20 * * 1-4", None);
        check("0 8 1 * *", "0 20 2 * *", None);
        check("*/5 8 * * *", "0 9 * * *", None);
        check("0 8 * *", "0 9 * * *", None);
    }
}
