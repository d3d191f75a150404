//! headroom's engine inside another tool: values in, a decision out. Nothing is read, called or written.
//!
//! `cargo run -p headroom-policy-engine --example embed`

#![expect(clippy::print_stdout, reason = "an example shows what comes out")]

use std::{error::Error, time::Duration};

use headroom_policy_engine::*;

fn main() -> Result<(), Box<dyn Error>> {
    let rules = |window| -> Result<ScalingRules, PolicyError> {
        let stabilization = StabilizationWindow::new(window)?;
        let limits = ChangeLimits {
            select: LimitSelection::Max,
            limits: Vec::new(),
        };
        Ok(ScalingRules {
            stabilization,
            limits,
        })
    };
    let policy = WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(Replicas::new(2), Replicas::new(10))?,
        zero: None,
        metrics: vec![MetricPolicy::new(
            MetricName::new("request_rate"),
            MetricKind::External,
            MetricRule::PerReplica(Target::new(100.0)?),
            Tolerance::new(0.1, 0.1)?,
        )],
        scale_up: rules(Duration::ZERO)?,
        scale_down: rules(Duration::from_secs(300))?,
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: 4,
        },
        interval: EvaluationInterval::new(Duration::from_secs(60))?,
    };
    let (mut workload, mut memory) = (Workload::running(Replicas::new(4)), Memory::default());
    for (minute, rate) in (0..).zip([380.0, 930.0, 950.0, 400.0, 390.0, 400.0, 410.0, 400.0, 400.0]) {
        let now = Timestamp::from_unix_millis(minute * 60_000);
        let sample = Sample {
            value: rate,
            measured_at: Some(now),
            coverage: Coverage::default(),
        };
        let seen: Observations = [Observation::Fresh(sample)].into_iter().collect();
        let mut steps = Explanation::default();
        let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut steps);
        println!("minute {minute}: {decision}");
        steps.0.iter().for_each(|step| println!("    {step}"));
        memory.record_outcome(&decision, Outcome::Written, now); // as a real tool does once the count is set
        workload.current = decision.desired();
    }
    Ok(())
}
