//! Roles and their bindings, from what is needed, and how they are written.

use std::{collections::BTreeSet, fmt};

use headroom_autoscaler::Needs;
use headroom_cluster::{Need, Verb};
use serde::Serialize;

const GROUP: &str = "rbac.authorization.k8s.io";

/// The ServiceAccount that headroom runs as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ServiceAccount {
    kind: &'static str,
    pub(super) name: String,
    pub(super) namespace: String,
}

impl ServiceAccount {
    pub(super) fn new(namespace: &str, name: &str) -> Self {
        Self {
            kind: "ServiceAccount",
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        }
    }
}

/// The Role of one namespace and its binding, in the order in which they are applied.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Object {
    Role(Role),
    Binding(Binding),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Role {
    api_version: String,
    kind: &'static str,
    metadata: Metadata,
    rules: Vec<Rule>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Binding {
    api_version: String,
    kind: &'static str,
    metadata: Metadata,
    role_ref: RoleRef,
    subjects: [ServiceAccount; 1],
}

#[derive(Clone, Debug, Serialize)]
struct Metadata {
    name: String,
    namespace: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RoleRef {
    api_group: &'static str,
    kind: &'static str,
    name: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    #[serde(skip)]
    purpose: &'static str,
    api_groups: [String; 1],
    resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_names: Vec<String>,
    verbs: Vec<String>,
}

/// The objects that let `account` do what `needs` say, namespace by namespace.
pub(super) fn objects(needs: &Needs, account: &ServiceAccount) -> Vec<Object> {
    let of_namespace = |(namespace, needs): (&String, &BTreeSet<Need>)| {
        let api_version = format!("{GROUP}/v1");
        let metadata = Metadata {
            name: account.name.clone(),
            namespace: namespace.clone(),
        };
        let role = Role {
            api_version: api_version.clone(),
            kind: "Role",
            metadata: metadata.clone(),
            rules: rules(namespace, needs),
        };
        let binding = Binding {
            api_version,
            kind: "RoleBinding",
            metadata,
            role_ref: RoleRef {
                api_group: GROUP,
                kind: "Role",
                name: account.name.clone(),
            },
            subjects: [account.clone()],
        };
        [Object::Role(role), Object::Binding(binding)]
    };
    needs.0.iter().flat_map(of_namespace).collect()
}

/// The rules, with what differs in its kind alone or in its name alone in one of them. Names of different kinds stay
/// apart: a rule allows every name of every kind in it.
fn rules(namespace: &str, needs: &BTreeSet<Need>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for need in needs {
        let permission = need.permission(namespace);
        let rule = Rule {
            purpose: need.purpose(),
            resources: vec![permission.in_role()],
            api_groups: [permission.resource.group],
            resource_names: permission.name.into_iter().collect(),
            verbs: permission.verbs.iter().map(Verb::to_string).collect(),
        };
        match rules.last_mut() {
            Some(last) if last.takes(&rule) => {
                last.resource_names.extend(rule.resource_names);
                let new = rule.resources.into_iter();
                let new: Vec<_> = new
                    .filter(|resource| !last.resources.contains(resource))
                    .collect();
                last.resources.extend(new);
            }
            Some(_) | None => rules.push(rule),
        }
    }
    rules
}

impl Rule {
    /// Whether `other` can be added without allowing more than the two do.
    fn takes(&self, other: &Self) -> bool {
        let is_alike =
            self.purpose == other.purpose && self.api_groups == other.api_groups && self.verbs == other.verbs;
        let names_nothing = self.resource_names.is_empty() && other.resource_names.is_empty();
        is_alike && (names_nothing || self.resources == other.resources)
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => role.fmt(f),
            Self::Binding(binding) => binding.fmt(f),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(f, &self.api_version, self.kind, &self.metadata)?;
        f.write_str("rules:\n")?;
        for rule in &self.rules {
            writeln!(f, "  # {}", rule.purpose)?;
            writeln!(f, "  - apiGroups: {}", list(&rule.api_groups))?;
            writeln!(f, "    resources: {}", list(&rule.resources))?;
            if !rule.resource_names.is_empty() {
                writeln!(f, "    resourceNames: {}", list(&rule.resource_names))?;
            }
            writeln!(f, "    verbs: {}", list(&rule.verbs))?;
        }
        Ok(())
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(f, &self.api_version, self.kind, &self.metadata)?;
        let RoleRef {
            api_group,
            kind,
            name,
        } = &self.role_ref;
        writeln!(
            f,
            "roleRef:\n  apiGroup: {api_group}\n  kind: {kind}\n  name: {}\nsubjects:",
            scalar(name)
        )?;
        for ServiceAccount {
            kind,
            name,
            namespace,
        } in &self.subjects
        {
            writeln!(
                f,
                "  - kind: {kind}\n    name: {}\n    namespace: {}",
                scalar(name),
                scalar(namespace)
            )?;
        }
        Ok(())
    }
}

fn head(f: &mut fmt::Formatter<'_>, api_version: &str, kind: &str, metadata: &Metadata) -> fmt::Result {
    writeln!(
        f,
        "apiVersion: {api_version}\nkind: {kind}\nmetadata:\n  name: {}\n  namespace: {}",
        scalar(&metadata.name),
        scalar(&metadata.namespace)
    )
}

fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| scalar(word)).collect();
    format!("[{}]", words.join(", "))
}

/// `text` as YAML reads it as a text, whatever version of it: `on`, `1e3` and the like in quotes.
fn scalar(text: &str) -> String {
    const OTHER_THINGS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let is_plain = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '/'))
        && !OTHER_THINGS.contains(&text);
    if is_plain {
        text.to_owned()
    } else {
        // JSON is YAML.
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_would_read_as_something_else_is_quoted() {
        for text in ["api", "k8s.io", "deployments/scale", "a-1"] {
            assert_eq!(scalar(text), text);
        }
        for text in ["", "on", "true", "1e3", "0", "a: b", "null", "a#b"] {
            assert_eq!(scalar(text), format!("\"{text}\""));
        }
    }
}
