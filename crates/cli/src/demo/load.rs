//! The demo's load: real HTTP requests that rise and fall like a day, sent whether or not earlier ones came back.

use std::{
    f64::consts::PI,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

/// Requests that are under way at once, at the most: beyond that the load itself would be the bottleneck.
const MAX_IN_FLIGHT: usize = 4_000;
/// How often requests are due.
const BEAT: Duration = Duration::from_millis(10);

/// A day of load, compressed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Day {
    /// How long the day takes.
    pub(crate) duration: Duration,
    /// Requests per second at night.
    pub(crate) low: f64,
    /// Requests per second at the highest moment.
    pub(crate) peak: f64,
}

impl Day {
    /// The offered load at `elapsed`, in requests per second: a morning hump, and a higher one in the evening.
    pub(crate) fn rate(&self, elapsed: Duration) -> f64 {
        let day = (elapsed.as_secs_f64() / self.duration.as_secs_f64()).clamp(0.0, 1.0);
        let hump = |centre: f64, width: f64| {
            let distance = ((day - centre) / width).abs();
            if distance < 1.0 {
                (PI * distance).cos().mul_add(0.5, 0.5)
            } else {
                0.0
            }
        };
        let shape = (0.6 * hump(0.32, 0.24)).max(hump(0.58, 0.26));
        self.low + (self.peak - self.low) * shape
    }
}

/// What became of the requests so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Served {
    /// Requests sent.
    pub(crate) sent: u64,
    /// Requests answered with 200, however late.
    pub(crate) answered: u64,
    /// Requests that came back too late or not at all: the goal is missed.
    pub(crate) missed: u64,
}

/// Sends the load and keeps count.
#[derive(Debug)]
pub(crate) struct Load {
    sent: AtomicU64,
    answered: AtomicU64,
    missed: AtomicU64,
    /// Latencies since they were last taken.
    recent: Mutex<Vec<Duration>>,
    goal: Duration,
}

impl Load {
    /// A load whose requests are to be answered within `goal`.
    pub(crate) fn new(goal: Duration) -> Arc<Self> {
        Arc::new(Self {
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            recent: Mutex::new(Vec::new()),
            goal,
        })
    }

    /// The counts so far.
    pub(crate) fn served(&self) -> Served {
        Served {
            sent: self.sent.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// The 95th percentile of the latencies since the last call; `None` when nothing came back.
    pub(crate) fn take_p95(&self) -> Option<Duration> {
        let mut recent = std::mem::take(&mut *self.recent.lock().unwrap_or_else(PoisonError::into_inner));
        if recent.is_empty() {
            return None;
        }
        let rank = (recent.len() * 95).div_ceil(100) - 1;
        Some(*recent.select_nth_unstable(rank).1)
    }

    /// Sends `day` to `url` until it is over or `stop` is called for, and waits for the last answers.
    pub(crate) async fn run(
        self: Arc<Self>,
        client: reqwest::Client,
        url: String,
        day: Day,
        stop: CancellationToken,
    ) {
        let start = Instant::now();
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(time::MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        let mut due = 0.0;
        let mut before = Duration::ZERO;
        while !stop.is_cancelled() {
            beat.tick().await;
            let elapsed = start.elapsed();
            if elapsed >= day.duration {
                break;
            }
            due += day.rate(elapsed) * (elapsed - before).as_secs_f64();
            before = elapsed;
            while due >= 1.0 {
                due -= 1.0;
                self.sent.fetch_add(1, Ordering::Relaxed);
                if requests.len() >= MAX_IN_FLIGHT {
                    self.missed.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                requests.spawn(Arc::clone(&self).send(client.clone(), url.clone()));
            }
            while requests.try_join_next().is_some() {}
        }
        if stop.is_cancelled() {
            requests.abort_all();
        }
        while requests.join_next().await.is_some() {}
    }

    async fn send(self: Arc<Self>, client: reqwest::Client, url: String) {
        let started = Instant::now();
        let answer = client.get(url).send().await;
        let latency = started.elapsed();
        let ok = answer.is_ok_and(|answer| answer.status().is_success());
        if ok {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        if !ok || latency > self.goal {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(latency);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Day = Day {
        duration: Duration::from_secs(60),
        low: 20.0,
        peak: 500.0,
    };

    #[test]
    fn a_day_begins_and_ends_at_night_and_peaks_in_between() {
        assert_eq!(DAY.rate(Duration::ZERO), 20.0);
        assert_eq!(DAY.rate(Duration::from_secs(60)), 20.0);
        let peak = (0..=600)
            .map(|tenth| DAY.rate(Duration::from_millis(tenth * 100)))
            .fold(0.0, f64::max);
        assert!((499.0..=500.0).contains(&peak), "{peak}");
    }

    #[test]
    fn the_95th_percentile_leaves_one_in_twenty_above_it() {
        let load = Load::new(Duration::from_secs(1));
        *load.recent.lock().unwrap() = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(load.take_p95(), Some(Duration::from_millis(95)));
        assert_eq!(load.take_p95(), None, "they are taken once");
    }
}
