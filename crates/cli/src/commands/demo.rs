//! `headroom demo`: hands the demo its terminal.

use clap::Args;

use crate::{
    args::OutputArgs,
    demo::{self, DemoArgs, Show},
    error::CliError,
    exit::ExitCode,
    output::{Format, Output},
};

/// Runs a small web service under a load that rises and falls, and scales it. Needs nothing but this program.
///
/// The service runs as child processes of which each can serve 4 requests at a time, 40 ms each: 100 requests
/// per second. headroom reads the replicas' own /metrics, decides every second, and starts and stops replicas.
#[derive(Args, Clone, Debug)]
pub(crate) struct DemoCommandArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    demo: DemoArgs,
}

pub(crate) fn run(args: &DemoCommandArgs, output: &Output) -> Result<ExitCode, CliError> {
    let show = match output.format() {
        Format::Json => Show::Json,
        Format::Human if output.is_live() => Show::Screen,
        Format::Human => Show::Lines,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::Start)?;
    runtime.block_on(Box::pin(demo::run(&args.demo, show, &mut |line| {
        output.line(line);
    })))?;
    Ok(ExitCode::Done)
}
