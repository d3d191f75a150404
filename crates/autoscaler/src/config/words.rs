//! The small languages inside texts: durations, percentages, amounts, sizes, change limits, targets, URLs.
//!
//! Each text is parsed once, here. Every parser is total: any text gives a value or a reason.

use std::{borrow::Cow, time::Duration};

use headroom_policy_engine::{ChangeAmount, ChangeLimit, PolicyError};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use thiserror::Error;

/// The longest duration, 366 days: beyond what any key means, and far from overflow.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// Defines the type of a text in a small language, so that keys tell which one they take.
macro_rules! texts {
    ($($(#[$about:meta])* $name:ident = $format:literal;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
        #[serde(transparent)]
        pub(super) struct $name(pub(super) String);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": "string", "format": $format })
            }
        }
    )*};
}

texts! {
    /// A span of time, such as `"1h30m"`.
    DurationText = "duration";
    /// A number of bytes, such as `"200MB"`.
    SizeText = "size";
    /// So much change per period, such as `"4 per 15s"`.
    ChangeText = "change limit";
    /// A scale target as kubectl writes it, such as `"deployment/api"`.
    TargetText = "scale target";
    /// The base URL of a server.
    UrlText = "URL";
    /// A path, relative to the directory of its file.
    PathText = "path";
    /// A PromQL expression.
    PromqlText = "PromQL";
    /// Times that come again, such as `"0 8 * * 1-5"`.
    CronText = "cron expression";
    /// A time zone, such as `"Europe/Berlin"`.
    ZoneText = "time zone";
    /// Hours of each day, such as `"22:00-07:00"`.
    HoursText = "hours";
    /// A date and time, such as `"2026-11-27T08:00"`.
    MomentText = "date and time";
    /// Where a secret stands, such as `"env:NAME"`.
    SecretText = "secret";
}

/// A number, or a text that means one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum NumberOrText {
    Number(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for NumberOrText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = NumberOrText;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<NumberOrText, E> {
                Ok(NumberOrText::Text(text.to_owned()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<NumberOrText, E> {
                Ok(NumberOrText::Number(number))
            }

            #[expect(
                clippy::cast_precision_loss,
                reason = "whole numbers beyond 2^53 are no load or target"
            )]
            fn visit_i64<E>(self, number: i64) -> Result<NumberOrText, E> {
                Ok(NumberOrText::Number(number as f64))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

macro_rules! numbers {
    ($($(#[$about:meta])* $name:ident = $format:literal;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(transparent)]
        pub(super) struct $name(pub(super) NumberOrText);

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schemars::json_schema!({ "type": ["number", "string"], "format": $format })
            }
        }
    )*};
}

numbers! {
    /// A fraction: `"70%"` or 0.7.
    PercentageText = "percentage";
    /// A value of a metric: a number, a duration in seconds (`"2s"`) or a fraction (`"70%"`).
    AmountText = "amount";
    /// A port of pods: a number, or the name that a container gives it.
    PortText = "port";
}

/// Why a text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum WordError {
    #[error("`{text}` is not a duration")]
    Duration { text: String },
    #[error("`{text}` is longer than a year")]
    TooLong { text: String },
    #[error("`{text}` is not a percentage")]
    Percentage { text: String },
    #[error("`{text}` is neither a number, a duration nor a percentage")]
    Amount { text: String },
    #[error("`{text}` is not a size")]
    Size { text: String },
    #[error("`{text}` is not a change limit")]
    Change { text: String },
    #[error("{0}")]
    ChangeRange(String),
    #[error("`{text}` is not a scale target")]
    Target { text: String },
    #[error("`{part}` is not a DNS label")]
    Label { part: String },
    #[error("`{text}` is no part of a day")]
    Hours { text: String },
    #[error("`{text}` is not a port")]
    Port { text: String },
    #[error("`{text}` is not a URL of a server: {reason}")]
    Url { text: String, reason: &'static str },
}

impl WordError {
    /// How such a text is written.
    pub(super) const fn help(&self) -> &'static str {
        match self {
            Self::Duration { .. } => {
                "write a whole number with a unit, the largest unit first: \"15s\", \"5m\", \"1h30m\", \"500ms\", \"7d\""
            }
            Self::TooLong { .. } => "nothing here looks back or ahead so far",
            Self::Percentage { .. } => "write \"70%\", or 0.7",
            Self::Amount { .. } => "write 100, \"2s\" (2, for values in seconds) or \"70%\" (0.7)",
            Self::Size { .. } => "write a whole number with a unit: \"200MB\", \"1GiB\"",
            Self::Change { .. } | Self::ChangeRange(_) => {
                "write \"4 per 15s\" (replicas) or \"100% per 15s\" (of the count at the start of the period)"
            }
            Self::Target { .. } => {
                "write KIND[.GROUP]/NAME as kubectl does: \"deployment/api\", \"rollouts.argoproj.io/api\""
            }
            Self::Label { .. } => {
                "a DNS label is 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
            }
            Self::Hours { .. } => "write two times of a day, from and until: \"22:00-07:00\"",
            Self::Port { .. } => {
                "write a number from 1 to 65535, or the name that a container gives its port: \"metrics\""
            }
            Self::Url { .. } => "write it as \"http://prometheus:9090\" or \"https://HOST[:PORT][/PATH]\"",
        }
    }
}

/// The units of durations from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 6] = [
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A span of time as Prometheus writes it: whole numbers with units, each unit at most once, the largest first.
pub(super) fn duration(text: &str) -> Result<Duration, WordError> {
    let bad = || WordError::Duration {
        text: text.to_owned(),
    };
    let too_long = || WordError::TooLong {
        text: text.to_owned(),
    };
    let mut rest = text;
    let mut larger = u64::MAX;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (digits, after) = split(rest, |symbol| symbol.is_ascii_digit());
        let (unit, after) = split(after, |symbol| symbol.is_ascii_alphabetic());
        let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        if digits.is_empty() || *millis >= larger {
            return Err(bad());
        }
        let number: u64 = digits.parse().map_err(|_| too_long())?;
        let part = number.checked_mul(*millis).ok_or_else(too_long)?;
        total = total.checked_add(part).ok_or_else(too_long)?;
        (larger, rest) = (*millis, after);
    }
    let span = Duration::from_millis(total);
    if text.is_empty() {
        Err(bad())
    } else if span > LONGEST {
        Err(too_long())
    } else {
        Ok(span)
    }
}

/// `span` as [`duration`] reads it. What is below a millisecond is dropped.
pub(super) fn duration_text(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        // Weeks are read and not written: "14d" says more.
        if unit != "w" && rest >= millis {
            text.push_str(&format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// `text` up to the first character that is not `wanted`, and the rest.
fn split(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|symbol| !wanted(symbol)).unwrap_or(text.len());
    text.split_at(end)
}

/// A plain decimal number: digits with at most one point, without sign, exponent or words.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = text.parse().ok()?;
    (plain && number.is_finite()).then_some(number)
}

/// A fraction: `"70%"` is 0.7.
pub(super) fn percentage(text: &str) -> Result<f64, WordError> {
    text.strip_suffix('%')
        .and_then(|number| decimal(number.trim_end()))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| WordError::Percentage {
            text: text.to_owned(),
        })
}

/// A value of a metric: a duration in seconds, a fraction, or a plain number.
pub(super) fn amount(text: &str) -> Result<f64, WordError> {
    duration(text)
        .map(|span| span.as_secs_f64())
        .or_else(|_| percentage(text))
        .ok()
        .or_else(|| decimal(text))
        .ok_or_else(|| WordError::Amount {
            text: text.to_owned(),
        })
}

/// A number of bytes.
pub(super) fn size(text: &str) -> Result<u64, WordError> {
    let bad = || WordError::Size {
        text: text.to_owned(),
    };
    let (digits, unit) = split(text, |symbol| symbol.is_ascii_digit());
    let factor = match unit.trim_start() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(factor).ok_or_else(bad)
}

/// So much change per period: `"4 per 15s"`, `"100% per 15s"`.
pub(super) fn change(text: &str) -> Result<ChangeLimit, WordError> {
    let bad = || WordError::Change {
        text: text.to_owned(),
    };
    let (much, period) = text.split_once(" per ").ok_or_else(bad)?;
    let much = much.trim();
    let (digits, is_percent) = match much.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), true),
        None => (much, false),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let number: u32 = digits.parse().map_err(|_| bad())?;
    let amount = if is_percent {
        ChangeAmount::Percent(number)
    } else {
        ChangeAmount::Replicas(number)
    };
    let period = duration(period.trim())?;
    ChangeLimit::new(amount, period).map_err(|error: PolicyError| WordError::ChangeRange(error.to_string()))
}

/// An object in a cluster, without its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TargetWords {
    pub(super) kind: String,
    pub(super) version: Option<String>,
    pub(super) group: Option<String>,
    pub(super) name: String,
}

/// The kinds that have one usual group, with the ways kubectl takes them.
const KINDS: [(&str, &str, &[&str]); 4] = [
    ("deployment", "apps", &["deployments", "deploy"]),
    ("statefulset", "apps", &["statefulsets", "sts"]),
    ("replicaset", "apps", &["replicasets", "rs"]),
    ("replicationcontroller", "", &["replicationcontrollers", "rc"]),
];

/// Whether `label` is a version of an API as Kubernetes has them: `v1`, `v2beta1`, `v1alpha1`.
fn is_version(label: &str) -> bool {
    let Some(rest) = label.strip_prefix('v') else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let stages = ["alpha", "beta"]
        .into_iter()
        .find_map(|stage| rest.split_once(stage));
    stages.map_or_else(|| digits(rest), |(major, minor)| digits(major) && digits(minor))
}

/// A scale target `KIND[[.VERSION].GROUP]/NAME`. Kinds that kubectl knows by several words become one, so that two ways of
/// writing one target are equal.
pub(super) fn target(text: &str) -> Result<TargetWords, WordError> {
    let bad = || WordError::Target {
        text: text.to_owned(),
    };
    let (kind, name) = text.split_once('/').ok_or_else(bad)?;
    let (kind, group) = match kind.split_once('.') {
        Some((kind, group)) => (kind, Some(group)),
        None => (kind, None),
    };
    if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_alphanumeric()) || group == Some("") {
        return Err(bad());
    }
    let (version, group) = match group.and_then(|group| group.split_once('.')) {
        Some((first, rest)) if is_version(first) => (Some(first), Some(rest)),
        Some(_) | None => (None, group),
    };
    let labels = group.into_iter().flat_map(|group| group.split('.'));
    // An object's name may be a DNS subdomain: labels with points between.
    if let Some(part) = labels
        .chain(name.split('.'))
        .find(|part| !headroom_policy_engine::is_dns_label(part))
    {
        return Err(WordError::Label {
            part: part.to_owned(),
        });
    }
    let kind = kind.to_ascii_lowercase();
    let known = KINDS
        .iter()
        .find(|(one, _, others)| *one == kind || others.contains(&kind.as_str()));
    let usual = known.is_some_and(|(_, usual, _)| {
        group.is_none_or(|group| group == *usual) && version.is_none_or(|version| version == "v1")
    });
    Ok(match known {
        Some((one, _, _)) if usual => TargetWords {
            kind: (*one).to_owned(),
            version: None,
            group: None,
            name: name.to_owned(),
        },
        Some(_) | None => TargetWords {
            kind,
            version: version.map(str::to_owned),
            group: group.map(str::to_owned),
            name: name.to_owned(),
        },
    })
}

/// From one time of a day until another, which may be on the next day.
pub(super) fn hours(text: &str) -> Result<(jiff::civil::Time, jiff::civil::Time), WordError> {
    let time = |part: &str| {
        let (hour, minute) = part.trim().split_once(':')?;
        let number = |digits: &str| {
            let is_plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| digits.parse().ok()).flatten()
        };
        jiff::civil::Time::new(number(hour)?, number(minute)?, 0, 0).ok()
    };
    let read = || {
        let (from, until) = text.split_once('-')?;
        let (from, until) = (time(from)?, time(until)?);
        (from != until).then_some((from, until))
    };
    read().ok_or_else(|| WordError::Hours {
        text: text.to_owned(),
    })
}

/// The base URL of a server, without a slash at its end. User and password do not belong in it.
pub(super) fn url(text: &str) -> Result<String, WordError> {
    let bad = |reason| WordError::Url {
        text: hide_password(text),
        reason,
    };
    let rest = text
        .strip_prefix("http://")
        .or_else(|| text.strip_prefix("https://"))
        .ok_or_else(|| bad("it needs http:// or https:// in front"))?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(bad("a user and password have keys of their own"));
    }
    if path.contains(['?', '#']) {
        return Err(bad("a base URL has no `?` and no `#`"));
    }
    if text
        .chars()
        .any(|symbol| symbol.is_whitespace() || symbol.is_control())
    {
        return Err(bad("it has a blank in it"));
    }
    let (host, port) = match authority.strip_prefix('[') {
        // An IPv6 address stands in brackets.
        Some(rest) => rest
            .split_once(']')
            .filter(|(host, _)| host.parse::<std::net::Ipv6Addr>().is_ok())
            .ok_or_else(|| bad("its IPv6 address is not one"))?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(bad("it has no host"));
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => {}
        Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => {}
        Some(_) | None => return Err(bad("its port is not one")),
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// `text` without what stands before an `@`, which may be a password.
fn hide_password(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
