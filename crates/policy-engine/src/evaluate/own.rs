//! The parts of an evaluation under headroom's own semantics: the stages as their modules have them.

use super::{
    Course, Evaluation, Parts, bound, combine, limit, permit, recommend, recommend::Proposals, restore,
    stabilize, wait, zero, zero::Rest,
};
use crate::{Memory, StepSink};

/// headroom's own parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own;

impl<'a> Parts<'a> for Own {
    fn recommend(
        &mut self,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) -> Proposals<'a> {
        recommend::run(at, memory, steps)
    }

    fn combine(
        &mut self,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        _memory: &mut Memory,
        steps: &mut impl StepSink,
    ) -> Course {
        combine::run(proposals, at.workload.current, steps)
    }

    fn stabilize(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        stabilize::run(course, proposals, at.policy, memory, at.now, steps);
    }

    fn limit(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        limit::run(course, at.policy, memory, at.now, steps);
    }

    fn wait(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        wait::run(course, at, memory, steps);
        restore::run(course, at, memory, steps);
    }

    fn bound(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        proposals: &Proposals<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        match zero::run(course, at, proposals, memory, steps) {
            Rest::AtZero => {}
            Rest::Above => bound::run(course, at, at.bounds().above_zero(), steps),
        }
    }

    fn permit(
        &mut self,
        course: &mut Course,
        at: Evaluation<'a>,
        memory: &mut Memory,
        steps: &mut impl StepSink,
    ) {
        permit::run(course, at, memory, steps);
    }
}
