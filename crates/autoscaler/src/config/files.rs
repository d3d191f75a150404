//! Files to layers: reads each `-c`, parses its files, compares them with the known keys, and makes one table of each.
//!
//! What layers mean together belongs to `layers`.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::{
    Environment, check,
    environment::{self, Script},
    place::{Place, SourceId, SourceKind, Sources},
    problem::{Finding, Findings, ProblemKind},
    shape,
    tree::{Entry, Table, Value},
};
use crate::Remark;

/// Far above any policy, and far below what would hurt.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// What is not TOML at all is not worth more lines.
const MAX_SYNTAX_PROBLEMS: usize = 5;

/// Reads one `-c`: a file, or all `*.toml` of a directory in the order of their names, but for files of tests.
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
        let text = match read_text(&file, FileKind::Configuration) {
            Ok(text) => text,
            Err(finding) => {
                findings.push(finding);
                continue;
            }
        };
        let source = sources.add(SourceKind::File(file), text);
        let mut table = parse(source, sources, findings);
        check::check(&mut table, &shape::FILE, findings);
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
    let unreadable = |error: std::io::Error| unreadable(path, FileKind::Configuration, &error);
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let hidden = file
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_toml = file.extension().is_some_and(|extension| extension == "toml");
        if !hidden && is_toml && !is_suite(&file) && file.is_file() {
            files.push(file);
        }
    }
    if files.is_empty() {
        let message = format!(
            "the directory {} has no file whose name ends in .toml",
            path.display()
        );
        return Err(Finding::new(ProblemKind::Unreadable, message).help(FileKind::Configuration.name_it()));
    }
    files.sort();
    Ok(files)
}

/// Whether a file has the name of a file of tests, which is no part of the configuration beside it.
pub fn is_suite(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.as_encoded_bytes().ends_with(b".test.toml")
}

/// What a file is to be, for the ways out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Configuration,
    Tests,
}

impl FileKind {
    const fn name_it(self) -> &'static str {
        match self {
            Self::Configuration => "name the file or directory with -c PATH",
            Self::Tests => "name files of tests, or directories with files whose names end in .test.toml",
        }
    }

    const fn called(self) -> &'static str {
        match self {
            Self::Configuration => "a configuration",
            Self::Tests => "a file of tests",
        }
    }

    const fn least(self) -> &'static str {
        match self {
            Self::Configuration => {
                "it needs at least a [workload.\"NAMESPACE/NAME\"] with a target, max_replicas and a metric"
            }
            Self::Tests => "it needs at least config = [\"headroom.toml\"] and one [case.\"NAME\"]",
        }
    }
}

/// Reads a file as text that is not empty.
pub(super) fn read_text(path: &Path, kind: FileKind) -> Result<String, Finding> {
    let unreadable = |error: std::io::Error| unreadable(path, kind, &error);
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.len() > MAX_FILE_BYTES {
        let message = format!("{} is too large: {} bytes", path.display(), metadata.len());
        let help = format!(
            "a file has at most {} MiB; is it {}?",
            MAX_FILE_BYTES >> 20,
            kind.called()
        );
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
        return Err(Finding::new(ProblemKind::Unreadable, message).help(kind.least()));
    }
    Ok(text)
}

fn unreadable(path: &Path, kind: FileKind, error: &std::io::Error) -> Finding {
    let message = format!("{} could not be read: {}", path.display(), reason(error));
    Finding::new(ProblemKind::Unreadable, message).help(kind.name_it())
}

/// Why something could not be read, in words without numbers.
pub(super) fn reason(error: &std::io::Error) -> String {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "there are dozens, and new ones come with the compiler"
    )]
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Parses a text, reporting every place that is not TOML. What could be read is returned.
pub(super) fn parse(source: SourceId, sources: &Sources, findings: &mut Findings) -> Table {
    let text = sources.text(source);
    let (table, errors) = DeTable::parse_recoverable(text);
    let table = Table::from_toml(table.get_ref(), source);
    let mut last_line = None;
    let mut places = 0;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let line = sources.get(source).map(|source| source.position(span.start).0);
        // One wrong character often breaks the rest of its line, and a file of another kind breaks everywhere.
        if line == last_line || places == MAX_SYNTAX_PROBLEMS {
            continue;
        }
        (last_line, places) = (line, places + 1);
        findings.push(syntax_problem(
            error.message(),
            Place::new(source, span),
            text,
            &table,
        ));
    }
    // After an error of syntax the rest is a guess, and problems found in it would mislead.
    if errors.is_empty() {
        table
    } else {
        Table::default()
    }
}

fn syntax_problem(message: &str, place: Place, text: &str, table: &Table) -> Finding {
    if message != "duplicate key" {
        let message = format!("this is not TOML: {message}");
        let help =
            "texts stand in quotes, tables in [brackets], and each key has a line: https://toml.io/en/v1.0.0";
        return Finding::new(ProblemKind::Syntax, message).at(place).help(help);
    }
    let key = text
        .get(place.span())
        .unwrap_or_default()
        .trim_matches(['"', '\'']);
    let finding = Finding::new(ProblemKind::Duplicate, format!("`{key}` is defined twice"));
    let first = first_definition(table, key, place).or_else(|| same_line_before(text, place));
    let finding = match first {
        Some(first) => finding
            .labelled(first, "first here")
            .labelled(place, "and again here"),
        None => finding.at(place),
    };
    finding.help("bring the two together, or remove one")
}

/// Where `key` stood before `place`: the nearest one, since a later table can only repeat an earlier one.
fn first_definition(table: &Table, key: &str, place: Place) -> Option<Place> {
    let here = |entry: &Entry| {
        let deeper = entry
            .node
            .as_table()
            .and_then(|table| first_definition(table, key, place));
        let itself = entry.key == key && entry.key_place.span().start < place.span().start;
        itself.then_some(entry.key_place).into_iter().chain(deeper).max()
    };
    table.entries.iter().filter_map(here).max()
}

/// The place like `place` in an earlier line with the same text, for table headers, whose first place is lost when they
/// are repeated.
fn same_line_before(text: &str, place: Place) -> Option<Place> {
    let span = place.span();
    let line_start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let header = text.get(line_start..)?.lines().next()?;
    let mut start = 0;
    for line in text.get(..line_start)?.split_inclusive('\n') {
        if line.trim_end() == header.trim_end() {
            let first = start + (span.start - line_start);
            return Some(Place::new(place.source(), first..first + span.len()));
        }
        start += line.len();
    }
    None
}

/// Adds a file to its layer. Nothing may be defined in two files of a layer.
fn add_file(layer: &mut Table, file: Table, findings: &mut Findings) {
    for entry in file.entries {
        let depth = match entry.key.as_str() {
            "prometheus" | "template" | "workload" => 1,
            "notify" => 2,
            _ => 0,
        };
        match layer.get_mut(&entry.key) {
            Some(existing) => add_entry(existing, entry, depth, findings),
            None => layer.entries.push(entry),
        }
    }
}

/// Adds a key to the one of the same name in another file. Down to `depth` tables below it, both files may have the
/// table, with different keys in it.
fn add_entry(existing: &mut Entry, entry: Entry, depth: usize, findings: &mut Findings) {
    // What stands in every file for itself, like a switch, is no conflict.
    if entry.key == "script_environment" {
        return;
    }
    match (&mut existing.node.value, entry.node.value) {
        (Value::Table(before), Value::Table(more)) if depth > 0 => {
            let index = before.index();
            for inner in more.entries {
                match index.get(&inner.key).and_then(|at| before.entries.get_mut(*at)) {
                    Some(existing) => add_entry(existing, inner, depth - 1, findings),
                    None => before.entries.push(inner),
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
