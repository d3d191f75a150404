//! Text to policies: reads layers of TOML, and makes of them a [`Configuration`] or a list of every problem in them.
//!
//! A file is parsed into a tree whose values know their places (`tree`), compared with the known keys (`shape`, from
//! the types in `raw`), laid over other files (`layers`), and read into the engine's types (`policy`). Nothing here
//! reads the process's environment or a clock; connecting to anything belongs to others.

mod at;
mod braking;
mod channels;
mod check;
mod environment;
mod fallback;
mod files;
mod holding;
mod hpa;
mod import;
mod layers;
mod lint;
mod metrics;
mod migrate;
mod origins;
mod place;
mod policy;
mod problem;
mod promql;
mod raw;
mod reader;
mod reference;
mod rules;
mod schedules;
mod scraping;
mod secrets;
mod servers;
mod shape;
mod suite;
mod targets;
mod tree;
mod variables;
mod words;
mod zero;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use headroom_policy_engine::{WorkloadId, is_dns_label};

pub use self::{
    environment::Environment,
    files::is_suite,
    import::{Imported, import_env},
    lint::page as lints_page,
    migrate::{Migration, MigrationError, MovedFile, MovedKind, Remaining, Selection, migrate, read_objects},
    origins::{EffectiveKey, Origin, Origins},
    problem::{Problem, ProblemKind, Problems},
    reference::reference,
    secrets::SecretError,
    suite::{load_suite, suite_reference, suite_schema, variants},
};
use self::{
    layers::Merged,
    place::Sources,
    problem::{Finding, Findings},
    raw::{RawFile, RawWorkload},
    reader::Reader,
    servers::Servers,
    tree::{Entry, Node, Table, Value},
    variables::Variables,
};
use crate::{
    BrakeSettings, Configuration, HistorySettings, KubernetesSettings, NotifySettings, Remark, ScrapeAddress,
    Settings,
};

/// The built-in defaults as a commented file: all of them, written nowhere else.
pub const DEFAULTS: &str = include_str!("config/defaults.toml");

/// How a configuration is loaded.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Where state lives, before what the files say.
    pub state_dir: Option<PathBuf>,
    /// Which cluster targets in Kubernetes are in.
    pub kubernetes: KubernetesSettings,
    /// Which secrets have to be there.
    pub secrets: SecretCheck,
    /// Whether lints are wanted.
    pub lints: Lints,
}

/// Whether what is legal and dangerous is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lints {
    /// It is, and becomes remarks.
    #[default]
    Told,
    /// It is not: nobody would read it.
    Unasked,
}

/// Which secrets have to be there. Their values are looked at and not kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretCheck {
    /// None: what is checked here runs elsewhere.
    #[default]
    None,
    /// Those of the Prometheus servers that some workload asks, because they are about to be asked.
    Sources,
}

/// A configuration and where its values come from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What the files say.
    pub configuration: Configuration,
    /// Where each value comes from.
    pub origins: Origins,
}

/// The smallest state that is worth keeping, in bytes.
const SMALLEST_HISTORY: u64 = 1_000_000;

/// The JSON schema of a configuration file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    shape::inlined_schema::<RawFile>()
}

/// Loads the layers at `sources`, files or directories; a later one goes before an earlier one.
///
/// # Errors
/// Every problem of all files, when there is one.
pub fn load(
    sources: &[PathBuf],
    environment: &Environment,
    options: &LoadOptions,
) -> Result<Loaded, Problems> {
    let mut loading = Loading::default();
    let merged = loading.merge(sources, environment);
    let result = loading.configuration(&merged, sources, environment, options);
    let texts = Arc::new(std::mem::take(&mut loading.sources));
    match result {
        Some((mut configuration, workloads)) if loading.findings.is_empty() => {
            let origins = Origins {
                workloads,
                settings: loading.common,
                sources: texts,
            };
            channels::keep_effective(&mut configuration, &origins);
            Ok(Loaded {
                configuration,
                origins,
            })
        }
        refused => {
            let remarks = match refused {
                Some((configuration, _)) => configuration.remarks,
                None => loading.remarks,
            };
            Err(loading.findings.into_problems(&texts).beside(remarks))
        }
    }
}

/// What is in effect outside of workloads.
fn common_settings(merged: &Merged) -> Table {
    let mut table = merged.file.clone();
    for key in ["defaults", "template", "workload"] {
        table.remove(key);
    }
    table
}

/// The state of a load.
#[derive(Debug, Default)]
struct Loading {
    sources: Sources,
    findings: Findings,
    remarks: Vec<Remark>,
    /// What belongs to no workload, after variables.
    common: Table,
}

/// One workload before its settings are read.
struct Effective {
    id: WorkloadId,
    entry: Entry,
    table: Table,
}

impl Loading {
    /// Reads all files and lays them over each other.
    fn merge(&mut self, paths: &[PathBuf], environment: &Environment) -> Merged {
        let defaults = files::read_defaults(DEFAULTS, &mut self.sources, &mut self.findings);
        if paths.is_empty() {
            let finding = Finding::new(ProblemKind::Absent, "no configuration was named");
            self.findings
                .push(finding.help("name a file or directory with -c PATH"));
        }
        let mut layers = Vec::new();
        for path in paths {
            layers.push(files::read_layer(
                path,
                environment,
                &mut self.sources,
                &mut self.findings,
                &mut self.remarks,
            ));
        }
        Merged::new(defaults, &layers)
    }

    /// Reads everything; `None` when something is so wrong that there is no configuration.
    fn configuration(
        &mut self,
        merged: &Merged,
        paths: &[PathBuf],
        environment: &Environment,
        options: &LoadOptions,
    ) -> Option<(Configuration, BTreeMap<WorkloadId, Table>)> {
        let cluster = self.cluster(merged);
        let common = self.common(merged, cluster.as_deref())?;
        let effective = self.effective(merged, cluster.as_deref());
        let mut reader = Reader {
            sources: &self.sources,
            findings: &mut self.findings,
            remarks: &mut self.remarks,
            silences: lint::Silences::new(options.lints),
        };
        // What belongs to no workload is silenced where all of them are.
        let defaults = merged
            .file
            .table("defaults")
            .and_then(|defaults| defaults.get("lints"));
        let silenced = defaults.and_then(|entry| entry.node.clone().read().ok());
        lint::silence(silenced.as_ref(), &mut reader);
        let mut settings = settings(&common, cluster, paths, options, &mut reader)?;
        let servers = Servers::read(&common, settings.deadline, &mut reader);
        let (notify, channels) = match &common.notify {
            Some(raw) => channels::channels(raw, &mut reader),
            None => Default::default(),
        };
        settings.notify = notify;
        settings.notify.general = channels::general(
            merged.file.table("defaults"),
            settings.cluster.as_deref(),
            (&settings.notify.channels, &channels),
            &mut reader,
        );
        settings.prometheus = servers.settings.clone();
        let hpa = hpa::shared(hpa::settings(common.hpa.as_ref(), &mut reader));
        let around = policy::Common {
            servers: &servers,
            channels: &channels,
            state_dir: &settings.state_dir,
            deadline: settings.deadline,
            hpa: &hpa,
            scrape_address: match common.allow_scrape_address.as_ref().map(|flag| flag.value) {
                Some(true) => ScrapeAddress::Honored,
                Some(false) | None => ScrapeAddress::Ignored,
            },
        };
        let mut workloads = Vec::new();
        let mut targets = Vec::new();
        for one in &effective {
            let Some(raw) = read_workload(one, reader.findings) else {
                continue;
            };
            lint::silence(raw.lints.as_ref(), &mut reader);
            let read = policy::workload(&one.id, one.entry.key_place, &raw, &around, &mut reader);
            targets.extend(read.target.map(|target| (&one.id, target)));
            if let Some((settings, queries)) = read.settings {
                lint::check(
                    &raw,
                    one.entry.key_place,
                    &settings,
                    &queries,
                    &servers,
                    &mut reader,
                );
                workloads.push(settings);
            }
        }
        lint::tell_unneeded(&mut reader);
        targets::check_distinct(&targets, &mut reader);
        if options.secrets == SecretCheck::Sources {
            secrets::check_sources(&workloads, &servers, environment, &mut reader);
        }
        let tables = effective.into_iter().map(|one| (one.id, one.table)).collect();
        let configuration = Configuration {
            settings,
            workloads,
            remarks: std::mem::take(&mut self.remarks),
        };
        Some((configuration, tables))
    }

    /// The cluster's name, once it is known to be one.
    fn cluster(&mut self, merged: &Merged) -> Option<String> {
        let entry = merged.file.get("cluster")?;
        match &entry.node.value {
            Value::Text(name) if is_dns_label(name) => Some(name.clone()),
            Value::Text(name) => {
                let error = words::WordError::Label { part: name.clone() };
                let finding = Finding::new(ProblemKind::BadValue, error.to_string()).at(entry.node.place);
                self.findings.push(finding.help(error.help()));
                None
            }
            Value::Integer(_)
            | Value::Number(_)
            | Value::Bool(_)
            | Value::Datetime(_)
            | Value::List(_)
            | Value::Table(_) => None,
        }
    }

    /// Everything that belongs to no workload.
    fn common(&mut self, merged: &Merged, cluster: Option<&str>) -> Option<RawFile> {
        let mut table = common_settings(merged);
        let variables = Variables {
            cluster,
            ..Variables::default()
        };
        variables.substitute(&mut table, &mut self.findings);
        self.common = table.clone();
        read_table(table, &mut self.findings)
    }

    /// What holds for each workload, after layers, templates and variables, by identity.
    fn effective(&mut self, merged: &Merged, cluster: Option<&str>) -> Vec<Effective> {
        let all = merged
            .file
            .table("workload")
            .map_or(&[][..], |table| &table.entries);
        if all.is_empty() && self.findings.is_empty() {
            let finding = Finding::new(ProblemKind::Absent, "there is no workload");
            self.findings
                .push(finding.help("add one: [workload.\"NAMESPACE/NAME\"], or [workload.NAME]"));
        }
        let mut found = BTreeMap::new();
        for entry in all {
            let id: WorkloadId = match entry.key.parse() {
                Ok(id) => id,
                Err(error) => {
                    let finding = Finding::new(ProblemKind::BadValue, error.to_string()).at(entry.key_place);
                    self.findings
                        .push(finding.help("call it [workload.\"NAMESPACE/NAME\"] or [workload.NAME]"));
                    continue;
                }
            };
            let Some(mut table) = merged.workload(entry, &mut self.findings) else {
                continue;
            };
            let variables = Variables {
                namespace: id.namespace(),
                name: Some(id.name()),
                cluster,
                defined_at: Some(entry.key_place),
            };
            variables.substitute(&mut table, &mut self.findings);
            let entry = entry.clone();
            found.insert(id.clone(), Effective { id, entry, table });
        }
        found.into_values().collect()
    }
}

fn read_workload(one: &Effective, findings: &mut Findings) -> Option<RawWorkload> {
    read_table(one.table.clone(), findings)
}

/// Reads a raw type. What does not fit was taken out before, so a failure here is a fault of this module; it is
/// reported as a problem all the same.
fn read_table<T: serde::de::DeserializeOwned>(table: Table, findings: &mut Findings) -> Option<T> {
    let node = Node {
        place: table
            .entries
            .first()
            .map(|entry| entry.key_place)
            .unwrap_or_default(),
        value: Value::Table(table),
    };
    node.read()
        .map_err(|error| {
            findings.push(Finding::new(ProblemKind::WrongType, error.to_string()).at(node.place));
        })
        .ok()
}

/// What holds for all workloads, without the servers.
fn settings(
    raw: &RawFile,
    cluster: Option<String>,
    paths: &[PathBuf],
    options: &LoadOptions,
    reader: &mut Reader<'_>,
) -> Option<Settings> {
    let state_dir = match (&options.state_dir, &raw.state_dir) {
        (Some(path), _) => Some(path.clone()),
        (None, Some(path)) => reader.path(path),
        (None, None) => Some(beside(paths.first().map(PathBuf::as_path))),
    };
    let deadline = reader.span("deadline", raw.deadline.as_ref());
    let pass_deadline = reader.span("pass_deadline", raw.pass_deadline.as_ref());
    if let (Some(deadline), Some(pass), Some(one), Some(whole)) =
        (deadline, pass_deadline, &raw.deadline, &raw.pass_deadline)
        && pass < deadline
    {
        let message = "a whole pass has less time than one answer may take";
        let finding = Finding::new(ProblemKind::Conflict, message)
            .at(one.place)
            .at(whole.place);
        reader.report(finding.help("raise pass_deadline or lower deadline"));
    }
    let history = raw.history.as_ref()?;
    let keep_for = reader.span("history.keep_for", history.keep_for.as_ref());
    let max_size = history.max_size.as_ref()?;
    let brake = braking::brake(raw.brake.as_ref()?, reader);
    let max_bytes = reader.word(words::size(&max_size.value.0), max_size.place);
    if max_bytes.is_some_and(|bytes| bytes < SMALLEST_HISTORY) {
        let message = format!("`max_size` is too small: {}", max_size.value.0);
        let finding = Finding::new(ProblemKind::BadValue, message).at(max_size.place);
        reader.report(finding.help("a megabyte is the least that holds something: write \"200MB\""));
    }
    // What could not be read was reported, and nothing comes of this load; an empty value lets the rest be read.
    Some(Settings {
        cluster,
        state_dir: state_dir.unwrap_or_default(),
        kubernetes: options.kubernetes.clone(),
        prometheus: BTreeMap::new(),
        notify: NotifySettings::default(),
        history: HistorySettings {
            keep_for: keep_for.unwrap_or_default(),
            max_bytes: max_bytes.unwrap_or_default(),
        },
        brake: brake.unwrap_or(BrakeSettings::OFF),
        deadline: deadline.unwrap_or_default(),
        pass_deadline: pass_deadline.unwrap_or_default(),
    })
}

/// `.headroom` beside the files of the first `-c`: in its directory, whether a file or the directory was named.
fn beside(first: Option<&Path>) -> PathBuf {
    let directory = match first {
        Some(path) if path.is_dir() => Some(path),
        Some(path) => path.parent(),
        None => None,
    };
    match directory {
        Some(directory) if directory != Path::new("") && directory != Path::new(".") => {
            directory.join(".headroom")
        }
        Some(_) | None => PathBuf::from(".headroom"),
    }
}
