//! The policy that the environment of the old scaling script means, written as a file.

use std::sync::Arc;

use super::{
    Environment, Problems,
    environment::Script,
    files,
    place::{SourceKind, Sources},
    problem::{Finding, Findings, ProblemKind},
    tree::{Table, Value, quoted},
    words,
};

/// The policy that the script's environment means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The policy as a file, with comments.
    pub toml: String,
    /// What the environment says that stays out of the file.
    pub not_carried: Vec<String>,
}

/// The script's policy with its own defaults. It loads as it stands.
const TEMPLATE: &str = include_str!("script.toml");

/// The values of the template that variables change: the text there, and where its new value stands.
const VALUES: [(&str, &[&str]); 5] = [
    ("\"http://prometheus:9090\"", &["prometheus", "main", "url"]),
    ("\"70%\"", &["metrics", "cpu", "utilization"]),
    ("\"80%\"", &["metrics", "memory", "utilization"]),
    ("100 # users", &["metrics", "active_users", "per_replica"]),
    ("100 # requests", &["metrics", "request_rate", "per_replica"]),
];

/// Writes the policy that the script's environment means; a variable that is not set leaves the script's own default.
///
/// # Errors
/// When a variable has a value that means nothing: every such variable, by name.
pub fn import_env(environment: &Environment) -> Result<Imported, Problems> {
    let mut sources = Sources::default();
    let mut findings = Findings::default();
    let source = sources.add(SourceKind::File("headroom.toml".into()), TEMPLATE.to_owned());
    let mut file = files::parse(source, &sources, &mut findings);
    let mut script = Script {
        environment,
        sources: &mut sources,
        findings: &mut findings,
        remarks: &mut Vec::new(),
    };
    script.apply(&mut file, source);
    let (id, workload) = match file.table("workload").and_then(|all| all.entries.first()) {
        Some(entry) => (
            entry.key.clone(),
            entry.node.as_table().cloned().unwrap_or_default(),
        ),
        None => (String::new(), Table::default()),
    };
    check_percentages(&workload, &mut findings);
    if !findings.is_empty() {
        return Err(findings.into_problems(&Arc::new(sources)));
    }
    let mut toml = TEMPLATE.replace("\"devtrip/api\"", &quoted(&id));
    for (written, path) in VALUES {
        let comment = written
            .split_once(" #")
            .map_or(String::new(), |(_, comment)| format!(" #{comment}"));
        let table = if path[0] == "prometheus" { &file } else { &workload };
        if let Some(value) = value_at(table, path) {
            toml = toml.replacen(written, &format!("{value}{comment}"), 1);
        }
    }
    Ok(Imported {
        toml,
        not_carried: not_carried(environment),
    })
}

/// A percentage above 100 is a number above zero, and still no target.
fn check_percentages(workload: &Table, findings: &mut Findings) {
    for entry in workload
        .table("metrics")
        .into_iter()
        .flat_map(|metrics| &metrics.entries)
    {
        let utilization = entry.node.as_table().and_then(|metric| metric.get("utilization"));
        let Some(node) = utilization.map(|entry| &entry.node) else {
            continue;
        };
        if let Value::Text(text) = &node.value
            && words::percentage(text).is_ok_and(|fraction| fraction > 1.0)
        {
            let message = format!("a target utilization is above 0% and at most 100%, not {text}");
            findings.push(
                Finding::new(ProblemKind::BadValue, message)
                    .at(node.place)
                    .help("write 70 for 70%"),
            );
        }
    }
}

fn value_at(table: &Table, path: &[&str]) -> Option<String> {
    match path {
        [] => None,
        [last] => table.get(last).map(|entry| entry.node.to_toml()),
        [first, rest @ ..] => value_at(table.table(first)?, rest),
    }
}

fn not_carried(environment: &Environment) -> Vec<String> {
    let notes = [
        (
            "SLACK_WEBHOOK",
            "stays a variable, since it is a secret: [notify.slack.ops] reads it from the environment",
        ),
        (
            "EMAIL_RECIPIENTS",
            "stays a variable: [notify.email.oncall] reads it from the environment, and the mail server from SMTP_URL, which the \
             script had set up on the machine: SMTP_URL=smtp://USER:PASSWORD@HOST:587",
        ),
        (
            "DEBUG",
            "stays a variable: DEBUG=1 gives debug logs, whatever the file says",
        ),
    ];
    let set = |(variable, _): &(&str, &str)| {
        environment
            .get(variable)
            .is_some_and(|value| !value.trim().is_empty())
    };
    notes
        .into_iter()
        .filter(set)
        .map(|(variable, note)| format!("{variable}: {note}"))
        .collect()
}
