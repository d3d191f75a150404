//! `cargo xtask`: what a developer of headroom does beside `cargo` itself.
//!
//! Owns the arguments and the exit code; each task is a module.

#![expect(
    clippy::print_stderr,
    reason = "a development task tells its developer what it does"
)]

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod cargo;
mod cluster;
mod dependencies;
mod problem;
mod reference;
mod screenshots;
mod servers;
mod side_by_side;
mod soak;

use crate::problem::Problem;

/// Development tasks of headroom.
///
/// `cargo xtask test` is all that a first look needs. Everything that CI does is `.ci/run`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the real servers that tests use, once per machine
    ///
    /// Prometheus and Alertmanager; etcd, the Kubernetes control plane, kwok and metrics-server; aiosmtpd for mail. They go to
    /// $XDG_CACHE_HOME/headroom/servers (by default ~/.cache), outside the clone, each in a folder named after the pins
    /// it is built from. Does nothing when they are there.
    ///
    /// Needs Go, and Python 3 with its venv. From nothing, on two cores that do nothing else, it takes about 18 minutes; where Go has built them
    /// before, about a minute. They take 0.5 GB, and Go's own cache and modules several times that.
    Servers,

    /// Start and stop a real Kubernetes control plane to play with, the one that tests use
    ///
    /// Its nodes have no kubelet: pods run in name only, and use what an annotation says.
    Cluster {
        #[command(subcommand)]
        action: cluster::Action,
    },

    /// Run every test, also those that need the real servers
    ///
    /// Builds the servers first where they are missing. Six tests run at once, or as many as there
    /// are processors: most of them wait for servers. RUST_TEST_THREADS says another number.
    /// What follows goes to `cargo test`, what follows `--` to the tests:
    ///
    ///   cargo xtask test                               everything
    ///   cargo xtask test -p headroom-metrics-source    one package
    ///   cargo xtask test -- prometheus --nocapture     tests by name, with their output
    #[command(verbatim_doc_comment)]
    Test(PassedOn),

    /// Run the benches
    ///
    /// What follows goes to `cargo bench`, what follows `--` to the benches:
    ///
    ///   cargo xtask bench -p headroom-policy-engine --bench evaluate
    ///
    /// `cargo xtask bench hpa` is another one: headroom side by side with the HPA of a real
    /// control plane, under the same load. It takes a quarter of an hour at most; `--pairs 2`
    /// and `--only step-up` shorten it, `--out DIRECTORY` keeps the figures and a chart, and
    /// `-- --help` says more.
    #[command(verbatim_doc_comment)]
    Bench(PassedOn),

    /// Run the engine's properties with many cases, and say how many each had
    Soak {
        /// How many cases in all, shared out among the properties
        #[arg(long, value_name = "NUMBER", default_value = "1000000")]
        cases: std::num::NonZeroU32,
    },

    /// Write the generated pages of the book: settings, commands, lints, and the schemas
    Reference {
        /// Change nothing, and fail where a page is not current
        #[arg(long)]
        check: bool,
    },

    /// Take the pictures of the book anew, with a real browser
    ///
    /// Needs Chromium; for the Korean ones also a font with its letters. Look at what has changed before it is committed.
    Screenshots,

    /// Check that one TLS provider, aws-lc-rs, is among the dependencies, and no other
    Tls,

    /// Check that the engine depends on no more than crates/policy-engine/dependencies.txt names
    Fence,
}

/// Arguments that go to another program as they are.
#[derive(Debug, Args)]
struct PassedOn {
    /// For cargo
    #[arg(value_name = "CARGO_ARGUMENT", allow_hyphen_values = true)]
    cargo: Vec<String>,
    /// For what cargo runs
    #[arg(value_name = "ARGUMENT", last = true)]
    program: Vec<String>,
}

impl PassedOn {
    /// Those for cargo, and those for what it runs.
    fn parts(&self) -> (&[String], &[String]) {
        // A `--` that follows other arguments is one of them to clap, since they may begin with hyphens.
        match self.cargo.iter().position(|argument| argument == "--") {
            Some(at) => (&self.cargo[..at], &self.cargo[at + 1..]),
            None => (&self.cargo, &self.program),
        }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            problem.explain();
            problem.exit_code()
        }
    }
}

fn run(task: Task) -> Result<(), Problem> {
    match task {
        Task::Servers => servers::ensure(),
        Task::Cluster { action } => cluster::run(action),
        Task::Test(arguments) => {
            servers::ensure()?;
            let (cargo, tests) = arguments.parts();
            cargo::test(cargo, tests)
        }
        Task::Bench(arguments) => {
            let (cargo, benches) = arguments.parts();
            match cargo.split_first() {
                Some((name, chosen)) if name == side_by_side::NAME => {
                    side_by_side::run(&[chosen, benches].concat())
                }
                Some(_) | None => cargo::bench(cargo, benches),
            }
        }
        Task::Soak { cases } => soak::run(cases),
        Task::Reference { check: true } => reference::check(),
        Task::Reference { check: false } => reference::write(),
        Task::Screenshots => screenshots::take(),
        Task::Tls => dependencies::check_tls(),
        Task::Fence => dependencies::check_fence(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, cargo: &[&str], program: &[&str]) {
        let words = ["xtask", "test"].into_iter().chain(line.split_whitespace());
        let Task::Test(got) = Arguments::try_parse_from(words).unwrap().task else {
            panic!("another task");
        };
        let strings = |words: &[&str]| -> Vec<String> { words.iter().map(ToString::to_string).collect() };
        assert_eq!(got.parts(), (&*strings(cargo), &*strings(program)), "{line}");
    }

    #[test]
    fn arguments_are_passed_on_as_they_are() {
        check("", &[], &[]);
        check(
            "-p headroom-cli --test demo",
            &["-p", "headroom-cli", "--test", "demo"],
            &[],
        );
        check("-- demo --nocapture", &[], &["demo", "--nocapture"]);
        check(
            "-p headroom-cli -- --exact a::b",
            &["-p", "headroom-cli"],
            &["--exact", "a::b"],
        );
    }
}
