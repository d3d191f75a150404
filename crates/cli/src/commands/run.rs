//! `headroom run`: passes for real, one or again and again.

mod looping;
mod textfile;

use std::{path::PathBuf, time::Duration};

use clap::Args;
use headroom_autoscaler::{Once, Purpose, SystemClock, Which, config::SecretCheck, finish_once, run_once};
use tokio::time::timeout;

use super::{
    pass, runtime,
    state::{Chosen, say_notices},
};
use crate::{
    args::CommonArgs,
    configuration,
    error::CliError,
    exit::ExitCode,
    json,
    output::{Format, Output},
    report::pass::{Pass, Shown, exit_of_pass},
    signals::Signals,
};

/// How long a pass may go on after a signal before it is abandoned.
const FINISHING: Duration = Duration::from_millis(1300);
/// How long what is left of an abandoned pass may hold up the end.
const LEAVING: Duration = Duration::from_millis(200);

/// Reads load, decides, and sets replica counts.
///
/// With --once, one pass that ends within 90 s (`pass_deadline`), and 10 s at most to tell people of it: for cron and
/// Jenkins. Where another pass or a loop is at work on the same state, it says so and ends with 0.
///
/// Without it, a pass for each workload at its `interval`, until Ctrl-C or SIGTERM. Replicas are left as they are.
///
/// Where workloads are named, and not all of them, no heartbeat is sent and no digest.
///
/// Passes share a memory in the state directory. A pass that finds none says so, and scales down only what it can rebuild
/// the window of, from the past of a Prometheus.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom run --once
  headroom run --once shop/api
  headroom run -c /etc/headroom --state-dir /var/lib/headroom
  headroom run --once --textfile /var/lib/node_exporter/headroom.prom
  headroom run --format json >> decisions.jsonl

From cron:
  */2 * * * * headroom run --once -c /etc/headroom/headroom.toml 2>&1 | logger -t headroom")]
pub(crate) struct RunArgs {
    /// Workloads, as `namespace/name`, or as `name` where only one has it. All, where none is named.
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<String>,
    /// Makes one pass and ends.
    #[arg(long)]
    once: bool,
    /// Writes when the last run was and how it ended to this file, for the textfile collector of node_exporter: `*.prom` in
    /// its directory.
    #[arg(long, value_name = "PATH", requires = "once")]
    textfile: Option<PathBuf>,
    /// Stops the processes of process targets when the loop ends, instead of leaving them running.
    #[arg(long, conflicts_with = "once")]
    stop_processes_on_exit: bool,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

pub(crate) fn run(args: &RunArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    if let Some(path) = &args.textfile {
        let ended = run_as_asked(args, common, output);
        let code = ended.as_ref().map_or_else(CliError::exit_code, |code| *code);
        let Err(unwritten) = textfile::write(path, code) else {
            return ended;
        };
        // Why the run failed comes first, and one error is reported.
        if ended.is_err() {
            output.warn(unwritten);
            return ended;
        }
        return Err(unwritten);
    }
    run_as_asked(args, common, output)
}

fn run_as_asked(args: &RunArgs, common: &CommonArgs, output: &Output) -> Result<ExitCode, CliError> {
    let chosen = Chosen::load(common, &args.workloads, SecretCheck::Sources)?;
    configuration::say(&chosen.loaded.configuration.remarks, output);
    if args.once {
        let runtime = runtime()?;
        let ended = runtime.block_on(once(&chosen, output));
        runtime.shutdown_timeout(LEAVING);
        ended
    } else {
        let on_exit = if args.stop_processes_on_exit {
            looping::OnExit::StopProcesses
        } else {
            looping::OnExit::LeaveProcesses
        };
        looping::run(&chosen, on_exit, output)
    }
}

async fn once(chosen: &Chosen, output: &Output) -> Result<ExitCode, CliError> {
    let configuration = &chosen.loaded.configuration;
    let mut signals = Signals::take().map_err(CliError::Start)?;
    let autoscaler = pass::assemble(configuration, &chosen.workloads, Purpose::Once)?;
    let busy = output.busy("making one pass");
    let mut passing = Box::pin(run_once(&autoscaler, &SystemClock, Which::All));
    let (done, mut signal) = tokio::select! {
        done = &mut passing => (done, None),
        signal = signals.next() => match timeout(FINISHING, &mut passing).await {
            Ok(done) => (done, Some(signal)),
            Err(_) => return Err(CliError::Stopped(signal)),
        },
    };
    drop(busy);
    // Said before people are told, which takes its time where a channel does not answer.
    let code = match &done {
        Ok(done) => report_once(done, chosen, output),
        Err(_) => ExitCode::CouldNot,
    };
    if !matches!(done, Ok(Once::AlreadyRunning(_) | Once::UnderWay(_))) {
        let _busy = output.busy("telling people");
        let stop = async {
            if signal.is_none() {
                signal = Some(signals.next().await);
            }
        };
        finish_once(&autoscaler, &SystemClock, stop).await;
    }
    done?;
    Ok(signal.map_or(code, |signal| signal.exit_code().and(code)))
}

/// Somebody else sees to it, so there is nothing to do.
fn not_made(who: &impl std::fmt::Display, what: &str, output: &Output) -> ExitCode {
    output.note(format_args!("nothing to do: {who} {what}"));
    if output.format() == Format::Json {
        output.object(&json::NotMade::new(who));
    }
    ExitCode::Done
}

fn report_once(done: &Once, chosen: &Chosen, output: &Output) -> ExitCode {
    let remarks = &chosen.loaded.configuration.remarks;
    match done {
        Once::AlreadyRunning(holder) => not_made(holder, "makes the passes here", output),
        Once::UnderWay(holder) => not_made(holder, "is making a pass here", output),
        Once::Done(record) => {
            say_notices(&record.notices, output);
            match output.format() {
                Format::Json => output.object(&json::Pass::new(record, remarks)),
                Format::Human => output.text(Pass {
                    record,
                    shown: if output.is_verbose() {
                        Shown::All
                    } else {
                        Shown::Notable
                    },
                    paint: output.paint(),
                }),
            }
            exit_of_pass(record)
        }
    }
}
