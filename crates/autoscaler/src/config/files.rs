//! Files to layers: reads each `-c`, parses its files, compares them with the known keys, and makes one table of each.
//!
//! What layers mean together belongs to `layers`.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::{
    Environment,
    environment::{self, Script},
    place::{Place, SourceId, SourceKind, Sources},
    problem::{Finding, Findings, ProblemKind},
    shape,
    tree::{Entry, Table, Value},
};
use crate::Remark;

/// Far above any policy, and far below what would hurt.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Reads one `-c`: a file, or all `*.toml` of a directory in the order of their names.
pub(super) fn read_layer(
    path: &Path,
    environment: &Environment,
    sources: &mut Sources,
    findings: &mut Findings,
    remarks: &mut Vec<Remark>,
) -> Table {
    let files = match files_of(path) {
        Ok(files) => files,
        Err(finding) => {
            findings.push(finding);
            return Table::default();
        }
    };
    let mut layer = Table::default();
    for file in files {
        let text = match read_text(&file) {
            Ok(text) => text,
            Err(finding) => {
                findings.push(finding);
                continue;
            }
        };
        let source = sources.add(SourceKind::File(file), text);
        let mut table = parse(source, sources, findings);
        shape::check(&mut table, &shape::FILE, findings);
        if environment::is_asked_for(&table) {
            let mut script = Script {
                environment,
                sources,
                findings,
                remarks,
            };
            script.apply(&mut table, source);
        }
        add_file(&mut layer, table, findings);
    }
    layer
}

/// The built-in defaults: a file like any other, with one more table, `each`.
pub(super) fn read_defaults(text: &str, sources: &mut Sources, findings: &mut Findings) -> Table {
    let source = sources.add(SourceKind::Defaults, text.to_owned());
    parse(source, sources, findings)
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, Finding> {
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && file.extension().is_some_and(|extension| extension == "toml") && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        let message = format!("the directory {} has no file whose name ends in .toml", path.display());
        return Err(Finding::new(ProblemKind::Unreadable, message).help("name the file or directory with -c PATH"));
    }
    files.sort();
    Ok(files)
}

fn read_text(path: &Path) -> Result<String, Finding> {
    let unreadable = |error: std::io::Error| unreadable(path, &error);
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_FILE_BYTES {
        let message = format!("{} is too large: {} bytes", path.display(), metadata.len());
        let help = format!("a file has at most {} MiB; is it a configuration?", MAX_FILE_BYTES >> 20);
        return Err(Finding::new(ProblemKind::Unreadable, message).help(help));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        let message = format!("{} is not UTF-8 text, from line {line} on", path.display());
        Finding::new(ProblemKind::Unreadable, message).help("save it as UTF-8")
    })?;
    if text.trim().is_empty() {
        let message = format!("{} is empty", path.display());
        let help = "it needs at least a [workload.\"NAMESPACE/NAME\"]; `headroom help check` shows an example";
        return Err(Finding::new(ProblemKind::Unreadable, message).help(help));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Finding {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    let message = format!("{} could not be read: {reason}", path.display());
    Finding::new(ProblemKind::Unreadable, message).help("name the file or directory with -c PATH")
}

/// Parses a text, reporting every place that is not TOML. What could be read is returned.
pub(super) fn parse(source: SourceId, sources: &Sources, findings: &mut Findings) -> Table {
    let text = sources.text(source);
    let (table, errors) = DeTable::parse_recoverable(text);
    let table = Table::from_toml(table.get_ref(), source);
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        findings.push(syntax_problem(error.message(), Place::new(source, span), text, &table));
    }
    // After an error of syntax the rest is a guess, and problems found in it would mislead.
    if errors.is_empty() { table } else { Table::default() }
}

fn syntax_problem(message: &str, place: Place, text: &str, table: &Table) -> Finding {
    if message != "duplicate key" {
        let message = format!("this is not TOML: {message}");
        return Finding::new(ProblemKind::Syntax, message).at(place);
    }
    let key = text.get(place.span()).unwrap_or_default().trim_matches(['"', '\'']);
    let finding = Finding::new(ProblemKind::Duplicate, format!("`{key}` is defined twice"));
    let finding = match first_definition(table, key, place) {
        Some(first) => finding.labelled(first, "first here").labelled(place, "and again here"),
        None => finding.at(place),
    };
    finding.help("bring the two together, or remove one")
}

/// Where `key` stood before `place`: the nearest one, since a later table can only repeat an earlier one.
fn first_definition(table: &Table, key: &str, place: Place) -> Option<Place> {
    let here = |entry: &Entry| {
        let deeper = entry.node.as_table().and_then(|table| first_definition(table, key, place));
        let itself = entry.key == key && entry.key_place.span().start < place.span().start;
        itself.then_some(entry.key_place).into_iter().chain(deeper).max()
    };
    table.entries.iter().filter_map(here).max()
}

/// Adds a file to its layer. Nothing may be defined in two files of a layer.
fn add_file(layer: &mut Table, file: Table, findings: &mut Findings) {
    for entry in file.entries {
        let depth = match entry.key.as_str() {
            "prometheus" | "template" | "workload" => 1,
            "notify" => 2,
            _ => 0,
        };
        add_entry(layer, entry, depth, findings);
    }
}

/// Adds a key. Down to `depth` tables below it, both files may have the table, with different keys in it.
fn add_entry(layer: &mut Table, entry: Entry, depth: usize, findings: &mut Findings) {
    let Some(existing) = layer.get_mut(&entry.key) else {
        layer.entries.push(entry);
        return;
    };
    // What stands in every file for itself, like a switch, is no conflict.
    if entry.key == "script_environment" {
        return;
    }
    match (&mut existing.node.value, entry.node.value) {
        (Value::Table(before), Value::Table(more)) if depth > 0 => {
            for inner in more.entries {
                add_entry(before, inner, depth - 1, findings);
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
        ) => {
            let message = format!("`{}` is defined twice in one layer", entry.key);
            let finding = Finding::new(ProblemKind::Duplicate, message)
                .labelled(existing.key_place, "first here")
                .labelled(entry.key_place, "and again here");
            findings.push(finding.help(
                "files of one directory are one layer, where nothing goes before anything else; \
                 give a file that changes another one with a -c of its own, after it",
            ));
        }
    }
}
