//! Stage 2: the proposals become one recommendation. The largest known one wins (I34); what is unknown keeps the
//! count from falling (I27), and does not keep it from rising (I29).
//!
//! A group asks for the largest count of its metrics, and for at least the count that is unless every one of them would
//! do with less. So a metric without a vote (`scale_down = false`, a step rule at rest, one that is unknown and ignored)
//! lets others lower the count, unless it shares a group.

use super::{Course, recommend::Proposals};
use crate::{Reason, Replicas, Step, StepSink};

pub(super) fn run(proposals: &Proposals<'_>, current: Replicas, steps: &mut impl StepSink) -> Course {
    let largest = proposals.largest(current);
    let recommended = proposals.recommendation(current);
    steps.record(|| Step::Combined {
        replicas: largest,
        by: proposals.largest.map(|(_, metric)| metric.clone()),
    });
    if let Some((group, metric)) = proposals.dissenter
        && recommended != largest
    {
        steps.record(|| Step::KeptForGroup {
            wanted: largest,
            kept: recommended,
            group: group.clone(),
            metric: metric.clone(),
        });
        return Course {
            current,
            wanted: current,
            reason: Reason::GroupDisagrees,
        };
    }
    let reason = if !proposals.any_known {
        Reason::Blind
    } else if largest > current {
        Reason::AboveTarget
    } else if largest < current {
        Reason::BelowTarget
    } else {
        Reason::OnTarget
    };
    let mut course = Course {
        current,
        wanted: largest,
        reason,
    };
    if proposals.blocker.is_some()
        && course.wanted == current
        && proposals.largest.is_none()
        && proposals.any_known
    {
        course.reason = Reason::MetricUnknown;
    } else if let Some((metric, seen)) = proposals.blocker
        && course.falls()
    {
        steps.record(|| Step::KeptForUnknown {
            wanted: largest,
            kept: current,
            metric: metric.clone(),
            seen,
        });
        course.hold_to(current, Reason::MetricUnknown);
    }
    course
}

impl Proposals<'_> {
    /// The largest proposal; without a vote the count that is.
    fn largest(&self, current: Replicas) -> Replicas {
        self.largest.map_or(current, |(replicas, _)| replicas)
    }

    /// The largest proposal, and not below the count that is where a group does not agree to that. (What is unknown
    /// forbids scaling down by itself.)
    pub(super) fn recommendation(&self, current: Replicas) -> Replicas {
        let largest = self.largest(current);
        match (self.dissenter, self.blocker) {
            (Some(_), None) => largest.max(current),
            (Some(_) | None, _) => largest,
        }
    }

    /// Whether every metric that counts was known, so that the recommendation may stand for its time.
    pub(super) fn is_complete(&self) -> bool {
        self.any_known && self.blocker.is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::{
        Breach, GroupName, MetricPolicy, MetricRule, Observation, OnMissing, Reason, Replicas, StepRule,
        Votes,
        evaluate::world::{GONE, World, fresh, metric},
    };

    /// Two metrics of one group and a third one, each 100 for a replica; `change` makes the second what is looked at.
    fn grouped(change: impl FnOnce(&mut MetricPolicy)) -> World {
        let mut metrics: Vec<_> = ["rps", "memory", "users"].map(metric).into();
        for metric in &mut metrics[..2] {
            metric.group = Some(GroupName::new("app"));
        }
        change(&mut metrics[1]);
        let mut world = World::new(5, metrics);
        world.pass(0, &[fresh(500.0); 3]);
        world
    }

    #[track_caller]
    fn check(world: &mut World, memory: Observation, expected: u32, reason: Reason) {
        let decision = world.look(15, &[fresh(100.0), memory, fresh(200.0)]);
        let told = (decision.desired(), decision.reason());
        assert_eq!(told, (Replicas::new(expected), reason), "{}", world.steps);
    }

    fn only_raises(metric: &mut MetricPolicy) {
        metric.votes = Votes::UpOnly;
    }

    #[test]
    fn a_metric_that_only_raises_keeps_the_count_where_it_shares_a_group() {
        check(&mut grouped(only_raises), fresh(450.0), 5, Reason::GroupDisagrees);
        check(&mut grouped(only_raises), fresh(350.0), 2, Reason::BelowTarget);
        let alone = |metric: &mut MetricPolicy| {
            only_raises(metric);
            metric.group = None;
        };
        check(&mut grouped(alone), fresh(450.0), 2, Reason::BelowTarget);
    }

    #[test]
    fn the_step_says_which_metric_of_which_group() {
        let mut world = grouped(only_raises);
        world.look(15, &[fresh(100.0), fresh(450.0), fresh(200.0)]);
        assert_eq!(
            world.steps.0.last().unwrap().to_string(),
            "2 would be enough, but memory does not ask for less, and all metrics of the group app have to: stays at 5"
        );
    }

    #[test]
    fn an_unknown_metric_does_not_agree_even_where_it_may_be_ignored() {
        let ignored = |metric: &mut MetricPolicy| metric.on_missing = OnMissing::Ignore;
        check(&mut grouped(ignored), GONE, 5, Reason::GroupDisagrees);
        check(&mut grouped(|_| {}), GONE, 5, Reason::MetricUnknown);
    }

    #[test]
    fn a_step_rule_agrees_when_it_removes() {
        let removes = |metric: &mut MetricPolicy| {
            let below = Breach {
                threshold: 50.0,
                lasting: Some(Duration::from_secs(30)),
                step: Replicas::new(1),
            };
            metric.rule = MetricRule::Step(StepRule::new(None, Some(below)).unwrap());
        };
        let mut world = grouped(removes);
        // It speaks for the count while it does not remove, with or without a group.
        check(&mut world, fresh(60.0), 5, Reason::OnTarget);
        check(&mut world, fresh(40.0), 5, Reason::OnTarget);
        check(&mut world, fresh(40.0), 5, Reason::OnTarget);
        check(&mut world, fresh(40.0), 4, Reason::BelowTarget);
    }

    #[test]
    fn one_of_a_group_is_enough_to_raise() {
        let mut world = grouped(only_raises);
        check(&mut world, fresh(900.0), 9, Reason::AboveTarget);
    }

    #[test]
    fn a_round_in_which_a_group_disagreed_counts_as_one_that_asked_for_the_count() {
        let mut world = grouped(only_raises);
        world.policy.scale_down = crate::evaluate::world::rules(60);
        let (agree, disagree) = (
            [fresh(100.0), fresh(100.0), fresh(200.0)],
            [fresh(100.0), fresh(450.0), fresh(200.0)],
        );
        let passes = [[disagree; 3], [agree; 3], [agree; 3]].concat();
        let counts = world.counts(passes.iter().map(<[_; 3]>::as_slice));
        // The window of a minute is over, and the last disagreement no longer reaches into it.
        assert_eq!(counts, [5, 5, 5, 5, 5, 5, 5, 2, 2]);
    }
}
