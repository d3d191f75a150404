//! What each pod asks for (`hpa-semantics` §5).

use super::{Gates, MetricError};
use crate::{Container, ContainerId, InitKind, Milli, Pod, Resource};

/// What each of `pods` asks for of `resource`: the container that is named, or the whole pod.
///
/// One pod's failure fails the whole metric, ignored pods' too.
pub fn pod_requests<'a>(
    pods: &'a [Pod],
    resource: Resource,
    container: Option<ContainerId>,
    gates: &'a Gates,
) -> impl Iterator<Item = Result<Milli, MetricError>> + 'a {
    pods.iter()
        .map(move |pod| pod_request(pod, resource, container, gates))
}

/// What one pod asks for.
pub(super) fn pod_request(
    pod: &Pod,
    resource: Resource,
    container: Option<ContainerId>,
    gates: &Gates,
) -> Result<Milli, MetricError> {
    match (container, &pod.pod_level) {
        (Some(id), _) => of_container(pod, resource, id),
        (None, Some(asked)) if gates.pod_level_resources && asked.has_cpu_or_memory() => {
            let own = match resource {
                Resource::Cpu | Resource::Memory => asked.of(resource),
                Resource::Other(_) => None,
            };
            let request = own.or_else(|| scheduled(pod, resource));
            request.ok_or(MetricError::MissingRequest)
        }
        (None, _) => of_all(pod, resource),
    }
}

/// The containers that go on: the ordinary ones, and sidecars.
fn lasting(pod: &Pod) -> impl Iterator<Item = &Container> {
    let sidecars = pod.init_containers.iter().filter(|init| match init.kind {
        InitKind::Sidecar => true,
        InitKind::Ordinary => false,
    });
    pod.containers.iter().chain(sidecars.map(|init| &init.container))
}

fn of_container(pod: &Pod, resource: Resource, id: ContainerId) -> Result<Milli, MetricError> {
    let found = lasting(pod).find(|container| container.id == id);
    let container = found.ok_or(MetricError::ContainerNotFound)?;
    container.requests.of(resource).ok_or(MetricError::MissingRequest)
}

fn of_all(pod: &Pod, resource: Resource) -> Result<Milli, MetricError> {
    lasting(pod).try_fold(Milli::ZERO, |sum, container| {
        let request = container.requests.of(resource);
        request.map_or(Err(MetricError::MissingRequest), |request| {
            Ok(sum.saturating_add(request))
        })
    })
}

/// What the scheduler would reserve: containers and sidecars with gaps as nothing, or the peak of the init containers
/// where that is higher. `None` where nobody asks.
fn scheduled(pod: &Pod, resource: Resource) -> Option<Milli> {
    let add = |sum: Option<Milli>, more: Option<Milli>| match (sum, more) {
        (Some(sum), Some(more)) => Some(sum.saturating_add(more)),
        (one, other) => one.or(other),
    };
    let of = |container: &Container| container.requests.of(resource);
    let running = lasting(pod).map(of).fold(None, add);
    let (mut sidecars, mut peak) = (None, None);
    for init in &pod.init_containers {
        let at_once = add(sidecars, of(&init.container));
        match init.kind {
            InitKind::Sidecar => sidecars = at_once,
            InitKind::Ordinary => {}
        }
        peak = peak.max(at_once);
    }
    running.max(peak)
}
