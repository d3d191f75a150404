//! How far a count may move in one round (`hpa-semantics` §9, §10.1, §10.3).

use std::time::Duration;

use super::{HpaSettings, replicas::round_up};
use crate::{
    ChangeAmount, ChangeLimit, ChangeLimits, Direction, LimitSelection, ScalingRules, StabilizationWindow,
};

/// One direction of `spec.behavior`, as far as somebody filled it in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HpaRules {
    /// How far back recommendations count.
    pub stabilization: Option<StabilizationWindow>,
    /// Which of several limits counts.
    pub select: Option<LimitSelection>,
    /// The limits.
    pub limits: Option<Vec<ChangeLimit>>,
}

/// The rules with every gap filled as the API server and the controller do (§10.1).
#[must_use]
pub fn complete_rules(rules: &HpaRules, direction: Direction, settings: &HpaSettings) -> ScalingRules {
    const PERIOD: Duration = Duration::from_secs(15);
    let (window, limits): (_, &[ChangeAmount]) = match direction {
        Direction::Up => (
            Duration::ZERO,
            &[ChangeAmount::Replicas(4), ChangeAmount::Percent(100)],
        ),
        Direction::Down => (settings.downscale_stabilization, &[ChangeAmount::Percent(100)]),
    };
    let default = || {
        let each = limits.iter().map(|&amount| ChangeLimit::new(amount, PERIOD));
        each.filter_map(Result::ok).collect()
    };
    ScalingRules {
        stabilization: rules
            .stabilization
            .unwrap_or_else(|| StabilizationWindow::of_controller(window)),
        limits: ChangeLimits {
            select: rules.select.unwrap_or_default(),
            limits: rules.limits.clone().unwrap_or_else(default),
        },
    }
}

/// A change that was written: how many replicas, and how long ago.
pub type ChangeBefore = (u32, Duration);

/// The written changes of both directions. Both count for either limit.
#[derive(Clone, Copy, Debug)]
pub struct Changes<U, D> {
    /// The increases.
    pub up: U,
    /// The decreases.
    pub down: D,
}

impl<U, D> Changes<U, D>
where
    U: IntoIterator<Item = ChangeBefore> + Clone,
    D: IntoIterator<Item = ChangeBefore> + Clone,
{
    /// The count at the start of `period`. A change exactly as old as the period no longer counts.
    fn count_before(&self, current: i32, period: Duration) -> i32 {
        let added = change_within(self.up.clone(), period);
        let removed = change_within(self.down.clone(), period);
        current
            .saturating_sub_unsigned(added)
            .saturating_add_unsigned(removed)
    }
}

/// How much changed within the last `period`.
pub fn change_within(changes: impl IntoIterator<Item = ChangeBefore>, period: Duration) -> u32 {
    let recent = changes.into_iter().filter(|(_, age)| *age < period);
    recent.fold(0, |sum: u32, (amount, _)| sum.saturating_add(amount))
}

/// The most that `rules` allow, before it is compared with the count or the bounds.
pub fn scale_up_limit<U, D>(current: i32, rules: &ChangeLimits, changes: &Changes<U, D>) -> i32
where
    U: IntoIterator<Item = ChangeBefore> + Clone,
    D: IntoIterator<Item = ChangeBefore> + Clone,
{
    let each = rules.limits.iter().map(|limit| {
        let base = changes.count_before(current, limit.period());
        match limit.amount() {
            ChangeAmount::Replicas(replicas) => base.saturating_add_unsigned(replicas),
            // Rounded up, so that a change of less than one replica is one.
            ChangeAmount::Percent(percent) => round_up(f64::from(base) * (1.0 + f64::from(percent) / 100.0)),
        }
    });
    match rules.select {
        LimitSelection::Disabled => current,
        LimitSelection::Max => each.max().unwrap_or(i32::MIN),
        LimitSelection::Min => each.min().unwrap_or(i32::MAX),
    }
}

/// The fewest that `rules` allow, before it is compared with the count or the bounds.
pub fn scale_down_limit<U, D>(current: i32, rules: &ChangeLimits, changes: &Changes<U, D>) -> i32
where
    U: IntoIterator<Item = ChangeBefore> + Clone,
    D: IntoIterator<Item = ChangeBefore> + Clone,
{
    let each = rules.limits.iter().map(|limit| {
        let base = changes.count_before(current, limit.period());
        match limit.amount() {
            ChangeAmount::Replicas(replicas) => base.saturating_sub_unsigned(replicas),
            // The fraction is dropped, so that a percent of one replica takes it.
            ChangeAmount::Percent(percent) => cut(f64::from(base) * (1.0 - f64::from(percent) / 100.0)),
        }
    });
    match rules.select {
        LimitSelection::Disabled => current,
        LimitSelection::Max => each.min().unwrap_or(i32::MAX),
        LimitSelection::Min => each.max().unwrap_or(i32::MIN),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "dropping the fraction and saturating is what is meant"
)]
const fn cut(replicas: f64) -> i32 {
    replicas as i32
}

/// What limits a count: the reason of the condition ScalingLimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitReason {
    /// Nothing.
    DesiredWithinRange,
    /// The minimum.
    TooFewReplicas,
    /// The maximum.
    TooManyReplicas,
    /// How far it may rise in one step.
    ScaleUpLimit,
    /// How far it may fall in one step.
    ScaleDownLimit,
}

/// A count after its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The count.
    pub replicas: i32,
    /// What limits it.
    pub reason: LimitReason,
}

impl Limited {
    const fn to(replicas: i32, reason: LimitReason) -> Self {
        Self { replicas, reason }
    }
}

/// The fewest and most replicas of an HPA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HpaBounds {
    /// The fewest.
    pub min: i32,
    /// The most.
    pub max: i32,
}

/// Limits a stabilized count by both rules of `behavior` and by the bounds (§10.3). Going up looks only at the most,
/// going down only at the fewest, standing still at neither.
pub fn rate_limit<U, D>(
    current: i32,
    desired: i32,
    bounds: HpaBounds,
    up: &ChangeLimits,
    down: &ChangeLimits,
    changes: &Changes<U, D>,
) -> Limited
where
    U: IntoIterator<Item = ChangeBefore> + Clone,
    D: IntoIterator<Item = ChangeBefore> + Clone,
{
    if desired > current {
        let limit = scale_up_limit(current, up, changes).max(current);
        let (top, reason) = top(limit, bounds.max);
        if desired > top {
            return Limited::to(top, reason);
        }
    } else if desired < current {
        let limit = scale_down_limit(current, down, changes).min(current);
        let (bottom, reason) = if bounds.min < limit {
            (limit, LimitReason::ScaleDownLimit)
        } else {
            (bounds.min, LimitReason::TooFewReplicas)
        };
        if desired < bottom {
            return Limited::to(bottom, reason);
        }
    }
    Limited::to(desired, LimitReason::DesiredWithinRange)
}

/// Limits a stabilized count where there is no `behavior` (§9).
#[must_use]
pub fn rate_limit_legacy(
    current: i32,
    desired: i32,
    bounds: HpaBounds,
    settings: super::ScaleUpLimit,
) -> Limited {
    let (top, reason) = top(settings.most(current), bounds.max);
    if desired < bounds.min {
        Limited::to(bounds.min, LimitReason::TooFewReplicas)
    } else if desired > top {
        Limited::to(top, reason)
    } else {
        Limited::to(desired, LimitReason::DesiredWithinRange)
    }
}

/// The lower of a step's limit and the maximum; on a tie the maximum is named.
const fn top(limit: i32, max: i32) -> (i32, LimitReason) {
    if max > limit {
        (limit, LimitReason::ScaleUpLimit)
    } else {
        (max, LimitReason::TooManyReplicas)
    }
}
