//! Metrics of pods, and those of the HPA: its arithmetic, on what the sources have for each pod.

use super::terms::target;
use crate::{
    MetricPolicy, MetricSamples, Milli, MissingCause, Observation, Sample, Tolerance,
    evaluate::Evaluation,
    hpa::{Asked, MetricError, MetricKind, MetricReplicas, ScaleCounts, Shown, desired_replicas},
};

/// The count that the metric at `index` asks for, as the HPA works it out.
pub(in crate::evaluate) fn hpa_replicas(
    at: Evaluation<'_>,
    index: usize,
    metric: &MetricPolicy,
    tolerance: Tolerance,
) -> Result<MetricReplicas, MetricError> {
    let target = target(&metric.rule).ok_or(MetricError::UnknownKind)?;
    let current = at.workload.current;
    let asked = Asked {
        scale: ScaleCounts {
            spec: current.as_hpa(),
            status: at.workload.observed.unwrap_or(current).as_hpa(),
        },
        pods: at.seen.pods().map_or(&[], |pods| &pods.pods),
        settings: &at.policy.hpa,
        now: at.now,
    };
    let answered = match at.seen.get(index).checked() {
        Observation::Fresh(sample) | Observation::Partial(sample) => Ok(sample),
        Observation::Missing {
            cause: MissingCause::NoData,
        } => Err(MetricError::NoMetrics),
        Observation::Missing {
            cause: MissingCause::Unusable { why },
        } => Err(why),
        Observation::Missing { .. } | Observation::Stale { .. } => Err(MetricError::Source),
    };
    match (at.seen.pods().and_then(|pods| pods.samples(index)), metric.kind) {
        (Some(samples), kind) => desired_replicas(kind, target, answered.map(|_| samples), tolerance, asked),
        // One number is one number, whether the HPA would get it of an object or from outside.
        (None, MetricKind::Object | MetricKind::External) => {
            let samples = answered.map(|sample| MetricSamples::Object(Milli::from_value(sample.value)));
            let samples = samples.as_ref().map_err(|error| *error);
            desired_replicas(MetricKind::Object, target, samples, tolerance, asked)
        }
        (None, kind) => desired_replicas(kind, target, Err(MetricError::Source), tolerance, asked),
    }
}

/// What is known of such a metric, as people are told: of pods the mean that the HPA would show, else the value itself.
pub(in crate::evaluate) fn shown(
    metric: &MetricPolicy,
    observation: Observation,
    outcome: Result<MetricReplicas, MetricError>,
) -> Observation {
    match (outcome, observation) {
        (Ok(_), Observation::Fresh(_) | Observation::Partial(_)) if !metric.kind.is_of_pods() => observation,
        (Ok(MetricReplicas { shown, .. }), Observation::Fresh(sample) | Observation::Partial(sample)) => {
            let value = match shown {
                Shown::Utilization { percent, .. } => f64::from(percent) / 100.0,
                Shown::Average(value) | Shown::Value(value) => value.value(),
            };
            let sample = Sample { value, ..sample };
            match observation {
                Observation::Partial(_) => Observation::Partial(sample),
                Observation::Fresh(_) | Observation::Stale { .. } | Observation::Missing { .. } => {
                    Observation::Fresh(sample)
                }
            }
        }
        (Err(why), Observation::Fresh(_) | Observation::Partial(_)) => Observation::Missing {
            cause: MissingCause::Unusable { why },
        },
        (_, Observation::Stale { .. } | Observation::Missing { .. }) => observation,
    }
}
