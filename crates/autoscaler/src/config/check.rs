//! Compares a file with the known keys.
//!
//! Finds every unknown key and every value of a wrong type, and takes them out, so that what remains can be read into
//! the raw types. What values mean is not looked at here.

use super::{
    place::Place,
    problem::{Finding, Findings, ProblemKind, either, listed},
    shape::{Key, Shape, TableKind, TableShape},
    tree::{Node, Table, Value, quoted},
};

/// Compares a file with the keys of its kind. What is wrong is reported and taken out.
pub(super) fn check(file: &mut Table, root: &TableShape, findings: &mut Findings) {
    check_table(file, root, root, findings);
}

/// Compares a table with the keys of `shape`, which is `root` or lies in it.
fn check_table(table: &mut Table, shape: &TableShape, root: &TableShape, findings: &mut Findings) {
    table.entries.retain_mut(|entry| match shape.key(&entry.key) {
        Some(key) => check_value(&mut entry.node, &key.shape, &entry.key, root, findings),
        None => {
            findings.push(unknown_key(&entry.key, shape, root).at(entry.key_place));
            false
        }
    });
}

/// Compares a table below the file's top, and notes when it lost something.
fn check_inner(
    table: &mut Table,
    place: Place,
    findings: &mut Findings,
    check: impl FnOnce(&mut Table, &mut Findings),
) {
    let before = table.entries.len();
    check(table, findings);
    if table.entries.len() < before {
        findings.damage(place);
    }
}

/// Compares one value with its shape; `false`: it is unusable and has to go.
fn check_value(
    node: &mut Node,
    shape: &Shape,
    key: &str,
    root: &TableShape,
    findings: &mut Findings,
) -> bool {
    match (shape, &mut node.value) {
        (Shape::Text(_), Value::Text(_))
        | (Shape::Whole, Value::Integer(_))
        | (Shape::Bool, Value::Bool(_)) => true,
        (Shape::Text(Some(format)), Value::Datetime(_)) if format == "date and time" => true,
        (Shape::NumberOrText(_), Value::Text(_) | Value::Integer(_) | Value::Number(_)) => true,
        (Shape::Choice(words), Value::Text(text)) => {
            let known = words.contains(text);
            if !known {
                findings.push(unknown_word(key, text, words).at(node.place));
            }
            known
        }
        (Shape::List(item), Value::List(items)) => {
            // Every item is looked at, also after a wrong one.
            let mut fine = true;
            for one in items {
                fine &= check_value(one, item, key, root, findings);
            }
            fine
        }
        (Shape::Table(shape), Value::Table(table)) => {
            check_inner(table, node.place, findings, |table, findings| {
                check_table(table, shape, root, findings);
            });
            true
        }
        (Shape::Named(shape), Value::Table(table)) => {
            check_inner(table, node.place, findings, |table, findings| {
                table
                    .entries
                    .retain_mut(|entry| check_value(&mut entry.node, shape, &entry.key, root, findings));
            });
            true
        }
        (
            Shape::Text(_)
            | Shape::Choice(_)
            | Shape::Whole
            | Shape::NumberOrText(_)
            | Shape::Bool
            | Shape::List(_)
            | Shape::Table(_)
            | Shape::Named(_),
            found,
        ) => {
            let message = format!("`{key}` takes {}, not {}", expected(shape), type_of(found));
            let finding = Finding::new(ProblemKind::WrongType, message).at(node.place);
            findings.push(finding.help(way_out(shape, found, key)));
            false
        }
    }
}

fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Text(Some(format)) if format == "PromQL" => "a PromQL expression in quotes".to_owned(),
        Shape::Text(Some(format)) => format!("{} {format} in quotes", article(format)),
        Shape::Text(None) | Shape::Choice(_) => "a text in quotes".to_owned(),
        Shape::Whole => "a whole number".to_owned(),
        Shape::NumberOrText(format) => format!("{} {format}", article(format)),
        Shape::Bool => "true or false".to_owned(),
        Shape::List(_) => "a list".to_owned(),
        Shape::Table(_) | Shape::Named(_) => "a table".to_owned(),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::List(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// A way out of a wrong type: what was probably meant, or what the key looks like.
fn way_out(shape: &Shape, found: &Value, key: &str) -> String {
    match (shape, found) {
        (Shape::Text(Some(format)), Value::Integer(number)) if format == "duration" => {
            format!("write {key} = \"{number}s\" for seconds")
        }
        (Shape::Text(Some(format)), Value::Integer(_)) if is_about_time(format) => {
            format!("write {key} = {}", example_of(Some(format)))
        }
        (Shape::Whole | Shape::Bool, Value::Text(text)) if is_bare_value(text) => {
            format!("write {key} = {text}, without quotes")
        }
        (Shape::List(item), _) if matches!(item.as_ref(), Shape::Table(_)) => {
            format!("write {key} = [{{ … }}], or [[…{key}]] as a heading")
        }
        (Shape::List(_), Value::Text(text)) => format!("write {key} = [{}]", quoted(text)),
        (Shape::Text(_) | Shape::Choice(_), Value::Integer(number)) => format!("write {key} = \"{number}\""),
        (Shape::Table(_), Value::Bool(false)) if key == "scale_down" || key == "scale_up" => {
            format!("write {key}.select = \"disabled\" to switch this direction off")
        }
        (Shape::Table(table), _) => {
            format!(
                "its keys are {}",
                listed(table.keys.iter().map(|key| key.name.as_str()))
            )
        }
        (Shape::Choice(words), _) => format!("it can be {}", either(words.iter().map(String::as_str))),
        (Shape::Text(format), _) => format!("write {key} = {}", example_of(format.as_deref())),
        (Shape::NumberOrText(format), _) => format!("write {key} = {}", example_of(Some(format))),
        (Shape::Whole, _) => format!("write {key} = 4"),
        (Shape::Bool, _) => format!("write {key} = true"),
        (Shape::List(_), _) => format!("write {key} = [\"…\"]"),
        (Shape::Named(_), _) => format!("write {key}.NAME = …, with a name of your choice"),
    }
}

/// Whether a small language is about the calendar, in which a bare number is far from anything that is meant.
fn is_about_time(format: &str) -> bool {
    matches!(format, "cron expression" | "time zone" | "date and time")
}

/// Whether `text` would be a number or a flag without its quotes.
fn is_bare_value(text: &str) -> bool {
    text.parse::<i64>().is_ok() || text.parse::<bool>().is_ok()
}

/// A text of a small language.
fn example_of(format: Option<&str>) -> &'static str {
    match format {
        Some("duration") => "\"5m\"",
        Some("percentage") => "\"70%\"",
        Some("amount") => "100",
        Some("size") => "\"200MB\"",
        Some("change limit") => "\"4 per 15s\"",
        Some("scale target") => "\"deployment/api\"",
        Some("URL") => "\"http://prometheus:9090\"",
        Some("PromQL") => "'sum(rate(http_requests_total[2m]))'",
        Some("secret") => "\"env:NAME\"",
        Some("cron expression") => "\"0 8 * * 1-5\"",
        Some("time zone") => "\"Europe/Berlin\"",
        Some("date and time") => "\"2026-11-27T08:00\"",
        Some("series") => "\"0+10x20\"",
        Some(_) | None => "\"…\"",
    }
}

fn unknown_word(key: &str, text: &str, words: &[String]) -> Finding {
    let finding = Finding::new(
        ProblemKind::BadValue,
        format!("`{text}` is nothing `{key}` can be"),
    );
    let all = either(words.iter().map(String::as_str));
    finding.help(match nearest(text, words.iter().map(String::as_str)) {
        Some(word) => format!("did you mean `{word}`? It can be {all}"),
        None => format!("it can be {all}"),
    })
}

fn unknown_key(key: &str, shape: &TableShape, root: &TableShape) -> Finding {
    let finding = Finding::new(ProblemKind::UnknownKey, format!("unknown key `{key}`"));
    // Datadog's WatermarkPodAutoscaler means by `average` what the HPA calls `AverageValue`, others mean the opposite.
    if shape.kind == TableKind::Metric && key == "average" {
        return finding.help(
            "did you mean `per_replica` (so much for each replica, HPA `AverageValue`) or `value` (the value itself, \
             HPA `Value`)?",
        );
    }
    if key == "case" && root.key("workload").is_some() {
        return finding
            .help("tests of a policy stand in files of their own; run them with `headroom test FILE`");
    }
    if let Some(path) = elsewhere(key, root, "") {
        return finding.help(format!("`{key}` belongs to `[{path}]`"));
    }
    let names = || shape.keys.iter().map(|key| key.name.as_str());
    if let Some(name) = nearest(key, names()) {
        return finding.help(format!("did you mean `{name}`?"));
    }
    finding.help(format!("the keys here are {}", listed(names())))
}

/// The table that has `key`, if there is one.
fn elsewhere(key: &str, shape: &TableShape, path: &str) -> Option<String> {
    let inner = |at: &Key| {
        let path = if path.is_empty() {
            at.name.clone()
        } else {
            format!("{path}.{}", at.name)
        };
        let (table, path) = match &at.shape {
            Shape::Table(table) => (table, path),
            Shape::Named(inner) | Shape::List(inner) => match (&at.shape, inner.as_ref()) {
                (Shape::List(_), Shape::Table(table)) => (table, format!("[{path}]")),
                (_, Shape::Table(table)) => (table, format!("{path}.NAME")),
                (
                    _,
                    Shape::Text(_)
                    | Shape::Choice(_)
                    | Shape::Whole
                    | Shape::NumberOrText(_)
                    | Shape::Bool
                    | Shape::List(_)
                    | Shape::Named(_),
                ) => return None,
            },
            Shape::Text(_) | Shape::Choice(_) | Shape::Whole | Shape::NumberOrText(_) | Shape::Bool => {
                return None;
            }
        };
        // Defaults and templates have the keys of a workload, which is the place to name.
        if at.name == "defaults" || at.name == "template" {
            return None;
        }
        if table.key(key).is_some() {
            Some(path)
        } else {
            elsewhere(key, table, &path)
        }
    };
    shape.keys.iter().find_map(inner)
}

/// Longer words are no slip of the pen, and comparing costs their length.
const LONGEST_NAME: usize = 64;

/// The candidate that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_NAME {
        return None;
    }
    let close = |candidate: &'a str| {
        let distance = strsim::damerau_levenshtein(word, candidate);
        let allowed = (word.chars().count().max(candidate.chars().count()) / 3).max(1);
        (distance <= allowed).then_some((distance, candidate))
    };
    candidates
        .filter_map(close)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
