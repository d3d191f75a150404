//! `headroom pause` and `headroom resume`: a person keeps headroom from writing to a workload.

use clap::Args;
use headroom_autoscaler::Pause;
use serde::Serialize;

use super::state::{EndArgs, named, who};
use crate::{
    args::CommonArgs,
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output},
};

/// Keeps headroom from writing to workloads, until they are resumed or for a time.
///
/// Without --for or --until, somebody has to resume. What it would have done is still decided and recorded.
///
/// Pauses are kept with the overrides, in a file of their own in the state directory, so they survive when the state is lost, and hold for whoever works there: cron, Jenkins and the loop.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom pause shop/api --for 2h --reason \"load test\"
  headroom pause -n shop
  headroom pause -A --reason \"incident 4711\"")]
pub(crate) struct PauseArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    #[command(flatten)]
    end: EndArgs,
    /// Why, for whoever wonders.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Lets headroom write to workloads again.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom resume shop/api
  headroom resume -A")]
pub(crate) struct ResumeArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What was paused or resumed, as an object.
#[derive(Debug, Serialize)]
struct Changed {
    version: u32,
    paused: Vec<PauseObject>,
    resumed: Vec<String>,
}

/// A pause as an object.
#[derive(Debug, Serialize)]
pub(crate) struct PauseObject {
    workload: String,
    since: String,
    until: Option<String>,
    reason: Option<String>,
    by: Option<String>,
}

impl From<&Pause> for PauseObject {
    fn from(pause: &Pause) -> Self {
        Self {
            workload: pause.workload.to_string(),
            since: moment::rfc3339(pause.since),
            until: pause.until.map(moment::rfc3339),
            reason: pause.reason.clone(),
            by: pause.by.clone(),
        }
    }
}

pub(crate) fn pause(args: &PauseArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let (chosen, workloads) = named(common, &args.workloads, "pause")?;
    let (file, now) = (chosen.operator(), moment::now());
    let mut paused = Vec::new();
    for workload in workloads {
        let pause = Pause {
            workload,
            since: now,
            until: args.end.at(now),
            reason: args.reason.clone(),
            by: who(),
        };
        file.pause(pause.clone())?;
        if output.format() == Format::Human {
            output.line(format_args!("{} is paused {}", pause.workload, until(&pause)));
        }
        paused.push(PauseObject::from(&pause));
    }
    if output.format() == Format::Json {
        output.object(&Changed {
            version: json::VERSION,
            paused,
            resumed: Vec::new(),
        });
    }
    Ok(ExitCode::Done)
}

/// Until when, in words.
pub(crate) fn until(pause: &Pause) -> String {
    match pause.until {
        Some(until) => format!("until {}", moment::date_and_time(until)),
        None => "until somebody resumes it".to_owned(),
    }
}

pub(crate) fn resume(args: &ResumeArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let (chosen, workloads) = named(common, &args.workloads, "resume")?;
    let (file, now) = (chosen.operator(), moment::now());
    let mut resumed = Vec::new();
    for workload in workloads {
        let ended = file.resume(&workload)?.filter(|pause| pause.holds(now));
        let was = if ended.is_some() {
            "is no longer paused"
        } else {
            "was not paused"
        };
        // Of many, only those that change are worth a line.
        if output.format() == Format::Human && (ended.is_some() || !args.workloads.is_empty()) {
            output.line(format_args!("{workload} {was}"));
        }
        resumed.extend(ended.map(|pause| pause.workload.to_string()));
    }
    if output.format() == Format::Human && resumed.is_empty() && args.workloads.is_empty() {
        output.line("nothing was paused");
    }
    if output.format() == Format::Json {
        output.object(&Changed {
            version: json::VERSION,
            paused: Vec::new(),
            resumed,
        });
    }
    Ok(ExitCode::Done)
}
