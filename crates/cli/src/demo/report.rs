//! What the demo says: one line or object for each decision, and the summary at its end.

use std::{fmt, path::Path, time::Duration};

use serde::Serialize;

use super::{chart::Moment, load::Served};

/// What the demo came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Summary {
    /// The version of this object.
    version: u32,
    /// What kind of object it is.
    kind: &'static str,
    /// How long the load lasted, in seconds.
    seconds: f64,
    /// The highest offered load, in requests per second.
    peak_load: f64,
    /// The fewest replicas that could serve, once the first one could.
    fewest_ready: u32,
    /// The most replicas that could serve.
    most_ready: u32,
    /// Requests sent.
    requests: u64,
    /// Requests answered.
    answered: u64,
    /// Requests that were answered later than the goal, or not at all.
    missed: u64,
    /// The goal, in milliseconds.
    goal_millis: u128,
    /// Replica-seconds that were wanted.
    replica_seconds: f64,
    /// Replica-seconds of running the most replicas all the time.
    peak_replica_seconds: f64,
    /// Where the chart stands.
    chart: Option<String>,
}

impl Summary {
    /// Sums up `moments` and what became of the requests.
    pub(crate) fn new(
        moments: &[Moment],
        served: Served,
        goal: Duration,
        peak_replicas: u32,
        chart: Option<&Path>,
    ) -> Self {
        let seconds = moments.last().map_or(0.0, |last| last.elapsed.as_secs_f64());
        let spans = moments
            .windows(2)
            .map(|pair| (pair[1].elapsed - pair[0].elapsed).as_secs_f64());
        let replica_seconds = moments
            .iter()
            .zip(spans)
            .map(|(moment, span)| f64::from(moment.wanted) * span)
            .sum();
        let serving = || {
            moments
                .iter()
                .map(|moment| moment.ready)
                .skip_while(|&ready| ready == 0)
        };
        Self {
            version: 1,
            kind: "summary",
            seconds,
            peak_load: moments.iter().map(|moment| moment.load).fold(0.0, f64::max),
            fewest_ready: serving().min().unwrap_or(0),
            most_ready: serving().max().unwrap_or(0),
            requests: served.sent,
            answered: served.answered,
            missed: served.missed,
            goal_millis: goal.as_millis(),
            replica_seconds,
            peak_replica_seconds: f64::from(peak_replicas) * seconds,
            chart: chart.map(|path| path.display().to_string()),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole * 100.0 } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
        let missed = share(self.missed as f64, self.requests as f64);
        writeln!(
            f,
            "{:.0} s of load, at most {:.0} requests/s",
            self.seconds, self.peak_load
        )?;
        writeln!(
            f,
            "replicas ready:   {} to {}",
            self.fewest_ready, self.most_ready
        )?;
        writeln!(
            f,
            "requests:         {}, of which {} ({missed:.2} %) missed the goal of {} ms",
            self.requests, self.missed, self.goal_millis
        )?;
        writeln!(
            f,
            "replica-seconds:  {:.0}, which is {:.0} % of running the peak all the time ({:.0})",
            self.replica_seconds,
            share(self.replica_seconds, self.peak_replica_seconds),
            self.peak_replica_seconds
        )?;
        match &self.chart {
            Some(path) => write!(f, "chart:            {path}"),
            None => write!(f, "chart:            not written"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_what_happened() {
        let moment = |second, load, wanted, ready| Moment {
            elapsed: Duration::from_secs(second),
            load,
            wanted,
            ready,
            p95: None,
        };
        let moments = [
            moment(0, 10.0, 1, 0),
            moment(2, 300.0, 4, 1),
            moment(4, 20.0, 2, 4),
        ];
        let served = Served {
            sent: 400,
            answered: 396,
            missed: 8,
        };
        let summary = Summary::new(
            &moments,
            served,
            Duration::from_millis(250),
            4,
            Some(Path::new("demo.svg")),
        );
        assert_eq!(
            (summary.fewest_ready, summary.most_ready),
            (1, 4),
            "before the first replica nothing counts"
        );
        assert_eq!(summary.replica_seconds, 10.0, "1 × 2 s + 4 × 2 s");
        assert_eq!(summary.peak_replica_seconds, 16.0);
        let text = summary.to_string();
        assert!(text.contains("8 (2.00 %) missed the goal of 250 ms"), "{text}");
        assert!(text.contains("62 % of running the peak"), "{text}");
    }
}
