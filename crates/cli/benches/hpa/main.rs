//! headroom side by side with the HPA of a real kube-controller-manager: the same load on pairs of Deployments, and what
//! each made of it. `cargo xtask bench hpa` runs it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures, and what it is at"
)]

mod chart;
mod report;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Parser;
use headroom_test_support::{
    cluster::{Cluster, HpaController},
    side_by_side::{Outcome, Phase, Progress, Scaler, SideBySide},
};

/// How often it says how it is going.
const SAY: Duration = Duration::from_secs(10);
/// How long a phase goes on at least after its last act: a window, a look and what metrics-server needs.
const DWELL: Duration = Duration::from_secs(50);
/// How long a phase may take to settle after its last act.
const PATIENCE: Duration = Duration::from_secs(150);

/// Compares headroom with the HPA, and fails where they do not agree under `semantics = "hpa"`.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench hpa")]
struct Arguments {
    /// How many pairs of Deployments
    #[arg(long, value_name = "NUMBER", default_value = "15", value_parser = clap::value_parser!(u16).range(1..=40))]
    pairs: u16,
    /// Play this phase alone; repeat it for several: step-up, spike, rollout, step-down, ramp, outage
    #[arg(long, value_name = "PHASE", value_parser = phase)]
    only: Vec<Phase>,
    /// Write the figures and the chart to this directory
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn phase(name: &str) -> Result<Phase, String> {
    Phase::named(name).ok_or_else(|| {
        let names = Phase::ALL.map(Phase::name).join(", ");
        format!("the phases are {names}")
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::select! {
        outcome = compare(&arguments) => outcome,
        // What was started goes with what is dropped here.
        _ = tokio::signal::ctrl_c() => {
            eprintln!("interrupted; the cluster is removed");
            return ExitCode::from(130);
        }
    };
    print!("{}", report::table(&outcome));
    if let Some(directory) = &arguments.out {
        if let Err(error) = write(directory, &outcome) {
            eprintln!(
                "error: nothing could be written to {}: {error}",
                directory.display()
            );
            return ExitCode::FAILURE;
        }
        eprintln!("written to {}", directory.display());
    }
    let disagreements = outcome.disagreements(Scaler::HeadroomAsHpa);
    for disagreement in &disagreements {
        eprintln!("error: {disagreement}");
    }
    if disagreements.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn compare(arguments: &Arguments) -> Outcome {
    let controller = HpaController {
        sync_period: Duration::from_secs(15),
        ..HpaController::default()
    };
    eprintln!("starting the cluster …");
    let cluster = Cluster::builder()
        .hpa(Some(controller))
        .audited()
        .nodes(4)
        .start()
        .await;
    eprintln!("creating the Deployments …");
    let plan = SideBySide {
        program: env!("CARGO_BIN_EXE_headroom").into(),
        pairs: arguments.pairs.into(),
        scalers: Scaler::ALL.to_vec(),
        phases: match arguments.only.as_slice() {
            [] => Phase::ALL.to_vec(),
            chosen => chosen.to_vec(),
        },
        controller,
        dwell: DWELL,
        patience: PATIENCE,
    };
    let mut said: Option<Instant> = None;
    plan.run(&cluster, &mut |progress| {
        if said.is_none_or(|said| said.elapsed() >= SAY) {
            said = Some(Instant::now());
            eprintln!("{}", line(&progress));
        }
    })
    .await
}

/// How it is going, in a line.
fn line(progress: &Progress) -> String {
    let phase = progress.phase.map_or("settling", Phase::name);
    let teams = progress
        .replicas
        .iter()
        .map(|(scaler, now, wanted)| format!("{} {now}/{wanted}", scaler.name()));
    let teams: Vec<String> = teams.collect();
    format!(
        "{phase:>9} {:>4} s   {}",
        progress.elapsed.as_secs(),
        teams.join("   ")
    )
}

fn write(directory: &Path, outcome: &Outcome) -> Result<(), Box<dyn std::error::Error>> {
    fs::create_dir_all(directory)?;
    fs::write(directory.join("replicas.csv"), report::csv(outcome))?;
    fs::write(directory.join("figures.md"), report::table(outcome))?;
    let chart = chart::draw(outcome).map_err(|error| io::Error::other(error.to_string()))?;
    fs::write(directory.join("replicas.svg"), chart)?;
    Ok(())
}
