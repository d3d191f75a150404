//! `headroom plan`: what a pass would do, as a diff, touching nothing.

use clap::Args;
use headroom_autoscaler::config::SecretCheck;

use super::{
    block_on, pass,
    state::{Chosen, say_notices},
};
use crate::{
    args::CommonArgs,
    configuration,
    error::CliError,
    exit::ExitCode,
    json,
    output::{Format, Output},
    report::pass::{Plan, Shown, exit_of_plan},
};

/// Shows what a pass would do now, touching nothing.
///
/// Reads targets and load as a pass would, and remembers nothing: no replica, no state and no lock is touched.
/// Of many workloads, those that would stay as they are for a common reason are only counted; -v shows all.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom plan
  headroom plan api -v                    one workload
  headroom plan --detailed-exitcode       for scripts: 10 when something would change
  headroom plan --format json | jq '.decisions[] | select(.action != \"hold\")'

Exit codes: 0; 1 when a target could not be read. With --detailed-exitcode also 3 when a metric was
unknown, and 10 when something would change; where several apply, the first of 2, 1, 3, 10 counts.")]
pub(crate) struct PlanArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it. All, where none is named.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Ends with 10 when something would change, and with 3 when a metric was unknown.
    #[arg(long)]
    detailed_exitcode: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

pub(crate) fn run(args: &PlanArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let chosen = Chosen::load(common, &args.workloads, SecretCheck::Sources)?;
    let configuration = &chosen.loaded.configuration;
    configuration::say(&configuration.remarks, output);
    let busy = output.busy("asking sources and targets");
    let record = block_on(pass::look_ahead(configuration, &chosen.workloads))?;
    drop(busy);
    say_notices(&record.notices, output);
    match output.format() {
        Format::Json => output.object(&json::Pass::new(&record, &configuration.remarks)),
        Format::Human => output.text(Plan {
            record: &record,
            shown: Shown::for_plan(&record, !args.workloads.is_empty() || output.is_verbose()),
            paint: output.paint(),
        }),
    }
    Ok(exit_of_plan(&record, args.detailed_exitcode))
}
