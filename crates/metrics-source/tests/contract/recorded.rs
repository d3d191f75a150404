//! The recording as a subject. It waits for nobody, so there is no silent query.

use headroom_metrics_source::{MetricQuery, RecordedQuery, RecordedSource, testing::promql};
use headroom_policy_engine::{MissingCause, Timestamp};

use crate::suite::{Subject, keeps_the_contract};

const RECORDING: &str = "timestamp,one,two,gap\n0,1,2,3\n60,1,2,\n";

fn recorded(series: &str) -> MetricQuery {
    MetricQuery::Recorded(RecordedQuery {
        series: series.into(),
    })
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
