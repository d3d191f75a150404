//! `cargo xtask`: what a developer of headroom does beside `cargo` itself.

use std::process::ExitCode;

use clap::Parser;

mod servers;

/// Development tasks of headroom.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Build the real servers that tests use, once per machine.
    Servers,
}

fn main() -> ExitCode {
    let result = match Task::parse() {
        Task::Servers => servers::ensure(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
