//! Answers from a recording, as if it were the load of today: for tests, replay and the simulator.
//!
//! A recording is a CSV or JSON lines file, read once. CSV has a header that starts with `timestamp` and one of
//!
//! - `timestamp,value`: one series without a name, which answers to every name;
//! - `timestamp,series,value`: one sample a line, of the series it names;
//! - `timestamp,NAME,NAME…`: a column for each series.
//!
//! JSON lines has an object a line: `timestamp` with `value` and, if need be, `series`, or with a key for each series.
//! A timestamp is in Unix seconds, also with a fraction, or RFC 3339; those of a series ascend. An empty field, `_`,
//! `NaN` or `null` is a gap: nothing is known then. A line of JSON may leave a series out, which goes on as before.
//!
//! A sample holds for its step, the median distance of its series' samples: it is the mean over that time. What is
//! older than two steps is as old as it is.

mod read;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use headroom_policy_engine::{Coverage, Reading, Timestamp};
use thiserror::Error;

use crate::{Answer, MetricQuery, MetricsSource, Moments, ObserveError, Past, PastAnswer, RecordedQuery};

pub use read::{RecordedFlaw, RecordedProblem};

/// The largest recording that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// A recording: what it says at a time is the load then.
#[derive(Clone, Debug)]
pub struct RecordedSource {
    series: AllSeries,
}

/// Why a recording cannot be used.
#[derive(Debug, Error)]
pub enum RecordedError {
    /// It cannot be read.
    #[error("the recording cannot be read")]
    Unreadable(#[from] io::Error),
    /// It is larger than what is read.
    #[error("the recording is larger than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: u64,
    },
    /// It is not a text.
    #[error("the recording is not UTF-8")]
    NotUtf8,
    /// It has no sample at all.
    #[error("the recording is empty")]
    Empty,
    /// Some of its lines cannot be understood.
    #[error("{}", listed(problems, *more))]
    Invalid {
        /// The first of them, in their order.
        problems: Vec<RecordedProblem>,
        /// How many there are besides.
        more: usize,
    },
}

impl RecordedSource {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or has lines that cannot be understood: all of them are told.
    pub fn from_file(path: &Path) -> Result<Self, RecordedError> {
        Self::from_reader(File::open(path)?)
    }

    /// Reads a recording to its end.
    ///
    /// # Errors
    /// As [`RecordedSource::from_file`].
    pub fn from_reader(reader: impl Read) -> Result<Self, RecordedError> {
        Self::up_to(reader, MAX_BYTES)
    }

    fn up_to(reader: impl Read, limit: u64) -> Result<Self, RecordedError> {
        let mut bytes = Vec::new();
        let read = reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
        if u64::try_from(read).is_ok_and(|read| read > limit) {
            return Err(RecordedError::TooLarge { limit });
        }
        let text = String::from_utf8(bytes).map_err(|_| RecordedError::NotUtf8)?;
        let series = read::read(&text)?;
        Ok(Self { series })
    }

    /// The names of the series, by name. One without a name is not among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = match &self.series {
            AllSeries::One(_) => Vec::new(),
            AllSeries::Named(all) => all.keys().map(|name| &**name).collect(),
        };
        names.sort_unstable();
        names.into_iter()
    }

    /// The times of the first and the last sample.
    #[must_use]
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let all: Vec<&Series> = match &self.series {
            AllSeries::One(series) => vec![series],
            AllSeries::Named(all) => all.values().collect(),
        };
        let first = all
            .iter()
            .filter_map(|series| series.samples.first())
            .map(|(at, _)| *at)
            .min();
        let last = all
            .iter()
            .filter_map(|series| series.samples.last())
            .map(|(at, _)| *at)
            .max();
        first.zip(last)
    }

    fn answer(&self, query: &MetricQuery, now: Timestamp) -> Answer {
        match query {
            MetricQuery::Recorded(query) => self.at(query, now),
            MetricQuery::Promql(_) | MetricQuery::Scrape(_) | MetricQuery::Usage(_) => {
                Answer::failed(ObserveError::Unsupported)
            }
        }
    }

    /// What it says of a series at `now`.
    #[must_use]
    pub fn at(&self, query: &RecordedQuery, now: Timestamp) -> Answer {
        let series = match &self.series {
            AllSeries::One(series) => Some(series),
            AllSeries::Named(all) => all.get(&query.series),
        };
        let Some(series) = series else {
            let mut answer = Answer::failed(ObserveError::NoData);
            answer
                .remarks
                .push(format!("the recording has no series {}", query.series).into());
            return answer;
        };
        Answer {
            reading: series.at(now).ok_or_else(|| Arc::new(ObserveError::NoData)),
            remarks: Vec::new(),
            scrape_interval: series.step,
            pods: None,
        }
    }
}

#[async_trait]
impl MetricsSource for RecordedSource {
    async fn observe(&self, queries: &[MetricQuery], now: Timestamp) -> Vec<Answer> {
        queries.iter().map(|query| self.answer(query, now)).collect()
    }

    async fn observe_past(&self, queries: &[MetricQuery], moments: &Moments) -> Vec<Past> {
        let at = |query: &MetricQuery, moment| {
            let answer = self.answer(query, moment);
            match answer.reading {
                Err(error) if matches!(*error, ObserveError::Unsupported) => Err(error),
                reading => Ok(PastAnswer {
                    reading: reading.map_err(|error| error.cause()),
                    scrape_interval: answer.scrape_interval,
                }),
            }
        };
        queries
            .iter()
            .map(|query| moments.iter().map(|moment| at(query, moment)).collect())
            .collect()
    }
}

/// The series of a recording.
#[derive(Clone, Debug, PartialEq)]
enum AllSeries {
    /// The only one, without a name.
    One(Series),
    Named(HashMap<Arc<str>, Series>),
}

/// Samples by time, with the gaps as nothing.
type Timed = Vec<(Timestamp, Option<f64>)>;

/// One series.
#[derive(Clone, Debug, PartialEq)]
struct Series {
    samples: Timed,
    /// Unknown where there is but one sample.
    step: Option<Duration>,
}

impl Series {
    /// The samples in the order of their times, each time once.
    fn new(samples: Timed) -> Self {
        let mut steps: Vec<Duration> = samples
            .windows(2)
            .map(|pair| pair[1].0.since(pair[0].0))
            .collect();
        let middle = steps.len() / 2;
        let step = (!steps.is_empty()).then(|| *steps.select_nth_unstable(middle).1);
        Self { samples, step }
    }

    /// The newest sample that is not later than `now`.
    fn last_until(&self, now: Timestamp) -> Option<&(Timestamp, Option<f64>)> {
        // Where it is when no step is longer or shorter than the others, which holds for most recordings.
        let (first, step) = (self.samples.first()?.0, self.step.unwrap_or_default());
        let usual = now.since(first).as_millis().checked_div(step.as_millis());
        let usual = usual.and_then(|steps| usize::try_from(steps).ok());
        let is_last = |index: usize| {
            let next = self.samples.get(index + 1);
            self.samples[index].0 <= now && next.is_none_or(|(at, _)| *at > now)
        };
        let last = usual
            .map(|index| index.min(self.samples.len() - 1))
            .filter(|index| is_last(*index));
        let searched = || self.samples.partition_point(|(at, _)| *at <= now).checked_sub(1);
        self.samples.get(last.or_else(searched)?)
    }

    fn at(&self, now: Timestamp) -> Option<Reading> {
        let (at, value) = *self.last_until(now)?;
        let holds = self
            .step
            .is_some_and(|step| now.since(at) < step.saturating_mul(2));
        Some(Reading {
            value: value?,
            answered_at: None,
            newest_sample: Some(if holds { now } else { at }),
            coverage: Coverage::default(),
        })
    }
}

/// The problems as one text, each with its line.
fn listed(problems: &[RecordedProblem], more: usize) -> String {
    let mut all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if more > 0 {
        all.push(format!("and {more} more lines"));
    }
    all.join("; ")
}
