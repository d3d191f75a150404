//! headroom's engine inside another tool: values in, a decision out. Nothing is read, called or written.
//!
//! `cargo run -p headroom-policy-engine --example embed`

#![expect(clippy::print_stdout, reason = "an example shows what comes out")]

use std::{error::Error, time::Duration};

use headroom_policy_engine::*;

fn main() -> Result<(), Box<dyn Error>> {
    let (name, kind) = (MetricName::new("request_rate"), MetricKind::External);
    let hundred_each = MetricRule::PerReplica(Target::new(100.0)?);
    let policy = WorkloadPolicy::following(
        vec![MetricPolicy::new(name, kind, hundred_each, Tolerance::TENTH)],
        ReplicaBounds::new(Replicas::new(2), Replicas::new(10))?,
        ScalingRules::unlimited(StabilizationWindow::new(Duration::ZERO)?),
        ScalingRules::unlimited(StabilizationWindow::new(Duration::from_secs(300))?),
        EvaluationInterval::new(Duration::from_secs(60))?,
    );
    let (mut workload, mut memory) = (Workload::running(Replicas::new(4)), Memory::default());
    for (minute, value) in (0..).zip([380.0, 930.0, 950.0, 400.0, 390.0, 400.0, 410.0, 400.0, 400.0]) {
        let now = Timestamp::from_unix_millis(minute * 60_000);
        let (measured_at, coverage) = (Some(now), Coverage::default());
        let sample = Observation::Fresh(Sample {
            value,
            measured_at,
            coverage,
        });
        let seen = [sample].into_iter().collect();
        let mut steps = Explanation::default();
        let decision = evaluate(&policy, &workload, &seen, &mut memory, now, &mut steps);
        println!("minute {minute}: {decision}\n{steps}");
        memory.record_outcome(&decision, Outcome::Written, now); // as a real tool does once the count is set
        workload.current = decision.desired();
    }
    Ok(())
}
