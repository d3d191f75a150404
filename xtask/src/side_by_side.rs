//! headroom beside the HPA of a real control plane: a bench of its own, which builds what it needs first.

use std::{env, path::Path};

use crate::{cargo, problem::Problem, servers};

/// What it is called after `bench`.
pub(crate) const NAME: &str = "hpa";
const OUT: &str = "--out";

/// Runs it with `arguments`. Where it writes is meant from where this was started.
pub(crate) fn run(arguments: &[String]) -> Result<(), Problem> {
    servers::ensure()?;
    let here = env::current_dir().map_err(|source| Problem::NotRun {
        command: "cargo xtask bench hpa".to_owned(),
        source,
    })?;
    // The profile of the tests: what is measured are seconds of a cluster, and the tests have built most of it.
    let cargo = ["--package", "headroom-cli", "--bench", NAME, "--profile", "dev"];
    cargo::bench(&cargo.map(str::to_owned), &absolute(arguments, &here))
}

/// `arguments` with the directory that follows `--out` as one that is the same from everywhere.
fn absolute(arguments: &[String], here: &Path) -> Vec<String> {
    let path = |text: &str| here.join(text).display().to_string();
    let mut after_out = false;
    let mut absolute = Vec::with_capacity(arguments.len());
    for argument in arguments {
        absolute.push(
            match argument.strip_prefix(OUT).and_then(|rest| rest.strip_prefix('=')) {
                Some(directory) => format!("{OUT}={}", path(directory)),
                None if after_out => path(argument),
                None => argument.clone(),
            },
        );
        after_out = argument == OUT;
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        assert_eq!(absolute(&words, Path::new("/clone")).join(" "), expected);
    }

    #[test]
    fn a_directory_is_meant_from_where_the_task_was_started() {
        check("--pairs 2", "--pairs 2");
        check("--out figures --pairs 2", "--out /clone/figures --pairs 2");
        check("--out=figures", "--out=/clone/figures");
        check("--out /tmp/figures", "--out /tmp/figures");
    }
}
