//! The text exposition formats of Prometheus (0.0.4) and OpenMetrics (1.0), read as Prometheus reads them.
//!
//! Owns the grammar, and what becomes of label sets and duplicates. A text in which one line does not parse is
//! refused as a whole, with the line and the reason: leaving the line out would make a sum smaller. Fetching, and
//! what samples are good for, belong to others.
//!
//! The real Prometheus is the oracle (`tests/exposition.rs`). We differ from it on purpose in two places, where it
//! would silently lose samples: spaces before a name are not part of the name, and a zero byte at the start of a
//! line does not end the text.

mod grammar;
mod number;
mod samples;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use headroom_policy_engine::Timestamp;
use thiserror::Error;

pub use samples::{Measured, Samples};

use grammar::{Line, Sheet};

/// The longest line that is read, in bytes.
const MAX_LINE: usize = 64 * 1024;
/// The name of the label that holds a series' name.
pub(crate) const NAME: &str = "__name__";

/// Which of the text formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `text/plain`: lenient about white space, no exemplars, timestamps in milliseconds.
    #[default]
    Prometheus,
    /// `application/openmetrics-text`: strict, exemplars, timestamps in seconds, ended by `# EOF`.
    OpenMetrics,
}

impl Format {
    /// The format that an HTTP `Content-Type` names. Anything but OpenMetrics is read as Prometheus' own, because
    /// services are careless about this header, and a text of another kind will not parse.
    #[must_use]
    pub fn from_content_type(content_type: Option<&str>) -> Self {
        let media_type = content_type
            .and_then(|value| value.split(';').next())
            .map(str::trim);
        match media_type {
            Some(name) if name.eq_ignore_ascii_case("application/openmetrics-text") => Self::OpenMetrics,
            Some(_) | None => Self::Prometheus,
        }
    }
}

/// What a `# TYPE` line says about a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// Only grows, except when its process starts anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets with upper bounds in the label `le`, a sum and a count.
    Histogram,
    /// Buckets of something that goes up and down (OpenMetrics).
    GaugeHistogram,
    /// Quantiles in the label `quantile`, a sum and a count.
    Summary,
    /// Facts in labels, always 1 (OpenMetrics).
    Info,
    /// One series for each state, 0 or 1 (OpenMetrics).
    StateSet,
    /// The text says that it does not know.
    Unknown,
}

/// A label of a sample.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label<'t> {
    /// Its name; `__name__` for the series' name.
    pub name: Cow<'t, str>,
    /// Its value, without escapes and never empty: to Prometheus an empty label is an absent one.
    pub value: Cow<'t, str>,
}

/// One sample, as one line of the text has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample<'t, 'p> {
    labels: &'p [Label<'t>],
    value: f64,
    timestamp: Option<Timestamp>,
}

impl<'t, 'p> Sample<'t, 'p> {
    /// The labels, ordered by name, each name once; `__name__` is among them.
    #[must_use]
    pub const fn labels(&self) -> &'p [Label<'t>] {
        self.labels
    }

    /// The value of a label; empty where there is none, as matchers have it.
    #[must_use]
    pub fn label(&self, name: &str) -> &'p str {
        let found = self.labels.iter().find(|label| label.name == name);
        found.map_or("", |label| &label.value)
    }

    /// The series' name.
    #[must_use]
    pub fn name(&self) -> &'p str {
        self.label(NAME)
    }

    /// The value, which may be NaN or infinite.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.value
    }

    /// When it was measured, where the text says so.
    #[must_use]
    pub const fn timestamp(&self) -> Option<Timestamp> {
        self.timestamp
    }

    /// The series as PromQL writes it: `name{a="b",c="d"}`. The same series always has the same text.
    #[must_use]
    pub fn series(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = samples::write_series(&mut text, self.labels);
        text
    }
}

/// What one line says. Comments and blank lines say nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Entry<'t, 'p> {
    /// `# TYPE name kind`.
    Type {
        /// The metric's name, as it stands there.
        name: &'t str,
        /// Its kind.
        kind: MetricKind,
    },
    /// A sample.
    Sample(Sample<'t, 'p>),
}

/// A text that is being read, one entry after the other. Borrows from the text, and keeps nothing of what was read.
#[derive(Debug)]
pub struct Exposition<'t> {
    text: &'t [u8],
    rest: &'t [u8],
    format: Format,
    /// Of the last `# TYPE` line: decides how bounds in labels are written, as Prometheus has it.
    kind: MetricKind,
    labels: Vec<Label<'t>>,
}

impl<'t> Exposition<'t> {
    /// Starts reading `text`.
    #[must_use]
    pub const fn new(text: &'t [u8], format: Format) -> Self {
        Self {
            text,
            rest: text,
            format,
            kind: MetricKind::Unknown,
            labels: Vec::new(),
        }
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// The first line that does not parse. What was read before it is then not to be used either.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'t, '_>>, ExpositionError> {
        loop {
            self.refuse_long_line()?;
            let mut rest = self.rest;
            let mut sheet = Sheet {
                format: self.format,
                kind: self.kind,
                labels: &mut self.labels,
            };
            let line = sheet.line(&mut rest);
            let start = std::mem::replace(&mut self.rest, rest);
            match line {
                Err(flaw) => return Err(self.error(start, rest, flaw)),
                Ok(Line::End) => return Ok(None),
                Ok(Line::Nothing) => {}
                Ok(Line::Type { name, kind }) => {
                    self.kind = kind;
                    return Ok(Some(Entry::Type { name, kind }));
                }
                Ok(Line::Sample { value, timestamp }) => {
                    return Ok(Some(Entry::Sample(Sample {
                        labels: &self.labels,
                        value,
                        timestamp,
                    })));
                }
            }
        }
    }

    fn refuse_long_line(&self) -> Result<(), ExpositionError> {
        let head = self.rest.get(..=MAX_LINE);
        if head.is_some_and(|head| !head.contains(&b'\n')) {
            return Err(self.error(self.rest, self.rest, Flaw::LineTooLong { limit: MAX_LINE }));
        }
        Ok(())
    }

    fn error(&self, start: &[u8], rest: &[u8], flaw: Flaw) -> ExpositionError {
        let before = self.text.get(..self.text.len() - rest.len()).unwrap_or(self.text);
        let lines = before.iter().filter(|byte| **byte == b'\n').count();
        let end = start
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(start.len());
        ExpositionError {
            line: lines + 1,
            flaw,
            text: Excerpt::of(start.get(..end).unwrap_or_default()),
        }
    }
}

/// Why a text was refused: the first line that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {flaw}: {text}")]
pub struct ExpositionError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub flaw: Flaw,
    /// How the line starts.
    pub text: Excerpt,
}

/// The start of a line, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    const LONGEST: usize = 80;

    fn of(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line.get(..Self::LONGEST).unwrap_or(line));
        let ellipsis = if line.len() > Self::LONGEST { "…" } else { "" };
        Self(format!("{text:?}{ellipsis}"))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// Something else should stand there.
    #[error("expected {0}")]
    Expected(&'static str),
    /// The value is not a number that 64 bits can hold.
    #[error("the value is not a number")]
    NotANumber,
    /// The timestamp is not a number, or beyond what can be told.
    #[error("the timestamp is not a time")]
    NotATime,
    /// A name or a label's value is not UTF-8.
    #[error("a name or a label is not UTF-8")]
    NotUtf8,
    /// Braces without a metric's name in or before them.
    #[error("the sample has no name")]
    NoName,
    /// Two names of the metric.
    #[error("the sample has two names")]
    NameTwice,
    /// Two labels of one name.
    #[error("the sample has two labels of one name")]
    LabelTwice,
    /// `# TYPE` with an unknown kind.
    #[error("the type is not known")]
    UnknownType,
    /// `# UNIT` that is not the end of the metric's name.
    #[error("the unit is not the end of the metric's name")]
    UnitNotInName,
    /// OpenMetrics that stops without `# EOF`.
    #[error("the text does not end with # EOF")]
    NoEof,
    /// OpenMetrics that goes on after `# EOF`.
    #[error("the text goes on after # EOF")]
    AfterEof,
    /// A line that nobody would write.
    #[error("the line is longer than {limit} bytes")]
    LineTooLong {
        /// The longest that is read.
        limit: usize,
    },
}
