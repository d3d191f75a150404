//! The notation of series: `0+10x20 _x4 5x10m 7`.
//!
//! As promtool has it: items between blanks, each a value, or a value that is repeated (`x20`: 20 further ones) and may
//! rise or fall each time (`+10`). `_` is nothing, and `_x4` four times nothing; so is `error`, a source that does not answer. Beyond that, an item may last for a span of
//! time: the next one begins when it is over, and the last one holds at its end too. `...` at the end goes on with the last
//! value.
//!
//! Nothing is expanded: what was read is kept as runs.

use std::{ops::Range, time::Duration};

use thiserror::Error;

use super::super::words;
use crate::policy_test::{Ending, Point, Run, Series};

/// The most values of one series: more than a week of passes every 15 seconds.
pub(super) const MOST_VALUES: usize = 50_000;

/// What is wrong with a series, and where in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeriesProblem {
    pub(super) span: Range<usize>,
    pub(super) error: SeriesError,
}

/// What is wrong with an item of a series.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum SeriesError {
    #[error("there is no value")]
    Empty,
    #[error("`{text}` is not a value")]
    Value { text: String },
    #[error("`{text}` is larger than any number")]
    TooLarge { text: String },
    #[error("`{text}` does not say how many values it is for")]
    NoCount { text: String },
    #[error("`{text}` cannot rise or fall: it is no number")]
    NoRise { text: String },
    #[error("`{text}` is not a number of values")]
    Count { text: String },
    #[error("`{text}` is not a multiple of {}, the distance of values", words::duration_text(*.spacing))]
    OffStep { text: String, spacing: Duration },
    #[error("`{text}` is nothing at all")]
    Nothing { text: String },
    #[error("this would be more than {MOST_VALUES} values")]
    TooMany,
    #[error("`...` stands at the end, after a value")]
    Dots,
    #[error("`stale` has no value before it that could be too old")]
    NothingStale,
}

impl SeriesError {
    /// How it is written.
    pub(super) fn help(&self) -> String {
        match self {
            Self::Empty | Self::Value { .. } => {
                "write a number such as 70, 0.7, 70% or 400ms, or one of `_` (nothing), error, stale, nan, inf; blanks \
                 separate values"
                    .to_owned()
            }
            Self::TooLarge { .. } => "write a smaller number, or inf".to_owned(),
            Self::NoCount { text } => {
                format!("write {text}x20 for 20 further values, or {text}x5m for five minutes")
            }
            Self::NoRise { .. } => "repeat it as it is: _x4, nanx4".to_owned(),
            Self::Count { .. } => "write x20 for 20 further values, or x5m for five minutes".to_owned(),
            Self::OffStep { spacing, .. } => format!(
                "write a multiple of it, or set `spacing`: how far apart values are, {} here",
                words::duration_text(*spacing)
            ),
            Self::Nothing { .. } => "repeat it at least once, or leave it out".to_owned(),
            Self::TooMany => {
                "a value that stays needs no count: `...` at the end goes on with it, and a single value holds throughout"
                    .to_owned()
            }
            Self::Dots => "write it once, as the last item: `0+10x20 ...`".to_owned(),
            Self::NothingStale => "write `_`, or a value in front of it".to_owned(),
        }
    }
}

/// Reads a series whose values are `spacing` apart.
///
/// A single value without a count holds throughout.
///
/// # Errors
/// Everything that is wrong with it.
pub(super) fn parse(text: &str, spacing: Duration) -> Result<Series, Vec<SeriesProblem>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut problems = Vec::new();
    let mut ending = Ending::Stops;
    let mut total: usize = 0;
    let mut items = items(text).peekable();
    let mut last = Times::Once;
    while let Some((span, item)) = items.next() {
        let mut refuse = |error| {
            problems.push(SeriesProblem {
                span: span.clone(),
                error,
            });
        };
        if matches!(item, "..." | "…") {
            if span.start > 0 && total > 0 && items.peek().is_none() {
                ending = Ending::GoesOn;
            } else {
                refuse(SeriesError::Dots);
            }
            continue;
        }
        match run(item, spacing) {
            Err(error) => {
                refuse(error);
                // What follows is still looked at, as if something stood here.
                total = total.max(1);
            }
            Ok((run, times)) => {
                let has_value = runs.iter().any(|run| matches!(run.first, Point::Value(_)));
                if run.first == Point::Stale && !has_value && problems.is_empty() {
                    problems.push(SeriesProblem {
                        span,
                        error: SeriesError::NothingStale,
                    });
                } else if total + run.count > MOST_VALUES {
                    problems.push(SeriesProblem {
                        span,
                        error: SeriesError::TooMany,
                    });
                    break;
                }
                total += run.count;
                last = times;
                runs.push(run);
            }
        }
    }
    if total == 0 && problems.is_empty() {
        problems.push(SeriesProblem {
            span: 0..text.len(),
            error: SeriesError::Empty,
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    match (runs.as_mut_slice(), last) {
        ([_], Times::Once) => ending = Ending::GoesOn,
        ([.., run], Times::Lasting(_)) => run.count += 1,
        (_, Times::Once | Times::Further(_) | Times::Lasting(_)) => {}
    }
    Series::new(runs, ending).ok_or_else(Vec::new)
}

/// The pieces between blanks, each with its place.
fn items(text: &str) -> impl Iterator<Item = (Range<usize>, &str)> {
    let mut next = 0;
    let pieces = text.split_inclusive(char::is_whitespace).map(move |piece| {
        let start = next;
        next += piece.len();
        let item = piece.trim_end();
        (start..start + item.len(), item)
    });
    pieces.filter(|(_, item)| !item.is_empty())
}

/// How many values an item stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Times {
    /// One.
    Once,
    /// One and so many further ones; of nothing, so many.
    Further(usize),
    /// As many as there are in a span of time.
    Lasting(usize),
}

/// Reads one item.
fn run(item: &str, spacing: Duration) -> Result<(Run, Times), SeriesError> {
    let (head, times) = match item.split_once('x') {
        Some((head, times)) => (head, times_of(times, spacing)?),
        None => (item, Times::Once),
    };
    let not_a_value = || SeriesError::Value {
        text: head.to_owned(),
    };
    let (first, rest) = point(head).ok_or_else(not_a_value)?;
    let rise = match amount(rest) {
        _ if rest.is_empty() => None,
        Some((rise, "")) if rest.starts_with(['+', '-']) => Some(rise),
        Some(_) | None => return Err(not_a_value()),
    };
    let count = match (first, times) {
        (_, Times::Once) => 1,
        (Point::Missing | Point::Failed, Times::Further(count)) | (_, Times::Lasting(count)) => count,
        (Point::Value(_) | Point::Stale, Times::Further(further)) => further + 1,
    };
    if count == 0 {
        return Err(SeriesError::Nothing {
            text: item.to_owned(),
        });
    }
    check_numbers(head, first, rise, times, count)?;
    let rise = rise.unwrap_or(0.0);
    Ok((Run { first, rise, count }, times))
}

/// Refuses what is no number and is to rise, and numbers beyond all numbers.
fn check_numbers(
    head: &str,
    first: Point,
    rise: Option<f64>,
    times: Times,
    count: usize,
) -> Result<(), SeriesError> {
    let text = || head.to_owned();
    match (first, rise) {
        (Point::Value(value), None) if value.is_infinite() && !names_infinity(head) => {
            Err(SeriesError::TooLarge { text: text() })
        }
        (Point::Value(value), Some(_)) if !value.is_finite() => Err(SeriesError::NoRise { text: text() }),
        (Point::Value(_), Some(_)) if times == Times::Once => Err(SeriesError::NoCount { text: text() }),
        (Point::Value(_), Some(rise)) => {
            let whole = Run { first, rise, count };
            let is_finite = matches!(whole.at(count), Point::Value(value) if value.is_finite());
            if rise.is_finite() && is_finite {
                Ok(())
            } else {
                Err(SeriesError::TooLarge { text: text() })
            }
        }
        (Point::Stale | Point::Missing | Point::Failed, Some(_)) => Err(SeriesError::NoRise { text: text() }),
        (Point::Value(_) | Point::Stale | Point::Missing | Point::Failed, None) => Ok(()),
    }
}

/// What stands behind the `x`: a number of values, or a span of time.
fn times_of(text: &str, spacing: Duration) -> Result<Times, SeriesError> {
    let bad = || SeriesError::Count {
        text: text.to_owned(),
    };
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let times = if is_number {
        Times::Further(text.parse().unwrap_or(usize::MAX))
    } else {
        let span = words::duration(text).map_err(|_| bad())?.as_millis();
        let step = spacing.as_millis().max(1);
        if span % step != 0 {
            let text = text.to_owned();
            return Err(SeriesError::OffStep { text, spacing });
        }
        Times::Lasting(usize::try_from(span / step).unwrap_or(usize::MAX))
    };
    match times {
        Times::Further(count) | Times::Lasting(count) if count > MOST_VALUES => Err(SeriesError::TooMany),
        Times::Once | Times::Further(_) | Times::Lasting(_) => Ok(times),
    }
}

/// The value at the beginning of `text`, and the rest.
fn point(text: &str) -> Option<(Point, &str)> {
    const WORDS: [(&str, Point); 7] = [
        ("_", Point::Missing),
        ("stale", Point::Stale),
        ("error", Point::Failed),
        ("nan", Point::Value(f64::NAN)),
        ("inf", Point::Value(f64::INFINITY)),
        ("+inf", Point::Value(f64::INFINITY)),
        ("-inf", Point::Value(f64::NEG_INFINITY)),
    ];
    let word = WORDS.iter().find_map(|(word, point)| {
        let begins = text.get(..word.len())?.eq_ignore_ascii_case(word);
        begins.then(|| (*point, &text[word.len()..]))
    });
    word.or_else(|| amount(text).map(|(value, rest)| (Point::Value(value), rest)))
}

fn names_infinity(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).starts_with(['i', 'I'])
}

/// The number at the beginning of `text` with its unit, as the configuration has them (`70%` is 0.7, `400ms` is 0.4), and
/// the rest.
fn amount(text: &str) -> Option<(f64, &str)> {
    const UNITS: [(&str, f64); 3] = [("%", 100.0), ("ms", 1000.0), ("s", 1.0)];
    let (number, rest) = text.split_at(number_end(text)?);
    let number: f64 = number.parse().ok()?;
    let unit = UNITS
        .iter()
        .find_map(|(unit, parts)| Some((rest.strip_prefix(unit)?, parts)));
    Some(match unit {
        Some((rest, parts)) => (number / parts, rest),
        None => (number, rest),
    })
}

/// Where the decimal number at the beginning of `text` ends; `None` where there is none.
fn number_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let whole = digits(sign);
    let mut end = sign + whole;
    let mut parts = whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        parts += fraction;
        end += 1 + fraction;
    }
    if parts == 0 {
        return None;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    Some(end)
}

#[cfg(test)]
mod tests;
