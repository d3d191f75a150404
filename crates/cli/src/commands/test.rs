//! `headroom test`: tests of policies. Plays cases, and compares the decisions with what is expected.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use headroom_autoscaler::{
    config::{self, Problems},
    policy_test::{Case, Suite},
};

use crate::{
    args::OutputArgs,
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output, Tone},
    report::{
        cases::{FailureText, Passes, Played, Totals, timeline},
        explain::Explained,
        junit,
    },
};

/// Tests a policy: plays what a service goes through, and compares the decisions with what is expected.
///
/// Nothing is read but files, and nothing is touched: passes are made by the same code as live, on values from the test,
/// and the count follows the decisions. The book's page "Testing a policy" has all keys.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom test                                    every *.test.toml of this directory
  headroom test policies/ shop.test.toml           those of a directory, and a file
  headroom test --filter night                     only cases with `night` in their names
  headroom test --timeline                         every pass as a line of a table
  headroom test --filter night --explain 10m       the decision ten minutes in, step by step
  headroom test --junit results.xml                for Jenkins and others

A file of tests, headroom.test.toml:
  config = [\"headroom.toml\"]                       # the policy, relative to this file

  [case.\"users arrive\"]
  workload = \"shop/api\"
  replicas = 2                                     # at the start
  metrics.cpu   = \"50%\"                            # throughout
  metrics.users = \"150x5m 680x10m\"                 # 150 for five minutes, then 680
  expect = [
    { to = \"4m\", replicas = 2 },
    { by = \"7m\", replicas = 7, reason = \"above_target\" },
    { min = 2, max = 7 },                          # at every pass
  ]

Exit codes: 0 all passed; 1 some failed; 2 a file of tests or its policy is wrong.")]
pub(crate) struct TestArgs {
    /// Files of tests, or directories with files whose names end in .test.toml; without any: this directory.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only cases whose names contain this; give it again for others.
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,
    /// Also shows every pass of each case, as a table.
    #[arg(long)]
    timeline: bool,
    /// Instead of testing, shows the decision at a time of each case step by step, such as 2m30s.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["timeline", "junit"], value_parser = moment::read_offset)]
    explain: Option<Duration>,
    /// Also writes the results as JUnit XML.
    #[arg(long, value_name = "PATH")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl TestArgs {
    const fn passes(&self) -> Passes {
        if self.timeline {
            Passes::All
        } else {
            Passes::AroundFailures
        }
    }

    /// Whether passes are looked at again when all cases have been played.
    fn needs_rows_later(&self, output: &Output) -> bool {
        self.junit.is_some() || output.format() == Format::Json
    }
}

pub(crate) fn run(args: &TestArgs, output: &Output) -> Result<ExitCode, CliError> {
    let suites = load(&files(&args.files)?)?;
    let is_chosen =
        |case: &Case| args.filter.is_empty() || args.filter.iter().any(|text| case.name.contains(text));
    let all = suites
        .iter()
        .flat_map(|suite| suite.cases.iter().map(move |case| (suite, case)));
    let (chosen, others): (Vec<_>, Vec<_>) = all.partition(|(_, case)| is_chosen(case));
    if chosen.is_empty() {
        return Err(CliError::NoCase {
            filter: args.filter.clone(),
            known: others.iter().map(|(_, case)| case.name.clone()).collect(),
        });
    }
    if let Some(at) = args.explain {
        explain(&chosen, at, output);
        return Ok(ExitCode::Done);
    }
    let passes = args.passes();
    let mut totals = Totals {
        left_out: others.len(),
        ..Totals::default()
    };
    let mut played = Vec::with_capacity(chosen.len());
    for (suite, case) in chosen {
        let run = case.run();
        let mut one = Played { suite, case, run };
        totals.count(&one);
        if output.format() == Format::Human {
            show(&one, passes, output);
        }
        if !args.needs_rows_later(output) {
            // There may be many.
            one.run.rows = Vec::new();
        }
        played.push(one);
    }
    match output.format() {
        Format::Human => output.line(totals),
        Format::Json => output.object(&json::Tests::new(&played, totals, passes)),
    }
    if let Some(path) = &args.junit {
        let written = junit::document(&played).and_then(|document| fs::write(path, document));
        written.map_err(|source| CliError::Junit {
            path: path.clone(),
            source,
        })?;
    }
    Ok(if totals.failed > 0 {
        ExitCode::CouldNot
    } else {
        ExitCode::Done
    })
}

/// The files of tests that are meant.
fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    if named.is_empty() {
        return of_directory(Path::new("."));
    }
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            files.extend(of_directory(path)?);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// The files of tests in a directory, by their names.
fn of_directory(directory: &Path) -> Result<Vec<PathBuf>, CliError> {
    let unreadable = |source| CliError::TestDirectory {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if config::is_suite(&path) && path.is_file() {
            files.push(path.strip_prefix(".").map(Path::to_owned).unwrap_or(path));
        }
    }
    if files.is_empty() {
        return Err(CliError::NoTests {
            directory: directory.to_owned(),
        });
    }
    files.sort();
    Ok(files)
}

/// Loads all files. One that is wrong keeps every test from running: a test that is not run is not passed.
fn load(files: &[PathBuf]) -> Result<Vec<Suite>, CliError> {
    let mut suites = Vec::new();
    let mut problems: Option<Problems> = None;
    for file in files {
        match config::load_suite(file) {
            Ok(suite) => suites.push(suite),
            Err(more) => {
                problems = Some(match problems {
                    Some(problems) => problems.and(more),
                    None => more,
                });
            }
        }
    }
    problems.map_or(Ok(suites), |problems| Err(CliError::Tests(problems)))
}

/// Shows what came of one case, as soon as that is known.
fn show(one: &Played<'_>, passes: Passes, output: &Output) {
    output.line(one.line(output.paint()));
    if passes == Passes::All {
        output.text(format_args!("\n{}\n", timeline(one.case, &one.run.rows)));
    }
    for failures in one.failures_by_pass() {
        output.text(FailureText {
            played: one,
            failures: &failures,
            passes,
            paint: output.paint(),
        });
    }
    if passes == Passes::All || !one.run.is_passed() {
        output.line("");
    }
}

/// Shows the decisions that are in force at `at`.
fn explain(chosen: &[(&Suite, &Case)], at: Duration, output: &Output) {
    let decisions: Vec<_> = chosen
        .iter()
        .map(|(suite, case)| (*suite, *case, case.decision_at(at)))
        .collect();
    if output.format() == Format::Json {
        return output.object(&json::TestDecisions::new(&decisions, at));
    }
    for (number, (suite, case, decision)) in decisions.iter().enumerate() {
        let gap = if number == 0 { "" } else { "\n" };
        let title = format!("{}: {}", suite.file.display(), case.name);
        let title = output.paint().paint(Tone::Strong, title);
        output.line(format_args!("{gap}{title}, at {}", moment::span(at)));
        match decision {
            Some(record) => output.text(Explained {
                record,
                want: None,
                now: record.at,
                paint: output.paint(),
            }),
            None => output.line("no pass was made by then"),
        }
    }
}
