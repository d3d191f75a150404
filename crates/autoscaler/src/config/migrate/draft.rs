//! One policy before it is written.

use std::time::Duration;

use super::{
    super::{tree, words},
    Remaining,
    objects::Object,
    target::workload_name,
};

/// One policy before it is written: keys with their values as TOML.
#[derive(Debug)]
pub(super) struct Draft {
    /// The object it is made from.
    pub(super) object: String,
    pub(super) object_name: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) target: String,
    pub(super) min: i64,
    pub(super) max: i64,
    /// What may be shared with others.
    pub(super) keys: Vec<(String, String)>,
    pub(super) metrics: Vec<Metric>,
    /// The longest stabilization window.
    pub(super) window: Duration,
    /// What the policy lacks.
    pub(super) missing: Vec<String>,
    notes: Vec<String>,
}

/// One metric before it is written.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) keys: Vec<(&'static str, String)>,
    /// Which of the Prometheus servers it asks.
    pub(super) server: Option<usize>,
}

impl Draft {
    pub(super) fn new(object: &Object<'_>, target: String, min: i64, max: i64) -> Self {
        let name = target.split_once('/').map_or(target.as_str(), |(_, name)| name);
        Self {
            object: object.to_string(),
            object_name: object.name.to_owned(),
            namespace: object.namespace.clone(),
            name: workload_name(name),
            target,
            min,
            max,
            keys: Vec::new(),
            metrics: Vec::new(),
            window: Duration::from_secs(300),
            missing: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The identity of the workload.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Sets a key to a text.
    pub(super) fn set(&mut self, key: impl Into<String>, value: &str) {
        self.keys.push((key.into(), quoted(value)));
    }

    /// Sets a key to what is TOML already.
    pub(super) fn set_toml(&mut self, key: impl Into<String>, toml: String) {
        self.keys.push((key.into(), toml));
    }

    /// Says what the policy lacks.
    pub(super) fn lack(&mut self, text: impl Into<String>) {
        self.missing.push(text.into());
    }

    /// Says what a person should know.
    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// Adds a metric, under its name or one like it that is free.
    pub(super) fn add(&mut self, mut metric: Metric) {
        let metrics = &self.metrics;
        metric.name = free_name(&metric.name, |name| {
            metrics.iter().any(|other| other.name == name)
        });
        self.metrics.push(metric);
    }

    /// Adds Kubernetes' own cpu or memory. There is one of each, because it is known by its name.
    pub(super) fn add_resource(&mut self, resource: &str, container: Option<&str>, percent: i64) {
        let of = container.map_or_else(String::new, |name| format!(" of container `{name}`"));
        if !matches!(resource, "cpu" | "memory") {
            self.lack(format!(
                "utilization of `{resource}`{of}: only cpu and memory have one; ask a Prometheus with a query"
            ));
        } else if !(1..=1000).contains(&percent) {
            self.lack(format!(
                "utilization of {percent}% for {resource}{of}: a target is from 1% to 1000%"
            ));
        } else if self.metrics.iter().any(|metric| metric.name == resource) {
            self.lack(format!(
                "a second {resource} metric{of}, {percent}%: a workload has one; ask a Prometheus for the other with a \
                 query"
            ));
        } else {
            let container = container.map(|name| ("container", quoted(name)));
            let target = ("utilization", quoted(&format!("{percent}%")));
            self.metrics.push(Metric {
                name: resource.to_owned(),
                keys: container.into_iter().chain([target]).collect(),
                server: None,
            });
        }
    }

    /// What is left for a person, what is missing first.
    pub(super) fn take_remaining(&mut self) -> Vec<Remaining> {
        let missing = self.missing.iter().cloned().map(|text| (true, text));
        let notes = std::mem::take(&mut self.notes);
        missing
            .chain(notes.into_iter().map(|text| (false, text)))
            .map(|(is_missing, text)| Remaining {
                object: self.object.clone(),
                is_missing,
                text,
            })
            .collect()
    }
}

/// `text` as TOML, with nothing in it that would be a variable.
pub(super) fn quoted(text: &str) -> String {
    tree::quoted(&text.replace("${", "$${"))
}

/// A span of whole seconds as TOML.
pub(super) fn seconds(seconds: u64) -> String {
    quoted(&words::duration_text(Duration::from_secs(seconds)))
}

/// `name` as the name of a metric, a server or a schedule.
pub(super) fn plain_name(name: &str, otherwise: &str) -> String {
    let legal = |symbol: char| {
        if symbol.is_ascii_alphanumeric() || symbol == '_' {
            symbol
        } else {
            '-'
        }
    };
    let plain: String = name.chars().map(legal).take(50).collect();
    let plain = plain.trim_matches('-');
    if plain.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
        plain.to_owned()
    } else {
        otherwise.to_owned()
    }
}

/// `plain`, or one like it that is free, such as `plain-2`: then as long as a DNS label at most. `plain` is ASCII.
pub(super) fn free_name(plain: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let mut name = plain.to_owned();
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        let end = format!("-{number}");
        let kept = plain.len().min(63 - end.len());
        name = format!("{}{end}", &plain[..kept]);
    }
    name
}
