//! The guide's own policy, as the example has it, through hours that a night really has.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{path::PathBuf, time::Duration};

use headroom_autoscaler::config::{Environment, LoadOptions, load};
use headroom_policy_engine::{
    Explanation, Memory, MissingCause, Observation, Observations, Outcome, Reason, Replicas, Sample,
    Timestamp, Workload, WorkloadPolicy, evaluate,
};

fn devtrip() -> WorkloadPolicy {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/devtrip/headroom.toml");
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
    let policy = devtrip();
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
    let policy = devtrip();
    let mut memory = Memory::default();
    let (_, day, now) = run(&policy, &mut memory, Timestamp::from_unix_millis(0), 2, 10, busy);
    let (reasons, blind, _) = run(&policy, &mut memory, now, day, 60, |_| {
        Err(MissingCause::Unreachable)
    });
    assert!(blind >= day, "{day} before, {blind} after");
    assert!(!reasons.contains(&Reason::BelowTarget), "{reasons:?}");
}
