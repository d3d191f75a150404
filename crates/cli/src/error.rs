//! Why a command could not do what it was asked to, with a way out, and the exit code that follows.

use std::{fmt::Write as _, io, path::PathBuf};

use headroom_actuator::TargetError;
use headroom_autoscaler::{
    AssemblyError, ClusterError, LockError, NeedsError, OperatorError, OverrideError, PassError, StoreError,
    config::{MigrationError, Problems},
};
use headroom_notifier::delivery::OutboxError;
use miette::{GraphicalReportHandler, GraphicalTheme};
use serde::Serialize;
use thiserror::Error;

use crate::{
    demo::DemoError,
    exit::ExitCode,
    json,
    output::{Format, Output},
    signals::Signal,
};

/// The smallest policy, for who has none.
const SMALLEST: &str = r#"    [workload.web]
    min_replicas = 1
    max_replicas = 8
    process = { command = ["./web"], ready = { http = "/healthz" } }
    metrics.rps = { scrape = "http_requests_total", rate_over = "10s", per_replica = 100 }"#;

/// Why a command could not do what it was asked to.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// There is nothing to import, or it cannot be read.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// What is to be imported cannot be read.
    #[error("{} cannot be read", file.display())]
    ImportSource {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// An option that means nothing for the environment.
    #[error("`import env` reads the environment alone, so {option} means nothing to it")]
    ImportEnv {
        /// The option.
        option: &'static str,
    },
    /// Files that are there may be written over, and none are to be written.
    #[error("--force writes over files that are there, and without -o none are written")]
    ImportForce,
    /// The autoscalers of the cluster cannot be read.
    #[error("the {of}s of the cluster cannot be read")]
    ImportCluster {
        /// Their kind.
        of: &'static str,
        /// Whether one namespace was asked for.
        is_one_namespace: bool,
        /// Why not.
        #[source]
        source: ClusterError,
    },
    /// A file of policies cannot be written.
    #[error("{} cannot be written", file.display())]
    ImportFile {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is no configuration where one was looked for.
    #[error("there is no headroom.toml here, and neither -c nor HEADROOM_CONFIG names another file")]
    NoConfiguration,
    /// The configuration is wrong.
    #[error("the configuration has {}", problems(.0.len()))]
    Policy(Problems),
    /// Files of tests, or the policies they are about, are wrong.
    #[error("the tests have {}", problems(.0.len()))]
    Tests(Problems),
    /// A directory of tests could not be read.
    #[error("the directory {} could not be read", path.display())]
    TestDirectory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A directory has no files of tests.
    #[error("there is no file of tests (NAME.test.toml) in {}", directory.display())]
    NoTests { directory: PathBuf },
    /// A filter fits no case.
    #[error("no case has {} in its name", either(.filter))]
    NoCase { filter: Vec<String>, known: Vec<String> },
    /// The results of tests could not be written.
    #[error("{} could not be written", path.display())]
    Junit {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A name fits no workload.
    #[error("there is no workload `{name}`")]
    UnknownWorkload {
        name: String,
        near: Option<String>,
        known: Vec<String>,
    },
    /// A bare name fits several workloads.
    #[error("`{name}` is the name of several workloads")]
    AmbiguousWorkload { name: String, candidates: Vec<String> },
    /// A namespace has no workload.
    #[error("no workload is in the namespace `{namespace}`")]
    EmptyNamespace { namespace: String, known: Vec<String> },
    /// A command that changes something was not told what.
    #[error("nothing says which workloads to {command}")]
    NothingChosen { command: &'static str },
    /// A name fits no channel.
    #[error("there is no channel `{name}`")]
    UnknownChannel { name: String, known: Vec<String> },
    /// Nobody can be told.
    #[error("the configuration has no channels")]
    NoChannels,
    /// What waits for channels cannot be read.
    #[error("what people are to be told cannot be read")]
    Outbox(#[source] OutboxError),
    /// What node_exporter is to read cannot be written.
    #[error("{} could not be written", path.display())]
    Textfile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The parts could not be put together.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    /// It cannot be known what a cluster has to allow.
    #[error(transparent)]
    Needs(#[from] NeedsError),
    /// No decision about the workload is known.
    #[error("there is no decision about {workload}{} in {}", when.as_ref().map(|at| format!(" at {at}")).unwrap_or_default(), state_dir.display())]
    NoDecision {
        workload: String,
        when: Option<String>,
        state_dir: PathBuf,
    },
    /// A pass could not be made.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Something that lives in the state directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A lock of the state directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The pauses and overrides.
    #[error(transparent)]
    Pauses(#[from] OperatorError),
    /// An override that cannot be.
    #[error(transparent)]
    Override(#[from] OverrideError),
    /// The processes could not be stopped at the end.
    #[error("the processes could not be stopped")]
    Processes(#[source] TargetError),
    /// A signal ended it.
    #[error("stopped by {0}")]
    Stopped(Signal),
    /// The demo.
    #[error(transparent)]
    Demo(#[from] DemoError),
    /// The results could not be written.
    #[error("the output could not be written")]
    Output(#[source] io::Error),
    /// The machine refused something that every run needs.
    #[error("headroom could not start")]
    Start(#[source] io::Error),
}

fn problems(count: usize) -> String {
    if count == 1 {
        "1 problem".to_owned()
    } else {
        format!("{count} problems")
    }
}

impl CliError {
    /// What the process ends with.
    pub(crate) const fn exit_code(&self) -> ExitCode {
        match self {
            Self::Migration(_)
            | Self::ImportEnv { .. }
            | Self::ImportForce
            | Self::NoConfiguration
            | Self::Policy(_)
            | Self::Tests(_)
            | Self::TestDirectory { .. }
            | Self::NoTests { .. }
            | Self::NoCase { .. }
            | Self::UnknownWorkload { .. }
            | Self::AmbiguousWorkload { .. }
            | Self::EmptyNamespace { .. }
            | Self::NothingChosen { .. }
            | Self::UnknownChannel { .. }
            | Self::NoChannels
            | Self::Override(_)
            | Self::Needs(NeedsError::NoCluster { .. }) => ExitCode::Refused,
            Self::Assembly(
                AssemblyError::Secret { .. }
                | AssemblyError::UnknownServer { .. }
                | AssemblyError::Cluster { .. },
            ) => ExitCode::Refused,
            Self::Assembly(
                AssemblyError::Prometheus { .. }
                | AssemblyError::Recorded { .. }
                | AssemblyError::Scrape(_)
                | AssemblyError::State(_),
            )
            | Self::ImportSource { .. }
            | Self::ImportCluster { .. }
            | Self::ImportFile { .. }
            | Self::Needs(NeedsError::Kind { .. })
            | Self::NoDecision { .. }
            | Self::Junit { .. }
            | Self::Outbox(_)
            | Self::Textfile { .. }
            | Self::Pass(_)
            | Self::Store(_)
            | Self::Lock(_)
            | Self::Pauses(_)
            | Self::Processes(_)
            | Self::Output(_)
            | Self::Start(_) => ExitCode::CouldNot,
            Self::Stopped(signal) | Self::Demo(DemoError::Stopped(signal)) => signal.exit_code(),
            Self::Demo(
                DemoError::Io { .. } | DemoError::Scaling(_) | DemoError::Chart { .. } | DemoError::Client(_),
            ) => ExitCode::CouldNot,
        }
    }

    /// The error as machines name it, as in JSON.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Migration(_) => "migration",
            Self::ImportEnv { .. } => "import_env",
            Self::ImportForce => "import_force",
            Self::ImportSource { .. } => "import_source",
            Self::ImportCluster { .. } => "import_cluster",
            Self::ImportFile { .. } => "import_file",
            Self::NoConfiguration => "no_configuration",
            Self::Policy(_) => "policy",
            Self::Tests(_) => "tests",
            Self::TestDirectory { .. } => "test_directory",
            Self::NoTests { .. } => "no_tests",
            Self::NoCase { .. } => "no_case",
            Self::Junit { .. } => "junit",
            Self::UnknownWorkload { .. } => "unknown_workload",
            Self::AmbiguousWorkload { .. } => "ambiguous_workload",
            Self::EmptyNamespace { .. } => "empty_namespace",
            Self::NothingChosen { .. } => "nothing_chosen",
            Self::UnknownChannel { .. } => "unknown_channel",
            Self::NoChannels => "no_channels",
            Self::Outbox(_) => "outbox",
            Self::Textfile { .. } => "textfile",
            Self::Assembly(_) => "assembly",
            Self::Needs(_) => "needs",
            Self::NoDecision { .. } => "no_decision",
            Self::Pass(_) => "pass",
            Self::Store(_) => "state",
            Self::Lock(_) => "lock",
            Self::Pauses(_) => "pauses",
            Self::Override(_) => "override",
            Self::Processes(_) => "processes",
            Self::Stopped(_) => "stopped",
            Self::Demo(_) => "demo",
            Self::Output(_) => "output",
            Self::Start(_) => "start",
        }
    }

    /// A way out, where there is one to name.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Migration(MigrationError::Unreadable { .. }) => Some(
                "give what `kubectl get hpa -A -o yaml` or `kubectl get scaledobject -A -o yaml` prints".to_owned(),
            ),
            Self::Migration(MigrationError::Nothing { .. }) => Some(
                "say -A for all namespaces, -n NAMESPACE for one, or another NAME".to_owned(),
            ),
            Self::ImportFile { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                Some("say --force to write over it, or name another directory".to_owned())
            }
            Self::ImportCluster {
                of,
                is_one_namespace,
                source,
            } => Some(import_help(of, *is_one_namespace, source)),
            Self::ImportEnv { .. } => Some(
                "write what it prints to a file with `>`; -f, -o and --force are for `import hpa` and `import keda`"
                    .to_owned(),
            ),
            Self::ImportForce => Some("name a directory with `-o DIR`, or leave --force out".to_owned()),
            Self::ImportSource { .. } | Self::ImportFile { .. } => None,
            Self::NoConfiguration => Some(format!(
                "see it work first:          headroom demo\n\
                 coming from the script:     headroom import env > headroom.toml\n\
                 starting anew, this is the smallest headroom.toml:\n\n{SMALLEST}"
            )),
            Self::NoTests { .. } => Some(
                "write one: `headroom test --help` has an example, and the book's page \"Testing a policy\" has more"
                    .to_owned(),
            ),
            Self::NoCase { known, .. } => Some(format!("the cases are {}", listed(known))),
            Self::Policy(_)
            | Self::Tests(_)
            | Self::TestDirectory { .. }
            | Self::Junit { .. }
            | Self::Stopped(_) | Self::Demo(_) | Self::Output(_) | Self::Start(_) => None,
            Self::UnknownWorkload {
                near: Some(near), ..
            } => Some(format!("did you mean `{near}`?")),
            Self::UnknownWorkload { near: None, known, .. } => Some(format!("the workloads are {}", listed(known))),
            Self::AmbiguousWorkload { candidates, .. } => Some(format!("name one of {}", listed(candidates))),
            Self::EmptyNamespace { known, .. } if known.is_empty() => {
                Some("no workload of this configuration has a namespace".to_owned())
            }
            Self::EmptyNamespace { known, .. } => Some(format!("the namespaces are {}", listed(known))),
            Self::NothingChosen { .. } => {
                Some("name workloads, or say -n NAMESPACE, or -A for all of them".to_owned())
            }
            Self::UnknownChannel { known, .. } if !known.is_empty() => Some(format!("the channels are {}", listed(known))),
            Self::UnknownChannel { .. } | Self::NoChannels => Some(
                "add one: [notify.slack.NAME] with webhook = \"env:SLACK_WEBHOOK\", and notify = [\"slack.NAME\"] under \
                 [defaults]"
                    .to_owned(),
            ),
            Self::Override(_) => Some("say --min, --max or --hold-down; --min at most as much as --max".to_owned()),
            Self::Assembly(error) => Some(error.help().to_owned()),
            Self::Needs(_) => Some("name the cluster that serves the kind with --kubeconfig or --context".to_owned()),
            Self::NoDecision { .. } => Some(
                "`headroom history` lists what is known; `headroom explain` without --at or --last decides now"
                    .to_owned(),
            ),
            Self::Pass(PassError::TimedOut { .. }) => {
                Some("what was not written by then is settled by the next pass; raise `pass_deadline` if this is usual".to_owned())
            }
            Self::Store(StoreError::Io { .. } | StoreError::Sqlite { .. }) => {
                Some("the state directory has to be readable and writable, on a disk with room; --state-dir names another".to_owned())
            }
            Self::Store(_) => None,
            Self::Textfile { .. } => {
                Some("its directory has to be there, and writable for the user that runs headroom".to_owned())
            }
            Self::Lock(LockError::Stuck { .. }) | Self::Pass(PassError::Lock(LockError::Stuck { .. })) => {
                Some("end that process if it hangs; the lock ends with it".to_owned())
            }
            Self::Lock(LockError::Io { .. })
            | Self::Pass(PassError::Lock(LockError::Io { .. }) | PassError::State(_))
            | Self::Pauses(_)
            | Self::Outbox(_)
            | Self::Processes(_) => None,
        }
    }

    /// Says it on stderr, with the way out.
    pub(crate) fn tell(&self, output: &Output) {
        match (output.format(), self) {
            (Format::Json, _) => output.error_object(&json::Failure::new(self)),
            (Format::Human, Self::Policy(problems) | Self::Tests(problems)) if output.has_live_notes() => {
                for problem in problems {
                    if problem.is_drawable() {
                        output.note(drawn(problem, output));
                    } else {
                        output.note(problem.with_places().to_string().trim_end());
                    }
                }
                output.error(self);
            }
            // One line for each place, as logs and editors read them.
            (Format::Human, Self::Policy(problems) | Self::Tests(problems)) => {
                output.note(problems.to_string().trim_end());
            }
            (Format::Human, _) => {
                output.error(self.with_causes());
                if let Some(help) = self.help() {
                    output.note(indented(&help));
                }
            }
        }
    }

    /// The error and what caused it, on one line.
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        text
    }
}

/// The way out where the autoscalers of a cluster cannot be read.
fn import_help(of: &str, is_one_namespace: bool, error: &ClusterError) -> String {
    if matches!(error, ClusterError::Forbidden { .. }) && !is_one_namespace {
        format!(
            "say -n NAMESPACE for those of one namespace, or let somebody who may read all {of}s write them to a file: -f"
        )
    } else if matches!(error, ClusterError::NotFound { .. }) {
        format!("the cluster has no {of}s; where they are in another one, choose it with --context")
    } else {
        "choose the cluster with --kubeconfig and --context, or KUBECONFIG, as for kubectl; or read a file: -f".to_owned()
    }
}

/// `words` as a choice in a sentence.
fn either(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(" or ")
}

/// The way out, its lines below each other.
fn indented(help: &str) -> String {
    let mut text = String::new();
    for (number, line) in help.lines().enumerate() {
        let start = if number == 0 { "   help: " } else { "\n         " };
        text.push_str(&format!("{start}{line}"));
    }
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// A problem with the piece of the file it is in.
fn drawn(problem: &dyn miette::Diagnostic, output: &Output) -> String {
    let theme = if output.note_paint().is_on() {
        GraphicalTheme::unicode()
    } else {
        GraphicalTheme::unicode_nocolor()
    };
    let mut text = String::new();
    let handler = GraphicalReportHandler::new_themed(theme).with_width(100);
    match handler.render_report(&mut text, problem) {
        Ok(()) => text,
        Err(_) => problem.to_string(),
    }
}

/// `words` as a list in a sentence, at most twenty of them.
fn listed(words: &[impl Serialize + AsRef<str>]) -> String {
    let mut shown: Vec<String> = words
        .iter()
        .take(20)
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    if words.len() > 20 {
        shown.push(format!("{} more", words.len() - 20));
    }
    match shown.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => "none".to_owned(),
    }
}
