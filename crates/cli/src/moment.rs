//! Moments and spans as people write and read them.

use std::time::Duration;

use headroom_policy_engine::Timestamp;
use jiff::{SignedDuration, SpanRelativeTo, Zoned, civil, tz::TimeZone};

/// The moment now, by the machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_millis(jiff::Timestamp::now().as_millisecond())
}

/// A moment for programs: RFC 3339 in UTC, to the millisecond.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    format!("{:.3}", on_the_calendar(at))
}

/// A moment for people: date and time of day in the local zone.
pub(crate) fn date_and_time(at: Timestamp) -> String {
    local(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment of a running command: the time of day in the local zone.
pub(crate) fn time_of_day(at: Timestamp) -> String {
    local(at).strftime("%H:%M:%S").to_string()
}

/// How long ago `at` was, for people: `40 s ago`.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let (before, after) = (now.since(at), at.since(now));
    if before.max(after) < Duration::from_secs(1) {
        "now".to_owned()
    } else if at > now {
        format!("in {}", span(after))
    } else {
        format!("{} ago", span(before))
    }
}

/// A span for people, in its two largest units at most: `40 s`, `1 h 5 min`, `3 d`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours) = (seconds / 86_400, seconds % 86_400 / 3600);
    let (minutes, seconds) = (seconds % 3600 / 60, seconds % 60);
    match (days, hours, minutes, seconds) {
        (0, 0, 0, 0..10) if span.subsec_millis() >= 50 => format!("{:.1} s", span.as_secs_f64()),
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, 0) => format!("{minutes} min"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, 0, _) => format!("{hours} h"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, 0, _, _) => format!("{days} d"),
        (days, hours, _, _) => format!("{days} d {hours} h"),
    }
}

/// Reads a span such as `90s`, `2h` or `1d 12h`: above zero, at most a year.
///
/// # Errors
/// When it is none, in words for the user.
pub(crate) fn read_span(text: &str) -> Result<Duration, String> {
    let wrong = || "it is a span such as 90s, 30m, 2h or 1d".to_owned();
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let span = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| wrong())?;
    let span = Duration::try_from(span).map_err(|_| wrong())?;
    if span.is_zero() || span > Duration::from_secs(365 * 86_400) {
        return Err("it is above zero, and at most a year".to_owned());
    }
    Ok(span)
}

/// Reads a time from the start of something, such as `2m30s` or `0s`: at most a year.
///
/// # Errors
/// When it is none, in words for the user.
pub(crate) fn read_offset(text: &str) -> Result<Duration, String> {
    if text == "0" || text == "0s" {
        return Ok(Duration::ZERO);
    }
    read_span(text).map_err(|_| "it is a time from the start, such as 0s, 2m30s or 1h".to_owned())
}

/// Reads a moment: RFC 3339, a local date and time, a local time of today, or a span before now.
///
/// # Errors
/// When it is none, in words for the user.
pub(crate) fn read_moment(text: &str) -> Result<Timestamp, String> {
    read_moment_at(text, &Zoned::now()).ok_or_else(|| {
        "it is a moment such as 2026-05-01T10:30:00Z, \"2026-05-01 10:30\", 10:30 (today), or 15m (ago)"
            .to_owned()
    })
}

/// Reads a moment to come: RFC 3339, a local date and time, or a local time of day, which is that of today, or of tomorrow
/// where today's has passed. At most a year ahead.
///
/// # Errors
/// When it is none, in words for the user.
pub(crate) fn read_end(text: &str) -> Result<Timestamp, String> {
    read_end_at(text, &Zoned::now())
}

fn read_end_at(text: &str, now: &Zoned) -> Result<Timestamp, String> {
    let next = || {
        let time: civil::Time = text.parse().ok()?;
        let on = |date: civil::Date| here(date.to_datetime(time), now).filter(|at| *at > now.timestamp());
        on(now.date()).or_else(|| on(now.date().tomorrow().ok()?))
    };
    // A time of day is looked for last: the date before one would be read over.
    let at = dated(text, now).or_else(next);
    let at = at.ok_or_else(|| {
        "it is a moment such as 2026-05-01T10:30:00Z, \"2026-05-01 10:30\", or 18:00 (today, or tomorrow); a span, \
         such as 30m, goes with --for"
            .to_owned()
    })?;
    if at <= now.timestamp() {
        return Err("that has passed".to_owned());
    }
    if at.duration_since(now.timestamp()) > SignedDuration::from_hours(366 * 24) {
        return Err("it is at most a year ahead".to_owned());
    }
    Ok(Timestamp::from_unix_millis(at.as_millisecond()))
}

/// A time on the local clocks, as a moment.
fn here(at: civil::DateTime, now: &Zoned) -> Option<jiff::Timestamp> {
    Some(at.to_zoned(now.time_zone().clone()).ok()?.timestamp())
}

/// A date and time, with its offset or on the local clocks.
fn dated(text: &str, now: &Zoned) -> Option<jiff::Timestamp> {
    text.parse().ok().or_else(|| here(text.parse().ok()?, now))
}

fn read_moment_at(text: &str, now: &Zoned) -> Option<Timestamp> {
    let read = || -> Option<jiff::Timestamp> {
        if let Some(at) = dated(text, now) {
            return Some(at);
        }
        if let Ok(time) = text.parse::<civil::Time>() {
            return here(now.date().to_datetime(time), now);
        }
        let span: jiff::Span = text.trim_end_matches("ago").trim_end().parse().ok()?;
        let span = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        now.timestamp().checked_sub(span.max(SignedDuration::ZERO)).ok()
    };
    read().map(|at| Timestamp::from_unix_millis(at.as_millisecond()))
}

fn on_the_calendar(at: Timestamp) -> jiff::Timestamp {
    let bound = if at.unix_millis() < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    jiff::Timestamp::from_millisecond(at.unix_millis()).unwrap_or(bound)
}

fn local(at: Timestamp) -> Zoned {
    on_the_calendar(at).to_zoned(TimeZone::system())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_spans_in_two_units_at_most() {
        for (millis, text) in [
            (1_500, "1.5 s"),
            (40_000, "40 s"),
            (90_000, "1 min 30 s"),
            (3_900_000, "1 h 5 min"),
            (86_400_000, "1 d"),
            (100_000_000, "1 d 3 h"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn reads_spans_and_refuses_what_is_none() {
        assert_eq!(read_span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(read_span("1d 12h"), Ok(Duration::from_secs(36 * 3600)));
        for text in ["", "5", "0s", "-2h", "2 fortnights", "400d"] {
            assert!(read_span(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn reads_a_moment_in_every_form() {
        let now: Zoned = "2026-05-01T12:00:00+02:00[Europe/Berlin]".parse().unwrap();
        let read = |text: &str| read_moment_at(text, &now).map(rfc3339);
        let half_past = Some("2026-05-01T08:30:00.000Z".to_owned());
        for text in [
            "2026-05-01T08:30:00Z",
            "2026-05-01 10:30",
            "10:30",
            "90m",
            "1h 30m ago",
        ] {
            assert_eq!(read(text), half_past, "{text}");
        }
        let before = Some("2026-04-30T08:30:00.000Z".to_owned());
        assert_eq!(read("2026-04-30 10:30"), before, "of another day");
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn reads_an_end_that_is_to_come() {
        let now: Zoned = "2026-05-01T12:00:00+02:00[Europe/Berlin]".parse().unwrap();
        let read = |text: &str| read_end_at(text, &now).map(rfc3339);
        for (text, end) in [
            ("18:00", "2026-05-01T16:00:00.000Z"),
            ("06:00", "2026-05-02T04:00:00.000Z"),
            ("12:00", "2026-05-02T10:00:00.000Z"),
            ("2026-05-03 10:30", "2026-05-03T08:30:00.000Z"),
            ("2026-05-03T10:30:00Z", "2026-05-03T10:30:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(end), "{text}");
        }
        for text in ["", "soon", "2h", "2026-05-01 11:59", "2027-06-01 00:00"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_beyond_the_calendar_is_said_all_the_same() {
        assert_eq!(rfc3339(Timestamp::MAX), "9999-12-30T22:00:00.999Z");
    }
}
