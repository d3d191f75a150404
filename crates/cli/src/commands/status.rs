//! `headroom status`: how each workload stands, by what is remembered. Asks nobody, so it is quick and cannot fail late.

use std::time::Duration;

use clap::Args;
use headroom_autoscaler::{
    Comparison, Difference, HistoryQuery, HistoryRow, InForce, OperatorActs, Override, Pause, Store, Verdict,
    WorkloadSettings, config::SecretCheck,
};
use headroom_policy_engine::{Readiness, Replicas, Timestamp, WorkloadId};
use serde::Serialize;

use super::{
    history::RowObject,
    pause::{PauseObject, until},
    state::Chosen,
};
use crate::{
    args::CommonArgs,
    error::CliError,
    exit::ExitCode,
    json::{self, InForceObject},
    moment,
    output::{Format, Output},
    report::{
        beside, decision, in_force,
        table::{Align, table},
    },
};

/// How far back answers are compared with those of another scaler.
const COMPARED: Duration = Duration::from_secs(24 * 3600);
/// How many rows of the history are compared at most: as many as a day has passes at the usual interval, where each
/// differs from the one before.
const MOST_COMPARED: u32 = 5760;

/// Shows how each workload stands, by the last decision about it.
///
/// Beside another scaler of the same target (with mode = "shadow", or held by it) it also compares the answers of the last
/// day, at most the newest 5,760 that differ from one another: how often they were the same, where they differed, and why. Asks neither targets nor sources; `headroom plan` does.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom status
  headroom status -n shop
  headroom status shop/api --format json")]
pub(crate) struct StatusArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// How all workloads stand, as an object.
#[derive(Debug, Serialize)]
struct StatusObject<'a> {
    version: u32,
    /// Who loops over the state, in words.
    leader: Option<String>,
    /// What a person should know of the fleet as a whole, in words.
    notices: Vec<String>,
    workloads: Vec<WorkloadObject<'a>>,
}

#[derive(Debug, Serialize)]
struct WorkloadObject<'a> {
    workload: &'a str,
    mode: &'static str,
    pause: Option<PauseObject>,
    /// The schedules and overrides that are in force now.
    in_force: Vec<InForceObject<'a>>,
    last: Option<RowObject<'a>>,
    /// How it compares with another scaler of the target, within the last day; `null` where there is none.
    beside: Option<&'a ComparisonObject>,
}

/// What headroom and another scaler answered to the same moments.
#[derive(Debug, Serialize)]
struct ComparisonObject {
    name: String,
    wants: Option<u32>,
    since: String,
    passes: u64,
    agreed: u64,
    unanswered: u64,
    differences: Vec<DifferenceObject>,
}

/// A span in which they differed, with the answers where they were furthest apart.
#[derive(Debug, Serialize)]
struct DifferenceObject {
    from: String,
    until: String,
    headroom: u32,
    other: u32,
    why: String,
}

/// How one workload stands.
struct Standing<'a> {
    id: &'a WorkloadId,
    mode: headroom_autoscaler::Mode,
    pause: Option<&'a Pause>,
    in_force: Vec<InForce>,
    last: Option<HistoryRow>,
    /// How it compares with another scaler, if there is one.
    beside: Option<Compared>,
}

/// A comparison as it is shown. The decisions that it is made of are many.
struct Compared {
    text: String,
    object: ComparisonObject,
}

pub(crate) fn run(args: &StatusArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let chosen = Chosen::load(common, &args.workloads, SecretCheck::None)?;
    let store = chosen.open_state(output)?;
    let now = moment::now();
    let acts = chosen.acts_at(now)?;
    let leader = chosen.leader()?;
    let workloads = &chosen.loaded.configuration.workloads;
    let settings = &chosen.loaded.configuration.settings;
    let notice = settings.brake.notice(store.tripped()?.as_ref(), now);
    let mut standings = Vec::new();
    for workload in workloads
        .iter()
        .filter(|workload| chosen.workloads.contains(&workload.id))
    {
        let last = store.latest(&workload.id)?;
        standings.push(Standing {
            id: &workload.id,
            beside: compared(&store, &workload.id, last.as_ref(), now)?,
            mode: workload.mode,
            pause: acts.pauses.iter().find(|pause| pause.workload == workload.id),
            in_force: in_force(workload, &acts, now),
            last,
        });
    }
    match output.format() {
        Format::Json => output.object(&StatusObject {
            version: json::VERSION,
            leader,
            notices: notice.iter().map(ToString::to_string).collect(),
            workloads: standings.iter().map(Standing::object).collect(),
        }),
        Format::Human => {
            output.line(shown(&standings, now));
            for compared in standings.iter().filter_map(|standing| standing.beside.as_ref()) {
                output.line(format_args!("\n{}", compared.text));
            }
            notice.iter().for_each(|notice| output.warn(notice));
            match leader {
                Some(leader) => output.note(format_args!("{leader} makes the passes")),
                None => output.note("no loop is running here; passes are made by `headroom run --once`"),
            }
        }
    }
    Ok(ExitCode::Done)
}

/// How headroom compares with another scaler, if the newest decision was made beside one.
fn compared(
    store: &Store,
    workload: &WorkloadId,
    last: Option<&HistoryRow>,
    now: Timestamp,
) -> Result<Option<Compared>, CliError> {
    if last.is_none_or(|last| last.record.beside.is_empty()) {
        return Ok(None);
    }
    let history = store.history(&HistoryQuery {
        workload: Some(workload.clone()),
        since: Some(now.minus(COMPARED)),
        limit: MOST_COMPARED,
    })?;
    Ok(Comparison::of(&history.rows).map(|comparison| Compared {
        text: beside::beside(workload, &comparison),
        object: ComparisonObject::new(&comparison),
    }))
}

/// What is in force for one workload, in the order in which a pass looks at it.
fn in_force(workload: &WorkloadSettings, acts: &OperatorActs, now: Timestamp) -> Vec<InForce> {
    let overrides = acts.overrides.iter().filter(|one| one.workload == workload.id);
    let schedules = workload.schedules.iter();
    let scheduled = schedules.filter_map(|schedule| schedule.in_force(now));
    overrides.map(Override::in_force).chain(scheduled).collect()
}

impl ComparisonObject {
    fn new(comparison: &Comparison<'_>) -> Self {
        Self {
            name: comparison.other.name.to_string(),
            wants: comparison.other.wants.map(Replicas::get),
            since: moment::rfc3339(comparison.since),
            passes: comparison.passes,
            agreed: comparison.agreed,
            unanswered: comparison.unanswered,
            differences: comparison.differences.iter().map(DifferenceObject::new).collect(),
        }
    }
}

impl DifferenceObject {
    fn new(difference: &Difference<'_>) -> Self {
        Self {
            from: moment::rfc3339(difference.from),
            until: moment::rfc3339(difference.until),
            headroom: difference.ours.get(),
            other: difference.theirs.get(),
            why: decision::why_own_answer(&difference.row.record),
        }
    }
}

impl Standing<'_> {
    fn object(&self) -> WorkloadObject<'_> {
        WorkloadObject {
            workload: self.id.as_str(),
            mode: json::mode(self.mode),
            pause: self.pause.map(PauseObject::from),
            in_force: self.in_force.iter().map(InForceObject::new).collect(),
            last: self.last.as_ref().map(RowObject::new),
            beside: self.beside.as_ref().map(|compared| &compared.object),
        }
    }

    fn row(&self, now: Timestamp) -> Vec<String> {
        let absent = || "–".to_owned();
        let record = self.last.as_ref().map(|row| &row.record);
        let decided = record.and_then(|record| record.decision());
        let ready = record.and_then(|record| match &record.verdict {
            Verdict::Decided { target, .. } => match target.readiness {
                Readiness::Known { ready, .. } => Some(ready),
                Readiness::Unknown => None,
            },
            Verdict::Unreadable { .. } => None,
        });
        let paused = self.pause.map(|pause| match &pause.reason {
            Some(reason) => format!("{} ({reason})", until(pause)),
            None => until(pause),
        });
        vec![
            self.id.to_string(),
            decided.map_or_else(absent, |decision| decision.current().to_string()),
            ready.map_or_else(absent, |ready| ready.to_string()),
            decided.map_or_else(absent, |decision| decision.desired().to_string()),
            self.last
                .as_ref()
                .map_or_else(absent, |row| whole_seconds(now.since(row.first_at))),
            self.last
                .as_ref()
                .map_or_else(absent, |row| moment::ago(row.last_at, now)),
            paused.unwrap_or_else(absent),
            in_force::listed(&self.in_force).unwrap_or_else(absent),
            record.map_or_else(|| "never looked at".to_owned(), decision::why),
        ]
    }
}

/// A span for people, in which parts of a second are of no interest.
fn whole_seconds(span: Duration) -> String {
    moment::span(Duration::from_secs(span.as_secs()))
}

fn shown(standings: &[Standing<'_>], now: Timestamp) -> String {
    let columns = [
        ("workload", Align::Left),
        ("current", Align::Right),
        ("ready", Align::Right),
        ("wanted", Align::Right),
        ("for", Align::Left),
        ("last seen", Align::Left),
        ("paused", Align::Left),
        ("in force", Align::Left),
        ("why", Align::Left),
    ];
    table(&columns, standings.iter().map(|standing| standing.row(now)))
}
