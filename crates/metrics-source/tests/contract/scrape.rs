//! Replicas' own metrics as a subject.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use headroom_metrics_source::{
    Across, Endpoint, EndpointAddress, MetricQuery, ScrapeOptions, ScrapeQuery, ScrapeSource, testing::promql,
};
use headroom_policy_engine::{MissingCause, Timestamp};
use tokio::{io::AsyncReadExt, net::TcpListener, task::JoinSet};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use crate::suite::{Silent, Subject, keeps_the_contract};

fn scrape(base_url: &str, path: &str, series: &str) -> ScrapeQuery {
    ScrapeQuery {
        series: series.into(),
        path: path.into(),
        rate_over: None,
        across: Across::Sum,
        endpoints: Arc::from([Endpoint {
            id: base_url.into(),
            address: EndpointAddress::Url(base_url.into()),
            ready: true,
        }]),
    }
}

async fn replica() -> MockServer {
    let server = MockServer::start().await;
    let texts = [
        ("/metrics", 200, "one 1\ntwo{a=\"b\"} 0.5\ntwo{a=\"c\"} 1.5\n"),
        ("/failing", 500, "one 1\n"),
        ("/malformed", 200, "one 1\none 1 1 1\n"),
    ];
    for (at, status, text) in texts {
        let answer = ResponseTemplate::new(status).set_body_string(text);
        Mock::given(path(at)).respond_with(answer).mount(&server).await;
    }
    server
}

/// Counts the connections on which somebody waits for an answer that does not come.
fn stay_silent(listener: TcpListener, waiting: Arc<AtomicUsize>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((mut connection, _)) = listener.accept().await {
            let waiting = Arc::clone(&waiting);
            connections.spawn(async move {
                waiting.fetch_add(1, Ordering::SeqCst);
                // Reads until the other side hangs up.
                let mut request = [0; 1024];
                while matches!(connection.read(&mut request).await, Ok(read) if read > 0) {}
                waiting.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    tasks
}

#[tokio::test]
async fn the_replicas_own_metrics() {
    headroom_test_support::install_tls();
    let server = replica().await;
    let url = server.uri();
    let waiting = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let _tasks = stay_silent(listener, Arc::clone(&waiting));
    let ask = |path: &str, series: &str| MetricQuery::Scrape(scrape(&url, path, series));
    let rate = ScrapeQuery {
        rate_over: Some(Duration::from_secs(10)),
        ..scrape(&url, "/metrics", "one")
    };
    let source = ScrapeSource::new(ScrapeOptions {
        // Nobody here is late.
        deadline: Duration::from_secs(60),
        ..ScrapeOptions::default()
    })
    .unwrap();
    keeps_the_contract(&Subject {
        source: &source,
        now: Timestamp::from_unix_millis(1_700_000_000_000),
        numbers: vec![(ask("/metrics", "one"), 1.0), (ask("/metrics", "two"), 2.0)],
        missing: vec![
            (ask("/metrics", "absent"), MissingCause::NoData),
            (ask("/failing", "one"), MissingCause::NoReplicas),
            (ask("/malformed", "one"), MissingCause::Malformed),
            (ask("/metrics", "sum(one)"), MissingCause::NotAsked),
            (MetricQuery::Scrape(rate), MissingCause::NoRateYet),
            (promql("up"), MissingCause::NotAsked),
        ],
        silent: Some(Silent {
            query: MetricQuery::Scrape(scrape(&silent, "/metrics", "one")),
            under_way: &|| waiting.load(Ordering::SeqCst),
        }),
    })
    .await;
}
