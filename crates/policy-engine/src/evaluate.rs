//! Decides what to do about one workload: the stages in their order, and nothing else.

mod bound;
mod combine;
mod easing;
mod fallback;
mod hpa;
mod limit;
mod own;
mod permit;
mod rebuild;
mod recommend;
mod restore;
mod stabilize;
mod wait;
#[cfg(test)]
pub(crate) mod world;
mod zero;

use self::{hpa::Hpa, own::Own, recommend::Proposals};
pub use self::{
    rebuild::Inexact,
    recommend::{Arithmetic, Terms, Values},
};
use crate::{
    Decision, Memory, Observations, Reason, ReplicaBounds, Replicas, Semantics, StepSink, Timestamp,
    Workload, WorkloadPolicy,
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
    memory.notice_count(workload, now);
    let at = Evaluation {
        policy,
        workload,
        seen,
        now,
    };
    match policy.semantics {
        Semantics::Headroom => run(Own, at, memory, steps),
        Semantics::Hpa(path) => run(Hpa::new(path), at, memory, steps),
    }
}

/// The stages in their order. Whose parts they are made of is chosen in [`evaluate`], and nowhere else.
fn run<'a>(
    mut parts: impl Parts<'a>,
    at: Evaluation<'a>,
    memory: &mut Memory,
    steps: &mut impl StepSink,
) -> Decision {
    let proposals = parts.recommend(at, memory, steps);
    let mut course = parts.combine(at, &proposals, memory, steps);
    parts.stabilize(&mut course, at, &proposals, memory, steps);
    parts.limit(&mut course, at, memory, steps);
    parts.wait(&mut course, at, memory, steps);
    fallback::run(&mut course, &proposals, at.policy, memory, at.now, steps);
    parts.bound(&mut course, at, &proposals, memory, steps);
    parts.permit(&mut course, at, memory, steps);
    course.decision()
}

/// What all stages of one evaluation know.
#[derive(Clone, Copy, Debug)]
struct Evaluation<'a> {
    policy: &'a WorkloadPolicy,
    workload: &'a Workload,
    seen: &'a Observations,
    now: Timestamp,
}

impl Evaluation<'_> {
    /// The bounds that hold: the policy's own, and what is in force beside them.
    fn bounds(&self) -> ReplicaBounds {
        self.workload.bounds.over(self.policy.bounds)
    }
}

/// The stages that differ between headroom's semantics and the HPA's.
trait Parts<'a> {
    /// Stage 1: each metric proposes.
    fn recommend(
        &mut self,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) -> Proposals<'a>;

    /// Stage 2: the proposals become one.
    fn combine(
        &mut self,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) -> Course;

    /// Stage 4: recent recommendations hold it back.
    fn stabilize(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    );

    /// Stage 5: so much may change.
    fn limit(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    );

    /// Stage 6: guards and holds of one direction.
    fn wait(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    );

    /// Stage 8: the bounds.
    fn bound(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    );

    /// Stage 9: what forbids writing.
    fn permit(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    );
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
