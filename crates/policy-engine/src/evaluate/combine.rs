//! Stage 2: the proposals become one recommendation. The largest known one wins (I34); what is unknown keeps the
//! count from falling (I27), and does not keep it from rising (I29).

use super::{Course, recommend::Proposals};
use crate::{Reason, Replicas, Step, StepSink};

pub(super) fn run(proposals: &Proposals<'_>, current: Replicas, steps: &mut impl StepSink) -> Course {
    let recommended = proposals.recommendation(current);
    steps.record(|| Step::Combined {
        replicas: recommended,
        by: proposals.largest.map(|(_, metric)| metric.clone()),
    });
    let reason = if !proposals.any_known {
        Reason::Blind
    } else if recommended > current {
        Reason::AboveTarget
    } else if recommended < current {
        Reason::BelowTarget
    } else {
        Reason::OnTarget
    };
    let mut course = Course {
        current,
        wanted: recommended,
        reason,
    };
    if proposals.blocker.is_some()
        && course.wanted == current
        && proposals.largest.is_none()
        && proposals.any_known
    {
        course.reason = Reason::MetricUnknown;
    } else if let Some(metric) = proposals.blocker
        && course.falls()
    {
        steps.record(|| Step::KeptForUnknown {
            wanted: recommended,
            kept: current,
            metric: metric.clone(),
        });
        course.hold_to(current, Reason::MetricUnknown);
    }
    course
}

impl Proposals<'_> {
    /// The largest proposal; without a vote the count that is.
    pub(super) fn recommendation(&self, current: Replicas) -> Replicas {
        self.largest.map_or(current, |(replicas, _)| replicas)
    }

    /// Whether every metric that counts was known, so that the recommendation may stand for its time.
    pub(super) fn is_complete(&self) -> bool {
        self.any_known && self.blocker.is_none()
    }
}
