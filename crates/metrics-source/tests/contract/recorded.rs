//! The recording as a subject. It waits for nobody, so there is no silent query.

use std::time::Duration;

use headroom_metrics_source::{
    MetricQuery, MetricsSource, Moments, ObserveError, RecordedQuery, RecordedSource, testing::promql,
};
use headroom_policy_engine::{MissingCause, Timestamp};

use crate::suite::{Subject, keeps_the_contract};

const RECORDING: &str = "timestamp,one,two,gap\n0,1,2,3\n60,1,2,\n";

fn recorded(series: &str) -> MetricQuery {
    MetricQuery::Recorded(RecordedQuery {
        series: series.into(),
    })
}

#[tokio::test]
async fn a_recording_knows_its_past() {
    let source = RecordedSource::from_reader(RECORDING.as_bytes()).unwrap();
    let minute = Duration::from_secs(60);
    let moments = Moments::before(Timestamp::from_unix_millis(90_000), 2 * minute, minute).unwrap();
    let queries = [recorded("gap"), promql("up")];
    let mut past = source.observe_past(&queries, &moments).await;
    let error = past.pop().unwrap().unwrap_err();
    assert!(matches!(*error, ObserveError::Unsupported), "{error}");
    let answers = past.pop().unwrap().unwrap();
    let readings: Vec<_> = answers
        .iter()
        .map(|answer| answer.reading.map(|reading| reading.value))
        .collect();
    let absent = Err(MissingCause::NoData);
    assert_eq!(readings, [absent, absent, Ok(3.0)], "at -90, -30 and 30 seconds");
    assert_eq!(answers[2].scrape_interval, Some(minute));
}

#[tokio::test]
async fn a_recording() {
    let source = RecordedSource::from_reader(RECORDING.as_bytes()).unwrap();
    keeps_the_contract(&Subject {
        source: &source,
        now: Timestamp::from_unix_millis(90_000),
        numbers: vec![(recorded("one"), 1.0), (recorded("two"), 2.0)],
        missing: vec![
            (recorded("gap"), MissingCause::NoData),
            (recorded("absent"), MissingCause::NoData),
            (promql("up"), MissingCause::NotAsked),
        ],
        silent: None,
    })
    .await;
}
