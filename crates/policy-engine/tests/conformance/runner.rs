//! Finding the cases, running each, and telling what failed.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Map, Value};

use super::{
    json::{Case, File},
    ops::{self, Answer},
};

const OWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases");
const MORE: &str = "HEADROOM_CONFORMANCE_DIR";

/// A file, or a case in it, that can be run; or why not.
type Found = (String, Result<Case, String>);

/// Runs the cases, and says how it went.
pub fn run() -> ExitCode {
    let arguments = Arguments::from_args();
    let failures: Arc<Mutex<Vec<String>>> = Arc::default();
    let trials = all().into_iter().map(|(id, case)| {
        let failures = Arc::clone(&failures);
        Trial::test(id.clone(), move || {
            check(case).map_err(|difference| {
                failures.lock().unwrap().push(format!("{id}: {difference}"));
                Failed::from(difference)
            })
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if !arguments.list {
        let mut failures = failures.lock().unwrap();
        failures.sort();
        for failure in failures.iter() {
            println!("{failure}");
        }
        println!(
            "conformance: {} passed, {} failed",
            conclusion.num_passed, conclusion.num_failed
        );
    }
    conclusion.exit_code()
}

fn all() -> Vec<Found> {
    let more = std::env::var_os(MORE).unwrap_or_default();
    let more = std::env::split_paths(&more).filter(|path| !path.as_os_str().is_empty());
    let mut found = Vec::new();
    for dir in std::iter::once(PathBuf::from(OWN)).chain(more) {
        let before = found.len();
        let mut files = BTreeSet::new();
        match search(&dir, &mut files) {
            Ok(()) => files.iter().for_each(|file| read(file, &mut found)),
            Err(error) => found.push((
                dir.display().to_string(),
                Err(format!("cannot be searched: {error}")),
            )),
        }
        if found.len() == before {
            found.push((dir.display().to_string(), Err("has no cases".to_owned())));
        }
    }
    found
}

/// The files of cases in `dir` and below it.
fn search(dir: &Path, files: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            search(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "json") {
            files.insert(path);
        }
    }
    Ok(())
}

fn read(path: &Path, found: &mut Vec<Found>) {
    let file = fs::read(path).map_err(|error| error.to_string());
    let file =
        file.and_then(|bytes| serde_json::from_slice::<File>(&bytes).map_err(|error| error.to_string()));
    let file = file.and_then(|file| match file.schema_version {
        1 => Ok(file),
        other => Err(format!("schema version {other} is not known")),
    });
    match file {
        Ok(file) if file.cases.is_empty() => {
            found.push((path.display().to_string(), Err("has no cases".to_owned())));
        }
        Ok(file) => found.extend(file.cases.into_iter().map(|case| {
            match serde_json::from_value::<Case>(case.clone()) {
                Ok(case) => (case.id.clone(), Ok(case)),
                Err(error) => {
                    let id = case
                        .get("id")
                        .and_then(Value::as_str)
                        .unwrap_or("a case without an id");
                    (
                        format!("{id} in {}", path.display()),
                        Err(format!("cannot be read: {error}")),
                    )
                }
            }
        })),
        Err(error) => found.push((
            path.display().to_string(),
            Err(format!("cannot be read: {error}")),
        )),
    }
}

fn check(case: Result<Case, String>) -> Result<(), String> {
    let case = case?;
    let answer = ops::answer(&case)?;
    if case.expect.is_empty() {
        return Err("expects nothing".to_owned());
    }
    let wrong: Vec<&String> = case
        .expect
        .iter()
        .filter(|(field, expected)| !agrees(field, expected, answer.get(*field)))
        .map(|(field, _)| field)
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let of = |map: &Map<String, Value>| -> Answer {
        let fields = wrong
            .iter()
            .map(|field| ((*field).clone(), map.get(*field).cloned().unwrap_or(Value::Null)));
        // An error instead of an answer says more than its absence.
        fields
            .chain(
                map.get_key_value("error")
                    .map(|(key, value)| (key.clone(), value.clone())),
            )
            .collect()
    };
    Err(format!(
        "expected {}, got {}",
        Value::Object(of(&case.expect)),
        Value::Object(of(&answer))
    ))
}

/// Every field that is expected has to be there and equal. Lists without an order are compared as sets.
fn agrees(field: &str, expected: &Value, got: Option<&Value>) -> bool {
    let Some(got) = got else {
        return false;
    };
    match (field, expected, got) {
        ("conditions" | "unready" | "missing" | "ignored", Value::Array(expected), Value::Array(got)) => {
            let set = |values: &[Value]| values.iter().map(Value::to_string).collect::<BTreeSet<_>>();
            expected.len() == got.len() && set(expected) == set(got)
        }
        ("utilization_percent", Value::Object(expected), Value::Array(got)) => {
            let index = expected.get("metric_index").and_then(Value::as_u64);
            let shown = index.and_then(|index| got.get(usize::try_from(index).ok()?));
            shown.and_then(Value::as_f64) == expected.get("value").and_then(Value::as_f64)
        }
        ("ratio", expected, got) => expected.as_f64() == got.as_f64(),
        (_, expected, got) => expected == got,
    }
}
