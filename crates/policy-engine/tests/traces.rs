//! Days of recorded load: a restart after every step gives the same run.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use headroom_policy_engine::*;

fn trace(text: &str) -> impl Iterator<Item = (Timestamp, f64)> {
    text.lines().skip(1).map(|line| {
        let (second, value) = line.split_once(',').unwrap();
        (
            Timestamp::from_unix_millis(second.parse::<i64>().unwrap() * 1000),
            value.parse().unwrap(),
        )
    })
}

fn policy(per_replica: f64) -> WorkloadPolicy {
    let rules = |seconds, percent| ScalingRules {
        stabilization: StabilizationWindow::new(Duration::from_secs(seconds)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits: vec![ChangeLimit::new(ChangeAmount::Percent(percent), Duration::from_secs(60)).unwrap()],
        },
    };
    WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(20)).unwrap(),
        zero: None,
        metrics: vec![MetricPolicy::new(
            MetricName::new("request_rate"),
            MetricKind::External,
            MetricRule::PerReplica(Target::new(per_replica).unwrap()),
            Tolerance::new(0.1, 0.1).unwrap(),
        )],
        scale_up: rules(0, 100),
        scale_down: rules(300, 50),
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: 4,
        },
        interval: EvaluationInterval::new(Duration::from_secs(60)).unwrap(),
    }
}

fn run(text: &str, policy: &WorkloadPolicy, between: impl Fn(Memory) -> Memory) -> Vec<(Decision, Memory)> {
    let mut memory = Memory::default();
    let mut current = Replicas::new(2);
    trace(text)
        .map(|(now, value)| {
            let reading = Reading {
                value,
                answered_at: Some(now),
                newest_sample: Some(now),
                coverage: Coverage::default(),
            };
            let freshness = Freshness {
                max_age: Duration::from_secs(120),
            };
            let seen = [Observation::judge(
                Ok(reading),
                freshness,
                current,
                Readiness::Unknown,
                now,
            )]
            .into_iter()
            .collect();
            let decision = evaluate(
                policy,
                &Workload::running(current),
                &seen,
                &mut memory,
                now,
                &mut NoSteps,
            );
            memory.record_outcome(&decision, Outcome::Written, now);
            memory = between(std::mem::take(&mut memory));
            current = decision.desired();
            (decision, memory.clone())
        })
        .collect()
}

#[track_caller]
fn check(text: &str, per_replica: f64, most: u32) {
    let policy = policy(per_replica);
    let whole = run(text, &policy, |memory| memory);
    let restarted = run(text, &policy, |memory| {
        postcard::from_bytes(&postcard::to_stdvec(&memory).unwrap()).unwrap()
    });
    assert_eq!(whole, restarted);
    let counts: Vec<u32> = whole
        .iter()
        .map(|(decision, _)| decision.desired().get())
        .collect();
    assert_eq!(
        (counts.iter().min(), counts.iter().max()),
        (Some(&2), Some(&most)),
        "the load moves the count"
    );
}

#[test]
fn a_smooth_day_is_the_same_with_a_restart_after_every_step() {
    check(include_str!("traces/azfn-diurnal.csv"), 4.0, 9);
}

#[test]
fn a_day_of_hourly_spikes_is_the_same_with_a_restart_after_every_step() {
    check(include_str!("traces/azfn-hourly-spikes.csv"), 4.0, 19);
}

#[test]
fn two_days_of_a_database_client_are_the_same_with_a_restart_after_every_step() {
    check(include_str!("traces/mongo-rps-spiky.csv"), 20.0, 11);
}
