//! `headroom override`: a person asks for other bounds, for a time.

use clap::{ArgGroup, Args};
use headroom_autoscaler::{InForce, OperatorFile, Override, OverrideAsks, ScaleDown};
use headroom_policy_engine::{Operator, ReplicaBounds, Replicas, Timestamp, WorkloadId};
use serde::Serialize;

use super::state::{Chosen, EndArgs, named, who};
use crate::{
    args::CommonArgs,
    error::CliError,
    exit::ExitCode,
    json::{self, InForceObject},
    moment,
    output::{Format, Output},
    report::in_force,
};

/// Sets other bounds for workloads, for a time.
///
/// At least or at most so many replicas, or no scaling down. They hold in place of `min_replicas` and `max_replicas` of the policy, above or below them, and end by themselves.
/// Where schedules or other people's overrides are in force too, the highest minimum and the lowest maximum count; a
/// minimum above a maximum wins. What you ask for anew goes before what you asked for there before.
///
/// Overrides are kept with the pauses, in a file of their own in the state directory.
#[derive(Args, Clone, Debug)]
#[command(
    group = ArgGroup::new("asks").args(["min", "max", "hold_down", "clear"]).required(true).multiple(true),
    group = ArgGroup::new("end").args(["lasting", "until", "clear"]).required(true),
    after_help = "\
Examples:
  headroom override shop/api --min 20 --for 2h --reason \"Black Friday\"
  headroom override shop/api --max 5 --until 18:00
  headroom override -n shop --hold-down --for 30m
  headroom override shop/api --clear"
)]
pub(crate) struct OverrideArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// At least so many replicas.
    #[arg(long, value_name = "COUNT", value_parser = count())]
    min: Option<u32>,
    /// At most so many replicas.
    #[arg(long, value_name = "COUNT", value_parser = count())]
    max: Option<u32>,
    /// No scaling down, whatever the load allows. Bounds still act.
    #[arg(long)]
    hold_down: bool,
    #[command(flatten)]
    end: EndArgs,
    /// Why, for whoever wonders.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Ends all overrides of these workloads, whoever asked for them.
    #[arg(long, conflicts_with_all = ["min", "max", "hold_down", "reason"])]
    clear: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(Replicas::LIMIT.get()))
}

/// What was overridden or ended, as an object.
#[derive(Debug, Serialize)]
struct Changed<'a> {
    version: u32,
    overridden: Vec<OverrideObject<'a>>,
    ended: Vec<OverrideObject<'a>>,
}

/// One override with its workload.
#[derive(Debug, Serialize)]
struct OverrideObject<'a> {
    workload: &'a str,
    since: String,
    #[serde(flatten)]
    asks: InForceObject<'a>,
}

/// An override and what it asks for.
struct Told {
    one: Override,
    in_force: InForce,
}

impl From<Override> for Told {
    fn from(one: Override) -> Self {
        Self {
            in_force: one.in_force(),
            one,
        }
    }
}

impl Told {
    fn object(&self) -> OverrideObject<'_> {
        OverrideObject {
            workload: self.one.workload.as_str(),
            since: moment::rfc3339(self.one.since),
            asks: InForceObject::new(&self.in_force),
        }
    }
}

pub(crate) fn run(args: &OverrideArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let (chosen, workloads) = named(common, &args.workloads, "override")?;
    let (file, now) = (chosen.operator(), moment::now());
    let (mut overridden, mut ended) = (Vec::new(), Vec::new());
    match args.end.at(now) {
        None => {
            for workload in workloads {
                ended.extend(clear(args, &file, &workload, now, output)?);
            }
            if output.format() == Format::Human && ended.is_empty() && args.workloads.is_empty() {
                output.line("nothing was overridden");
            }
        }
        Some(until) => {
            let asks = args.asks()?;
            for workload in workloads {
                let one = Override {
                    workload,
                    since: now,
                    until,
                    operator: Operator {
                        by: who().map(Into::into),
                        reason: args.reason.as_deref().map(Into::into),
                    },
                    asks,
                };
                ended.extend(
                    file.override_bounds(one.clone())?
                        .filter(|one| one.holds(now))
                        .map(Told::from),
                );
                overridden.push(tell(one, &chosen, output));
            }
        }
    }
    if output.format() == Format::Json {
        output.object(&Changed {
            version: json::VERSION,
            overridden: overridden.iter().map(Told::object).collect(),
            ended: ended.iter().map(Told::object).collect(),
        });
    }
    Ok(ExitCode::Done)
}

impl OverrideArgs {
    fn asks(&self) -> Result<OverrideAsks, CliError> {
        let scale_down = if self.hold_down {
            ScaleDown::Held
        } else {
            ScaleDown::Allowed
        };
        Ok(OverrideAsks::new(
            self.min.map(Replicas::new),
            self.max.map(Replicas::new),
            scale_down,
        )?)
    }
}

/// Says what is in force from now on, and what a reader of the numbers would not expect.
fn tell(one: Override, chosen: &Chosen, output: &Output) -> Told {
    let told = Told::from(one);
    let workload = &told.one.workload;
    if output.format() == Format::Human {
        output.line(format_args!("{workload}: {}", in_force::words(&told.in_force)));
    }
    let mut workloads = chosen.loaded.configuration.workloads.iter();
    if let Some(settings) = workloads.find(|settings| settings.id == *workload)
        && let Some(surprise) = surprise(&told.one.asks, settings.policy.bounds)
    {
        output.warn(format_args!("{workload}: {surprise}"));
    }
    told
}

/// Where the minimum that wins is not the one that was given.
fn surprise(asks: &OverrideAsks, own: ReplicaBounds) -> Option<String> {
    match (asks.floor(), asks.ceiling()) {
        (Some(min), None) if min > own.max() => Some(format!(
            "at least {min} is above `max_replicas`, {}, and wins: there will be exactly {min}; give --max too if there may be \
             more",
            own.max()
        )),
        (None, Some(max)) if max < own.min() => Some(format!(
            "at most {max} is below `min_replicas`, {min}, which wins: there will be exactly {min}; give --min too if there may \
             be fewer",
            min = own.min()
        )),
        (_, _) => None,
    }
}

/// Ends the overrides of one workload, and says so. Those that had ended by themselves are not told.
fn clear(
    args: &OverrideArgs,
    file: &OperatorFile,
    workload: &WorkloadId,
    now: Timestamp,
    output: &Output,
) -> Result<Vec<Told>, CliError> {
    let ended = file.end_overrides(workload)?;
    let ended: Vec<Told> = ended
        .into_iter()
        .filter(|one| one.holds(now))
        .map(Told::from)
        .collect();
    if output.format() == Format::Human {
        for told in &ended {
            output.line(format_args!(
                "{workload}: no longer {}",
                in_force::words(&told.in_force)
            ));
        }
        // Of many, only those that change are worth a line.
        if ended.is_empty() && !args.workloads.is_empty() {
            output.line(format_args!("{workload} was not overridden"));
        }
    }
    Ok(ended)
}
