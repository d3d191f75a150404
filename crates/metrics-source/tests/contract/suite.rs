//! The suite. A subject is a source with queries whose answers are known.

use std::{future::Future, time::Duration};

use futures::poll;
use headroom_metrics_source::{Answer, MetricQuery, MetricsSource, Moments};
use headroom_policy_engine::{MissingCause, Timestamp};
use headroom_test_support::wait_until;

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A source, and what it is known to answer.
pub(crate) struct Subject<'s> {
    pub(crate) source: &'s dyn MetricsSource,
    /// The time of the passes.
    pub(crate) now: Timestamp,
    /// At least two queries that have a number.
    pub(crate) numbers: Vec<(MetricQuery, f64)>,
    /// Queries that have none, and why: no data, several series, a server that fails, another source's kind.
    pub(crate) missing: Vec<(MetricQuery, MissingCause)>,
    /// A query that is never answered, for sources that wait for somebody.
    pub(crate) silent: Option<Silent<'s>>,
}

/// A query whose answer never comes.
pub(crate) struct Silent<'s> {
    pub(crate) query: MetricQuery,
    /// How many requests for it are under way.
    pub(crate) under_way: &'s dyn Fn() -> usize,
}

/// Fails the test where the subject does not keep to the contract of the port.
pub(crate) async fn keeps_the_contract(subject: &Subject<'_>) {
    assert!(
        subject.numbers.len() >= 2 && !subject.missing.is_empty(),
        "too little to see"
    );
    nothing_asked_is_nothing_answered(subject).await;
    answers_stand_in_the_order_of_the_queries(subject).await;
    each_cause_is_its_own(subject).await;
    a_query_without_an_answer_costs_others_nothing(subject).await;
    the_same_query_twice_has_the_same_answer(subject).await;
    the_past_is_answered_query_by_query_and_moment_by_moment(subject).await;
    if let Some(silent) = &subject.silent {
        what_is_dropped_leaves_nothing_running(subject, silent).await;
    }
}

async fn nothing_asked_is_nothing_answered(subject: &Subject<'_>) {
    assert!(observe(subject, &[]).await.is_empty());
}

async fn answers_stand_in_the_order_of_the_queries(subject: &Subject<'_>) {
    let forth = subject.numbers.clone();
    let back: Vec<_> = forth.iter().rev().cloned().collect();
    for order in [forth, back] {
        assert_numbers(subject, &order).await;
    }
}

async fn each_cause_is_its_own(subject: &Subject<'_>) {
    for (query, cause) in &subject.missing {
        let answers = observe(subject, std::slice::from_ref(query)).await;
        assert_eq!(outcome(&answers[0]), Err(*cause), "{query:?}");
    }
}

async fn a_query_without_an_answer_costs_others_nothing(subject: &Subject<'_>) {
    // A number, one that is missing, a number, and so on.
    let mut queries = Vec::new();
    let mut expected = Vec::new();
    for (place, (query, cause)) in subject.missing.iter().enumerate() {
        let (number, value) = &subject.numbers[place % subject.numbers.len()];
        queries.extend([number.clone(), query.clone()]);
        expected.extend([Ok(*value), Err(*cause)]);
    }
    let answers = observe(subject, &queries).await;
    let got: Vec<_> = answers.iter().map(outcome).collect();
    assert_eq!(got, expected);
}

async fn the_same_query_twice_has_the_same_answer(subject: &Subject<'_>) {
    let (first, second) = (&subject.numbers[0], &subject.numbers[1]);
    assert_numbers(subject, &[first.clone(), second.clone(), first.clone()]).await;
}

async fn the_past_is_answered_query_by_query_and_moment_by_moment(subject: &Subject<'_>) {
    let minute = Duration::from_secs(60);
    let Some(moments) = Moments::before(subject.now, 3 * minute, minute) else {
        unreachable!("four moments are not too many")
    };
    assert!(subject.source.observe_past(&[], &moments).await.is_empty());
    let numbers = subject.numbers.iter().map(|(query, _)| query);
    let missing = subject.missing.iter().map(|(query, _)| query);
    let queries: Vec<MetricQuery> = numbers.chain(missing).cloned().collect();
    let past = subject.source.observe_past(&queries, &moments).await;
    assert_eq!(past.len(), queries.len());
    for answers in past.into_iter().flatten() {
        assert_eq!(answers.len(), 4);
    }
}

async fn what_is_dropped_leaves_nothing_running(subject: &Subject<'_>, silent: &Silent<'_>) {
    let queries = [subject.numbers[0].0.clone(), silent.query.clone()];
    let mut pass = Box::pin(subject.source.observe(&queries, subject.now));
    wait_until(PATIENCE, "the query is under way", async || {
        assert!(poll!(pass.as_mut()).is_pending(), "the silent query was answered");
        (silent.under_way)() > 0
    })
    .await;
    drop(pass);
    wait_until(PATIENCE, "nothing is under way", async || {
        (silent.under_way)() == 0
    })
    .await;
    // And the source is as good as before.
    assert_numbers(subject, &subject.numbers).await;
}

async fn assert_numbers(subject: &Subject<'_>, expected: &[(MetricQuery, f64)]) {
    let queries: Vec<_> = expected.iter().map(|(query, _)| query.clone()).collect();
    let answers = observe(subject, &queries).await;
    let got: Vec<_> = answers.iter().map(outcome).collect();
    let expected: Vec<_> = expected.iter().map(|(_, value)| Ok(*value)).collect();
    assert_eq!(got, expected);
}

fn observe<'s>(
    subject: &'s Subject<'_>,
    queries: &'s [MetricQuery],
) -> impl Future<Output = Vec<Answer>> + use<'s> {
    subject.source.observe(queries, subject.now)
}

fn outcome(answer: &Answer) -> Result<f64, MissingCause> {
    match &answer.reading {
        Ok(reading) => Ok(reading.value),
        Err(error) => Err(error.cause()),
    }
}
