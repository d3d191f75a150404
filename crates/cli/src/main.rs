//! `headroom`: parses the command line, runs one command, and ends with its exit code.
//!
//! Thin on purpose: what can be typed stands in `args`, what is done in `commands`, what is printed in `output`.

mod args;
mod choose;
mod commands;
mod configuration;
mod demo;
mod error;
mod exit;
mod json;
mod logging;
mod moment;
mod output;
mod report;
mod signals;

use crate::{
    args::Cli,
    error::CliError,
    exit::ExitCode,
    output::{Detail, Output},
};

fn main() -> std::process::ExitCode {
    // Before anything can make a client. An error would mean that it is installed already.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return help_or_refusal(&error).into(),
    };
    let asked = cli.output();
    let detail = if asked.verbose || logging::is_asked_for() {
        Detail::Verbose
    } else {
        Detail::Usual
    };
    let output = Output::new(
        asked.format.unwrap_or_default(),
        asked.color.unwrap_or_default(),
        detail,
    );
    logging::start(&output);
    let mut code = commands::run(&cli, &output).unwrap_or_else(|error| {
        error.tell(&output);
        error.exit_code()
    });
    if let Some(error) = output.take_failure() {
        let error = CliError::Output(error);
        error.tell(&output);
        code = code.and(error.exit_code());
    }
    code.into()
}

/// Help and version go to stdout and are no failure; arguments that are wrong go to stderr.
fn help_or_refusal(error: &clap::Error) -> ExitCode {
    // A reader that has gone needs no help.
    let _ = error.print();
    if error.use_stderr() {
        ExitCode::Refused
    } else {
        ExitCode::Done
    }
}
