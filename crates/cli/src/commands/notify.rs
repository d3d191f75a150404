//! `headroom notify`: whether notices arrive, what waits to be handed over, and when people do not want to be told.

mod silence;
mod status;
mod test;

use clap::{Args, Subcommand};

use crate::{
    args::{CommonArgs, OutputArgs},
    error::CliError,
    exit::ExitCode,
    output::Output,
};

/// Tries and silences what people are told.
#[derive(Args, Clone, Debug)]
#[command(mut_args(|arg| arg.hide(true)))]
pub(crate) struct NotifyCommandArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    Test(test::TestArgs),
    Status(status::StatusArgs),
    Silence(silence::SilenceArgs),
    Unsilence(silence::UnsilenceArgs),
}

impl NotifyCommandArgs {
    /// The options of output.
    pub(crate) fn output(&self) -> OutputArgs {
        let common: &CommonArgs = match &self.what {
            What::Test(args) => &args.common,
            What::Status(args) => &args.common,
            What::Silence(args) => &args.common,
            What::Unsilence(args) => &args.common,
        };
        self.common.output.with(&common.output)
    }
}

pub(crate) fn run(
    args: &NotifyCommandArgs,
    before: &CommonArgs,
    output: &Output,
) -> Result<ExitCode, CliError> {
    match &args.what {
        What::Test(args) => test::run(args, &before.with(&args.common), output),
        What::Status(args) => status::run(args, &before.with(&args.common), output),
        What::Silence(args) => silence::silence(args, &before.with(&args.common), output),
        What::Unsilence(args) => silence::unsilence(args, &before.with(&args.common), output),
    }
}
