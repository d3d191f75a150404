//! What is asked beside a value: its age, its coverage, the scrape interval; and that each thing is asked once.

use std::{sync::Mutex, time::Duration};

use headroom_metrics_source::{Answer, MetricsSource, testing::promql};
use headroom_policy_engine::Reading;
use serde_json::json;

use crate::{
    at, covered, now, observe, options,
    server::{FakeServer, Reply, Request, TIME},
    source,
};

/// The list of targets: each job's interval.
fn targets(jobs: &[(&str, &str)]) -> Reply {
    let targets: Vec<_> = jobs
        .iter()
        .map(|(job, interval)| {
            json!({
                "discoveredLabels": {"__address__": "10.0.0.1:80"},
                "labels": {"job": job, "instance": "10.0.0.1:80"},
                "scrapePool": "any",
                "scrapeInterval": interval,
            })
        })
        .collect();
    Reply::json(
        200,
        &json!({"status": "success", "data": {"activeTargets": targets, "droppedTargets": []}}),
    )
}

/// Seconds before the time of evaluation, as a value.
fn ago(seconds: f64) -> String {
    format!("{:.3}", TIME - seconds)
}

/// A server with these targets, that answers queries by the first pair whose words the query contains.
fn server(
    jobs: &'static [(&str, &str)],
    replies: Vec<(&'static str, Vec<(&'static str, String)>)>,
) -> FakeServer {
    FakeServer::start(move |request: &Request| {
        if request.path == "/api/v1/targets" {
            return targets(jobs);
        }
        let reply = replies.iter().find(|(words, _)| request.query().contains(words));
        let (_, series) = reply.unwrap_or_else(|| panic!("nobody expected {}", request.query()));
        let series: Vec<(&str, &str)> = series.iter().map(|(job, value)| (*job, value.as_str())).collect();
        Reply::by_job(&series)
    })
}

fn age(answer: &Answer) -> Option<Duration> {
    let Reading {
        answered_at,
        newest_sample,
        ..
    } = answer.reading.as_ref().unwrap();
    newest_sample.map(|newest| answered_at.unwrap().since(newest))
}

fn window(answer: &Answer) -> Option<f64> {
    answer.reading.as_ref().unwrap().coverage.window
}

#[track_caller]
fn assert_remarks(answer: &Answer, expected: &[&str]) {
    assert_eq!(answer.remarks.len(), expected.len(), "{:?}", answer.remarks);
    for (remark, words) in answer.remarks.iter().zip(expected) {
        assert!(remark.contains(words), "{words:?} is not in {remark:?}");
    }
}

#[tokio::test]
async fn a_value_is_as_old_as_the_oldest_of_its_selectors() {
    let server = server(
        &[("api", "15s"), ("node", "1m")],
        vec![
            ("timestamp(a)", vec![("api", ago(5.0)), ("old", ago(500.0))]),
            ("timestamp(b)", vec![("node", ago(40.0))]),
            ("a / b", vec![("", "0.5".to_owned())]),
        ],
    );
    let answer = observe(&at(&server), &promql("a / b")).await;
    assert_eq!(age(&answer), Some(Duration::from_secs(40)));
    assert_remarks(&answer, &[]);
    // Of one of the jobs nobody knows how often it is scraped.
    assert_eq!(answer.scrape_interval, None);
}

#[tokio::test]
async fn the_longest_scrape_interval_of_the_parts_is_told() {
    let server = server(
        &[("api", "15s"), ("api", "20s"), ("node", "1m30s"), ("other", "1h")],
        vec![
            ("timestamp(a)", vec![("api", ago(5.0))]),
            ("timestamp(b)", vec![("node", ago(40.0))]),
            ("", vec![("", "0.5".to_owned())]),
        ],
    );
    let source = at(&server);
    let answer = observe(&source, &promql("a / b")).await;
    assert_eq!(answer.scrape_interval, Some(Duration::from_secs(90)));
    let answer = observe(&source, &promql("a + 1")).await;
    assert_eq!(answer.scrape_interval, Some(Duration::from_secs(20)));
    let answer = observe(&source, &promql("vector(1)")).await;
    assert_eq!(answer.scrape_interval, None);
}

#[tokio::test]
async fn an_offset_counts_from_the_moment_it_looks_at() {
    let week = 7.0 * 86_400.0;
    let server = server(
        &[],
        vec![
            ("timestamp(a offset 168h)", vec![("api", ago(week + 30.0))]),
            ("timestamp(a)", vec![("api", ago(10.0))]),
            ("", vec![("", "1".to_owned())]),
        ],
    );
    let answer = observe(&at(&server), &promql("a / a offset 1w")).await;
    assert_eq!(age(&answer), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn the_window_is_that_of_the_selector_with_the_least() {
    let server = server(
        &[("api", "15s"), ("node", "1m")],
        vec![
            ("timestamp(", vec![("api", ago(1.0))]),
            (
                "count_over_time(a[5m])",
                vec![("api", "20".to_owned()), ("node", "1".to_owned())],
            ),
            ("count_over_time(b[10m])", vec![("node", "3".to_owned())]),
            ("", vec![("", "1".to_owned())]),
        ],
    );
    let source = at(&server);
    let answer = observe(&source, &promql("rate(a[5m])")).await;
    assert_eq!(window(&answer), Some(1.0));
    let answer = observe(&source, &promql("rate(a[5m]) + rate(b[10m])")).await;
    assert_eq!(window(&answer), Some(3.0 / 9.0));
    let answer = observe(&source, &promql("a + b")).await;
    assert_eq!(window(&answer), None);
}

#[tokio::test]
async fn without_an_interval_the_window_is_unknown_and_the_record_says_why() {
    let replies = || {
        vec![
            ("timestamp(", vec![("pushed", ago(1.0))]),
            ("count_over_time(", vec![("pushed", "2".to_owned())]),
            ("", vec![("", "1".to_owned())]),
        ]
    };
    let strange = server(&[("api", "15s")], replies());
    let answer = observe(&at(&strange), &promql("rate(a[5m])")).await;
    assert_eq!(window(&answer), None);
    assert_remarks(
        &answer,
        &["no target is scraped as job pushed; `scrape_interval` in the settings"],
    );
    // What the settings say holds for every job, and nothing is asked.
    let mut options = options(&strange.url());
    options.scrape_interval = Some(Duration::from_secs(60));
    let asked_before = strange.requests().len();
    let answer = observe(&source(&options), &promql("rate(a[5m])")).await;
    assert_eq!(window(&answer), Some(0.5));
    assert_eq!(answer.scrape_interval, Some(Duration::from_secs(60)));
    assert_eq!(strange.requests().len(), asked_before + 3);
}

#[tokio::test]
async fn a_server_without_a_list_of_targets_is_asked_for_it_seldom() {
    let server = FakeServer::start(|request| match (request.path.as_str(), request.query()) {
        ("/api/v1/targets", _) => Reply::text(404, "text/plain", "404 page not found"),
        (_, query) if query.contains("timestamp(") => Reply::by_job(&[("api", "1699999999")]),
        _ => Reply::value("3"),
    });
    let source = at(&server);
    for _ in 0..3 {
        let answer = observe(&source, &promql("rate(a[5m])")).await;
        assert_eq!((window(&answer), answer.scrape_interval), (None, None));
        assert_remarks(
            &answer,
            &["the list of targets could not be asked: the metrics server answered 404"],
        );
    }
    let lists = server
        .requests()
        .iter()
        .filter(|request| request.path == "/api/v1/targets")
        .count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn a_range_whose_series_have_ended_still_has_an_age() {
    let server = server(
        &[("api", "15s")],
        vec![
            ("max_over_time(timestamp(a)[5m:15s])", vec![("api", ago(200.0))]),
            ("timestamp(a)", vec![]),
            ("count_over_time(", vec![("api", "7".to_owned())]),
            ("", vec![("", "1".to_owned())]),
        ],
    );
    let answer = observe(&at(&server), &promql("rate(a[5m])")).await;
    assert_eq!(age(&answer), Some(Duration::from_secs(200)));
    assert_eq!(window(&answer), Some(7.0 / 19.0));
    assert_eq!(answer.scrape_interval, Some(Duration::from_secs(15)));
}

#[tokio::test]
async fn a_selector_that_matches_nothing_has_no_age_and_hides_no_other() {
    let server = server(
        &[("api", "15s")],
        vec![
            ("timestamp(a)", vec![("api", ago(9.0))]),
            ("timestamp(errors)", vec![]),
            ("count_over_time(errors", vec![]),
            ("", vec![("", "1".to_owned())]),
        ],
    );
    let source = at(&server);
    let answer = observe(&source, &promql("a + (rate(errors[5m]) or vector(0))")).await;
    assert_eq!(
        (age(&answer), window(&answer)),
        (Some(Duration::from_secs(9)), None)
    );
    assert_remarks(&answer, &["no sample matches errors[5m]"]);
    let asked = server.queries();
    assert!(
        !asked.iter().any(|query| query.contains("max_over_time")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_fails_beside_a_value_never_costs_the_value() {
    let server = FakeServer::start(|request| match request.query() {
        "rate(a[5m]) / b" => Reply::value("0.5"),
        "max by (job) (timestamp(b))" => Reply::value("1699999960.25"),
        _ => Reply::text(503, "text/plain", "overloaded"),
    });
    let answer = observe(&at(&server), &covered("rate(a[5m]) / b", "count(up)")).await;
    let reading = answer.reading.as_ref().unwrap();
    assert_eq!(reading.value, 0.5);
    // At least as old as the part that is known.
    assert_eq!(age(&answer), Some(Duration::from_secs(40)));
    assert_eq!(reading.coverage.window, None);
    // A count that failed covers nobody: the value may raise, and never lower.
    assert_eq!(reading.coverage.replicas, Some(0.0));
    assert_remarks(
        &answer,
        &[
            "the age of a[5m] is unknown",
            "how much of a[5m]",
            "no replica is known to take part",
        ],
    );
}

#[tokio::test]
async fn a_coverage_query_counts_the_replicas() {
    let server = FakeServer::start(|request| match request.query() {
        "count(up == 1)" => Reply::value("6"),
        "count(up == 2)" => Reply::by_job(&[]),
        "count(up == 3)" => Reply::value("NaN"),
        _ => Reply::value("1700000000"),
    });
    let source = at(&server);
    for (coverage, expected, remarks) in [
        ("count(up == 1)", 6.0, &[][..]),
        ("count(up == 2)", 0.0, &["no series matched"][..]),
        ("count(up == 3)", 0.0, &["NaN"][..]),
    ] {
        let answer = observe(&source, &covered("sum(a)", coverage)).await;
        assert_eq!(answer.reading.as_ref().unwrap().coverage.replicas, Some(expected));
        assert_remarks(&answer, remarks);
    }
    let answer = observe(&source, &promql("sum(a)")).await;
    assert_eq!(answer.reading.unwrap().coverage.replicas, None);
}

#[tokio::test]
async fn an_age_that_cannot_be_asked_is_unknown_and_remarked_on() {
    let server = FakeServer::start(|_| Reply::value("1"));
    let answer = observe(&at(&server), &promql("a @ 1600000000")).await;
    assert_eq!(age(&answer), None);
    assert_remarks(&answer, &["the age of a is unknown: @ fixes its time"]);
    assert_eq!(server.queries(), ["a @ 1600000000"]);
}

#[tokio::test]
async fn warnings_and_infos_are_kept() {
    let server = FakeServer::start(|request| {
        let result = if request.query() == "vector(0)" {
            json!([])
        } else {
            json!([{"value": [TIME, "1"]}])
        };
        Reply::json(
            200,
            &json!({
                "status": "success",
                "data": {"resultType": "vector", "result": result},
                "warnings": ["store 10.0.0.7 did not answer"],
                "infos": ["PromQL info: metric might not be a counter", "a\nb"],
            }),
        )
    });
    let expected = [
        "store 10.0.0.7 did not answer",
        "PromQL info: metric might not be a counter",
        "a b",
    ];
    let source = at(&server);
    let answer = observe(&source, &promql("vector(1)")).await;
    assert_remarks(&answer, &[&expected[..], &["reads no series"]].concat());
    // Also where there is no value: a store that did not answer may be why.
    let answer = observe(&source, &promql("vector(0)")).await;
    assert!(answer.reading.is_err());
    assert_remarks(&answer, &expected);
}

#[tokio::test]
async fn each_thing_is_asked_once_in_a_pass() {
    let server = FakeServer::start(|_| Reply::value("1700000000"));
    let mut options = options(&server.url());
    options.scrape_interval = Some(Duration::from_secs(15));
    let queries = [
        covered("sum(rate(a[2m]))", "count(up)"),
        covered("sum(rate(a[2m])) / 2", "count(up)"),
        covered("sum(rate(a[2m]))", "count(up)"),
        promql("count(up)"),
    ];
    let answers = source(&options).observe(&queries, now()).await;
    assert!(answers.iter().all(|answer| answer.reading.is_ok()));
    assert_eq!(
        server.queries(),
        [
            "count(up)",
            "max by (job) (count_over_time(a[2m]))",
            "max by (job) (timestamp(a))",
            "max by (job) (timestamp(up))",
            "sum(rate(a[2m]))",
            "sum(rate(a[2m])) / 2",
        ]
    );
}

#[tokio::test]
async fn answers_stand_in_the_order_of_the_queries() {
    let server = FakeServer::start(|request| Reply::value(request.query()));
    let queries: Vec<_> = (0..200)
        .map(|number| promql(&(number * 7 % 200).to_string()))
        .collect();
    let answers = at(&server).observe(&queries, now()).await;
    let values: Vec<f64> = answers
        .iter()
        .map(|answer| answer.reading.as_ref().unwrap().value)
        .collect();
    let expected: Vec<f64> = (0..200).map(|number| f64::from(number * 7 % 200)).collect();
    assert_eq!(values, expected);
}

#[tokio::test]
async fn no_more_are_under_way_than_the_options_say_even_in_two_passes_at_once() {
    // Each waits until there are as many as may be, so that fewer would be seen too.
    static GATE: Mutex<()> = Mutex::new(());
    let held = GATE.lock().unwrap();
    let server = FakeServer::start(|_| {
        drop(GATE.lock().unwrap());
        Reply::value("1")
    });
    let mut options = options(&server.url());
    options.max_concurrent = 3;
    let source = source(&options);
    let queries: Vec<_> = (0..20)
        .map(|number| promql(&format!("vector({number})")))
        .collect();
    let release = async {
        headroom_test_support::wait_until(crate::PATIENCE, "three are under way", async || {
            server.under_way() == 3
        })
        .await;
        drop(held);
    };
    let (first, second, ()) = futures::join!(
        source.observe(&queries, now()),
        source.observe(&queries, now()),
        release
    );
    assert!(first.iter().chain(&second).all(|answer| answer.reading.is_ok()));
    assert_eq!(server.most_asked(), 3);
}

#[tokio::test]
async fn a_long_query_goes_in_the_body_and_a_short_one_in_the_url() {
    let server = FakeServer::start(|_| Reply::value("1"));
    let source = at(&server);
    let long = format!("vector(1) + 0 * {}1", "1 * ".repeat(1000));
    for (query, method) in [("vector(1)", "GET"), (long.as_str(), "POST")] {
        observe(&source, &promql(query)).await.reading.unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!((request.method.as_str(), request.query()), (method, query));
    }
}
