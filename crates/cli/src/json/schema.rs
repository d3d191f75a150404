//! The published schema of a decision, and the parts of it that the types do not say.

use headroom_autoscaler::config::variants;
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::{Decision, VERSION};

/// The schema of a decision as a program reads it.
pub(crate) fn decision_schema() -> Value {
    schema_of::<Decision<'_>>("A decision of headroom")
}

/// The schema of a `T` as a program reads it.
pub(crate) fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    schema.into()
}

/// The version that objects have.
pub(crate) fn version(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "const": VERSION })
}

/// One of the codes of `T`.
pub(super) fn code<T: Deserialize<'static>>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": variants::<T>() })
}

/// One of the codes of `T`, or `null`.
pub(super) fn code_or_null<T: Deserialize<'static>>(_: &mut SchemaGenerator) -> Schema {
    let mut codes: Vec<Option<&str>> = variants::<T>().iter().copied().map(Some).collect();
    codes.push(None);
    json_schema!({ "type": ["string", "null"], "enum": codes })
}

/// A moment: RFC 3339 in UTC.
pub(super) fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time" })
}

/// A moment, or `null`.
pub(super) fn moment_or_null(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "format": "date-time" })
}

#[cfg(test)]
mod tests;
