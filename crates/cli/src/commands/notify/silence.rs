//! `headroom notify silence` and `unsilence`: times in which people do not want to be told.

use clap::{ArgGroup, Args};
use headroom_autoscaler::OperatorFile;
use headroom_notifier::delivery::Silence;
use headroom_policy_engine::{Operator, Timestamp, WorkloadId};
use serde::Serialize;

use crate::{
    args::CommonArgs,
    commands::state::{Chosen, EndArgs, named, who},
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output},
};
use headroom_autoscaler::config::SecretCheck;

/// Tells nobody of workloads for a time, for example while they are maintained.
///
/// What happens meanwhile is not told later, but for what still goes on at the end. What is critical, and failures, are told all
/// the same, unless --critical says otherwise. Scaling goes on: `headroom pause` is for that.
///
/// -A is about all workloads, and about headroom itself.
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("end").args(["lasting", "until"]).required(true),
    after_help = "\
Examples:
  headroom notify silence shop/api --for 2h --reason \"load test\"
  headroom notify silence -A --until 06:00 --reason \"cluster upgrade\""
)]
pub(super) struct SilenceArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    #[command(flatten)]
    end: EndArgs,
    /// Silences what is critical, and failures, as well.
    #[arg(long)]
    critical: bool,
    /// Why, for whoever wonders.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// Ends silences.
///
/// Workload by workload; -A ends them all.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom notify unsilence shop/api
  headroom notify unsilence -A")]
pub(super) struct UnsilenceArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What was silenced or ended, as an object.
#[derive(Debug, Serialize)]
struct Changed {
    version: u32,
    silenced: Vec<SilenceObject>,
    ended: Vec<SilenceObject>,
}

/// A silence as an object.
#[derive(Debug, Serialize)]
pub(super) struct SilenceObject {
    /// The workload; `null` for all.
    workload: Option<String>,
    from: String,
    until: String,
    is_critical_silenced: bool,
    reason: Option<String>,
    by: Option<String>,
}

impl From<&Silence> for SilenceObject {
    fn from(silence: &Silence) -> Self {
        Self {
            workload: silence.workload.as_ref().map(ToString::to_string),
            from: moment::rfc3339(silence.from),
            until: moment::rfc3339(silence.until),
            is_critical_silenced: silence.silences_critical,
            reason: silence.operator.reason.as_deref().map(str::to_owned),
            by: silence.operator.by.as_deref().map(str::to_owned),
        }
    }
}

pub(super) fn silence(
    args: &SilenceArgs,
    common: &CommonArgs,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let (file, about) = about(&args.workloads, common, "notify silence")?;
    let now = moment::now();
    // The end is asked for by the arguments.
    let until = args.end.at(now).unwrap_or(now);
    let mut silenced = Vec::new();
    for workload in about {
        let silence = Silence {
            workload,
            from: now,
            until,
            operator: Operator {
                by: who().map(Into::into),
                reason: args.reason.as_deref().map(Into::into),
            },
            silences_critical: args.critical,
        };
        file.silence(silence.clone())?;
        if output.format() == Format::Human {
            output.line(said(&silence));
        }
        silenced.push(SilenceObject::from(&silence));
    }
    object(silenced, Vec::new(), output);
    Ok(ExitCode::Done)
}

pub(super) fn unsilence(
    args: &UnsilenceArgs,
    common: &CommonArgs,
    output: &Output,
) -> Result<ExitCode, CliError> {
    let (file, mut about) = about(&args.workloads, common, "notify unsilence")?;
    let now = moment::now();
    if about == [None] {
        let acts = file.acts()?.at(now);
        about = acts
            .silences
            .into_iter()
            .map(|silence| silence.workload)
            .collect();
    }
    let mut ended = Vec::new();
    for workload in about {
        let was = file.end_silence(workload.as_ref(), now)?;
        if output.format() == Format::Human && (was.is_some() || !args.workloads.is_empty()) {
            let is = if was.is_some() {
                "is told of again"
            } else {
                "was not silenced"
            };
            let whom = workload
                .as_ref()
                .map_or_else(|| "everything".to_owned(), ToString::to_string);
            output.line(format_args!("{whom} {is}"));
        }
        ended.extend(was.as_ref().map(SilenceObject::from));
    }
    if output.format() == Format::Human && ended.is_empty() && args.workloads.is_empty() {
        output.line("nothing was silenced");
    }
    object(Vec::new(), ended, output);
    Ok(ExitCode::Done)
}

/// The file, and what is meant: workloads, or everything.
fn about(
    names: &[String],
    common: &CommonArgs,
    command: &'static str,
) -> Result<(OperatorFile, Vec<Option<WorkloadId>>), CliError> {
    if names.is_empty() && common.select.all_namespaces {
        let chosen = Chosen::load(common, names, SecretCheck::None)?;
        return Ok((chosen.operator(), vec![None]));
    }
    let (chosen, workloads) = named(common, names, command)?;
    Ok((chosen.operator(), workloads.into_iter().map(Some).collect()))
}

/// A silence in words.
pub(super) fn said(silence: &Silence) -> String {
    let until = moment::date_and_time(silence.until);
    let but = if silence.silences_critical {
        ""
    } else {
        ", but of what is critical"
    };
    match &silence.workload {
        Some(workload) => format!("nobody is told of {workload} until {until}{but}"),
        None => format!("nobody is told of anything until {until}{but}"),
    }
}

/// The silences that are in force at `now`.
pub(super) fn in_force(silences: &[Silence], now: Timestamp) -> impl Iterator<Item = &Silence> {
    silences.iter().filter(move |silence| silence.is_in_force(now))
}

fn object(silenced: Vec<SilenceObject>, ended: Vec<SilenceObject>, output: &Output) {
    if output.format() == Format::Json {
        output.object(&Changed {
            version: json::VERSION,
            silenced,
            ended,
        });
    }
}
