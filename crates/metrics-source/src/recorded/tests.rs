use futures::executor::block_on;
use headroom_policy_engine::{Freshness, MissingCause, Observation, Readiness, Replicas};

use super::*;
use crate::{PromqlQuery, RecordedQuery};

const TRACE: &str =
    "timestamp,value\n1563148800,1.63333\n1563148860,0\n1563148920,1.16667\n1563148980,1.13333\n";

fn read(text: &str) -> RecordedSource {
    RecordedSource::from_reader(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1000)
}

fn query(series: &str) -> MetricQuery {
    MetricQuery::Recorded(RecordedQuery {
        series: series.into(),
    })
}

fn observe(source: &RecordedSource, series: &str, now: Timestamp) -> Answer {
    block_on(source.observe(&[query(series)], now)).remove(0)
}

/// The value at a time; nothing where there is none.
#[track_caller]
fn check(text: &str, series: &str, seconds: i64, expected: Option<f64>) {
    let answer = observe(&read(text), series, at(seconds));
    match (&answer.reading, expected) {
        (Ok(reading), Some(expected)) => assert_eq!(reading.value, expected),
        (Err(error), None) => assert!(matches!(**error, ObserveError::NoData)),
        (Ok(_), None) | (Err(_), Some(_)) => panic!("{:?} is not {expected:?}", answer.reading),
    }
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let error = RecordedSource::from_reader(text.as_bytes()).expect_err(text);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_sample_holds_until_the_next() {
    check(TRACE, "any", 1_563_148_800, Some(1.63333));
    check(TRACE, "any", 1_563_148_859, Some(1.63333));
    check(TRACE, "any", 1_563_148_860, Some(0.0));
    check(TRACE, "other", 1_563_148_979, Some(1.16667));
    check(TRACE, "other", 1_563_149_039, Some(1.13333));
}

#[test]
fn before_the_first_sample_nothing_is_known() {
    check(TRACE, "any", 1_563_148_799, None);
}

#[test]
fn series_have_names() {
    let long = "timestamp,series,value\n0,a,1\n0,b,2\n60,a,3\n60,b,4\n";
    let wide = "timestamp,a,b\n0,1,2\n60,3,4\n";
    let json = "{\"timestamp\":0,\"series\":\"a\",\"value\":1}\n{\"timestamp\":0,\"series\":\"b\",\"value\":2}\n\
        {\"timestamp\":60,\"series\":\"a\",\"value\":3}\n{\"timestamp\":60,\"series\":\"b\",\"value\":4}\n";
    let wide_json = "{\"timestamp\":0,\"a\":1,\"b\":2}\n\n{\"b\":4,\"timestamp\":60,\"a\":3}\n";
    for text in [long, wide, json, wide_json] {
        check(text, "a", 30, Some(1.0));
        check(text, "b", 30, Some(2.0));
        check(text, "a", 90, Some(3.0));
        check(text, "b", 90, Some(4.0));
        check(text, "c", 90, None);
        assert_eq!(read(text).names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read(text).span(), Some((at(0), at(60))));
    }
    check("{\"timestamp\":0,\"value\":1}\n", "any", 0, Some(1.0));
    let remarks = observe(&read(wide), "c", at(0)).remarks;
    assert_eq!(remarks, ["the recording has no series c".into()]);
}

#[test]
fn times_are_unix_seconds_or_rfc_3339() {
    check("timestamp,value\n1.5,1\n2.25,2\n", "a", 2, Some(1.0));
    check(
        "timestamp,value\n1970-01-01T00:01:00Z,1\n1970-01-01T01:02:00+01:00,2\n",
        "a",
        119,
        Some(1.0),
    );
    check(
        "timestamp,value\n1970-01-01T00:01:00Z,1\n1970-01-01T01:02:00+01:00,2\n",
        "a",
        120,
        Some(2.0),
    );
    check(
        "{\"timestamp\":\"1970-01-01T00:01:00Z\",\"value\":1}",
        "a",
        60,
        Some(1.0),
    );
    check("{\"timestamp\":0.5,\"value\":1}", "a", 1, Some(1.0));
}

#[test]
fn a_gap_is_missing_and_never_zero() {
    for gap in ["", "_", "NaN", "nan", "null"] {
        let text = format!("timestamp,value\n0,1\n60,{gap}\n120,3\n");
        check(&text, "a", 59, Some(1.0));
        check(&text, "a", 60, None);
        check(&text, "a", 119, None);
        check(&text, "a", 120, Some(3.0));
    }
    check("{\"timestamp\":0,\"a\":null,\"b\":1}", "a", 0, None);
    check("{\"timestamp\":0,\"a\":\"NaN\",\"b\":1}", "b", 0, Some(1.0));
    check("timestamp,a,b\n0,,1\n", "a", 0, None);
    check("timestamp,a,b\n0,,1\n", "b", 0, Some(1.0));
}

#[test]
fn the_age_shows_from_two_steps_on() {
    let source = read(TRACE);
    let judge = |seconds: i64| {
        let now = at(1_563_148_980 + seconds);
        let answer = observe(&source, "a", now);
        let freshness = Freshness {
            max_age: answer.scrape_interval.unwrap(),
        };
        let reading = answer.reading.map_err(|error| error.cause());
        Observation::judge(reading, freshness, Replicas::new(1), Readiness::Unknown, now)
    };
    assert_eq!(
        observe(&source, "a", at(1_563_148_980)).scrape_interval,
        Some(Duration::from_secs(60))
    );
    assert!(matches!(judge(0), Observation::Fresh(_)));
    assert!(matches!(judge(119), Observation::Fresh(_)));
    assert!(matches!(judge(120), Observation::Stale { age, .. } if age.as_secs() == 120));
    assert!(matches!(judge(86_400), Observation::Stale { .. }));
}

#[test]
fn one_missing_line_does_not_change_the_step() {
    let source = read("timestamp,value\n0,1\n60,1\n120,1\n300,1\n360,1\n");
    assert_eq!(
        observe(&source, "a", at(0)).scrape_interval,
        Some(Duration::from_secs(60))
    );
    let held = |seconds: i64| {
        observe(&source, "a", at(seconds))
            .reading
            .unwrap()
            .newest_sample
            .unwrap()
    };
    assert_eq!(held(239), at(239));
    assert_eq!(held(240), at(120));
}

#[test]
fn a_single_sample_is_as_old_as_it_is() {
    let answer = observe(&read("timestamp,value\n0,1\n"), "a", at(30));
    assert_eq!(answer.reading.unwrap().newest_sample, Some(at(0)));
    assert_eq!(answer.scrape_interval, None);
}

#[test]
fn what_is_no_load_is_told_as_it_stands() {
    let answer = observe(&read("timestamp,value\n0,inf\n"), "a", at(0));
    assert_eq!(answer.reading.unwrap().value, f64::INFINITY);
}

#[test]
fn every_line_that_cannot_be_understood_is_told() {
    check_refused(
        "timestamp,value\n0,1\nyesterday,2\n60,many\n120\n180,4,5\n0,6\n",
        "line 3: \"yesterday\" is no time: write Unix seconds, or RFC 3339 such as 2026-01-31T12:00:00Z; \
         line 4: \"many\" is no number; line 5: 1 fields, where the header has 2; line 6: 3 fields, where the \
         header has 2; line 7: the time is not after that of the sample before",
    );
    check_refused(
        "{\"timestamp\":0,\"value\":1}\n{\"value\":1}\n{\"timestamp\":true,\"value\":1}\n{\"timestamp\":60,\"value\":\"x\"}\n\
         {\"timestamp\":60,\"series\":\"a\",\"value\":1}\n{\"timestamp\":60,\"series\":1,\"value\":1}\n",
        "line 2: there is no timestamp; line 3: \"true\" is no time: write Unix seconds, or RFC 3339 such as \
         2026-01-31T12:00:00Z; line 4: \"x\" is no number; line 5: some samples name their series, and some do \
         not; line 6: the series has no name",
    );
    check_refused("timestamp,series,value\n0,,1\n", "line 2: the series has no name");
    check_refused(
        "timestamp,value\n0,1\n0,2\n",
        "line 3: the time is not after that of the sample before",
    );
    for time in ["NaN", "inf", "1e300", "-1e300"] {
        let error =
            RecordedSource::from_reader(format!("timestamp,value\n{time},1\n").as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("line 2:"), "{error}");
    }
    let error =
        RecordedSource::from_reader("{\"timestamp\":0,\"value\":1}\nnull\n[]\n".as_bytes()).unwrap_err();
    assert!(
        error.to_string().starts_with("line 2: not a JSON object"),
        "{error}"
    );
}

#[test]
fn the_header_tells_what_columns_are() {
    let header =
        "the header must be timestamp,value or timestamp,series,value or timestamp and the names of series";
    for text in [
        "0,1\n60,2\n",
        "time,value\n0,1\n",
        "timestamp\n0\n",
        "timestamp,,b\n0,1,2\n",
        "value,timestamp\n",
    ] {
        check_refused(text, &format!("line 1: {header}"));
    }
    check_refused("timestamp,a,b,a\n", "line 1: two columns are named a");
    check_refused("", "the recording is empty");
    check_refused("timestamp,value\n", "the recording is empty");
    check_refused("# nothing yet\n", "the recording is empty");
}

#[test]
fn a_file_from_a_spreadsheet_is_read() {
    check(
        "\u{feff}# exported\r\ntimestamp, value\r\n\"1970-01-01T00:00:00Z\",\"1.5\"\r\n60,2\r\n",
        "a",
        0,
        Some(1.5),
    );
}

#[test]
fn many_problems_are_counted() {
    let text = format!("timestamp,value\n{}", "x,1\n".repeat(100));
    let Err(RecordedError::Invalid { problems, more }) = RecordedSource::from_reader(text.as_bytes()) else {
        panic!("it was read");
    };
    assert_eq!((problems.len(), more), (20, 80));
}

#[test]
fn what_is_too_large_or_no_text_is_not_read() {
    let limit = TRACE.len() as u64;
    assert!(RecordedSource::up_to(TRACE.as_bytes(), limit).is_ok());
    let refusal = RecordedSource::up_to(TRACE.as_bytes(), limit - 1);
    assert!(matches!(refusal, Err(RecordedError::TooLarge { .. })));
    let bytes = RecordedSource::from_reader(&b"timestamp,value\n0,\xff\n"[..]);
    assert!(matches!(bytes, Err(RecordedError::NotUtf8)));
    let nowhere = RecordedSource::from_file(Path::new("/nowhere/to/be/found"));
    assert!(matches!(nowhere, Err(RecordedError::Unreadable(_))));
}

#[test]
fn a_file_is_read_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.csv");
    std::fs::write(&path, TRACE).unwrap();
    let source = RecordedSource::from_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(observe(&source, "a", at(1_563_148_800)).reading.is_ok());
}

#[test]
fn queries_of_other_kinds_are_refused() {
    let other = MetricQuery::Promql(PromqlQuery {
        query: "up".into(),
        coverage: None,
    });
    let answers = block_on(read(TRACE).observe(&[other, query("a")], at(1_563_148_800)));
    let refusal = answers[0].reading.as_ref().unwrap_err();
    assert_eq!(refusal.cause(), MissingCause::NotAsked);
    assert!(answers[1].reading.is_ok());
}
