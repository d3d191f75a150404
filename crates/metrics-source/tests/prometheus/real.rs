//! On the real Prometheus, which scrapes once a second.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use headroom_metrics_source::{
    MetricQuery, MetricsSource, Moments, ObserveError, PrometheusSource, RangeRemark, testing::promql,
};
use headroom_policy_engine::{Freshness, MissingCause, Observation, Readiness, Replicas};
use headroom_test_support::{Job, Prometheus, wait_for};

use crate::{
    PATIENCE, covered, error_of, now, observe, options,
    server::{FakeServer, Reply},
    source,
};

/// How long it may take until a window of some seconds is as a test wants it.
const WAIT: Duration = Duration::from_secs(60);

/// A replica of a service: a gauge `load`, and a counter that goes up by one with each scrape.
struct Replica {
    server: FakeServer,
    is_healthy: Arc<AtomicBool>,
}

impl Replica {
    fn start(load: f64) -> Self {
        let is_healthy = Arc::new(AtomicBool::new(true));
        let healthy = Arc::clone(&is_healthy);
        let scrapes = AtomicU64::new(0);
        let server = FakeServer::start(move |_| {
            if !healthy.load(SeqCst) {
                return Reply::text(500, "text/plain", "");
            }
            let scrapes = scrapes.fetch_add(1, SeqCst);
            let text =
                format!("# TYPE load gauge\nload {load}\n# TYPE work_total counter\nwork_total {scrapes}\n");
            Reply::text(200, "text/plain; version=0.0.4", &text)
        });
        Self { server, is_healthy }
    }

    fn fail(&self) {
        self.is_healthy.store(false, SeqCst);
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }
}

async fn scraping(replicas: &[Replica]) -> Prometheus {
    let targets = replicas.iter().map(Replica::address);
    Prometheus::builder()
        .job(Job::new("api").targets(targets))
        .start()
        .await
}

fn of(prometheus: &Prometheus) -> PrometheusSource {
    source(&options(&prometheus.url()))
}

/// What is made of the answer for a workload of `replicas`, where values may be `max_age` old.
async fn judged(
    source: &PrometheusSource,
    query: &MetricQuery,
    replicas: u32,
    max_age: Duration,
) -> Observation {
    let answer = observe(source, query).await;
    let reading = answer.reading.map_err(|error| error.cause());
    let replicas = Replicas::new(replicas);
    let readiness = Readiness::Unknown;
    Observation::judge(reading, Freshness { max_age }, replicas, readiness, now())
}

/// Asks until `predicate` holds; every answer until then passes through `each`.
async fn until(
    what: &str,
    (source, query, replicas): (&PrometheusSource, &MetricQuery, u32),
    mut each: impl FnMut(&Observation),
    predicate: impl Fn(&Observation) -> bool,
) -> Observation {
    wait_for(WAIT, what, async || {
        let seen = judged(source, query, replicas, WAIT).await;
        each(&seen);
        predicate(&seen).then_some(seen)
    })
    .await
}

fn is_fresh(seen: &Observation) -> bool {
    matches!(seen, Observation::Fresh(_))
}

fn is_partial(seen: &Observation) -> bool {
    matches!(seen, Observation::Partial(_))
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_value_comes_with_its_age_and_the_interval_of_its_job() {
    let replicas = [Replica::start(3.0), Replica::start(4.0)];
    let prometheus = scraping(&replicas).await;
    prometheus.wait_for_value("sum(load)", |value| value == 7.0).await;
    let source = of(&prometheus);
    let answer = observe(&source, &covered("sum(load)", "count(up == 1)")).await;
    let reading = answer.reading.unwrap();
    assert_eq!((reading.value, reading.coverage.replicas), (7.0, Some(2.0)));
    assert_eq!(answer.scrape_interval, Some(Duration::from_secs(1)));
    assert_eq!(answer.remarks, []);
    let age = reading.answered_at.unwrap().since(reading.newest_sample.unwrap());
    assert!(age < WAIT, "{age:?}");
    let info = source.probe().await.unwrap();
    assert!(now().since(info.time) < WAIT);
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn the_past_is_told_as_it_was() {
    let replicas = [Replica::start(3.0), Replica::start(4.0)];
    let prometheus = scraping(&replicas).await;
    let source = of(&prometheus);
    let query = covered("sum(load)", "count(up == 1)");
    until("both are seen", (&source, &query, 2), |_| {}, is_fresh).await;
    prometheus
        .wait_for_value("count_over_time(sum(load)[1m:1s])", |seconds| seconds >= 4.0)
        .await;
    replicas[1].fail();
    prometheus
        .wait_for_value("sum_over_time(count(up == 0)[1m:1s])", |seconds| seconds >= 4.0)
        .await;
    let time = source.probe().await.unwrap().time;
    let second = Duration::from_secs(1);
    let moments = Moments::before(time, Duration::from_secs(40), second).unwrap();
    let mut past = source.observe_past(std::slice::from_ref(&query), &moments).await;
    let answers = past.remove(0).unwrap();
    assert_eq!(answers.len(), 41);
    assert_eq!(
        answers[0].reading,
        Err(MissingCause::NoData),
        "before the server was started"
    );
    let mut told = Vec::new();
    for (answer, moment) in answers.iter().zip(moments.iter()) {
        let Ok(reading) = answer.reading else { continue };
        assert_eq!(reading.answered_at, Some(moment));
        let age = moment.since(reading.newest_sample.unwrap());
        assert!(age < Duration::from_secs(10), "{age:?}");
        told.push((reading.value, reading.coverage.replicas.unwrap()));
    }
    told.dedup();
    let both = told.iter().position(|&told| told == (7.0, 2.0));
    assert!(both.is_some(), "{told:?}");
    assert_eq!(told.last(), Some(&(3.0, 1.0)), "{told:?}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn what_the_server_says_is_kept() {
    let replicas = [Replica::start(3.0), Replica::start(4.0)];
    let prometheus = scraping(&replicas).await;
    prometheus
        .wait_for_value("min(count_over_time(load[1m]))", |count| count >= 2.0)
        .await;
    let source = of(&prometheus);
    let answer = observe(&source, &promql("sum(rate(load[1m]))")).await;
    let remarks = answer.remarks;
    assert!(
        remarks.iter().any(|it| it.contains("might not be a counter")),
        "{remarks:?}"
    );
    for (query, status, words) in [
        ("sum(", 400, "parse error"),
        ("load + on () load", 422, "many-to-many"),
    ] {
        let error = error_of(&source, query).await;
        assert_eq!(error.cause(), MissingCause::Rejected { status });
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = error_of(&source, "load").await;
    assert!(matches!(*error, ObserveError::Ambiguous { found: 2 }), "{error}");
    assert!(matches!(
        *error_of(&source, "load[1m]").await,
        ObserveError::WrongType { .. }
    ));
    assert!(matches!(
        *error_of(&source, "\"text\"").await,
        ObserveError::WrongType { .. }
    ));
    assert!(matches!(
        *error_of(&source, "nothing").await,
        ObserveError::NoData
    ));
    assert!(matches!(
        *error_of(&source, "0 / 0").await,
        ObserveError::NotANumber
    ));
    assert!(matches!(
        *error_of(&source, "vector(1) / 0").await,
        ObserveError::Infinite
    ));
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn every_question_beside_a_query_is_one_that_the_server_understands() {
    let replicas = [Replica::start(3.0)];
    let prometheus = scraping(&replicas).await;
    prometheus
        .wait_for_value("count_over_time(load[1m])", |count| count >= 3.0)
        .await;
    let source = of(&prometheus);
    for query in [
        r#"sum(load{job=~"a.*|b", instance!="", job!~"\\d+\"x"})"#,
        r#"sum({__name__="load", job="api"})"#,
        r#"sum({"load", job='api'})"#,
        r#"sum({"load", "job"="api"})"#,
        r"sum(load{job=`api`} offset 1s)",
        "sum(load offset -1s)",
        "sum(load @ end()) + sum(load @ start())",
        "sum(rate(work_total[1m30s]))",
        "sum(rate(work_total[1m500ms] offset 1s))",
        "sum(max_over_time(load[1m:500ms]))",
        "max_over_time(sum(rate(work_total[10s]))[1m:1s] offset 1s)",
        "sum(max_over_time(load[1m:]))",
        "avg(quantile_over_time(0.5, load[1m]))",
        r#"sum(load) + (sum(rate({"http.server/active"}[5m])) or vector(0))"#,
        "sum(load) / on () group_left () sum(work_total > bool 1)",
        "scalar(sum(load)) + topk(1, load)",
    ] {
        let answer = wait_for(PATIENCE, query, async || {
            let answer = observe(&source, &promql(query)).await;
            answer.reading.is_ok().then_some(answer)
        })
        .await;
        let reading = answer.reading.unwrap();
        assert!(reading.newest_sample.is_some(), "{query}: {:?}", answer.remarks);
        assert!(
            answer.remarks.iter().all(|remark| !remark.contains("unknown")),
            "{query}: {:?}",
            answer.remarks
        );
        assert!(
            reading.coverage.window.is_none_or(|share| share > 0.0),
            "{query}: {reading:?}"
        );
    }
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_value_grows_old_when_its_targets_go() {
    let replicas = [Replica::start(3.0)];
    let prometheus = scraping(&replicas).await;
    let source = of(&prometheus);
    prometheus
        .wait_for_value("count_over_time(work_total[1m])", |count| count >= 4.0)
        .await;
    let rate = promql("sum(rate(work_total[1m]))");
    let seen = judged(&source, &rate, 1, WAIT).await;
    assert!(
        seen.known().is_some_and(|sample| sample.measured_at.is_some()),
        "{seen:?}"
    );

    replicas[0].fail();
    prometheus
        .wait_for("load", |result| result.as_array().is_some_and(Vec::is_empty))
        .await;
    let error = error_of(&source, "sum(load)").await;
    assert!(matches!(*error, ObserveError::NoData), "{error}");
    // The range still gives a value over what is left in it; its age is what tells.
    wait_for(WAIT, "the rate is stale", async || {
        let seen = judged(&source, &rate, 1, Duration::from_secs(3)).await;
        matches!(seen, Observation::Stale { .. }).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn after_a_restart_of_the_server_the_short_window_is_partial() {
    let replicas = [Replica::start(3.0)];
    let mut prometheus = scraping(&replicas).await;
    let source = of(&prometheus);
    let query = covered("sum(rate(work_total[10s]))", "count(up == 1)");
    let asked = (&source, &query, 1);
    until("the window is full", asked, |_| {}, is_fresh).await;

    prometheus.stop();
    let stopped = Instant::now();
    let error = observe(&source, &query).await.reading.unwrap_err();
    assert_eq!(error.cause(), MissingCause::Unreachable);
    // Until most of the window is a gap.
    wait_for(WAIT, "the gap is long", async || {
        (stopped.elapsed() > Duration::from_secs(6)).then_some(())
    })
    .await;
    prometheus.start_again().await;
    let mut first = None;
    let note = |seen: &Observation| {
        if seen.known().is_some() {
            first.get_or_insert(*seen);
        }
    };
    until("the window is full again", asked, note, is_fresh).await;
    assert!(
        first.as_ref().is_some_and(is_partial),
        "the first value was {first:?}"
    );
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn when_half_the_targets_are_not_scraped_the_value_is_partial() {
    let replicas: Vec<Replica> = (0..4).map(|_| Replica::start(1.0)).collect();
    let prometheus = scraping(&replicas).await;
    let source = of(&prometheus);
    let query = covered("sum(load)", "count(up{job=\"api\"} == 1)");
    let asked = (&source, &query, 4);
    let seen = until("all are scraped", asked, |_| {}, is_fresh).await;
    assert_eq!(seen.known().unwrap().value, 4.0);
    replicas[0].fail();
    replicas[1].fail();
    let is_half = |seen: &Observation| seen.known().is_some_and(|sample| sample.value == 2.0);
    let seen = until("half are scraped", asked, |_| {}, is_half).await;
    // The sum and the count are asked a moment apart, so the count may be that of before.
    let seen = if is_partial(&seen) {
        seen
    } else {
        judged(&source, &query, 4, WAIT).await
    };
    assert!(is_partial(&seen), "{seen:?}");
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_workload_whose_replicas_are_all_replaced_is_seen_all_the_time() {
    let old = [Replica::start(1.0), Replica::start(1.0)];
    let mut prometheus = scraping(&old).await;
    let source = of(&prometheus);
    let query = covered("sum(rate(work_total[10s]))", "count(up{job=\"api\"} == 1)");
    let asked = (&source, &query, 2);
    until("the window is full", asked, |_| {}, is_fresh).await;

    let new = [Replica::start(1.0), Replica::start(1.0)];
    prometheus
        .set_targets("api", new.iter().map(Replica::address))
        .await;
    let only_new = format!("sum(rate(work_total{{instance=\"{}\"}}[10s]))", new[0].address());
    wait_for(WAIT, "the new ones fill the window", async || {
        let seen = judged(&source, &query, 2, WAIT).await;
        // It may raise all the while.
        assert!(seen.known().is_some(), "{seen:?}");
        let new = judged(&source, &promql(&only_new), 1, WAIT).await;
        (is_fresh(&seen) && is_fresh(&new)).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the real servers: run `cargo xtask test`"]
async fn a_range_is_short_where_fewer_than_four_scrapes_of_its_job_fit() {
    let replicas = [Replica::start(3.0)];
    let prometheus = scraping(&replicas).await;
    prometheus
        .wait_for_value("count(work_total)", |value| value == 1.0)
        .await;
    let source = of(&prometheus);
    let short = async |query: &str| {
        let found = source.range_remarks(&query.into()).await;
        found
            .into_iter()
            .map(|remark| {
                let RangeRemark::Short(one) = remark else {
                    panic!("{remark:?}");
                };
                let seconds = [one.range, one.interval, one.enough()].map(|span| span.as_secs());
                (one.selector.to_string(), one.job.clone(), seconds, one.scrapes())
            })
            .collect::<Vec<_>>()
    };
    let of = |selector: &str, range, scrapes| (selector.to_owned(), "api".to_owned(), [range, 1, 4], scrapes);
    assert_eq!(
        short("sum(rate(work_total[3s])) / sum(rate(work_total{job=\"api\"}[2s]))").await,
        [
            of("work_total[3s]", 3, 3),
            of("work_total{job=\"api\"}[2s]", 2, 2)
        ]
    );
    for enough in [
        "sum(rate(work_total[4s]))",
        "sum(load)",
        "vector(1)",
        "max_over_time(load[3s:1s])",
    ] {
        assert_eq!(short(enough).await, [], "{enough}");
    }
    assert_eq!(
        short("rate(nobody_has_it[1s])").await,
        [],
        "of no job nothing is known"
    );
}
