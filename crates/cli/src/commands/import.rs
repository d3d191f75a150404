//! `headroom import`: policies from what was there before.

mod moved;

use clap::{Args, Subcommand};
use headroom_autoscaler::config::{self, MovedKind};
use serde::Serialize;

use crate::{
    args::{ClusterArgs, OutputArgs, SelectArgs},
    configuration,
    error::CliError,
    exit::ExitCode,
    json,
    output::{Format, Output},
};

/// Writes a policy from what was there before.
#[derive(Args, Clone, Debug)]
#[command(mut_args(|arg| arg.hide(true)))]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    options: moved::Options,
    #[command(subcommand)]
    from: Origin,
}

/// Where from.
#[derive(Subcommand, Clone, Debug)]
enum Origin {
    Env(EnvArgs),
    Hpa(moved::HpaArgs),
    Keda(moved::KedaArgs),
}

/// Writes the policy that the environment of the scaling script means.
///
/// Reads NAMESPACE, METRICS_SERVER, CPU_THRESHOLD, MEMORY_THRESHOLD, ACTIVE_USERS_THRESHOLD, REQUEST_RATE_THRESHOLD,
/// SLACK_WEBHOOK and EMAIL_RECIPIENTS. What is not set has the script's own default.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom import env > headroom.toml
  CPU_THRESHOLD=60 NAMESPACE=shop headroom import env > headroom.toml")]
struct EnvArgs {
    #[command(flatten)]
    output: OutputArgs,
}

impl ImportArgs {
    /// The options of output.
    pub(crate) fn output(&self) -> OutputArgs {
        self.options.output.with(match &self.from {
            Origin::Env(args) => &args.output,
            Origin::Hpa(args) => &args.moved.options.output,
            Origin::Keda(args) => &args.moved.options.output,
        })
    }
}

/// The policy as an object.
#[derive(Debug, Serialize)]
struct ImportedObject<'a> {
    version: u32,
    toml: &'a str,
    not_carried: &'a [String],
}

pub(crate) fn run(
    args: &ImportArgs,
    before: (&ClusterArgs, &SelectArgs),
    output: &Output,
) -> Result<ExitCode, CliError> {
    let options = &args.options;
    match &args.from {
        Origin::Env(_) => match options.of_objects() {
            Some(option) => Err(CliError::ImportEnv { option }),
            None => from_environment(output),
        },
        Origin::Hpa(args) => args.moved.run(MovedKind::Hpa, before, options, output),
        Origin::Keda(args) => args.moved.run(MovedKind::ScaledObject, before, options, output),
    }
}

fn from_environment(output: &Output) -> Result<ExitCode, CliError> {
    let imported = config::import_env(&configuration::environment()).map_err(CliError::Policy)?;
    match output.format() {
        Format::Human => {
            output.text(&imported.toml);
            for line in &imported.not_carried {
                output.warn(line);
            }
        }
        Format::Json => output.object(&ImportedObject {
            version: json::VERSION,
            toml: &imported.toml,
            not_carried: &imported.not_carried,
        }),
    }
    Ok(ExitCode::Done)
}
