//! From what a source returned to one number for each pod, or for all (`hpa-semantics` §3).

use std::time::Duration;

use super::{MetricError, MetricKind};
use crate::{MetricSamples, Milli, PerPod, PodUsage, PodValue, Timestamp};

/// How long a pod's own metric was measured over where the source does not say.
const DEFAULT_WINDOW: Duration = Duration::from_secs(60);

/// One number of one pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodSample {
    /// The number.
    pub value: Milli,
    /// When it was measured.
    pub measured_at: Timestamp,
    /// Over how long.
    pub window: Duration,
}

/// What a metric comes to.
#[derive(Clone, Copy, Debug)]
pub enum Aggregated<'a> {
    /// A number for each pod.
    PerPod(PodSamples<'a>),
    /// One number for an object.
    Object(Milli),
    /// The sum of the series; the largest quantity where it does not fit.
    Total(Milli),
}

/// A number for each pod, worked out where it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PodSamples<'a>(Measured<'a>);

#[derive(Clone, Copy, Debug)]
enum Measured<'a> {
    Usage(&'a PerPod<PodUsage>, MetricKind),
    Values(&'a PerPod<PodValue>),
}

/// Adds up what the source returned for a metric of `kind`.
///
/// A pod whose sample lists no container, or a container without the resource, has no number; nor has one that does not
/// list the container that is asked for. That is no error.
///
/// # Errors
/// When the source returned nothing, or something that a metric of this kind is not made of.
pub fn aggregate_samples(kind: MetricKind, samples: &MetricSamples) -> Result<Aggregated<'_>, MetricError> {
    let per_pod = |measured| Ok(Aggregated::PerPod(PodSamples(measured)));
    match (kind, samples) {
        (MetricKind::Resource(_) | MetricKind::ContainerResource(..), MetricSamples::Usage(usage))
            if !usage.is_empty() =>
        {
            per_pod(Measured::Usage(usage, kind))
        }
        (MetricKind::Pods, MetricSamples::Values(values)) if !values.is_empty() => {
            per_pod(Measured::Values(values))
        }
        (MetricKind::Object, MetricSamples::Object(value)) => Ok(Aggregated::Object(*value)),
        (MetricKind::External, MetricSamples::Series(series)) if !series.is_empty() => {
            let sum = series
                .iter()
                .fold(Milli::ZERO, |sum, &value| sum.saturating_add(value));
            Ok(Aggregated::Total(sum))
        }
        (
            MetricKind::Resource(_)
            | MetricKind::ContainerResource(..)
            | MetricKind::Pods
            | MetricKind::Object
            | MetricKind::External
            | MetricKind::Unsupported,
            _,
        ) => Err(MetricError::NoMetrics),
    }
}

impl<'a> PodSamples<'a> {
    /// The number of the pod at `index`; `None` where it has none.
    #[must_use]
    pub fn of_pod(self, index: usize) -> Option<PodSample> {
        match self.0 {
            Measured::Usage(usage, kind) => usage
                .of_pods
                .get(index)?
                .as_ref()
                .and_then(|usage| of_usage(usage, kind)),
            Measured::Values(values) => values.of_pods.get(index)?.as_ref().map(of_value),
        }
    }

    /// The numbers of pods that the selector does not match. They are not thrown away (§12, strangers).
    pub fn strangers(self) -> impl Iterator<Item = PodSample> + 'a {
        let (usage, values) = match self.0 {
            Measured::Usage(usage, kind) => (Some((usage, kind)), None),
            Measured::Values(values) => (None, Some(values)),
        };
        let usage = usage.into_iter().flat_map(|(usage, kind)| {
            usage
                .strangers
                .iter()
                .filter_map(move |usage| of_usage(usage, kind))
        });
        let values = values
            .into_iter()
            .flat_map(|values| values.strangers.iter().map(of_value));
        usage.chain(values)
    }
}

fn of_usage(usage: &PodUsage, kind: MetricKind) -> Option<PodSample> {
    let value = match kind {
        MetricKind::Resource(resource) => {
            let mut each = usage
                .containers
                .iter()
                .map(|container| container.usage.of(resource));
            let first = each.next()??;
            each.try_fold(first, |sum, one| Some(sum.saturating_add(one?)))?
        }
        MetricKind::ContainerResource(resource, id) => {
            let container = usage.containers.iter().find(|container| container.id == id)?;
            container.usage.of(resource)?
        }
        MetricKind::Pods | MetricKind::Object | MetricKind::External | MetricKind::Unsupported => {
            return None;
        }
    };
    Some(PodSample {
        value,
        measured_at: usage.measured_at,
        window: usage.window,
    })
}

fn of_value(value: &PodValue) -> PodSample {
    PodSample {
        value: value.value,
        measured_at: value.measured_at,
        window: value.window.unwrap_or(DEFAULT_WINDOW),
    }
}
