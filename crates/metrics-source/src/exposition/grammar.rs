//! The grammar of both text formats, token by token as Prometheus' own lexers have it.

use std::borrow::Cow;

use headroom_policy_engine::Timestamp;
use winnow::{
    Parser,
    ascii::digit1,
    combinator::{alt, delimited, opt, preceded, repeat, terminated},
    error::{AddContext, ParserError},
    stream::Stream,
    token::{literal, none_of, one_of, take_till, take_while},
};

use super::{Flaw, Format, Label, MetricKind, NAME, number};

type Input<'t> = &'t [u8];
type Parsed<T> = Result<T, Flaw>;

impl<'t> ParserError<Input<'t>> for Flaw {
    type Inner = Self;

    fn from_input(_: &Input<'t>) -> Self {
        Self::Expected("something else")
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

impl<'t> AddContext<Input<'t>, &'static str> for Flaw {
    fn add_context(self, _: &Input<'t>, _: &<Input<'t> as Stream>::Checkpoint, what: &'static str) -> Self {
        Self::Expected(what)
    }
}

/// What one line says; the labels of a sample stand in the sheet.
pub(super) enum Line<'t> {
    /// The text is over.
    End,
    /// A comment, a help text, a unit, a blank line.
    Nothing,
    Type {
        name: &'t str,
        kind: MetricKind,
    },
    Sample {
        value: f64,
        timestamp: Option<Timestamp>,
    },
}

/// What reading a line needs to know of the lines before, and where it writes labels.
pub(super) struct Sheet<'t, 'p> {
    pub(super) format: Format,
    pub(super) kind: MetricKind,
    pub(super) labels: &'p mut Vec<Label<'t>>,
}

impl<'t> Sheet<'t, '_> {
    /// Reads one line, and leaves `input` behind it, or where it does not parse.
    pub(super) fn line(&mut self, input: &mut Input<'t>) -> Parsed<Line<'t>> {
        match self.format {
            Format::Prometheus => self.prometheus_line(input),
            Format::OpenMetrics => self.open_metrics_line(input),
        }
    }

    fn prometheus_line(&mut self, input: &mut Input<'t>) -> Parsed<Line<'t>> {
        blanks(input)?;
        match input.first() {
            None => Ok(Line::End),
            Some(b'\n') => line_end(input).map(|()| Line::Nothing),
            Some(b'#') => prometheus_comment(input),
            Some(_) => {
                self.series(input)?;
                let value = (blanks, take_till(0.., (b'{', b' ', b'\t', b'\n')))
                    .map(|(_, text)| text)
                    .parse_next(input)?;
                let value = float(value)?;
                let digits = (blanks, opt(digit1), blanks)
                    .map(|(_, digits, _)| digits)
                    .parse_next(input)?;
                let timestamp = digits.map(milliseconds).transpose()?;
                line_end(input)?;
                Ok(Line::Sample { value, timestamp })
            }
        }
    }

    fn open_metrics_line(&mut self, input: &mut Input<'t>) -> Parsed<Line<'t>> {
        match input.first() {
            None => Err(Flaw::NoEof),
            Some(b'#') => open_metrics_comment(input),
            Some(_) => {
                self.series(input)?;
                let value = float(spaced_word.context("a space and a value").parse_next(input)?)?;
                let exemplar_starts = |input: &mut Input<'t>| opt(literal(" # {")).parse_next(input);
                let mut has_exemplar = exemplar_starts(input)?.is_some();
                let mut timestamp = None;
                if !has_exemplar && input.first() == Some(&b' ') {
                    let word = spaced_word.context("a timestamp").parse_next(input)?;
                    timestamp = Some(seconds(word)?);
                    has_exemplar = exemplar_starts(input)?.is_some();
                }
                if has_exemplar {
                    exemplar(input)?;
                }
                if input.is_empty() {
                    return Err(Flaw::NoEof);
                }
                line_end(input)?;
                Ok(Line::Sample { value, timestamp })
            }
        }
    }

    /// A metric's name and its labels, the name before the braces or, in quotes, within them.
    fn series(&mut self, input: &mut Input<'t>) -> Parsed<()> {
        self.labels.clear();
        let name = opt(metric_name).parse_next(input)?;
        if let Some(name) = name {
            self.labels.push(self.label(NAME.as_bytes(), name)?);
            if self.format == Format::Prometheus {
                blanks(input)?;
            }
        }
        let brace = opt(b'{').parse_next(input)?;
        match (name, brace) {
            (None, None) => return Err(Flaw::Expected("a metric's name, `{` or `#`")),
            (Some(_), None) => {}
            (_, Some(_)) => self.label_set(input, name.is_some())?,
        }
        self.order_labels()
    }

    fn label_set(&mut self, input: &mut Input<'t>, named_before: bool) -> Parsed<()> {
        let mut is_named = named_before;
        let place = Place::Series(self.format);
        braces(input, place, |part| {
            let (name, value) = match part {
                Part::Name(_) if is_named => return Err(Flaw::NameTwice),
                Part::Name(name) => {
                    is_named = true;
                    (NAME.as_bytes(), name)
                }
                Part::Label(name, value) => (name, value),
            };
            self.labels.push(self.label(name, value)?);
            Ok(())
        })?;
        if is_named { Ok(()) } else { Err(Flaw::NoName) }
    }

    fn label(&self, name: &'t [u8], value: &'t [u8]) -> Parsed<Label<'t>> {
        let name = unescape(utf8(name)?);
        let value = unescape(utf8(value)?);
        if name.is_empty() {
            return Err(Flaw::Expected("a label's name"));
        }
        let is_bound = match self.kind {
            MetricKind::Histogram => name == "le",
            MetricKind::Summary => name == "quantile",
            MetricKind::Counter
            | MetricKind::Gauge
            | MetricKind::GaugeHistogram
            | MetricKind::Info
            | MetricKind::StateSet
            | MetricKind::Unknown => false,
        };
        let bound = is_bound.then(|| number::parse(&value)).flatten();
        let value = bound.map_or(value, |bound| Cow::Owned(number::canonical(bound)));
        Ok(Label { name, value })
    }

    fn order_labels(&mut self) -> Parsed<()> {
        self.labels.sort_unstable();
        if self.labels.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(Flaw::LabelTwice);
        }
        self.labels.retain(|label| !label.value.is_empty());
        if self.labels.iter().any(|label| label.name == NAME) {
            Ok(())
        } else {
            Err(Flaw::NoName)
        }
    }
}

fn prometheus_comment<'t>(input: &mut Input<'t>) -> Parsed<Line<'t>> {
    b'#'.parse_next(input)?;
    let is_spaced = !blanks(input)?.is_empty();
    let keyword = if is_spaced {
        let keywords = alt((
            literal("HELP").value(Keyword::Help),
            literal("TYPE").value(Keyword::Type),
        ));
        opt(terminated(keywords, take_while(1.., (b' ', b'\t')))).parse_next(input)?
    } else {
        None
    };
    let line = match keyword {
        None => {
            take_till(0.., b'\n').parse_next(input)?;
            Line::Nothing
        }
        Some(keyword) => {
            let name = described_name(input)?;
            let text = take_till(0.., b'\n').parse_next(input)?;
            // Whatever stands between the name and the text, it is one byte.
            keyword.line(name, text.get(1..).unwrap_or_default(), Format::Prometheus)?
        }
    };
    line_end(input)?;
    Ok(line)
}

fn open_metrics_comment<'t>(input: &mut Input<'t>) -> Parsed<Line<'t>> {
    let keyword = alt((
        literal("# HELP ").value(Keyword::Help),
        literal("# TYPE ").value(Keyword::Type),
        literal("# UNIT ").value(Keyword::Unit),
        literal("# EOF").value(Keyword::Eof),
    ))
    .context("# HELP, # TYPE, # UNIT or # EOF")
    .parse_next(input)?;
    if keyword == Keyword::Eof {
        opt(b'\n').parse_next(input)?;
        return if input.is_empty() {
            Ok(Line::End)
        } else {
            Err(Flaw::AfterEof)
        };
    }
    let name = described_name(input)?;
    let text = preceded(b' ', take_till(0.., b'\n'))
        .context("a space and a text")
        .parse_next(input)?;
    if input.is_empty() {
        return Err(Flaw::NoEof);
    }
    let line = keyword.line(name, text, Format::OpenMetrics)?;
    line_end(input)?;
    Ok(line)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keyword {
    Help,
    Type,
    Unit,
    Eof,
}

impl Keyword {
    fn line<'t>(self, name: &'t [u8], text: &'t [u8], format: Format) -> Parsed<Line<'t>> {
        match self {
            Self::Help => utf8(text).map(|_| Line::Nothing),
            Self::Type => Ok(Line::Type {
                name: utf8(name)?,
                kind: kind(text, format)?,
            }),
            Self::Unit => {
                let is_suffix = name.strip_suffix(text).is_some_and(|stem| stem.ends_with(b"_"));
                if is_suffix || text.is_empty() {
                    Ok(Line::Nothing)
                } else {
                    Err(Flaw::UnitNotInName)
                }
            }
            Self::Eof => Ok(Line::End),
        }
    }
}

fn kind(text: &[u8], format: Format) -> Parsed<MetricKind> {
    match (text, format) {
        (b"counter", _) => Ok(MetricKind::Counter),
        (b"gauge", _) => Ok(MetricKind::Gauge),
        (b"histogram", _) => Ok(MetricKind::Histogram),
        (b"summary", _) => Ok(MetricKind::Summary),
        (b"untyped", Format::Prometheus) | (b"unknown", Format::OpenMetrics) => Ok(MetricKind::Unknown),
        (b"gaugehistogram", Format::OpenMetrics) => Ok(MetricKind::GaugeHistogram),
        (b"info", Format::OpenMetrics) => Ok(MetricKind::Info),
        (b"stateset", Format::OpenMetrics) => Ok(MetricKind::StateSet),
        (_, Format::Prometheus | Format::OpenMetrics) => Err(Flaw::UnknownType),
    }
}

/// Where braces stand, which decides how strict they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Series(Format),
    Exemplar,
}

/// One part of what stands in braces, in the text's own bytes.
enum Part<'t> {
    /// A text in quotes alone: the metric's name.
    Name(&'t [u8]),
    Label(&'t [u8], &'t [u8]),
}

/// Reads what follows an opening brace, up to and with the closing one.
fn braces<'t>(
    input: &mut Input<'t>,
    place: Place,
    mut each: impl FnMut(Part<'t>) -> Parsed<()>,
) -> Parsed<()> {
    let is_lenient = place == Place::Series(Format::Prometheus);
    let gap = |input: &mut Input<'t>| {
        if is_lenient {
            blanks(input).map(drop)
        } else {
            Ok(())
        }
    };
    // Prometheus lets texts go on over the end of a line wherever this does.
    let name_lines = if place == Place::Exemplar {
        Newline::Refused
    } else {
        Newline::Part
    };
    let value_lines = if is_lenient {
        Newline::Part
    } else {
        Newline::Refused
    };
    loop {
        gap(input)?;
        if opt(b'}').parse_next(input)?.is_some() {
            return Ok(());
        }
        let quote = input.first() == Some(&b'"');
        let name = if quote {
            quoted(input, name_lines)?
        } else {
            label_name(input)?
        };
        gap(input)?;
        if quote && place != Place::Exemplar && matches!(input.first(), Some(b',' | b'}')) {
            each(Part::Name(name))?;
            opt(b',').parse_next(input)?;
            continue;
        }
        b'='.context("`=`").parse_next(input)?;
        gap(input)?;
        let value = quoted(input, value_lines)?;
        each(Part::Label(name, value))?;
        gap(input)?;
        let comma = opt(b',').parse_next(input)?;
        if comma.is_none() && !is_lenient && input.first() != Some(&b'}') {
            return Err(Flaw::Expected("`,` or `}`"));
        }
    }
}

/// What follows ` # {`. Exemplars are checked, and not kept.
fn exemplar(input: &mut Input<'_>) -> Parsed<()> {
    braces(input, Place::Exemplar, |part| match part {
        Part::Name(_) => Err(Flaw::Expected("a label")),
        Part::Label(_, value) => utf8(value).map(|_| ()),
    })?;
    float(spaced_word.context("the exemplar's value").parse_next(input)?)?;
    if input.first() == Some(&b' ') {
        seconds(
            spaced_word
                .context("the exemplar's timestamp")
                .parse_next(input)?,
        )?;
    }
    Ok(())
}

/// Whether a text in quotes may go on over the end of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Newline {
    Part,
    Refused,
}

/// What stands between two quotes, with its escapes.
fn quoted<'t>(input: &mut Input<'t>, newline: Newline) -> Parsed<&'t [u8]> {
    let plain = take_while(1.., move |byte: u8| {
        byte != b'"' && byte != b'\\' && (byte != b'\n' || newline == Newline::Part)
    })
    .void();
    let escape = (b'\\', none_of(b'\n')).void();
    let inside = repeat(0.., alt((plain, escape))).map(|()| ()).take();
    delimited(
        b'"'.context("a text in quotes"),
        inside,
        b'"'.context("the closing quote"),
    )
    .parse_next(input)
}

fn described_name<'t>(input: &mut Input<'t>) -> Parsed<&'t [u8]> {
    if input.first() == Some(&b'"') {
        quoted(input, Newline::Part)
    } else {
        metric_name.context("a metric's name").parse_next(input)
    }
}

fn metric_name<'t>(input: &mut Input<'t>) -> Parsed<&'t [u8]> {
    let first = one_of(|byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':');
    let others = take_while(0.., |byte: u8| {
        byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':'
    });
    (first, others).take().parse_next(input)
}

fn label_name<'t>(input: &mut Input<'t>) -> Parsed<&'t [u8]> {
    let first = one_of(|byte: u8| byte.is_ascii_alphabetic() || byte == b'_');
    let others = take_while(0.., |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_');
    (first, others).take().context("a label's name").parse_next(input)
}

fn blanks<'t>(input: &mut Input<'t>) -> Parsed<&'t [u8]> {
    take_while(0.., (b' ', b'\t')).parse_next(input)
}

/// A space, and what follows up to the next space or the end of the line.
fn spaced_word<'t>(input: &mut Input<'t>) -> Parsed<&'t [u8]> {
    (b' ', take_till(1.., (b' ', b'\n')))
        .map(|(_, word)| word)
        .parse_next(input)
}

fn line_end(input: &mut Input<'_>) -> Parsed<()> {
    if input.is_empty() {
        return Ok(());
    }
    b'\n'.void().context("the end of the line").parse_next(input)
}

fn float(text: &[u8]) -> Parsed<f64> {
    let text = std::str::from_utf8(text).map_err(|_| Flaw::NotANumber)?;
    number::parse(text).ok_or(Flaw::NotANumber)
}

fn milliseconds(digits: &[u8]) -> Parsed<Timestamp> {
    let text = utf8(digits)?;
    text.parse()
        .map(Timestamp::from_unix_millis)
        .map_err(|_| Flaw::NotATime)
}

fn seconds(text: &[u8]) -> Parsed<Timestamp> {
    let seconds = float(text).map_err(|_| Flaw::NotATime)?;
    if !seconds.is_finite() {
        return Err(Flaw::NotATime);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole milliseconds, and the ends saturate"
    )]
    let millis = (seconds * 1000.0) as i64;
    Ok(Timestamp::from_unix_millis(millis))
}

fn utf8(bytes: &[u8]) -> Parsed<&str> {
    std::str::from_utf8(bytes).map_err(|_| Flaw::NotUtf8)
}

/// Undoes `\"`, `\\` and `\n`. Every other backslash stands for itself.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let (meant, length) = match after.as_bytes().first() {
            Some(b'"') => ('"', 1),
            Some(b'\\') => ('\\', 1),
            Some(b'n') => ('\n', 1),
            Some(_) | None => ('\\', 0),
        };
        plain.push(meant);
        rest = after.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}
