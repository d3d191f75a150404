//! From two cron expressions, of a start and of an end, to how long that is each time.

use std::time::Duration;

const HOUR: u64 = 60;
const DAY: u64 = 24 * HOUR;

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

    #[test]
    fn any_other_span_has_none() {
        check("0 20 * * 1-5", "0 6 * * 1-5", None);
        check("0 8 * * 1-5", "0 20 * * 1-4", None);
        check("0 8 1 * *", "0 20 2 * *", None);
        check("*/5 8 * * *", "0 9 * * *", None);
        check("0 8 * *", "0 9 * * *", None);
    }
}
