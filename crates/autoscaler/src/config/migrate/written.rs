//! Policies as files: what all or several have in common stands once, in a template.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    MovedFile, MovedKind,
    draft::{Draft, Metric, free_name, quoted},
    servers::Servers,
};

/// The template of what all have in common.
const COMMON: &str = "imported";

type Keys = Vec<(String, String)>;

/// What is shared, then a file for each namespace.
pub(super) fn files(kind: MovedKind, drafts: &[Draft], servers: &Servers) -> Vec<MovedFile> {
    let names = servers.names();
    let mut keys: Vec<Keys> = drafts.iter().map(|draft| keys(draft, &names)).collect();
    let common = take_common(&mut keys);
    let groups = groups(drafts, &keys);
    let mut shared = format!(
        "# Made by `headroom import {}`. What several workloads have in common stands here.\n{}",
        match kind {
            MovedKind::Hpa => "hpa",
            MovedKind::ScaledObject => "keda",
        },
        servers.toml()
    );
    if !common.is_empty() {
        shared.push_str(&table(&format!("template.{COMMON}"), None, &common));
    }
    let above = (!common.is_empty()).then_some(COMMON);
    for (name, first) in groups.templates() {
        shared.push_str(&table(&format!("template.{name}"), above, &keys[first]));
    }
    let mut by_namespace: BTreeMap<&str, String> = BTreeMap::new();
    for (number, draft) in drafts.iter().enumerate() {
        let template = groups.of(number);
        let own = if template.is_some() {
            &[][..]
        } else {
            &keys[number]
        };
        let text = by_namespace.entry(&draft.namespace).or_default();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&workload(draft, template.or(above), own, kind));
    }
    let mut files = vec![MovedFile {
        name: "00-imported.toml".to_owned(),
        toml: shared,
    }];
    files.extend(by_namespace.into_iter().map(|(namespace, toml)| MovedFile {
        name: format!("{namespace}.toml"),
        toml,
    }));
    files
}

/// What a draft says that others may say too.
fn keys(draft: &Draft, servers: &[String]) -> Keys {
    let metrics = draft.metrics.iter().map(|metric| {
        let source = metric.server.filter(|_| servers.len() > 1);
        let source = source
            .and_then(|number| servers.get(number))
            .map(|name| format!(", source = {}", quoted(name)));
        let keys: Vec<String> = metric
            .keys
            .iter()
            .map(|(key, value)| format!("{key} = {value}"))
            .collect();
        let text = format!("{{ {}{} }}", keys.join(", "), source.unwrap_or_default());
        (format!("metrics.{}", metric.name), text)
    });
    draft.keys.iter().cloned().chain(metrics).collect()
}

/// Takes out what all say, where there are several.
fn take_common(keys: &mut [Keys]) -> Keys {
    let [first, _, ..] = &*keys else {
        return Keys::new();
    };
    let common: Keys = first
        .iter()
        .filter(|key| keys.iter().all(|others| others.contains(key)))
        .cloned()
        .collect();
    for own in keys {
        own.retain(|key| !common.contains(key));
    }
    common
}

/// Which workloads say the same.
struct Groups {
    /// Each name with the number of the first of its workloads.
    named: Vec<(String, usize)>,
    /// The group of each workload.
    of: Vec<Option<usize>>,
}

impl Groups {
    fn templates(&self) -> impl Iterator<Item = (&str, usize)> {
        self.named.iter().map(|(name, first)| (name.as_str(), *first))
    }

    fn of(&self, number: usize) -> Option<&str> {
        let group = (*self.of.get(number)?)?;
        self.named.get(group).map(|(name, _)| name.as_str())
    }
}

fn groups(drafts: &[Draft], keys: &[Keys]) -> Groups {
    let mut alike: BTreeMap<&Keys, Vec<usize>> = BTreeMap::new();
    for (number, own) in keys.iter().enumerate() {
        if !own.is_empty() {
            alike.entry(own).or_default().push(number);
        }
    }
    let mut several: Vec<Vec<usize>> = alike.into_values().filter(|all| all.len() > 1).collect();
    several.sort();
    let mut groups = Groups {
        named: Vec::new(),
        of: vec![None; keys.len()],
    };
    let mut taken = BTreeSet::from([COMMON.to_owned()]);
    for members in several {
        let Some(&first) = members.first() else { continue };
        let name = free_name(&group_name(&drafts[first].metrics), |name| taken.contains(name));
        taken.insert(name.clone());
        for member in members {
            groups.of[member] = Some(groups.named.len());
        }
        groups.named.push((name, first));
    }
    groups
}

/// A name after the metrics, such as `cpu-70`.
fn group_name(metrics: &[Metric]) -> String {
    let each = metrics.iter().map(|metric| {
        let percent = metric.keys.iter().find(|(key, _)| *key == "utilization");
        let percent = percent.map(|(_, text)| text.trim_matches(['"', '%']));
        percent.map_or_else(
            || metric.name.clone(),
            |percent| format!("{}-{percent}", metric.name),
        )
    });
    each.take(3).collect::<Vec<_>>().join("-")
}

fn table(name: &str, template: Option<&str>, keys: &Keys) -> String {
    let mut text = format!("\n[{name}]\n");
    if let Some(template) = template {
        text.push_str(&format!("template = {}\n", quoted(template)));
    }
    push_keys(&mut text, keys);
    text
}

fn push_keys(text: &mut String, keys: &[(String, String)]) {
    for (key, value) in keys {
        text.push_str(&format!("{key} = {value}\n"));
    }
}

fn workload(draft: &Draft, template: Option<&str>, own: &[(String, String)], kind: MovedKind) -> String {
    let mut text = format!("# {}\n", one_line(&draft.object));
    for missing in &draft.missing {
        text.push_str(&format!("# missing: {}\n", one_line(missing)));
    }
    text.push_str(&format!("[workload.{}]\n", quoted(&draft.id())));
    if let Some(template) = template {
        text.push_str(&format!("template = {}\n", quoted(template)));
    }
    let until = if draft.missing.is_empty() {
        format!("until its {} is gone", kind.kind())
    } else {
        format!("until what is missing is there, and its {} is gone", kind.kind())
    };
    text.push_str(&format!("mode = \"shadow\" # {until}\n"));
    text.push_str(&format!("scale_target = {}\n", quoted(&draft.target)));
    text.push_str(&format!(
        "min_replicas = {}\nmax_replicas = {}\n",
        draft.min, draft.max
    ));
    push_keys(&mut text, own);
    text
}

fn one_line(text: &str) -> String {
    text.split(|symbol: char| symbol.is_control())
        .collect::<Vec<_>>()
        .join(" ")
}
