//! When a query holds scaling down: while it has a value, and while nobody can know whether it has.

use std::{fmt, sync::Arc, time::Duration};

use super::{Hold, HoldSource};
use crate::{MissingCause, Observation, step::Span};

/// Why it cannot be known whether a query has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "snake_case")
)]
pub enum WhyUnknown {
    /// The source gave none, and not because there was none.
    Missing {
        /// Why not.
        cause: MissingCause,
    },
    /// It was measured too long ago.
    Stale {
        /// How long ago.
        age: Duration,
    },
    /// It is zero, and measured over too little of what was meant.
    Partial,
}

impl Hold {
    /// The hold that `query` asks for where `seen` is known of it. `None` where there is none: no series, or zero.
    ///
    /// That no series matches is what a Prometheus answers of an alert that does not fire, so here it is no gap. Several
    /// series are several alerts that do. What cannot be known holds too: it is no reason to scale down.
    #[must_use]
    pub fn of_query(query: &Arc<str>, seen: &Observation) -> Option<Self> {
        let unknown = |why| HoldSource::UnknownQuery {
            query: Arc::clone(query),
            why,
        };
        let by = match *seen {
            Observation::Stale { age, .. } => unknown(WhyUnknown::Stale { age }),
            Observation::Partial(sample) if sample.value == 0.0 => unknown(WhyUnknown::Partial),
            Observation::Fresh(sample) if sample.value == 0.0 => return None,
            Observation::Fresh(_) | Observation::Partial(_) => HoldSource::Query(Arc::clone(query)),
            Observation::Missing { cause } => match cause {
                MissingCause::NoData => return None,
                MissingCause::Ambiguous { .. } | MissingCause::Negative | MissingCause::Infinite => {
                    HoldSource::Query(Arc::clone(query))
                }
                MissingCause::NotAsked
                | MissingCause::WrongType
                | MissingCause::NotANumber
                | MissingCause::TimedOut
                | MissingCause::Unreachable
                | MissingCause::Rejected { .. }
                | MissingCause::Malformed
                | MissingCause::TooLarge
                | MissingCause::ClockSkew
                | MissingCause::NoRateYet
                | MissingCause::NoReplicas
                | MissingCause::Unusable { .. } => unknown(WhyUnknown::Missing { cause }),
            },
        };
        Some(Self::ScaleDownHeld { by, until: None })
    }

    /// Whether it holds because something cannot be known.
    #[must_use]
    pub const fn is_blind(&self) -> bool {
        matches!(
            self,
            Self::ScaleDownHeld {
                by: HoldSource::UnknownQuery { .. },
                ..
            }
        )
    }
}

impl fmt::Display for WhyUnknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { cause } => cause.fmt(f),
            Self::Stale { age } => write!(f, "its newest sample is {} old", Span(*age)),
            Self::Partial => f.write_str("it was measured only in part"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Coverage, Sample};

    const QUERY: &str = r#"ALERTS{alertname="Outage",alertstate="firing"}"#;

    fn sample(value: f64) -> Sample {
        Sample {
            value,
            measured_at: None,
            coverage: Coverage::default(),
        }
    }

    /// `None`: no hold; else its words.
    fn held(seen: Observation) -> Option<String> {
        let hold = Hold::of_query(&QUERY.into(), &seen)?;
        Some(hold.to_string().replace(QUERY, "Q"))
    }

    #[test]
    fn nothing_and_zero_hold_nothing() {
        assert_eq!(held(Observation::Fresh(sample(0.0))), None);
        assert_eq!(held(Observation::Fresh(sample(-0.0))), None);
        let cause = MissingCause::NoData;
        assert_eq!(held(Observation::Missing { cause }), None);
    }

    #[test]
    fn any_other_value_and_several_series_fire() {
        let fires = Some("the query `Q`, which has a value, forbids scaling down".to_owned());
        assert_eq!(held(Observation::Fresh(sample(1.0))), fires);
        assert_eq!(held(Observation::Fresh(sample(0.01))), fires);
        assert_eq!(held(Observation::Partial(sample(1.0))), fires);
        for cause in [
            MissingCause::Ambiguous { series: 3 },
            MissingCause::Negative,
            MissingCause::Infinite,
        ] {
            assert_eq!(held(Observation::Missing { cause }), fires, "{cause:?}");
        }
    }

    #[test]
    fn what_cannot_be_known_holds_and_says_why() {
        let age = Duration::from_secs(200);
        let why = |why: &str| {
            let says = "the query `Q`, of which it cannot be known whether it has a value";
            Some(format!("{says} ({why}), forbids scaling down"))
        };
        for value in [0.0, 1.0] {
            let seen = Observation::Stale {
                sample: sample(value),
                age,
            };
            assert_eq!(held(seen), why("its newest sample is 3 min 20 s old"));
        }
        let part = held(Observation::Partial(sample(0.0)));
        assert_eq!(part, why("it was measured only in part"));
        for cause in [
            MissingCause::NotAsked,
            MissingCause::WrongType,
            MissingCause::NotANumber,
            MissingCause::TimedOut,
            MissingCause::Unreachable,
            MissingCause::Rejected { status: 503 },
            MissingCause::Malformed,
            MissingCause::TooLarge,
            MissingCause::ClockSkew,
            MissingCause::NoRateYet,
            MissingCause::NoReplicas,
            MissingCause::Unusable {
                why: crate::hpa::MetricError::Source,
            },
        ] {
            assert_eq!(
                held(Observation::Missing { cause }),
                why(&cause.to_string()),
                "{cause:?}"
            );
        }
    }

    #[test]
    fn only_what_cannot_be_known_is_blind() {
        let blind = |seen| Hold::of_query(&QUERY.into(), &seen).is_some_and(|hold| hold.is_blind());
        assert!(!blind(Observation::Fresh(sample(1.0))));
        let cause = MissingCause::TimedOut;
        assert!(blind(Observation::Missing { cause }));
        assert!(!Hold::BeingDeleted.is_blind());
    }
}
