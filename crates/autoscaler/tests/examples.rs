//! Policies of the examples through hours that they really have.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, time::Duration};

use headroom_autoscaler::config::{Environment, LoadOptions, load};
use headroom_policy_engine::{
    Explanation, Memory, MissingCause, Observation, Observations, Outcome, Reason, Replicas, Sample,
    Timestamp, Workload, WorkloadPolicy, evaluate,
};

fn example(name: &str) -> WorkloadPolicy {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let path = examples.join(name).join("headroom.toml");
    let loaded = load(&[path], &Environment::default(), &LoadOptions::default()).unwrap();
    loaded.configuration.workloads.into_iter().next().unwrap().policy
}

/// Passes every 15 s for `minutes`, with `value` for each metric by name; returns the reasons and the last count.
fn run(
    policy: &WorkloadPolicy,
    memory: &mut Memory,
    from: Timestamp,
    current: u32,
    minutes: i64,
    value: impl Fn(&str) -> Result<f64, MissingCause>,
) -> (Vec<Reason>, u32, Timestamp) {
    let mut current = Replicas::new(current);
    let mut reasons = Vec::new();
    let mut now = from;
    for _ in 0..minutes * 4 {
        now = now.plus(Duration::from_secs(15));
        let seen: Observations = policy
            .metrics
            .iter()
            .map(|metric| match value(metric.name.as_str()) {
                Ok(value) => Observation::Fresh(Sample {
                    value,
                    measured_at: Some(now),
                    coverage: Default::default(),
                }),
                Err(cause) => Observation::Missing { cause },
            })
            .collect();
        let mut steps = Explanation::default();
        let decision = evaluate(
            policy,
            &Workload::running(current),
            &seen,
            memory,
            now,
            &mut steps,
        );
        memory.record_outcome(&decision, Outcome::Written, now);
        reasons.push(decision.reason());
        current = decision.desired();
    }
    (reasons, current.get(), now)
}

fn busy(metric: &str) -> Result<f64, MissingCause> {
    Ok(match metric {
        "cpu" | "memory" => 0.6,
        "active_users" | "request_rate" => 600.0,
        _ => 0.4,
    })
}

/// No traffic: the p95 is a quantile over nothing.
fn silent(metric: &str) -> Result<f64, MissingCause> {
    match metric {
        "cpu" => Ok(0.02),
        "memory" => Ok(0.3),
        "active_users" | "request_rate" => Ok(0.0),
        _ => Err(MissingCause::NotANumber),
    }
}

#[test]
fn an_hour_without_traffic_comes_down_to_two_without_the_fallback() {
    let policy = example("devtrip");
    let mut memory = Memory::default();
    let (_, day, now) = run(&policy, &mut memory, Timestamp::from_unix_millis(0), 2, 10, busy);
    assert_eq!(day, 6, "600 users at 100 each");
    let (reasons, night, _) = run(&policy, &mut memory, now, day, 60, silent);
    assert_eq!(night, 2);
    assert!(
        !reasons.contains(&Reason::Fallback),
        "nothing was unknown: {reasons:?}"
    );
}

#[test]
fn an_hour_without_prometheus_lowers_nothing() {
    let policy = example("devtrip");
    let mut memory = Memory::default();
    let (_, day, now) = run(&policy, &mut memory, Timestamp::from_unix_millis(0), 2, 10, busy);
    let (reasons, blind, _) = run(&policy, &mut memory, now, day, 60, |_| {
        Err(MissingCause::Unreachable)
    });
    assert!(blind >= day, "{day} before, {blind} after");
    assert!(!reasons.contains(&Reason::BelowTarget), "{reasons:?}");
}

/// The workers' metrics; running jobs are absent where there are none.
fn jobs(waiting: f64, running: f64) -> impl Fn(&str) -> Result<f64, MissingCause> {
    move |metric| match metric {
        "waiting" => Ok(waiting),
        _ if running == 0.0 => Err(MissingCause::NoData),
        _ => Ok(running),
    }
}

#[test]
fn workers_end_ten_minutes_after_their_last_job_and_begin_with_the_next_one() {
    let policy = example("worker");
    let mut memory = Memory::default();
    let start = Timestamp::from_unix_millis(0);
    let (_, busy, now) = run(&policy, &mut memory, start, 1, 10, jobs(900.0, 40.0));
    assert_eq!(busy, 15, "900 jobs at 60 each");
    let (_, steady, now) = run(&policy, &mut memory, now, busy, 10, jobs(400.0, 40.0));
    assert_eq!(steady, 15, "between the marks");
    let (_, last, now) = run(&policy, &mut memory, now, steady, 60, jobs(0.0, 3.0));
    assert_eq!(last, 1, "the last jobs are still worked on");
    let (_, resting, now) = run(&policy, &mut memory, now, last, 9, jobs(0.0, 0.0));
    assert_eq!(resting, 1);
    let (_, none, now) = run(&policy, &mut memory, now, resting, 2, jobs(0.0, 0.0));
    assert_eq!(none, 0);
    let (reasons, none, now) = run(&policy, &mut memory, now, none, 60 * 8, jobs(0.0, 0.0));
    assert_eq!((reasons.last(), none), (Some(&Reason::OnTarget), 0), "all night");
    let (reasons, one, _) = run(&policy, &mut memory, now, none, 1, jobs(1.0, 0.0));
    assert_eq!((reasons[0], one), (Reason::AboveTarget, 1), "at once");
}

#[test]
fn workers_begin_where_their_queue_cannot_be_asked() {
    let policy = example("worker");
    let mut memory = Memory::default();
    let start = Timestamp::from_unix_millis(0);
    let (_, none, now) = run(&policy, &mut memory, start, 0, 5, jobs(0.0, 0.0));
    assert_eq!(none, 0);
    let (reasons, blind, now) = run(&policy, &mut memory, now, none, 6, |_| {
        Err(MissingCause::Unreachable)
    });
    assert_eq!(blind, 2);
    assert_eq!(
        reasons
            .iter()
            .filter(|reason| **reason == Reason::Fallback)
            .count(),
        1
    );
    let (_, known, now) = run(&policy, &mut memory, now, blind, 4, jobs(0.0, 0.0));
    assert_eq!(known, 2, "five minutes have to be known again");
    let (_, none, _) = run(&policy, &mut memory, now, known, 10, jobs(0.0, 0.0));
    assert_eq!(none, 0);
}
