//! Tests of policies: whether a case passed, and where it is not as expected.

use std::{fmt, time::Duration};

use headroom_autoscaler::{
    DecisionRecord, Verdict,
    policy_test::{Case, CaseRun, Failure, Row, Suite},
};
use headroom_policy_engine::{Decision, MissingCause, Observation, Outcome};

use super::table::{Align, table};
use crate::output::{Paint, Tone};

/// How many lines of a timeline are shown before and after the pass that is not as expected.
const AROUND: (usize, usize) = (4, 2);

/// A case with what came of it.
#[derive(Debug)]
pub(crate) struct Played<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) case: &'a Case,
    pub(crate) run: CaseRun,
}

/// How many cases passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Those that `--filter` leaves out.
    pub(crate) left_out: usize,
}

impl Totals {
    /// Takes note of one case.
    pub(crate) fn count(&mut self, played: &Played<'_>) {
        if played.run.is_passed() {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.left_out > 0 {
            write!(f, "; {} left out", self.left_out)?;
        }
        Ok(())
    }
}

impl Played<'_> {
    /// Whether it passed, its name, and how many passes it has.
    pub(crate) fn line(&self, paint: Paint) -> String {
        let verdict = if self.run.is_passed() {
            paint.paint(Tone::Good, "PASS")
        } else {
            paint.paint(Tone::Error, "FAIL")
        };
        let passes = match self.case.passes {
            1 => "1 pass".to_owned(),
            passes => format!("{passes} passes"),
        };
        format!("{verdict}  {}  ({passes})", self.title())
    }

    fn title(&self) -> String {
        format!("{}: {}", self.suite.file.display(), self.case.name)
    }
}

/// Expectations that the same pass does not meet: what was expected, the passes around it, and why it was decided so.
pub(crate) struct FailureText<'a> {
    pub(crate) played: &'a Played<'a>,
    /// Never empty.
    pub(crate) failures: &'a [&'a Failure],
    pub(crate) passes: Passes,
    pub(crate) paint: Paint,
}

/// Which passes are shown as a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passes {
    /// Those around a failure, with it.
    AroundFailures,
    /// All of every case, before its failures.
    All,
}

impl Played<'_> {
    /// The failures, those of the same pass together.
    pub(crate) fn failures_by_pass(&self) -> Vec<Vec<&Failure>> {
        let row = |failure: &Failure| failure.at.as_ref().map(|(row, _)| *row);
        let mut groups: Vec<Vec<&Failure>> = Vec::new();
        for failure in &self.run.failures {
            let same = |group: &&mut Vec<&Failure>| group.iter().any(|other| row(other) == row(failure));
            match groups.iter_mut().find(same) {
                Some(group) => group.push(failure),
                None => groups.push(vec![failure]),
            }
        }
        groups
    }

    /// Where a failure is and what, on one line.
    pub(crate) fn summary(&self, failure: &Failure) -> String {
        let differences = failure.differences.iter();
        let differences: Vec<String> = differences
            .map(|difference| {
                format!(
                    "{} expected {}, got {}",
                    difference.key, difference.expected, difference.got
                )
            })
            .collect();
        format!("{}{}", self.place(failure), differences.join("; "))
    }

    fn time_of(&self, failure: &Failure) -> Option<Duration> {
        let (row, _) = failure.at.as_ref()?;
        self.run.rows.get(*row).map(|row| row.at)
    }

    fn place(&self, failure: &Failure) -> String {
        self.time_of(failure)
            .map_or_else(String::new, |at| format!("at {}: ", offset(at)))
    }
}

impl fmt::Display for FailureText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { played, paint, .. } = *self;
        let file = played.suite.file.display();
        for failure in self.failures {
            let Some(expectation) = played.case.expectations.get(failure.expectation) else {
                continue;
            };
            writeln!(f, "\n  {file}:{}  {}", expectation.line, expectation.text)?;
            for difference in &failure.differences {
                let key = paint.paint(Tone::Strong, difference.key);
                let expected = paint.paint(Tone::Good, &difference.expected);
                let got = paint.paint(Tone::Error, &difference.got);
                let place = played.place(failure);
                writeln!(f, "  {place}{key} expected {expected}, got {got}")?;
            }
        }
        let Some(first) = self.failures.first() else {
            return Ok(());
        };
        let (Some((row, record)), Some(at)) = (&first.at, played.time_of(first)) else {
            return Ok(());
        };
        if self.passes == Passes::AroundFailures {
            writeln!(f)?;
            for line in around(played.case, &played.run.rows, *row).lines() {
                if line.starts_with('>') {
                    writeln!(f, "  {}", paint.paint(Tone::Strong, line))?;
                } else {
                    writeln!(f, "  {line}")?;
                }
            }
        }
        writeln!(f, "\n  Why, at {}:", offset(at))?;
        write_why(record, f)?;
        let name = quoted(&played.case.name);
        let command = format!(
            "headroom test {} --filter {name} --explain {}",
            quoted(&file.to_string()),
            offset(at)
        );
        writeln!(f, "\n  All of it: {}", paint.paint(Tone::Strong, command))
    }
}

fn write_why(record: &DecisionRecord, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &record.verdict {
        Verdict::Unreadable { error } => writeln!(f, "    {error}"),
        Verdict::Decided {
            explanation,
            decision,
            error,
            ..
        } => {
            for (number, step) in explanation.0.iter().enumerate() {
                writeln!(f, "    {:2}. {step}", number + 1)?;
            }
            writeln!(f, "    {decision}")?;
            error
                .iter()
                .try_for_each(|error| writeln!(f, "    not written: {error}"))
        }
    }
}

/// Every pass of a case. Passes that are alike are one line.
pub(crate) fn timeline(case: &Case, rows: &[Row]) -> String {
    lines(case, &grouped(case, rows))
}

/// The passes around the one in `row`, which is marked.
fn around(case: &Case, rows: &[Row], row: usize) -> String {
    let Some((before, [it, after @ ..])) = rows.split_at_checked(row) else {
        return String::new();
    };
    let mut groups = grouped(case, before);
    groups.drain(..groups.len().saturating_sub(AROUND.0));
    groups.push(Group {
        mark: ">",
        from: it.at,
        to: it.at,
        cells: cells(case, it),
    });
    groups.extend(grouped(case, after).into_iter().take(AROUND.1));
    lines(case, &groups)
}

/// Passes one after the other that are alike.
struct Group {
    mark: &'static str,
    from: Duration,
    to: Duration,
    cells: Vec<String>,
}

fn grouped(case: &Case, rows: &[Row]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let cells = cells(case, row);
        match groups.last_mut().filter(|group| group.cells == cells) {
            Some(group) => group.to = row.at,
            None => groups.push(Group {
                mark: "",
                from: row.at,
                to: row.at,
                cells,
            }),
        }
    }
    groups
}

fn lines(case: &Case, groups: &[Group]) -> String {
    let mut columns = vec![("", Align::Left), ("time", Align::Left)];
    let metrics = case.workload.policy.metrics.iter();
    columns.extend(metrics.map(|metric| (metric.name.as_str(), Align::Right)));
    if case.ready.is_some() {
        columns.push(("ready", Align::Right));
    }
    columns.extend([
        ("recommended", Align::Right),
        ("replicas", Align::Left),
        ("reason", Align::Left),
    ]);
    let rows = groups.iter().map(|group| {
        let time = if group.from == group.to {
            offset(group.from)
        } else {
            format!("{} to {}", offset(group.from), offset(group.to))
        };
        let mut row = vec![group.mark.to_owned(), time];
        row.extend(group.cells.iter().cloned());
        row
    });
    table(&columns, rows)
}

/// What a line says of a pass, without its time.
fn cells(case: &Case, row: &Row) -> Vec<String> {
    let metrics = case.workload.policy.metrics.len();
    let value = |index| row.metrics.get(index).map_or_else(|| "_".to_owned(), value);
    let mut cells: Vec<String> = (0..metrics).map(value).collect();
    if case.ready.is_some() {
        cells.push(
            row.ready
                .map_or_else(|| "_".to_owned(), |ready| ready.to_string()),
        );
    }
    cells.push(
        row.recommended
            .map_or_else(|| "_".to_owned(), |count| count.to_string()),
    );
    let count = match row.decision {
        None => format!("{}, unread", row.after),
        Some(Decision::Hold { at, .. }) => at.to_string(),
        Some(Decision::Scale { from, to, .. }) => match row.outcome {
            Some(Outcome::Failed) => format!("{from} → {to} failed"),
            Some(Outcome::NotConfirmed) => format!("{from} → {to} not confirmed"),
            Some(Outcome::Conflict) => format!("{from} → {to} conflict"),
            Some(Outcome::Written | Outcome::NotAttempted) | None => format!("{from} → {to}"),
        },
    };
    cells.push(count);
    cells.push(
        row.decision
            .map_or_else(String::new, |decision| decision.reason().code().to_owned()),
    );
    cells
}

/// A value as a series has it.
fn value(observation: &Observation) -> String {
    match observation {
        Observation::Fresh(_) => observation.to_string(),
        Observation::Partial(sample) => format!("{} in part", Observation::Fresh(*sample)),
        Observation::Stale { sample, .. } => format!("{} stale", Observation::Fresh(*sample)),
        Observation::Missing {
            cause: MissingCause::NotANumber,
        } => "nan".to_owned(),
        Observation::Missing {
            cause: MissingCause::Infinite,
        } => "inf".to_owned(),
        Observation::Missing {
            cause: MissingCause::Unreachable | MissingCause::TimedOut | MissingCause::Rejected { .. },
        } => "error".to_owned(),
        Observation::Missing { .. } => "_".to_owned(),
    }
}

/// A time from the start as a test file has it: `2m30s`.
pub(crate) fn offset(at: Duration) -> String {
    let millis = at.as_millis();
    let parts = [
        (millis / 3_600_000, "h"),
        (millis / 60_000 % 60, "m"),
        (millis / 1000 % 60, "s"),
        (millis % 1000, "ms"),
    ];
    let text: String = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |symbol: char| symbol.is_ascii_alphanumeric() || "-_./:".contains(symbol);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_they_are_written() {
        let text = |millis| offset(Duration::from_millis(millis));
        assert_eq!(text(0), "0s");
        assert_eq!(text(150_000), "2m30s");
        assert_eq!(text(90_000_500), "25h500ms");
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a/b.test.toml"), "a/b.test.toml");
        assert_eq!(quoted("it's late"), r"'it'\''s late'");
    }
}
