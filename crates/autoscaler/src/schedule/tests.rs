use std::collections::BTreeSet;

use jiff::{ToSpan as _, Zoned, civil::DateTime};
use proptest::{
    collection::btree_set,
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError},
};

use super::*;

fn at(text: &str) -> Timestamp {
    let at: jiff::Timestamp = text.parse().unwrap();
    Timestamp::from_unix_millis(at.as_millisecond())
}

fn recurring(cron: &str, zone: &str, minutes: u64) -> Schedule {
    Schedule {
        name: ScheduleName::new("sale"),
        when: When::Recurring(Recurrence {
            cron: cron.parse().unwrap(),
            zone: TimeZone::get(zone).unwrap(),
            duration: Duration::from_secs(minutes * 60),
        }),
        bounds: ActiveBounds::default(),
    }
}

/// That a window of `minutes` begins at `from` and ends at `until`, both with their offsets, and that it is in force from
/// the first of these moments up to the second, and neither before nor after.
#[track_caller]
fn check(cron: &str, zone: &str, minutes: u64, from: &str, until: &str) {
    let schedule = recurring(cron, zone, minutes);
    let window = Window {
        from: at(from),
        until: at(until),
    };
    let millisecond = Duration::from_millis(1);
    assert_eq!(schedule.window_at(window.from.minus(millisecond)), None, "before");
    assert_eq!(schedule.window_at(window.from), Some(window), "at its beginning");
    let last = window.until.minus(millisecond);
    assert_eq!(schedule.window_at(last), Some(window), "at its end");
    assert_eq!(schedule.window_at(window.until), None, "after");
}

#[test]
fn a_window_lasts_its_duration_in_summer_and_in_winter() {
    check(
        "0 8 * * 1-5",
        "Europe/Berlin",
        600,
        "2026-07-03T08:00:00+02:00",
        "2026-07-03T18:00:00+02:00",
    );
    check(
        "0 8 * * 1-5",
        "Europe/Berlin",
        600,
        "2026-12-04T08:00:00+01:00",
        "2026-12-04T18:00:00+01:00",
    );
    check(
        "0 8 * * 1-5",
        "America/New_York",
        600,
        "2026-07-03T08:00:00-04:00",
        "2026-07-03T18:00:00-04:00",
    );
    check(
        "0 8 * * 1-5",
        "Asia/Seoul",
        600,
        "2026-07-03T08:00:00+09:00",
        "2026-07-03T18:00:00+09:00",
    );
}

/// Berlin's clocks go from 02:00 to 03:00 on 2026-03-29, New York's on 2026-03-08, and Seoul's did on 1988-05-08.
#[test]
fn a_window_that_begins_in_the_hour_that_is_left_out_begins_when_the_clocks_go_on() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        90,
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T04:30:00+02:00",
    );
    check(
        "30 2 * * *",
        "America/New_York",
        90,
        "2026-03-08T03:00:00-04:00",
        "2026-03-08T04:30:00-04:00",
    );
    check(
        "30 2 * * *",
        "Asia/Seoul",
        90,
        "1988-05-08T03:00:00+10:00",
        "1988-05-08T04:30:00+10:00",
    );
}

/// Berlin's clocks go from 03:00 to 02:00 on 2026-10-25, New York's from 02:00 to 01:00 on 2026-11-01, and Seoul's did
/// from 03:00 to 02:00 on 1988-10-09.
#[test]
fn a_window_that_begins_in_the_hour_that_happens_twice_begins_the_first_time_and_only_then() {
    check(
        "30 2 * * *",
        "Europe/Berlin",
        20,
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:50:00+02:00",
    );
    check(
        "30 1 * * *",
        "America/New_York",
        20,
        "2026-11-01T01:30:00-04:00",
        "2026-11-01T01:50:00-04:00",
    );
    check(
        "30 2 * * *",
        "Asia/Seoul",
        20,
        "1988-10-09T02:30:00+10:00",
        "1988-10-09T02:50:00+10:00",
    );
    // It goes on while its hour happens again.
    check(
        "30 2 * * *",
        "Europe/Berlin",
        50,
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:20:00+01:00",
    );
    for (zone, again) in [
        ("Europe/Berlin", "2026-10-25T02:30:00+01:00"),
        ("Asia/Seoul", "1988-10-09T02:30:00+09:00"),
    ] {
        assert_eq!(recurring("30 2 * * *", zone, 20).window_at(at(again)), None);
    }
    let new_york = recurring("30 1 * * *", "America/New_York", 20);
    assert_eq!(new_york.window_at(at("2026-11-01T01:30:00-05:00")), None);
}

#[test]
fn a_duration_is_elapsed_time_where_the_clocks_change_meanwhile() {
    let (cron, minutes) = ("0 22 * * 6", 600);
    check(
        cron,
        "Europe/Berlin",
        minutes,
        "2026-03-28T22:00:00+01:00",
        "2026-03-29T09:00:00+02:00",
    );
    check(
        cron,
        "Europe/Berlin",
        minutes,
        "2026-10-24T22:00:00+02:00",
        "2026-10-25T07:00:00+01:00",
    );
    check(
        cron,
        "America/New_York",
        minutes,
        "2026-03-07T22:00:00-05:00",
        "2026-03-08T09:00:00-04:00",
    );
    check(
        cron,
        "America/New_York",
        minutes,
        "2026-10-31T22:00:00-04:00",
        "2026-11-01T07:00:00-05:00",
    );
    check(
        cron,
        "Asia/Seoul",
        minutes,
        "1988-05-07T22:00:00+09:00",
        "1988-05-08T09:00:00+10:00",
    );
    check(
        cron,
        "Asia/Seoul",
        minutes,
        "1988-10-08T22:00:00+10:00",
        "1988-10-09T07:00:00+09:00",
    );
}

#[test]
fn of_windows_that_overlap_the_last_one_counts() {
    let schedule = recurring("0 * * * *", "UTC", 90);
    let window = schedule.window_at(at("2026-07-03T08:15:00Z")).unwrap();
    assert_eq!(window.from, at("2026-07-03T08:00:00Z"));
    assert_eq!(window.until, at("2026-07-03T09:30:00Z"));
}

#[test]
fn a_window_may_be_a_year_long() {
    let schedule = recurring("0 0 29 2 *", "Europe/Berlin", 366 * 24 * 60);
    assert!(schedule.window_at(at("2025-02-28T12:00:00Z")).is_some());
    assert!(schedule.window_at(at("2025-03-01T12:00:00Z")).is_none());
}

#[test]
fn a_schedule_that_is_once_is_in_force_once() {
    let window = Window {
        from: at("2026-11-27T08:00:00+01:00"),
        until: at("2026-11-28T00:00:00+01:00"),
    };
    let schedule = Schedule {
        when: When::Once(window),
        ..recurring("0 0 * * *", "UTC", 1)
    };
    assert_eq!(schedule.window_at(at("2026-11-27T06:59:59Z")), None);
    assert_eq!(schedule.window_at(at("2026-11-27T07:00:00Z")), Some(window));
    assert_eq!(schedule.window_at(at("2026-11-27T23:00:00Z")), None);
}

#[test]
fn beyond_the_calendar_no_schedule_is_in_force() {
    let schedule = recurring("* * * * *", "Europe/Berlin", 1);
    assert_eq!(schedule.window_at(Timestamp::MIN), None);
    assert_eq!(schedule.window_at(Timestamp::MAX), None);
}

/// An expression as the sets that its fields stand for.
#[derive(Clone, Debug)]
struct Fields {
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    /// `None` is `*`.
    days: Option<BTreeSet<i8>>,
    months: Option<BTreeSet<i8>>,
    weekdays: Option<BTreeSet<i8>>,
}

impl Fields {
    fn text(&self) -> String {
        let listed = |set: &BTreeSet<i8>| set.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let field = |set: &Option<BTreeSet<i8>>| set.as_ref().map_or("*".to_owned(), listed);
        format!(
            "{} {} {} {} {}",
            listed(&self.minutes),
            listed(&self.hours),
            field(&self.days),
            field(&self.months),
            field(&self.weekdays)
        )
    }

    fn names(&self, time: DateTime) -> bool {
        let has = |set: &Option<BTreeSet<i8>>, value: i8| set.as_ref().map(|set| set.contains(&value));
        let day = has(&self.days, time.day());
        let weekday = has(&self.weekdays, time.weekday().to_sunday_zero_offset());
        let is_day = match (day, weekday) {
            (None, None) => true,
            (Some(fits), None) | (None, Some(fits)) => fits,
            (Some(day), Some(weekday)) => day || weekday,
        };
        self.minutes.contains(&time.minute())
            && self.hours.contains(&time.hour())
            && has(&self.months, time.month()) != Some(false)
            && is_day
    }
}

fn fields() -> impl Strategy<Value = Fields> {
    let some = |range: std::ops::Range<i8>, most| proptest::option::of(btree_set(range, 1..most));
    // Hours about the change of the clocks are what this is about.
    let hours = prop_oneof![
        btree_set(0_i8..24, 1..4),
        btree_set(0_i8..4, 1..4),
        Just((0..24).collect())
    ];
    let all_days = prop_oneof![2 => Just(None), 1 => some(1..29, 5)];
    (
        btree_set(0_i8..60, 1..4),
        hours,
        all_days,
        some(1..13, 12),
        some(0..7, 5),
    )
        .prop_map(|(minutes, hours, days, months, weekdays)| Fields {
            minutes,
            hours,
            days,
            months,
            weekdays,
        })
}

/// A year in a zone minute by minute, and when the window that began last began.
///
/// A time has come when the clocks show it, or more than it, for the first time.
fn walk(
    fields: &Fields,
    zone: &TimeZone,
    first: jiff::Timestamp,
    mut look: impl FnMut(jiff::Timestamp, Option<jiff::Timestamp>) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut begun = None;
    let mut now = first;
    let mut shown_before = zone.to_datetime(now);
    for _ in 0..366 * 24 * 60 {
        now += 1.minute();
        let shown = zone.to_datetime(now);
        while shown_before < shown {
            shown_before += 1.minute();
            if fields.names(shown_before) {
                begun = Some(now);
            }
        }
        look(now, begun)?;
    }
    Ok(())
}

/// Zones whose clocks change by an hour, by half an hour, at midnight and not at all; and years in which they did.
const ZONES: [(&str, i16); 8] = [
    ("Europe/Berlin", 2026),
    ("America/New_York", 2026),
    ("Asia/Seoul", 1988),
    ("Asia/Seoul", 2026),
    ("Australia/Lord_Howe", 2026),
    ("America/Santiago", 2026),
    ("Pacific/Apia", 2011),
    ("Asia/Kathmandu", 2026),
];

proptest! {
    #![proptest_config(Config { cases: 8, ..Config::default() })]

    #[test]
    fn what_is_in_force_is_what_a_walk_through_a_year_finds(
        fields in fields(),
        (zone, year) in select(ZONES.to_vec()),
        minutes in prop_oneof![1_u64..90, 90_u64..5_000],
        every in 1_usize..40,
    ) {
        let schedule = recurring(&fields.text(), zone, minutes);
        let zone = TimeZone::get(zone).unwrap();
        let first: Zoned = DateTime::constant(year, 1, 1, 0, 0, 0, 0).to_zoned(zone.clone()).unwrap();
        let duration = jiff::SignedDuration::from_mins(i64::try_from(minutes).unwrap());
        let changes = zone.following(first.timestamp()).map(|change| change.timestamp());
        let changes: Vec<_> = changes.take_while(|change| *change < first.timestamp() + (366 * 24).hours()).collect();
        let around = jiff::SignedDuration::from_hours(36);
        let (mut before, mut turn) = (None, 0);
        walk(&fields, &zone, first.timestamp(), |now, begun| {
            let expected = begun.filter(|begun| now < *begun + duration);
            // A window of the year before may still be in force.
            let is_known = now >= first.timestamp() + duration;
            // Each beginning and end, the days about a change of the clocks, and some moments between.
            let changes = changes.iter().any(|change| now.duration_since(*change).abs() < around);
            turn += 1;
            if is_known && (expected != before || changes && turn % 3 == 0 || turn % (every * 10) == 0) {
                let found = schedule.window_at(Timestamp::from_unix_millis(now.as_millisecond()));
                let found = found.map(|window| window.from.unix_millis());
                prop_assert_eq!(found, expected.map(|begun| begun.as_millisecond()), "{} at {}", fields.text(), now);
            }
            before = expected;
            Ok(())
        })?;
    }
}
