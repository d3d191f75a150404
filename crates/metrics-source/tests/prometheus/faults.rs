//! Bad answers: each its own typed error, none a number.

use std::time::Duration;

use headroom_metrics_source::{MetricsSource, ObserveError, PrometheusSource, testing::promql};
use headroom_policy_engine::MissingCause;
use headroom_test_support::{ClosedPort, wait_until};
use serde_json::json;

use crate::{
    PATIENCE, at, error_of, now, observe, options,
    server::{FakeServer, Reply, TIME},
    source,
};

/// What a reply is taken for.
async fn error_for(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (MissingCause, String) {
    let server = FakeServer::start(move |_| reply());
    let error = error_of(&at(&server), "sum(up)").await;
    (error.cause(), error.to_string())
}

#[track_caller]
fn assert_says((cause, text): (MissingCause, String), expected: MissingCause, words: &[&str]) {
    assert_eq!(cause, expected, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

#[tokio::test]
async fn what_is_not_one_number_has_a_cause_of_its_own() {
    let cases = [
        ("vector", json!([]), MissingCause::NoData, ""),
        (
            "vector",
            json!([{"metric": {}, "value": [TIME, "1"]}, {"metric": {"a": "b"}, "value": [TIME, "1"]}]),
            MissingCause::Ambiguous { series: 2 },
            "2 series",
        ),
        (
            "vector",
            json!([{"metric": {}, "value": [TIME, "NaN"]}]),
            MissingCause::NotANumber,
            "NaN",
        ),
        ("scalar", json!([TIME, "NaN"]), MissingCause::NotANumber, "NaN"),
        (
            "vector",
            json!([{"metric": {}, "value": [TIME, "+Inf"]}]),
            MissingCause::Infinite,
            "infinite",
        ),
        (
            "scalar",
            json!([TIME, "-Inf"]),
            MissingCause::Infinite,
            "infinite",
        ),
        (
            "matrix",
            json!([{"metric": {}, "values": [[TIME, "1"]]}]),
            MissingCause::WrongType,
            "matrix",
        ),
        ("string", json!([TIME, "text"]), MissingCause::WrongType, "string"),
        (
            "vector",
            json!([{"metric": {}, "histogram": [TIME, {"count": "1", "sum": "1", "buckets": []}]}]),
            MissingCause::WrongType,
            "histogram",
        ),
        (
            "vector",
            json!([{"metric": {}, "value": [TIME, "many"]}]),
            MissingCause::Malformed,
            "many",
        ),
        ("vector", json!([[TIME, "1"]]), MissingCause::Malformed, "a list"),
        (
            "vector",
            json!([TIME, "1"]),
            MissingCause::Malformed,
            "other than series",
        ),
        ("scalar", json!([TIME]), MissingCause::Malformed, "scalar"),
    ];
    for (kind, result, cause, words) in cases {
        let got = error_for(move || Reply::result(kind, &result)).await;
        assert_says(got, cause, &[words]);
    }
}

#[tokio::test]
async fn one_number_is_read_whatever_its_shape() {
    for (kind, result, expected) in [
        ("scalar", json!([1_700_000_000, "4.5"]), 4.5),
        (
            "vector",
            json!([{"metric": {"__name__": "x"}, "value": [TIME, "-0"]}]),
            0.0,
        ),
        ("vector", json!([{"value": [TIME, "1e300"], "metric": {}}]), 1e300),
    ] {
        let server = FakeServer::start(move |_| Reply::result(kind, &result));
        let reading = observe(&at(&server), &promql("x")).await.reading.unwrap();
        assert_eq!(reading.value, expected);
        assert_eq!(reading.answered_at.unwrap().unix_millis() / 1000, 1_700_000_000);
    }
}

#[tokio::test]
async fn a_refusal_carries_the_server_s_own_words() {
    let words = "invalid parameter \"query\": 1:5: parse error: unexpected end of input";
    for (status, words) in [
        (400, words),
        (422, "too many samples"),
        (503, "query timed out"),
        (500, "oh\nno"),
    ] {
        let body = json!({"status": "error", "errorType": "bad_data", "error": words});
        let got = error_for(move || Reply::json(status, &body)).await;
        assert_says(
            got,
            MissingCause::Rejected { status },
            &[&status.to_string(), &words.replace('\n', " ")],
        );
    }
    let got = error_for(|| Reply::text(401, "text/plain", "Unauthorized\n")).await;
    assert_says(
        got,
        MissingCause::Rejected { status: 401 },
        &["401: Unauthorized"],
    );
    let page = "<html><head><title>502 Bad Gateway</title></head><body>…</body></html>";
    let got = error_for(move || Reply::text(502, "text/html", page)).await;
    assert_says(
        got,
        MissingCause::Rejected { status: 502 },
        &["an HTML page, \"502 Bad Gateway\""],
    );
    let got = error_for(|| Reply::text(500, "text/plain", "")).await;
    assert_says(got, MissingCause::Rejected { status: 500 }, &["without a word"]);
    // Some proxies answer 200 whatever happened.
    let got = error_for(|| Reply::json(200, &json!({"status": "error", "error": "no store is up"}))).await;
    assert_says(got, MissingCause::Rejected { status: 200 }, &["no store is up"]);
}

#[tokio::test]
async fn a_long_refusal_is_shortened_to_one_line() {
    let (cause, text) =
        error_for(|| Reply::text(500, "text/plain", &"word\r\n\u{1b}[31m ".repeat(10_000))).await;
    assert_eq!(cause, MissingCause::Rejected { status: 500 });
    assert!(text.chars().count() < 400, "{}", text.len());
    assert!(!text.contains(char::is_control), "{text}");
}

#[tokio::test]
async fn an_answer_that_is_none_of_prometheus_says_what_it_is() {
    let malformed = MissingCause::Malformed;
    let page = "<!doctype html><title>Grafana</title>";
    let got = error_for(move || Reply::text(200, "text/html; charset=utf-8", page)).await;
    assert_says(
        got,
        malformed,
        &["HTML page", "text/html", "is this the URL of a Prometheus?"],
    );
    let got = error_for(|| Reply::text(200, "application/json", "")).await;
    assert_says(got, malformed, &["empty"]);
    let got = error_for(|| Reply::text(200, "application/json", "{\"status\":\"succ")).await;
    assert_says(got, malformed, &["breaks off"]);
    let got = error_for(|| Reply::text(200, "text/plain", "ok")).await;
    assert_says(got, malformed, &["not JSON", "text/plain"]);
    let got = error_for(|| Reply::json(200, &json!({"status": "fine"}))).await;
    assert_says(got, malformed, &["\"fine\"", "not of the Prometheus API"]);
    let got = error_for(|| Reply::json(200, &json!({"status": "success"}))).await;
    assert_says(got, malformed, &["no data"]);
    let got = error_for(|| Reply::json(200, &json!([1, 2]))).await;
    assert_says(got, malformed, &["not that of the Prometheus API"]);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_malformed() {
    let got = error_for(|| Reply::BrokenOff("{\"status\":\"success\"".to_owned())).await;
    assert_says(got, MissingCause::Malformed, &["broke off after 19 bytes"]);
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_not_read_to_its_end() {
    let server = FakeServer::start(|_| Reply::Endless);
    let error = error_of(&at(&server), "vector(1)").await;
    assert!(
        matches!(*error, ObserveError::TooLarge { limit: 8_388_608 }),
        "{error}"
    );
    wait_until(PATIENCE, "the server notices", async || server.under_way() == 0).await;
    // What is beyond the limit stands in the buffers of the two sockets.
    assert!(
        server.sent() < 50 * 1024 * 1024,
        "{} bytes were read",
        server.sent()
    );
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_not_read_at_all() {
    let got = error_for(|| Reply::Announced(8 * 1024 * 1024 + 1)).await;
    assert_says(got, MissingCause::TooLarge, &["8388608 bytes"]);
}

/// A timeout that the test waits for, and within which a slow machine still sends and reads what is answered at once.
const TIMEOUT: Duration = Duration::from_secs(2);

fn impatient(server: &FakeServer, timeout: Duration) -> PrometheusSource {
    let mut options = options(&server.url());
    options.timeout = timeout;
    source(&options)
}

#[tokio::test]
async fn a_slow_server_is_given_up_on_wherever_it_stops() {
    for beginning in [None, Some("{\"status\":")] {
        let server = FakeServer::start(move |_| {
            beginning.map_or(Reply::Silent, |text| Reply::SilentAfter(text.to_owned()))
        });
        let error = error_of(&impatient(&server, Duration::from_millis(100)), "sum(up)").await;
        assert!(matches!(*error, ObserveError::TimedOut { .. }), "{error}");
        assert!(error.to_string().contains("100ms"), "{error}");
        wait_until(PATIENCE, "the requests end", async || server.under_way() == 0).await;
    }
}

#[tokio::test]
async fn one_slow_query_costs_the_others_nothing() {
    let server = FakeServer::start(|request| match request.query() {
        "slow" => Reply::Silent,
        _ => Reply::value("7"),
    });
    let queries = [promql("vector(1)"), promql("slow"), promql("vector(2)")];
    let answers = impatient(&server, TIMEOUT).observe(&queries, now()).await;
    let values: Vec<_> = answers
        .iter()
        .map(|answer| answer.reading.as_ref().ok().map(|it| it.value))
        .collect();
    assert_eq!(values, [Some(7.0), None, Some(7.0)]);
}

#[tokio::test]
async fn all_of_a_pass_is_answered_within_one_timeout_though_few_are_asked_at_once() {
    let server = FakeServer::start(|_| Reply::Silent);
    let mut options = options(&server.url());
    options.timeout = TIMEOUT;
    options.max_concurrent = 1;
    let queries: Vec<_> = (0..50)
        .map(|number| promql(&format!("vector({number})")))
        .collect();
    let answers = source(&options).observe(&queries, now()).await;
    let causes: Vec<_> = answers
        .iter()
        .map(|answer| answer.reading.as_ref().unwrap_err().cause())
        .collect();
    assert_eq!(causes, vec![MissingCause::TimedOut; 50]);
    // The others were never sent: their time ran out while they waited for their turn.
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let closed = ClosedPort::new();
    let source = source(&options(&closed.url()));
    let error = error_of(&source, "sum(up)").await;
    assert_eq!(error.cause(), MissingCause::Unreachable);
    let cause = std::error::Error::source(&*error).unwrap().to_string();
    assert!(cause.contains("refused"), "{cause}");
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_is_unreachable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().take(3).for_each(drop));
    let error = error_of(&source(&options(&url)), "vector(1)").await;
    assert_eq!(error.cause(), MissingCause::Unreachable, "{error}");
}

#[tokio::test]
async fn the_server_s_clock_is_taken_as_it_is_and_ours_is_not_sent() {
    let hour = 3600.0;
    let server = FakeServer::start(move |_| Reply::result("scalar", &json!([TIME + hour, "1"])));
    let answer = observe(&at(&server), &promql("vector(1)")).await;
    assert_eq!(
        answer.reading.unwrap().answered_at.unwrap().unix_millis(),
        1_700_003_600_250
    );
    assert_eq!(server.requests()[0].parameter("time"), None);
}

#[tokio::test]
async fn queries_of_other_kinds_are_refused() {
    use headroom_metrics_source::{MetricQuery, RecordedQuery};
    let server = FakeServer::start(|_| Reply::value("1"));
    let recorded = MetricQuery::Recorded(RecordedQuery { series: "x".into() });
    let answer = observe(&at(&server), &recorded).await;
    assert!(matches!(*answer.reading.unwrap_err(), ObserveError::Unsupported));
    assert_eq!(server.requests().len(), 0);
}
