//! The Prometheus adapter: what no real server can be made to do on a fake one, and the rest on the real one.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod faults;
mod identity;
mod metadata;
mod past;
mod ranges;
mod real;
mod server;
mod tls;

use std::{sync::Arc, time::Duration};

use headroom_metrics_source::{
    Answer, MetricQuery, MetricsSource, ObserveError, PrometheusOptions, PrometheusSource, PromqlQuery,
    testing::promql,
};
use headroom_policy_engine::Timestamp;

/// Far beyond what any answer here takes, so that a slow machine fails no test.
const PATIENCE: Duration = Duration::from_secs(20);

fn options(url: &str) -> PrometheusOptions {
    PrometheusOptions::new(url, PATIENCE, 8)
}

fn source(options: &PrometheusOptions) -> PrometheusSource {
    headroom_test_support::install_tls();
    PrometheusSource::new(options).expect("options that can be used")
}

fn at(server: &server::FakeServer) -> PrometheusSource {
    source(&options(&server.url()))
}

/// A query with a coverage expression.
fn covered(query: &str, coverage: &str) -> MetricQuery {
    MetricQuery::Promql(PromqlQuery {
        query: Arc::from(query),
        coverage: Some(Arc::from(coverage)),
    })
}

async fn observe(source: &PrometheusSource, query: &MetricQuery) -> Answer {
    let mut answers = source.observe(std::slice::from_ref(query), now()).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Why `query` has no number.
async fn error_of(source: &PrometheusSource, query: &str) -> Arc<ObserveError> {
    match observe(source, &promql(query)).await.reading {
        Err(error) => error,
        Ok(reading) => panic!("{query} gave {reading:?}"),
    }
}

fn now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    Timestamp::from_unix_millis(i64::try_from(since_epoch.as_millis()).unwrap())
}
