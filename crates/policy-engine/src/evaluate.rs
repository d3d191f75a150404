//! Decides what to do about one workload: the stages in their order, and nothing else.

mod bound;
mod combine;
mod fallback;
mod limit;
mod permit;
mod recommend;
mod stabilize;
mod wait;

use crate::{
    Decision, Memory, Observations, Reason, Replicas, StepSink, Timestamp, Workload, WorkloadPolicy,
};

/// Decides what to do about one workload, and records how it got there.
///
/// Total: any input gives a decision (I1). Deterministic: everything that counts is in the arguments (I9). The same
/// `now` again with the same observations gives the same decision and the same memory (I10).
pub fn evaluate(
    policy: &WorkloadPolicy,
    workload: &Workload,
    seen: &Observations,
    memory: &mut Memory,
    now: Timestamp,
    steps: &mut impl StepSink,
) -> Decision {
    memory.arrive(now);
    memory.notice_count(workload.current);
    let proposals = recommend::run(policy, workload.current, seen, memory, now, steps);
    let mut course = combine::run(&proposals, workload.current, steps);
    stabilize::run(&mut course, &proposals, policy, memory, now, steps);
    limit::run(&mut course, policy, memory, now, steps);
    wait::run(&mut course, policy, workload, memory, now, steps);
    fallback::run(&mut course, &proposals, policy, memory, now, steps);
    bound::run(&mut course, policy.bounds, steps);
    permit::run(&mut course, policy.bounds, workload, memory, now, steps);
    course.decision()
}

/// The number on its way through the stages, and the reason for where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Course {
    current: Replicas,
    wanted: Replicas,
    reason: Reason,
}

impl Course {
    /// Moves the number. Where it comes to rest at the current count, `holding` is why.
    fn hold_to(&mut self, replicas: Replicas, holding: Reason) {
        self.wanted = replicas;
        if replicas == self.current {
            self.reason = holding;
        }
    }

    fn rises(&self) -> bool {
        self.wanted > self.current
    }

    fn falls(&self) -> bool {
        self.wanted < self.current
    }

    fn decision(self) -> Decision {
        let Self {
            current,
            wanted,
            reason,
        } = self;
        if wanted == current {
            Decision::Hold { at: current, reason }
        } else {
            Decision::Scale {
                from: current,
                to: wanted,
                reason,
            }
        }
    }
}
