//! The loop in the foreground: what it says while it runs, and how it ends.
//!
//! Lines are written on a thread of their own, so that a terminal or pipe that does not read delays no pass.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use futures::future::join_all;
use headroom_actuator::{Access, ScaleTarget};
use headroom_autoscaler::{
    Autoscaler, Clock as _, DecisionRecord, LoopEnd, PassRecord, Purpose, SystemClock,
};
use headroom_policy_engine::{Decision, WorkloadId};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    commands::{pass, state::Chosen},
    error::CliError,
    exit::ExitCode,
    json, moment,
    output::{Format, Output, Tone},
    report::decision::{is_notable, name_width, pass_line},
    signals::Signals,
};

/// How long the last lines may take to be written once the loop has ended.
const LAST_LINES: Duration = Duration::from_millis(100);

/// What becomes of the processes of process targets when the loop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnExit {
    /// They go on, and the next start adopts them.
    LeaveProcesses,
    /// They are stopped.
    StopProcesses,
}

pub(super) fn run(chosen: &Chosen, on_exit: OnExit, output: &Output) -> Result<ExitCode, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::Start)?;
    let ended = runtime.block_on(make_passes(chosen, on_exit, output));
    // Nothing that still waits may hold up the end.
    runtime.shutdown_background();
    ended
}

async fn make_passes(chosen: &Chosen, on_exit: OnExit, output: &Output) -> Result<ExitCode, CliError> {
    let mut signals = Signals::take().map_err(CliError::Start)?;
    let configuration = &chosen.loaded.configuration;
    let autoscaler = Arc::new(pass::assemble(configuration, &chosen.workloads, Purpose::Apply)?);
    let lines = Lines::start(&autoscaler, output);
    if output.format() == Format::Human {
        output.note(format_args!(
            "scaling {}; state is in {}; end with Ctrl-C",
            crate::report::pass::workloads(chosen.workloads.len()),
            configuration.settings.state_dir.display()
        ));
    }
    let shutdown = async {
        signals.next().await;
    };
    let end = headroom_autoscaler::run(Arc::clone(&autoscaler), Arc::new(SystemClock), shutdown).await?;
    match end {
        LoopEnd::Stopped(summary) => {
            if on_exit == OnExit::StopProcesses {
                // Draining takes its time; whoever does not want to wait says so again.
                tokio::select! {
                    stopped = stop_processes(&autoscaler) => stopped?,
                    signal = signals.next() => return Err(CliError::Stopped(signal)),
                }
            }
            drop(autoscaler);
            lines.finish();
            if output.format() == Format::Human {
                output.note(format_args!(
                    "stopped after {} passes",
                    summary.passes + summary.failed
                ));
            }
            Ok(ExitCode::Done)
        }
        LoopEnd::AlreadyRunning(holder) => {
            output.note(format_args!("nothing to do: {holder} makes the passes here"));
            Ok(ExitCode::Done)
        }
    }
}

/// Ends all processes of the workloads, all at once. Each has its own drain time.
async fn stop_processes(autoscaler: &Autoscaler) -> Result<(), CliError> {
    let Some(processes) = autoscaler.processes() else {
        return Ok(());
    };
    let targets = autoscaler
        .workloads()
        .iter()
        .filter(|managed| match (&managed.target, &managed.access) {
            (ScaleTarget::Process(_), Access::Write(_)) => true,
            (ScaleTarget::Process(_), Access::ReadOnly(_))
            | (ScaleTarget::Command(_) | ScaleTarget::Kubernetes(_), _) => false,
        });
    let now = SystemClock.now();
    let stopping = targets.map(|managed| processes.stop_all(&managed.target, now));
    for stopped in join_all(stopping).await {
        stopped.map_err(CliError::Processes)?;
    }
    Ok(())
}

/// The thread that says what passes do.
struct Lines {
    finished: mpsc::Receiver<()>,
}

impl Lines {
    fn start(autoscaler: &Autoscaler, output: &Output) -> Self {
        let mut passes = autoscaler.subscribe();
        let ids: Vec<WorkloadId> = autoscaler
            .workloads()
            .iter()
            .map(|managed| managed.settings.id.clone())
            .collect();
        let mut teller = Teller::new(output.clone(), name_width(&ids));
        let (done, finished) = mpsc::channel();
        thread::spawn(move || {
            while let Some(heard) = hear(&mut passes) {
                teller.tell(&heard);
            }
            // The one who waits may have gone.
            let _ = done.send(());
        });
        Self { finished }
    }

    /// Waits a moment for the last lines.
    fn finish(self) {
        // Whoever does not read by now is not waited for.
        let _ = self.finished.recv_timeout(LAST_LINES);
    }
}

enum Heard {
    Pass(Arc<PassRecord>),
    Missed(u64),
}

fn hear(passes: &mut broadcast::Receiver<Arc<PassRecord>>) -> Option<Heard> {
    match passes.blocking_recv() {
        Ok(record) => Some(Heard::Pass(record)),
        Err(RecvError::Lagged(count)) => Some(Heard::Missed(count)),
        Err(RecvError::Closed) => None,
    }
}

/// What was said of one workload: the same again is not said again.
#[derive(Debug, Default)]
struct Said {
    decision: Option<Decision>,
    /// All errors since the last pass without one, whatever numbers they have in them: each is said once, also where
    /// several take turns.
    errors: BTreeSet<String>,
}

impl Said {
    /// Takes note of `record`, and says whether it is new.
    fn note(&mut self, record: &DecisionRecord) -> bool {
        let decision = record.decision().copied();
        let is_other = self.decision != decision;
        self.decision = decision;
        let Some(error) = record.error() else {
            let is_over = !self.errors.is_empty();
            self.errors.clear();
            return is_other || is_over;
        };
        self.errors
            .insert(error.replace(|letter: char| letter.is_ascii_digit(), ""))
            || is_other
    }
}

/// Says what is new in each pass.
struct Teller {
    output: Output,
    width: usize,
    said: BTreeMap<WorkloadId, Said>,
    notices: Vec<String>,
}

impl Teller {
    fn new(output: Output, width: usize) -> Self {
        Self {
            output,
            width,
            said: BTreeMap::new(),
            notices: Vec::new(),
        }
    }

    fn tell(&mut self, heard: &Heard) {
        match heard {
            Heard::Missed(count) => self
                .output
                .warn(format_args!("{count} passes were not shown: nobody read")),
            Heard::Pass(record) => {
                self.tell_notices(record);
                for decision in &record.decisions {
                    match self.output.format() {
                        Format::Json => self.output.object_line(&json::Decision::new(decision)),
                        Format::Human => self.tell_decision(decision),
                    }
                }
            }
        }
    }

    /// Each notice once, until a pass was without it.
    fn tell_notices(&mut self, record: &PassRecord) {
        let notices: Vec<String> = record.notices.iter().map(ToString::to_string).collect();
        for notice in notices.iter().filter(|notice| !self.notices.contains(notice)) {
            self.output.warn(notice);
        }
        self.notices = notices;
    }

    fn tell_decision(&mut self, record: &DecisionRecord) {
        let is_change = record
            .decision()
            .is_some_and(|decision| decision.direction().is_some());
        let is_first = !self.said.contains_key(&record.workload);
        let said = self.said.entry(record.workload.clone()).or_default();
        let is_new = said.note(record) || is_first;
        let is_done = is_change && record.error().is_none();
        if is_done || (is_new && (is_notable(record) || self.output.is_verbose())) {
            let paint = self.output.paint();
            let time = moment::time_of_day(record.at);
            self.output.line(format_args!(
                "{}  {}",
                paint.paint(Tone::Quiet, time),
                pass_line(record, self.width, paint)
            ));
        }
    }
}
