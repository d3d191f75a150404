//! Running cargo in the workspace.

use std::{
    env,
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
};

use crate::problem::Problem;

/// Where the harness of tests is told how many run at once.
const TEST_THREADS: &str = "RUST_TEST_THREADS";
/// How many tests run at once at least: the long ones wait for servers, and leave the processors to others.
const AT_ONCE: usize = 6;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    // Where cargo runs it, and not where it was built: a target directory may serve several clones.
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = PathBuf::from(package);
    package.parent().map(Path::to_owned).unwrap_or(package)
}

/// Every test of the workspace, or of the packages that `arguments` name.
pub(crate) fn test(arguments: &[String], for_tests: &[String]) -> Result<(), Problem> {
    let mut all = vec!["test"];
    all.extend(scope(arguments));
    all.push("--all-features");
    all.extend(arguments.iter().map(String::as_str));
    all.extend(["--", "--include-ignored"]);
    all.extend(for_tests.iter().map(String::as_str));
    if env::var_os(TEST_THREADS).is_some() {
        return run(&all);
    }
    let threads = at_once(thread::available_parallelism().ok()).to_string();
    run_with(&all, &[(TEST_THREADS, &threads)])
}

/// How many tests run at once on a machine of so many processors.
fn at_once(processors: Option<NonZero<usize>>) -> usize {
    processors.map_or(AT_ONCE, |processors| processors.get().max(AT_ONCE))
}

/// Every bench of the workspace, or of the packages that `arguments` name.
pub(crate) fn bench(arguments: &[String], for_benches: &[String]) -> Result<(), Problem> {
    let mut all = vec!["bench"];
    all.extend(scope(arguments));
    all.extend(arguments.iter().map(String::as_str));
    if !for_benches.is_empty() {
        all.push("--");
        all.extend(for_benches.iter().map(String::as_str));
    }
    run(&all)
}

/// Builds what `arguments` name.
pub(crate) fn build(arguments: &[&str]) -> Result<(), Problem> {
    run(&[&["build"], arguments].concat())
}

/// The whole workspace, unless the arguments choose packages.
fn scope(arguments: &[String]) -> Option<&'static str> {
    let chooses = |argument: &String| argument.starts_with("-p") || argument.starts_with("--package");
    (!arguments.iter().any(chooses)).then_some("--workspace")
}

/// Runs cargo with its output on the terminal, and says how.
pub(crate) fn run(arguments: &[&str]) -> Result<(), Problem> {
    run_with(arguments, &[])
}

/// The same with more in its environment.
fn run_with(arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), Problem> {
    let set: String = environment
        .iter()
        .map(|(name, value)| format!("{name}={value} "))
        .collect();
    let command = set + &describe(arguments);
    eprintln!("running `{command}`");
    let status = cargo(arguments)
        .envs(environment.iter().copied())
        .status()
        .map_err(|source| Problem::NotRun {
            command: command.clone(),
            source,
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(Problem::Failed { command, status })
    }
}

/// Runs cargo, and returns what it writes to its standard output.
pub(crate) fn output(arguments: &[&str]) -> Result<String, Problem> {
    let command = describe(arguments);
    let output = cargo(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Problem::NotRun {
            command: command.clone(),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Problem::Failed {
            command,
            status: output.status,
        })
    }
}

/// Runs cargo with more in its environment, and returns how it ended and all that it wrote.
pub(crate) fn captured(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(ExitStatus, String), Problem> {
    let output = cargo(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Problem::NotRun {
            command: describe(arguments),
            source,
        })?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status, String::from_utf8_lossy(&text).into_owned()))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(arguments);
    command
}

fn describe(arguments: &[&str]) -> String {
    format!("cargo {}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_are_named_take_the_place_of_the_workspace() {
        let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
        assert_eq!(scope(&words("")), Some("--workspace"));
        assert_eq!(scope(&words("--no-fail-fast")), Some("--workspace"));
        for line in [
            "-p headroom-cli",
            "-pheadroom-cli",
            "--package headroom-cli",
            "--package=headroom-cli",
        ] {
            assert_eq!(scope(&words(line)), None, "{line}");
        }
    }

    #[test]
    fn more_tests_run_at_once_than_few_processors_would_do() {
        for (processors, tests) in [(0, 6), (1, 6), (2, 6), (16, 16)] {
            assert_eq!(at_once(NonZero::new(processors)), tests, "{processors}");
        }
    }

    #[test]
    fn the_root_is_that_of_the_workspace() {
        assert!(root().join("crates/policy-engine/Cargo.toml").is_file());
    }
}
