//! Stage 7: when nothing has been known for too long, at least the fallback (I30). Exempt from stabilization and limits.

use super::{Course, recommend::Proposals};
use crate::{Memory, Reason, Replicas, Step, StepSink, Timestamp, WorkloadPolicy};

pub(super) fn run(
    course: &mut Course,
    proposals: &Proposals<'_>,
    policy: &WorkloadPolicy,
    memory: &mut Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) {
    if proposals.any_known {
        memory.blind_since = None;
        return;
    }
    let blind_for = now.since(*memory.blind_since.get_or_insert(now));
    let Some(fallback) = policy.fallback.filter(|fallback| blind_for >= fallback.after) else {
        return;
    };
    let raised = fallback
        .replicas
        .clamp(course.wanted, Replicas::LIMIT.max(course.wanted));
    let wanted = course.wanted;
    if raised > wanted {
        steps.record(|| Step::FellBack {
            wanted,
            raised,
            blind_for,
        });
        course.wanted = raised;
        course.reason = Reason::Fallback;
    }
}
