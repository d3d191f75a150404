//! Step rules: steps of replicas while a threshold is breached (design: a step rule; AWS step scaling, Prometheus `for`).

use std::time::Duration;

use super::said::{Known, Load, Said};
use crate::{
    Breach, MetricPolicy, MissingCause, Observation, OnMissing, Pending, Proposal, Replicas, Sample,
    StepRule, Timestamp, Votes, WorkloadPolicy,
    memory::{SideTimer, StepTimer},
};

/// What a step rule needs to know of time.
#[derive(Clone, Copy)]
pub(super) struct StepClock<'a> {
    pub(super) now: Timestamp,
    pub(super) interval: Duration,
    pub(super) policy: &'a WorkloadPolicy,
}

/// A rule that takes steps while a threshold is breached.
pub(super) fn step(
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
        // A quantile over no requests is an answer: there is nothing to add for.
        Observation::Missing {
            cause: MissingCause::NotANumber,
        } if rule.below().is_none() => {
            return Said {
                proposal: Proposal::NoVote,
                blocks: false,
                known: Known::Yes,
                asks_for_less: false,
                load: Load::None,
                pending: None,
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
        (Some((_, Stepping::Waits { .. })), _) | (_, Some((_, Stepping::Waits { .. }))) => Some(current),
        // A rule that removes has the say over falling: less load must not keep more than more load does (I32).
        (Some((_, Stepping::Rests)) | None, Some((_, Stepping::Rests))) => Some(current),
        (Some((_, Stepping::Rests)) | None, None) => None,
    };
    let pending = match (above, below) {
        (Some((breach, Stepping::Waits { left })), _) => Some((stepped_up(current, breach), left)),
        (_, Some((breach, Stepping::Waits { left }))) => Some((stepped_down(current, breach), left)),
        (
            Some((_, Stepping::Rests | Stepping::StepsFrom(_))) | None,
            Some((_, Stepping::Rests | Stepping::StepsFrom(_))) | None,
        ) => None,
    };
    let counts = |replicas: Replicas| replicas > current || metric.votes == Votes::UpAndDown;
    Said {
        proposal: replicas
            .filter(|&replicas| counts(replicas))
            .map_or(Proposal::NoVote, Proposal::Replicas),
        blocks: partial,
        known: Known::Yes,
        asks_for_less: replicas.is_some_and(|replicas| replicas < current) && !partial,
        load: Load::of(sample.value, partial),
        pending: pending
            .filter(|(replicas, _)| counts(*replicas))
            .map(|(replicas, after)| Pending { replicas, after }),
    }
}

/// What `rule` asks for at `value` once its breach has lasted; `None` where it asks for nothing.
pub(super) fn asked_once_lasted(rule: &StepRule, value: f64, current: Replicas) -> Option<Replicas> {
    match (rule.above(), rule.below()) {
        (Some(breach), _) if value > breach.threshold => Some(stepped_up(current, breach)),
        (_, Some(breach)) if value < breach.threshold => Some(stepped_down(current, breach)),
        (_, Some(_)) => Some(current),
        (_, None) => None,
    }
}

/// Where one side of a step rule stands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stepping {
    /// Not breached.
    Rests,
    /// Breached, and not yet for long enough, or too soon after the last step.
    Waits {
        /// How long it still has to last. Zero where only a new sample is waited for.
        left: Duration,
    },
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
    let lasted = timer.since.map_or(Duration::ZERO, |since| now.since(since));
    let left = lasting.saturating_sub(lasted).max(
        timer
            .stepped_at
            .map_or(Duration::ZERO, |at| between.saturating_sub(now.since(at))),
    );
    if is_new && left.is_zero() {
        timer.stepped_at = Some(now);
        timer.standing_from = Some(current);
        Stepping::StepsFrom(current)
    } else {
        Stepping::Waits { left }
    }
}

fn stepped_up(current: Replicas, breach: Breach) -> Replicas {
    Replicas::new(current.get().saturating_add(breach.step.get())).min(Replicas::LIMIT.max(current))
}

fn stepped_down(current: Replicas, breach: Breach) -> Replicas {
    Replicas::new(current.get().saturating_sub(breach.step.get()))
}
