//! The object that an autoscaler scales.

use super::super::words;

/// Kubernetes' own kinds, which need no group.
const OWN: [(&str, &str); 4] = [
    ("Deployment", "apps"),
    ("StatefulSet", "apps"),
    ("ReplicaSet", "apps"),
    ("ReplicationController", ""),
];

/// The scale target as a policy writes it, such as `deployment/api`.
pub(super) fn target(api_version: &str, kind: &str, name: &str) -> Result<String, String> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let word = kind.to_ascii_lowercase();
    // Some leave the version out, and mean the usual group.
    let is_own = OWN
        .iter()
        .any(|(own, usual)| *own == kind && (group == *usual || api_version.is_empty()));
    let text = if is_own || group.is_empty() {
        format!("{word}/{name}")
    } else {
        format!("{word}.{group}/{name}")
    };
    words::target(&text)
        .map(|_| text)
        .map_err(|error| format!("scaleTargetRef: {error}"))
}

/// The name of the workload of an object called `name`: a DNS label, which the name of an object need not be.
pub(super) fn workload_name(name: &str) -> String {
    let label: String = name.replace('.', "-").chars().take(63).collect();
    label.trim_end_matches('-').to_owned()
}
