//! `headroom completions` and `headroom schema`: what shells and editors want to know.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use crate::{
    args::{Cli, OutputArgs},
    error::CliError,
    exit::ExitCode,
    json,
    output::Output,
};

/// Prints completions for a shell.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom completions bash > ~/.local/share/bash-completion/completions/headroom
  headroom completions fish > ~/.config/fish/completions/headroom.fish
  headroom completions zsh  > ~/.zfunc/_headroom")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Prints a JSON schema: of the configuration or of files of tests, for editors; of a decision, a check or a notice, for
/// programs.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom schema > headroom.schema.json
  headroom schema tests > headroom.test.schema.json
  headroom schema decision > headroom.decision.schema.json
  headroom schema check > headroom.check.schema.json
  headroom schema notice > headroom.notice.schema.json

A decision is what `explain --format json` prints, each line of `run --format json`, and each of
`decisions` of `plan` and `run --once`; `history`, `status` and `explain --last` have
it as `decision`. A notice is what a webhook of headroom's own form is sent.

An editor with the Even Better TOML extension takes it from a comment in the first line of the file:
  #:schema ./headroom.schema.json")]
pub(crate) struct SchemaArgs {
    /// What the schema describes.
    #[arg(value_name = "KIND", default_value = "config")]
    kind: SchemaKind,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SchemaKind {
    /// The configuration.
    Config,
    /// Files of tests.
    Tests,
    /// A decision, as programs read it.
    Decision,
    /// What `check --format json` prints.
    Check,
    /// What a webhook is sent.
    Notice,
}

pub(crate) fn run(args: &CompletionsArgs, output: &Output) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "headroom", &mut script);
    output.text(String::from_utf8_lossy(&script));
    Ok(ExitCode::Done)
}

pub(crate) fn schema(args: &SchemaArgs, output: &Output) -> Result<ExitCode, CliError> {
    output.object(&match args.kind {
        SchemaKind::Config => headroom_autoscaler::config::schema(),
        SchemaKind::Tests => headroom_autoscaler::config::suite_schema(),
        SchemaKind::Decision => json::decision_schema(),
        SchemaKind::Check => super::check::schema(),
        SchemaKind::Notice => headroom_notifier::notice_schema(),
    });
    Ok(ExitCode::Done)
}
