//! One decision in one line.

use headroom_autoscaler::{DecisionRecord, Mode, Verdict};
use headroom_policy_engine::{Decision, Direction, Explanation, Outcome, Reason, Step, WorkloadId};

use crate::output::{Paint, Tone};

/// What a decision comes to, for counting and for showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
    /// The count stays.
    Hold,
    /// Nothing is known of the target, or of its load.
    Unknown,
}

impl Course {
    /// Of one decision.
    pub(crate) fn of(record: &DecisionRecord) -> Self {
        match record.decision() {
            None => Self::Unknown,
            Some(decision) => match (decision.direction(), decision.reason()) {
                (Some(Direction::Up), _) => Self::Up,
                (Some(Direction::Down), _) => Self::Down,
                (None, Reason::Blind) => Self::Unknown,
                (None, _) => Self::Hold,
            },
        }
    }

    /// As machines name it.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Up => "scale_up",
            Self::Down => "scale_down",
            Self::Hold => "hold",
            Self::Unknown => "unknown",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Up => Tone::Up,
            Self::Down => Tone::Down,
            Self::Hold => Tone::Quiet,
            Self::Unknown => Tone::Error,
        }
    }
}

/// Whether a person would want to hear of it: a change, a failure, or a hold that is not the quiet sort.
pub(crate) fn is_notable(record: &DecisionRecord) -> bool {
    let Some(decision) = record.decision() else {
        return true;
    };
    record.error().is_some()
        || record.is_blind()
        || match decision.reason() {
            Reason::OnTarget
            | Reason::AtMinimum
            | Reason::Stabilizing
            | Reason::ChangeLimited
            | Reason::ScaleDownHeld
            | Reason::RollingOut
            | Reason::GroupDisagrees
            | Reason::NotIdle
            | Reason::Recovering => decision.direction().is_some(),
            Reason::AboveTarget
            | Reason::BelowTarget
            | Reason::Restored
            | Reason::OutOfBounds
            | Reason::Fallback
            | Reason::AtMaximum
            | Reason::Activated
            | Reason::MetricUnknown
            | Reason::Blind
            | Reason::SelectorUnusable
            | Reason::NotReady
            | Reason::FailingToStart
            | Reason::Contested
            | Reason::FleetBrake
            | Reason::Flapping
            | Reason::ClockWentBack
            | Reason::Paused
            | Reason::SecondScaler
            | Reason::SecondHeadroom
            | Reason::RequestsSet
            | Reason::BeingDeleted
            | Reason::Off => true,
        }
}

/// Whether it would be, or was meant to be, carried out.
pub(crate) fn is_change(record: &DecisionRecord) -> bool {
    record.mode == Mode::Apply
        && record
            .decision()
            .is_some_and(|decision| decision.direction().is_some())
}

/// What a pass would do about one workload, as a line of a diff. Names are padded to `width`.
pub(crate) fn plan_line(record: &DecisionRecord, width: usize, paint: Paint) -> String {
    let course = Course::of(record);
    let sign = match course {
        Course::Up | Course::Down => "~",
        Course::Hold => "=",
        Course::Unknown => "?",
    };
    let line = line(record, &name(&record.workload, width), paint);
    format!("{} {line}", paint.paint(course.tone(), sign))
}

/// What a pass did about one workload.
pub(crate) fn pass_line(record: &DecisionRecord, width: usize, paint: Paint) -> String {
    let line = line(record, &name(&record.workload, width), paint);
    match outcome_words(record) {
        Some((tone, words)) => format!("{line}  {}", paint.paint(tone, words)),
        None => line,
    }
}

fn line(record: &DecisionRecord, name: &str, paint: Paint) -> String {
    let course = Course::of(record);
    let count = paint.paint(course.tone(), count(record));
    let mode = match (record.mode, course) {
        (Mode::Preview, Course::Up | Course::Down) => ", only shown: mode is preview",
        (Mode::Shadow, Course::Up | Course::Down) => ", only recorded: mode is shadow",
        (Mode::Apply | Mode::Preview | Mode::Shadow, _) => "",
    };
    format!("{name}  {count}  ({}{mode})", why(record))
}

/// `4 → 6 replicas`, `4 replicas`, or that nothing is known.
fn count(record: &DecisionRecord) -> String {
    match record.decision() {
        Some(Decision::Scale { from, to, .. }) => format!("{from} → {to} replicas"),
        Some(Decision::Hold { at, .. }) if at.get() == 1 => "1 replica".to_owned(),
        Some(Decision::Hold { at, .. }) => format!("{at} replicas"),
        None => "unknown".to_owned(),
    }
}

/// The same without the word.
pub(crate) fn short_count(record: &DecisionRecord) -> String {
    match record.decision() {
        Some(Decision::Scale { from, to, .. }) => format!("{from} → {to}"),
        Some(Decision::Hold { at, .. }) => at.to_string(),
        None => "unknown".to_owned(),
    }
}

/// Why, in one clause: the metric that asks for the most, and the last thing that moved or held the number.
pub(crate) fn why(record: &DecisionRecord) -> String {
    let (decision, explanation) = match &record.verdict {
        Verdict::Unreadable { error } => return error.clone(),
        Verdict::Decided {
            decision,
            explanation,
            ..
        } => (decision, explanation),
    };
    if decision.reason() == Reason::Blind {
        let unknown = unknown(explanation).map_or_else(String::new, |metric| format!(": {metric}"));
        return format!("{}{unknown}", decision.reason());
    }
    let said = match decision {
        Decision::Scale { .. } => explanation.of_change(),
        Decision::Hold { .. } => explanation.last_say(),
    };
    said.unwrap_or_else(|| decision.reason().to_string())
}

/// Why headroom's own answer is what it is, whether or not something forbids that it is written.
pub(crate) fn why_own_answer(record: &DecisionRecord) -> String {
    let Verdict::Decided { explanation, .. } = &record.verdict else {
        return why(record);
    };
    explanation.of_own_answer().unwrap_or_else(|| why(record))
}

/// The first metric that is not known, and why.
fn unknown(explanation: &Explanation) -> Option<String> {
    explanation.0.iter().find_map(|step| {
        let Step::Recommended { metric, seen, .. } = step else {
            return None;
        };
        seen.known().is_none().then(|| format!("{metric} is {seen}"))
    })
}

/// What became of it, where that is worth saying.
pub(crate) fn outcome_words(record: &DecisionRecord) -> Option<(Tone, String)> {
    let error = || record.error().unwrap_or("the reason is not known");
    match record.outcome()? {
        Outcome::Written => Some((Tone::Good, "done".to_owned())),
        Outcome::Failed => Some((Tone::Error, format!("failed: {}", error()))),
        Outcome::NotConfirmed => Some((Tone::Warning, format!("may have been written: {}", error()))),
        Outcome::Conflict => Some((Tone::Warning, format!("left alone: {}", error()))),
        Outcome::NotAttempted => record
            .error()
            .map(|error| (Tone::Warning, format!("not done: {error}"))),
    }
}

/// The workload's name, padded to `width`.
pub(crate) fn name(id: &WorkloadId, width: usize) -> String {
    format!("{:width$}", id.as_str())
}

/// The width that all names fit in.
pub(crate) fn name_width<'a>(ids: impl IntoIterator<Item = &'a WorkloadId>) -> usize {
    ids.into_iter().map(|id| id.as_str().len()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[track_caller]
    fn check(record: &DecisionRecord, line: &str) {
        assert_eq!(plan_line(record, 8, Paint::none()), line);
    }

    #[test]
    fn a_change_says_which_metric_asks_for_it_and_what_limits_it() {
        check(
            &samples::scale_up(),
            "~ shop/api  4 → 6 replicas  (request_rate is 930, at 100 for each replica: asks for 10; 10 are wanted, and the \
             maximum is 6)",
        );
    }

    #[test]
    fn a_hold_says_what_holds_it() {
        check(
            &samples::hold(),
            "= shop/web  3 replicas  (2 would be enough, but 3 or more were needed within the last 5 min: 3 for now, 2 in \
             2 min 20 s if the load stays as it is)",
        );
        check(
            &samples::on_target(),
            "= shop/job  1 replica  (the load fits the count)",
        );
    }

    #[test]
    fn what_could_not_be_read_is_unknown() {
        check(
            &samples::unreadable(),
            "? shop/db   unknown  (`./replicas` ended with exit status: 1)",
        );
    }

    #[test]
    fn a_preview_says_that_nothing_is_carried_out() {
        let mut record = samples::scale_up();
        record.mode = Mode::Preview;
        assert!(
            plan_line(&record, 8, Paint::none()).ends_with("the maximum is 6, only shown: mode is preview)")
        );
        assert!(!is_change(&record));
    }

    #[test]
    fn quiet_holds_are_not_notable() {
        assert!(is_notable(&samples::scale_up()));
        assert!(is_notable(&samples::unreadable()));
        assert!(is_notable(&samples::blind()));
        assert!(!is_notable(&samples::hold()));
        assert!(!is_notable(&samples::on_target()));
    }

    #[test]
    fn a_failed_write_says_why() {
        let line = pass_line(&samples::failed(), 8, Paint::none());
        assert!(
            line.ends_with("failed: `./scale 6` ended with exit status: 3"),
            "{line}"
        );
    }

    #[test]
    fn a_write_without_an_answer_has_not_failed() {
        let line = pass_line(&samples::not_confirmed(), 8, Paint::none());
        let said = "may have been written: the target did not confirm the new count within 10s";
        assert!(line.ends_with(said), "{line}");
    }
}
