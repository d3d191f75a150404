//! Ranges of queries into which too few scrapes fit.

use std::{sync::Arc, time::Duration};

use super::{
    intervals::Intervals,
    selectors::{Part, Spacing},
};

/// The scrapes that should fit into a range: with fewer, one that is late or lost leaves a rate with one sample, of which
/// there is none. Prometheus' own advice for `rate`.
const ENOUGH_SCRAPES: u32 = 4;

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

/// What is short of `part`, whose series are of `jobs`. A job whose interval is not known tells nothing.
pub(super) fn short<'a>(
    part: &'a Part,
    jobs: impl Iterator<Item = &'a str>,
    intervals: &Intervals,
) -> impl Iterator<Item = ShortRange> {
    let range = part.window.as_ref().and_then(|window| match window.spacing {
        Spacing::Scrapes => Some(window.length),
        // The steps of a subquery are its own.
        Spacing::Step(_) => None,
    });
    jobs.filter_map(move |job| {
        let found = ShortRange {
            selector: Arc::clone(&part.selector),
            range: range?,
            job: job.to_owned(),
            interval: intervals.of(job)?,
        };
        (found.range < found.enough()).then_some(found)
    })
}
