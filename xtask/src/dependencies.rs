//! What the packages may depend on: one TLS provider, and an engine without a world around it.

use std::{collections::BTreeSet, fs};

use crate::{cargo, problem::Problem};

/// The TLS provider of headroom.
const TLS: &str = "aws-lc-rs";
/// Others, which some feature of some dependency would bring in.
const OTHER_TLS: [&str; 4] = ["ring", "openssl", "openssl-sys", "native-tls"];

const ENGINE: &str = "headroom-policy-engine";
const ENGINE_DEPENDENCIES: &str = "crates/policy-engine/dependencies.txt";

/// Looks at every package, feature and platform, and also at what tests and build scripts use.
pub(crate) fn check_tls() -> Result<(), Problem> {
    let tree = [
        "tree",
        "--workspace",
        "--target",
        "all",
        "--all-features",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let names = names(&cargo::output(&tree)?);
    let found: Vec<String> = OTHER_TLS
        .into_iter()
        .filter(|name| names.contains(*name))
        .map(str::to_owned)
        .collect();
    for name in &found {
        let tree = cargo::output(&[
            "tree",
            "--workspace",
            "--target",
            "all",
            "--all-features",
            "--invert",
            name,
        ])?;
        eprintln!("{tree}");
    }
    if !found.is_empty() {
        return Err(Problem::OtherTls { found });
    }
    if !names.contains(TLS) {
        return Err(Problem::NoTls);
    }
    eprintln!("{TLS} is the one TLS provider among {} packages", names.len());
    Ok(())
}

/// Compares the packages that the engine is built from with the committed list.
pub(crate) fn check_fence() -> Result<(), Problem> {
    let tree = [
        "tree",
        "--package",
        ENGINE,
        "--edges",
        "normal",
        "--all-features",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let resolved = names(&cargo::output(&tree)?);
    let list = cargo::root().join(ENGINE_DEPENDENCIES);
    let committed = fs::read_to_string(&list).map_err(|source| Problem::File {
        path: list.clone(),
        what: "read",
        source,
    })?;
    let committed = names(&committed);
    for name in resolved.difference(&committed) {
        eprintln!("   + {name}: the engine depends on it, and the list does not name it");
    }
    for name in committed.difference(&resolved) {
        eprintln!("   - {name}: the list names it, and the engine does not depend on it");
    }
    if resolved != committed {
        return Err(Problem::Fence { list });
    }
    eprintln!(
        "the engine depends on the {} packages that its list names",
        committed.len()
    );
    Ok(())
}

/// The first word of each line: the name of a package.
fn names(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn names_are_those_of_the_tree_each_once() {
        let tree = "serde v1.0.229\nsyn v3.0.10 (proc-macro)\n\nserde v1.0.229 (*)\n";
        assert_eq!(names(tree).into_iter().collect::<Vec<_>>(), ["serde", "syn"]);
    }
}
