//! What is known about a workload's load at the moment of evaluation, with unknown as a value.
//!
//! A source answers with a [`Reading`] or says why it cannot; [`Observation::judge`] makes of it what the stages
//! work on. Fetching belongs to the sources.

use std::time::Duration;

use crate::{Pods, Readiness, Replicas, Timestamp, hpa::MetricError};

/// The furthest the source's answer may be dated from `now` before its clock counts as wrong.
const MAX_ANSWER_SKEW: Duration = Duration::from_secs(5 * 60);
/// The furthest a sample may be dated after the answer that brought it.
const MAX_SAMPLE_LEAD: Duration = Duration::from_secs(90);
/// The share of replicas, or of the window, below which a value is partial.
const MIN_COVERAGE: f64 = 0.8;

/// One number as a source answered it, with what the source knows about where it comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reading {
    /// The value, in the metric's own unit. Any bit pattern: judging refuses what is not a load.
    pub value: f64,
    /// When the source answered, by the source's own clock; `None` where it does not say (then: now).
    pub answered_at: Option<Timestamp>,
    /// When the newest sample behind the value was measured, by the source's clock; `None` where it cannot be told.
    pub newest_sample: Option<Timestamp>,
    /// How much of what was meant took part in the value.
    pub coverage: Coverage,
}

/// How much of what a value was meant to cover took part in it; `None` where nobody can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Coverage {
    /// How many replicas took part.
    pub replicas: Option<f64>,
    /// The share of the query's window that had samples, from 0 to 1.
    pub window: Option<f64>,
}

#[cfg(feature = "serde")]
impl Coverage {
    fn is_unknown(&self) -> bool {
        *self == Self::default()
    }
}

/// A measured value that may be acted on, or at least shown. Finite and not negative.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sample {
    /// The value, in the metric's own unit.
    pub value: f64,
    /// When it was measured, on the clock of `now`; `None` where the source cannot tell the sample's age.
    pub measured_at: Option<Timestamp>,
    /// How much took part in it.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Coverage::is_unknown")
    )]
    pub coverage: Coverage,
}

/// Why a value is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum MissingCause {
    /// Nobody asked for it in this pass.
    NotAsked,
    /// The source answered, and nothing matched.
    NoData,
    /// Several series matched where one number was meant.
    Ambiguous {
        /// How many series matched.
        series: u32,
    },
    /// The answer has a shape that is not one number (a matrix, a text).
    WrongType,
    /// The value is NaN.
    NotANumber,
    /// The value is plus or minus infinity.
    Infinite,
    /// The value is below zero, which no load is.
    Negative,
    /// No answer within the deadline.
    TimedOut,
    /// The source could not be reached.
    Unreachable,
    /// The source answered with an error.
    Rejected {
        /// The HTTP status of the answer.
        status: u16,
    },
    /// The answer could not be read.
    Malformed,
    /// The answer was larger than what is read.
    TooLarge,
    /// The answer's date, or its newest sample's, is too far from now.
    ClockSkew,
    /// A rate needs an earlier reading, and there is none yet.
    NoRateYet,
    /// None of the workload's replicas answered.
    NoReplicas,
    /// What was measured of the pods gives no count.
    Unusable {
        /// Why not.
        why: MetricError,
    },
}

impl MissingCause {
    /// The cause as machines name it, as in JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::NoData => "no_data",
            Self::Ambiguous { .. } => "ambiguous",
            Self::WrongType => "wrong_type",
            Self::NotANumber => "not_a_number",
            Self::Infinite => "infinite",
            Self::Negative => "negative",
            Self::TimedOut => "timed_out",
            Self::Unreachable => "unreachable",
            Self::Rejected { .. } => "rejected",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::ClockSkew => "clock_skew",
            Self::NoRateYet => "no_rate_yet",
            Self::NoReplicas => "no_replicas",
            Self::Unusable { .. } => "unusable",
        }
    }
}

/// What is known about one metric of a workload at the moment of evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum Observation {
    /// A value to act on.
    Fresh(Sample),
    /// Measured by too few replicas or over too little of its window: may raise, never lower.
    Partial(Sample),
    /// Measured too long ago to act on.
    Stale {
        /// What was measured then.
        sample: Sample,
        /// How long ago.
        age: Duration,
    },
    /// The source gave no value.
    Missing {
        /// Why not.
        cause: MissingCause,
    },
}

/// How old a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freshness {
    /// A sample older than this is stale.
    pub max_age: Duration,
}

impl Observation {
    /// Judges what a source answered: is it a load, is it recent, did enough take part?
    ///
    /// Age is counted on the source's own clock, from its time of answering back to its newest sample, so that
    /// two clocks need not agree. An answer dated more than 5 minutes from `now`, or a sample more than 90 s after
    /// the answer, is a clock that cannot be trusted. An unknown age counts as fresh.
    #[must_use]
    pub fn judge(
        answer: Result<Reading, MissingCause>,
        freshness: Freshness,
        current: Replicas,
        readiness: Readiness,
        now: Timestamp,
    ) -> Self {
        match answer.and_then(|reading| Self::accept(reading, now)) {
            Err(cause) => Self::Missing { cause },
            Ok((sample, Some(age))) if age > freshness.max_age => Self::Stale { sample, age },
            Ok((sample, _)) if is_partial(sample.coverage, current, readiness) => Self::Partial(sample),
            Ok((sample, _)) => Self::Fresh(sample),
        }
    }

    fn accept(reading: Reading, now: Timestamp) -> Result<(Sample, Option<Duration>), MissingCause> {
        let value = usable(reading.value)?;
        let answered_at = reading.answered_at.unwrap_or(now);
        if now.since(answered_at).max(answered_at.since(now)) > MAX_ANSWER_SKEW {
            return Err(MissingCause::ClockSkew);
        }
        let age = match reading.newest_sample {
            None => None,
            Some(newest) if newest.since(answered_at) > MAX_SAMPLE_LEAD => {
                return Err(MissingCause::ClockSkew);
            }
            Some(newest) => Some(answered_at.since(newest)),
        };
        let sample = Sample {
            value,
            measured_at: age.map(|age| now.minus(age)),
            coverage: reading.coverage,
        };
        Ok((sample, age))
    }

    /// This observation, or missing where its value is no load, however it came to be (I5).
    #[must_use]
    pub(crate) fn checked(self) -> Self {
        let (Self::Fresh(sample) | Self::Partial(sample)) = self else {
            return self;
        };
        match (usable(sample.value), self) {
            (Err(cause), _) => Self::Missing { cause },
            (Ok(value), Self::Partial(_)) => Self::Partial(Sample { value, ..sample }),
            (Ok(value), _) => Self::Fresh(Sample { value, ..sample }),
        }
    }

    /// The value, if it may be acted on at all.
    #[must_use]
    pub fn known(&self) -> Option<&Sample> {
        match self {
            Self::Fresh(sample) | Self::Partial(sample) => Some(sample),
            Self::Stale { .. } | Self::Missing { .. } => None,
        }
    }
}

/// Refuses what is not a load; minus zero becomes zero.
fn usable(value: f64) -> Result<f64, MissingCause> {
    if value.is_nan() {
        Err(MissingCause::NotANumber)
    } else if value.is_infinite() {
        Err(MissingCause::Infinite)
    } else if value < 0.0 {
        Err(MissingCause::Negative)
    } else {
        Ok(value + 0.0)
    }
}

/// Whether too little took part. Replicas are compared with the ready ones, or with the wanted count where
/// readiness is unknown or none is ready: what none of them serves is not the load.
fn is_partial(coverage: Coverage, current: Replicas, readiness: Readiness) -> bool {
    let meant = match readiness {
        Readiness::Known { ready, .. } if ready > Replicas::ZERO => ready,
        Readiness::Known { .. } | Readiness::Unknown => current,
    };
    // A count that is NaN covers nothing.
    let enough = |part: f64, whole: f64| part >= whole * MIN_COVERAGE;
    coverage
        .replicas
        .is_some_and(|part| !enough(part, f64::from(meant.get())))
        || coverage.window.is_some_and(|part| !enough(part, 1.0))
}

/// What is known about a workload's metrics, in the order of the policy's, and about its pods where the source has them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    each: Vec<Observation>,
    pods: Option<Pods>,
}

impl Observations {
    /// What is known about the metric at `index` of the policy; missing where nobody asked.
    #[must_use]
    pub fn get(&self, index: usize) -> Observation {
        self.each.get(index).copied().unwrap_or(Observation::Missing {
            cause: MissingCause::NotAsked,
        })
    }

    /// All of them, in the order of the policy's metrics.
    pub fn iter(&self) -> impl Iterator<Item = &Observation> {
        self.each.iter()
    }

    /// These observations with the facts of each pod.
    ///
    /// A metric of pods needs both: its observation says whether what was measured may be acted on, its samples say what
    /// it was.
    #[must_use]
    pub fn with_pods(mut self, pods: Pods) -> Self {
        self.pods = Some(pods);
        self
    }

    /// The pods; `None` where the source does not have them.
    #[must_use]
    pub const fn pods(&self) -> Option<&Pods> {
        self.pods.as_ref()
    }
}

impl FromIterator<Observation> for Observations {
    fn from_iter<I: IntoIterator<Item = Observation>>(observations: I) -> Self {
        Self {
            each: observations.into_iter().collect(),
            pods: None,
        }
    }
}

#[cfg(test)]
mod tests;
