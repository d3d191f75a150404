//! The port: everything a pass needs is asked for together, each thing once.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use headroom_policy_engine::{MetricSamples, Pod, Reading, Timestamp};

use crate::{MetricQuery, Moments, ObserveError, Past};

/// Where observed load comes from.
#[async_trait]
pub trait MetricsSource: fmt::Debug + Send + Sync {
    /// Answers each of `queries`, in their order; `now` is the time of the pass.
    ///
    /// Equal queries are asked once. A query that cannot be answered gets an error of its own and never keeps
    /// others from their answers. A source never fills a gap: nothing found is [`ObserveError::NoData`].
    async fn observe(&self, queries: &[MetricQuery], now: Timestamp) -> Vec<Answer>;

    /// Answers each of `queries`, in their order, as it would have at each of `moments`. What was missing then is
    /// missing: no later sample takes its place.
    ///
    /// A query of which that cannot be told is an error, [`ObserveError::NoPast`] where the source keeps no past.
    async fn observe_past(&self, queries: &[MetricQuery], moments: &Moments) -> Vec<Past>;
}

/// What a source says to one query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The number and what is known about it, or why there is none.
    pub reading: Result<Reading, Arc<ObserveError>>,
    /// What the source remarked along the way (Prometheus `warnings` and `infos`, an age that could not be asked).
    pub remarks: Vec<Arc<str>>,
    /// How often what the value is made of is measured, where the source knows: the longest of its parts.
    /// How old a value may be follows from it where the policy does not say.
    pub scrape_interval: Option<Duration>,
    /// The pods and what each of them used, where the value is made of that. All answers about one object have the same.
    pub pods: Option<Arc<MeasuredPods>>,
}

/// The pods that an object's selector matches, and what each of them used.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredPods {
    /// Every pod that the selector matches, by name.
    pub pods: Vec<Pod>,
    /// What was measured of them.
    pub samples: MetricSamples,
}

impl Answer {
    /// There is no number, and this is why.
    #[must_use]
    pub fn failed(error: impl Into<Arc<ObserveError>>) -> Self {
        Self {
            reading: Err(error.into()),
            remarks: Vec::new(),
            scrape_interval: None,
            pods: None,
        }
    }
}

#[async_trait]
impl<S: MetricsSource + ?Sized> MetricsSource for Arc<S> {
    async fn observe(&self, queries: &[MetricQuery], now: Timestamp) -> Vec<Answer> {
        (**self).observe(queries, now).await
    }

    async fn observe_past(&self, queries: &[MetricQuery], moments: &Moments) -> Vec<Past> {
        (**self).observe_past(queries, moments).await
    }
}

#[async_trait]
impl<S: MetricsSource + ?Sized> MetricsSource for Box<S> {
    async fn observe(&self, queries: &[MetricQuery], now: Timestamp) -> Vec<Answer> {
        (**self).observe(queries, now).await
    }

    async fn observe_past(&self, queries: &[MetricQuery], moments: &Moments) -> Vec<Past> {
        (**self).observe_past(queries, moments).await
    }
}
