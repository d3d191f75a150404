//! What the facts of an object and its pods are for a workload.

use std::{sync::Arc, time::Duration};

use headroom_cluster::{ClusterError, FieldManager, Objects, Pod, Rollout, Scalable};
use headroom_policy_engine::{
    CountOrigin, Deploy, Hold, RaisedCondition, Readiness, Replicas, SelectorState, Timestamp, Workload,
    hpa::Selector,
};

use super::{NOT_READY, guards};
use crate::{ReplicaAddress, ReplicaEndpoint, TargetState};

/// What was read of a target and its surroundings.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) object: &'a Scalable,
    /// All pods of its namespace; `None`: they may not be read.
    pub(super) pods: Option<&'a Objects<Pod>>,
    /// Whether they are told of one by one.
    pub(super) tells_pods: bool,
    /// What else scales it.
    pub(super) second_scalers: Vec<Hold>,
    /// What is for the requests that its count follows.
    pub(super) vertical: guards::Vertical<'a>,
    /// The guards that are off.
    pub(super) off: Vec<RaisedCondition>,
}

/// The state of a target at `now`.
pub(super) fn state(seen: Seen<'_>, now: Timestamp) -> Result<TargetState, ClusterError> {
    let Seen {
        object,
        pods,
        tells_pods,
        second_scalers,
        vertical,
        mut off,
    } = seen;
    let current = object.wanted()?;
    let (selector, pods) = match selector(object) {
        Ok(selector) => (SelectorState::Usable, pods.map(|pods| pods.selected(&selector))),
        Err(state) => {
            // Where pods may not be read, the guard is off for that.
            off.extend(pods.and(without_pods(state)));
            (state, None)
        }
    };
    let selected = pods.as_deref().unwrap_or_default();
    let not_starting = guards::not_starting(selected.iter().map(|pod| &***pod));
    let refused = object
        .refused
        .as_deref()
        .map(|because| RaisedCondition::ReplicasRefused {
            because: because.into(),
        });
    let workload = Workload {
        observed: Some(object.observed),
        selector,
        origin: origin(object),
        deploy: deploy(object),
        readiness: pods
            .as_deref()
            .map_or(Readiness::Unknown, |pods| readiness(current, pods, now)),
        holds: second_scalers
            .into_iter()
            .chain(vertical.holds(selected))
            .chain(holds(object, current))
            .collect(),
        raised: not_starting
            .into_iter()
            .chain(refused)
            .chain(vertical.remarks(selected))
            .chain(off)
            .collect(),
        ..Workload::running(current)
    };
    Ok(TargetState {
        workload,
        identity: (!object.uid.is_empty()).then(|| Arc::from(&*object.uid)),
        pods: pods
            .as_deref()
            .filter(|_| tells_pods)
            // What they request is told by who measures what they use.
            .map(|pods| pods.iter().map(|pod| pod.without_requests()).collect()),
        replicas: pods.iter().flatten().filter_map(|pod| endpoint(pod)).collect(),
    })
}

/// What the object itself tells that holds its count.
///
/// Pods that are there and do not come up hold nothing here: more may be what is needed, and how many more is the
/// not-ready guard's to say. Pods that are refused hold scaling up, for no count brings another one.
fn holds(object: &Scalable, current: Replicas) -> impl Iterator<Item = Hold> {
    let deleting = object.deleting.then_some(Hold::BeingDeleted);
    let rolling_out = match object.rollout {
        Rollout::UnderWay { until } => Some(Hold::RollingOut { until }),
        Rollout::Settled | Rollout::Unknown => None,
    };
    let missing = current.get().saturating_sub(object.observed.get()).max(1);
    let refused = object.refused.is_some().then_some(Hold::FailingToStart {
        failing: Replicas::new(missing),
    });
    [deleting, rolling_out, refused].into_iter().flatten()
}

fn selector(object: &Scalable) -> Result<Selector, SelectorState> {
    match object.selector.as_deref() {
        // An empty selector selects every pod there is, and nobody means that.
        None | Some("") => Err(SelectorState::Missing),
        Some(text) => Selector::parse(text).map_err(|_| SelectorState::Invalid),
    }
}

/// That the guard which needs pods is off, where the selector does not tell which those are.
fn without_pods(selector: SelectorState) -> Option<RaisedCondition> {
    let because = match selector {
        SelectorState::Usable | SelectorState::Ambiguous => return None,
        SelectorState::Missing => "the object has no selector, so its pods are not known",
        SelectorState::Invalid => "the object's selector cannot be read, so its pods are not known",
    };
    Some(RaisedCondition::GuardOff {
        guard: NOT_READY.into(),
        because: because.into(),
    })
}

/// Who wrote the count. Nobody, as far as the object tells, once it was zero by way of the scale subresource: the API
/// server loses the owner of a zero there, and does not find it again.
fn origin(object: &Scalable) -> CountOrigin {
    match &object.replicas_owner {
        None => CountOrigin::Read,
        Some(owner) if FieldManager::is_headroom(&owner.manager) => CountOrigin::WrittenByHeadroom,
        Some(_) => CountOrigin::WrittenByOthers,
    }
}

/// The deploy that set the count: somebody else wrote it who wrote the template of the pods in the same way too.
fn deploy(object: &Scalable) -> Option<Deploy> {
    let owner = object.replicas_owner.as_ref()?;
    let is_deploy = owner.wrote_template && !FieldManager::is_headroom(&owner.manager);
    owner.at.filter(|_| is_deploy).map(|at| Deploy {
        by: (&*owner.manager).into(),
        at,
    })
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
    pod.counts().then(|| ReplicaEndpoint {
        // The name is for people; a later pod may have it too.
        id: format!("{} ({})", pod.name, pod.uid).into(),
        address: ReplicaAddress::Pod {
            ip: pod.ip,
            ports: Arc::clone(&pod.ports),
            scrape_address: pod.scrape_address.clone(),
        },
        ready: pod.is_ready(),
    })
}

fn count(pods: usize) -> Replicas {
    Replicas::new(u32::try_from(pods).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
