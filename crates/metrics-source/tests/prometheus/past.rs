//! What the server still knows of earlier, asked by ranges.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headroom_metrics_source::{
    MetricQuery, MetricsSource, Moments, ObserveError, Past, PastAnswer, PrometheusSource, testing::promql,
};
use headroom_policy_engine::{MissingCause, Timestamp};
use serde_json::{Value, json};

use crate::{
    at, covered,
    server::{FakeServer, Reply},
};

/// The last of three moments, a quarter of a minute apart, in seconds.
const LAST: f64 = 1_700_000_000.25;

fn moments() -> Moments {
    let now = Timestamp::from_unix_millis(1_700_000_015_250);
    Moments::before(now, Duration::from_secs(30), Duration::from_secs(15)).unwrap()
}

/// The values of one series at the three moments; an empty text is none.
fn series(job: &str, values: [&str; 3]) -> Value {
    let times = [LAST - 30.0, LAST - 15.0, LAST];
    let points: Vec<Value> = times
        .iter()
        .zip(values)
        .filter(|(_, value)| !value.is_empty())
        .map(|(time, value)| json!([time, value]))
        .collect();
    json!({ "metric": { "job": job }, "values": points })
}

fn matrix(all: &[Value]) -> Reply {
    Reply::result("matrix", &json!(all))
}

/// A server that scrapes the job `api` every 15 seconds, and answers these ranges.
fn server(answers: impl Fn(&str) -> Reply + Send + Sync + 'static) -> FakeServer {
    FakeServer::start(move |request| match request.path.as_str() {
        "/api/v1/query_range" => answers(request.query()),
        "/api/v1/targets" => Reply::json(
            200,
            &json!({ "status": "success", "data": { "activeTargets":
                [{ "labels": { "job": "api" }, "scrapeInterval": "15s" }] } }),
        ),
        path => panic!("asked for {path}"),
    })
}

async fn past(source: &PrometheusSource, query: &MetricQuery) -> Past {
    let mut all = source.observe_past(std::slice::from_ref(query), &moments()).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// The value at each moment, or why there was none.
fn values(past: Past) -> Vec<Result<f64, MissingCause>> {
    let value = |answer: PastAnswer| answer.reading.map(|reading| reading.value);
    past.unwrap().into_iter().map(value).collect()
}

#[tokio::test]
async fn each_question_is_one_range_over_the_moments() {
    let server = server(|_| matrix(&[]));
    let source = at(&server);
    let queries = [
        covered("sum(rate(work_total[1m]))", "count(up == 1)"),
        covered("sum(rate(work_total[1m])) * 2", "count(up == 1)"),
    ];
    source.observe_past(&queries, &moments()).await;
    assert_eq!(
        server.queries(),
        [
            "count(up == 1)",
            "max by (job) (count_over_time(work_total[1m]))",
            "max by (job) (timestamp(work_total))",
            "sum(rate(work_total[1m]))",
            "sum(rate(work_total[1m])) * 2",
        ]
    );
    for request in server.requests().iter().filter(|it| !it.query().is_empty()) {
        let parameters = ["start", "end", "step"].map(|name| request.parameter(name).unwrap());
        assert_eq!(parameters, ["1699999970.250", "1700000000.250", "15"]);
        assert_eq!(request.method, "GET");
    }
}

#[tokio::test]
async fn what_was_missing_then_is_missing() {
    let server = server(|query| match query {
        "sum(load)" => matrix(&[series("", ["3", "", "5"])]),
        "load" => matrix(&[series("api", ["1", "1", "1"]), series("api", ["", "2", ""])]),
        "scalar(load)" => matrix(&[series("", ["NaN", "+Inf", "1"])]),
        _ => matrix(&[]),
    });
    let source = at(&server);
    let got = values(past(&source, &promql("sum(load)")).await);
    assert_eq!(got, [Ok(3.0), Err(MissingCause::NoData), Ok(5.0)]);
    let got = values(past(&source, &promql("load")).await);
    assert_eq!(
        got,
        [Ok(1.0), Err(MissingCause::Ambiguous { series: 2 }), Ok(1.0)]
    );
    let got = values(past(&source, &promql("scalar(load)")).await);
    let expected = [
        Err(MissingCause::NotANumber),
        Err(MissingCause::Infinite),
        Ok(1.0),
    ];
    assert_eq!(got, expected);
}

#[tokio::test]
async fn each_value_has_the_age_and_the_coverage_of_its_moment() {
    let newest = ["1699999968", "1699999983", "1699999983"];
    let server = server(move |query| match query {
        "sum(rate(work_total[1m]))" => matrix(&[series("", ["3", "4", "5"])]),
        "max by (job) (timestamp(work_total))" => matrix(&[series("api", newest)]),
        "max by (job) (count_over_time(work_total[1m]))" => matrix(&[series("api", ["4", "2", "4"])]),
        "count(up == 1)" => matrix(&[series("", ["2", "2", ""])]),
        query => panic!("asked {query}"),
    });
    let query = covered("sum(rate(work_total[1m]))", "count(up == 1)");
    let answers = past(&at(&server), &query).await.unwrap();
    let readings: Vec<_> = answers.iter().map(|answer| answer.reading.unwrap()).collect();
    let answered: Vec<_> = readings.iter().map(|it| it.answered_at.unwrap()).collect();
    assert_eq!(answered, moments().iter().collect::<Vec<_>>());
    let ages = readings.iter().zip(&answered);
    let ages: Vec<_> = ages.map(|(it, at)| at.since(it.newest_sample.unwrap())).collect();
    assert_eq!(ages, [2250, 2250, 17_250].map(Duration::from_millis));
    let windows: Vec<_> = readings.iter().map(|it| it.coverage.window.unwrap()).collect();
    assert_eq!(windows, [1.0, 2.0 / 3.0, 1.0]);
    let replicas: Vec<_> = readings.iter().map(|it| it.coverage.replicas.unwrap()).collect();
    assert_eq!(
        replicas,
        [2.0, 2.0, 0.0],
        "where nothing is counted, none took part"
    );
    assert!(
        answers
            .iter()
            .all(|it| it.scrape_interval == Some(Duration::from_secs(15)))
    );
}

#[tokio::test]
async fn a_range_whose_series_ended_then_has_an_age_all_the_same() {
    let server = server(|query| match query {
        "sum(rate(work_total[1m]))" => matrix(&[series("", ["3", "3", "3"])]),
        "max by (job) (timestamp(work_total))" => matrix(&[series("api", ["1699999968", "", ""])]),
        "max by (job) (count_over_time(work_total[1m]))" => matrix(&[series("api", ["4", "4", "3"])]),
        late if late.starts_with("max by (job) (max_over_time(timestamp(work_total)[1m:") => {
            matrix(&[series("api", ["1699999960", "1699999970", "1699999970"])])
        }
        query => panic!("asked {query}"),
    });
    let answers = past(&at(&server), &promql("sum(rate(work_total[1m]))"))
        .await
        .unwrap();
    let newest = |answer: &PastAnswer| answer.reading.unwrap().newest_sample.unwrap().unix_millis();
    let newest: Vec<_> = answers.iter().map(newest).collect();
    assert_eq!(
        newest,
        [1_699_999_968_000, 1_699_999_970_000, 1_699_999_970_000],
        "the first is told exactly"
    );
}

#[tokio::test]
async fn without_all_of_it_nothing_is_told() {
    for failing in [
        "sum(rate(work_total[1m]))",
        "max by (job) (timestamp(work_total))",
        "max by (job) (count_over_time(work_total[1m]))",
        "count(up == 1)",
    ] {
        let server = server(move |query| {
            if query == failing {
                Reply::json(503, &json!({ "status": "error", "error": "overloaded" }))
            } else {
                matrix(&[series("", ["3", "4", "5"])])
            }
        });
        let query = covered("sum(rate(work_total[1m]))", "count(up == 1)");
        let error = past(&at(&server), &query).await.unwrap_err();
        assert_eq!(error.cause(), MissingCause::Rejected { status: 503 }, "{failing}");
    }
    let server = server(|_| Reply::result("vector", &json!([])));
    let error = past(&at(&server), &promql("load")).await.unwrap_err();
    assert_eq!(error.cause(), MissingCause::WrongType);
}

#[tokio::test]
async fn a_query_that_would_mean_another_moment_is_not_asked_about() {
    let server = server(|_| matrix(&[series("", ["3", "4", "5"])]));
    let source = at(&server);
    let refused: BTreeMap<&str, &str> = [
        ("sum(load @ start())", "@ start()"),
        ("max_over_time(sum(load)[1m:1s] @ end())", "@ end()"),
        ("sum(load) +", "PromQL that this version cannot read"),
        (
            "max_over_time(max_over_time(load[1m:1s])[1m:1s])",
            "a subquery in another",
        ),
    ]
    .into();
    for (text, part) in refused {
        for query in [promql(text), covered("sum(load)", text)] {
            let error = past(&source, &query).await.unwrap_err();
            let is_it = matches!(*error, ObserveError::OtherMoment { what } if what == part);
            assert!(is_it, "{query:?}: {error}");
        }
    }
    assert!(past(&source, &promql("sum(load @ 1700000000)")).await.is_ok());
    let recorded = headroom_metrics_source::RecordedQuery {
        series: "load".into(),
    };
    let error = past(&source, &MetricQuery::Recorded(recorded)).await.unwrap_err();
    assert!(matches!(*error, ObserveError::Unsupported), "{error}");
}

#[tokio::test]
async fn a_server_that_rounds_the_moments_is_understood() {
    let server = server(|query| match query {
        "sum(load)" => Reply::result(
            "matrix",
            &json!([{ "values": [[1_699_999_965, "1"], [1_699_999_980, "2"], [1_699_999_995, "3"]] }]),
        ),
        _ => matrix(&[]),
    });
    let answers = past(&at(&server), &promql("sum(load)")).await;
    assert_eq!(values(answers), [Ok(1.0), Ok(2.0), Ok(3.0)]);
}

#[tokio::test]
async fn a_long_query_goes_in_the_body() {
    let server = server(|_| matrix(&[series("", ["3", "4", "5"])]));
    let long = Arc::from(format!("sum(load) + {}", vec!["1"; 1000].join(" + ")));
    let query = MetricQuery::Promql(headroom_metrics_source::PromqlQuery {
        query: Arc::clone(&long),
        coverage: None,
    });
    assert!(past(&at(&server), &query).await.is_ok());
    let requests = server.requests();
    let asked = requests.iter().find(|request| request.query() == &*long).unwrap();
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("POST", "/api/v1/query_range")
    );
    assert_eq!(asked.parameter("step"), Some("15"));
}
