//! Ranges of queries: which are short for how often their series are scraped, and of which that is not known.

use std::sync::Arc;

use futures::future::join_all;
use headroom_metrics_source::{PrometheusSource, RangeRemark};
use serde_json::json;

use crate::{
    at,
    server::{FakeServer, Reply, Request},
};

/// A server whose `api` is scraped every 15 s, and of which the series of `a` are; those of `b` are of the job `gone`, and
/// about `c` it answers nothing that can be used.
fn server(targets: fn() -> Reply) -> FakeServer {
    FakeServer::start(move |request: &Request| {
        if request.path == "/api/v1/targets" {
            return targets();
        }
        match request.query() {
            query if query.contains("(a") => Reply::by_job(&[("api", "1")]),
            query if query.contains("(b") => Reply::by_job(&[("gone", "1"), ("lost", "1")]),
            query if query.contains("(c") => Reply::text(503, "text/plain", "overloaded"),
            query => panic!("nobody expected {query}"),
        }
    })
}

fn targets() -> Reply {
    let api = json!({ "labels": { "job": "api" }, "scrapePool": "any", "scrapeInterval": "15s" });
    Reply::json(
        200,
        &json!({ "status": "success", "data": { "activeTargets": [api] } }),
    )
}

fn no_targets() -> Reply {
    Reply::text(404, "text/plain", "404 page not found")
}

/// What there is to say about `query`: the selector, and its job or why nothing is known.
async fn said(source: &PrometheusSource, query: &str) -> Vec<(String, String)> {
    let remarks = source.range_remarks(&Arc::from(query)).await;
    let said = remarks.into_iter().map(|remark| match remark {
        RangeRemark::Short(short) => (short.selector.to_string(), format!("short for {}", short.job)),
        RangeRemark::Unknown { selector, because } => (selector.to_string(), because),
    });
    said.collect()
}

fn of(selector: &str, words: &str) -> (String, String) {
    (selector.to_owned(), words.to_owned())
}

#[tokio::test]
async fn what_cannot_be_known_of_a_range_is_said_and_is_not_fine() {
    let server = server(targets);
    let source = at(&server);
    assert_eq!(said(&source, "rate(a[1m])").await, []);
    assert_eq!(
        said(&source, "rate(a[59s])").await,
        [of("a[59s]", "short for api")]
    );
    let would_tell = "`scrape_interval` in the settings would tell";
    assert_eq!(
        said(&source, "rate(b[1m]) + rate(c[1m]) + rate(a[30s])").await,
        [
            of(
                "b[1m]",
                &format!("no target is scraped as job gone; {would_tell}")
            ),
            of(
                "b[1m]",
                &format!("no target is scraped as job lost; {would_tell}")
            ),
            of("c[1m]", "the metrics server answered 503: overloaded"),
            of("a[30s]", "short for api"),
        ]
    );
}

#[tokio::test]
async fn without_a_list_of_targets_nothing_is_known_of_any_range_and_it_is_asked_for_once() {
    let server = server(no_targets);
    let source = at(&server);
    let queries = ["rate(a[1s])", "rate(b[1s])", "rate(a[2s])", "rate(b[2s])"];
    let said = join_all(queries.iter().map(|query| said(&source, query))).await;
    for said in &said {
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].1.starts_with("the list of targets could not be asked: "),
            "{said:?}"
        );
    }
    let asked = server.requests();
    let lists = asked.iter().filter(|request| request.path == "/api/v1/targets");
    assert_eq!(lists.count(), 1);
}
