//! What goes on with a workload that people may be told of, read off the record of a decision.
//!
//! Borrows from the record: for a condition that was told of before nothing is made anew.

use std::{borrow::Cow, cmp::Ordering, time::Duration};

use headroom_notifier::{Event, EventKind, Failure, Severity, UnknownMetric};
use headroom_policy_engine::{
    BoundSource, Compared, MetricName, MetricRule, Observation, Operator, Outcome, RaisedCondition, Replicas,
    Step, Terms, Timestamp,
};

use super::{Seen, Threshold};
use crate::{DecisionRecord, InForce, Pause, Verdict, record::unknown_metric};

/// For how long a metric has to be unknown before people are told: one answer that is late is nothing to wake up for.
const BLIND_FOR: Duration = Duration::from_secs(120);
/// For how long the count has to be at a bound.
const AT_BOUND_FOR: Duration = Duration::from_secs(60);

/// Something that goes on with a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Condition<'r> {
    AtMax {
        max: Replicas,
        wanted: Replicas,
    },
    AtMin {
        min: Replicas,
        wanted: Replicas,
    },
    Fallback {
        replicas: Replicas,
    },
    Blind,
    Raised(&'r RaisedCondition),
    Unreadable {
        error: &'r str,
    },
    NotWritten {
        from: Replicas,
        to: Replicas,
        error: &'r str,
    },
    NotConfirmed {
        from: Replicas,
        to: Replicas,
        error: &'r str,
    },
    Paused(&'r Pause),
    Overridden {
        by: &'r Operator,
        in_force: &'r InForce,
    },
    Above {
        metric: &'r MetricName,
        value: f64,
        above: f64,
        is_ratio: bool,
        lasting: Duration,
    },
}

impl Condition<'_> {
    pub(super) const fn kind(&self) -> EventKind {
        match self {
            Self::AtMax { .. } => EventKind::AtMax,
            Self::AtMin { .. } => EventKind::AtMin,
            Self::Fallback { .. } => EventKind::Fallback,
            Self::Blind => EventKind::Blind,
            Self::Raised(condition) => match condition {
                RaisedCondition::Contested { .. } | RaisedCondition::CountReset { .. } => EventKind::ResetBy,
                RaisedCondition::NotBecomingReady { .. }
                | RaisedCondition::FailingToStart { .. }
                | RaisedCondition::Flapping { .. }
                | RaisedCondition::SecondScaler { .. }
                | RaisedCondition::SecondHeadroom { .. }
                | RaisedCondition::RequestsSet { .. }
                | RaisedCondition::FleetBrake
                | RaisedCondition::ReplicasNotStarting { .. }
                | RaisedCondition::ReplicasRefused { .. }
                | RaisedCondition::RequestsRecommended { .. }
                | RaisedCondition::GuardOff { .. } => EventKind::Held,
            },
            Self::Unreadable { .. } | Self::NotWritten { .. } | Self::NotConfirmed { .. } => EventKind::Error,
            Self::Paused(_) => EventKind::Paused,
            Self::Overridden { .. } => EventKind::Overridden,
            Self::Above { .. } => EventKind::Threshold,
        }
    }

    /// What it is about, as [`Event::subject`] has it.
    pub(super) fn subject(&self) -> Cow<'static, str> {
        match self {
            Self::Raised(condition) => condition.subject(),
            Self::Unreadable { .. } => "error/unreadable".into(),
            Self::NotWritten { .. } => "error/not_written".into(),
            Self::NotConfirmed { .. } => "error/not_confirmed".into(),
            Self::Overridden { by, .. } => {
                format!("overridden/{}", by.by.as_deref().unwrap_or_default()).into()
            }
            Self::Above { metric, .. } => format!("threshold/{metric}").into(),
            Self::AtMax { .. }
            | Self::AtMin { .. }
            | Self::Fallback { .. }
            | Self::Blind
            | Self::Paused(_) => self.kind().code().into(),
        }
    }

    /// Whether `subject` is its own. Makes no text.
    pub(super) fn is_about(&self, subject: &str) -> bool {
        match self {
            Self::Overridden { by, .. } => {
                subject.strip_prefix("overridden/") == Some(by.by.as_deref().unwrap_or_default())
            }
            Self::Above { metric, .. } => subject.strip_prefix("threshold/") == Some(metric.as_str()),
            Self::Raised(condition) => condition.is_about(subject),
            Self::AtMax { .. }
            | Self::AtMin { .. }
            | Self::Fallback { .. }
            | Self::Blind
            | Self::Unreadable { .. }
            | Self::NotWritten { .. }
            | Self::NotConfirmed { .. }
            | Self::Paused(_) => *self.subject() == *subject,
        }
    }

    /// How soon somebody has to look.
    pub(super) fn severity(&self) -> Severity {
        match self {
            Self::AtMin { .. } | Self::Paused(_) | Self::Overridden { .. } => Severity::Info,
            Self::AtMax { .. } | Self::Fallback { .. } | Self::Blind | Self::Above { .. } => {
                Severity::Warning
            }
            Self::Unreadable { .. } | Self::NotWritten { .. } | Self::NotConfirmed { .. } => {
                Severity::Critical
            }
            Self::Raised(condition) => condition.severity().into(),
        }
    }

    /// For how long it has to go on before people are told.
    pub(super) const fn patience(&self) -> Duration {
        match self {
            Self::Blind => BLIND_FOR,
            Self::AtMax { .. } | Self::AtMin { .. } => AT_BOUND_FOR,
            Self::Above { lasting, .. } => *lasting,
            Self::Fallback { .. }
            | Self::Raised(_)
            | Self::Unreadable { .. }
            | Self::NotWritten { .. }
            | Self::NotConfirmed { .. }
            | Self::Paused(_)
            | Self::Overridden { .. } => Duration::ZERO,
        }
    }

    /// What people are told of it.
    pub(super) fn event(&self, record: &DecisionRecord) -> Event {
        match *self {
            Self::AtMax { max, wanted } => Event::AtMax {
                max,
                wanted,
                why: why(record),
            },
            Self::AtMin { min, wanted } => Event::AtMin {
                min,
                wanted,
                why: why(record),
            },
            Self::Fallback { replicas } => Event::Fallback {
                replicas,
                why: why_fallback(record).into_iter().cloned().collect(),
            },
            Self::Blind => Event::Blind {
                metrics: unknown(record),
            },
            Self::Raised(condition) => Event::of_condition(condition.clone()),
            Self::Unreadable { error } => Event::Error {
                failure: Failure::Unreadable { error: error.into() },
            },
            Self::NotWritten { from, to, error } => Event::Error {
                failure: Failure::NotWritten {
                    from,
                    to,
                    error: error.into(),
                },
            },
            Self::NotConfirmed { from, to, error } => Event::Error {
                failure: Failure::NotConfirmed {
                    from,
                    to,
                    error: error.into(),
                },
            },
            Self::Paused(pause) => Event::Paused {
                operator: Operator {
                    by: pause.by.as_deref().map(Into::into),
                    reason: pause.reason.as_deref().map(Into::into),
                },
                until: pause.until,
            },
            Self::Overridden { by, in_force } => Event::Overridden {
                operator: by.clone(),
                min: in_force.bounds.floor.as_ref().map(|floor| floor.replicas()),
                max: in_force.bounds.ceiling.as_ref().map(|ceiling| ceiling.replicas()),
                holds_scale_down: in_force.hold.is_some(),
                until: (in_force.until < Timestamp::MAX).then_some(in_force.until),
            },
            Self::Above {
                metric,
                value,
                above,
                is_ratio,
                lasting,
            } => Event::Threshold {
                metric: metric.clone(),
                value,
                above,
                is_ratio,
                lasting,
            },
        }
    }
}

/// All that goes on with the workload of `record`.
pub(super) fn conditions<'r>(
    seen: Seen<'r>,
    thresholds: &'r [Threshold],
) -> impl Iterator<Item = Condition<'r>> {
    let Seen {
        record,
        pause,
        fallback,
        ..
    } = seen;
    let unreadable = match &record.verdict {
        Verdict::Unreadable { error } => Some(Condition::Unreadable { error }),
        Verdict::Decided { .. } => None,
    };
    let bounded = bounded(record);
    let raised = record.conditions.iter().map(Condition::Raised);
    let overridden = record.in_force.iter().filter_map(|in_force| match &in_force.by {
        BoundSource::Override(by) => Some(Condition::Overridden { by, in_force }),
        BoundSource::Schedule(_) => None,
    });
    let blind = record.is_blind().then_some(Condition::Blind);
    let fallback = fallback.filter(|_| !record.is_off());
    unreadable
        .into_iter()
        .chain(not_written(record))
        .chain(raised)
        .chain(fallback.map(|replicas| Condition::Fallback { replicas }))
        .chain(blind)
        .chain(bounded)
        .chain(above(record, thresholds))
        .chain(pause.map(Condition::Paused))
        .chain(overridden)
}

/// The bound that the count is at although the load asks for another one.
pub(super) fn bounded(record: &DecisionRecord) -> Option<Condition<'static>> {
    let asked = steps(record).iter().find_map(|step| {
        let Step::Combined { replicas, .. } = step else {
            return None;
        };
        Some(*replicas)
    });
    steps(record).iter().find_map(|step| at_bound(step, asked))
}

fn steps(record: &DecisionRecord) -> &[Step] {
    match &record.verdict {
        Verdict::Decided { explanation, .. } => &explanation.0,
        Verdict::Unreadable { .. } => &[],
    }
}

/// The steps that people are told of: that of the metric that asked for the most, and the last that had a say.
pub(super) fn why(record: &DecisionRecord) -> Vec<Step> {
    let steps = steps(record);
    let by = steps.iter().find_map(|step| {
        let Step::Combined { by, .. } = step else {
            return None;
        };
        by.as_ref()
    });
    let deciding = by.and_then(|by| {
        let is_deciding = |step: &&Step| matches!(step, Step::Recommended { metric, .. } if metric == by);
        steps.iter().find(is_deciding)
    });
    let last = steps
        .last()
        .filter(|step| step.change().is_some() || matches!(step, Step::SelectorRefused { .. }));
    deciding.into_iter().chain(last).cloned().collect()
}

fn not_written(record: &DecisionRecord) -> Option<Condition<'_>> {
    let decision = record.decision()?;
    let (from, to) = (decision.current(), decision.desired());
    let error = record.error().unwrap_or_default();
    match record.outcome()? {
        Outcome::Failed => Some(Condition::NotWritten { from, to, error }),
        Outcome::NotConfirmed => Some(Condition::NotConfirmed { from, to, error }),
        Outcome::Written | Outcome::Conflict | Outcome::NotAttempted => None,
    }
}

/// The bound that `step` is kept at, where the metrics ask for `asked`: by the time of the bounds less may be left of it.
fn at_bound(step: &Step, asked: Option<Replicas>) -> Option<Condition<'static>> {
    let Step::Bounded { wanted, bounded, .. } = *step else {
        return None;
    };
    match wanted.cmp(&bounded) {
        Ordering::Greater => Some(Condition::AtMax {
            max: bounded,
            wanted: asked.map_or(wanted, |asked| asked.max(wanted)),
        }),
        Ordering::Less => Some(Condition::AtMin {
            min: bounded,
            wanted: asked.map_or(wanted, |asked| asked.min(wanted)),
        }),
        Ordering::Equal => None,
    }
}

/// The step that says why the fallback is in force: its own where it raises the count, and else that of what is unknown.
fn why_fallback(record: &DecisionRecord) -> Option<&Step> {
    let own = |step: &&Step| matches!(step, Step::FellBack { .. });
    let unknown = |step: &&Step| unknown_metric(step).is_some();
    let steps = steps(record);
    steps.iter().find(own).or_else(|| steps.iter().find(unknown))
}

/// The metrics that are unknown, or known only in part.
fn unknown(record: &DecisionRecord) -> Vec<UnknownMetric> {
    let is_unknown = |name: &MetricName| {
        steps(record)
            .iter()
            .any(|step| unknown_metric(step) == Some(name))
    };
    let all = record.metrics.iter().filter(|metric| is_unknown(&metric.name));
    let hold = record
        .hold_query
        .iter()
        .filter(|hold| !matches!(hold.observation, Observation::Fresh(_)));
    all.chain(hold)
        .map(|metric| UnknownMetric {
            name: metric.name.clone(),
            seen: metric.observation,
            error: metric.error.as_deref().map(Into::into),
        })
        .collect()
}

/// The metrics that are above their value.
fn above<'r>(record: &'r DecisionRecord, thresholds: &'r [Threshold]) -> impl Iterator<Item = Condition<'r>> {
    let recommended = steps(record).iter().filter_map(|step| {
        let Step::Recommended {
            metric,
            seen: Observation::Fresh(sample) | Observation::Partial(sample),
            terms,
            ..
        } = step
        else {
            return None;
        };
        Some((metric, sample.value, terms))
    });
    recommended.filter_map(|(metric, value, terms)| {
        let place = record.metrics.iter().position(|one| one.name == *metric)?;
        let threshold = thresholds.get(place)?;
        let (value, target, is_ratio) = measured(value, terms)?;
        let above = threshold.above.or(target)?;
        (value > above).then_some(Condition::Above {
            metric,
            value,
            above,
            is_ratio,
            lasting: threshold.lasting,
        })
    })
}

/// What is compared, its own target, and whether both are parts of a whole. Of a total, the share of each replica.
fn measured(value: f64, terms: &Terms) -> Option<(f64, Option<f64>, bool)> {
    let share = || {
        let replicas = f64::from(terms.current.get());
        (replicas > 0.0).then(|| value / replicas)
    };
    Some(match &terms.rule {
        MetricRule::Utilization(target) => (value, Some(target.get()), true),
        MetricRule::PerReplica(target) => (share()?, Some(target.get()), false),
        MetricRule::Value(target) => (value, Some(target.get()), false),
        MetricRule::Watermarks(marks) => match marks.compared() {
            Compared::PerReplica => (share()?, Some(marks.high().get()), false),
            Compared::Value => (value, Some(marks.high().get()), false),
        },
        MetricRule::Step(rule) => (value, rule.above().map(|breach| breach.threshold), false),
    })
}
