//! Stage 4: holds a change back until the recent recommendations agree with it.
//!
//! Works on recommendations only. The value lies between the count and the recommendation, so history never pushes
//! a count anywhere (I18; `hpa-semantics` §10.2). A fall also needs a window that is covered (I16, I19), history (I31),
//! no written rise within it (I24), and no written fall within it that somebody else has undone (I43).

use std::time::Duration;

use super::{Course, easing, recommend::Proposals};
use crate::{
    Direction, Memory, Reason, Replicas, StabilizationWindow, Stabilizing, Step, StepSink, Timestamp,
    WorkloadPolicy, memory::Recommendations,
};

pub(super) fn run(
    course: &mut Course,
    proposals: &Proposals<'_>,
    policy: &WorkloadPolicy,
    memory: &mut Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    if !proposals.any_known {
        return;
    }
    let reach = memory.recommendations.reach(policy.interval.get());
    log(course.current, proposals, policy, memory, now, reach);
    if course.rises() {
        rise(course, policy, memory, now, reach, steps);
    } else if course.falls() {
        fall(course, policy, memory, now, reach, steps);
    }
}

fn log(
    current: Replicas,
    proposals: &Proposals<'_>,
    policy: &WorkloadPolicy,
    memory: &mut Memory,
    now: Timestamp,
    reach: Duration,
) {
    let longest = policy
        .scale_up
        .stabilization
        .max(policy.scale_down.stabilization)
        .get();
    memory.recommendations.forget(now, longest);
    memory.recommendations.add(
        now,
        proposals.recommendation(current),
        proposals.is_complete(),
        reach,
        longest,
    );
}

/// Up to the lowest recommendation of the window (I20).
fn rise(
    course: &mut Course,
    policy: &WorkloadPolicy,
    memory: &Memory,
    now: Timestamp,
    reach: Duration,
    steps: &mut impl StepSink,
) {
    let window = policy.scale_up.stabilization;
    let lowest = memory
        .recommendations
        .lowest(now, window.get(), reach)
        .unwrap_or(course.wanted);
    let kept = course.current.max(lowest.min(course.wanted));
    keep(course, kept, Direction::Up, window, steps, |wanted| {
        let leaving = memory.recommendations.leaving(now, window.get(), reach);
        let lowest = leaving.map(|leaving| (leaving.low, leaving.after));
        Stabilizing::Recommendations {
            easing: easing::levels(lowest, Direction::Up, kept, wanted),
        }
    });
}

/// Down to the highest recommendation of the window (I19).
fn fall(
    course: &mut Course,
    policy: &WorkloadPolicy,
    memory: &Memory,
    now: Timestamp,
    reach: Duration,
    steps: &mut impl StepSink,
) {
    let window = policy.scale_down.stabilization;
    let covered = is_covered(memory, window, now, reach);
    let within = |at: Timestamp| Some(now.since(at)).filter(|ago| *ago < window.get());
    // Also where a bound has lowered the count since.
    let risen = memory.increases.newest().and_then(within);
    let undone = memory.undone_fall(course.current).and_then(within);
    let kept = if covered && risen.is_none() && undone.is_none() {
        let highest = memory
            .recommendations
            .highest(now, window.get(), reach)
            .unwrap_or(course.wanted);
        course.current.min(highest.max(course.wanted))
    } else {
        course.current
    };
    keep(course, kept, Direction::Down, window, steps, |wanted| {
        let log = &memory.recommendations;
        match (risen, undone) {
            _ if !covered => Stabilizing::Gaps {
                known: log.known(now, window.get(), reach),
                needed: Recommendations::needed(window.get()),
            },
            (Some(ago), _) => Stabilizing::Raised { ago },
            (None, Some(ago)) => Stabilizing::Undone { ago },
            (None, None) => {
                let leaving = log.leaving(now, window.get(), reach);
                let highest = leaving.map(|leaving| (leaving.high, leaving.after));
                Stabilizing::Recommendations {
                    easing: easing::levels(highest, Direction::Down, kept, wanted),
                }
            }
        }
    });
}

/// Whether enough is known of the window before `now` to judge a fall by.
pub(super) fn is_covered(
    memory: &Memory,
    window: StabilizationWindow,
    now: Timestamp,
    reach: Duration,
) -> bool {
    let log = &memory.recommendations;
    log.reaches_back_from(now) && log.covers(now, window.get(), reach)
}

fn keep(
    course: &mut Course,
    kept: Replicas,
    direction: Direction,
    window: StabilizationWindow,
    steps: &mut impl StepSink,
    by: impl FnOnce(Replicas) -> Stabilizing,
) {
    let wanted = course.wanted;
    if kept != wanted {
        steps.record(|| Step::Stabilized {
            wanted,
            kept,
            direction,
            window,
            by: by(wanted),
        });
        course.hold_to(kept, Reason::Stabilizing);
    }
}

#[cfg(test)]
mod tests;
