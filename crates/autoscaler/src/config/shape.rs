//! The tree of known keys, taken from the raw types' schema, so that each key is written once.

use std::sync::LazyLock;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value as Json;

use super::{raw::RawFile, tree::quoted};

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
    Fallback,
    Schedule,
    Slack,
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

/// The JSON schema of a kind of file, with nothing referred to elsewhere.
pub(super) fn inlined_schema<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The keys of a configuration.
pub(super) static FILE: LazyLock<TableShape> = LazyLock::new(keys_of::<RawFile>);

/// The keys of a kind of file.
pub(super) fn keys_of<T: JsonSchema>() -> TableShape {
    match shape(&inlined_schema::<T>()) {
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
    }
}

/// Reads one schema.
fn shape(schema: &Json) -> Shape {
    if let Some(first) = schema
        .get("anyOf")
        .and_then(Json::as_array)
        .and_then(|any| any.first())
    {
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
    if let Some(values) = schema
        .get("additionalProperties")
        .filter(|values| values.is_object())
    {
        return Shape::Named(Box::new(shape(values)));
    }
    let kind = match schema.get("x-table").and_then(Json::as_str) {
        Some("workload") => TableKind::Workload,
        Some("metric") => TableKind::Metric,
        Some("prometheus") => TableKind::Prometheus,
        Some("ready") => TableKind::Ready,
        Some("fallback") => TableKind::Fallback,
        Some("schedule") => TableKind::Schedule,
        Some("slack") => TableKind::Slack,
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
    let text = schema
        .get("description")
        .and_then(Json::as_str)
        .unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn example(schema: &Json) -> Option<String> {
    schema.get("examples")?.get(0).and_then(json_to_toml)
}

/// Texts, numbers and lists of them as TOML.
pub(super) fn json_to_toml(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(quoted(text)),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(json_to_toml).collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        Json::Null | Json::Object(_) => None,
    }
}
