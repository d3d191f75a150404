//! The demo: a complete run on this machine, with nothing to install.
//!
//! A small web service runs as child processes behind a load balancer, real requests rise and fall like a day, and
//! headroom scales the service by what its replicas report, through the same policy, pass and adapters as anywhere.

mod balancer;
mod chart;
mod load;
mod report;
mod scaling;
mod screen;
mod service;

use std::{
    convert::Infallible,
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Subcommand};
use headroom_policy_engine::Replicas;
use thiserror::Error;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use self::{
    balancer::Balancer,
    chart::Moment,
    load::{Day, Load},
    report::Summary,
    scaling::{Scaling, ScalingError},
    screen::{Screen, View},
    service::ServiceArgs,
};
use crate::signals::{Signal, Signals};

/// The latency that is the goal. Serving a request takes 40 ms, so it leaves room for a short queue.
const GOAL: Duration = Duration::from_millis(250);
/// How long a request may take before its sender gives up.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the balancer looks which replicas are ready.
const LOOK: Duration = Duration::from_millis(200);
/// How often headroom decides.
const INTERVAL: Duration = Duration::from_secs(1);
/// The load at night, in requests per second.
const LOW: f64 = 20.0;

/// Runs a small web service under a load that rises and falls, and scales it. Needs nothing but this program.
///
/// The service runs as child processes of which each can serve 4 requests at a time, 40 ms each: 100 requests
/// per second. headroom reads the replicas' own /metrics, decides every second, and starts and stops replicas.
#[derive(Args, Clone, Debug)]
#[command(after_help = "\
Examples:
  headroom demo                   a day in a minute
  headroom demo --replicas 2      what the same load does to a fixed count
  headroom demo --format json     one JSON object for each decision, and a summary
  headroom demo service           one replica of the service, on the port that PORT names")]
pub(crate) struct DemoArgs {
    #[command(subcommand)]
    part: Option<Part>,
    /// How long the day takes, such as 60s or 2m
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = span)]
    duration: Duration,
    /// The highest load, in requests per second
    #[arg(long, value_name = "RATE", default_value_t = 500, value_parser = clap::value_parser!(u32).range(20..=2000))]
    peak: u32,
    /// A fixed number of replicas, instead of scaling
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=50))]
    replicas: Option<u32>,
    /// Keep the state and the replicas' logs in this directory
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Where the chart is written
    #[arg(long, value_name = "PATH", default_value = "headroom-demo.svg")]
    chart: PathBuf,
}

/// The parts of the demo, each on its own.
#[derive(Subcommand, Clone, Debug)]
enum Part {
    /// One replica of the demo's web service, for policies of your own
    Service(ServiceArgs),
}

/// How the demo shows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// A live screen, for a terminal.
    Screen,
    /// One plain line for each decision.
    Lines,
    /// One JSON object for each decision.
    Json,
}

/// Why the demo could not run to its end.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// Something on this machine failed.
    #[error("{what}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The scaling could not be set up or ended.
    #[error(transparent)]
    Scaling(#[from] ScalingError),
    /// The chart could not be written.
    #[error("the chart could not be written to {}", path.display())]
    Chart {
        /// Where to.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No client for HTTP could be made.
    #[error("no HTTP client could be made")]
    Client(#[from] reqwest::Error),
    /// It was stopped before its end.
    #[error("stopped by {0}")]
    Stopped(Signal),
}

fn io(what: &'static str) -> impl FnOnce(io::Error) -> DemoError {
    move |source| DemoError::Io { what, source }
}

fn span(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    match Duration::try_from(span) {
        Ok(span) if (Duration::from_secs(5)..=Duration::from_secs(3600)).contains(&span) => Ok(span),
        Ok(_) | Err(_) => Err("it must be from 5s to 1h".to_owned()),
    }
}

/// Runs the demo, or one part of it. `emit` gets each finished line of output.
///
/// # Errors
/// When something on this machine fails, or it is stopped before its end. Also then no process is left behind.
pub(crate) async fn run(args: &DemoArgs, show: Show, emit: &mut dyn FnMut(&str)) -> Result<(), DemoError> {
    if let Some(Part::Service(service)) = &args.part {
        return service::serve(service)
            .await
            .map_err(io("the service could not listen on its port"));
    }
    let stop = CancellationToken::new();
    let mut signals = Signals::take().map_err(io("the signals could not be taken over"))?;
    let mut first = None;
    let mut day = pin!(day(args, show, emit, &stop));
    let result = loop {
        tokio::select! {
            result = &mut day => break result,
            signal = signals.next() => {
                first.get_or_insert(signal);
                stop.cancel();
            }
        }
    };
    result?;
    if stop.is_cancelled() {
        // A screen takes Ctrl-C as a key.
        Err(DemoError::Stopped(first.unwrap_or(Signal::Interrupt)))
    } else {
        Ok(())
    }
}

/// One day: everything is started, watched, and stopped again.
async fn day(
    args: &DemoArgs,
    show: Show,
    emit: &mut dyn FnMut(&str),
    stop: &CancellationToken,
) -> Result<(), DemoError> {
    let directory = tempfile::Builder::new()
        .prefix("headroom-demo-")
        .tempdir()
        .map_err(io("no directory for the demo could be made"))?;
    let state = args
        .keep
        .clone()
        .unwrap_or_else(|| directory.path().join("state"));
    let policy = directory.path().join("headroom.toml");
    std::fs::write(&policy, policy_text(args)?).map_err(io("the policy of the demo could not be written"))?;
    let scaling = Scaling::start(&policy, state, args.replicas.map(Replicas::new))?;
    let (moments, served) = scaling
        .during(scale_a_day(args, show, emit, stop, &scaling))
        .await?;
    report(args, show, emit, &moments, served)
}

/// The demo's policy, which is that of `examples/demo`, for this program and this length of day.
fn policy_text(args: &DemoArgs) -> Result<String, DemoError> {
    let program = std::env::current_exe().map_err(io("the path of this program is not known"))?;
    let program = toml_text(&program);
    let parent = std::process::id();
    let window = (args.duration.as_secs() / 12).clamp(3, 300);
    Ok(include_str!("../../../examples/demo/headroom.toml")
        .replace(
            "\"headroom\", \"demo\", \"service\"",
            &format!("{program}, \"demo\", \"service\", \"--exit-with-parent\", \"{parent}\""),
        )
        .replace(
            "stabilization = \"5s\"",
            &format!("stabilization = \"{window}s\""),
        ))
}

fn toml_text(path: &Path) -> String {
    format!("'''{}'''", path.display())
}

async fn scale_a_day(
    args: &DemoArgs,
    show: Show,
    emit: &mut dyn FnMut(&str),
    stop: &CancellationToken,
    scaling: &Scaling,
) -> Result<(Vec<Moment>, load::Served), DemoError> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let balancer = Balancer::new(client.clone());
    let everything = CancellationToken::new();
    let _ends_with_this = everything.clone().drop_guard();
    let (address, _serving) = Arc::clone(&balancer)
        .listen(everything.clone())
        .await
        .map_err(io("the balancer could not listen"))?;
    tokio::select! {
        day = watched_day(args, show, emit, stop, scaling, client, format!("http://{address}/")) => day,
        never = look(scaling, &balancer) => match never {},
    }
}

/// Sends the load to `url` and decides each second, until the day is over.
async fn watched_day(
    args: &DemoArgs,
    show: Show,
    emit: &mut dyn FnMut(&str),
    stop: &CancellationToken,
    scaling: &Scaling,
    client: reqwest::Client,
    url: String,
) -> Result<(Vec<Moment>, load::Served), DemoError> {
    let shape = Day {
        duration: args.duration,
        low: LOW,
        peak: f64::from(args.peak),
    };
    let mut view = View::new(args.duration, scaling::PER_REPLICA, GOAL);
    let mut screen = match show {
        // A terminal that cannot be drawn on gets lines.
        Show::Screen => Screen::open(stop.clone()).ok(),
        Show::Lines | Show::Json => None,
    };
    // The first replica is up before the first request comes, as in any morning.
    let mut beat = time::interval(INTERVAL);
    beat.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    while !stop.is_cancelled() && scaling.pass().await.ready == 0 {
        beat.tick().await;
    }

    let load = Load::new(GOAL);
    let start = Instant::now();
    let sending = tokio::spawn(Arc::clone(&load).run(client, url, shape, stop.clone()));
    while !stop.is_cancelled() && start.elapsed() < args.duration {
        tokio::select! {
            _ = beat.tick() => {}
            () = stop.cancelled() => break,
        }
        let decided = scaling.pass().await;
        let elapsed = start.elapsed();
        let moment = Moment {
            elapsed,
            load: shape.rate(elapsed),
            wanted: decided.wanted,
            ready: decided.ready,
            p95: load.take_p95(),
        };
        let served = load.served();
        #[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
        let missed = served.missed as f64 / served.sent.max(1) as f64;
        view.missed = missed;
        view.moments.push(moment);
        match (show, &mut screen) {
            (Show::Json, _) => emit(&decided.json(&moment)),
            (_, None) => emit(&decided.line(&moment)),
            (_, Some(screen)) => {
                if decided.is_news {
                    view.add_decision(decided.line(&moment));
                }
                screen
                    .draw(&view)
                    .map_err(io("the terminal cannot be drawn on"))?;
            }
        }
    }
    drop(screen);
    // Answers that are still under way belong to the day.
    if let Err(error) = sending.await
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
    Ok((view.moments, load.served()))
}

/// Tells the balancer which replicas are ready, for as long as it is asked to.
async fn look(scaling: &Scaling, balancer: &Balancer) -> Infallible {
    let mut beat = time::interval(LOOK);
    loop {
        beat.tick().await;
        balancer.set_backends(scaling.ready_replicas().await);
    }
}

fn report(
    args: &DemoArgs,
    show: Show,
    emit: &mut dyn FnMut(&str),
    moments: &[Moment],
    served: load::Served,
) -> Result<(), DemoError> {
    let per_replica = scaling::PER_REPLICA;
    chart::write(&args.chart, moments, per_replica).map_err(|source| DemoError::Chart {
        path: args.chart.clone(),
        source,
    })?;
    let peak = moments.iter().map(|moment| moment.wanted).max().unwrap_or(0);
    let path = std::path::absolute(&args.chart).unwrap_or_else(|_| args.chart.clone());
    let summary = Summary::new(moments, served, GOAL, peak, Some(&path));
    match show {
        Show::Json => emit(&serde_json::to_string(&summary).unwrap_or_default()),
        Show::Screen | Show::Lines => emit(&summary.to_string()),
    }
    Ok(())
}
