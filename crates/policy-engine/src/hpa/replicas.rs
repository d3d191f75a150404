//! The count that one metric asks for (`hpa-semantics` §6).
//!
//! Each sum is taken in one walk over the pods; nothing is allocated.

use super::{
    Aggregated, HpaSettings, MetricError, MetricKind, PodClass, PodSamples, StartingPods, aggregate_samples,
    classify::classify,
    ratio::{Sum, usage_of, utilization_of},
    requests::pod_request,
};
use crate::{
    ConditionStatus, ContainerId, MetricSamples, Milli, Pod, PodPhase, Resource, Timestamp, Tolerance,
    pod::as_f64,
};

/// What a metric is to be kept at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HpaTarget {
    /// So many percent of the requests, on average over the pods. Above zero.
    Utilization(i32),
    /// So much for each pod. Above zero.
    AverageValue(Milli),
    /// The value itself. Above zero.
    Value(Milli),
}

/// The counts of a scale target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScaleCounts {
    /// The wanted count (`spec.replicas` of the scale).
    pub spec: i32,
    /// The observed count (`status.replicas` of the scale).
    pub status: i32,
}

/// What one metric comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricReplicas {
    /// The count it asks for. Below zero only where the metric is.
    pub replicas: i32,
    /// The value as the status of an HPA shows it.
    pub shown: Shown,
}

/// The value of a metric as the status of an HPA shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A utilization.
    Utilization {
        /// In whole percent of the requests.
        percent: i32,
        /// The mean usage behind it.
        average: Milli,
    },
    /// A mean.
    Average(Milli),
    /// The value itself.
    Value(Milli),
}

/// What is asked of every metric of a round.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The counts of the target.
    pub scale: ScaleCounts,
    /// Every pod that its selector matches.
    pub pods: &'a [Pod],
    /// What the controller is set to.
    pub settings: &'a HpaSettings,
    /// The moment of the round.
    pub now: Timestamp,
}

/// The count that keeps a metric of `kind` at `target`, inside `tolerance` the present one.
///
/// # Errors
/// When the source failed, had nothing that can be used, or a pod does not say what it asks for.
pub fn desired_replicas(
    kind: MetricKind,
    target: HpaTarget,
    samples: Result<&MetricSamples, MetricError>,
    tolerance: Tolerance,
    asked: Asked<'_>,
) -> Result<MetricReplicas, MetricError> {
    let per_pod = |container| PerPodMetric {
        container,
        resource: match kind {
            MetricKind::Resource(resource) | MetricKind::ContainerResource(resource, _) => Some(resource),
            MetricKind::Pods | MetricKind::Object | MetricKind::External | MetricKind::Unsupported => None,
        },
        tolerance,
        asked,
    };
    match (kind, target) {
        (MetricKind::Resource(resource), HpaTarget::Utilization(percent)) => {
            per_pod(None).utilization(per_pod_samples(kind, samples)?, resource, percent)
        }
        (MetricKind::ContainerResource(resource, id), HpaTarget::Utilization(percent)) => {
            per_pod(Some(id)).utilization(per_pod_samples(kind, samples)?, resource, percent)
        }
        (
            MetricKind::Resource(_) | MetricKind::ContainerResource(..) | MetricKind::Pods,
            HpaTarget::AverageValue(value),
        ) => per_pod(None).average(per_pod_samples(kind, samples)?, value),
        (MetricKind::Object | MetricKind::External, HpaTarget::Value(value)) => {
            value_replicas(one_value(kind, samples)?, value, tolerance, asked)
        }
        (MetricKind::Object | MetricKind::External, HpaTarget::AverageValue(value)) => Ok(
            average_value_replicas(one_value(kind, samples)?, value, tolerance, asked.scale),
        ),
        (MetricKind::Unsupported, _) => Err(MetricError::UnknownKind),
        (MetricKind::Resource(_) | MetricKind::ContainerResource(..), HpaTarget::Value(_))
        | (MetricKind::Pods, HpaTarget::Utilization(_) | HpaTarget::Value(_))
        | (MetricKind::Object | MetricKind::External, HpaTarget::Utilization(_)) => {
            Err(MetricError::WrongTarget)
        }
    }
}

fn per_pod_samples(
    kind: MetricKind,
    samples: Result<&MetricSamples, MetricError>,
) -> Result<PodSamples<'_>, MetricError> {
    match aggregate_samples(kind, samples?)? {
        Aggregated::PerPod(samples) => Ok(samples),
        Aggregated::Object(_) | Aggregated::Total(_) => Err(MetricError::NoMetrics),
    }
}

fn one_value(kind: MetricKind, samples: Result<&MetricSamples, MetricError>) -> Result<Milli, MetricError> {
    match aggregate_samples(kind, samples?)? {
        Aggregated::Object(value) | Aggregated::Total(value) => Ok(value),
        Aggregated::PerPod(_) => Err(MetricError::NoMetrics),
    }
}

/// A metric with a number for each pod.
#[derive(Clone, Copy)]
struct PerPodMetric<'a> {
    resource: Option<Resource>,
    container: Option<ContainerId>,
    tolerance: Tolerance,
    asked: Asked<'a>,
}

/// The pods of a metric, added up by what they are good for. Requests are zero where nobody asks for them.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    ready: Sum,
    ready_requests: i64,
    /// Missing pods as they count on the way down: as if they used all they ask for.
    missing: Sum,
    missing_requests: i64,
    unready: i64,
    unready_requests: i64,
    strangers: Sum,
}

impl PerPodMetric<'_> {
    /// `fill` is what stands for a missing pod that asks for so much.
    fn tally(
        self,
        samples: PodSamples<'_>,
        request: impl Fn(&Pod) -> Result<Milli, MetricError>,
        fill: impl Fn(Milli) -> Milli,
    ) -> Result<Tally, MetricError> {
        let Asked {
            pods, settings, now, ..
        } = self.asked;
        if pods.is_empty() {
            return Err(MetricError::NoPods);
        }
        let starting = StartingPods::of(self.resource);
        let mut tally = Tally::default();
        let mut failed = None;
        for (index, pod) in pods.iter().enumerate() {
            let request = request(pod).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                Milli::ZERO
            });
            let sample = samples.of_pod(index);
            match (classify(pod, sample, starting, settings, now), sample) {
                (PodClass::Ready, Some(sample)) => {
                    tally.ready.add(sample.value);
                    tally.ready_requests = tally.ready_requests.saturating_add(request.get());
                }
                (PodClass::Missing, _) | (PodClass::Ready, None) => {
                    tally.missing.add(fill(request));
                    tally.missing_requests = tally.missing_requests.saturating_add(request.get());
                }
                (PodClass::Unready, _) => {
                    tally.unready += 1;
                    tally.unready_requests = tally.unready_requests.saturating_add(request.get());
                }
                (PodClass::Ignored, _) => {}
            }
        }
        samples
            .strangers()
            .for_each(|sample| tally.strangers.add(sample.value));
        if tally.ready.count + tally.strangers.count == 0 {
            return Err(MetricError::NoMetricsForTargetedPods);
        }
        failed.map_or(Ok(tally), Err)
    }

    fn utilization(
        self,
        samples: PodSamples<'_>,
        resource: Resource,
        target: i32,
    ) -> Result<MetricReplicas, MetricError> {
        let gates = &self.asked.settings.gates;
        let full = i128::from(target.max(100));
        let tally = self.tally(
            samples,
            |pod| pod_request(pod, resource, self.container, gates),
            |request| share(request, full),
        )?;
        let seen = utilization_of(tally.ready, tally.ready_requests, target)?;
        let shown = Shown::Utilization {
            percent: seen.percent,
            average: seen.average,
        };
        self.settle(tally, seen.ratio, shown, |usage, requests| {
            utilization_of(usage, requests, target).map(|all| all.ratio)
        })
    }

    fn average(self, samples: PodSamples<'_>, target: Milli) -> Result<MetricReplicas, MetricError> {
        let mut tally = self.tally(samples, |_| Ok(Milli::ZERO), |_| target)?;
        // Strangers enter the mean like any other.
        tally.ready = tally.ready.plus(tally.strangers);
        let strangers = std::mem::take(&mut tally.strangers).count;
        let seen = usage_of(tally.ready, target);
        let ready_pods = tally.ready.count - strangers;
        self.settle_with(
            tally,
            ready_pods,
            seen.ratio,
            Shown::Average(seen.average),
            |usage, _| Ok(usage_of(usage, target).ratio),
        )
    }

    fn settle(
        self,
        tally: Tally,
        ratio: f64,
        shown: Shown,
        ratio_of: impl Fn(Sum, i64) -> Result<f64, MetricError>,
    ) -> Result<MetricReplicas, MetricError> {
        self.settle_with(tally, tally.ready.count, ratio, shown, ratio_of)
    }

    /// The common frame of §6.1, from step 3 on.
    fn settle_with(
        self,
        tally: Tally,
        ready_pods: i64,
        ratio: f64,
        shown: Shown,
        ratio_of: impl Fn(Sum, i64) -> Result<f64, MetricError>,
    ) -> Result<MetricReplicas, MetricError> {
        let spec = self.asked.scale.spec;
        let answer = |replicas| Ok(MetricReplicas { replicas, shown });
        let idle_unready = tally.unready > 0 && ratio > 1.0;
        if tally.missing.count == 0 && !idle_unready {
            return answer(if self.tolerance.contains(ratio) {
                spec
            } else {
                round_up(ratio * as_f64(ready_pods))
            });
        }
        let (mut usage, mut requests) = (tally.ready, tally.ready_requests);
        if ratio < 1.0 {
            usage = usage.plus(tally.missing);
            requests = requests.saturating_add(tally.missing_requests);
        } else if ratio > 1.0 {
            usage.count += tally.missing.count + tally.unready;
            let idle = tally.missing_requests.saturating_add(tally.unready_requests);
            requests = requests.saturating_add(idle);
        }
        let values = usage.count + tally.strangers.count;
        let corrected = ratio_of(usage, requests)?;
        let turned = (ratio < 1.0 && corrected > 1.0) || (ratio > 1.0 && corrected < 1.0);
        if self.tolerance.contains(corrected) || turned {
            return answer(spec);
        }
        let replicas = round_up(corrected * as_f64(values));
        let wrong_way = (corrected < 1.0 && replicas > spec) || (corrected > 1.0 && replicas < spec);
        answer(if wrong_way { spec } else { replicas })
    }
}

/// `percent` of `request`, cut to whole thousandths.
fn share(request: Milli, percent: i128) -> Milli {
    let part = i128::from(request.get()) * percent / 100;
    Milli::new(i64::try_from(part).unwrap_or(i64::MAX))
}

/// What one number asks for where every wanted pod can serve; `None` for a target that the HPA has not for one number.
pub(crate) fn one_value_replicas(
    value: Milli,
    target: HpaTarget,
    tolerance: Tolerance,
    scale: ScaleCounts,
) -> Option<i32> {
    match target {
        HpaTarget::Utilization(_) => None,
        HpaTarget::AverageValue(target) => {
            Some(average_value_replicas(value, target, tolerance, scale).replicas)
        }
        HpaTarget::Value(target) => {
            let serving = || Ok(i64::from(scale.spec));
            proportional_replicas(value, target, tolerance, scale.spec, serving).ok()
        }
    }
}

/// A value that is to be met itself (§6.5): in proportion to the pods that can serve.
fn value_replicas(
    value: Milli,
    target: Milli,
    tolerance: Tolerance,
    asked: Asked<'_>,
) -> Result<MetricReplicas, MetricError> {
    let serving = || {
        if asked.pods.is_empty() {
            return Err(MetricError::NoPods);
        }
        let can_serve = |pod: &&Pod| pod.phase == PodPhase::Running && pod.is_ready(ConditionStatus::True);
        let serving = asked.pods.iter().filter(can_serve).count();
        Ok(i64::try_from(serving).unwrap_or(i64::MAX))
    };
    Ok(MetricReplicas {
        replicas: proportional_replicas(value, target, tolerance, asked.scale.spec, serving)?,
        shown: Shown::Value(value),
    })
}

fn proportional_replicas(
    value: Milli,
    target: Milli,
    tolerance: Tolerance,
    spec: i32,
    serving: impl FnOnce() -> Result<i64, MetricError>,
) -> Result<i32, MetricError> {
    let ratio = as_f64(value.get()) / as_f64(target.get());
    Ok(if spec == 0 {
        round_up(ratio)
    } else if tolerance.contains(ratio) {
        spec
    } else {
        round_up(ratio * as_f64(serving()?))
    })
}

/// A value that is to be shared out (§6.6). Inside the tolerance it asks for the observed count, not the wanted one.
fn average_value_replicas(
    value: Milli,
    target: Milli,
    tolerance: Tolerance,
    scale: ScaleCounts,
) -> MetricReplicas {
    let (total, each) = (as_f64(value.get()), as_f64(target.get()));
    let status = f64::from(scale.status);
    let replicas = if tolerance.contains(total / (each * status)) {
        scale.status
    } else {
        round_up(total / each)
    };
    MetricReplicas {
        replicas,
        shown: Shown::Average(Milli::new(crate::pod::saturating_i64((total / status).ceil()))),
    }
}

/// Rounds up to a whole count; the nearest that fits, and zero for what is no number.
#[expect(clippy::cast_possible_truncation, reason = "saturating is what is meant")]
pub(super) const fn round_up(replicas: f64) -> i32 {
    replicas.ceil() as i32
}
