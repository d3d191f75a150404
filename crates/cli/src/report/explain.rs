//! One decision, step by step.

use std::fmt;

use headroom_autoscaler::{DecisionRecord, MetricRecord, Mode, Rebuilt, Verdict};
use headroom_policy_engine::{
    Explanation, Hold, HoldSource, Observation, RaisedCondition, Readiness, Replicas, RoundStatus, Sample,
    Severity, Timestamp, WhyNot, Workload, hpa::Condition,
};

use super::decision::{Course, outcome_words};
use super::{beside, in_force};
use crate::{
    moment,
    output::{Paint, Tone},
};

/// One decision, step by step.
pub(crate) struct Explained<'a> {
    pub(crate) record: &'a DecisionRecord,
    /// From when it is looked at.
    pub(crate) now: Timestamp,
    /// The count of which is said why it was not decided.
    pub(crate) want: Option<Replicas>,
    pub(crate) paint: Paint,
}

impl fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            record,
            now,
            paint,
            want: _,
        } = *self;
        let heading = |title| paint.paint(Tone::Strong, title);
        write!(f, "{}  ", heading(record.workload.as_str()))?;
        let (target, explanation) = match &record.verdict {
            Verdict::Unreadable { error } => {
                writeln!(
                    f,
                    "{}",
                    paint.paint(Tone::Error, "unknown: the target could not be read")
                )?;
                writeln!(f, "{}", decided(record, now))?;
                writeln!(f, "\n{error}")?;
                self.hpa_status(f)?;
                return self.why_not(f);
            }
            Verdict::Decided {
                target,
                decision,
                explanation,
                ..
            } => {
                let tone = match Course::of(record) {
                    Course::Up => Tone::Up,
                    Course::Down => Tone::Down,
                    Course::Hold => Tone::Quiet,
                    Course::Unknown => Tone::Error,
                };
                writeln!(f, "{}", paint.paint(tone, decision))?;
                (target, explanation)
            }
        };
        writeln!(f, "{}", decided(record, now))?;
        if let Some((tone, words)) = outcome_words(record) {
            writeln!(f, "{}", paint.paint(tone, words))?;
        }

        writeln!(f, "\n{}", heading("Seen"))?;
        let width = record
            .metrics
            .iter()
            .map(|metric| metric.name.as_str().len())
            .max()
            .unwrap_or(0)
            .max(8);
        writeln!(f, "  {:width$}  {}", "replicas", replicas(target))?;
        for condition in &record.conditions {
            writeln!(
                f,
                "  {:width$}  {}",
                condition_label(condition),
                paint.paint(Tone::Warning, condition)
            )?;
        }
        let holds = target.holds.iter().filter(|hold| hold.is_in_force(record.at));
        for hold in holds.filter(|hold| !is_told_elsewhere(hold)) {
            writeln!(f, "  {:width$}  {hold}", "")?;
            let asked = record.hold_query.iter().filter(|_| hold.is_blind());
            for error in asked.filter_map(|asked| asked.error.as_ref()) {
                writeln!(f, "  {:width$}    {}", "", paint.paint(Tone::Quiet, error))?;
            }
        }
        for other in &record.beside {
            writeln!(f, "  {:width$}  {}", "beside", beside::words(other))?;
        }
        for one in &record.in_force {
            writeln!(f, "  {:width$}  {}", "in force", in_force::words(one))?;
        }
        for metric in &record.metrics {
            writeln!(
                f,
                "  {:width$}  {}",
                metric.name.as_str(),
                seen(metric, explanation, record.at)
            )?;
            for remark in metric.error.iter().chain(&metric.remarks) {
                writeln!(f, "  {:width$}    {}", "", paint.paint(Tone::Quiet, remark))?;
            }
        }

        if let Some(rebuilt) = &record.rebuilt {
            writeln!(f, "  {:width$}  {}", "past", past(rebuilt))?;
        }
        self.hpa_status(f)?;

        writeln!(f, "\n{}", heading("Steps"))?;
        for (number, step) in explanation.0.iter().enumerate() {
            writeln!(f, "  {:2}. {step}", number + 1)?;
        }
        self.why_not(f)
    }
}

impl Explained<'_> {
    fn hpa_status(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(round) = &self.record.round else {
            return Ok(());
        };
        writeln!(f, "\n{}", self.paint.paint(Tone::Strong, "The HPA's status"))?;
        hpa_status(f, round, self.record.at)
    }

    fn why_not(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(want) = self.want else {
            return Ok(());
        };
        let title = format!("Why not {want}");
        writeln!(f, "\n{}", self.paint.paint(Tone::Strong, title))?;
        match self.record.why_not(want) {
            Some(answer) => why_not(f, &answer),
            None => writeln!(f, "  nothing was decided"),
        }
    }
}

/// What stands in the way of a count, each with the number of its step.
fn why_not(f: &mut fmt::Formatter<'_>, answer: &WhyNot<'_>) -> fmt::Result {
    writeln!(f, "  {answer}")?;
    for obstacle in &answer.in_the_way {
        match obstacle.index() {
            Some(index) => writeln!(f, "  {:2}. {obstacle}", index + 1)?,
            None => writeln!(f, "   –  {obstacle}")?,
        }
        for need in answer.needs(obstacle) {
            writeln!(f, "      {need}")?;
        }
    }
    Ok(())
}

/// What the HPA would have in its status.
fn hpa_status(f: &mut fmt::Formatter<'_>, round: &RoundStatus, at: Timestamp) -> fmt::Result {
    for (kind, condition) in round.conditions.iter() {
        let Condition {
            status,
            reason,
            since,
        } = condition;
        let kind = kind.to_string();
        let span = moment::span(at.since(since));
        writeln!(f, "  {kind:14}  {status:7}  {reason}, for {span}")?;
    }
    if let Some(desired) = round.desired {
        let rescaled = if round.rescaled {
            ", written in this round"
        } else {
            ""
        };
        writeln!(f, "  desired         {desired}{rescaled}")?;
    }
    match &round.error {
        Some(error) => writeln!(f, "  error           {error}"),
        None => Ok(()),
    }
}

/// What a condition is, for people: a guard that is off is no problem of the workload.
const fn condition_label(condition: &RaisedCondition) -> &'static str {
    match (condition, condition.severity()) {
        (RaisedCondition::GuardOff { .. }, _) => "off",
        (_, Severity::Critical) => "critical",
        (_, Severity::Warning) => "problem",
        (_, Severity::Notice) => "remark",
    }
}

/// Whether the hold is part of what is in force, or of a condition.
fn is_told_elsewhere(hold: &Hold) -> bool {
    let by_an_override = matches!(
        hold,
        Hold::ScaleDownHeld {
            by: HoldSource::Override(_),
            ..
        }
    );
    by_an_override || RaisedCondition::of_hold(hold).is_some()
}

fn decided(record: &DecisionRecord, now: Timestamp) -> String {
    let mode = match record.mode {
        Mode::Apply => "",
        Mode::Preview => "; mode is preview, so nothing is written",
        Mode::Shadow => "; mode is shadow, so nothing is written",
    };
    let age = moment::ago(record.at, now);
    format!("decided {} ({age}){mode}", moment::date_and_time(record.at))
}

fn replicas(target: &Workload) -> String {
    let current = target.current;
    match target.readiness {
        Readiness::Unknown => format!("{current} wanted, how many are ready is not known"),
        Readiness::Known {
            ready,
            longest_unready: None,
        } => format!("{current} wanted, {ready} ready"),
        Readiness::Known {
            ready,
            longest_unready: Some(starting),
        } => format!(
            "{current} wanted, {ready} ready, one starting for {}",
            moment::span(starting)
        ),
    }
}

fn past(rebuilt: &Rebuilt) -> String {
    match rebuilt {
        Rebuilt::From {
            since,
            moments,
            known,
            is_covered,
        } => format!(
            "no memory; rebuilt from {known} known of {moments} moments since {}{}",
            moment::date_and_time(*since),
            if *is_covered {
                ""
            } else {
                ", which are too few to scale down by"
            }
        ),
        Rebuilt::Refused { reason } => format!("no memory, and it cannot be rebuilt: {reason}"),
    }
}

/// The value as the policy means it, so a utilization in percent.
fn seen(metric: &MetricRecord, explanation: &Explanation, at: Timestamp) -> String {
    let observation = &metric.observation;
    let shown = explanation.of_metric(&metric.name).map_or_else(
        || observation.to_string(),
        |(seen, terms)| terms.observed(seen).to_string(),
    );
    match observation {
        Observation::Fresh(sample) | Observation::Partial(sample) => {
            format!("{shown}, {}{}", age(sample, at), coverage(sample))
        }
        Observation::Stale { .. } | Observation::Missing { .. } => shown,
    }
}

fn age(sample: &Sample, at: Timestamp) -> String {
    match sample.measured_at {
        Some(measured) => format!("{} old", moment::span(at.since(measured))),
        None => "of unknown age".to_owned(),
    }
}

fn coverage(sample: &Sample) -> String {
    let replicas = sample
        .coverage
        .replicas
        .map(|count| format!(", from {}", number_of_replicas(count)));
    let window = sample.coverage.window.filter(|share| *share < 0.995);
    let window = window.map(|share| format!(", over {:.0} % of its window", share * 100.0));
    format!("{}{}", replicas.unwrap_or_default(), window.unwrap_or_default())
}

/// A measured count, in whole replicas.
fn number_of_replicas(count: f64) -> String {
    match format!("{count:.0}").as_str() {
        "1" => "1 replica".to_owned(),
        several => format!("{several} replicas"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::report::samples;

    fn explained(record: &DecisionRecord) -> String {
        explained_against(record, None)
    }

    fn explained_against(record: &DecisionRecord, want: Option<Replicas>) -> String {
        let explained = Explained {
            record,
            now: samples::AT.plus(Duration::from_secs(12)),
            want,
            paint: Paint::none(),
        };
        // The time of day depends on the zone of the machine.
        explained
            .to_string()
            .replace(&moment::date_and_time(samples::AT), "TIME")
    }

    #[test]
    fn shows_what_was_seen_and_every_step() {
        insta::assert_snapshot!("scale_up", explained(&samples::scale_up()));
        insta::assert_snapshot!("failed", explained(&samples::failed()));
        insta::assert_snapshot!("blind", explained(&samples::blind()));
        insta::assert_snapshot!("unreadable", explained(&samples::unreadable()));
    }

    #[test]
    fn a_hold_and_what_is_wrong_are_told_once_each_while_they_last() {
        let mut record = samples::hold();
        if let Verdict::Decided { target, .. } = &mut record.verdict {
            target.holds = vec![
                Hold::RollingOut { until: None },
                Hold::FleetBrake { until: samples::AT },
                Hold::SecondScaler {
                    name: "HorizontalPodAutoscaler/web".into(),
                    wants: None,
                },
            ];
        }
        record.conditions = vec![RaisedCondition::SecondScaler {
            name: "HorizontalPodAutoscaler/web".into(),
        }];
        let text = explained(&record);
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let from = lines.iter().position(|line| line.starts_with("problem"));
        assert_eq!(
            lines[from.expect("a problem")..][..2],
            [
                "problem       HorizontalPodAutoscaler/web scales it too, and two scalers would fight",
                "a rollout is under way"
            ]
        );
        assert_eq!(text.matches("scales it too").count(), 1);
        assert!(!text.contains("fleet"), "it is over: {text}");
    }

    #[test]
    fn says_of_a_target_that_could_not_be_read_that_nothing_was_decided() {
        let said = explained_against(&samples::unreadable(), Some(Replicas::new(3)));
        assert!(said.ends_with("\n\nWhy not 3\n  nothing was decided\n"), "{said}");
    }

    #[test]
    fn says_what_was_made_of_the_past() {
        let said = |rebuilt| {
            let record = DecisionRecord {
                rebuilt: Some(rebuilt),
                ..samples::scale_up()
            };
            let text = explained(&record);
            let line = text.lines().find_map(|line| line.trim().strip_prefix("past "));
            line.expect("a line about the past").trim().to_owned()
        };
        let from = |known, is_covered| Rebuilt::From {
            since: samples::AT,
            moments: 21,
            known,
            is_covered,
        };
        assert_eq!(
            said(from(19, true)),
            "no memory; rebuilt from 19 known of 21 moments since TIME"
        );
        assert_eq!(
            said(from(4, false)),
            "no memory; rebuilt from 4 known of 21 moments since TIME, which are too few to scale down by"
        );
        let refused = Rebuilt::Refused {
            reason: "cpu depends on it".to_owned(),
        };
        assert_eq!(
            said(refused),
            "no memory, and it cannot be rebuilt: cpu depends on it"
        );
    }
}
