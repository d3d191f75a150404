//! A deadline around any source.
//!
//! Owns when waiting ends. What a source does within its time, and deadlines of single requests, are its own.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use headroom_policy_engine::Timestamp;

use crate::{Answer, MetricQuery, MetricsSource, Moments, ObserveError, Past};

/// A source that always answers in time: where the one within does not, every query is answered
/// [`ObserveError::TimedOut`].
///
/// It is a last resort. A source that can tell which of its queries are late should do so itself, within a shorter
/// time, because here the answers that came early are lost too.
#[derive(Debug)]
pub struct WithDeadline<S> {
    source: S,
    deadline: Duration,
}

impl<S> WithDeadline<S> {
    /// `source`, which is given up on after `deadline`.
    pub const fn new(source: S, deadline: Duration) -> Self {
        Self { source, deadline }
    }
}

#[async_trait]
impl<S: MetricsSource> MetricsSource for WithDeadline<S> {
    async fn observe(&self, queries: &[MetricQuery], now: Timestamp) -> Vec<Answer> {
        let answers = tokio::time::timeout(self.deadline, self.source.observe(queries, now)).await;
        answers.unwrap_or_else(|_| {
            let error = Arc::new(ObserveError::TimedOut { after: self.deadline });
            queries
                .iter()
                .map(|_| Answer::failed(Arc::clone(&error)))
                .collect()
        })
    }

    async fn observe_past(&self, queries: &[MetricQuery], moments: &Moments) -> Vec<Past> {
        let answers = tokio::time::timeout(self.deadline, self.source.observe_past(queries, moments)).await;
        answers.unwrap_or_else(|_| {
            let error = Arc::new(ObserveError::TimedOut { after: self.deadline });
            queries.iter().map(|_| Err(Arc::clone(&error))).collect()
        })
    }
}
