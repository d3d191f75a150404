//! Stage 1: each metric proposes a count.
//!
//! Target tracking as the HPA does it (`hpa-semantics` §6: tolerance is a closed band, formulas round up), and step
//! rules. What is unknown proposes nothing; what that means for the others is said here and carried out in `combine`.

use std::time::Duration;

use crate::{
    Breach, Memory, MetricName, MetricPolicy, MetricRule, MissingCause, Observation, Observations, OnMissing,
    Proposal, Replicas, Sample, Step, StepRule, StepSink, Timestamp, Tolerance, Votes, WorkloadPolicy,
    memory::{SideTimer, StepTimer},
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
    /// Whether any metric is known.
    pub(super) any_known: bool,
}

/// Lets each metric propose, and records one step for each.
pub(super) fn run<'a>(
    policy: &'a WorkloadPolicy,
    current: Replicas,
    seen: &Observations,
    memory: &mut Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) -> Proposals<'a> {
    let mut all = Proposals {
        largest: None,
        blocker: None,
        any_known: false,
    };
    let mut step_rules = 0;
    for (index, metric) in policy.metrics.iter().enumerate() {
        let observation = seen.get(index).checked();
        let said = match &metric.rule {
            MetricRule::Step(rule) => {
                step_rules += 1;
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
        };
        if let Proposal::Replicas(replicas) = said.proposal
            && all.largest.is_none_or(|(largest, _)| replicas > largest)
        {
            all.largest = Some((replicas, &metric.name));
        }
        if said.blocks && all.blocker.is_none() {
            all.blocker = Some(&metric.name);
        }
        all.any_known |= said.known;
        steps.record(|| Step::Recommended {
            metric: metric.name.clone(),
            seen: observation,
            target: target_of(&metric.rule, &observation),
            proposal: said.proposal,
        });
    }
    if memory.step_timers.len() > step_rules {
        let is_step = |name: &MetricName| {
            policy
                .metrics
                .iter()
                .any(|metric| metric.name == *name && matches!(metric.rule, MetricRule::Step(_)))
        };
        memory.step_timers.keep(is_step);
    }
    all
}

/// What one metric says.
#[derive(Clone, Copy, Debug)]
struct Said {
    proposal: Proposal,
    /// Whether it forbids scaling down.
    blocks: bool,
    /// Whether its value is known.
    known: bool,
}

impl Said {
    const fn unknown(on_missing: OnMissing) -> Self {
        match on_missing {
            OnMissing::Block | OnMissing::Zero => Self {
                proposal: Proposal::Blocks,
                blocks: true,
                known: false,
            },
            OnMissing::Ignore => Self {
                proposal: Proposal::Ignored,
                blocks: false,
                known: false,
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
    }
}

/// The count at which the value would meet its target, in proportion (HPA `Utilization` and `Value`).
fn in_proportion(value: f64, target: f64, current: Replicas, tolerance: Tolerance) -> Replicas {
    let ratio = value / target;
    if is_within(ratio, tolerance) {
        current
    } else {
        round_up(ratio * f64::from(current.get()))
    }
}

/// The count that shares the value out (HPA `AverageValue`, §6.6).
fn shared(value: f64, target: f64, current: Replicas, tolerance: Tolerance) -> Replicas {
    let ratio = value / (target * f64::from(current.get()));
    if is_within(ratio, tolerance) {
        current
    } else {
        round_up(value / target)
    }
}

fn is_within(ratio: f64, tolerance: Tolerance) -> bool {
    1.0 - tolerance.down() <= ratio && ratio <= 1.0 + tolerance.up()
}

/// Rounds up, so that the load fits; float noise above a whole number is not load (I6).
fn round_up(replicas: f64) -> Replicas {
    let whole = replicas.round();
    let up = if (replicas - whole).abs() <= WHOLE * whole.max(1.0) {
        whole
    } else {
        replicas.ceil()
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "moved into the range of replicas"
    )]
    Replicas::new(up.clamp(0.0, f64::from(Replicas::LIMIT.get())) as u32)
}

/// What a step rule needs to know of time.
#[derive(Clone, Copy)]
struct StepClock<'a> {
    now: Timestamp,
    interval: Duration,
    policy: &'a WorkloadPolicy,
}

/// A rule that takes steps while a threshold is breached.
fn step(
    rule: &StepRule,
    metric: &MetricPolicy,
    seen: &Observation,
    current: Replicas,
    timer: &mut StepTimer,
    clock: StepClock<'_>,
) -> Said {
    let (sample, partial) = match seen {
        Observation::Fresh(sample) => (*sample, false),
        Observation::Partial(sample) => (*sample, true),
        // A quantile over no requests: there is nothing to add for.
        Observation::Missing {
            cause: MissingCause::NotANumber,
        } if rule.below().is_none() => {
            return Said {
                proposal: Proposal::NoVote,
                blocks: false,
                known: false,
            };
        }
        Observation::Missing {
            cause: MissingCause::NoData,
        } if metric.on_missing == OnMissing::Zero => (
            Sample {
                value: 0.0,
                measured_at: None,
                coverage: Default::default(),
            },
            false,
        ),
        Observation::Missing { .. } | Observation::Stale { .. } => return Said::unknown(metric.on_missing),
    };
    // A sample seen before starts and fires nothing (I17); one of unknown age counts as new.
    let is_new = match (sample.measured_at, timer.measured_at) {
        (Some(measured), Some(last)) => measured > last,
        (None, _) | (_, None) => true,
    };
    timer.measured_at = sample.measured_at.max(timer.measured_at);
    let above = rule.above().map(|breach| {
        let window = clock.policy.scale_up.stabilization.get();
        let breached = sample.value > breach.threshold;
        (
            breach,
            advance(
                &mut timer.above,
                breached,
                is_new,
                breach.lasting,
                window,
                current,
                clock,
            ),
        )
    });
    let below = rule.below().map(|breach| {
        let window = clock.policy.scale_down.stabilization.get();
        let breached = sample.value < breach.threshold && !partial;
        (
            breach,
            advance(
                &mut timer.below,
                breached,
                is_new,
                breach.lasting,
                window,
                current,
                clock,
            ),
        )
    });
    let replicas = match (above, below) {
        (Some((breach, Stepping::StepsFrom(from))), _) => Some(stepped_up(from, breach)),
        (_, Some((breach, Stepping::StepsFrom(from)))) => Some(stepped_down(from, breach)),
        (Some((_, Stepping::Waits)), _) | (_, Some((_, Stepping::Waits))) => Some(current),
        // A rule that removes has the say over falling: less load must not keep more than more load does (I32).
        (Some((_, Stepping::Rests)) | None, Some((_, Stepping::Rests))) => Some(current),
        (Some((_, Stepping::Rests)) | None, None) => None,
    };
    let votes = replicas.filter(|&replicas| replicas > current || metric.votes == Votes::UpAndDown);
    Said {
        proposal: votes.map_or(Proposal::NoVote, Proposal::Replicas),
        blocks: partial,
        known: true,
    }
}

/// Where one side of a step rule stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stepping {
    /// Not breached.
    Rests,
    /// Breached, and not yet for long enough.
    Waits,
    /// Breached for long enough: a step from this count.
    StepsFrom(Replicas),
}

/// Moves the timer of one side on. At most one step per `lasting`; without it one at once, and then one per
/// stabilization window, at least two intervals, also if the breach ended in between.
///
/// Where a window has to agree first, a step stands until the count moves or the breach ends: one pass without it
/// would already count against it there.
fn advance(
    timer: &mut SideTimer,
    breached: bool,
    is_new: bool,
    lasting: Option<Duration>,
    window: Duration,
    current: Replicas,
    clock: StepClock<'_>,
) -> Stepping {
    let now = clock.now;
    if !breached {
        if is_new {
            timer.since = None;
            timer.standing_from = None;
        }
        return Stepping::Rests;
    }
    if is_new && timer.since.is_none() {
        timer.since = Some(now);
    }
    if let Some(from) = timer.standing_from {
        let again = timer.stepped_at == Some(now); // the same moment (I10)
        if again || (!window.is_zero() && from == current) {
            if is_new {
                timer.stepped_at = Some(now);
            }
            return Stepping::StepsFrom(from);
        }
        timer.standing_from = None;
    }
    let lasting = lasting.unwrap_or_default();
    let between = if lasting.is_zero() {
        window.max(clock.interval.saturating_mul(2))
    } else {
        lasting
    };
    let lasted = timer.since.is_some_and(|since| now.since(since) >= lasting);
    let rested = timer.stepped_at.is_none_or(|at| now.since(at) >= between);
    if is_new && lasted && rested {
        timer.stepped_at = Some(now);
        timer.standing_from = Some(current);
        Stepping::StepsFrom(current)
    } else {
        Stepping::Waits
    }
}

fn stepped_up(current: Replicas, breach: Breach) -> Replicas {
    Replicas::new(current.get().saturating_add(breach.step.get())).min(Replicas::LIMIT.max(current))
}

fn stepped_down(current: Replicas, breach: Breach) -> Replicas {
    Replicas::new(current.get().saturating_sub(breach.step.get()))
}

/// The target, or the threshold of a step rule that lies nearest to the value.
fn target_of(rule: &MetricRule, seen: &Observation) -> f64 {
    match rule {
        MetricRule::Utilization(target) => target.get(),
        MetricRule::PerReplica(target) | MetricRule::Value(target) => target.get(),
        MetricRule::Step(rule) => {
            let thresholds = [rule.above(), rule.below()]
                .into_iter()
                .flatten()
                .map(|breach| breach.threshold);
            let value = match seen {
                Observation::Fresh(sample)
                | Observation::Partial(sample)
                | Observation::Stale { sample, .. } => sample.value,
                Observation::Missing { .. } => f64::MAX,
            };
            thresholds
                .min_by(|a, b| (a - value).abs().total_cmp(&(b - value).abs()))
                .unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests;
