//! Stage 1: each metric proposes a count.
//!
//! What is unknown proposes nothing; what that means for the others is said here and carried out in `combine`.

mod pods;
mod said;
mod step_rule;
mod target;
mod terms;
mod watermarks;

pub(super) use self::pods::{hpa_replicas, shown};
pub use self::terms::{Arithmetic, Terms, Values};
use self::{
    said::{Known, Loads, Said, track},
    step_rule::{StepClock, step},
    target::asked_at,
};
use super::Evaluation;
use crate::{
    GroupName, Memory, MetricName, MetricPolicy, MetricRule, MissingCause, Observation, OnMissing, Proposal,
    Replicas, Step, StepSink, WorkloadPolicy, hpa::MetricError,
};

/// What all metrics together say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposals<'a> {
    /// The largest proposal, and the metric that made it.
    pub(super) largest: Option<(Replicas, &'a MetricName)>,
    /// The first metric that forbids scaling down, and what is known of it.
    pub(super) blocker: Option<(&'a MetricName, Observation)>,
    /// The first metric that does not ask for less although its group would have to.
    pub(super) dissenter: Option<(&'a GroupName, &'a MetricName)>,
    /// What they say of load, where the policy has a zero.
    pub(super) loads: Loads<'a>,
    /// Whether any metric is known.
    pub(super) any_known: bool,
    /// Whether any is known of those that decide, as the fallback counts them.
    pub(super) any_deciding_known: bool,
}

impl<'a> Proposals<'a> {
    /// Before any metric has spoken.
    pub(super) fn none() -> Self {
        Self {
            largest: None,
            blocker: None,
            dissenter: None,
            loads: Loads::default(),
            any_known: false,
            any_deciding_known: false,
        }
    }

    /// Takes what `metric` says, of which this is seen.
    fn add(
        &mut self,
        metric: &'a MetricPolicy,
        seen: Observation,
        said: Said,
        at: Evaluation<'a>,
        memory: &mut Memory,
    ) {
        if let Proposal::Replicas(replicas) = said.proposal {
            self.propose(replicas, &metric.name);
        }
        if said.blocks && self.blocker.is_none() {
            self.blocker = Some((&metric.name, seen));
        }
        if let (Some(group), false, None) = (&metric.group, said.asks_for_less, self.dissenter) {
            self.dissenter = Some((group, &metric.name));
        }
        if let Some(zero) = &at.policy.zero {
            self.loads.add(said.load, zero, &metric.name);
        }
        match said.known {
            Known::Yes => self.note(metric, true, at, memory),
            Known::No => self.note(metric, false, at, memory),
            Known::NobodyToAsk => {}
        }
    }

    /// Takes a proposal. The largest counts, and of equal ones the first.
    pub(super) fn propose(&mut self, replicas: Replicas, metric: &'a MetricName) {
        if self.largest.is_none_or(|(largest, _)| replicas > largest) {
            self.largest = Some((replicas, metric));
        }
    }

    /// Takes note of whether `metric` is known.
    pub(super) fn note(
        &mut self,
        metric: &MetricPolicy,
        is_known: bool,
        at: Evaluation<'_>,
        memory: &mut Memory,
    ) {
        self.any_known |= is_known;
        if decides(metric, at.policy) {
            self.any_deciding_known |= is_known;
            memory.knowledge.note(&metric.name, is_known, at.now);
        }
    }
}

/// Lets each metric propose, and records one step for each.
pub(super) fn run<'a>(at: Evaluation<'a>, memory: &mut Memory, steps: &mut impl StepSink) -> Proposals<'a> {
    let mut all = Proposals::none();
    for (index, metric) in at.policy.metrics.iter().enumerate() {
        let mut observation = at.seen.get(index).checked();
        let said = ask(at, index, metric, &mut observation, memory);
        all.add(metric, observation, said, at, memory);
        steps.record(|| Step::Recommended {
            metric: metric.name.clone(),
            seen: observation,
            terms: Terms::of(metric, at, Arithmetic::own(metric)),
            pending: said.pending,
            proposal: said.proposal,
        });
    }
    forget_others(at.policy, memory);
    all
}

/// What the metric at `index` says. Of pods, what is observed becomes what is reckoned with.
fn ask(
    at: Evaluation<'_>,
    index: usize,
    metric: &MetricPolicy,
    seen: &mut Observation,
    memory: &mut Memory,
) -> Said {
    let (current, tolerance) = (at.workload.current, metric.tolerance);
    if current == Replicas::ZERO && is_of_no_replicas(seen) {
        return Said::NOBODY_TO_ASK;
    }
    match &metric.rule {
        MetricRule::Utilization(_) | MetricRule::PerReplica(_) | MetricRule::Value(_)
            if metric.kind.is_of_pods() =>
        {
            let outcome = hpa_replicas(at, index, metric, tolerance);
            *seen = shown(metric, *seen, outcome);
            let asked = outcome.map_or(Replicas::ZERO, |found| Replicas::of_hpa(found.replicas));
            track(metric, seen, current, |_| Some(asked))
        }
        MetricRule::Step(rule) => {
            let clock = StepClock {
                now: at.now,
                interval: at.policy.interval.get(),
                policy: at.policy,
            };
            let timer = memory.step_timers.of(&metric.name);
            step(rule, metric, seen, current, timer, clock)
        }
        rule @ (MetricRule::Utilization(_)
        | MetricRule::PerReplica(_)
        | MetricRule::Value(_)
        | MetricRule::Watermarks(_)) => track(metric, seen, current, |value| {
            asked_at(rule, value, current, tolerance)
        }),
    }
}

/// Whether nobody answered because a metric is asked of the replicas themselves, or measured on them.
const fn is_of_no_replicas(seen: &Observation) -> bool {
    matches!(
        seen,
        Observation::Missing {
            cause: MissingCause::NoReplicas
                | MissingCause::Unusable {
                    why: MetricError::NoPods
                }
        }
    )
}

/// Whether the fallback waits for this metric: it does for those whose unknown values are ignored only where all are.
fn decides(metric: &MetricPolicy, policy: &WorkloadPolicy) -> bool {
    let is_ignored = |metric: &MetricPolicy| metric.on_missing == OnMissing::Ignore;
    !is_ignored(metric) || policy.metrics.iter().all(is_ignored)
}

/// Forgets metrics that an earlier policy had.
pub(super) fn forget_others(policy: &WorkloadPolicy, memory: &mut Memory) {
    let is_step = |metric: &MetricPolicy| matches!(metric.rule, MetricRule::Step(_));
    let has = |name: &MetricName, is_meant: &dyn Fn(&MetricPolicy) -> bool| {
        let mut metrics = policy.metrics.iter();
        metrics.any(|metric| metric.name == *name && is_meant(metric))
    };
    let timers = memory.step_timers.len();
    if timers > 0 && timers > policy.metrics.iter().filter(|metric| is_step(metric)).count() {
        memory.step_timers.keep(|name| has(name, &is_step));
    }
    if memory.knowledge.unknown() > 0 {
        memory
            .knowledge
            .keep(|name| has(name, &|metric| decides(metric, policy)));
    }
}

#[cfg(test)]
mod tests;
