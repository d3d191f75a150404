//! The pods of a case, for metrics that are measured pod by pod.
//!
//! A case gives one number for such a metric, and every pod that is ready uses that much: a fraction of what it asks for
//! where the target is a utilization, the amount itself elsewhere. Pods that are not ready have started nothing yet.

use std::time::Duration;

use headroom_metrics_source::Answer;
use headroom_policy_engine::{
    Amounts, Container, ContainerId, ContainerUsage, MetricKind, MetricPolicy, MetricRule, MetricSamples,
    Milli, PerPod, Pod, PodPhase, PodUsage, Pods, Readiness, Resource, Timestamp, Workload, WorkloadPolicy,
};

/// What each container asks for of each resource. Large, so that fractions of it are exact enough.
const REQUEST: f64 = 1000.0;
/// Over how long metrics.k8s.io measures.
const WINDOW: Duration = Duration::from_secs(60);

/// The pods of `workload` with what they use; `None` where no metric is measured pod by pod.
pub(super) fn pods(
    policy: &WorkloadPolicy,
    workload: &Workload,
    answers: &[Answer],
    now: Timestamp,
) -> Option<Pods> {
    let of_pods = |metric: &&MetricPolicy| metric.kind.is_of_pods();
    policy.metrics.iter().find(of_pods)?;
    let count = workload.current.get();
    let ready = match workload.readiness {
        Readiness::Unknown => count,
        Readiness::Known { ready, .. } => ready.get().min(count),
    };
    let containers = containers(policy);
    let asking = |id: &ContainerId| Container {
        id: *id,
        requests: amounts(REQUEST),
    };
    let containers_of_pod: Vec<Container> = containers.iter().map(asking).collect();
    let pod = |index: u32| {
        let mut pod = Pod::running(containers_of_pod.clone());
        if index >= ready {
            pod.phase = PodPhase::Pending;
            pod.ready = None;
        }
        pod
    };
    let samples = policy.metrics.iter().zip(answers).map(|(metric, answer)| {
        let value = answer.reading.as_ref().ok()?.value;
        let usage = usage(metric, value, &containers, now)?;
        let of_pod = |index: u32| (index < ready).then(|| usage.clone());
        Some(MetricSamples::Usage(PerPod {
            of_pods: (0..count).map(of_pod).collect(),
            strangers: Vec::new(),
        }))
    });
    Some(Pods {
        samples: samples.collect(),
        pods: (0..count).map(pod).collect(),
    })
}

/// The containers that metrics speak of, or one.
fn containers(policy: &WorkloadPolicy) -> Vec<ContainerId> {
    let mut all = vec![ContainerId(0)];
    for metric in &policy.metrics {
        if let MetricKind::ContainerResource(_, id) = metric.kind
            && !all.contains(&id)
        {
            all.push(id);
        }
    }
    all
}

/// What one pod uses, as a sample of `metric`; `None` where that is no metric of pods.
fn usage(metric: &MetricPolicy, value: f64, containers: &[ContainerId], now: Timestamp) -> Option<PodUsage> {
    let (of, asked) = match metric.kind {
        // The first container uses what the whole pod does.
        #[expect(clippy::cast_precision_loss, reason = "a few containers")]
        MetricKind::Resource(_) => (containers.first().copied(), containers.len() as f64 * REQUEST),
        MetricKind::ContainerResource(_, id) => (Some(id), REQUEST),
        MetricKind::Pods | MetricKind::Object | MetricKind::External | MetricKind::Unsupported => {
            return None;
        }
    };
    let used = match metric.rule {
        MetricRule::Utilization(_) => value * asked,
        MetricRule::PerReplica(_)
        | MetricRule::Value(_)
        | MetricRule::Watermarks(_)
        | MetricRule::Step(_) => value,
    };
    let container = |id: &ContainerId| ContainerUsage {
        id: *id,
        usage: amounts(if Some(*id) == of { used } else { 0.0 }),
    };
    Some(PodUsage {
        measured_at: now,
        window: WINDOW,
        containers: containers.iter().map(container).collect(),
    })
}

fn amounts(of_each: f64) -> Amounts {
    let amount = Milli::from_value(of_each);
    Amounts::default()
        .with(Resource::Cpu, amount)
        .with(Resource::Memory, amount)
}
