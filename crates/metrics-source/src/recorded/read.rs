//! Reads the text of a recording, and finds all that is wrong with it.

use std::{collections::BTreeMap, sync::Arc};

use headroom_policy_engine::Timestamp;
use serde_json::{Map, Value};
use thiserror::Error;

use super::{AllSeries, RecordedError, Series, Timed};

/// The most problems that are told of one recording.
const MAX_TOLD: usize = 20;
/// The most series of one recording.
const MAX_SERIES: usize = 10_000;

const TIMESTAMP: &str = "timestamp";
const SERIES: &str = "series";
const VALUE: &str = "value";

/// A line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {flaw}")]
pub struct RecordedProblem {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub flaw: RecordedFlaw,
}

/// What is wrong with a line of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordedFlaw {
    /// The header of a CSV is not one of the known ones.
    #[error(
        "the header must be timestamp,value or timestamp,series,value or timestamp and the names of series"
    )]
    Header,
    /// Two columns have one name.
    #[error("two columns are named {name}")]
    ColumnTwice {
        /// The name.
        name: String,
    },
    /// A line has more or fewer fields than the header.
    #[error("{found} fields, where the header has {expected}")]
    FieldCount {
        /// As the header has it.
        expected: usize,
        /// As the line has it.
        found: usize,
    },
    /// The line is no JSON object.
    #[error("not a JSON object: {reason}")]
    NotAnObject {
        /// The parser's words.
        reason: String,
    },
    /// There is no timestamp.
    #[error("there is no timestamp")]
    NoTimestamp,
    /// The timestamp is neither Unix seconds nor RFC 3339.
    #[error("{text:?} is no time: write Unix seconds, or RFC 3339 such as 2026-01-31T12:00:00Z")]
    Time {
        /// What stands there.
        text: String,
    },
    /// The value is no number.
    #[error("{text:?} is no number")]
    Number {
        /// What stands there.
        text: String,
    },
    /// The sample names no series.
    #[error("the series has no name")]
    NoSeries,
    /// Samples with and without a name in one recording.
    #[error("some samples name their series, and some do not")]
    NamedAndUnnamed,
    /// The timestamp is not after the one before of the same series.
    #[error("the time is not after that of the sample before")]
    NotAscending,
    /// There are too many series.
    #[error("there are more than {limit} series")]
    TooManySeries {
        /// The most that are read.
        limit: usize,
    },
}

pub(super) fn read(text: &str) -> Result<AllSeries, RecordedError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut recording = Recording::default();
    if text.trim_start().starts_with('{') {
        recording.read_json_lines(text);
    } else {
        recording.read_csv(text);
    }
    recording.finish()
}

/// A recording that is being read.
#[derive(Default)]
struct Recording {
    /// By name; the one without a name has none.
    series: BTreeMap<Option<Arc<str>>, Timed>,
    problems: Vec<RecordedProblem>,
    more: usize,
}

type Read<T> = Result<T, RecordedFlaw>;

impl Recording {
    fn read_csv(&mut self, text: &str) {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let mut layout = None;
        for record in reader.records() {
            let line_of = |record: &csv::StringRecord| record.position().map_or(0, csv::Position::line);
            let (line, outcome) = match record {
                // The text is UTF-8, and lines may have any number of fields: there is no other error.
                Err(_) => continue,
                Ok(record) => (
                    line_of(&record),
                    match &layout {
                        None => Layout::of(&record).map(|found| layout = Some(found)),
                        Some(layout) => self.read_record(layout, &record),
                    },
                ),
            };
            let is_header = layout.is_none();
            self.note(line, outcome);
            if is_header {
                return;
            }
        }
    }

    fn read_record(&mut self, layout: &Layout, record: &csv::StringRecord) -> Read<()> {
        let found = record.len();
        let expected = layout.fields();
        if found != expected {
            return Err(RecordedFlaw::FieldCount { expected, found });
        }
        let field = |index: usize| record.get(index).unwrap_or_default();
        let at = time(field(0))?;
        match layout {
            Layout::One => self.add(None, at, number(field(1))?),
            Layout::Long if field(1).is_empty() => Err(RecordedFlaw::NoSeries),
            Layout::Long => self.add(Some(field(1).into()), at, number(field(2))?),
            Layout::Wide(names) => {
                let values: Vec<Option<f64>> = (1..expected)
                    .map(|index| number(field(index)))
                    .collect::<Read<_>>()?;
                let mut all = names.iter().zip(values);
                all.try_for_each(|(name, value)| self.add(Some(Arc::clone(name)), at, value))
            }
        }
    }

    fn read_json_lines(&mut self, text: &str) {
        for (line, text) in (1..).zip(text.lines()) {
            if !text.trim().is_empty() {
                let outcome = self.read_object(text);
                self.note(line, outcome);
            }
        }
    }

    fn read_object(&mut self, text: &str) -> Read<()> {
        let mut object: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| RecordedFlaw::NotAnObject {
                reason: error.to_string(),
            })?;
        let at = json_time(&object.remove(TIMESTAMP).ok_or(RecordedFlaw::NoTimestamp)?)?;
        let name = object.remove(SERIES);
        if let Some(value) = object.remove(VALUE) {
            let name = match name {
                None => None,
                Some(Value::String(name)) if !name.is_empty() => Some(Arc::from(name)),
                Some(_) => return Err(RecordedFlaw::NoSeries),
            };
            return self.add(name, at, json_number(&value)?);
        }
        // Without a value, every key is a series, also one that is called `series`.
        let all = object
            .into_iter()
            .chain(name.map(|value| (SERIES.to_owned(), value)));
        let all: Vec<(Arc<str>, Option<f64>)> = all
            .map(|(name, value)| Ok((Arc::from(name), json_number(&value)?)))
            .collect::<Read<_>>()?;
        all.into_iter()
            .try_for_each(|(name, value)| self.add(Some(name), at, value))
    }

    fn add(&mut self, name: Option<Arc<str>>, at: Timestamp, value: Option<f64>) -> Read<()> {
        if let Some(samples) = self.series.get_mut(&name) {
            if samples.last().is_some_and(|(before, _)| at <= *before) {
                return Err(RecordedFlaw::NotAscending);
            }
            samples.push((at, value));
            return Ok(());
        }
        if self.series.len() >= MAX_SERIES {
            return Err(RecordedFlaw::TooManySeries { limit: MAX_SERIES });
        }
        if self.series.keys().any(|known| known.is_none() != name.is_none()) {
            return Err(RecordedFlaw::NamedAndUnnamed);
        }
        self.series.insert(name, vec![(at, value)]);
        Ok(())
    }

    fn note(&mut self, line: u64, outcome: Read<()>) {
        match outcome {
            Ok(()) => {}
            Err(flaw) if self.problems.len() < MAX_TOLD => self.problems.push(RecordedProblem { line, flaw }),
            Err(_) => self.more += 1,
        }
    }

    fn finish(mut self) -> Result<AllSeries, RecordedError> {
        if !self.problems.is_empty() {
            return Err(RecordedError::Invalid {
                problems: self.problems,
                more: self.more,
            });
        }
        if let Some(samples) = self.series.remove(&None) {
            return Ok(AllSeries::One(Series::new(samples)));
        }
        if self.series.is_empty() {
            return Err(RecordedError::Empty);
        }
        let named = self.series.into_iter();
        let named = named.filter_map(|(name, samples)| Some((name?, Series::new(samples))));
        Ok(AllSeries::Named(named.collect()))
    }
}

/// What the columns of a CSV are. The first is the timestamp.
enum Layout {
    One,
    Long,
    Wide(Vec<Arc<str>>),
}

impl Layout {
    fn of(header: &csv::StringRecord) -> Read<Self> {
        let names: Vec<&str> = header.iter().collect();
        match names.as_slice() {
            [TIMESTAMP, VALUE] => Ok(Self::One),
            [TIMESTAMP, SERIES, VALUE] => Ok(Self::Long),
            [TIMESTAMP, series @ ..] if !series.is_empty() && !series.contains(&"") => {
                let twice = series
                    .iter()
                    .enumerate()
                    .find(|(index, name)| series[..*index].contains(name));
                match twice {
                    Some((_, name)) => Err(RecordedFlaw::ColumnTwice {
                        name: (*name).to_owned(),
                    }),
                    None => Ok(Self::Wide(series.iter().map(|name| Arc::from(*name)).collect())),
                }
            }
            _ => Err(RecordedFlaw::Header),
        }
    }

    fn fields(&self) -> usize {
        match self {
            Self::One => 2,
            Self::Long => 3,
            Self::Wide(names) => names.len() + 1,
        }
    }
}

fn time(text: &str) -> Read<Timestamp> {
    let refused = || RecordedFlaw::Time {
        text: text.to_owned(),
    };
    if let Ok(seconds) = text.parse::<f64>() {
        return from_seconds(seconds).ok_or_else(refused);
    }
    let moment: jiff::Timestamp = text.parse().map_err(|_| refused())?;
    Ok(Timestamp::from_unix_millis(moment.as_millisecond()))
}

fn json_time(value: &Value) -> Read<Timestamp> {
    let refused = || RecordedFlaw::Time {
        text: value.to_string(),
    };
    match value {
        Value::Number(number) => number.as_f64().and_then(from_seconds).ok_or_else(refused),
        Value::String(text) => time(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(refused()),
    }
}

/// Whole milliseconds, as far as they can be told exactly: until the year 285,000.
fn from_seconds(seconds: f64) -> Option<Timestamp> {
    const MOST: f64 = 9.0e15;
    let millis = (seconds * 1000.0).round();
    // NaN and the infinities are not within.
    if !(-MOST..=MOST).contains(&millis) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number that an i64 holds")]
    let millis = millis as i64;
    Some(Timestamp::from_unix_millis(millis))
}

/// A value, or nothing for a gap.
fn number(text: &str) -> Read<Option<f64>> {
    if text.is_empty() || text == "_" || text.eq_ignore_ascii_case("null") {
        return Ok(None);
    }
    let number: f64 = text.parse().map_err(|_| RecordedFlaw::Number {
        text: text.to_owned(),
    })?;
    Ok(Some(number).filter(|number| !number.is_nan()))
}

fn json_number(value: &Value) -> Read<Option<f64>> {
    let refused = || RecordedFlaw::Number {
        text: value.to_string(),
    };
    match value {
        Value::Null => Ok(None),
        Value::Number(number) => number.as_f64().map(Some).ok_or_else(refused),
        Value::String(text) => number(text),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(refused()),
    }
}
