//! `${namespace}`, `${name}` and `${cluster}` in texts, and nothing else: no environment, no nesting.

use super::{
    place::Place,
    problem::{Finding, Findings, ProblemKind},
    tree::{Node, Table, Value},
};

/// The values of the variables at one place; all are DNS labels.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Variables<'a> {
    pub(super) namespace: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) cluster: Option<&'a str>,
    /// Where the workload is defined, whose variables these are.
    pub(super) defined_at: Option<Place>,
}

impl Variables<'_> {
    /// Puts the values into every text of `table`.
    pub(super) fn substitute(&self, table: &mut Table, findings: &mut Findings) {
        for entry in &mut table.entries {
            self.substitute_in(&mut entry.node, findings);
        }
    }

    /// Puts the values into every text of `node`.
    pub(super) fn substitute_in(&self, node: &mut Node, findings: &mut Findings) {
        let place = node.place;
        match &mut node.value {
            Value::Text(text) if text.contains("${") => *text = self.filled_in(text, place, findings),
            Value::List(items) => {
                for item in items {
                    self.substitute_in(item, findings);
                }
            }
            Value::Table(table) => self.substitute(table, findings),
            Value::Text(_) | Value::Integer(_) | Value::Number(_) | Value::Bool(_) | Value::Datetime(_) => {}
        }
    }

    fn filled_in(&self, text: &str, place: Place, findings: &mut Findings) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                // `$${` is a plain `${`.
                filled.push_str(before);
                filled.push_str("${");
                rest = &from[2..];
                continue;
            }
            filled.push_str(before);
            let Some(end) = from.find('}') else {
                findings.push(
                    Finding::new(ProblemKind::BadValue, "`${` without its `}`")
                        .at(place)
                        .help("write `$${` for a plain `${`"),
                );
                return filled;
            };
            match self.value(&from[2..end]) {
                Ok(value) => filled.push_str(value),
                Err(why) => findings.push(self.undefined(&from[2..end], why, place)),
            }
            rest = &from[end + 1..];
        }
        filled.push_str(rest);
        filled
    }

    fn value(&self, variable: &str) -> Result<&str, Why> {
        match variable {
            "namespace" => self.namespace.ok_or(Why::Namespace),
            "name" => self.name.ok_or(Why::Workload),
            "cluster" => self.cluster.ok_or(Why::Cluster),
            _ => Err(Why::Unknown),
        }
    }

    fn undefined(&self, variable: &str, why: Why, place: Place) -> Finding {
        let message = format!("`${{{variable}}}` is not defined here");
        let finding = Finding::new(ProblemKind::UnknownName, message).at(place);
        match (why, self.defined_at) {
            (Why::Namespace, Some(workload)) => finding
                .labelled(workload, "this workload has no namespace")
                .help("call the workload \"NAMESPACE/NAME\""),
            (Why::Cluster, _) => finding.help("set cluster = \"NAME\" at the top of the file"),
            (Why::Unknown, _) => finding.help(format!(
                "the variables are ${{namespace}}, ${{name}} and ${{cluster}}; write `$${{{variable}}}` for the plain text"
            )),
            (Why::Namespace | Why::Workload, _) => {
                finding.help("only workloads, templates and defaults know their workload")
            }
        }
    }
}

/// Why a variable has no value.
#[derive(Clone, Copy)]
enum Why {
    /// The workload has no namespace.
    Namespace,
    /// There is no workload here.
    Workload,
    /// The cluster has no name.
    Cluster,
    /// There is no such variable.
    Unknown,
}
