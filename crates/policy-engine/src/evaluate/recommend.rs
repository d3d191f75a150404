//! Stage 1: each metric proposes a count.
//!
//! Target tracking as the HPA does it (`hpa-semantics` §6: tolerance is a closed band, formulas round up), and step
//! rules. What is unknown proposes nothing; what that means for the others is said here and carried out in `combine`.

mod pods;
mod step_rule;
mod watermarks;

pub(super) use self::pods::{hpa_replicas, shown};
use self::step_rule::{StepClock, step};
use super::Evaluation;
use crate::{
    GroupName, Memory, MetricName, MetricPolicy, MetricRule, MissingCause, Observation, OnMissing, Proposal,
    Replicas, Step, StepSink, Tolerance, Votes, WorkloadPolicy,
};

/// How far from a whole number a quotient may lie and still be meant as one (I6): float noise, not load.
const WHOLE: f64 = 1e-9;

/// What all metrics together say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proposals<'a> {
    /// The largest proposal, and the metric that made it.
    pub(super) largest: Option<(Replicas, &'a MetricName)>,
    /// The first metric that forbids scaling down.
    pub(super) blocker: Option<&'a MetricName>,
    /// The first metric that does not ask for less although its group would have to.
    pub(super) dissenter: Option<(&'a GroupName, &'a MetricName)>,
    /// Whether any metric is known.
    pub(super) any_known: bool,
    /// Whether any is known of those that decide, as the fallback counts them.
    pub(super) any_deciding_known: bool,
}

/// Lets each metric propose, and records one step for each.
pub(super) fn run<'a>(at: Evaluation<'a>, memory: &mut Memory, steps: &mut impl StepSink) -> Proposals<'a> {
    let Evaluation {
        policy,
        workload,
        seen,
        now,
    } = at;
    let current = workload.current;
    let mut all = Proposals {
        largest: None,
        blocker: None,
        dissenter: None,
        any_known: false,
        any_deciding_known: false,
    };
    for (index, metric) in policy.metrics.iter().enumerate() {
        let mut observation = seen.get(index).checked();
        let said = match &metric.rule {
            MetricRule::Utilization(_) | MetricRule::PerReplica(_) | MetricRule::Value(_)
                if metric.kind.is_of_pods() =>
            {
                let outcome = hpa_replicas(at, index, metric, metric.tolerance);
                observation = shown(observation, outcome);
                let asked = outcome.map_or(Replicas::ZERO, |found| Replicas::of_hpa(found.replicas));
                track(metric, &observation, current, |_| asked)
            }
            MetricRule::Step(rule) => {
                let clock = StepClock {
                    now,
                    interval: policy.interval.get(),
                    policy,
                };
                step(
                    rule,
                    metric,
                    &observation,
                    current,
                    memory.step_timers.of(&metric.name),
                    clock,
                )
            }
            MetricRule::Utilization(target) => track(metric, &observation, current, |value| {
                in_proportion(value, target.get(), current, metric.tolerance)
            }),
            // From zero neither the tolerance nor a product with nothing means anything (HPA §6.5).
            MetricRule::Value(target) if current == Replicas::ZERO => {
                track(metric, &observation, current, |value| {
                    round_up(value / target.get())
                })
            }
            MetricRule::Value(target) => track(metric, &observation, current, |value| {
                in_proportion(value, target.get(), current, metric.tolerance)
            }),
            MetricRule::PerReplica(target) => track(metric, &observation, current, |value| {
                shared(value, target.get(), current, metric.tolerance)
            }),
            MetricRule::Watermarks(marks) => track(metric, &observation, current, |value| {
                watermarks::between(*marks, value, current)
            }),
        };
        if let Proposal::Replicas(replicas) = said.proposal
            && all.largest.is_none_or(|(largest, _)| replicas > largest)
        {
            all.largest = Some((replicas, &metric.name));
        }
        if said.blocks && all.blocker.is_none() {
            all.blocker = Some(&metric.name);
        }
        if let (Some(group), false, None) = (&metric.group, said.asks_for_less, all.dissenter) {
            all.dissenter = Some((group, &metric.name));
        }
        all.note(metric, said.known, at, memory);
        steps.record(|| Step::Recommended {
            metric: metric.name.clone(),
            seen: observation,
            target: target_of(&metric.rule, &observation, current),
            proposal: said.proposal,
        });
    }
    forget_others(policy, memory);
    all
}

impl Proposals<'_> {
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

/// What one metric says.
#[derive(Clone, Copy, Debug)]
struct Said {
    proposal: Proposal,
    /// Whether it forbids scaling down.
    blocks: bool,
    /// Whether its value is known.
    known: bool,
    /// Whether it would do with fewer replicas by itself, whatever its vote counts.
    asks_for_less: bool,
}

impl Said {
    const fn unknown(on_missing: OnMissing) -> Self {
        match on_missing {
            OnMissing::Block | OnMissing::Zero => Self {
                proposal: Proposal::Blocks,
                blocks: true,
                known: false,
                asks_for_less: false,
            },
            OnMissing::Ignore => Self {
                proposal: Proposal::Ignored,
                blocks: false,
                known: false,
                asks_for_less: false,
            },
        }
    }
}

/// A rule whose count follows the value.
fn track(
    metric: &MetricPolicy,
    seen: &Observation,
    current: Replicas,
    propose: impl FnOnce(f64) -> Replicas,
) -> Said {
    let (value, partial) = match seen {
        Observation::Fresh(sample) => (sample.value, false),
        Observation::Partial(sample) => (sample.value, true),
        Observation::Missing {
            cause: MissingCause::NoData,
        } if metric.on_missing == OnMissing::Zero => (0.0, false),
        Observation::Missing { .. } | Observation::Stale { .. } => return Said::unknown(metric.on_missing),
    };
    let replicas = propose(value);
    let votes = replicas > current || (metric.votes == Votes::UpAndDown && !partial);
    Said {
        proposal: if votes {
            Proposal::Replicas(replicas)
        } else {
            Proposal::NoVote
        },
        // Measured in part, a value may raise, never lower (I27).
        blocks: partial,
        known: true,
        asks_for_less: replicas < current && !partial,
    }
}

/// The count at which the value would meet its target, in proportion (HPA `Utilization` and `Value`).
fn in_proportion(value: f64, target: f64, current: Replicas, tolerance: Tolerance) -> Replicas {
    let ratio = value / target;
    if tolerance.contains(ratio) {
        current
    } else {
        round_up(ratio * f64::from(current.get()))
    }
}

/// The count that shares the value out (HPA `AverageValue`, §6.6).
fn shared(value: f64, target: f64, current: Replicas, tolerance: Tolerance) -> Replicas {
    let ratio = value / (target * f64::from(current.get()));
    if tolerance.contains(ratio) {
        current
    } else {
        round_up(value / target)
    }
}

/// Rounds up, so that the load fits; float noise above a whole number is not load (I6).
fn round_up(replicas: f64) -> Replicas {
    let whole = replicas.round();
    let up = if (replicas - whole).abs() <= WHOLE * whole.max(1.0) {
        whole
    } else {
        replicas.ceil()
    };
    to_replicas(up)
}

/// A whole number as a count, moved into the range of replicas.
fn to_replicas(whole: f64) -> Replicas {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "moved into the range of replicas"
    )]
    Replicas::new(whole.clamp(0.0, f64::from(Replicas::LIMIT.get())) as u32)
}

/// The target, or of several thresholds or marks the one nearest to the value.
pub(super) fn target_of(rule: &MetricRule, seen: &Observation, current: Replicas) -> f64 {
    let value = match seen {
        Observation::Fresh(sample) | Observation::Partial(sample) | Observation::Stale { sample, .. } => {
            sample.value
        }
        Observation::Missing { .. } => f64::MAX,
    };
    let nearest = |value: f64, thresholds: [Option<f64>; 2]| {
        let distance = |threshold: &f64| (threshold - value).abs();
        let known = thresholds.into_iter().flatten();
        known
            .min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .unwrap_or_default()
    };
    match rule {
        MetricRule::Utilization(target) => target.get(),
        MetricRule::PerReplica(target) | MetricRule::Value(target) => target.get(),
        MetricRule::Watermarks(marks) => nearest(
            watermarks::compared(*marks, value, current),
            [Some(marks.high().get()), Some(marks.low().get())],
        ),
        MetricRule::Step(rule) => nearest(
            value,
            [rule.above(), rule.below()].map(|breach| Some(breach?.threshold)),
        ),
    }
}

#[cfg(test)]
mod tests;
