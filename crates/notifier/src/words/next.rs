//! What happens next, as far as a notice tells.

use std::time::Duration;

use headroom_policy_engine::{
    Direction, Hold, MetricName, RaisedCondition, Replicas, Stabilizing, Step, Timestamp,
};

use crate::{Event, Failure, Notice, Stage};

/// What happens next.
pub(super) enum Next<'a> {
    /// The count can go on towards that, if the load stays as it is.
    Towards { replicas: Replicas, after: Duration },
    /// The count can be that many, if the load stays as it is.
    To { replicas: Replicas, after: Duration },
    /// The count can fall to that many then at the earliest, if the load stays as it is.
    NotBefore { replicas: Replicas, after: Duration },
    /// The count is made that again.
    Restored { replicas: Replicas, after: Duration },
    /// The metric asks for that many, if its value stays where it is.
    Asks {
        metric: &'a MetricName,
        replicas: Replicas,
        after: Duration,
    },
    /// The change can be made once what holds it is over.
    Over { hold: &'a Hold, after: Option<Duration> },
    /// Somebody set the count to zero, and only somebody can set another.
    Off,
    /// In the next pass.
    InNextPass,
    /// More can be added once the replicas that are starting are ready.
    Ready,
    /// The count can fall once the metric is known again in full.
    Known { metric: &'a MetricName },
    /// The count can fall once the metric asks for less too.
    AsksForLess { metric: &'a MetricName },
    /// Metrics are looked at again once the target's selector can be used.
    Selector,
    /// The load decides again once it has been known for long enough.
    Recovers,
    /// The direction is switched off.
    SwitchedOff { direction: Direction },
    /// No further, unless the maximum is raised.
    Maximum,
    /// No further, unless the minimum is lowered.
    Minimum,
    /// What goes on while a condition lasts.
    While { condition: &'a RaisedCondition },
    /// Decided with what is known, until all is.
    Blind,
    /// What becomes of a failure.
    After { failure: &'a Failure },
    /// It ends by itself then.
    Ends { at: Timestamp },
    /// It goes on until somebody resumes the workload.
    Resume { workload: &'a str },
    /// It goes on until somebody ends it.
    Cancel { workload: &'a str },
}

impl<'a> Next<'a> {
    /// What happens next; `None` where nothing is to be said of it.
    pub(super) fn of(notice: &'a Notice) -> Option<Self> {
        if let Stage::Closed { .. } = notice.stage {
            return None;
        }
        let workload = notice.workload.as_ref().map(|workload| workload.as_str());
        match &notice.event {
            Event::Scaled { why, .. } => why.last().and_then(Self::of_step),
            Event::AtMax { .. } => Some(Self::Maximum),
            Event::AtMin { .. } => Some(Self::Minimum),
            Event::Fallback { .. } => Some(Self::Recovers),
            Event::Held { condition } | Event::ResetBy { condition } => Some(Self::While { condition }),
            Event::Blind { .. } => Some(Self::Blind),
            Event::Error { failure } => Some(Self::After { failure }),
            Event::Paused { until: Some(at), .. } | Event::Overridden { until: Some(at), .. } => {
                Some(Self::Ends { at: *at })
            }
            Event::Paused { until: None, .. } => workload.map(|workload| Self::Resume { workload }),
            Event::Overridden { until: None, .. } => workload.map(|workload| Self::Cancel { workload }),
            Event::Recovered { .. }
            | Event::Resumed
            | Event::PolicyChanged { .. }
            | Event::Threshold { .. }
            | Event::Digest(_) => None,
        }
    }

    fn of_step(step: &'a Step) -> Option<Self> {
        Some(match step {
            Step::Recommended { metric, pending, .. } => {
                let pending = (*pending)?;
                Self::Asks {
                    metric,
                    replicas: pending.replicas,
                    after: pending.after,
                }
            }
            Step::KeptForUnknown { metric, .. } => Self::Known { metric },
            Step::KeptForGroup { metric, .. } => Self::AsksForLess { metric },
            Step::Stabilized {
                wanted, window, by, ..
            } => Self::of_window(*wanted, window.get(), by)?,
            Step::Limited {
                direction,
                limit: None,
                ..
            } => Self::SwitchedOff {
                direction: *direction,
            },
            Step::Limited {
                wanted, room_after, ..
            }
            | Step::LimitedAsHpa {
                wanted, room_after, ..
            } => Self::Towards {
                replicas: *wanted,
                after: (*room_after)?,
            },
            Step::SelectorRefused { .. } => Self::Selector,
            Step::HeldNotReady { .. } => Self::Ready,
            Step::Held { hold, ends_after, .. }
            | Step::Forbidden {
                hold: Some(hold),
                ends_after,
                ..
            } => Self::Over {
                hold,
                after: *ends_after,
            },
            Step::Forbidden { hold: None, .. } => Self::Off,
            Step::RestoreDelayed { count, after, .. } => Self::Restored {
                replicas: *count,
                after: *after,
            },
            Step::HeldFlapping {
                wanted, ends_after, ..
            } => Self::NotBefore {
                replicas: *wanted,
                after: *ends_after,
            },
            Step::HeldClock { .. } => Self::InNextPass,
            Step::FellBack { .. } => Self::Recovers,
            Step::KeptAfterFallback {
                wanted,
                known_for,
                after,
                ..
            } => Self::To {
                replicas: *wanted,
                after: after.saturating_sub(*known_for),
            },
            Step::KeptFromZero {
                wanted,
                idle_for,
                idle,
                ..
            } => Self::NotBefore {
                replicas: *wanted,
                after: idle.saturating_sub(*idle_for),
            },
            Step::Bounded { wanted, bounded, .. } if wanted > bounded => Self::Maximum,
            Step::Bounded { .. } => Self::Minimum,
            Step::Combined { .. } | Step::Restored { .. } | Step::Activated { .. } => return None,
        })
    }

    fn of_window(wanted: Replicas, window: Duration, by: &Stabilizing) -> Option<Self> {
        let not_before = |after| Self::NotBefore {
            replicas: wanted,
            after,
        };
        Some(match by {
            Stabilizing::Recommendations { easing } => {
                let first = easing.first()?;
                Self::To {
                    replicas: first.replicas,
                    after: first.after,
                }
            }
            Stabilizing::Gaps { known, needed } if known >= needed => Self::InNextPass,
            // Rather too late than too early.
            Stabilizing::Gaps { known, needed } => {
                not_before(needed.saturating_sub(Duration::from_secs(known.as_secs())))
            }
            Stabilizing::Raised { ago } | Stabilizing::Undone { ago } => {
                not_before(window.saturating_sub(*ago))
            }
        })
    }
}
