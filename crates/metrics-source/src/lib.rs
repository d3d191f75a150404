//! Where observed load comes from: the port [`MetricsSource`] and its adapters.
//!
//! A source answers queries with numbers and what it knows about them. It never fills a gap, and it decides
//! nothing: whether a value is fresh enough to act on is judged by the engine.

mod deadline;
mod error;
pub mod exposition;
mod kubernetes;
mod past;
mod prometheus;
mod query;
mod recorded;
mod scrape;
mod source;
#[cfg(feature = "testing")]
pub mod testing;

pub use deadline::WithDeadline;
pub use error::ObserveError;
pub use kubernetes::KubernetesSource;
pub use past::{Moments, Past, PastAnswer};
pub use prometheus::{
    ClientCertificate, Hidden, PrometheusCredentials, PrometheusOptions, PrometheusSetupError,
    PrometheusSource, RangeRemark, ServerInfo, ShortRange,
};
pub use query::{
    Across, Endpoint, EndpointAddress, MetricQuery, PromqlQuery, RecordedQuery, ScrapeQuery, UsageQuery,
};
pub use recorded::{RecordedError, RecordedFlaw, RecordedProblem, RecordedSource};
pub use scrape::{
    FirstRate, ReadingsVersionError, ScrapeOptions, ScrapeReadings, ScrapeSetupError, ScrapeSource, Selector,
    SelectorError,
};
pub use source::{Answer, MeasuredPods, MetricsSource};
