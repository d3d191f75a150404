//! The tree of known keys, taken from the raw types' schema, and the walk that compares a file with it.
//!
//! The walk finds every unknown key and every value of a wrong type, and takes them out, so that what remains can be
//! read into the raw types. What values mean is not looked at here.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use super::{
    problem::{Finding, Findings, ProblemKind},
    raw::RawFile,
    tree::{Node, Table, Value},
};

/// What a value may be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A text, of a small language where that is known.
    Text(Option<String>),
    /// One of a few words.
    Choice(Vec<String>),
    /// A whole number.
    Whole,
    /// A number, or a text that means one.
    NumberOrText(String),
    Bool,
    List(Box<Self>),
    /// A table with these keys.
    Table(TableShape),
    /// A table whose keys the user chooses.
    Named(Box<Self>),
}

/// A table with known keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TableShape {
    /// What the table is, where rules between its keys hold.
    pub(super) kind: TableKind,
    pub(super) doc: String,
    pub(super) keys: Vec<Key>,
}

/// Tables with rules between their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableKind {
    Workload,
    Metric,
    Prometheus,
    Ready,
    Other,
}

/// A known key.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) doc: String,
    /// An example as TOML.
    pub(super) example: Option<String>,
    pub(super) shape: Shape,
}

impl TableShape {
    pub(super) fn key(&self, name: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The JSON schema of a file, with nothing referred to elsewhere.
pub(super) fn inlined_schema() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<RawFile>().to_value()
}

/// The keys of a file.
pub(super) static FILE: LazyLock<TableShape> = LazyLock::new(|| match shape(&inlined_schema()) {
    Shape::Table(table) => table,
    Shape::Text(_)
    | Shape::Choice(_)
    | Shape::Whole
    | Shape::NumberOrText(_)
    | Shape::Bool
    | Shape::List(_)
    | Shape::Named(_) => TableShape {
        kind: TableKind::Other,
        doc: String::new(),
        keys: Vec::new(),
    },
});

/// Reads one schema.
fn shape(schema: &Json) -> Shape {
    if let Some(first) = schema.get("anyOf").and_then(Json::as_array).and_then(|any| any.first()) {
        return shape(first); // an optional field: the other one is null
    }
    if let Some(words) = schema.get("enum").and_then(Json::as_array) {
        return Shape::Choice(words.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Json::Array(types)) => types.iter().filter_map(Json::as_str).collect(),
        Some(Json::String(one)) => vec![one],
        Some(_) | None => Vec::new(),
    };
    let format = schema.get("format").and_then(Json::as_str).map(str::to_owned);
    match types.first().copied().unwrap_or_default() {
        "object" => table_or_named(schema),
        "array" => Shape::List(Box::new(schema.get("items").map_or(Shape::Text(None), shape))),
        "integer" => Shape::Whole,
        "number" => Shape::NumberOrText(format.unwrap_or_default()),
        "boolean" => Shape::Bool,
        _ => Shape::Text(format),
    }
}

fn table_or_named(schema: &Json) -> Shape {
    if let Some(values) = schema.get("additionalProperties").filter(|values| values.is_object()) {
        return Shape::Named(Box::new(shape(values)));
    }
    let kind = match schema.get("x-table").and_then(Json::as_str) {
        Some("workload") => TableKind::Workload,
        Some("metric") => TableKind::Metric,
        Some("prometheus") => TableKind::Prometheus,
        Some("ready") => TableKind::Ready,
        Some(_) | None => TableKind::Other,
    };
    let properties = schema.get("properties").and_then(Json::as_object);
    let key = |(name, schema): (&String, &Json)| Key {
        name: name.clone(),
        doc: doc(schema),
        example: example(schema),
        shape: shape(schema),
    };
    Shape::Table(TableShape {
        kind,
        doc: doc(schema),
        keys: properties.into_iter().flatten().map(key).collect(),
    })
}

/// The doc comment of a field or type, on one line.
fn doc(schema: &Json) -> String {
    let text = schema.get("description").and_then(Json::as_str).unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn example(schema: &Json) -> Option<String> {
    schema.get("examples")?.get(0).and_then(json_to_toml)
}

/// Texts, numbers and lists of them as TOML.
pub(super) fn json_to_toml(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(super::tree::quoted(text)),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(json_to_toml).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Json::Null | Json::Object(_) => None,
    }
}

/// Compares `table` with the keys of `shape`. What is wrong is reported and taken out.
pub(super) fn check(table: &mut Table, shape: &TableShape, findings: &mut Findings) {
    table.entries.retain_mut(|entry| match shape.key(&entry.key) {
        Some(key) => check_value(&mut entry.node, &key.shape, &entry.key, findings),
        None => {
            findings.push(unknown_key(&entry.key, shape).at(entry.key_place));
            false
        }
    });
}

/// Compares one value with its shape; `false`: it is unusable and has to go.
fn check_value(node: &mut Node, shape: &Shape, key: &str, findings: &mut Findings) -> bool {
    match (shape, &mut node.value) {
        (Shape::Text(_), Value::Text(_)) | (Shape::Whole, Value::Integer(_)) | (Shape::Bool, Value::Bool(_)) => true,
        (Shape::NumberOrText(_), Value::Text(_) | Value::Integer(_) | Value::Number(_)) => true,
        (Shape::Choice(words), Value::Text(text)) => {
            let known = words.contains(text);
            if !known {
                findings.push(unknown_word(key, text, words).at(node.place));
            }
            known
        }
        (Shape::List(item), Value::List(items)) => {
            let wrong = items.iter_mut().filter_map(|one| (!check_value(one, item, key, findings)).then_some(()));
            wrong.count() == 0
        }
        (Shape::Table(shape), Value::Table(table)) => {
            check(table, shape, findings);
            true
        }
        (Shape::Named(shape), Value::Table(table)) => {
            table.entries.retain_mut(|entry| check_value(&mut entry.node, shape, &entry.key, findings));
            true
        }
        (
            Shape::Text(_)
            | Shape::Choice(_)
            | Shape::Whole
            | Shape::NumberOrText(_)
            | Shape::Bool
            | Shape::List(_)
            | Shape::Table(_)
            | Shape::Named(_),
            found,
        ) => {
            let message = format!("`{key}` takes {}, not {}", expected(shape), type_of(found));
            let finding = Finding::new(ProblemKind::WrongType, message).at(node.place);
            findings.push(match hint(shape, found, key) {
                Some(hint) => finding.help(hint),
                None => finding,
            });
            false
        }
    }
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Text(Some(format)) if format == "PromQL" => "a PromQL expression in quotes".to_owned(),
        Shape::Text(Some(format)) => format!("{} {format} in quotes", article(format)),
        Shape::Text(None) | Shape::Choice(_) => "a text in quotes".to_owned(),
        Shape::Whole => "a whole number".to_owned(),
        Shape::NumberOrText(format) => format!("{} {format}", article(format)),
        Shape::Bool => "true or false".to_owned(),
        Shape::List(_) => "a list".to_owned(),
        Shape::Table(_) | Shape::Named(_) => "a table".to_owned(),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// A way out of a wrong type, where it is plain what was meant.
fn hint(shape: &Shape, found: &Value, key: &str) -> Option<String> {
    match (shape, found) {
        (Shape::Text(Some(format)), Value::Integer(number)) if format == "duration" => {
            Some(format!("write {key} = \"{number}s\" for seconds"))
        }
        (Shape::Whole | Shape::Bool, Value::Text(text)) => Some(format!("write {key} = {text}, without quotes")),
        (Shape::List(_), Value::Text(text)) => Some(format!("write {key} = [{}]", super::tree::quoted(text))),
        (Shape::Text(_) | Shape::Choice(_), Value::Integer(number)) => Some(format!("write {key} = \"{number}\"")),
        (Shape::Table(_), Value::Bool(false)) if key == "scale_down" || key == "scale_up" => {
            Some(format!("write {key}.select = \"disabled\" to switch this direction off"))
        }
        (Shape::Table(table), _) => {
            let keys = super::problem::listed(table.keys.iter().map(|key| key.name.as_str()));
            Some(format!("its keys are {keys}"))
        }
        (
            Shape::Text(_)
            | Shape::Choice(_)
            | Shape::Whole
            | Shape::NumberOrText(_)
            | Shape::Bool
            | Shape::List(_)
            | Shape::Named(_),
            _,
        ) => None,
    }
}

fn unknown_word(key: &str, text: &str, words: &[String]) -> Finding {
    let finding = Finding::new(ProblemKind::BadValue, format!("`{text}` is nothing `{key}` can be"));
    let all = super::problem::listed(words.iter().map(String::as_str));
    finding.help(match nearest(text, words.iter().map(String::as_str)) {
        Some(word) => format!("did you mean `{word}`? It can be {all}"),
        None => format!("it can be {all}"),
    })
}

fn unknown_key(key: &str, shape: &TableShape) -> Finding {
    let finding = Finding::new(ProblemKind::UnknownKey, format!("unknown key `{key}`"));
    // Datadog's WatermarkPodAutoscaler means by `average` what the HPA calls `AverageValue`, others mean the opposite.
    if shape.kind == TableKind::Metric && key == "average" {
        return finding.help(
            "did you mean `per_replica` (so much for each replica, HPA `AverageValue`) or `value` (the value itself, \
             HPA `Value`)?",
        );
    }
    let names = || shape.keys.iter().map(|key| key.name.as_str());
    if let Some(name) = nearest(key, names()) {
        return finding.help(format!("did you mean `{name}`?"));
    }
    if let Some(path) = elsewhere(key, &FILE, "") {
        return finding.help(format!("`{key}` belongs to `[{path}]`"));
    }
    finding.help(format!("the keys here are {}", super::problem::listed(names())))
}

/// The table that has `key`, if there is one.
fn elsewhere(key: &str, shape: &TableShape, path: &str) -> Option<String> {
    let inner = |at: &Key| {
        let path = if path.is_empty() { at.name.clone() } else { format!("{path}.{}", at.name) };
        let (table, path) = match &at.shape {
            Shape::Table(table) => (table, path),
            Shape::Named(named) => match named.as_ref() {
                Shape::Table(table) => (table, format!("{path}.NAME")),
                Shape::Text(_)
                | Shape::Choice(_)
                | Shape::Whole
                | Shape::NumberOrText(_)
                | Shape::Bool
                | Shape::List(_)
                | Shape::Named(_) => return None,
            },
            Shape::Text(_)
            | Shape::Choice(_)
            | Shape::Whole
            | Shape::NumberOrText(_)
            | Shape::Bool
            | Shape::List(_) => return None,
        };
        // Defaults and templates have the keys of a workload, which is the place to name.
        if at.name == "defaults" || at.name == "template" {
            return None;
        }
        if table.key(key).is_some() { Some(path) } else { elsewhere(key, table, &path) }
    };
    shape.keys.iter().find_map(inner)
}

/// Longer words are no slip of the pen, and comparing costs their length.
const LONGEST_NAME: usize = 64;

/// The candidate that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_NAME {
        return None;
    }
    let close = |candidate: &'a str| {
        let distance = strsim::damerau_levenshtein(word, candidate);
        let allowed = (word.chars().count().max(candidate.chars().count()) / 3).max(1);
        (distance <= allowed).then_some((distance, candidate))
    };
    candidates.filter_map(close).min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}
