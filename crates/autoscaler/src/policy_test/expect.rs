//! What is expected of the passes of a case, and where one is otherwise.

use std::time::Duration;

use headroom_policy_engine::{Direction, Outcome, Reason, Replicas};

use super::Row;

/// What is expected at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// The line it stands in, from 1.
    pub line: usize,
    /// Its text; of one that stands on several lines, the first.
    pub text: String,
    /// At which passes.
    pub when: When,
    /// What. Never empty.
    pub claims: Vec<Claim>,
}

/// At which passes something is expected. Times are counted from the start, and both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At the last pass until then.
    At(Duration),
    /// At every pass of a span.
    Every {
        /// Its beginning.
        from: Duration,
        /// Its end.
        to: Duration,
    },
    /// At one pass of a span, at least.
    Once {
        /// Its beginning.
        from: Duration,
        /// Its end.
        by: Duration,
    },
}

/// One thing that is expected of a pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Claim {
    /// The count after it.
    Replicas(Replicas),
    /// The count after it is at least this.
    Min(Replicas),
    /// The count after it is at most this.
    Max(Replicas),
    /// What the metrics together ask for.
    Recommended(Replicas),
    /// Which way the decision goes.
    Decision(Course),
    /// Why.
    Reason(Reason),
    /// A step of this kind had a say.
    Step(&'static str),
    /// No step of this kind had a say.
    NoStep(&'static str),
    /// So many passes of the span, at most, changed the count.
    MaxChanges(usize),
}

/// Which way a decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// More replicas.
    Up,
    /// Fewer replicas.
    Down,
    /// The count stays.
    Hold,
}

/// Where a pass is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The key of the expectation.
    pub key: &'static str,
    /// What it says.
    pub expected: String,
    /// What is.
    pub got: String,
}

/// The first pass that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Miss {
    /// Which; `None` where there is no pass at all.
    pub(super) row: Option<usize>,
    pub(super) differences: Vec<Difference>,
}

impl Expectation {
    /// Where `rows` are not as expected; `None` where they are.
    pub(super) fn miss(&self, rows: &[Row]) -> Option<Miss> {
        let (from, to) = match self.when {
            When::At(at) => {
                let until = rows.partition_point(|row| row.at <= at);
                (until.saturating_sub(1), until)
            }
            When::Every { from, to } | When::Once { from, by: to } => (
                rows.partition_point(|row| row.at < from),
                rows.partition_point(|row| row.at <= to),
            ),
        };
        let Some(looked_at) = rows.get(from..to).filter(|rows| !rows.is_empty()) else {
            return Some(Miss {
                row: None,
                differences: vec![difference("at", "a pass", "none was made by then")],
            });
        };
        let mut missed = looked_at.iter().enumerate().map(|(index, row)| {
            let earlier = &looked_at[..index];
            (from + index, self.differences(row, earlier))
        });
        let found = match self.when {
            When::At(_) | When::Every { .. } => missed.find(|(_, differences)| !differences.is_empty()),
            When::Once { .. } => {
                let mut last = None;
                for (index, differences) in missed {
                    if differences.is_empty() {
                        return None;
                    }
                    last = Some((index, differences));
                }
                last
            }
        };
        found.map(|(row, differences)| Miss {
            row: Some(row),
            differences,
        })
    }

    fn differences(&self, row: &Row, earlier: &[Row]) -> Vec<Difference> {
        let claims = self.claims.iter();
        claims
            .filter_map(|claim| claim.difference(row, earlier))
            .collect()
    }
}

impl Claim {
    fn difference(&self, row: &Row, earlier: &[Row]) -> Option<Difference> {
        let unread = || "the target could not be read".to_owned();
        let (key, holds, expected, got) = match self {
            Self::Replicas(count) => (
                "replicas",
                row.after == *count,
                count.to_string(),
                row.after.to_string(),
            ),
            Self::Min(count) => (
                "min",
                row.after >= *count,
                format!("at least {count}"),
                row.after.to_string(),
            ),
            Self::Max(count) => (
                "max",
                row.after <= *count,
                format!("at most {count}"),
                row.after.to_string(),
            ),
            Self::Recommended(count) => (
                "recommended",
                row.recommended == Some(*count),
                count.to_string(),
                row.recommended.map_or_else(unread, |count| count.to_string()),
            ),
            Self::Decision(course) => {
                let got = row.course();
                (
                    "decision",
                    got == Some(*course),
                    course.code().to_owned(),
                    got.map_or_else(unread, |course| course.code().to_owned()),
                )
            }
            Self::Reason(reason) => {
                let got = row.decision.map(|decision| decision.reason());
                (
                    "reason",
                    got == Some(*reason),
                    reason.code().to_owned(),
                    got.map_or_else(unread, |reason| reason.code().to_owned()),
                )
            }
            Self::Step(code) => (
                "steps",
                row.steps.contains(code),
                (*code).to_owned(),
                format!("only {}", listed(&row.steps)),
            ),
            Self::NoStep(code) => (
                "without",
                !row.steps.contains(code),
                format!("no {code}"),
                format!("{code} had a say"),
            ),
            Self::MaxChanges(most) => {
                let changes = earlier.iter().chain([row]).filter(|row| row.is_change()).count();
                (
                    "max_changes",
                    changes <= *most,
                    format!("at most {most}"),
                    changes.to_string(),
                )
            }
        };
        (!holds).then_some(Difference { key, expected, got })
    }
}

impl Course {
    /// The course as the test file has it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Hold => "hold",
        }
    }
}

impl Row {
    /// Which way the decision goes; `None` where there is none.
    #[must_use]
    pub fn course(&self) -> Option<Course> {
        self.decision.map(|decision| match decision.direction() {
            Some(Direction::Up) => Course::Up,
            Some(Direction::Down) => Course::Down,
            None => Course::Hold,
        })
    }

    /// Whether headroom changed the count.
    fn is_change(&self) -> bool {
        self.outcome == Some(Outcome::Written)
    }
}

fn difference(key: &'static str, expected: &str, got: &str) -> Difference {
    Difference {
        key,
        expected: expected.to_owned(),
        got: got.to_owned(),
    }
}

/// The steps, each once; many metrics make many of one kind.
fn listed(steps: &[&str]) -> String {
    let mut once: Vec<&str> = Vec::new();
    for step in steps {
        if !once.contains(step) {
            once.push(step);
        }
    }
    if once.is_empty() {
        "none".to_owned()
    } else {
        once.join(", ")
    }
}
