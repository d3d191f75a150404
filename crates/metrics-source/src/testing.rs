//! A source for tests of other crates: small and in memory, and as honest as the real ones.
//!
//! It passes the contract suite of the port. What it answers is set by the test; a query that no test has set an
//! answer for is [`ObserveError::NoData`], as it would be on a server without that series.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use headroom_policy_engine::{Coverage, MissingCause, Reading, Timestamp};

use crate::{Answer, MetricQuery, MetricsSource, Moments, ObserveError, Past, PastAnswer, PromqlQuery};

/// A source whose answers a test sets, query by query, at any time.
#[derive(Debug, Default)]
pub struct ScriptedSource {
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    answers: HashMap<MetricQuery, Answer>,
    past: HashMap<MetricQuery, Vec<(Timestamp, f64)>>,
    silent: HashSet<MetricQuery>,
    asked: Vec<Vec<MetricQuery>>,
    asked_of_the_past: Vec<(Vec<MetricQuery>, Moments)>,
    waiting: usize,
}

impl ScriptedSource {
    /// A source that has no data yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on `query` gives `value`: measured when it is asked for, with nothing said about coverage.
    pub fn set_value(&self, query: &MetricQuery, value: f64) {
        self.set_reading(
            query,
            Reading {
                value,
                answered_at: None,
                newest_sample: None,
                coverage: Coverage::default(),
            },
        );
    }

    /// From now on `query` gives `reading`.
    pub fn set_reading(&self, query: &MetricQuery, reading: Reading) {
        self.set_answer(
            query,
            Answer {
                reading: Ok(reading),
                remarks: Vec::new(),
                scrape_interval: None,
                pods: None,
            },
        );
    }

    /// From now on `query` fails with `error`.
    pub fn set_error(&self, query: &MetricQuery, error: ObserveError) {
        self.set_answer(query, Answer::failed(error));
    }

    /// From now on `query` is answered with `answer`.
    pub fn set_answer(&self, query: &MetricQuery, answer: Answer) {
        let mut script = self.script();
        script.silent.remove(query);
        script.answers.insert(query.clone(), answer);
    }

    /// What `query` gave in the past: each value from its time until the next one's. It gave nothing before the first,
    /// and nothing where the value is NaN.
    pub fn set_past(&self, query: &MetricQuery, values: impl IntoIterator<Item = (Timestamp, f64)>) {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by_key(|(at, _)| *at);
        self.script().past.insert(query.clone(), values);
    }

    /// From now on whoever asks `query` waits for ever, as on a server that hangs.
    pub fn set_silent(&self, query: &MetricQuery) {
        self.script().silent.insert(query.clone());
    }

    /// What was asked so far: the queries of each call, each once, in the order of first mention.
    #[must_use]
    pub fn asked(&self) -> Vec<Vec<MetricQuery>> {
        self.script().asked.clone()
    }

    /// What was asked of the past so far, and about which moments.
    #[must_use]
    pub fn asked_of_the_past(&self) -> Vec<(Vec<MetricQuery>, Moments)> {
        self.script().asked_of_the_past.clone()
    }

    /// How many calls wait for an answer that will not come.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.script().waiting
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        // A test that panicked while it held the lock has failed already.
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A PromQL query without coverage, as tests write it.
#[must_use]
pub fn promql(query: &str) -> MetricQuery {
    MetricQuery::Promql(PromqlQuery {
        query: Arc::from(query),
        coverage: None,
    })
}

#[async_trait]
impl MetricsSource for ScriptedSource {
    async fn observe(&self, queries: &[MetricQuery], _now: Timestamp) -> Vec<Answer> {
        let (answers, is_silent) = {
            let mut script = self.script();
            let mut seen = HashSet::new();
            let once = queries
                .iter()
                .filter(|query| seen.insert(*query))
                .cloned()
                .collect();
            script.asked.push(once);
            let answer = |query| script.answers.get(query).cloned();
            let answers = queries
                .iter()
                .map(|query| answer(query).unwrap_or_else(|| Answer::failed(ObserveError::NoData)))
                .collect();
            (answers, queries.iter().any(|query| script.silent.contains(query)))
        };
        if is_silent {
            let _waiting = Waiting::on(self);
            std::future::pending::<()>().await;
        }
        answers
    }

    async fn observe_past(&self, queries: &[MetricQuery], moments: &Moments) -> Vec<Past> {
        let mut script = self.script();
        script.asked_of_the_past.push((queries.to_vec(), *moments));
        let past = |query| {
            let values = script.past.get(query).ok_or(ObserveError::NoPast)?;
            Ok(moments.iter().map(|moment| past_answer(values, moment)).collect())
        };
        queries.iter().map(past).collect()
    }
}

fn past_answer(values: &[(Timestamp, f64)], moment: Timestamp) -> PastAnswer {
    let until = values.partition_point(|(at, _)| *at <= moment);
    let value = until.checked_sub(1).map(|index| values[index].1);
    PastAnswer {
        reading: match value {
            Some(value) if !value.is_nan() => Ok(Reading {
                value,
                answered_at: Some(moment),
                newest_sample: None,
                coverage: Coverage::default(),
            }),
            Some(_) | None => Err(MissingCause::NoData),
        },
        scrape_interval: None,
    }
}

/// Counts a call that waits, until it is dropped.
struct Waiting<'s>(&'s ScriptedSource);

impl<'s> Waiting<'s> {
    fn on(source: &'s ScriptedSource) -> Self {
        source.script().waiting += 1;
        Self(source)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.script().waiting -= 1;
    }
}
