//! The environment of the scaling script that headroom replaces, taken by a file that asks for it.
//!
//! Variables come in as values; nothing here reads the process's own.

use std::collections::BTreeMap;

use super::{
    place::{Place, SourceId, SourceKind, Sources},
    problem::{Finding, Findings, ProblemKind},
    tree::{Entry, Node, Table, Value, bare_or_quoted, quoted},
    words,
};
use crate::{Remark, RemarkKind};

/// The environment variables that a run sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The value of variable `name`, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value, if it is set and says something: the script took an empty variable for none.
    fn said(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|value| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

/// The script's thresholds: the variable, the metric it goes to, the key that the script meant.
const THRESHOLDS: [(&str, &str, &str); 4] = [
    ("CPU_THRESHOLD", "cpu", "utilization"),
    ("MEMORY_THRESHOLD", "memory", "utilization"),
    ("ACTIVE_USERS_THRESHOLD", "active_users", "per_replica"),
    ("REQUEST_RATE_THRESHOLD", "request_rate", "per_replica"),
];

/// Where the script sent what it had to say: the variable, the kind of channel it goes to, and the key.
const CHANNELS: [(&str, &str, &str); 2] = [
    ("SLACK_WEBHOOK", "slack", "webhook"),
    ("EMAIL_RECIPIENTS", "email", "to"),
];

/// Whether a file says `script_environment = true`.
pub(super) fn is_asked_for(file: &Table) -> bool {
    file.get("script_environment")
        .is_some_and(|entry| entry.node.value == Value::Bool(true))
}

/// Applies the script's variables to one file.
#[derive(Debug)]
pub(super) struct Script<'a> {
    pub(super) environment: &'a Environment,
    pub(super) sources: &'a mut Sources,
    pub(super) findings: &'a mut Findings,
    pub(super) remarks: &'a mut Vec<Remark>,
}

impl Script<'_> {
    /// Changes `file`, which is text number `source`, as the variables say.
    pub(super) fn apply(&mut self, file: &mut Table, source: SourceId) {
        self.apply_namespace(file);
        self.apply_server(file, source);
        for (variable, metric, key) in THRESHOLDS {
            self.apply_threshold(file, source, variable, metric, key);
        }
        for (variable, kind, key) in CHANNELS {
            self.apply_channel(file, source, variable, kind, key);
        }
    }

    /// Lets the only channel of `kind` read what it needs from `variable`, whose value is shown to nobody.
    fn apply_channel(&mut self, file: &mut Table, source: SourceId, variable: &str, kind: &str, key: &str) {
        if self.environment.said(variable).is_none() {
            return;
        }
        let channels = file.table_mut("notify").and_then(|notify| notify.table_mut(kind));
        match channels.map_or(&mut [][..], |channels| &mut channels.entries) {
            [] => self.not_taken(variable, source, &format!("it has no [notify.{kind}.NAME]")),
            [channel] => {
                if let Value::Table(table) = &mut channel.node.value
                    && !table.has("token")
                {
                    set(
                        table,
                        key,
                        Value::Text(format!("env:{variable}")),
                        channel.key_place,
                    );
                }
                let what = format!("notify.{kind}.{}.{key}", channel.key);
                self.remarks.push(Remark {
                    kind: RemarkKind::FromEnvironment,
                    code: None,
                    place: None,
                    text: format!("{variable} from the environment: {what}"),
                });
            }
            [first, second, ..] => {
                let message =
                    format!("{variable} is set, and it is not plain which [notify.{kind}.NAME] it means");
                let finding = Finding::new(ProblemKind::Conflict, message)
                    .at(first.key_place)
                    .at(second.key_place);
                self.findings
                    .push(finding.help(format!("unset {variable}, or keep one such channel in this file")));
            }
        }
    }

    fn apply_namespace(&mut self, file: &mut Table) {
        let Some((namespace, place)) = self.take("NAMESPACE") else {
            return;
        };
        if !headroom_policy_engine::is_dns_label(&namespace) {
            let error = words::WordError::Label { part: namespace };
            self.findings.push(
                Finding::new(ProblemKind::BadValue, error.to_string())
                    .at(place)
                    .help(error.help()),
            );
            return;
        }
        let Some(workloads) = file.table_mut("workload") else {
            return;
        };
        let mut renamed: Vec<Entry> = Vec::new();
        let mut changes = Vec::new();
        for mut entry in std::mem::take(&mut workloads.entries) {
            let name = entry.key.rsplit('/').next().unwrap_or_default().to_owned();
            let key = format!("{namespace}/{name}");
            if let Some(other) = renamed.iter().find(|other| other.key == key) {
                self.findings.push(
                    Finding::new(
                        ProblemKind::Duplicate,
                        format!("NAMESPACE={namespace} makes two workloads `{key}`"),
                    )
                    .at(other.key_place)
                    .at(entry.key_place)
                    .help("unset NAMESPACE, or give them names of their own"),
                );
                continue;
            }
            if key != entry.key {
                changes.push(format!("{} is {key}", entry.key));
            }
            entry.key = key;
            renamed.push(entry);
        }
        workloads.entries = renamed;
        let what = if changes.is_empty() {
            "no workload changes".to_owned()
        } else {
            changes.join(", ")
        };
        self.taken("NAMESPACE", &namespace, &what);
    }

    fn apply_server(&mut self, file: &mut Table, source: SourceId) {
        let Some((address, place)) = self.take("METRICS_SERVER") else {
            return;
        };
        let url = if address.contains("://") {
            address.clone()
        } else {
            format!("http://{address}")
        };
        let url = match words::url(&url) {
            Ok(url) => url,
            Err(error) => {
                let finding = Finding::new(ProblemKind::BadValue, format!("METRICS_SERVER: {error}"));
                self.findings
                    .push(finding.at(place).help("write HOST:PORT, as in prometheus:9090"));
                return;
            }
        };
        let servers = file
            .table_mut("prometheus")
            .map_or(&mut [][..], |servers| &mut servers.entries);
        match servers {
            [] => self.not_taken("METRICS_SERVER", source, "it has no [prometheus.NAME]"),
            [server] => {
                if let Value::Table(table) = &mut server.node.value {
                    set(table, "url", Value::Text(url.clone()), place);
                }
                let what = format!("prometheus.{}.url = {}", server.key, quoted(&url));
                self.taken("METRICS_SERVER", &address, &what);
            }
            [first, second, ..] => {
                let message = "METRICS_SERVER is set, and it is not plain which [prometheus.NAME] it means";
                let finding = Finding::new(ProblemKind::Conflict, message)
                    .at(first.key_place)
                    .at(second.key_place);
                self.findings
                    .push(finding.help("unset METRICS_SERVER, or keep one server in this file"));
            }
        }
    }

    fn apply_threshold(
        &mut self,
        file: &mut Table,
        source: SourceId,
        variable: &str,
        metric: &str,
        key: &str,
    ) {
        let Some((text, place)) = self.take(variable) else {
            return;
        };
        let threshold = match threshold(&text) {
            Some(threshold) => threshold,
            None => {
                let message = format!("{variable} is `{text}`, which is no number above zero");
                let help = if key == "utilization" {
                    "write 70 for 70%"
                } else {
                    "write 100"
                };
                self.findings
                    .push(Finding::new(ProblemKind::BadValue, message).at(place).help(help));
                return;
            }
        };
        let mut places = Vec::new();
        for path in [&["defaults"][..], &["template", "*"], &["workload", "*"]] {
            for (name, table) in tables_at(file, path) {
                if let Some(metric_table) = table.table_mut("metrics").and_then(|all| all.table_mut(metric)) {
                    let key = rule_in(metric_table).unwrap_or(key);
                    set(metric_table, key, threshold.value_for(key), place);
                    places.push(format!("{name}.metrics.{metric}.{key}"));
                }
            }
        }
        if places.is_empty() {
            self.not_taken(variable, source, &format!("it has no metric called `{metric}`"));
        } else {
            self.taken(variable, &text, &places.join(", "));
        }
    }

    /// The value of a variable with its place.
    fn take(&mut self, variable: &str) -> Option<(String, Place)> {
        let value = self.environment.said(variable)?.to_owned();
        let source = self
            .sources
            .add(SourceKind::Environment(variable.to_owned()), value.clone());
        let place = Place::new(source, 0..value.len());
        Some((value, place))
    }

    fn taken(&mut self, variable: &str, value: &str, what: &str) {
        self.remarks.push(Remark {
            kind: RemarkKind::FromEnvironment,
            code: None,
            place: None,
            text: format!("{variable}={value} from the environment: {what}"),
        });
    }

    fn not_taken(&mut self, variable: &str, source: SourceId, why: &str) {
        let file = self
            .sources
            .get(source)
            .map_or_else(String::new, |source| source.name().to_owned());
        self.remarks.push(Remark {
            code: None,
            place: None,
            kind: RemarkKind::Warning,
            text: format!("{variable} is set and changes nothing in {file}: {why}"),
        });
    }
}

/// A threshold of the script: a number above zero, with or without `%`.
#[derive(Clone, Copy)]
struct Threshold(f64);

impl Threshold {
    fn value_for(self, key: &str) -> Value {
        if key == "utilization" {
            Value::Text(format!("{}%", self.0))
        } else {
            Value::Number(self.0)
        }
    }
}

fn threshold(text: &str) -> Option<Threshold> {
    let digits = text.trim_end_matches('%').trim_end();
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = digits.parse().ok()?;
    (plain && number.is_finite() && number > 0.0).then_some(Threshold(number))
}

/// The rule that a metric has already, which the threshold then changes.
fn rule_in(metric: &Table) -> Option<&'static str> {
    ["utilization", "per_replica", "value", "above"]
        .into_iter()
        .find(|key| metric.has(key))
}

/// The tables at `path`, with their names; `*` stands for each key.
fn tables_at<'a>(file: &'a mut Table, path: &[&str]) -> Vec<(String, &'a mut Table)> {
    let [first, rest @ ..] = path else {
        return Vec::new();
    };
    match (file.table_mut(first), rest) {
        (Some(table), []) => vec![((*first).to_owned(), table)],
        (Some(table), [..]) => {
            let named = |entry: &'a mut Entry| match &mut entry.node.value {
                Value::Table(table) => Some((format!("{first}.{}", bare_or_quoted(&entry.key)), table)),
                Value::Text(_)
                | Value::Integer(_)
                | Value::Number(_)
                | Value::Bool(_)
                | Value::Datetime(_)
                | Value::List(_) => None,
            };
            table.entries.iter_mut().filter_map(named).collect()
        }
        (None, _) => Vec::new(),
    }
}

fn set(table: &mut Table, key: &str, value: Value, place: Place) {
    let node = Node { value, place };
    match table.get_mut(key) {
        Some(entry) => entry.node = node,
        None => table.entries.push(Entry {
            key: key.to_owned(),
            key_place: place,
            node,
        }),
    }
}
