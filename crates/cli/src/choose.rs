//! Which workloads a command line means: names, bare names where they are unique, a namespace.

use headroom_policy_engine::WorkloadId;

use crate::{args::SelectArgs, error::CliError};

/// The workloads that `names` and `select` mean, in the order of `known`; all of them where nothing is said.
///
/// # Errors
/// When a name fits no workload or several, or the namespace has none.
pub(crate) fn choose<'a>(
    known: impl IntoIterator<Item = &'a WorkloadId>,
    names: &[String],
    select: &SelectArgs,
) -> Result<Vec<WorkloadId>, CliError> {
    let all: Vec<&WorkloadId> = known.into_iter().collect();
    let in_namespace: Vec<&WorkloadId> = match &select.namespace {
        None => all.clone(),
        Some(namespace) => all
            .iter()
            .copied()
            .filter(|id| id.namespace() == Some(namespace))
            .collect(),
    };
    if let (Some(namespace), true) = (&select.namespace, in_namespace.is_empty()) {
        return Err(CliError::EmptyNamespace {
            namespace: namespace.clone(),
            known: namespaces(&all),
        });
    }
    let named = names
        .iter()
        .map(|name| find(name, &in_namespace))
        .collect::<Result<Vec<_>, _>>()?;
    let chosen = in_namespace
        .into_iter()
        .filter(|id| names.is_empty() || named.contains(id));
    Ok(chosen.cloned().collect())
}

/// The one workload that `name` means.
///
/// # Errors
/// When it fits no workload or several.
pub(crate) fn choose_one<'a>(
    known: impl IntoIterator<Item = &'a WorkloadId>,
    name: &str,
    select: &SelectArgs,
) -> Result<WorkloadId, CliError> {
    let known: Vec<&WorkloadId> = known.into_iter().collect();
    let chosen = choose(known.iter().copied(), &[name.to_owned()], select)?;
    chosen.into_iter().next().ok_or_else(|| unknown(name, &known))
}

fn find<'a>(name: &str, known: &[&'a WorkloadId]) -> Result<&'a WorkloadId, CliError> {
    if let Some(id) = known.iter().find(|id| id.as_str() == name) {
        return Ok(id);
    }
    let candidates: Vec<&WorkloadId> = known.iter().copied().filter(|id| id.name() == name).collect();
    match candidates.as_slice() {
        [one] => Ok(one),
        [] => Err(unknown(name, known)),
        several => Err(CliError::AmbiguousWorkload {
            name: name.to_owned(),
            candidates: texts(several),
        }),
    }
}

fn unknown(name: &str, known: &[&WorkloadId]) -> CliError {
    let distance = |id: &&&WorkloadId| {
        let bare = if name.contains('/') {
            id.as_str()
        } else {
            id.name()
        };
        strsim::damerau_levenshtein(name, bare)
    };
    // A third of the letters may be wrong; beyond that it is another name.
    let near = known
        .iter()
        .min_by_key(distance)
        .filter(|id| distance(id) <= (name.len() / 3).max(1));
    CliError::UnknownWorkload {
        name: name.to_owned(),
        near: near.map(|id| id.to_string()),
        known: texts(known),
    }
}

fn texts(ids: &[&WorkloadId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn namespaces(ids: &[&WorkloadId]) -> Vec<String> {
    let mut names: Vec<String> = ids
        .iter()
        .filter_map(|id| id.namespace())
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<WorkloadId> {
        ["shop/api", "shop/web", "pay/api", "batch"]
            .iter()
            .map(|id| id.parse().unwrap())
            .collect()
    }

    #[track_caller]
    fn check(names: &[&str], namespace: Option<&str>, expected: &[&str]) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let select = SelectArgs {
            namespace: namespace.map(str::to_owned),
            all_namespaces: false,
        };
        let chosen = choose(&known(), &names, &select).map_err(|error| error.code());
        let chosen = chosen.map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        match expected {
            [code] if !code.contains('/') && *code != "batch" => assert_eq!(chosen, Err(*code)),
            ids => assert_eq!(chosen, Ok(ids.iter().map(ToString::to_string).collect())),
        }
    }

    #[test]
    fn a_name_means_one_workload() {
        check(&[], None, &["shop/api", "shop/web", "pay/api", "batch"]);
        check(&["web", "pay/api"], None, &["shop/web", "pay/api"]);
        check(&["batch"], None, &["batch"]);
        check(&["api"], None, &["ambiguous_workload"]);
        check(&["api"], Some("pay"), &["pay/api"]);
        check(&[], Some("shop"), &["shop/api", "shop/web"]);
        check(&["pay/api"], Some("shop"), &["unknown_workload"]);
        check(&["apy"], None, &["unknown_workload"]);
        check(&[], Some("nowhere"), &["empty_namespace"]);
    }

    #[test]
    fn a_name_that_is_nearly_right_is_suggested() {
        let near = |name: &str| match choose(&known(), &[name.to_owned()], &SelectArgs::default()) {
            Err(CliError::UnknownWorkload { near, .. }) => near,
            other => panic!("{other:?}"),
        };
        assert_eq!(near("wbe"), Some("shop/web".to_owned()));
        assert_eq!(near("pay/apis"), Some("pay/api".to_owned()));
        assert_eq!(near("checkout"), None);
    }
}
