//! The parts of an evaluation that decides as the HPA does, each composed of the functions in [`hpa`](crate::hpa).
//!
//! The bounds act before any metric is looked at (`hpa-semantics` §8), so what the first part finds out is carried along
//! to the others. Guards that the HPA has not are not there; what a person asked for (a pause, a hold) is,
//! and what forbids writing: a second scaler, a target being deleted.

mod gate;
mod later;

use self::gate::{Gate, gate, zero_mark};
use super::{
    Course, Evaluation, Parts, bound, permit,
    recommend::{Proposals, forget_others, hpa_replicas, shown},
    wait,
};
use crate::{
    Arithmetic, ConditionStatus, Direction, HpaPath, Memory, MetricPolicy, Proposal, Reason, ReplicaBounds,
    Replicas, StabilizationWindow, Stabilizing, Step, StepSink, Terms, Tolerance, Votes,
    hpa::{
        Changes, ConditionReason, ConditionType, HpaBounds, LimitReason, MetricKind, RoundError,
        SelectorState, StabilizeReason, Windows, rate_limit, rate_limit_legacy, stabilize, stabilize_legacy,
    },
};

/// The HPA's parts.
#[derive(Debug)]
pub(super) struct Hpa<'a> {
    path: HpaPath,
    gate: Gate<'a>,
}

impl Hpa<'_> {
    pub(super) const fn new(path: HpaPath) -> Self {
        Self {
            path,
            gate: Gate::Metrics,
        }
    }
}

impl<'a> Parts<'a> for Hpa<'a> {
    fn recommend(
        &mut self,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) -> Proposals<'a> {
        let mut all = Proposals::none();
        self.gate = gate(at, memory);
        let Gate::Metrics = self.gate else {
            // Nothing is asked, so nothing is unknown.
            (all.any_known, all.any_deciding_known) = (true, true);
            if matches!(self.gate, Gate::Disabled) {
                // Nor was it before: no fallback turns on what somebody turned off.
                memory.knowledge.keep(|_| false);
            }
            return all;
        };
        let mut failed = None;
        for (index, metric) in at.policy.metrics.iter().enumerate() {
            let outcome = hpa_replicas(at, index, metric, tolerance(at, metric));
            all.note(metric, outcome.is_ok(), at, memory);
            let proposal = match outcome {
                Ok(found) => {
                    let replicas = Replicas::of_hpa(found.replicas);
                    all.propose(replicas, &metric.name);
                    Proposal::Replicas(replicas)
                }
                Err(error) => {
                    failed.get_or_insert((metric, error));
                    let seen = shown(metric, at.seen.get(index).checked(), outcome);
                    all.blocker = all.blocker.or(Some((&metric.name, seen)));
                    Proposal::Blocks
                }
            };
            steps.record(|| Step::Recommended {
                metric: metric.name.clone(),
                seen: shown(metric, at.seen.get(index).checked(), outcome),
                terms: Terms {
                    // The HPA has no metric that may only raise.
                    votes: Votes::UpAndDown,
                    tolerance: tolerance(at, metric),
                    ..Terms::of(metric, at, Arithmetic::hpa(metric, at))
                },
                pending: None,
                proposal,
            });
        }
        forget_others(at.policy, memory);
        let error = failed.map(|(metric, error): (&MetricPolicy, _)| RoundError::Metric {
            metric: metric.name.clone(),
            error,
        });
        if let Some(round) = &mut memory.hpa {
            round.error = error;
        }
        self.gate = match (all.largest, failed) {
            (None, Some((metric, _))) => Gate::Failed(metric),
            (Some((replicas, _)), Some((metric, _))) if replicas < at.workload.current => {
                Gate::Failed(metric)
            }
            (Some(_), _) => Gate::Metrics,
            (None, None) => Gate::NoMetrics,
        };
        all
    }

    fn combine(
        &mut self,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) -> Course {
        let current = at.workload.current;
        let recommended = proposals.recommendation(current);
        let kept = |reason| Course {
            current,
            wanted: current,
            reason,
        };
        match self.gate {
            Gate::Metrics | Gate::Failed(_) | Gate::NoMetrics => steps.record(|| Step::Combined {
                replicas: recommended,
                by: proposals.largest.map(|(_, metric)| metric.clone()),
            }),
            // No metric was looked at.
            Gate::Jump | Gate::Disabled | Gate::Selector => {}
        }
        let mut active = Active { memory, at };
        match self.gate {
            Gate::Metrics => {
                active.set(ConditionStatus::True, ConditionReason::ValidMetricFound);
                let reason = match recommended.cmp(&current) {
                    std::cmp::Ordering::Greater => Reason::AboveTarget,
                    std::cmp::Ordering::Less => Reason::BelowTarget,
                    std::cmp::Ordering::Equal => Reason::OnTarget,
                };
                Course {
                    current,
                    wanted: recommended,
                    reason,
                }
            }
            Gate::Jump => Course {
                current,
                wanted: current,
                reason: Reason::OutOfBounds,
            },
            Gate::Disabled => {
                active.set(ConditionStatus::False, ConditionReason::ScalingDisabled);
                let mut course = kept(Reason::Off);
                permit::off(&mut course, steps);
                course
            }
            Gate::Selector => {
                let selector = at.workload.selector;
                let reason = match selector {
                    SelectorState::Ambiguous => ConditionReason::AmbiguousSelector,
                    SelectorState::Usable | SelectorState::Missing | SelectorState::Invalid => {
                        ConditionReason::InvalidSelector
                    }
                };
                active.fail(reason, Some(RoundError::Selector(selector)));
                steps.record(|| Step::SelectorRefused {
                    kept: current,
                    selector,
                });
                kept(Reason::SelectorUnusable)
            }
            Gate::Failed(metric) => {
                active.fail(failure_reason(metric.kind), None);
                if let Some((metric, seen)) = proposals.blocker
                    && proposals.any_known
                {
                    steps.record(|| Step::KeptForUnknown {
                        wanted: recommended,
                        kept: current,
                        metric: metric.clone(),
                        seen,
                    });
                    kept(Reason::MetricUnknown)
                } else {
                    kept(Reason::Blind)
                }
            }
            Gate::NoMetrics => {
                active.fail(
                    ConditionReason::InvalidMetricSourceType,
                    Some(RoundError::NoMetrics),
                );
                kept(Reason::Blind)
            }
        }
    }

    fn stabilize(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        let Gate::Metrics = self.gate else {
            return;
        };
        let (current, proposal) = (course.current.as_hpa(), course.wanted.as_hpa());
        let log = memory.recommendations.log(at.now);
        let controller = at.policy.hpa.downscale_stabilization;
        let windows = match self.path {
            HpaPath::WithoutBehavior => Windows {
                up: std::time::Duration::ZERO,
                down: controller,
            },
            HpaPath::WithBehavior => Windows {
                up: at.policy.scale_up.stabilization.get(),
                down: at.policy.scale_down.stabilization.get(),
            },
        };
        let stabilized = match self.path {
            HpaPath::WithoutBehavior => stabilize_legacy(proposal, log, controller),
            HpaPath::WithBehavior => stabilize(current, proposal, log, windows),
        };
        let longest = windows.up.max(windows.down);
        let reach = memory.recommendations.reach(at.policy.interval.get());
        memory.recommendations.forget(at.now, longest);
        let recommended = proposals.recommendation(course.current);
        memory
            .recommendations
            .add(at.now, recommended, proposals.is_complete(), reach, longest);
        if let Some(round) = &mut memory.hpa {
            let (able, reason) = (ConditionType::AbleToScale, stabilized.reason.into());
            round.conditions.set(able, ConditionStatus::True, reason, at.now);
        }
        let (direction, window) = match stabilized.reason {
            StabilizeReason::ReadyForNewScale => return,
            StabilizeReason::ScaleUpStabilized => (Direction::Up, windows.up),
            StabilizeReason::ScaleDownStabilized => (Direction::Down, windows.down),
        };
        let (wanted, kept) = (course.wanted, Replicas::of_hpa(stabilized.replicas));
        steps.record(|| Step::Stabilized {
            wanted,
            kept,
            direction,
            window: StabilizationWindow::of_controller(window),
            by: Stabilizing::Recommendations {
                easing: later::easing(memory, at, self.path, (direction, window), (kept, wanted)),
            },
        });
        course.hold_to(kept, Reason::Stabilizing);
    }

    fn limit(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        match self.gate {
            Gate::Metrics => self.limit_step(course, at, memory, steps),
            Gate::Jump => bound::run(course, at, at.bounds(), steps),
            Gate::Disabled => {}
            Gate::Selector | Gate::Failed(_) | Gate::NoMetrics => return,
        }
        if let Some(round) = &mut memory.hpa {
            round.has_decided = true;
            round.zero_mark = zero_mark(at);
        }
    }

    fn wait(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        // What a person asked for keeps no count outside the bounds.
        if !matches!(self.gate, Gate::Jump) {
            wait::as_hpa(course, at, memory, steps);
        }
    }

    fn bound(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        _proposals: &Proposals<'a>,
        _memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        match self.gate {
            // Leaving zero leads to the minimum at least (§10.5).
            Gate::Metrics | Gate::Jump => bound::run(course, at, at.bounds(), steps),
            // The count stays where it is, save for what a fallback raised.
            Gate::Selector | Gate::Failed(_) | Gate::NoMetrics => {
                if course.reason == Reason::Fallback {
                    bound::run(course, at, at.bounds(), steps);
                }
            }
            Gate::Disabled => {}
        }
    }

    fn permit(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        _memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        permit::forbidden(course, at, steps);
    }
}

impl Hpa<'_> {
    /// How far one step may go, and the bounds (§9, §10.3).
    fn limit_step(
        &self,
        course: &mut Course,
        at: Evaluation<'_>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        let policy = at.policy;
        let (current, stabilized) = (course.current.as_hpa(), course.wanted.as_hpa());
        let bounds = hpa_bounds(at.bounds());
        let limited = match self.path {
            HpaPath::WithoutBehavior => {
                rate_limit_legacy(current, stabilized, bounds, policy.hpa.scale_up_limit)
            }
            HpaPath::WithBehavior => {
                let changes = Changes {
                    up: memory.increases.changes(at.now),
                    down: memory.decreases.changes(at.now),
                };
                let (up, down) = (&policy.scale_up.limits, &policy.scale_down.limits);
                rate_limit(current, stabilized, bounds, up, down, &changes)
            }
        };
        if let Some(round) = &mut memory.hpa {
            let status = if limited.replicas == stabilized {
                ConditionStatus::False
            } else {
                ConditionStatus::True
            };
            let kind = ConditionType::ScalingLimited;
            round.conditions.set(kind, status, limited.reason.into(), at.now);
        }
        let (wanted, allowed) = (course.wanted, Replicas::of_hpa(limited.replicas));
        if wanted == allowed {
            return;
        }
        let direction = match limited.reason {
            LimitReason::DesiredWithinRange => return,
            LimitReason::TooFewReplicas | LimitReason::TooManyReplicas => {
                return bound::run(course, at, at.bounds(), steps);
            }
            LimitReason::ScaleUpLimit => Direction::Up,
            LimitReason::ScaleDownLimit => Direction::Down,
        };
        steps.record(|| Step::LimitedAsHpa {
            wanted,
            allowed,
            direction,
            room_after: later::room_after(memory, at, self.path, direction, allowed),
        });
        course.hold_to(allowed, Reason::ChangeLimited);
    }
}

/// Each direction's own where that feature is on, else the controller's.
fn tolerance(at: Evaluation<'_>, metric: &MetricPolicy) -> Tolerance {
    if at.policy.hpa.gates.configurable_tolerance {
        metric.tolerance
    } else {
        at.policy.hpa.tolerance
    }
}

fn hpa_bounds(bounds: ReplicaBounds) -> HpaBounds {
    HpaBounds {
        min: bounds.min().as_hpa(),
        max: bounds.max().as_hpa(),
    }
}

const fn failure_reason(kind: MetricKind) -> ConditionReason {
    match kind {
        MetricKind::Resource(_) => ConditionReason::FailedGetResourceMetric,
        MetricKind::ContainerResource(..) => ConditionReason::FailedGetContainerResourceMetric,
        MetricKind::Pods => ConditionReason::FailedGetPodsMetric,
        MetricKind::Object => ConditionReason::FailedGetObjectMetric,
        MetricKind::External => ConditionReason::FailedGetExternalMetric,
        MetricKind::Unsupported => ConditionReason::InvalidMetricSourceType,
    }
}

/// The condition ScalingActive of a round.
struct Active<'m, 'a> {
    memory: &'m mut Memory,
    at: Evaluation<'a>,
}

impl Active<'_, '_> {
    fn set(&mut self, status: ConditionStatus, reason: ConditionReason) {
        if let Some(round) = &mut self.memory.hpa {
            round
                .conditions
                .set(ConditionType::ScalingActive, status, reason, self.at.now);
        }
    }

    fn fail(&mut self, reason: ConditionReason, error: Option<RoundError>) {
        self.set(ConditionStatus::False, reason);
        if let Some(round) = &mut self.memory.hpa {
            round.error = round.error.take().or(error);
        }
    }
}

#[cfg(test)]
mod tests;
