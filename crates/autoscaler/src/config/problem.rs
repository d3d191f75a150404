//! What is wrong with a configuration, for people: each problem with its places and a way out.

use std::{
    borrow::Cow,
    collections::HashSet,
    fmt::{self, Display as _, Write as _},
    sync::Arc,
};

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::place::{Place, SourceId, SourceKind, Sources};
use crate::Remark;

/// Kinds of problems, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// A file or directory could not be read as text.
    Unreadable,
    /// A file is not TOML.
    Syntax,
    /// A table or key stands twice in one layer.
    Duplicate,
    /// A key that nothing reads.
    UnknownKey,
    /// A value of another type than the key takes.
    WrongType,
    /// A value that the key cannot take.
    BadValue,
    /// Something that has to be there is not.
    Absent,
    /// Settings that exclude each other.
    Conflict,
    /// A name that nothing defines: a template, variable, source or channel.
    UnknownName,
    /// Something this version does not do.
    Unsupported,
}

impl ProblemKind {
    /// The kind in one word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Syntax => "syntax",
            Self::Duplicate => "duplicate",
            Self::UnknownKey => "unknown_key",
            Self::WrongType => "wrong_type",
            Self::BadValue => "bad_value",
            Self::Absent => "absent",
            Self::Conflict => "conflict",
            Self::UnknownName => "unknown_name",
            Self::Unsupported => "unsupported",
        }
    }
}

/// One problem before it knows the texts it points into.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Finding {
    kind: ProblemKind,
    message: String,
    labels: Vec<(Place, Option<String>)>,
    help: Option<String>,
}

impl Finding {
    pub(super) fn new(kind: ProblemKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            labels: Vec::new(),
            help: None,
        }
    }

    /// Points at `place`.
    pub(super) fn at(mut self, place: Place) -> Self {
        self.labels.push((place, None));
        self
    }

    /// Points at `place` and says what is there.
    pub(super) fn labelled(mut self, place: Place, text: impl Into<String>) -> Self {
        self.labels.push((place, Some(text.into())));
        self
    }

    /// Adds a way out.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Collects problems, each once: what stands in a template is wrong once, not once for each workload.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    seen: HashSet<Finding>,
    /// Tables that lost a key to a problem. What is absent there may be what was lost.
    damaged: HashSet<Place>,
}

impl Findings {
    /// Adds a problem, unless it only follows from another one.
    pub(super) fn push(&mut self, finding: Finding) {
        let first = finding.labels.first().map(|(place, _)| place);
        if finding.kind == ProblemKind::Absent && first.is_some_and(|place| self.damaged.contains(place)) {
            return;
        }
        if self.seen.insert(finding.clone()) {
            self.list.push(finding);
        }
    }

    /// Notes that the table whose key is at `place` lost a key to a problem that was reported.
    pub(super) fn damage(&mut self, place: Place) {
        self.damaged.insert(place);
    }

    /// Whether the table whose key is at `place` lost a key.
    pub(super) fn is_damaged(&self, place: Place) -> bool {
        self.damaged.contains(&place)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn into_problems(self, sources: &Arc<Sources>) -> Problems {
        let mut list = self.list;
        let is_default = |(place, _): &(Place, Option<String>)| {
            sources
                .get(place.source())
                .is_some_and(|source| source.kind == SourceKind::Defaults)
        };
        for finding in &mut list {
            // What the user wrote comes before the default it does not go with.
            finding.labels.sort_by_key(is_default);
        }
        // In the order of the files, as a person works through them; what has no place comes first.
        list.sort_by_key(|finding| finding.labels.first().map(|(place, _)| *place));
        let problem = |finding| Problem::new(finding, sources);
        Problems {
            list: list.into_iter().map(problem).collect(),
            remarks: Vec::new(),
        }
    }
}

/// Everything that is wrong with a configuration. Never empty.
#[derive(Clone, Debug)]
pub struct Problems {
    list: Vec<Problem>,
    remarks: Vec<Remark>,
}

impl Problems {
    /// The problems, in the order of the files.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// These, and then `others`.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.list.extend(others.list);
        self.remarks.extend(others.remarks);
        self
    }

    /// These, with what else is to be said of the configuration, and is no error.
    pub(super) fn beside(self, remarks: Vec<Remark>) -> Self {
        Self { remarks, ..self }
    }

    /// What else is to be said of the configuration, as far as it could be read.
    #[must_use]
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none, which no error has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.list.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            problem.with_places().fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// As [`Problem`] is serialized.
impl JsonSchema for Problems {
    fn schema_name() -> Cow<'static, str> {
        "Problems".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let code = generator.subschema_for::<ProblemKind>();
        json_schema!({
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "code": code,
                    "message": { "type": "string" },
                    "file": { "type": ["string", "null"] },
                    "line": { "type": ["integer", "null"], "minimum": 1 },
                    "column": { "type": ["integer", "null"], "minimum": 1 },
                    "help": { "type": ["string", "null"] },
                },
                "required": ["code", "message", "file", "line", "column", "help"],
            },
        })
    }
}

impl Serialize for Problems {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.list.serialize(serializer)
    }
}

/// One problem with its places and a way out. Displays as its message alone; [`Problems`] displays everything, and
/// miette's handlers draw it.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemKind,
    message: String,
    labels: Vec<Label>,
    help: Option<String>,
    /// The first label's text, for miette.
    source: Option<Arc<NamedSource<String>>>,
    /// Labels in other texts than the first one's, which miette draws as related.
    elsewhere: Vec<Elsewhere>,
}

/// A place with what is to be said about it.
#[derive(Clone, Debug)]
struct Label {
    source: SourceId,
    file: String,
    line: usize,
    column: usize,
    /// The line's text, without blanks around it.
    excerpt: String,
    /// Whether the lines around it are short enough to be drawn.
    is_drawable: bool,
    span: std::ops::Range<usize>,
    text: Option<String>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "   {}:{}  {}", self.file, self.line, self.excerpt)?;
        match &self.text {
            Some(text) => writeln!(f, "  ({text})"),
            None => writeln!(f),
        }
    }
}

impl Problem {
    fn new(finding: Finding, sources: &Arc<Sources>) -> Self {
        let label = |(place, text): (Place, Option<String>)| {
            let source = sources.get(place.source())?;
            let (line, column) = source.position(place.span().start);
            Some(Label {
                source: place.source(),
                file: source.name().to_owned(),
                line,
                column,
                excerpt: shortened(source.line(place.span().start).trim()),
                is_drawable: source.is_drawable(&place.span()),
                span: place.span(),
                text,
            })
        };
        let labels: Vec<Label> = finding.labels.into_iter().filter_map(label).collect();
        let named = |id: SourceId| Some(sources.get(id)?.drawn());
        let first = labels.first().map(|label| label.source);
        let elsewhere = labels.iter().filter(|label| Some(label.source) != first);
        let elsewhere = elsewhere.filter_map(|label| {
            Some(Elsewhere {
                message: label.text.clone().unwrap_or_else(|| "and here".to_owned()),
                span: label.span.clone(),
                source: named(label.source)?,
            })
        });
        Self {
            kind: finding.kind,
            message: finding.message,
            elsewhere: elsewhere.collect(),
            source: first.and_then(named),
            labels,
            help: finding.help,
        }
    }

    /// What kind of problem.
    #[must_use]
    pub const fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// What is wrong, without its place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The file, the line and the column (both from 1) of its first place; `None` for what has no place in a text.
    #[must_use]
    pub fn place(&self) -> Option<(&str, usize, usize)> {
        let label = self.labels.first()?;
        Some((&label.file, label.line, label.column))
    }

    /// The problem in a line, with a line for each of its places and one for the way out.
    pub fn with_places(&self) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            writeln!(f, "error: {self}")?;
            for label in &self.labels {
                label.fmt(f)?;
            }
            match &self.help {
                Some(help) => writeln!(f, "   help: {help}"),
                None => Ok(()),
            }
        })
    }

    /// Whether the lines it points at are short enough to be drawn with it, as miette's handlers do.
    #[must_use]
    pub fn is_drawable(&self) -> bool {
        self.labels.iter().all(|label| label.is_drawable)
    }

    /// The way out, where there is one to name.
    #[must_use]
    pub fn way_out(&self) -> Option<&str> {
        self.help.as_deref()
    }
}

/// At most 110 characters of a line.
fn shortened(line: &str) -> String {
    let mut short: String = line.chars().take(110).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.kind.as_str()))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = self.labels.first()?.source;
        let here = self.labels.iter().filter(move |label| label.source == first);
        Some(Box::new(here.map(|label| {
            LabeledSpan::new_with_span(label.text.clone(), label.span.clone())
        })))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let related = self.elsewhere.iter().map(|place| place as &dyn Diagnostic);
        (!self.elsewhere.is_empty()).then(|| Box::new(related) as Box<dyn Iterator<Item = _>>)
    }
}

/// A further place of a problem, in another text.
#[derive(Clone, Debug)]
struct Elsewhere {
    message: String,
    span: std::ops::Range<usize>,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Elsewhere {}

impl Diagnostic for Elsewhere {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(
            self.span.clone(),
        ))))
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = self.labels.first();
        let mut fields = serializer.serialize_struct("Problem", 6)?;
        fields.serialize_field("code", &self.kind)?;
        fields.serialize_field("message", &self.message)?;
        fields.serialize_field("file", &place.map(|label| &label.file))?;
        fields.serialize_field("line", &place.map(|label| label.line))?;
        fields.serialize_field("column", &place.map(|label| label.column))?;
        fields.serialize_field("help", &self.help)?;
        fields.end()
    }
}

/// `words` as a list in a sentence: "`a`, `b` and `c`".
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    joined(words, "and")
}

/// `words` as a choice in a sentence: "`a`, `b` or `c`".
pub(super) fn either<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    joined(words, "or")
}

fn joined<'a>(words: impl IntoIterator<Item = &'a str>, last_word: &str) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    let mut text = String::new();
    for (number, word) in words.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = match number {
            0 => write!(text, "`{word}`"),
            last if last + 1 == words.len() => write!(text, " {last_word} `{word}`"),
            _ => write!(text, ", `{word}`"),
        };
    }
    text
}
