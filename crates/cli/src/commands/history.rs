//! `headroom history`: past decisions.

use clap::Args;
use headroom_autoscaler::{HistoryQuery, HistoryRow, config::SecretCheck};
use headroom_policy_engine::{Replicas, Timestamp, WorkloadId};
use serde::Serialize;

use super::state::Chosen;
use crate::{
    args::CommonArgs,
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output},
    report::{
        decision::{self, is_change},
        in_force,
        table::{Align, table},
    },
};

/// Lists past decisions, newest first.
///
/// A decision with the same result and reason as the one before it extends its row: when it was first and last made,
/// and how often.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom history                          the last 20 decisions
  headroom history shop/api --since 24h     one workload, one day
  headroom history --changes --limit 100    only changes of the count")]
pub(crate) struct HistoryArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Only what was seen since then: a moment, a time of today, or a span before now.
    #[arg(long, value_name = "MOMENT", value_parser = moment::read_moment)]
    since: Option<Timestamp>,
    /// Only decisions to change the count.
    #[arg(long)]
    changes: bool,
    /// At most so many rows.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// Past decisions, as an object.
#[derive(Debug, Serialize)]
struct HistoryObject<'a> {
    version: u32,
    rows: Vec<RowObject<'a>>,
    unreadable: usize,
}

/// One row of the history.
#[derive(Debug, Serialize)]
pub(crate) struct RowObject<'a> {
    first_at: String,
    last_at: String,
    count: u64,
    decision: json::Decision<'a>,
}

impl<'a> RowObject<'a> {
    /// Of one row.
    pub(crate) fn new(row: &'a HistoryRow) -> Self {
        Self::with(row, None)
    }

    /// The same, and why the decision is not `want`.
    pub(crate) fn with(row: &'a HistoryRow, want: Option<Replicas>) -> Self {
        Self {
            first_at: moment::rfc3339(row.first_at),
            last_at: moment::rfc3339(row.last_at),
            count: row.count,
            decision: json::Decision::with(&row.record, want),
        }
    }
}

/// What was found.
#[derive(Debug, Default)]
struct Found {
    rows: Vec<HistoryRow>,
    unreadable: usize,
}

pub(crate) fn run(args: &HistoryArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let chosen = Chosen::load(common, &args.workloads, SecretCheck::None)?;
    let found = find(args, &chosen, output)?;
    if found.unreadable > 0 {
        output.warn(format_args!(
            "{} rows were written by another version and cannot be read",
            found.unreadable
        ));
    }
    match output.format() {
        Format::Json => output.object(&HistoryObject {
            version: json::VERSION,
            rows: found.rows.iter().map(RowObject::new).collect(),
            unreadable: found.unreadable,
        }),
        Format::Human if found.rows.is_empty() => output.note(format_args!(
            "no decisions are known in {}",
            chosen.loaded.configuration.settings.state_dir.display()
        )),
        Format::Human => output.line(shown(&found.rows)),
    }
    Ok(ExitCode::Done)
}

fn find(args: &HistoryArgs, chosen: &Chosen, output: &Output) -> Result<Found, CliError> {
    let store = chosen.open_state(output)?;
    // Rows of workloads that are no longer configured are shown where no workload was asked for.
    let asked: Vec<Option<WorkloadId>> = if chosen.is_asked_for {
        chosen.workloads.iter().cloned().map(Some).collect()
    } else {
        vec![None]
    };
    let mut found = Found::default();
    for workload in asked {
        let history = store.history(&HistoryQuery {
            workload,
            since: args.since,
            limit: if args.changes { u32::MAX } else { args.limit },
        })?;
        found.rows.extend(history.rows);
        found.unreadable += history.unreadable;
    }
    if args.changes {
        found.rows.retain(|row| is_change(&row.record));
    }
    found.rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    found
        .rows
        .truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn shown(rows: &[HistoryRow]) -> String {
    let columns = [
        ("first seen", Align::Left),
        ("last seen", Align::Left),
        ("times", Align::Right),
        ("workload", Align::Left),
        ("replicas", Align::Left),
        ("why", Align::Left),
    ];
    let row = |row: &HistoryRow| {
        let outcome = decision::outcome_words(&row.record).map(|(_, words)| format!(" [{words}]"));
        let in_force = in_force::listed(&row.record.in_force).map(|words| format!("; {words}"));
        vec![
            moment::date_and_time(row.first_at),
            moment::date_and_time(row.last_at),
            row.count.to_string(),
            row.record.workload.to_string(),
            decision::short_count(&row.record),
            format!(
                "{}{}{}",
                decision::why(&row.record),
                outcome.unwrap_or_default(),
                in_force.unwrap_or_default()
            ),
        ]
    };
    table(&columns, rows.iter().map(row))
}
