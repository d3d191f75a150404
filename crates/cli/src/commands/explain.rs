//! `headroom explain`: one decision, step by step, now or from history.

use clap::Args;
use headroom_autoscaler::{DecisionRecord, HistoryQuery, HistoryRow, config::SecretCheck};
use headroom_policy_engine::{Replicas, Timestamp, WorkloadId};

use super::{
    block_on,
    history::RowObject,
    pass,
    state::{Chosen, say_notices},
};
use crate::{
    args::CommonArgs,
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output},
    report::explain::Explained,
};

/// Explains one decision, step by step: what was seen, what each metric asks for, and every limit that applied.
///
/// Without options, reads targets and load now and decides as a pass would, touching nothing. With --last or --at, shows
/// a decision from history. With --want, also says why it is not another count: every rule that stands in the way of that,
/// the first one first, what each would need (which values of a metric, until when, what has to be done), and whether the
/// bounds allow it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom explain shop/api                   what would be decided now
  headroom explain shop/api --last            the last decision of a pass
  headroom explain shop/api --at 10:30        the one that was in force at half past ten today
  headroom explain shop/api --at 2h           the one two hours ago
  headroom explain shop/api --want 6          why not 6?
  headroom explain shop/api --at 10:30 --want 6
  headroom explain shop/api --format json

`headroom schema decision` says what the JSON has.")]
pub(crate) struct ExplainArgs {
    /// The workload, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workload: String,
    /// The last decision that a pass made.
    #[arg(long)]
    last: bool,
    /// The decision in force at a moment: RFC 3339, a local date and time, a time of today, or a span before now.
    #[arg(long, value_name = "MOMENT", conflicts_with = "last", value_parser = moment::read_moment)]
    at: Option<Timestamp>,
    /// Says why the decision is not so many replicas.
    #[arg(long, value_name = "REPLICAS", value_parser = clap::value_parser!(u32).range(..=i64::from(Replicas::LIMIT.get())))]
    want: Option<u32>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

pub(crate) fn run(args: &ExplainArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let is_now = !args.last && args.at.is_none();
    let secrets = if is_now {
        SecretCheck::Sources
    } else {
        SecretCheck::None
    };
    let chosen = Chosen::load(common, &[], secrets)?;
    let workload = chosen.one(&args.workload, &common.select)?;
    let want = args.want.map(Replicas::new);
    if is_now {
        let record = decide_now(&chosen, &workload, output)?;
        match output.format() {
            Format::Json => output.object(&json::Decision::with(&record, want)),
            Format::Human => show(&record, want, output),
        }
    } else {
        let row = recall(&chosen, &workload, args.at, output)?;
        match output.format() {
            Format::Json => output.object(&RowObject::with(&row, want)),
            Format::Human => {
                show(&row.record, want, output);
                if row.count > 1 {
                    output.line(format_args!(
                        "\nDecided {} times in a row, from {} to {}.",
                        row.count,
                        moment::date_and_time(row.first_at),
                        moment::date_and_time(row.last_at)
                    ));
                }
            }
        }
    }
    Ok(ExitCode::Done)
}

fn show(record: &DecisionRecord, want: Option<Replicas>, output: &Output) {
    output.text(Explained {
        record,
        want,
        now: moment::now(),
        paint: output.paint(),
    });
}

fn decide_now(chosen: &Chosen, workload: &WorkloadId, output: &Output) -> Result<DecisionRecord, CliError> {
    let look = pass::look_ahead(&chosen.loaded.configuration, std::slice::from_ref(workload));
    let busy = output.busy("asking sources and targets");
    let record = block_on(look)?;
    drop(busy);
    say_notices(&record.notices, output);
    let decision = record
        .decisions
        .into_iter()
        .find(|decision| decision.workload == *workload);
    decision.ok_or_else(|| unknown(chosen, workload, None))
}

fn recall(
    chosen: &Chosen,
    workload: &WorkloadId,
    at: Option<Timestamp>,
    output: &Output,
) -> Result<HistoryRow, CliError> {
    let store = chosen.open_state(output)?;
    let row = match at {
        None => store.latest(workload)?,
        Some(at) => {
            let history = store.history(&HistoryQuery {
                workload: Some(workload.clone()),
                since: None,
                limit: u32::MAX,
            })?;
            // Newest first, so the first one that had begun by then was in force.
            history.rows.into_iter().find(|row| row.first_at <= at)
        }
    };
    row.ok_or_else(|| unknown(chosen, workload, at))
}

fn unknown(chosen: &Chosen, workload: &WorkloadId, at: Option<Timestamp>) -> CliError {
    CliError::NoDecision {
        workload: workload.to_string(),
        when: at.map(moment::date_and_time),
        state_dir: chosen.loaded.configuration.settings.state_dir.clone(),
    }
}
