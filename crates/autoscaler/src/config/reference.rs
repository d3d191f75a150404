//! The reference page of the configuration, made from the types and the defaults.

use std::fmt::Write as _;

use super::{
    DEFAULTS,
    shape::{FILE, Key, Shape, TableShape},
    tree::quoted,
};

/// The whole page in Markdown: each key with its type, default and reason, then what differs from the HPA.
#[must_use]
pub fn reference() -> String {
    let defaults = Default::all();
    let mut page = Page {
        text: PREFACE.to_owned(),
        defaults: &defaults,
    };
    page.tables(&FILE, &TABLES);
    page.differences();
    page.text
}

/// The page of the keys of another kind of file, which has no built-in defaults.
pub(super) fn page(preface: &str, root: &TableShape, tables: &[TableOfPage]) -> String {
    let mut page = Page {
        text: preface.to_owned(),
        defaults: &[],
    };
    page.tables(root, tables);
    page.text
}

const PREFACE: &str = "\
# Configuration reference

<!-- Made by `cargo xtask reference` from the types and the defaults. Edits here are overwritten. -->

A configuration is TOML, given with `-c PATH` (repeatable; a file, or all `*.toml` of a directory
but for files of tests, `*.test.toml`).

**Layers.** Kinds go before files: built-in defaults, all `[defaults]`, templates, workloads; within a kind a later `-c`
wins. One `-c` is one layer, in which nothing may be defined twice. Tables merge key by key, lists replace. Setting one
of several keys that exclude each other (`scale_target`, `process`, `command`; `query`, `scrape`, `recorded`; `port`, `endpoints`; `utilization`,
`per_replica`, `value`, `high`/`low`, `above`/`below`; `fallback.replicas`, `fallback.action`; `cron`, `from`/`until` of a schedule)
removes the others that come from lower layers. `metrics.NAME.enabled = false` removes a metric, `schedule.NAME.enabled = false` a
schedule.

**Variables.** `${namespace}`, `${name}` and `${cluster}` stand in any text, and nothing else does; `$${` is a plain `${`.

**Texts.** A *duration* is whole numbers with units, the largest first: `\"5m\"`, `\"1h30m\"`, `\"500ms\"`. A *percentage* is
`\"70%\"`, or a fraction such as `0.7`. An *amount* is a number, a duration in seconds (`\"2s\"`) or a percentage. A *secret* is
`\"env:NAME\"` or `\"file:PATH\"`. A *path* is relative to the directory of the file it stands in.
A *port* is a number, or the name that a container gives it.
A *cron expression* has the five fields of crontab: minute, hour, day of the month, month, day of the week. A *time zone* is a
name of the IANA database: `\"Europe/Berlin\"`. A *date and time* is `\"2026-11-27T08:00\"`, on the clocks of the schedule's
`timezone`, or has an offset: `\"2026-11-27T08:00+01:00\"`; TOML's own dates do too.

**The environment** changes a file only where that says `script_environment = true`: `NAMESPACE` replaces the namespace of
every workload in it, `METRICS_SERVER` the url of its only Prometheus (`http://` is added), and `CPU_THRESHOLD`,
`MEMORY_THRESHOLD`, `ACTIVE_USERS_THRESHOLD` and `REQUEST_RATE_THRESHOLD` go to the metrics `cpu`, `memory`, `active_users` and
`request_rate`. Each value that was taken is said on stderr.
";

/// A table of a page: the heading, the way to the keys, and where their defaults stand.
pub(super) type TableOfPage = (&'static str, &'static [&'static str], &'static [&'static str]);

/// The tables of the page.
const TABLES: [TableOfPage; 20] = [
    ("The file", &[], &[""]),
    ("`[history]`", &["history"], &["history"]),
    ("`[brake]`", &["brake"], &["brake"]),
    ("`[hpa]`", &["hpa"], &["hpa"]),
    ("`[prometheus.NAME]`", &["prometheus", "*"], &["each.prometheus"]),
    ("`[notify]`", &["notify"], &["notify"]),
    (
        "`[notify.slack.NAME]`",
        &["notify", "slack", "*"],
        &["each.slack", "each.channel"],
    ),
    (
        "`[notify.email.NAME]`",
        &["notify", "email", "*"],
        &["each.email", "each.channel"],
    ),
    (
        "`[notify.webhook.NAME]`",
        &["notify", "webhook", "*"],
        &["each.webhook", "each.channel"],
    ),
    (
        "`[workload.\"NAMESPACE/NAME\"]`",
        &["workload", "*"],
        &["defaults"],
    ),
    (
        "`process` of a workload",
        &["workload", "*", "process"],
        &["each.process"],
    ),
    ("`process.ready`", &["workload", "*", "process", "ready"], &[]),
    ("`command` of a workload", &["workload", "*", "command"], &[]),
    (
        "`metrics.NAME` of a workload",
        &["workload", "*", "metrics", "*"],
        &["each.metric", "each.scrape"],
    ),
    (
        "`scale_up` of a workload",
        &["workload", "*", "scale_up"],
        &["defaults.scale_up"],
    ),
    (
        "`scale_down` of a workload",
        &["workload", "*", "scale_down"],
        &["defaults.scale_down"],
    ),
    (
        "`schedule.NAME` of a workload",
        &["workload", "*", "schedule", "*"],
        &[],
    ),
    (
        "`scale_to_zero` of a workload",
        &["workload", "*", "scale_to_zero"],
        &["defaults.scale_to_zero"],
    ),
    (
        "`fallback` of a workload",
        &["workload", "*", "fallback"],
        &["each.fallback"],
    ),
    (
        "`guards` of a workload",
        &["workload", "*", "guards"],
        &["defaults.guards"],
    ),
];

/// One built-in default with its reason.
#[derive(Debug, PartialEq)]
struct Default {
    table: String,
    key: String,
    value: String,
    reason: String,
}

impl Default {
    /// The defaults in the order of their file. A comment above a key is its reason.
    fn all() -> Vec<Self> {
        let mut table = String::new();
        let mut reason: Vec<&str> = Vec::new();
        let mut all = Vec::new();
        for line in DEFAULTS.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                reason.push(comment.trim());
            } else if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                table = header.to_owned();
                reason.clear();
            } else if let Some((key, value)) = line.split_once(" = ") {
                all.push(Self {
                    table: table.clone(),
                    key: key.to_owned(),
                    value: value.to_owned(),
                    reason: reason.join(" "),
                });
                reason.clear();
            } else {
                reason.clear();
            }
        }
        all
    }

    /// Why it is not the HPA's; `None` where it is.
    fn difference(&self) -> Option<&str> {
        self.reason.strip_prefix("differs: ")
    }
}

struct Page<'a> {
    text: String,
    defaults: &'a [Default],
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn tables(&mut self, root: &TableShape, tables: &[TableOfPage]) {
        for (heading, path, defaults) in tables {
            if let Some(table) = table_at(root, path) {
                self.table(heading, table, defaults);
            }
        }
    }

    fn table(&mut self, heading: &str, table: &TableShape, defaults: &[&str]) {
        self.line(&format!("\n## {heading}\n"));
        if !table.doc.is_empty() {
            self.line(&format!("{}\n", table.doc));
        }
        for key in &table.keys {
            self.key(key, defaults);
        }
    }

    fn key(&mut self, key: &Key, defaults: &[&str]) {
        let found =
            |default: &&Default| default.key == key.name && defaults.contains(&default.table.as_str());
        let default = self.defaults.iter().find(found);
        let mut line = format!("- **`{}`** ({}). {}", key.name, type_name(&key.shape), key.doc);
        if let Some(default) = default {
            let reason = default.difference().unwrap_or(&default.reason);
            let _ = write!(line, " Default: `{}`. {reason}", default.value);
        }
        if let (None, Some(example)) = (default, &key.example) {
            let _ = write!(line, " Example: `{} = {example}`.", key.name);
        }
        self.line(&line);
    }

    fn differences(&mut self) {
        self.line("\n## Defaults that differ from the HPA's\n");
        self.line("| key | default | why |");
        self.line("| --- | --- | --- |");
        let differing: Vec<String> = self
            .defaults
            .iter()
            .filter_map(|default| {
                let why = default.difference()?;
                let table = default.table.strip_prefix("defaults.").unwrap_or(&default.table);
                Some(format!(
                    "| `{table}.{}` | `{}` | {why} |",
                    default.key, default.value
                ))
            })
            .collect();
        for line in differing {
            self.line(&line);
        }
    }
}

/// The table at `path`; `*` stands for a name the user chooses.
fn table_at<'a>(table: &'a TableShape, path: &[&str]) -> Option<&'a TableShape> {
    let Some((first, rest)) = path.split_first() else {
        return Some(table);
    };
    let (table, rest) = match (&table.key(first)?.shape, rest) {
        (Shape::Table(inner), rest) => (inner, rest),
        (Shape::Named(inner) | Shape::List(inner), ["*", rest @ ..]) => match inner.as_ref() {
            Shape::Table(inner) => (inner, rest),
            Shape::Text(_)
            | Shape::Choice(_)
            | Shape::Whole
            | Shape::NumberOrText(_)
            | Shape::Bool
            | Shape::List(_)
            | Shape::Named(_) => return None,
        },
        (
            Shape::Text(_)
            | Shape::Choice(_)
            | Shape::Whole
            | Shape::NumberOrText(_)
            | Shape::Bool
            | Shape::List(_)
            | Shape::Named(_),
            _,
        ) => return None,
    };
    table_at(table, rest)
}

fn type_name(shape: &Shape) -> String {
    match shape {
        Shape::Text(Some(format)) | Shape::NumberOrText(format) => format.clone(),
        Shape::Text(None) => "text".to_owned(),
        Shape::Choice(words) => words
            .iter()
            .map(|word| format!("`{}`", quoted(word)))
            .collect::<Vec<_>>()
            .join(" or "),
        Shape::Whole => "whole number".to_owned(),
        Shape::Bool => "`true` or `false`".to_owned(),
        Shape::List(item) => format!("list, each {}", type_name(item)),
        Shape::Table(_) => "table".to_owned(),
        Shape::Named(inner) => format!("table of names, each {}", type_name(inner)),
    }
}
