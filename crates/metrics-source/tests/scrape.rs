//! Replicas asked over real connections: what is added up, what is missing, and what the engine makes of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use headroom_metrics_source::{
    Across, Answer, Endpoint, EndpointAddress, FirstRate, MetricQuery, MetricsSource, ObserveError,
    PromqlQuery, ScrapeOptions, ScrapeQuery, ScrapeSource,
};
use headroom_policy_engine::{Freshness, MissingCause, Observation, Readiness, Reading, Replicas, Timestamp};
use headroom_test_support::ClosedPort;
use tokio::net::TcpListener;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::path};

const START: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

fn seconds(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// A source on which no test waits for long, and none that should answer is late.
fn source() -> ScrapeSource {
    with_options(ScrapeOptions::default())
}

fn with_options(options: ScrapeOptions) -> ScrapeSource {
    headroom_test_support::install_tls();
    ScrapeSource::new(options).unwrap()
}

/// A replica that answers with `text`.
async fn replica(text: &str) -> MockServer {
    let server = MockServer::start().await;
    say(&server, text).await;
    server
}

/// From now on the replica answers with `text`.
async fn say(server: &MockServer, text: &str) {
    respond(server, ResponseTemplate::new(200).set_body_string(text)).await;
}

async fn respond(server: &MockServer, with: impl Respond + 'static) {
    server.reset().await;
    Mock::given(path("/metrics"))
        .respond_with(with)
        .mount(server)
        .await;
}

fn ready(id: &str, base_url: impl Into<String>) -> Endpoint {
    Endpoint {
        id: id.into(),
        address: EndpointAddress::Url(base_url.into().into()),
        ready: true,
    }
}

fn starting(id: &str, base_url: impl Into<String>) -> Endpoint {
    Endpoint {
        ready: false,
        ..ready(id, base_url)
    }
}

fn endpoints(servers: &[&MockServer]) -> Vec<Endpoint> {
    let named = servers.iter().enumerate();
    named
        .map(|(index, server)| ready(&format!("r{index}"), server.uri()))
        .collect()
}

fn gauge(series: &str, endpoints: impl Into<Arc<[Endpoint]>>) -> ScrapeQuery {
    ScrapeQuery {
        series: series.into(),
        path: "/metrics".into(),
        rate_over: None,
        across: Across::Sum,
        endpoints: endpoints.into(),
    }
}

fn counter(series: &str, endpoints: impl Into<Arc<[Endpoint]>>) -> ScrapeQuery {
    ScrapeQuery {
        rate_over: Some(Duration::from_secs(10)),
        ..gauge(series, endpoints)
    }
}

async fn observe(source: &ScrapeSource, query: ScrapeQuery, now: Timestamp) -> Answer {
    let mut answers = source.observe(&[MetricQuery::Scrape(query)], now).await;
    answers.pop().unwrap()
}

fn reading(answer: &Answer) -> Reading {
    match &answer.reading {
        Ok(reading) => *reading,
        Err(error) => panic!("{error}: {:?}", answer.remarks),
    }
}

fn error(answer: &Answer) -> &ObserveError {
    answer.reading.as_ref().unwrap_err()
}

/// What the engine makes of an answer when `ready` replicas are ready.
fn judge(answer: &Answer, ready: u32, now: Timestamp) -> Observation {
    let answer = answer.reading.as_ref().map_err(|error| error.cause()).copied();
    let readiness = Readiness::Known {
        ready: Replicas::new(ready),
        longest_unready: None,
    };
    let freshness = Freshness {
        max_age: Duration::from_secs(60),
    };
    Observation::judge(answer, freshness, Replicas::new(ready), readiness, now)
}

#[tokio::test]
async fn adds_up_what_matches_on_all_replicas() {
    let (one, two) = (
        replica("users{room=\"a\"} 3\nusers{room=\"b\"} 4\nother 9\n").await,
        replica("users{room=\"a\"} 5\n").await,
    );
    let answer = observe(&source(), gauge("users", endpoints(&[&one, &two])), START).await;
    assert_eq!(reading(&answer).value, 12.0);
    assert_eq!(answer.remarks, []);
    let Observation::Fresh(sample) = judge(&answer, 2, START) else {
        panic!("{answer:?}");
    };
    assert_eq!((sample.value, sample.measured_at), (12.0, Some(START)));
    let only_a = observe(
        &source(),
        gauge("users{room=\"a\"}", endpoints(&[&one, &two])),
        START,
    )
    .await;
    assert_eq!(reading(&only_a).value, 8.0);
}

#[tokio::test]
async fn a_replica_of_which_nobody_knows_where_it_listens_is_one_that_does_not_answer() {
    let one = replica("users 3\n").await;
    let lost = Endpoint {
        address: EndpointAddress::Unknown("has no port called `metrics`".into()),
        ..ready("lost", "")
    };
    let known = ready("one", one.uri());
    let answer = observe(&source(), gauge("users", vec![known, lost.clone()]), START).await;
    assert_eq!(reading(&answer).value, 3.0);
    assert_eq!(
        answer.remarks,
        ["replica lost: has no port called `metrics`".into()]
    );
    assert!(matches!(judge(&answer, 2, START), Observation::Partial(_)));
    let answer = observe(&source(), gauge("users", vec![lost]), START).await;
    assert_eq!(
        error(&answer).to_string(),
        "none of 1 replicas answered: has no port called `metrics`"
    );
}

#[tokio::test]
async fn averages_what_ready_replicas_say() {
    let (one, two, new) = (
        replica("busy 0.9\n").await,
        replica("busy 0.5\n").await,
        replica("busy 0\n").await,
    );
    let mut query = gauge("busy", endpoints(&[&one, &two]));
    query.across = Across::Average;
    let answer = observe(&source(), query.clone(), START).await;
    assert_eq!(reading(&answer).value, 0.7);
    query.endpoints = [
        ready("r0", one.uri()),
        ready("r1", two.uri()),
        starting("r2", new.uri()),
    ]
    .into();
    let answer = observe(&source(), query, START).await;
    assert_eq!(reading(&answer).value, 0.7);
    assert_eq!(reading(&answer).coverage.replicas, Some(2.0));
}

#[tokio::test]
async fn a_replica_that_is_down_is_missing_and_not_zero() {
    let (one, two) = (replica("users 10\n").await, replica("users 10\n").await);
    let gone = ClosedPort::new();
    let mut all = endpoints(&[&one, &two]);
    all.push(ready("gone", gone.url()));
    let answer = observe(&source(), gauge("users", all), START).await;
    assert!(matches!(judge(&answer, 3, START), Observation::Partial(sample) if sample.value == 20.0));
    assert!(
        answer.remarks[0].starts_with("replica gone: could not be reached"),
        "{:?}",
        answer.remarks
    );
}

#[tokio::test]
async fn a_replica_that_is_starting_may_be_silent_and_cannot_stand_in() {
    let (one, new) = (replica("users 10\n").await, replica("users 1\n").await);
    let gone = ClosedPort::new();
    let silent = [ready("r0", one.uri()), starting("new", gone.url())];
    let answer = observe(&source(), gauge("users", silent), START).await;
    assert!(matches!(judge(&answer, 1, START), Observation::Fresh(sample) if sample.value == 10.0));
    assert_eq!(answer.remarks, []);
    let lost = [
        ready("r0", one.uri()),
        ready("gone", gone.url()),
        starting("new", new.uri()),
    ];
    let answer = observe(&source(), gauge("users", lost), START).await;
    assert!(matches!(judge(&answer, 2, START), Observation::Partial(sample) if sample.value == 11.0));
}

#[tokio::test]
async fn a_line_that_does_not_parse_loses_the_replica_and_not_the_line() {
    let (one, two) = (
        replica("users 10\n").await,
        replica("users{room=\"a\"} 6\nusers{room=b} 4\n").await,
    );
    let answer = observe(&source(), gauge("users", endpoints(&[&one, &two])), START).await;
    assert!(matches!(judge(&answer, 2, START), Observation::Partial(sample) if sample.value == 10.0));
    let remark = "replica r1: line 2: expected a text in quotes: \"users{room=b} 4\"";
    assert_eq!(answer.remarks, [remark.into()]);
    let alone = observe(&source(), gauge("users", endpoints(&[&two])), START).await;
    assert_eq!(error(&alone).cause(), MissingCause::Malformed);
}

#[tokio::test]
async fn a_page_that_is_no_metrics_is_malformed() {
    let html = replica("<!doctype html>\n<title>It works</title>\n").await;
    let answer = observe(&source(), gauge("users", endpoints(&[&html])), START).await;
    assert_eq!(error(&answer).cause(), MissingCause::Malformed);
}

#[tokio::test]
async fn a_replica_without_the_series_is_missing_and_not_zero() {
    let (one, two) = (replica("users 10\n").await, replica("other 1\n").await);
    let answer = observe(&source(), gauge("users", endpoints(&[&one, &two])), START).await;
    assert!(matches!(judge(&answer, 2, START), Observation::Partial(sample) if sample.value == 10.0));
    assert_eq!(answer.remarks, ["replica r1: has no series users".into()]);
    let nowhere = observe(&source(), gauge("users", endpoints(&[&two])), START).await;
    assert!(matches!(error(&nowhere), ObserveError::NoData));
}

#[tokio::test]
async fn nobody_to_ask_or_nobody_answering_is_no_replicas() {
    let nobody = observe(&source(), gauge("users", []), START).await;
    assert!(matches!(
        error(&nobody),
        ObserveError::NoReplicas {
            asked: 0,
            first: None
        }
    ));
    let closed = ClosedPort::new();
    let gone = [ready("a", closed.url())];
    let silent = observe(&source(), gauge("users", gone), START).await;
    assert!(matches!(
        error(&silent),
        ObserveError::NoReplicas {
            asked: 1,
            first: Some(_)
        }
    ));
    let no_url = observe(&source(), gauge("users", [ready("a", "not a url")]), START).await;
    assert!(matches!(
        error(&no_url),
        ObserveError::NoReplicas {
            asked: 1,
            first: Some(_)
        }
    ));
}

#[tokio::test]
async fn statuses_other_than_success_are_no_answer() {
    let elsewhere = replica("users 99\n").await;
    for status in [404, 500, 503, 302] {
        let server = MockServer::start().await;
        let template = ResponseTemplate::new(status)
            .insert_header("location", format!("{}/metrics", elsewhere.uri()))
            .set_body_string("users 1\n");
        respond(&server, template).await;
        let answer = observe(&source(), gauge("users", endpoints(&[&server])), START).await;
        let expected = format!("answered with status {status}");
        assert!(
            matches!(error(&answer), ObserveError::NoReplicas { first: Some(why), .. } if *why == expected),
            "{answer:?}"
        );
    }
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_replica_that_takes_too_long_is_missing() {
    let quick = replica("users 10\n").await;
    // It is connected to, and never says anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut all = endpoints(&[&quick]);
    all.push(ready("slow", format!("http://{}", silent.local_addr().unwrap())));
    let source = with_options(ScrapeOptions {
        deadline: Duration::from_secs(2),
        ..ScrapeOptions::default()
    });
    let answer = observe(&source, gauge("users", all), START).await;
    assert!(matches!(judge(&answer, 2, START), Observation::Partial(sample) if sample.value == 10.0));
    assert_eq!(answer.remarks, ["replica slow: no answer within 2s".into()]);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let server = replica(&format!("# {}\nusers 10\n", "x".repeat(1000))).await;
    let source = with_options(ScrapeOptions {
        max_body: 1000,
        ..ScrapeOptions::default()
    });
    let answer = observe(&source, gauge("users", endpoints(&[&server])), START).await;
    assert!(matches!(error(&answer), ObserveError::TooLarge { limit: 1000 }));
}

#[tokio::test]
async fn a_value_that_is_no_number_stays_one() {
    let (one, two) = (replica("busy NaN\n").await, replica("busy 1\n").await);
    let answer = observe(&source(), gauge("busy", endpoints(&[&one, &two])), START).await;
    let cause = MissingCause::NotANumber;
    assert_eq!(judge(&answer, 2, START), Observation::Missing { cause });
}

#[tokio::test]
async fn the_oldest_sample_tells_the_age() {
    let dated = START.minus(Duration::from_secs(90)).unix_millis();
    let (one, two) = (
        replica("users 10\n").await,
        replica(&format!("users 10 {dated}\n")).await,
    );
    let answer = observe(&source(), gauge("users", endpoints(&[&one, &two])), START).await;
    assert!(matches!(judge(&answer, 2, START), Observation::Stale { age, .. } if age.as_secs() == 90));
}

#[tokio::test]
async fn reads_open_metrics_where_the_replica_says_so() {
    let server = MockServer::start().await;
    let text = "users 10 # {trace=\"x\"} 1\n# EOF\n";
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    respond(&server, ResponseTemplate::new(200).set_body_raw(text, kind)).await;
    let answer = observe(&source(), gauge("users", endpoints(&[&server])), START).await;
    assert_eq!(reading(&answer).value, 10.0);
}

#[tokio::test]
async fn each_text_is_asked_for_once_however_many_queries_want_it() {
    let server = replica("users 10\nbusy 0.5\nrequests_total 100\n").await;
    let all = endpoints(&[&server]);
    let users = MetricQuery::Scrape(gauge("users", all.clone()));
    let queries = [
        users.clone(),
        MetricQuery::Scrape(gauge("busy", all.clone())),
        MetricQuery::Scrape(counter("requests_total", all)),
        users,
        MetricQuery::Promql(PromqlQuery {
            query: "up".into(),
            coverage: None,
        }),
        MetricQuery::Scrape(gauge("sum(users)", endpoints(&[&server]))),
    ];
    let answers = source().observe(&queries, START).await;
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    assert_eq!(reading(&answers[0]).value, 10.0);
    assert_eq!(reading(&answers[1]).value, 0.5);
    assert!(matches!(error(&answers[2]), ObserveError::NoRateYet { .. }));
    assert_eq!(reading(&answers[3]), reading(&answers[0]));
    assert!(matches!(error(&answers[4]), ObserveError::Unsupported));
    assert!(matches!(error(&answers[5]), ObserveError::Unsupported));
    assert!(
        answers[5].remarks[0].contains("not an expression"),
        "{:?}",
        answers[5].remarks
    );
}

#[tokio::test]
async fn counters_become_rates_and_survive_a_restart() {
    let (one, two) = (
        replica("requests_total 100\n").await,
        replica("requests_total 1000\n").await,
    );
    let query = counter("requests_total", endpoints(&[&one, &two]));
    let before = source();
    let first = observe(&before, query.clone(), START).await;
    assert_eq!(error(&first).cause(), MissingCause::NoRateYet);
    say(&one, "requests_total 200\n").await;
    // It started anew.
    say(&two, "requests_total 50\n").await;
    let stored = serde_json::to_string(&before.readings()).unwrap();
    let after = source();
    after.restore(serde_json::from_str(&stored).unwrap()).unwrap();
    let answer = observe(&after, query, seconds(10)).await;
    assert_eq!(reading(&answer).value, 10.0 + 5.0);
    assert!(matches!(judge(&answer, 2, seconds(10)), Observation::Fresh(_)));
}

#[tokio::test]
async fn a_replica_without_a_rate_yet_makes_the_value_partial() {
    let (one, two) = (
        replica("requests_total 0\n").await,
        replica("requests_total 700\n").await,
    );
    let source = source();
    observe(&source, counter("requests_total", endpoints(&[&one])), START).await;
    say(&one, "requests_total 100\n").await;
    let answer = observe(
        &source,
        counter("requests_total", endpoints(&[&one, &two])),
        seconds(10),
    )
    .await;
    assert!(matches!(judge(&answer, 2, seconds(10)), Observation::Partial(sample) if sample.value == 10.0));
    assert_eq!(answer.remarks, ["replica r1: has no rate yet".into()]);
}

#[tokio::test]
async fn a_counter_that_is_not_there_has_no_rate_of_zero() {
    let (one, two) = (replica("requests_total 0\n").await, replica("other 1\n").await);
    let source = source();
    let query = counter("requests_total", endpoints(&[&one, &two]));
    observe(&source, query.clone(), START).await;
    say(&one, "requests_total 100\n").await;
    let answer = observe(&source, query, seconds(10)).await;
    assert!(matches!(judge(&answer, 2, seconds(10)), Observation::Partial(sample) if sample.value == 10.0));
    assert_eq!(
        answer.remarks,
        ["replica r1: has no series requests_total".into()]
    );
    let nowhere = counter("requests_total", endpoints(&[&two]));
    let answer = observe(&source, nowhere, seconds(20)).await;
    assert_eq!(error(&answer).cause(), MissingCause::NoData);
    // With the first request it is there, and counts from nothing.
    say(&two, "requests_total 10\n").await;
    let appeared = counter("requests_total", endpoints(&[&two]));
    assert_eq!(reading(&observe(&source, appeared, seconds(30)).await).value, 1.0);
}

#[tokio::test]
async fn a_replaced_replica_on_an_old_address_is_a_new_one() {
    let server = replica("requests_total 1000\n").await;
    let source = source();
    let replica = |id| counter("requests_total", [ready(id, server.uri())]);
    observe(&source, replica("old"), START).await;
    say(&server, "requests_total 5000\n").await;
    let answer = observe(&source, replica("new"), seconds(10)).await;
    assert_eq!(error(&answer).cause(), MissingCause::NoRateYet);
}

#[tokio::test]
async fn queries_with_windows_of_their_own_do_not_disturb_each_other() {
    let server = replica("requests_total 0\n").await;
    let source = source();
    let short = counter("requests_total", endpoints(&[&server]));
    let long = ScrapeQuery {
        rate_over: Some(Duration::from_secs(40)),
        ..short.clone()
    };
    let queries = [MetricQuery::Scrape(short), MetricQuery::Scrape(long)];
    let mut last = Vec::new();
    for pass in 0..5_u64 {
        // The second half is twice as fast.
        let total = [0, 100, 200, 400, 600][usize::try_from(pass).unwrap()];
        say(&server, &format!("requests_total {total}\n")).await;
        last = source.observe(&queries, seconds(10 * pass)).await;
    }
    assert_eq!(reading(&last[0]).value, 20.0);
    assert_eq!(reading(&last[1]).value, 15.0);
}

/// Counts its requests, and tells a hundred times that.
struct Growing(AtomicU64);

impl Respond for Growing {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let requests = self.0.fetch_add(1, Ordering::Relaxed);
        ResponseTemplate::new(200).set_body_string(format!("requests_total {}\n", 100 * requests))
    }
}

#[tokio::test]
async fn a_one_shot_run_reads_twice() {
    let server = MockServer::start().await;
    respond(&server, Growing(AtomicU64::new(0))).await;
    let rate_over = Duration::from_millis(50);
    let query = ScrapeQuery {
        rate_over: Some(rate_over),
        ..counter("requests_total", endpoints(&[&server]))
    };
    let read_twice = |longest_wait| ScrapeOptions {
        first_rate: FirstRate::ReadTwice { longest_wait },
        ..ScrapeOptions::default()
    };
    let source = with_options(read_twice(rate_over));
    let answer = observe(&source, query.clone(), START).await;
    let reading = reading(&answer);
    // A hundred in at least the window.
    assert!(reading.value > 0.0 && reading.value <= 2000.0, "{reading:?}");
    assert_eq!(reading.coverage.window, Some(1.0));
    assert!(reading.newest_sample >= Some(START.plus(rate_over)));
    assert!(matches!(judge(&answer, 1, START), Observation::Fresh(_)));
    assert_eq!(server.received_requests().await.unwrap().len(), 2);

    // A window that would take too long is not waited for.
    let impatient = with_options(read_twice(Duration::from_millis(49)));
    let answer = observe(&impatient, query, START).await;
    assert_eq!(error(&answer).cause(), MissingCause::NoRateYet);
}

#[tokio::test]
async fn a_one_shot_run_with_a_good_earlier_reading_reads_once() {
    let server = replica("requests_total 0\n").await;
    let options = ScrapeOptions {
        first_rate: FirstRate::ReadTwice {
            longest_wait: Duration::ZERO,
        },
        ..ScrapeOptions::default()
    };
    let query = counter("requests_total", endpoints(&[&server]));
    let earlier = with_options(options.clone());
    observe(&earlier, query.clone(), START).await;
    let later = with_options(ScrapeOptions {
        first_rate: FirstRate::ReadTwice {
            longest_wait: Duration::from_secs(60),
        },
        ..options
    });
    later.restore(earlier.readings()).unwrap();
    say(&server, "requests_total 150\n").await;
    let answer = observe(&later, query, seconds(15)).await;
    assert_eq!(reading(&answer).value, 10.0);
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}
