//! The values of a case, as a source would answer them.

use std::{sync::Arc, time::Duration};

use headroom_metrics_source::{Answer, ObserveError, RecordedQuery, RecordedSource};
use headroom_policy_engine::{Coverage, Reading, Timestamp};

use super::{Point, Series};
use crate::{MetricSettings, pass::freshness};

/// Where one metric of a case comes from.
#[derive(Clone, Debug)]
pub enum Input {
    /// From a series in the test file.
    Written {
        /// Its values.
        values: Series,
        /// How many replicas took part in each; `None`: nobody can tell.
        coverage: Option<Series>,
    },
    /// From a recording. Its first sample is at the start of the case.
    Recorded {
        /// The recording.
        recording: Arc<RecordedSource>,
        /// The series in it.
        query: RecordedQuery,
        /// The moment of its first sample.
        begins: Timestamp,
    },
}

/// The time of a pass, and how far apart written values are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub(super) at: Duration,
    pub(super) now: Timestamp,
    pub(super) spacing: Duration,
}

impl Tick {
    /// Which value is the newest.
    pub(super) fn step(self) -> usize {
        let spacing = self.spacing.as_millis().max(1);
        usize::try_from(self.at.as_millis() / spacing).unwrap_or(usize::MAX)
    }

    /// How long ago the value at `step` was measured.
    fn age(self, step: usize) -> Duration {
        let steps = u32::try_from(step).unwrap_or(u32::MAX);
        self.at.saturating_sub(self.spacing.saturating_mul(steps))
    }
}

impl Input {
    /// What the source of this metric answers.
    pub(super) fn answer(&self, settings: &MetricSettings, tick: Tick) -> Answer {
        match self {
            Self::Written { values, coverage } => written(values, coverage.as_ref(), settings, tick),
            Self::Recorded {
                recording,
                query,
                begins,
            } => {
                let then = begins.plus(tick.at);
                let mut answer = recording.at(query, then);
                if let Ok(reading) = &mut answer.reading {
                    let measured = reading.newest_sample.map(|newest| then.since(newest));
                    reading.newest_sample = measured.map(|age| tick.now.minus(age));
                }
                answer
            }
        }
    }
}

fn written(values: &Series, coverage: Option<&Series>, settings: &MetricSettings, tick: Tick) -> Answer {
    let step = tick.step();
    let (value, age) = match values.at(step) {
        Some(Point::Value(value)) if value.is_nan() => return Answer::failed(ObserveError::NotANumber),
        Some(Point::Value(value)) => (value, tick.age(step)),
        Some(Point::Stale) => match values.value_before(step) {
            Some((step, value)) => {
                let too_old = freshness(settings, Some(tick.spacing)).max_age + Duration::from_secs(1);
                (value, tick.age(step).max(too_old))
            }
            None => return Answer::failed(ObserveError::NoData),
        },
        Some(Point::Missing) | None => return Answer::failed(ObserveError::NoData),
        Some(Point::Failed) => return Answer::failed(ObserveError::Unreachable("the test says so".into())),
    };
    let replicas = coverage.and_then(|coverage| match coverage.at(step) {
        Some(Point::Value(count)) => Some(count),
        Some(Point::Stale | Point::Missing | Point::Failed) | None => None,
    });
    Answer {
        reading: Ok(Reading {
            value,
            answered_at: Some(tick.now),
            newest_sample: Some(tick.now.minus(age)),
            coverage: Coverage {
                replicas,
                window: None,
            },
        }),
        remarks: Vec::new(),
        scrape_interval: Some(tick.spacing),
        pods: None,
    }
}
