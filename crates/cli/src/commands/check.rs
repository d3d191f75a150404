//! `headroom check`: is the policy right, and do the sources and targets answer?

mod live;

use std::path::PathBuf;

use clap::Args;
use headroom_autoscaler::{
    Remark, RemarkKind,
    config::{Lints, Problems, SecretCheck},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::block_on;
use crate::{
    args::{ConfigArgs, OutputArgs},
    configuration,
    error::CliError,
    exit::ExitCode,
    json,
    output::{Format, Output, Tone},
    report::pass::workloads,
};

/// Checks a policy: every problem at once, each with its place and a way out.
///
/// Also says what is legal and dangerous, each with a code in brackets. Where one is no danger, silence it with the reason:
/// `lints.CODE = "…"` in the workload, its template or `[defaults]`.
///
/// With --live, also asks: does every source answer each query with one number, can every target be read, is every
/// permission there, does something else set the count, and would the API server accept it (a dry run, which changes
/// nothing)? All of it within `pass_deadline`.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom check                                headroom.toml in this directory
  headroom check policies/                      all *.toml of a directory
  headroom check 00-platform.toml shop.toml     layers, as with -c
  headroom check --live                         also asks Prometheus, the cluster and the targets
  headroom check --strict                       for CI: what is dangerous is wrong too

The smallest policy:
  [workload.web]
  min_replicas = 1
  max_replicas = 8
  process = { command = [\"./web\"], ready = { http = \"/healthz\" } }
  metrics.rps = { scrape = \"http_requests_total\", rate_over = \"10s\", per_replica = 100 }

Exit codes: 0 good; 2 a problem in the policy, or with --strict a danger; 1 with --live, when something does not answer.")]
pub(crate) struct CheckArgs {
    /// Files or directories, one layer each, as with -c.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Also asks the sources and the cluster, and reads the targets. Changes nothing.
    #[arg(long)]
    live: bool,
    /// Takes what is legal and dangerous as wrong: exit code 2 where a lint finds anything.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What was checked, as an object.
#[derive(Debug, Serialize, JsonSchema)]
struct CheckObject<'a> {
    #[schemars(schema_with = "json::version_schema")]
    version: u32,
    /// Whether the policy can be used.
    valid: bool,
    /// How many workloads it has; 0 where it cannot be used.
    workloads: usize,
    /// What is wrong with it; `null` where nothing is.
    problems: Option<&'a Problems>,
    /// What a person should know, and is no error.
    remarks: &'a [Remark],
    /// What `--live` found; `null` without it.
    live: Option<&'a live::Findings>,
}

/// The schema of the object of a check.
pub(super) fn schema() -> serde_json::Value {
    json::schema_of::<CheckObject<'_>>("A check of headroom")
}

pub(crate) fn run(args: &CheckArgs, before: &ConfigArgs, output: &Output) -> Result<ExitCode, CliError> {
    let mut config = before.with(&args.config);
    config.config.extend(args.paths.iter().cloned());
    let secrets = if args.live {
        SecretCheck::Sources
    } else {
        SecretCheck::None
    };
    let loaded = match configuration::load_with(&config, secrets, Lints::Told) {
        Ok(loaded) => loaded,
        Err(CliError::Policy(problems)) if output.format() == Format::Json => {
            output.object(&CheckObject {
                version: json::VERSION,
                valid: false,
                workloads: 0,
                problems: Some(&problems),
                remarks: problems.remarks(),
                live: None,
            });
            return Ok(ExitCode::Refused);
        }
        Err(CliError::Policy(problems)) => {
            configuration::say(problems.remarks(), output);
            return Err(CliError::Policy(problems));
        }
        Err(error) => return Err(error),
    };
    let configuration = &loaded.configuration;
    if output.format() == Format::Human {
        configuration::say(&configuration.remarks, output);
        let good = output.paint().paint(Tone::Good, "ok");
        let metrics: usize = configuration
            .workloads
            .iter()
            .map(|workload| workload.metrics.len())
            .sum();
        let metrics = if metrics == 1 {
            "1 metric".to_owned()
        } else {
            format!("{metrics} metrics")
        };
        output.line(format_args!(
            "{good}: {} with {metrics}",
            workloads(configuration.workloads.len())
        ));
    }
    let findings = if args.live {
        let _busy = output.busy("asking sources, cluster and targets");
        Some(block_on(live::ask(configuration))?)
    } else {
        None
    };
    match (output.format(), &findings) {
        (Format::Json, _) => output.object(&CheckObject {
            version: json::VERSION,
            valid: true,
            workloads: configuration.workloads.len(),
            problems: None,
            remarks: &configuration.remarks,
            live: findings.as_ref(),
        }),
        (Format::Human, Some(findings)) => findings.show(output),
        (Format::Human, None) => {}
    }
    let found_something = findings.is_some_and(|findings| !findings.is_good());
    let is_dangerous = configuration
        .remarks
        .iter()
        .any(|remark| remark.kind == RemarkKind::Lint);
    Ok(if args.strict && is_dangerous {
        ExitCode::Refused
    } else if found_something {
        ExitCode::CouldNot
    } else {
        ExitCode::Done
    })
}
