//! Rebuilds the log of recommendations of a memory that has none, from the load as it was recorded.
//!
//! Only where nothing is needed that no recording has. What is evaluated is the load; the count that there was at that
//! time is not known. So a policy whose metrics ask for the same whatever the count is gives the log exactly. Where a
//! tolerance or two marks would have kept a count, both ends of what they could have kept are logged: whatever the
//! count was, nothing falls further than it would have, nor rises further.

use std::time::Duration;

use thiserror::Error;

use super::{Evaluation, evaluate, recommend, stabilize};
use crate::{
    Compared, Memory, MetricName, MetricPolicy, MetricRule, NoSteps, Observations, Replicas, Semantics,
    Timestamp, Votes, Workload, WorkloadPolicy,
};

/// Why the past does not tell what a memory would hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Inexact {
    /// The HPA's semantics begin with the count that they find.
    #[error("the HPA's semantics begin anew")]
    Semantics,
    /// What a metric asks for depends on the count that there was. Only totals that are shared out do not, and those not
    /// where they may only raise, or are worked out pod by pod.
    #[error("what {metric} asks for depends on the count that there was")]
    Count {
        /// The first such metric.
        metric: MetricName,
    },
    /// How far the count may fall depends on how far it has fallen within a limit's period.
    #[error("a change limit of scale_down depends on the changes that there were")]
    Changes,
    /// Too little was known at some moment, so that a fallback may have raised the count since.
    #[error("the load was unknown at times, and a fallback may have been in force")]
    Fallback,
    /// Nothing is known of the past.
    #[error("nothing is known of that time")]
    Unknown,
}

impl Memory {
    /// How far back the past has to be known before [`rebuild`](Self::rebuild) can make the log of `policy` from it.
    ///
    /// # Errors
    /// When the log cannot be made from the load alone.
    pub fn past_needed(policy: &WorkloadPolicy) -> Result<Duration, Inexact> {
        match policy.semantics {
            Semantics::Headroom => {}
            Semantics::Hpa(_) => return Err(Inexact::Semantics),
        }
        if let Some(metric) = policy.metrics.iter().find(|metric| !asks_for_itself(metric)) {
            return Err(Inexact::Count {
                metric: metric.name.clone(),
            });
        }
        if policy.scale_down.depends_on_changes() {
            return Err(Inexact::Changes);
        }
        let windows = policy.scale_up.stabilization.max(policy.scale_down.stabilization);
        // A fallback is over when the load has been known for so long.
        let recovery = policy.fallback.map_or(Duration::ZERO, |fallback| fallback.after);
        Ok(windows.get().max(recovery))
    }

    /// Whether enough is remembered of the window of scaling down that the count may fall at `now`.
    #[must_use]
    pub fn covers_window(&self, policy: &WorkloadPolicy, now: Timestamp) -> bool {
        let reach = self.recommendations.reach(policy.interval.get());
        stabilize::is_covered(self, policy.scale_down.stabilization, now, reach)
    }

    /// Fills the log of recommendations, where it is empty, with what evaluating would have left there: `past` is what
    /// was known at each of the evaluations before now, oldest first, over [`past_needed`](Self::past_needed).
    ///
    /// # Errors
    /// When that cannot be told; then nothing is changed.
    pub fn rebuild(
        &mut self,
        policy: &WorkloadPolicy,
        workload: &Workload,
        past: impl IntoIterator<Item = (Timestamp, Observations)>,
    ) -> Result<(), Inexact> {
        if self.has_history() {
            return Ok(());
        }
        Self::past_needed(policy)?;
        let mut made = Self::default();
        for (now, seen) in past {
            evaluate(policy, workload, &seen, &mut made, now, &mut NoSteps);
            let fallback = policy.fallback;
            if fallback.is_some_and(|fallback| made.knowledge.unknown_for(fallback.when, now).is_some()) {
                return Err(Inexact::Fallback);
            }
            if let Some(each) = possible(policy, workload, &seen, now) {
                made.recommendations.widen(each);
            }
        }
        if !made.has_history() {
            return Err(Inexact::Unknown);
        }
        self.recommendations.take_log(made.recommendations);
        Ok(())
    }
}

/// Whether the metric asks for a count of its own, whatever the count is, but for those that it keeps as they are.
fn asks_for_itself(metric: &MetricPolicy) -> bool {
    let is_shared = match metric.rule {
        MetricRule::PerReplica(_) => true,
        MetricRule::Watermarks(marks) => match marks.compared() {
            Compared::PerReplica => true,
            Compared::Value => false,
        },
        MetricRule::Utilization(_) | MetricRule::Value(_) | MetricRule::Step(_) => false,
    };
    is_shared && metric.votes == Votes::UpAndDown && !metric.kind.is_of_pods()
}

/// The lowest and the highest recommendation that any count could have had then; `None` where nothing was known.
///
/// The counts that a metric keeps as they are lie around what its load needs, without holes.
fn possible(
    policy: &WorkloadPolicy,
    workload: &Workload,
    seen: &Observations,
    now: Timestamp,
) -> Option<[Replicas; 2]> {
    let mut aside = Memory::default();
    let mut recommended = |count: u32| {
        let current = Replicas::new(count);
        let at = Evaluation {
            policy,
            workload: &Workload::running(current),
            seen,
            now,
        };
        let proposals = recommend::run(at, &mut aside, &mut NoSteps);
        proposals
            .any_known
            .then(|| proposals.recommendation(current).get())
    };
    let most = workload.bounds.over(policy.bounds).max();
    let most = most.max(policy.bounds.max()).max(workload.current).get();
    // Without replicas nothing is kept. With the most, what was measured in part has no say.
    let needed = recommended(0)?;
    let mut low = recommended(most)?.min(needed);
    if let Some(below) = low.checked_sub(1)
        && let Some(kept) = furthest(below.min(most), 0, |count| recommended(count) < Some(low))
    {
        low = recommended(kept)?;
    }
    let high = match needed.checked_add(1) {
        Some(above) if above <= most => furthest(above, most, |count| recommended(count) == Some(count)),
        Some(_) | None => None,
    };
    Some([low, high.unwrap_or(needed)].map(Replicas::new))
}

/// The furthest count, on the way from `near` to `far`, for which `holds`; it holds up to some count, and for none after.
fn furthest(near: u32, far: u32, mut holds: impl FnMut(u32) -> bool) -> Option<u32> {
    let at = |distance: u32| {
        if far < near {
            near.saturating_sub(distance)
        } else {
            near.saturating_add(distance)
        }
    };
    if !holds(near) {
        return None;
    }
    let (mut sure, mut unsure) = (0, near.abs_diff(far));
    while sure < unsure {
        let middle = unsure - (unsure - sure) / 2;
        if holds(at(middle)) {
            sure = middle;
        } else {
            unsure = middle - 1;
        }
    }
    Some(at(sure))
}

#[cfg(test)]
mod tests;
