//! Ranges of queries into which too few scrapes fit.

use std::{sync::Arc, time::Duration};

use super::{
    envelope::QueryAnswer,
    intervals::Intervals,
    selectors::{Part, Spacing},
};
use crate::ObserveError;

/// The scrapes that should fit into a range: with fewer, one that is late or lost leaves a rate with one sample, of which
/// there is none. Prometheus' own advice for `rate`.
const ENOUGH_SCRAPES: u32 = 4;

/// What a person should look at in a range of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeRemark {
    /// It is short for how often its series are scraped.
    Short(ShortRange),
    /// Whether it is long enough cannot be known.
    Unknown {
        /// The selector with its range.
        selector: Arc<str>,
        /// Why not.
        because: String,
    },
}

/// A range of a query that is short for how often its series are scraped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortRange {
    /// The selector with its range, as in `http_requests_total{job="web"}[1m]`.
    pub selector: Arc<str>,
    /// How long the range is.
    pub range: Duration,
    /// The job that is scraped too seldom for it.
    pub job: String,
    /// How often that is scraped.
    pub interval: Duration,
}

impl ShortRange {
    /// How long the range should be at the least.
    #[must_use]
    pub fn enough(&self) -> Duration {
        self.interval.saturating_mul(ENOUGH_SCRAPES)
    }

    /// The scrapes that fit into the range.
    #[must_use]
    pub fn scrapes(&self) -> u128 {
        self.range.as_nanos() / self.interval.as_nanos().max(1)
    }
}

/// The range that `part` reads, where it is scrapes that have to fit into it. The steps of a subquery are its own.
pub(super) fn scraped(part: &Part) -> Option<Duration> {
    let window = part.window.as_ref()?;
    match window.spacing {
        Spacing::Scrapes => Some(window.length),
        Spacing::Step(_) => None,
    }
}

/// What there is to say about the `range` of `selector`, whose newest samples are asked job by job.
pub(super) fn remarks(
    selector: &Arc<str>,
    range: Duration,
    newest: &Result<QueryAnswer, ObserveError>,
    intervals: &Intervals,
) -> Vec<RangeRemark> {
    let unknown = |because| RangeRemark::Unknown {
        selector: Arc::clone(selector),
        because,
    };
    let jobs = newest.as_ref().map_err(ToString::to_string);
    let jobs = jobs.and_then(|newest| newest.by_job().map_err(|error| error.to_string()));
    let jobs = match jobs {
        Ok(jobs) => jobs,
        Err(why) => return vec![unknown(why)],
    };
    let of_job = |job: &str| {
        let Some(interval) = intervals.of(job) else {
            let why = intervals.why_unknown(job);
            return Some(unknown(format!(
                "{why}; `scrape_interval` in the settings would tell"
            )));
        };
        let found = ShortRange {
            selector: Arc::clone(selector),
            range,
            job: job.to_owned(),
            interval,
        };
        (found.range < found.enough()).then_some(RangeRemark::Short(found))
    };
    let mut remarks: Vec<RangeRemark> = jobs.iter().filter_map(|(job, _)| of_job(job)).collect();
    // What is not known of any job is so of each.
    remarks.dedup();
    remarks
}
