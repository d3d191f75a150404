//! Files of tests: read with the configuration's own machinery, next to the policy that they are about.
//!
//! The policy is loaded as it is live, layers and templates included, and every problem of both is reported at once. What
//! one case means is read in `case`; playing it belongs to [`policy_test`](crate::policy_test).

mod case;
mod codes;
mod expect;
mod inputs;
mod length;
mod raw;
mod recordings;
mod reference;
mod series;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use self::{
    case::{Around, Policy},
    raw::RawSuite,
    recordings::Recordings,
};
pub use self::{codes::variants, reference::suite_reference};
use super::{
    Environment, Lints, LoadOptions, Loading,
    at::At,
    check,
    files::{self, FileKind},
    layers,
    lint::Silences,
    load,
    place::SourceKind,
    problem::{Finding, ProblemKind, Problems},
    read_table,
    reader::Reader,
    shape::{self, Shape, TableShape},
    tree::{Entry, Table},
};
use crate::policy_test::{Case, Suite};

/// The most passes of all cases of a file together.
const MOST_PASSES: usize = 1_000_000;

/// The keys of a file of tests.
pub(super) static KEYS: LazyLock<TableShape> = LazyLock::new(shape::keys_of::<RawSuite>);

/// The JSON schema of a file of tests, for editors.
#[must_use]
pub fn suite_schema() -> serde_json::Value {
    shape::inlined_schema::<RawSuite>()
}

/// Loads a file of tests and the policy it is about.
///
/// # Errors
/// Every problem of the file and of the policy, when there is one.
pub fn load_suite(file: &Path) -> Result<Suite, Problems> {
    let mut loading = Loading::default();
    let table = loading.suite_table(file);
    let raw: RawSuite = match table.as_ref() {
        Some(table) => read_table(table.clone(), &mut loading.findings).unwrap_or_default(),
        None => RawSuite::default(),
    };
    let mut reader = Reader {
        sources: &loading.sources,
        findings: &mut loading.findings,
        remarks: &mut loading.remarks,
        silences: Silences::default(),
    };
    let paths = policy_paths(&raw, &mut reader);
    let environment = raw.environment.iter().flat_map(|named| &named.0);
    let environment: Environment = environment
        .map(|(name, value)| (name.value.clone(), value.value.clone()))
        .collect();
    let options = LoadOptions {
        // They are for who asks, with `headroom check`.
        lints: Lints::Unasked,
        ..LoadOptions::default()
    };
    let policy = paths.map(|paths| load(&paths, &environment, &options));
    let (policy, of_policy) = match policy {
        Some(Ok(loaded)) => (Some(Policy::new(loaded.configuration.workloads)), None),
        Some(Err(problems)) => (None, Some(problems)),
        None => (None, None),
    };
    let cases = table.map(|table| cases(&table, policy.as_ref(), &mut reader));
    let own =
        (!loading.findings.is_empty()).then(|| loading.findings.into_problems(&Arc::new(loading.sources)));
    match (own, of_policy) {
        (Some(own), Some(of_policy)) => Err(own.and(of_policy)),
        (Some(problems), None) | (None, Some(problems)) => Err(problems),
        (None, None) => Ok(Suite {
            file: file.to_owned(),
            cases: cases.unwrap_or_default(),
        }),
    }
}

impl Loading {
    /// Reads the file as far as its keys go; `None` where there is nothing of it.
    fn suite_table(&mut self, file: &Path) -> Option<Table> {
        let text = files::read_text(file, FileKind::Tests)
            .map_err(|finding| self.findings.push(finding))
            .ok()?;
        let source = self.sources.add(SourceKind::File(file.to_owned()), text);
        let mut table = files::parse(source, &self.sources, &mut self.findings);
        if !self.findings.is_empty() {
            return None;
        }
        if let (Some(workload), false) = (table.get("workload"), table.has("case")) {
            let message = format!("{} is a configuration, and has no tests", file.display());
            let finding = Finding::new(ProblemKind::UnknownKey, message).at(workload.key_place);
            let help = "tests stand in a file of their own, such as headroom.test.toml, with config = [\"headroom.toml\"]";
            self.findings.push(finding.help(help));
            return None;
        }
        if !table.has("config") {
            let message = format!("{} does not say which policy it tests", file.display());
            let finding = Finding::new(ProblemKind::Absent, message);
            self.findings.push(finding.help(NAME_THE_POLICY));
        }
        check::check(&mut table, &KEYS, &mut self.findings);
        Some(table)
    }
}

/// How a file says which policy it tests.
const NAME_THE_POLICY: &str = "set config = [\"headroom.toml\"], with paths relative to this file";

/// The files and directories of the policy.
fn policy_paths(raw: &RawSuite, reader: &mut Reader<'_>) -> Option<Vec<PathBuf>> {
    let config = raw.config.as_ref()?;
    let list = &config.value;
    if list.is_empty() {
        let finding = Finding::new(ProblemKind::Absent, "`config` names no policy").at(config.place);
        reader.report(finding.help(NAME_THE_POLICY));
        return None;
    }
    let paths = list.iter().map(|path| {
        let found = reader.path(path)?;
        if found.exists() {
            return Some(found);
        }
        let message = format!("there is no file or directory {}", found.display());
        let finding = Finding::new(ProblemKind::Unreadable, message).at(path.place);
        reader.report(finding.help("paths are relative to the directory of this file"));
        None
    });
    // Every path is looked at, also after a wrong one.
    let paths: Vec<_> = paths.collect();
    paths.into_iter().collect()
}

/// Reads every case, with what `[defaults]` says under what it says itself.
fn cases(table: &Table, policy: Option<&Policy>, reader: &mut Reader<'_>) -> Vec<Case> {
    let defaults = table.table("defaults").cloned().unwrap_or_default();
    let defaults_place = table.get("defaults").map(|entry| entry.node.place);
    let is_damaged = defaults_place.is_some_and(|place| reader.findings.is_damaged(place));
    let written = table.table("case").map_or(&[][..], |cases| &cases.entries);
    if written.is_empty() && reader.findings.is_empty() {
        let finding = Finding::new(ProblemKind::Absent, "there is no case");
        reader.report(finding.help("add one: [case.\"users arrive\"]"));
    }
    let mut around = Around {
        policy,
        recordings: &mut Recordings::default(),
    };
    let mut cases = Vec::new();
    let mut passes: usize = 0;
    for entry in written {
        if is_damaged {
            // What is absent here may be what was lost there.
            reader.findings.damage(entry.key_place);
        }
        let Some(case) = one_case(entry, &defaults, &mut around, reader) else {
            continue;
        };
        passes = passes.saturating_add(case.passes);
        if passes > MOST_PASSES {
            let message = format!("the cases until here have more than {MOST_PASSES} passes together");
            let finding = Finding::new(ProblemKind::BadValue, message).at(entry.key_place);
            reader.report(finding.help("put some of them into another file, or shorten them"));
            break;
        }
        cases.push(case);
    }
    cases
}

fn one_case(
    entry: &Entry,
    defaults: &Table,
    around: &mut Around<'_>,
    reader: &mut Reader<'_>,
) -> Option<Case> {
    let mut effective = defaults.clone();
    layers::merge(&mut effective, entry.node.as_table()?, case_keys()?);
    let raw = read_table(effective, reader.findings)?;
    let name = At {
        value: entry.key.clone(),
        place: entry.key_place,
    };
    case::case(&name, &raw, around, reader)
}

/// The keys of a case.
fn case_keys() -> Option<&'static TableShape> {
    match &KEYS.key("defaults")?.shape {
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
