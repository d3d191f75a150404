//! The fake keeps to what the real ones do, and so does a deadline around it.

use std::time::Duration;

use headroom_metrics_source::{
    MetricsSource, Moments, ObserveError, Past, WithDeadline,
    testing::{ScriptedSource, promql},
};
use headroom_policy_engine::{MissingCause, Timestamp};

use crate::suite::{Silent, Subject, keeps_the_contract};

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

fn scripted() -> ScriptedSource {
    let source = ScriptedSource::new();
    source.set_value(&promql("one"), 1.0);
    source.set_value(&promql("two"), 2.0);
    source.set_error(&promql("several"), ObserveError::Ambiguous { found: 3 });
    source.set_silent(&promql("silent"));
    source
}

async fn check(source: &dyn MetricsSource, script: &ScriptedSource) {
    keeps_the_contract(&Subject {
        source,
        now: NOW,
        numbers: vec![(promql("one"), 1.0), (promql("two"), 2.0)],
        missing: vec![
            (promql("nobody set this"), MissingCause::NoData),
            (promql("several"), MissingCause::Ambiguous { series: 3 }),
        ],
        silent: Some(Silent {
            query: promql("silent"),
            under_way: &|| script.waiting(),
        }),
    })
    .await;
}

#[tokio::test]
async fn a_scripted_source() {
    let source = scripted();
    check(&source, &source).await;
    assert_eq!(source.asked().last().unwrap(), &[promql("one"), promql("two")]);
}

#[tokio::test]
async fn a_source_with_a_deadline() {
    let script = std::sync::Arc::new(scripted());
    let source = WithDeadline::new(std::sync::Arc::clone(&script), Duration::from_mins(10));
    check(&source, &script).await;
}

#[tokio::test(start_paused = true)]
async fn past_the_deadline_every_query_has_timed_out() {
    let script = std::sync::Arc::new(scripted());
    let deadline = Duration::from_secs(5);
    let source = WithDeadline::new(std::sync::Arc::clone(&script), deadline);
    let answers = source.observe(&[promql("one"), promql("silent")], NOW).await;
    for answer in answers {
        let error = answer.reading.unwrap_err();
        let is_late = matches!(*error, ObserveError::TimedOut { after } if after == deadline);
        assert!(is_late, "{error}");
    }
    assert_eq!(script.waiting(), 0);
}

#[tokio::test]
async fn a_past_that_was_set_is_told_and_another_is_not_known() {
    let source = scripted();
    let second = |second: i64| {
        NOW.plus(Duration::from_secs(100))
            .minus(Duration::from_secs(u64::try_from(-second).unwrap()))
    };
    source.set_past(
        &promql("one"),
        [(second(-20), 1.0), (second(-15), f64::NAN), (second(-10), 2.0)],
    );
    let moments = Moments::before(second(0), Duration::from_secs(25), Duration::from_secs(5)).unwrap();
    let past = source
        .observe_past(&[promql("one"), promql("two")], &moments)
        .await;
    let [one, two] = <[Past; 2]>::try_from(past).unwrap();
    let values = one
        .unwrap()
        .into_iter()
        .map(|answer| answer.reading.map(|reading| reading.value));
    let absent = Err(MissingCause::NoData);
    let expected = [absent, absent, Ok(1.0), absent, Ok(2.0), Ok(2.0)];
    assert_eq!(values.collect::<Vec<_>>(), expected);
    assert!(matches!(*two.unwrap_err(), ObserveError::NoPast));
}
