//! What is in effect for each workload, and where each value comes from.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use headroom_policy_engine::WorkloadId;
use serde::Serialize;

use super::{
    place::{Place, SourceKind, Sources},
    tree::{Table, Value, bare_or_quoted},
};

/// Where every effective value comes from.
#[derive(Clone, Debug)]
pub struct Origins {
    pub(super) workloads: BTreeMap<WorkloadId, Table>,
    pub(super) settings: Table,
    pub(super) sources: Arc<Sources>,
}

/// One value in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EffectiveKey {
    /// The key below its workload, such as `metrics.rps.per_replica`.
    pub key: String,
    /// Its value as TOML, after variables.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The built-in defaults.
    Default,
    /// A file.
    File {
        /// Its path, as it was given.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
    },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment { name } => write!(f, "environment {name}"),
        }
    }
}

impl Origins {
    /// Every value in effect for a workload, as the file has them: metrics below `metrics`, and so on. Empty for a
    /// workload that is not configured.
    #[must_use]
    pub fn effective(&self, id: &WorkloadId) -> Vec<EffectiveKey> {
        self.workloads
            .get(id)
            .map_or_else(Vec::new, |table| self.listed(table))
    }

    /// Every value in effect that belongs to no workload. Secrets in plain text are hidden.
    #[must_use]
    pub fn settings(&self) -> Vec<EffectiveKey> {
        self.listed(&self.settings)
    }

    fn listed(&self, table: &Table) -> Vec<EffectiveKey> {
        let mut keys = Vec::new();
        self.collect(table, "", &mut keys);
        keys
    }

    fn collect(&self, table: &Table, prefix: &str, keys: &mut Vec<EffectiveKey>) {
        for entry in &table.entries {
            let key = if prefix.is_empty() {
                bare_or_quoted(&entry.key)
            } else {
                format!("{prefix}.{}", bare_or_quoted(&entry.key))
            };
            match &entry.node.value {
                Value::Table(inner) => self.collect(inner, &key, keys),
                Value::Text(text) if is_plain_secret(&key, text) => keys.push(EffectiveKey {
                    key,
                    value: "\"(hidden)\"".to_owned(),
                    origin: self.origin(entry.node.place),
                }),
                Value::Text(_)
                | Value::Integer(_)
                | Value::Number(_)
                | Value::Bool(_)
                | Value::Datetime(_)
                | Value::List(_) => keys.push(EffectiveKey {
                    key,
                    value: entry.node.to_toml(),
                    origin: self.origin(entry.node.place),
                }),
            }
        }
    }

    fn origin(&self, place: Place) -> Origin {
        match self.sources.get(place.source()) {
            None => Origin::Default,
            Some(source) => match &source.kind {
                SourceKind::Defaults => Origin::Default,
                SourceKind::File(path) => Origin::File {
                    path: path.clone(),
                    line: source.position(place.span().start).0,
                },
                SourceKind::Environment(name) => Origin::Environment { name: name.clone() },
            },
        }
    }
}

/// Whether the text is, or may hold, a secret that was written in plain.
fn is_plain_secret(key: &str, text: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or_default();
    let secret = matches!(
        last,
        "bearer_token"
            | "password"
            | "webhook"
            | "token"
            | "secret"
            | "routing_key"
            | "authorization"
            | "heartbeat"
            | "smtp"
            | "client_key"
            | "client_certificate"
    ) || (key.starts_with("notify.webhook.") && last == "url")
        || (key.contains(".headers.") && super::servers::carries_secret(last));
    secret && !text.starts_with("env:") && !text.starts_with("file:")
}
