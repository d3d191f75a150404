//! The samples of one text, one for each series: what becomes of a series that stands there twice.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::{self, Write as _},
};

use headroom_policy_engine::Timestamp;

use super::{Label, NAME, Sample};

/// One sample for each series, ordered by series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    by_series: BTreeMap<Box<str>, Measured>,
}

/// What was measured of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The value, which may be NaN or infinite.
    pub value: f64,
    /// When: as the text says, or the time of the scrape.
    pub at: Timestamp,
}

impl Samples {
    /// Adds a sample of a text that was read at `now`. Of two samples of a series the first stays, unless the other
    /// says that it is newer: as in Prometheus.
    pub fn add(&mut self, sample: &Sample<'_, '_>, now: Timestamp) {
        let measured = Measured {
            value: sample.value(),
            at: sample.timestamp().unwrap_or(now),
        };
        match self.by_series.entry(sample.series().into_boxed_str()) {
            Entry::Vacant(place) => {
                place.insert(measured);
            }
            Entry::Occupied(mut before) => {
                if sample.timestamp().is_some() && measured.at > before.get().at {
                    before.insert(measured);
                }
            }
        }
    }

    /// Each series, as PromQL writes it, with its sample.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Measured)> {
        self.by_series
            .iter()
            .map(|(series, measured)| (&**series, *measured))
    }

    /// Whether there is a sample of `series`, as PromQL writes it.
    #[must_use]
    pub fn contains(&self, series: &str) -> bool {
        self.by_series.contains_key(series)
    }

    /// How many series there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_series.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_series.is_empty()
    }
}

/// Writes `name{a="b"}`, or `{"a name", a="b"}` where the name is not a plain one.
pub(super) fn write_series(text: &mut String, labels: &[Label<'_>]) -> fmt::Result {
    let name = labels.iter().find(|label| label.name == NAME);
    let name = name.map_or("", |label| &label.value);
    let mut separator = "{";
    if is_plain(name, ":") {
        text.push_str(name);
    } else {
        write!(text, "{{{}", Quoted(name))?;
        separator = ",";
    }
    let before = text.len();
    for label in labels.iter().filter(|label| label.name != NAME) {
        text.push_str(separator);
        separator = ",";
        if is_plain(&label.name, "") {
            text.push_str(&label.name);
        } else {
            write!(text, "{}", Quoted(&label.name))?;
        }
        write!(text, "={}", Quoted(&label.value))?;
    }
    if text.len() > before || !is_plain(name, ":") {
        text.push('}');
    }
    Ok(())
}

fn is_plain(name: &str, besides: &str) -> bool {
    let may_follow = |c: char| c.is_ascii_alphanumeric() || c == '_' || besides.contains(c);
    !name.is_empty() && name.chars().all(may_follow) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A text in quotes, with the three escapes of the format.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                plain => f.write_char(plain)?,
            }
        }
        f.write_char('"')
    }
}
