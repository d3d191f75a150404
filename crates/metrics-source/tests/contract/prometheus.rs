//! The Prometheus adapter, on a server that answers by a script.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use headroom_metrics_source::{
    MetricQuery, PrometheusOptions, PrometheusSource, RecordedQuery, testing::promql,
};
use headroom_policy_engine::{MissingCause, Timestamp};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::suite::{Silent, Subject, keeps_the_contract};

/// The answer to the query in a request; nothing where none comes.
fn answer(request: &str) -> Option<(u16, &'static str)> {
    let is = |query: &str| request.contains(&format!("query={query} "));
    Some(match () {
        () if is("one") => (200, r#"[{"metric":{},"value":[1700000000,"1"]}]"#),
        () if is("two") => (200, r#"[{"metric":{},"value":[1700000000,"2"]}]"#),
        () if is("several") => (
            200,
            r#"[{"metric":{},"value":[1,"1"]},{"metric":{},"value":[1,"1"]}]"#,
        ),
        () if is("broken") => (500, "[]"),
        () if is("silent") => return None,
        () => (200, "[]"),
    })
}

async fn serve(mut stream: TcpStream, silent: Arc<AtomicUsize>) -> std::io::Result<()> {
    let mut request = vec![0; 8192];
    let length = stream.read(&mut request).await?;
    let Some((status, result)) = answer(&String::from_utf8_lossy(&request[..length])) else {
        silent.fetch_add(1, SeqCst);
        // Until the other side goes.
        drop(stream.read(&mut request).await);
        silent.fetch_sub(1, SeqCst);
        return Ok(());
    };
    let body = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{result}}}}}"#);
    let head = format!(
        "HTTP/1.1 {status} Whatever\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

#[tokio::test]
async fn a_prometheus() {
    headroom_test_support::install_tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let silent = Arc::new(AtomicUsize::new(0));
    let under_way = Arc::clone(&silent);
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&silent)));
        }
    });
    let source = PrometheusSource::new(&PrometheusOptions::new(&url, Duration::from_mins(1), 4)).unwrap();
    let recorded = MetricQuery::Recorded(RecordedQuery { series: "one".into() });
    keeps_the_contract(&Subject {
        source: &source,
        now: Timestamp::from_unix_millis(1_700_000_000_000),
        numbers: vec![(promql("one"), 1.0), (promql("two"), 2.0)],
        missing: vec![
            (promql("none"), MissingCause::NoData),
            (promql("several"), MissingCause::Ambiguous { series: 2 }),
            (promql("broken"), MissingCause::Rejected { status: 500 }),
            (recorded, MissingCause::NotAsked),
        ],
        silent: Some(Silent {
            query: promql("silent"),
            under_way: &|| under_way.load(SeqCst),
        }),
    })
    .await;
    server.abort();
}
