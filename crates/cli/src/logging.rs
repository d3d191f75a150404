//! Logs on stderr: what concerns a developer or an operator, apart from results.

use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{FilterExt as _, filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::output::Output;

/// What is logged: warnings. What the client of clusters logs of each attempt is said once, in our words, by who asked.
const WARNINGS: &str = "warn,kube_client=off";
/// What is logged where debug logs are wanted: everything of headroom's own.
const DEBUG: &str = "warn,headroom=debug,headroom_autoscaler=debug,headroom_metrics_source=debug,headroom_actuator=debug,\
                     headroom_cluster=debug";

/// Starts logging: warnings, or everything of headroom's where debug logs are wanted.
pub(crate) fn start(output: &Output) {
    let is_verbose = output.is_verbose();
    let level = EnvFilter::new(if is_verbose { DEBUG } else { WARNINGS });
    let filter = level.and(filter_fn(move |metadata| {
        is_verbose || !is_about_a_decision(metadata)
    }));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(output.note_paint().is_on())
        // Where in the code it is said is for those who look for more.
        .with_target(is_verbose)
        .with_writer(std::io::stderr)
        .with_filter(filter);
    if let Err(error) = tracing_subscriber::registry().with(lines).try_init() {
        output.warn(format_args!("logs could not be started: {error}"));
    }
}

/// What became of one workload in a pass: commands say that themselves, and once is enough.
fn is_about_a_decision(metadata: &Metadata<'_>) -> bool {
    metadata.target() == "headroom_autoscaler::pass::report" && metadata.fields().field("workload").is_some()
}

/// Whether the environment asks for debug logs, as the script did: `DEBUG=1`.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os("DEBUG").is_some_and(|value| value == "1")
}
