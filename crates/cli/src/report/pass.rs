//! A whole pass: what it would do (`plan`), and what it did (`run --once`).

use std::fmt;

use headroom_autoscaler::{DecisionRecord, PassRecord};
use headroom_policy_engine::Outcome;

use super::decision::{Course, is_change, is_notable, name_width, pass_line, plan_line};
use super::in_force;
use crate::{
    exit::ExitCode,
    output::{Paint, Tone},
};

/// Up to so many workloads are shown one by one; of more, only what is notable.
const FEW: usize = 10;

/// Which decisions are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Every one.
    All,
    /// Changes and what is unusual; quiet holds are counted.
    Notable,
}

impl Shown {
    /// All where the user asked for these workloads or there are few.
    pub(crate) fn for_plan(record: &PassRecord, is_asked_for: bool) -> Self {
        if is_asked_for || record.decisions.len() <= FEW {
            Self::All
        } else {
            Self::Notable
        }
    }

    fn includes(self, record: &DecisionRecord) -> bool {
        self == Self::All || is_notable(record)
    }
}

/// How many workloads go which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) up: usize,
    pub(crate) down: usize,
    pub(crate) hold: usize,
    pub(crate) unknown: usize,
    /// Changes that are shown or recorded and not carried out, because of the workload's mode.
    pub(crate) not_carried_out: usize,
    /// Changes that were written.
    pub(crate) written: usize,
    /// Changes that could not be written.
    pub(crate) failed: usize,
    /// Changes that may have been written or not, because no answer came.
    pub(crate) not_confirmed: usize,
    /// Workloads that were due and still in an earlier pass.
    pub(crate) skipped: usize,
}

impl Counts {
    /// Of one pass.
    pub(crate) fn of(record: &PassRecord) -> Self {
        let mut counts = Self {
            skipped: record.skipped.len(),
            ..Self::default()
        };
        for decision in &record.decisions {
            let course = Course::of(decision);
            match course {
                Course::Up => counts.up += 1,
                Course::Down => counts.down += 1,
                Course::Hold => counts.hold += 1,
                Course::Unknown => counts.unknown += 1,
            }
            let moves = matches!(course, Course::Up | Course::Down);
            counts.not_carried_out += usize::from(moves && !is_change(decision));
            match decision.outcome() {
                Some(Outcome::Written) => counts.written += 1,
                Some(Outcome::Failed | Outcome::Conflict) => counts.failed += 1,
                Some(Outcome::NotConfirmed) => counts.not_confirmed += 1,
                Some(Outcome::NotAttempted) if is_change(decision) && decision.error().is_some() => {
                    counts.failed += 1;
                }
                Some(Outcome::NotAttempted) | None => {}
            }
        }
        counts
    }

    /// How many workloads were looked at.
    pub(crate) const fn looked_at(&self) -> usize {
        self.up + self.down + self.hold + self.unknown
    }
}

/// `1 workload`, `2 workloads`.
pub(crate) fn workloads(count: usize) -> String {
    if count == 1 {
        "1 workload".to_owned()
    } else {
        format!("{count} workloads")
    }
}

/// What a pass would do, as a diff with its sum.
pub(crate) struct Plan<'a> {
    pub(crate) record: &'a PassRecord,
    pub(crate) shown: Shown,
    pub(crate) paint: Paint,
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self
            .record
            .decisions
            .iter()
            .filter(|record| self.shown.includes(record))
            .collect();
        let width = name_width(shown.iter().map(|record| &record.workload));
        for record in &shown {
            writeln!(f, "{}", plan_line(record, width, self.paint))?;
            for one in &record.in_force {
                let words = self.paint.paint(Tone::Quiet, in_force::words(one));
                writeln!(f, "  {:width$}  {words}", "")?;
            }
        }
        if !shown.is_empty() {
            writeln!(f)?;
        }
        let counts = Counts::of(self.record);
        write!(
            f,
            "Plan: {} to scale up, {} to scale down, {} to hold, {} unknown; looked at {}.",
            counts.up,
            counts.down,
            counts.hold,
            counts.unknown,
            workloads(counts.looked_at())
        )?;
        if counts.not_carried_out > 0 {
            write!(
                f,
                " {} would not be carried out (mode preview or shadow).",
                counts.not_carried_out
            )?;
        }
        writeln!(f)
    }
}

/// What a pass did, with its sum.
pub(crate) struct Pass<'a> {
    pub(crate) record: &'a PassRecord,
    pub(crate) shown: Shown,
    pub(crate) paint: Paint,
}

impl fmt::Display for Pass<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self
            .record
            .decisions
            .iter()
            .filter(|record| self.shown.includes(record))
            .collect();
        let width = name_width(shown.iter().map(|record| &record.workload));
        for record in &shown {
            writeln!(f, "{}", pass_line(record, width, self.paint))?;
        }
        let counts = Counts::of(self.record);
        write!(
            f,
            "Pass: {} scaled, {} failed, {} held, {} unknown; looked at {}.",
            counts.written,
            counts.failed,
            counts.hold,
            counts.unknown,
            workloads(counts.looked_at())
        )?;
        if counts.not_confirmed > 0 {
            write!(
                f,
                " {} may have been written or not; the next pass finds out.",
                counts.not_confirmed
            )?;
        }
        if counts.not_carried_out > 0 {
            write!(
                f,
                " {} not carried out (mode preview or shadow).",
                counts.not_carried_out
            )?;
        }
        writeln!(f)
    }
}

/// What a pass that acted ends with.
pub(crate) fn exit_of_pass(record: &PassRecord) -> ExitCode {
    let counts = Counts::of(record);
    let unreadable = record
        .decisions
        .iter()
        .any(|decision| decision.decision().is_none());
    let could_not = counts.failed > 0
        || counts.not_confirmed > 0
        || unreadable
        || record.notices.iter().any(|notice| notice.is_failure());
    let mut code = ExitCode::Done;
    if could_not {
        code = code.and(ExitCode::CouldNot);
    }
    if is_blind(record) {
        code = code.and(ExitCode::Blind);
    }
    code
}

/// What a look ahead ends with: 1 where it could not tell; the rest only where the code is to say more.
pub(crate) fn exit_of_plan(record: &PassRecord, is_detailed: bool) -> ExitCode {
    let unreadable = record
        .decisions
        .iter()
        .any(|decision| decision.decision().is_none());
    let mut code = if unreadable {
        ExitCode::CouldNot
    } else {
        ExitCode::Done
    };
    if is_detailed && is_blind(record) {
        code = code.and(ExitCode::Blind);
    }
    if is_detailed && record.decisions.iter().any(is_change) {
        code = code.and(ExitCode::WouldChange);
    }
    code
}

fn is_blind(record: &PassRecord) -> bool {
    record.decisions.iter().any(DecisionRecord::is_blind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn of(decisions: Vec<DecisionRecord>) -> PassRecord {
        PassRecord {
            decisions,
            ..samples::pass()
        }
    }

    #[test]
    fn a_plan_is_a_diff_with_its_sum() {
        let record = samples::pass();
        let plan = Plan {
            record: &record,
            shown: Shown::All,
            paint: Paint::none(),
        };
        insta::assert_snapshot!(plan.to_string());
    }

    #[test]
    fn a_pass_says_what_it_did() {
        let mut record = samples::pass();
        record
            .decisions
            .extend([samples::failed(), samples::not_confirmed()]);
        let pass = Pass {
            record: &record,
            shown: Shown::Notable,
            paint: Paint::none(),
        };
        insta::assert_snapshot!(pass.to_string());
    }

    #[test]
    fn the_exit_code_of_a_pass_says_the_worst_of_it() {
        let code = |decisions| exit_of_pass(&of(decisions)).number();
        assert_eq!(code(vec![samples::scale_up(), samples::hold()]), 0);
        assert_eq!(code(vec![samples::scale_up(), samples::blind()]), 3);
        assert_eq!(code(vec![samples::failed(), samples::blind()]), 1);
        assert_eq!(code(vec![samples::unreadable()]), 1);
        assert_eq!(code(vec![samples::not_confirmed()]), 1);
    }

    #[test]
    fn the_exit_code_of_a_plan_says_more_when_asked() {
        let code = |decisions, detailed| exit_of_plan(&of(decisions), detailed).number();
        assert_eq!(code(vec![samples::scale_up(), samples::blind()], false), 0);
        assert_eq!(code(vec![samples::scale_up(), samples::hold()], true), 10);
        assert_eq!(code(vec![samples::scale_up(), samples::blind()], true), 3);
        assert_eq!(code(vec![samples::scale_up(), samples::unreadable()], true), 1);
        assert_eq!(code(vec![samples::hold()], true), 0);
    }
}
