//! Layers to one tree: what goes before what.
//!
//! Kinds before files: built-in defaults, all `[defaults]`, templates, workloads; within a kind a later `-c` wins.
//! Tables merge key by key, lists replace, and setting one field of an exclusive group removes the group's other
//! fields that come from lower layers.

use super::{
    check::nearest,
    place::Place,
    problem::{Finding, Findings, ProblemKind},
    shape::{self, Shape, TableKind, TableShape},
    tree::{Entry, Table, Value},
};

/// One way of an exclusive group: the fields that choose it, and those that go with it.
struct Way {
    chosen_by: &'static [&'static str],
    with: &'static [&'static str],
}

impl Way {
    const fn new(chosen_by: &'static [&'static str], with: &'static [&'static str]) -> Self {
        Self { chosen_by, with }
    }

    fn is_chosen(&self, table: &Table) -> bool {
        self.chosen_by.iter().any(|key| table.has(key))
    }
}

/// What is scaled: one of these.
const TARGETS: &[Way] = &[
    Way::new(&["scale_target"], &[]),
    Way::new(&["process"], &[]),
    Way::new(&["command"], &[]),
];

/// Where a metric comes from: one of these.
const ORIGINS: &[Way] = &[
    Way::new(&["query"], &["coverage", "source"]),
    Way::new(&["scrape"], &["path", "rate_over", "across", "port", "endpoints"]),
    Way::new(&["recorded"], &["series"]),
    Way::new(&["container"], &[]),
];

/// Who is scraped: one of these.
const SCRAPED: &[Way] = &[Way::new(&["port"], &[]), Way::new(&["endpoints"], &[])];

/// How a metric becomes a count: one of these.
const RULES: &[Way] = &[
    Way::new(&["utilization"], &[]),
    Way::new(&["per_replica"], &[]),
    Way::new(&["value"], &[]),
    Way::new(&["high", "low"], &["compare"]),
    Way::new(&["above", "below"], &["add", "remove", "for"]),
];

/// How a server is told who asks: one of these.
const CREDENTIALS: &[Way] = &[
    Way::new(&["bearer_token"], &[]),
    Way::new(&["username", "password"], &[]),
];

/// How a replica shows that it is ready: one of these.
const READY: &[Way] = &[Way::new(&["http"], &[]), Way::new(&["tcp"], &[])];

/// What a fallback does: one of these.
const FALLBACK: &[Way] = &[Way::new(&["replicas"], &[]), Way::new(&["action"], &[])];

/// When a schedule is in force: one of these.
const SCHEDULE: &[Way] = &[
    Way::new(&["cron"], &["duration"]),
    Way::new(&["from", "until"], &[]),
];

/// How Slack is reached: one of these.
const SLACK: &[Way] = &[
    Way::new(&["webhook"], &[]),
    Way::new(&["token"], &["channel", "api"]),
];

const fn groups(kind: TableKind) -> &'static [&'static [Way]] {
    match kind {
        TableKind::Workload => &[TARGETS],
        TableKind::Metric => &[ORIGINS, SCRAPED, RULES],
        TableKind::Prometheus => &[CREDENTIALS],
        TableKind::Ready => &[READY],
        TableKind::Fallback => &[FALLBACK],
        TableKind::Schedule => &[SCHEDULE],
        TableKind::Slack => &[SLACK],
        TableKind::Other => &[],
    }
}

/// Lays `upper` over `lower`.
pub(super) fn merge(lower: &mut Table, upper: &Table, shape: &TableShape) {
    for group in groups(shape.kind) {
        remove_other_ways(lower, upper, group);
    }
    for entry in &upper.entries {
        let inner = shape.key(&entry.key).map(|key| &key.shape);
        merge_entry(lower, entry, inner);
    }
}

/// Where `upper` chooses a way, the other ways' fields in `lower` go.
fn remove_other_ways(lower: &mut Table, upper: &Table, group: &[Way]) {
    if !group.iter().any(|way| way.is_chosen(upper)) {
        return;
    }
    for way in group.iter().filter(|way| !way.is_chosen(upper)) {
        for key in way.chosen_by.iter().chain(way.with) {
            lower.remove(key);
        }
    }
}

fn merge_entry(lower: &mut Table, entry: &Entry, shape: Option<&Shape>) {
    match lower.get_mut(&entry.key) {
        Some(existing) => lay_over(existing, entry, shape),
        None => lower.entries.push(entry.clone()),
    }
}

/// Lays `entry` over the one of the same key.
fn lay_over(existing: &mut Entry, entry: &Entry, shape: Option<&Shape>) {
    match (&mut existing.node.value, &entry.node.value, shape) {
        (Value::Table(below), Value::Table(above), Some(Shape::Table(shape))) => {
            merge(below, above, shape);
            // The newest mention is where a person would look first.
            existing.key_place = entry.key_place;
            existing.node.place = entry.node.place;
        }
        (Value::Table(below), Value::Table(above), Some(Shape::Named(shape))) => {
            // There may be thousands of workloads.
            let mut index = below.index();
            for inner in &above.entries {
                match index.get(&inner.key).and_then(|at| below.entries.get_mut(*at)) {
                    Some(existing) => lay_over(existing, inner, Some(shape)),
                    None => {
                        index.insert(inner.key.clone(), below.entries.len());
                        below.entries.push(inner.clone());
                    }
                }
            }
        }
        (
            Value::Text(_)
            | Value::Integer(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::List(_)
            | Value::Table(_),
            _,
            _,
        ) => *existing = entry.clone(),
    }
}

/// The layers laid over each other, and what the built-in defaults add to each table of a kind.
#[derive(Debug)]
pub(super) struct Merged {
    /// All files, later over earlier, over the built-in defaults.
    pub(super) file: Table,
    each: Table,
}

impl Merged {
    /// Lays `layers` over the built-in defaults.
    pub(super) fn new(mut defaults: Table, layers: &[Table]) -> Self {
        let each = defaults.table("each").cloned().unwrap_or_default();
        defaults.remove("each");
        for layer in layers {
            merge(&mut defaults, layer, &shape::FILE);
        }
        let mut merged = Self { file: defaults, each };
        let Self { file, each } = &mut merged;
        if let Some(servers) = file.table_mut("prometheus") {
            fill_all(servers, each, &["prometheus"]);
        }
        for kind in ["slack", "email", "webhook"] {
            if let Some(channels) = file.table_mut("notify").and_then(|notify| notify.table_mut(kind)) {
                fill_all(channels, each, &[kind, "channel"]);
            }
        }
        merged
    }

    /// Adds to a table of `kind` what the built-in defaults say of each such table, under what it says itself.
    fn fill(&self, value: &mut Value, kind: &str) {
        fill(value, self.each.table(kind));
    }

    /// Everything that holds for one workload: defaults, its templates, itself. `None` when a template is wrong.
    pub(super) fn workload(&self, own: &Entry, findings: &mut Findings) -> Option<Table> {
        let shape = workload_shape()?;
        let own_table = own.node.as_table()?;
        let mut effective = self.file.table("defaults").cloned().unwrap_or_default();
        let by_default = effective.get("template").cloned();
        let named = own_table.get("template").or(by_default.as_ref());
        let mut chain = Vec::new();
        if let Some(template) = named {
            self.collect_templates(template, &mut chain, findings)?;
        }
        if let Some(channels) = self.channels_of_namespace(&own.key) {
            effective.remove("notify");
            effective.entries.push(channels);
        }
        for template in chain.iter().rev() {
            merge(&mut effective, template, shape);
        }
        merge(&mut effective, own_table, shape);
        self.complete(&mut effective);
        Some(effective)
    }

    /// `notify` of the namespace that the workload `id` is in, where the configuration gives it one.
    fn channels_of_namespace(&self, id: &str) -> Option<Entry> {
        let (namespace, _) = id.split_once('/')?;
        let channels = self.file.table("notify")?.table("namespaces")?.get(namespace)?;
        Some(Entry {
            key: "notify".to_owned(),
            ..channels.clone()
        })
    }

    /// Follows `reference` and the templates that templates name, nearest first.
    fn collect_templates<'a>(
        &'a self,
        reference: &'a Entry,
        chain: &mut Vec<&'a Table>,
        findings: &mut Findings,
    ) -> Option<()> {
        let mut next = Some(reference);
        let mut seen: Vec<(&str, Place)> = Vec::new();
        while let Some(reference) = next {
            let Value::Text(name) = &reference.node.value else {
                return None;
            };
            if let Some(first) = seen.iter().position(|(other, _)| other == name) {
                findings.push(self.cycle(&seen[first..], reference));
                return None;
            }
            seen.push((name, reference.node.place));
            let templates = self.file.table("template");
            let Some(template) = templates.and_then(|all| all.table(name)) else {
                findings.push(unknown_template(name, reference.node.place, templates));
                return None;
            };
            chain.push(template);
            next = template.get("template");
        }
        Some(())
    }

    /// A template that refers to itself. Whoever of the circle is named first, it is told of once.
    fn cycle(&self, circle: &[(&str, Place)], back: &Entry) -> Finding {
        let mut names: Vec<&str> = circle.iter().map(|(name, _)| *name).collect();
        let first = names
            .iter()
            .enumerate()
            .min_by_key(|(_, name)| **name)
            .map_or(0, |(at, _)| at);
        names.rotate_left(first);
        let place = |name: &&str| {
            Some(
                self.file
                    .table("template")?
                    .table(name)?
                    .get("template")?
                    .node
                    .place,
            )
        };
        let mut message = format!("template `{}` refers to itself", names[0]);
        if names.len() > 1 {
            let through = super::problem::listed(names[1..].iter().copied());
            message.push_str(&format!(", through {through}"));
        }
        let mut finding = Finding::new(ProblemKind::BadValue, message);
        for place in names.iter().map(place) {
            finding = finding.at(place.unwrap_or(back.node.place));
        }
        finding.help("remove one of these lines")
    }

    /// What follows for the tables inside a workload: metrics and schedules that are switched off go, built-in defaults come in.
    fn complete(&self, workload: &mut Table) {
        if let Some(metrics) = workload.table_mut("metrics") {
            metrics.entries.retain(|metric| !is_switched_off(metric));
            for metric in &mut metrics.entries {
                if metric.node.as_table().is_some_and(|table| table.has("scrape")) {
                    self.fill(&mut metric.node.value, "scrape");
                }
                self.fill(&mut metric.node.value, "metric");
            }
        }
        if let Some(schedules) = workload.table_mut("schedule") {
            schedules.entries.retain(|schedule| !is_switched_off(schedule));
        }
        for kind in ["process", "fallback"] {
            if let Some(table) = workload.get_mut(kind) {
                self.fill(&mut table.node.value, kind);
            }
        }
    }
}

/// Adds to each table in `tables` what the built-in defaults say of its kinds.
fn fill_all(tables: &mut Table, each: &Table, kinds: &[&str]) {
    for entry in &mut tables.entries {
        for kind in kinds {
            fill(&mut entry.node.value, each.table(kind));
        }
    }
}

/// Adds `defaults` to a table, under what it says itself.
fn fill(value: &mut Value, defaults: Option<&Table>) {
    if let (Value::Table(table), Some(defaults)) = (value, defaults) {
        for entry in &defaults.entries {
            if !table.has(&entry.key) {
                table.entries.push(entry.clone());
            }
        }
    }
}

/// The keys of a workload.
pub(super) fn workload_shape() -> Option<&'static TableShape> {
    match &shape::FILE.key("defaults")?.shape {
        Shape::Table(shape) => Some(shape),
        Shape::Text(_)
        | Shape::Choice(_)
        | Shape::Whole
        | Shape::NumberOrText(_)
        | Shape::Bool
        | Shape::List(_)
        | Shape::Named(_) => None,
    }
}

fn is_switched_off(entry: &Entry) -> bool {
    let enabled = entry.node.as_table().and_then(|table| table.get("enabled"));
    enabled.is_some_and(|entry| entry.node.value == Value::Bool(false))
}

fn unknown_template(name: &str, place: Place, templates: Option<&Table>) -> Finding {
    let names = || {
        templates
            .into_iter()
            .flat_map(|all| &all.entries)
            .map(|entry| entry.key.as_str())
    };
    let finding = Finding::new(ProblemKind::UnknownName, format!("there is no template `{name}`")).at(place);
    finding.help(match nearest(name, names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names().next().is_some() => {
            format!("the templates are {}", super::problem::listed(names()))
        }
        None => format!("define it: [template.{name}]"),
    })
}
