//! The command line: what can be typed, and the help that explains it. The doc comments are the help.
//!
//! What the arguments mean belongs to `commands`; each command's own options stand beside it there.

mod common;

use clap::{Parser, Subcommand};
pub(crate) use common::{ClusterArgs, CommonArgs, ConfigArgs, OutputArgs, SelectArgs};

use crate::{
    commands::{
        check, completions, config, demo, explain, history, import, overriding, pause, plan, rbac, reference,
        run, status, test,
    },
    output::{ColorChoice, Format},
};

/// Scales services by the load they carry, and says why.
///
/// headroom reads what a service is carrying (from Prometheus, or from the service's own /metrics), decides how many
/// replicas it needs, sets them (in Kubernetes, local processes, or by your own commands), and records every decision with its reasons.
#[derive(Debug, Parser)]
#[command(
    name = "headroom",
    version,
    max_term_width = 100,
    disable_help_subcommand = false,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  headroom demo                         watch it scale a real service, with nothing to install
  headroom check                        is the policy in headroom.toml right?
  headroom test                         does it do what its tests say?
  headroom plan                         what would a pass do? Touches nothing.
  headroom run --once                   one pass: for cron and Jenkins
  headroom run                          a pass whenever one is due, until Ctrl-C
  headroom explain shop/api             why?

Exit codes:
  0  done, or nothing to do
  1  could not: a target, a server, the state, `check --live` or a test failed
  2  the arguments or the policy are wrong
  3  decided while blind, partly or wholly: a metric was unknown
  10 `plan --detailed-exitcode`: something would change
  130, 143  interrupted by Ctrl-C or SIGTERM; `run` as a loop ends with 0 on both"
)]
pub(crate) struct Cli {
    /// Options given before the command.
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::DemoCommandArgs),
    Check(check::CheckArgs),
    Test(test::TestArgs),
    Plan(plan::PlanArgs),
    Run(run::RunArgs),
    Explain(explain::ExplainArgs),
    Status(status::StatusArgs),
    History(history::HistoryArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Override(overriding::OverrideArgs),
    Config(config::ConfigCommandArgs),
    Import(import::ImportArgs),
    Rbac(rbac::RbacArgs),
    Schema(completions::SchemaArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Reference(reference::ReferenceArgs),
}

impl Cli {
    /// How results are to be written.
    pub(crate) fn format(&self) -> Format {
        self.output_args()
            .format
            .or(self.common.output.format)
            .unwrap_or_default()
    }

    /// Whether output is to be colored.
    pub(crate) fn color(&self) -> ColorChoice {
        self.output_args()
            .color
            .or(self.common.output.color)
            .unwrap_or_default()
    }

    /// Whether debug logs are wanted.
    pub(crate) fn is_verbose(&self) -> bool {
        self.output_args().verbose || self.common.output.verbose
    }

    /// The options of output given after the command.
    fn output_args(&self) -> &OutputArgs {
        match &self.command {
            Command::Demo(args) => &args.output,
            Command::Check(args) => &args.output,
            Command::Test(args) => &args.output,
            Command::Plan(args) => &args.common.output,
            Command::Run(args) => &args.common.output,
            Command::Explain(args) => &args.common.output,
            Command::Status(args) => &args.common.output,
            Command::History(args) => &args.common.output,
            Command::Pause(args) => &args.common.output,
            Command::Resume(args) => &args.common.output,
            Command::Override(args) => &args.common.output,
            Command::Config(args) => args.output(),
            Command::Import(args) => args.output(),
            Command::Rbac(args) => &args.output,
            Command::Schema(args) => &args.output,
            Command::Completions(args) => &args.output,
            Command::Reference(args) => &args.output,
        }
    }
}
