//! Which pods' samples may be used (`hpa-semantics` §4).

use super::{HpaSettings, PodSample};
use crate::{ConditionStatus, Pod, PodPhase, Resource, Timestamp};

/// What a pod and its sample are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodClass {
    /// It is going away or has failed. Nothing of it counts.
    Ignored,
    /// It has not started, or its sample says nothing yet.
    Unready,
    /// It should have a sample and has none.
    Missing,
    /// Its sample counts.
    Ready,
}

/// Whether samples of pods that are starting may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartingPods {
    /// Not as a matter of course: starting costs CPU that is no load.
    Doubted,
    /// Always: memory and pods' own metrics.
    Trusted,
}

impl StartingPods {
    /// How samples of `resource` are taken; `None` is no resource.
    #[must_use]
    pub const fn of(resource: Option<Resource>) -> Self {
        match resource {
            Some(Resource::Cpu) => Self::Doubted,
            Some(Resource::Memory | Resource::Other(_)) | None => Self::Trusted,
        }
    }
}

/// Sorts the pods, each with the sample that `sample` has for its place.
pub fn classify_pods<'a>(
    pods: &'a [Pod],
    sample: impl Fn(usize) -> Option<PodSample> + 'a,
    starting: StartingPods,
    settings: &'a HpaSettings,
    now: Timestamp,
) -> impl Iterator<Item = PodClass> + 'a {
    pods.iter()
        .enumerate()
        .map(move |(index, pod)| classify(pod, sample(index), starting, settings, now))
}

/// What one pod and its sample are good for.
pub(super) fn classify(
    pod: &Pod,
    sample: Option<PodSample>,
    starting: StartingPods,
    settings: &HpaSettings,
    now: Timestamp,
) -> PodClass {
    match (pod.phase, sample) {
        _ if pod.deleted => PodClass::Ignored,
        (PodPhase::Failed, _) => PodClass::Ignored,
        (PodPhase::Pending, _) => PodClass::Unready,
        (PodPhase::Running | PodPhase::Succeeded | PodPhase::Unknown, None) => PodClass::Missing,
        (PodPhase::Running | PodPhase::Succeeded | PodPhase::Unknown, Some(sample)) => match starting {
            StartingPods::Doubted if !is_usable(pod, sample, settings, now) => PodClass::Unready,
            StartingPods::Doubted | StartingPods::Trusted => PodClass::Ready,
        },
    }
}

/// Whether a CPU sample shows load and not a start. Equality falls on the usable side.
fn is_usable(pod: &Pod, sample: PodSample, settings: &HpaSettings, now: Timestamp) -> bool {
    let (Some(ready), Some(started_at)) = (pod.ready, pod.started_at) else {
        return false;
    };
    let is_unready = ready.status == ConditionStatus::False;
    if started_at.plus(settings.cpu_initialization) > now {
        let whole_window = sample.measured_at >= ready.since.plus(sample.window);
        !is_unready && whole_window
    } else {
        let was_never_ready = started_at.plus(settings.initial_readiness_delay) > ready.since;
        !(is_unready && was_never_ready)
    }
}
