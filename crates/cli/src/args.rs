//! The command line: what can be typed, and the help that explains it. The doc comments are the help.
//!
//! What the arguments mean belongs to `commands`; each command's own options stand beside it there.

mod common;

use std::{ffi::OsString, path::Path};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
pub(crate) use common::{ClusterArgs, CommonArgs, ConfigArgs, OutputArgs, SelectArgs};

use crate::commands::{
    check, completions, config, demo, explain, history, import, notify, overriding, pause, plan, rbac,
    reference, run, status, test,
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
    Notify(notify::NotifyCommandArgs),
    Config(config::ConfigCommandArgs),
    Import(import::ImportArgs),
    Rbac(rbac::RbacArgs),
    Schema(completions::SchemaArgs),
    Completions(completions::CompletionsArgs),
    #[command(hide = true)]
    Reference(reference::ReferenceArgs),
}

/// The file that makes headroom a plugin of kubectl, and what a person types then.
const PLUGIN: (&str, &str) = ("kubectl-headroom", "kubectl headroom");

impl Cli {
    /// Reads what was typed. Help and usage say what is typed to start headroom, also as a plugin of kubectl.
    ///
    /// # Errors
    /// What is wrong with it, or the help that was asked for.
    pub(crate) fn read(typed: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let typed: Vec<OsString> = typed.into_iter().collect();
        let mut command = Self::command();
        let file = typed.first().and_then(|program| Path::new(program).file_stem());
        if file.is_some_and(|file| file == PLUGIN.0) {
            let names: Vec<String> = command
                .get_subcommands()
                .map(|one| one.get_name().to_owned())
                .collect();
            command = as_plugin(command, &names).bin_name(PLUGIN.1);
        }
        let matches = command.try_get_matches_from_mut(typed)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }

    /// How output is to look, wherever that was said.
    pub(crate) fn output(&self) -> OutputArgs {
        let later = match &self.command {
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
            Command::Notify(args) => &args.output(),
            Command::Config(args) => &args.output(),
            Command::Import(args) => &args.output(),
            Command::Rbac(args) => &args.output,
            Command::Schema(args) => &args.output,
            Command::Completions(args) => &args.output,
            Command::Reference(args) => &args.output,
        };
        self.common.output.with(later)
    }
}

/// `command` with examples as they are typed where headroom is a plugin. `names` are the commands of headroom.
fn as_plugin(command: clap::Command, names: &[String]) -> clap::Command {
    let examples = command.get_after_help().map(ToString::to_string);
    let command = match examples {
        Some(examples) => {
            let typed = |text: String, name: &String| {
                text.replace(&format!("headroom {name}"), &format!("{} {name}", PLUGIN.1))
            };
            let examples = names.iter().fold(examples, typed);
            command.after_help(examples)
        }
        None => command,
    };
    command.mut_subcommands(|inner| as_plugin(inner, names))
}
