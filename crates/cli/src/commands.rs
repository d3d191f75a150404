//! One module for each command: its options with their help, and what it does.
//!
//! A command decides nothing about scaling. It loads the configuration, asks the autoscaler, and hands what came of it
//! to the output.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod import;
pub(crate) mod notify;
pub(crate) mod overriding;
pub(crate) mod pass;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod rbac;
pub(crate) mod reference;
pub(crate) mod run;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod test;

use std::future::Future;

use crate::{
    args::{Cli, Command},
    error::CliError,
    exit::ExitCode,
    output::Output,
    signals::Signals,
};

/// Does what the command line asks for.
///
/// # Errors
/// When it could not be done.
pub(crate) fn run(cli: &Cli, output: &Output) -> Result<ExitCode, CliError> {
    let before = &cli.common;
    match &cli.command {
        Command::Demo(args) => demo::run(args, output),
        Command::Check(args) => check::run(args, &before.config, output),
        Command::Test(args) => test::run(args, output),
        Command::Plan(args) => plan::run(args, &before.with(&args.common), output),
        Command::Run(args) => run::run(args, &before.with(&args.common), output),
        Command::Explain(args) => explain::run(args, &before.with(&args.common), output),
        Command::Status(args) => status::run(args, &before.with(&args.common), output),
        Command::History(args) => history::run(args, &before.with(&args.common), output),
        Command::Pause(args) => pause::pause(args, &before.with(&args.common), output),
        Command::Resume(args) => pause::resume(args, &before.with(&args.common), output),
        Command::Override(args) => overriding::run(args, &before.with(&args.common), output),
        Command::Notify(args) => notify::run(args, &before.with(&args.common), output),
        Command::Config(args) => config::run(args, &before.with(&args.common), output),
        Command::Import(args) => import::run(args, (&before.config.cluster, &before.select), output),
        Command::Rbac(args) => rbac::run(args, (&before.config, &before.select), output),
        Command::Schema(args) => completions::schema(args, output),
        Command::Completions(args) => completions::run(args, output),
        Command::Reference(args) => reference::run(args, output),
    }
}

/// Runs what waits for others, on one thread: a pass is mostly waiting. A signal abandons it.
///
/// # Errors
/// What the work itself returns, or the signal.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    runtime()?.block_on(async {
        let mut signals = Signals::take().map_err(CliError::Start)?;
        tokio::select! {
            done = Box::pin(work) => done,
            signal = signals.next() => Err(CliError::Stopped(signal)),
        }
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Start)
}
