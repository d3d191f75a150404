//! Since when step rules have been breached, and which sample was the last to count.

use std::time::Duration;

use crate::{MetricName, Replicas, Timestamp};

/// The timers of all step rules of a policy, in the order of its metrics.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct StepTimers(Vec<StepTimer>);

/// The timer of one metric's step rule.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct StepTimer {
    metric: MetricName,
    /// When the last sample that counted was measured (I17).
    pub(crate) measured_at: Option<Timestamp>,
    /// The breach on the side that adds.
    pub(crate) above: SideTimer,
    /// The breach on the side that removes.
    pub(crate) below: SideTimer,
}

/// A breach that lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct SideTimer {
    /// Since when the threshold has been breached.
    pub(crate) since: Option<Timestamp>,
    /// The last step.
    pub(crate) stepped_at: Option<Timestamp>,
    /// The count that step starts from, while it stands.
    pub(crate) standing_from: Option<Replicas>,
}

impl StepTimers {
    /// The timer of `metric`, made when it is not there yet.
    pub(crate) fn of(&mut self, metric: &MetricName) -> &mut StepTimer {
        let index = self
            .0
            .iter()
            .position(|timer| timer.metric == *metric)
            .unwrap_or_else(|| {
                self.0.push(StepTimer {
                    metric: metric.clone(),
                    measured_at: None,
                    above: SideTimer::default(),
                    below: SideTimer::default(),
                });
                self.0.len() - 1
            });
        &mut self.0[index]
    }

    /// Forgets the timers of metrics that `is_wanted` no longer knows, so that changed policies leave nothing behind.
    pub(crate) fn keep(&mut self, is_wanted: impl Fn(&MetricName) -> bool) {
        self.0.retain(|timer| is_wanted(&timer.metric));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn shift_back(&mut self, by: Duration) {
        for timer in &mut self.0 {
            timer.measured_at = timer.measured_at.map(|at| at.minus(by));
            for side in [&mut timer.above, &mut timer.below] {
                side.since = side.since.map(|at| at.minus(by));
                side.stepped_at = side.stepped_at.map(|at| at.minus(by));
            }
        }
    }
}
