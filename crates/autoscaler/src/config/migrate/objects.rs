//! Objects as `kubectl get -o yaml` writes them: lists, several documents, YAML or JSON.

use std::fmt;

use headroom_policy_engine::is_dns_label;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::{MigrationError, Remaining, Selection};

/// The largest text that is read, in bytes: more than ten thousand objects with their status.
const LARGEST: usize = 64 << 20;

/// The objects of a text: one object, several documents, or lists of objects.
///
/// # Errors
/// When it is neither YAML nor JSON, larger than 64 MiB, or grows when its aliases are followed.
pub fn read_objects(text: &str) -> Result<Vec<Value>, MigrationError> {
    let unreadable = |reason: String| MigrationError::Unreadable { reason };
    if text.len() > LARGEST {
        return Err(unreadable(format!("it is larger than {LARGEST} bytes")));
    }
    let text = text.trim_start_matches('\u{feff}');
    let documents: Vec<Value> = if text.trim_start().starts_with('{') {
        let read: Result<_, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
        read.map_err(|error| unreadable(error.to_string()))?
    } else {
        yaml(text).map_err(unreadable)?
    };
    let mut objects = Vec::new();
    for document in documents {
        flatten(document, &mut objects);
    }
    Ok(objects)
}

fn yaml(text: &str) -> Result<Vec<Value>, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 20_000_000,
            max_nodes: 10_000_000,
            max_documents: 100_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
        },
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let reason = error.to_string();
        reason.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    })
}

/// Takes lists apart. The items of a typed list, as the API server writes it, do not say what they are.
fn flatten(document: Value, objects: &mut Vec<Value>) {
    let Value::Object(mut fields) = document else {
        return;
    };
    let kind = text(&fields, "kind").unwrap_or_default().to_owned();
    let Some(Value::Array(items)) = fields.remove("items").filter(|_| kind.ends_with("List")) else {
        objects.push(Value::Object(fields));
        return;
    };
    let of = kind.trim_end_matches("List");
    for mut item in items {
        if let (Value::Object(item), false) = (&mut item, of.is_empty()) {
            let version = fields.get("apiVersion").cloned().unwrap_or_default();
            item.entry("kind").or_insert_with(|| of.into());
            item.entry("apiVersion").or_insert(version);
        }
        flatten(item, objects);
    }
}

fn text<'a>(fields: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    fields.get(key).and_then(Value::as_str)
}

/// An object, and what every object has.
#[derive(Clone, Debug)]
pub(super) struct Object<'a> {
    pub(super) kind: &'a str,
    pub(super) api_version: &'a str,
    pub(super) namespace: String,
    pub(super) name: &'a str,
    value: &'a Value,
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

impl<'a> Object<'a> {
    pub(super) fn new(value: &'a Value, selection: &Selection) -> Self {
        let at = |path: &str| value.pointer(path).and_then(Value::as_str);
        let given = selection.namespace.as_deref();
        Self {
            kind: at("/kind").unwrap_or("object"),
            api_version: at("/apiVersion").unwrap_or_default(),
            namespace: at("/metadata/namespace")
                .or(given)
                .unwrap_or("default")
                .to_owned(),
            name: at("/metadata/name").unwrap_or_default(),
            value,
        }
    }

    pub(super) fn is_selected(&self, selection: &Selection) -> bool {
        selection.name.as_ref().is_none_or(|name| name == self.name)
            && selection
                .namespace
                .as_ref()
                .is_none_or(|namespace| *namespace == self.namespace)
    }

    /// Whether its namespace and its name are such as Kubernetes takes. Others come from no cluster, and would become the
    /// names of files and words of commands.
    pub(super) fn check_names(&self) -> Result<(), String> {
        if !is_dns_label(&self.namespace) {
            return Err(format!(
                "metadata.namespace {:?} is no DNS label: 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
                self.namespace
            ));
        }
        if self.name.len() > 253 || !self.name.split('.').all(is_dns_label) {
            return Err(format!(
                "metadata.name {:?} is no DNS name: parts of a-z, 0-9 and - with dots between, at most 253",
                self.name
            ));
        }
        Ok(())
    }

    /// A label of it.
    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.value.pointer("/metadata/labels")?.get(name)?.as_str()
    }

    /// Its annotations whose names begin so, with their values.
    pub(super) fn annotations(&self, prefix: &str) -> Vec<(String, String)> {
        let all = self
            .value
            .pointer("/metadata/annotations")
            .and_then(Value::as_object);
        let matching = all
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.starts_with(prefix));
        matching
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect()
    }

    /// Its `spec` as a type, and the paths in it that the type does not have.
    pub(super) fn spec<T: DeserializeOwned + Serialize>(&self) -> Result<(T, Vec<String>), String> {
        let mut spec = self.value.get("spec").cloned().unwrap_or_default();
        quantities_as_text(&mut spec);
        let read: T = serde_json::from_value(spec.clone()).map_err(|error| format!("spec: {error}"))?;
        let known = serde_json::to_value(&read).unwrap_or_default();
        let mut unknown = Vec::new();
        differ(&spec, &known, "spec", &mut unknown);
        Ok((read, unknown))
    }

    /// What is said of an object of another kind.
    pub(super) fn skipped(&self) -> Remaining {
        Remaining {
            object: self.to_string(),
            is_missing: false,
            text: match self.kind {
                "ScaledObject" => "left out: `headroom import keda` reads it".to_owned(),
                "ScaledJob" => {
                    "left out: it makes jobs, and headroom scales replicas; it stays on KEDA".to_owned()
                }
                "HorizontalPodAutoscaler" => "left out: `headroom import hpa` reads it".to_owned(),
                _ => "left out: it is no autoscaler".to_owned(),
            },
        }
    }
}

/// Quantities may be written as numbers, and are texts.
fn quantities_as_text(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                if key == "target" {
                    let inner = field.as_object_mut().into_iter().flatten();
                    inner
                        .filter(|(key, _)| matches!(key.as_str(), "value" | "averageValue"))
                        .for_each(|(_, quantity)| number_as_text(quantity));
                } else if key == "tolerance" {
                    number_as_text(field);
                } else {
                    quantities_as_text(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(quantities_as_text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn number_as_text(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::String(number.to_string());
    }
}

/// The paths of `given` that `known` lacks. What is null or empty says nothing.
fn differ(given: &Value, known: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, known) {
        (Value::Object(given), _) => {
            for (key, value) in given {
                let path = format!("{path}.{key}");
                match known.get(key) {
                    Some(known) => differ(value, known, &path, unknown),
                    None if value.is_null() => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (number, (given, known)) in given.iter().zip(known).enumerate() {
                differ(given, known, &format!("{path}[{number}]"), unknown);
            }
        }
        _ => {}
    }
}
