//! What a pass over a thousand workloads costs: reading a recording and targets in memory, deciding, both transactions
//! with their decisions on the disk of the system's directory for temporary files, and the few changes that are due.
//!
//! Goal: a median of at most 20 ms on one core. `cargo bench -p headroom-autoscaler`

#![expect(clippy::unwrap_used, reason = "the world of a benchmark is right")]

mod fleet;

use std::{fmt::Write as _, time::Duration};

use divan::Bencher;
use fleet::{Fleet, WORKLOADS, autoscaler, time};
use headroom_autoscaler::{Notifications, Routes, Which};

/// How many passes the recording lasts.
const STEPS: u32 = 600;

fn main() {
    divan::main();
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn a_thousand_workloads(bencher: Bencher<'_, '_>) {
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet {
        state_dir: dir.path().join("state"),
        recording: &recording(),
        scale_down_window: Duration::from_secs(300),
        max_reversals: 4,
        routes: Routes::default(),
    };
    let autoscaler = autoscaler(fleet, |_| Notifications::default());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let mut step = 0;
    let mut pass = || {
        let now = time(step);
        step += 1;
        let record = runtime.block_on(autoscaler.pass(now, Which::All)).unwrap();
        assert!(record.decisions.iter().all(|decision| decision.error().is_none()));
        record
    };
    // The windows fill first.
    for _ in 0..40 {
        pass();
    }
    bencher.bench_local(pass);
}

/// Each workload has a wave of its own, an hour long.
fn recording() -> String {
    let mut text = "timestamp".to_owned();
    for number in 0..WORKLOADS {
        write!(text, ",load-{number}").unwrap();
    }
    text.push('\n');
    for step in 0..STEPS {
        write!(text, "{}", time(step).unix_millis() / 1000).unwrap();
        for number in 0..WORKLOADS {
            let phase = f64::from(step) / 240.0 + f64::from(number) / f64::from(WORKLOADS);
            write!(
                text,
                ",{:.1}",
                800.0 + 500.0 * (phase * std::f64::consts::TAU).sin()
            )
            .unwrap();
        }
        text.push('\n');
    }
    text
}
