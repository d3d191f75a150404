//! Stage 7: when too little has been known for too long, the fallback (I30). Exempt from stabilization and limits.
//!
//! It never lowers a count, and it ends slowly: what it kept stays until the load has been known again for as long as
//! it had to be unknown. The first good samples after an outage are often low (mimir 7691).

use super::{Course, recommend::Proposals};
use crate::{
    Fallback, FallbackAction, FallbackWhen, Memory, Reason, Replicas, Step, StepSink, Timestamp,
    WorkloadPolicy,
    memory::{Knowledge, Recovery},
};

pub(super) fn run(
    course: &mut Course,
    proposals: &Proposals<'_>,
    policy: &WorkloadPolicy,
    memory: &mut Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    let knowledge = &mut memory.knowledge;
    if proposals.any_deciding_known {
        knowledge.blind_since = None;
    } else {
        knowledge.blind_since.get_or_insert(now);
    }
    let when = policy
        .fallback
        .map_or(FallbackWhen::All, |fallback| fallback.when);
    let is_known = knowledge.unknown_for(when, now).is_none();
    if is_known {
        knowledge.last_recommended = Some(proposals.recommendation(course.current));
    }
    match policy.fallback {
        None => knowledge.recovery = None,
        Some(fallback) if is_known => recover(course, fallback, knowledge, now, steps),
        Some(fallback) => fall_back(course, fallback, knowledge, now, steps),
    }
}

/// At least the fallback, once too little has been known for long enough.
fn fall_back(
    course: &mut Course,
    fallback: Fallback,
    knowledge: &mut Knowledge,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    if let Some(recovery) = &mut knowledge.recovery {
        recovery.known_since = None;
    }
    let Some((unknown_for, metric)) = knowledge.unknown_for(fallback.when, now) else {
        return;
    };
    if unknown_for < fallback.after {
        return;
    }
    let least = match fallback.action {
        FallbackAction::AtLeast(replicas) => replicas,
        FallbackAction::Hold => course.current,
        FallbackAction::LastKnown => knowledge.last_recommended.unwrap_or(course.current),
    };
    let wanted = course.wanted;
    let raised = least.min(Replicas::LIMIT).max(course.current).max(wanted);
    if raised > wanted {
        steps.record(|| Step::FellBack {
            wanted,
            raised,
            action: fallback.action,
            unknown_for,
            metric: metric.cloned(),
        });
        course.wanted = raised;
        course.reason = Reason::Fallback;
    }
    knowledge.recovery = Some(Recovery {
        kept: raised,
        known_since: None,
    });
}

/// Not below what the fallback kept, until enough has been known again for as long as it had to be unknown.
fn recover(
    course: &mut Course,
    fallback: Fallback,
    knowledge: &mut Knowledge,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    let Some(recovery) = &mut knowledge.recovery else {
        return;
    };
    let known_for = now.since(*recovery.known_since.get_or_insert(now));
    let kept = recovery.kept.min(course.current);
    if known_for >= fallback.after {
        knowledge.recovery = None;
    } else if course.wanted < kept {
        let wanted = course.wanted;
        steps.record(|| Step::KeptAfterFallback {
            wanted,
            kept,
            known_for,
            after: fallback.after,
        });
        course.hold_to(kept, Reason::Recovering);
    }
}

#[cfg(test)]
mod tests;
