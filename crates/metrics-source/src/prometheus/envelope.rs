//! What an answer of the HTTP API says: the value, `warnings` and `infos`, or the server's own words for an error.
//!
//! The API client's own reading drops `warnings` and `infos`, which is why this one exists.

use std::fmt;

use headroom_policy_engine::Timestamp;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::ObserveError;

/// The most characters that are kept of what a server says.
const LONGEST_MESSAGE: usize = 300;
/// The most of `warnings`, and of `infos`, that are kept of one answer.
const MOST_REMARKS: usize = 5;

/// An answer's body, and what the server says it is.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: Option<String>,
}

/// What the server answered to one query.
#[derive(Debug)]
pub(super) struct QueryAnswer {
    pub(super) data: QueryData,
    /// Its `warnings` and `infos`, in its own words.
    pub(super) remarks: Vec<String>,
}

/// The value of a query, by its type.
#[derive(Debug)]
pub(super) enum QueryData {
    Scalar(Point),
    Vector(Vec<Series>),
    Matrix(Vec<Series>),
    /// Another type, by its name.
    Other(String),
}

/// One series of an answer.
#[derive(Debug)]
pub(super) struct Series {
    /// Its label `job`; empty where it has none.
    pub(super) job: String,
    /// One point of a vector, several of a matrix; none where it holds histograms.
    pub(super) points: Vec<Point>,
}

/// A value, and the time it stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) at: Timestamp,
    pub(super) value: f64,
}

impl QueryAnswer {
    /// Reads the envelope of a query's answer.
    pub(super) fn read(body: &Body) -> Result<Self, ObserveError> {
        let envelope: Envelope = parse(body)?;
        match envelope.status.as_str() {
            "success" => {}
            // Some proxies answer 200 whatever happened.
            "error" => {
                let message = envelope.error.unwrap_or_default();
                return Err(ObserveError::Rejected {
                    status: 200,
                    message: shortened(&message, LONGEST_MESSAGE),
                });
            }
            other => {
                let status = shortened(other, 40);
                return Err(malformed(&format!(
                    "its status is \"{status}\", which is not of the Prometheus API"
                )));
            }
        }
        let data = envelope.data.ok_or_else(|| malformed("it has no data"))?;
        let remarks = [envelope.warnings, envelope.infos]
            .into_iter()
            .flat_map(|texts| texts.unwrap_or_default().into_iter().take(MOST_REMARKS))
            .map(|text| shortened(&text, LONGEST_MESSAGE))
            .collect();
        Ok(Self {
            data: data.try_into()?,
            remarks,
        })
    }

    /// The one number that was wanted.
    pub(super) fn one_number(&self) -> Result<Point, ObserveError> {
        let point = match &self.data {
            QueryData::Scalar(point) => *point,
            QueryData::Vector(series) => match series.as_slice() {
                [] => return Err(ObserveError::NoData),
                [one] => *one.points.first().ok_or_else(|| wrong_type("histogram"))?,
                several => {
                    return Err(ObserveError::Ambiguous {
                        found: u32::try_from(several.len()).unwrap_or(u32::MAX),
                    });
                }
            },
            QueryData::Matrix(_) => return Err(wrong_type("matrix")),
            QueryData::Other(name) => return Err(wrong_type(name)),
        };
        if point.value.is_nan() {
            Err(ObserveError::NotANumber)
        } else if point.value.is_infinite() {
            Err(ObserveError::Infinite)
        } else {
            Ok(point)
        }
    }

    /// The series that a range query gives, one of which is that of a scalar.
    pub(super) fn series(self) -> Result<Vec<Series>, ObserveError> {
        match self.data {
            QueryData::Matrix(series) => Ok(series),
            QueryData::Scalar(_) => Err(wrong_type("scalar")),
            QueryData::Vector(_) => Err(wrong_type("vector")),
            QueryData::Other(name) => Err(wrong_type(&name)),
        }
    }

    /// One number for each job: what the helper queries, `… by (job)`, give.
    pub(super) fn by_job(&self) -> Result<Vec<(&str, f64)>, ObserveError> {
        match &self.data {
            QueryData::Vector(series) => Ok(series
                .iter()
                .filter_map(|one| Some((one.job.as_str(), one.points.first()?.value)))
                .filter(|(_, value)| value.is_finite())
                .collect()),
            QueryData::Scalar(_) => Err(wrong_type("scalar")),
            QueryData::Matrix(_) => Err(wrong_type("matrix")),
            QueryData::Other(name) => Err(wrong_type(name)),
        }
    }
}

/// Reads JSON, or says what came in its place.
pub(super) fn parse<'b, T: Deserialize<'b>>(body: &'b Body) -> Result<T, ObserveError> {
    serde_json::from_slice(&body.bytes).map_err(|error| malformed(&describe(body, &error)))
}

/// The server's own words in an answer that is an error.
pub(super) fn error_message(body: &Body) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(alias = "message")]
        error: String,
    }
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(&body.bytes) {
        return shortened(&refusal.error, LONGEST_MESSAGE);
    }
    let text = String::from_utf8_lossy(&body.bytes);
    let text = text.trim();
    if text.is_empty() {
        "without a word".to_owned()
    } else if is_html(body) {
        title(text).map_or_else(
            || "an HTML page".to_owned(),
            |title| format!("an HTML page, \"{}\"", shortened(title, LONGEST_MESSAGE)),
        )
    } else {
        shortened(text, LONGEST_MESSAGE)
    }
}

/// On one line, without control characters, at most `limit` characters.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
        if shown.len() > limit.saturating_mul(4) {
            break;
        }
    }
    match shown.char_indices().nth(limit) {
        None => shown,
        Some((end, _)) => format!("{}…", &shown[..end]),
    }
}

/// What came where JSON was wanted.
fn describe(body: &Body, error: &serde_json::Error) -> String {
    let content_type = body
        .content_type
        .as_ref()
        .map(|name| format!(" (content-type {name})"))
        .unwrap_or_default();
    if body.bytes.iter().all(u8::is_ascii_whitespace) {
        format!("it is empty{content_type}")
    } else if is_html(body) {
        format!("it is an HTML page{content_type}: is this the URL of a Prometheus?")
    } else if error.is_eof() {
        format!(
            "its JSON breaks off after {} bytes{content_type}",
            body.bytes.len()
        )
    } else if error.is_syntax() {
        format!("it is not JSON{content_type}: {error}")
    } else {
        format!(
            "its JSON is not that of the Prometheus API: {}",
            shortened(&error.to_string(), LONGEST_MESSAGE)
        )
    }
}

fn is_html(body: &Body) -> bool {
    body.content_type
        .as_ref()
        .is_some_and(|name| name.contains("html"))
        || body.bytes.trim_ascii_start().first() == Some(&b'<')
}

fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    Some(rest.split_once('<')?.0)
}

fn malformed(reason: &str) -> ObserveError {
    ObserveError::Malformed {
        reason: reason.to_owned(),
    }
}

fn wrong_type(got: &str) -> ObserveError {
    ObserveError::WrongType { got: got.to_owned() }
}

#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<RawData>,
    error: Option<String>,
    warnings: Option<Vec<String>>,
    infos: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawData {
    result_type: String,
    result: Vec<Item>,
}

/// An item of `result`: a series of a vector or matrix, or half of a scalar, `[time, "value"]`.
enum Item {
    Time(f64),
    Value(String),
    Series(RawSeries),
}

#[derive(Deserialize)]
struct RawSeries {
    #[serde(default)]
    metric: Labels,
    value: Option<RawPoint>,
    #[serde(default)]
    values: Vec<RawPoint>,
}

/// The labels of a series, of which one is of use here.
#[derive(Default, Deserialize)]
struct Labels {
    #[serde(default)]
    job: String,
}

#[derive(Deserialize)]
struct RawPoint(f64, String);

impl TryFrom<RawData> for QueryData {
    type Error = ObserveError;

    fn try_from(raw: RawData) -> Result<Self, ObserveError> {
        match raw.result_type.as_str() {
            "scalar" => match raw.result.as_slice() {
                [Item::Time(time), Item::Value(value)] => Ok(Self::Scalar(point(*time, value)?)),
                _ => Err(malformed("its scalar is not a time and a value")),
            },
            "vector" => Ok(Self::Vector(all_series(raw.result)?)),
            "matrix" => Ok(Self::Matrix(all_series(raw.result)?)),
            other => Ok(Self::Other(shortened(other, 40))),
        }
    }
}

fn all_series(items: Vec<Item>) -> Result<Vec<Series>, ObserveError> {
    let series = |item| match item {
        Item::Series(raw) => Ok(Series {
            job: raw.metric.job,
            points: raw
                .value
                .iter()
                .chain(&raw.values)
                .map(|RawPoint(time, value)| point(*time, value))
                .collect::<Result<_, _>>()?,
        }),
        Item::Time(_) | Item::Value(_) => Err(malformed("its result holds something other than series")),
    };
    items.into_iter().map(series).collect()
}

fn point(time: f64, value: &str) -> Result<Point, ObserveError> {
    // Rust reads "NaN", "+Inf" and "-Inf" as Prometheus writes them.
    let value = value
        .parse()
        .map_err(|_| malformed(&format!("the value \"{}\" is not a number", shortened(value, 40))))?;
    Ok(Point {
        at: timestamp(time),
        value,
    })
}

/// The moment `seconds` after the Unix epoch, to the millisecond.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a cast from float saturates, as times here do"
)]
pub(super) fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_unix_millis((seconds * 1000.0).round() as i64)
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a series, or a time and a value")
    }

    fn visit_f64<E>(self, value: f64) -> Result<Item, E> {
        Ok(Item::Time(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "a time in seconds is far below 2^53")]
    fn visit_u64<E>(self, value: u64) -> Result<Item, E> {
        Ok(Item::Time(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "a time in seconds is far below 2^53")]
    fn visit_i64<E>(self, value: i64) -> Result<Item, E> {
        Ok(Item::Time(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> Result<Item, E> {
        Ok(Item::Value(value.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Item, A::Error> {
        RawSeries::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(Item::Series)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Item, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Err(serde::de::Error::custom("a list where a series was meant"))
    }
}
