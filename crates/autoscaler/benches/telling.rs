//! What telling people costs a pass: channels that accept every connection and never answer, against none at all.
//!
//! Ten passes over a thousand workloads, of which fifty change in each, are ten thousand decisions with five hundred
//! notices; they are made one right after the other, and so within less than the minute that they have. Both fleets take
//! turns, so that what else the machine does hits both. Goal: a ratio within noise.
//! `cargo bench -p headroom-autoscaler --bench telling`

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the world of a benchmark is right, and it says its figure"
)]

mod fleet;

use std::{
    fmt::Write as _,
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use fleet::{Fleet, WORKLOADS, autoscaler, time};
use headroom_autoscaler::{
    Autoscaler, ChannelSettings, Channels, Medium, Notifications, NotifySettings, PlainSecret, Routes,
    Secret, SystemClock, Which, config::Environment,
};
use headroom_notifier::{
    Language, Severity, Style,
    delivery::{self, ChannelRules, Deadlines, Dispatcher, Outbox as _, QueueBound},
};
use tokio::runtime::Runtime;

/// Passes before anything is measured, and passes that are.
const WARM_UP: u32 = 10;
const MEASURED: u32 = 100;
/// Each workload changes once in so many passes, so fifty of a thousand in each.
const TURN: u32 = 20;
const CHANNELS: [&str; 3] = ["slack.ops", "webhook.bus", "webhook.alerts"];

fn main() {
    headroom_test_support::install_tls();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (off_dir, dead_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let recording = recording();
    let off = autoscaler(world(off_dir.path(), &recording, Routes::default()), |_| {
        Notifications::default()
    });
    let settings = dead_channels();
    let routes = Routes {
        channels: CHANNELS.map(Into::into).to_vec(),
        ..Routes::default()
    };
    let dead = autoscaler(world(dead_dir.path(), &recording, routes), |store| {
        let made = Channels::of(&settings, &Environment::default());
        Notifications::new(Some("bench"), &settings, made, store, Arc::new(SystemClock)).unwrap()
    });
    let step = Arc::new(AtomicU32::new(0));
    let dispatcher = delivering(&runtime, &settings, &dead, Arc::clone(&step));
    let (mut of_off, mut of_dead) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + MEASURED {
        step.store(number, Ordering::Relaxed);
        let spans = [pass(&runtime, &off, number), pass(&runtime, &dead, number)];
        dispatcher.wake();
        if number >= WARM_UP {
            of_off.push(spans[0]);
            of_dead.push(spans[1]);
        }
    }
    let waiting = dead.store().view(&CHANNELS[0].into()).unwrap().waiting.len();
    let (off, dead) = (median(of_off), median(of_dead));
    println!(
        "a pass over {WORKLOADS} workloads, {} changes: {off:.1?} without channels, {dead:.1?} with {} that never answer: \
         {:.2} times as long; {waiting} notices wait for each",
        WORKLOADS / TURN,
        CHANNELS.len(),
        dead.as_secs_f64() / off.as_secs_f64(),
    );
    // What hangs is not waited for.
    runtime.shutdown_background();
}

fn world<'r>(dir: &Path, recording: &'r str, routes: Routes) -> Fleet<'r> {
    Fleet {
        state_dir: dir.join("state"),
        recording,
        scale_down_window: Duration::ZERO,
        max_reversals: 1000,
        routes,
    }
}

fn pass(runtime: &Runtime, autoscaler: &Autoscaler, number: u32) -> Duration {
    let begun = Instant::now();
    let record = runtime
        .block_on(autoscaler.pass(time(number), Which::All))
        .unwrap();
    let span = begun.elapsed();
    assert!(record.decisions.iter().all(|decision| decision.error().is_none()));
    span
}

fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort_unstable();
    spans[spans.len() / 2]
}

/// Hands over what `autoscaler` has to tell, on the clock of its passes.
fn delivering(
    runtime: &Runtime,
    settings: &NotifySettings,
    autoscaler: &Autoscaler,
    step: Arc<AtomicU32>,
) -> Arc<Dispatcher> {
    let dispatcher = Arc::new(Dispatcher::new(delivery::Parts {
        channels: Channels::of(settings, &Environment::default()).usable,
        outbox: Arc::clone(autoscaler.store()) as _,
        now: Arc::new(move || time(step.load(Ordering::Relaxed))),
        cluster: Some("bench".into()),
    }));
    let running = Arc::clone(&dispatcher);
    runtime.spawn(async move { running.run(std::future::pending()).await });
    dispatcher
}

/// Channels whose receiver accepts every connection and never answers.
fn dead_channels() -> NotifySettings {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = || Secret::Plain(PlainSecret(format!("http://{}", listener.local_addr().unwrap())));
    let mediums = [
        Medium::SlackWebhook {
            url: url(),
            allow_http: true,
        },
        Medium::Webhook {
            url: url(),
            secret: None,
            authorization: None,
            ca: None,
            allow_http: true,
        },
        Medium::Alertmanager {
            url: url(),
            authorization: None,
            ca: None,
            allow_http: true,
        },
    ];
    let channels = CHANNELS.into_iter().zip(mediums).map(channel).collect();
    thread::spawn(move || listener.incoming().collect::<Result<Vec<TcpStream>, _>>());
    NotifySettings {
        channels,
        ..NotifySettings::default()
    }
}

fn channel((name, medium): (&str, Medium)) -> ChannelSettings {
    ChannelSettings {
        name: name.into(),
        medium,
        rules: ChannelRules {
            on: None,
            least: Severity::Info,
            group_wait: Duration::from_secs(10),
            group_interval: Duration::from_secs(300),
            max_per_hour: None,
            quiet_hours: None,
            bound: QueueBound::USUAL,
            deadlines: Deadlines::USUAL,
        },
        style: Style {
            language: Language::En,
            timezone: jiff::tz::TimeZone::UTC,
        },
        digest: None,
    }
}

/// The load of each workload asks for 6 replicas and for 10, in turns of [`TURN`] passes; a part of them turns in each.
fn recording() -> String {
    let mut text = "timestamp".to_owned();
    for number in 0..WORKLOADS {
        write!(text, ",load-{number}").unwrap();
    }
    text.push('\n');
    for step in 0..=WARM_UP + MEASURED {
        write!(text, "{}", time(step).unix_millis() / 1000).unwrap();
        for number in 0..WORKLOADS {
            let is_high = ((step + number) / TURN).is_multiple_of(2);
            text.push_str(if is_high { ",1000" } else { ",600" });
        }
        text.push('\n');
    }
    text
}
