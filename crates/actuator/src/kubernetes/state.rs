//! What the facts of an object and its pods are for a workload.

use std::{net::IpAddr, sync::Arc, time::Duration};

use headroom_cluster::{ClusterError, FIELD_MANAGER, Objects, Pod, Scalable};
use headroom_policy_engine::{
    CountOrigin, Hold, Readiness, Replicas, SelectorState, Timestamp, Workload, hpa::Selector,
};

use crate::{ReplicaEndpoint, TargetState};

/// The state of a target at `now`. `pods` are all of its namespace; `None`: they may not be read.
pub(super) fn state(
    object: &Scalable,
    pods: Option<&Objects<Pod>>,
    now: Timestamp,
) -> Result<TargetState, ClusterError> {
    let current = object.wanted()?;
    let (selector, pods) = match selector(object) {
        Ok(selector) => (SelectorState::Usable, pods.map(|pods| pods.selected(&selector))),
        Err(state) => (state, None),
    };
    let workload = Workload {
        observed: Some(object.observed),
        selector,
        origin: origin(object),
        readiness: pods
            .as_deref()
            .map_or(Readiness::Unknown, |pods| readiness(current, pods, now)),
        holds: object
            .deleting
            .then_some(Hold::BeingDeleted)
            .into_iter()
            .collect(),
        ..Workload::running(current)
    };
    Ok(TargetState {
        workload,
        replicas: pods.iter().flatten().filter_map(|pod| endpoint(pod)).collect(),
    })
}

fn selector(object: &Scalable) -> Result<Selector, SelectorState> {
    match object.selector.as_deref() {
        // An empty selector selects every pod there is, and nobody means that.
        None | Some("") => Err(SelectorState::Missing),
        Some(text) => Selector::parse(text).map_err(|_| SelectorState::Invalid),
    }
}

/// Who wrote the count. Nobody, as far as the object tells, once it was zero by way of the scale subresource: the API
/// server loses the owner of a zero there, and does not find it again.
fn origin(object: &Scalable) -> CountOrigin {
    match &object.replicas_owner {
        None => CountOrigin::Read,
        Some(owner) if &*owner.manager == FIELD_MANAGER => CountOrigin::WrittenByHeadroom,
        Some(_) => CountOrigin::WrittenByOthers,
    }
}

fn readiness(wanted: Replicas, pods: &[&Arc<Pod>], now: Timestamp) -> Readiness {
    let there: Vec<&&Arc<Pod>> = pods.iter().filter(|pod| pod.counts()).collect();
    let ready = there.iter().filter(|pod| pod.is_ready()).count();
    let waiting = there
        .iter()
        .filter_map(|pod| pod.unready_since())
        .map(|since| now.since(since));
    // Of pods that are not there yet nothing tells since when.
    let missing = (count(there.len()) < wanted).then_some(Duration::ZERO);
    Readiness::Known {
        ready: count(ready),
        longest_unready: waiting.max().max(missing),
    }
}

/// Where a pod can be asked. The port is the metric's to say.
fn endpoint(pod: &Pod) -> Option<ReplicaEndpoint> {
    let ip = pod.ip.filter(|_| pod.counts())?;
    let base_url = match ip {
        IpAddr::V4(ip) => format!("http://{ip}"),
        IpAddr::V6(ip) => format!("http://[{ip}]"),
    };
    Some(ReplicaEndpoint {
        id: (&*pod.uid).into(),
        base_url: base_url.into(),
        ready: pod.is_ready(),
    })
}

fn count(pods: usize) -> Replicas {
    Replicas::new(u32::try_from(pods).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
