//! What the guards need to know of a target's surroundings, and the words for what cannot be known.
//!
//! A permission that is missing switches the guard off that needs it, and that is said. Whatever else keeps a question
//! from being answered is an error of the workload: unknown is never none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headroom_cluster::{
    FieldManager, Hpa, Need, ObjectName, Objects, Pod, PodTrouble, Resource, Scalable, ScaledObject,
    UpdateMode, Vpa,
};
use headroom_policy_engine::{Hold, RaisedCondition, Replicas};

use crate::{FollowedRequest, KubernetesTarget};

/// That `guard` is off, because what it needs may not be read in `namespace`, with the rule that allows it.
pub(super) fn off(guard: &str, need: &Need, namespace: &str) -> RaisedCondition {
    let permission = need.permission(namespace);
    let because = format!(
        "{} in namespace {namespace} may not be read; allow it with the rule {}",
        permission.resource_in_group(),
        permission.rule()
    );
    RaisedCondition::GuardOff {
        guard: guard.into(),
        because: because.into(),
    }
}

/// The other scalers of `object`, which is a `resource`. An HPA that KEDA made is told as the ScaledObject it is of.
pub(super) fn second_scalers(
    object: &ObjectName,
    resource: &Resource,
    hpas: Option<&Objects<Hpa>>,
    scaled_objects: Option<&Objects<ScaledObject>>,
) -> Vec<Hold> {
    let is_ours = |group: &str, kind: &str, name: &str| {
        group == resource.group && kind == resource.kind && name == object.name
    };
    let scaled_objects = scaled_objects
        .into_iter()
        .flat_map(Objects::all)
        .filter(|one| is_ours(&one.target_group, &one.target_kind, &one.target_name))
        .map(|one| (format!("ScaledObject/{}", one.name), None));
    let hpas = hpas
        .into_iter()
        .flat_map(Objects::all)
        .filter(|hpa| is_ours(&hpa.target_group, &hpa.target_kind, &hpa.target_name))
        .map(|hpa| match &hpa.scaled_object {
            Some(name) => (format!("ScaledObject/{name}"), hpa.wants),
            None => (format!("HorizontalPodAutoscaler/{}", hpa.name), hpa.wants),
        });
    let mut wanted: BTreeMap<String, Option<u32>> = BTreeMap::new();
    for (name, wants) in scaled_objects.chain(hpas) {
        let known = wanted.entry(name).or_default();
        *known = known.or(wants);
    }
    let holds = wanted.into_iter().map(|(name, wants)| Hold::SecondScaler {
        name: name.into(),
        wants: wants.map(Replicas::new),
    });
    holds.collect()
}

/// Another headroom than `own` that set the count of `object` last. Whether it is a second one or was this one, by a state
/// that was lost, is the engine's to say.
pub(super) fn second_headroom(object: &Scalable, own: &FieldManager) -> Option<Hold> {
    let owner = object.replicas_owner.as_ref()?;
    own.is_other(&owner.manager).then(|| Hold::SecondHeadroom {
        by: (&*owner.manager).into(),
    })
}

/// The VerticalPodAutoscalers that are for what the count of a target follows.
#[derive(Debug, Default)]
pub(super) struct Vertical<'a> {
    vpas: Vec<&'a Vpa>,
    requests: &'a [FollowedRequest],
}

impl<'a> Vertical<'a> {
    /// Those among `vpas` that name the object of `target`, which is a `resource`.
    pub(super) fn of(
        target: &'a KubernetesTarget,
        resource: &Resource,
        vpas: Option<&'a Objects<Vpa>>,
    ) -> Self {
        let vpas = vpas.into_iter().flat_map(Objects::all).map(|vpa| &**vpa);
        let vpas = vpas.filter(|vpa| {
            *vpa.target_group == *resource.group
                && *vpa.target_kind == *resource.kind
                && *vpa.target_name == *target.object.name
        });
        Self {
            vpas: vpas.collect(),
            requests: &target.requests,
        }
    }

    /// What those that set requests hold: the count and the requests that it follows would chase each other.
    pub(super) fn holds(&self, pods: &[&Arc<Pod>]) -> Vec<Hold> {
        let sets = self.told(pods, |mode| match mode {
            UpdateMode::Off => None,
            UpdateMode::Sets(mode) => Some(mode),
        });
        let holds = sets.map(|(vpa, resources, mode)| Hold::RequestsSet {
            by: called(vpa),
            resources: resources.into(),
            mode: (&**mode).into(),
        });
        holds.collect()
    }

    /// That some recommend requests, and set none.
    pub(super) fn remarks(&self, pods: &[&Arc<Pod>]) -> Vec<RaisedCondition> {
        let recommends = self.told(pods, |mode| match mode {
            UpdateMode::Off => Some(()),
            UpdateMode::Sets(_) => None,
        });
        let remarks = recommends.map(|(vpa, resources, ())| RaisedCondition::RequestsRecommended {
            by: called(vpa),
            resources: resources.into(),
        });
        remarks.collect()
    }

    /// Those in a mode of `wanted` that are for a request that the count follows, with the resources.
    fn told<T>(
        &self,
        pods: &[&Arc<Pod>],
        wanted: impl Fn(&'a UpdateMode) -> Option<T>,
    ) -> impl Iterator<Item = (&'a Vpa, String, T)> {
        self.vpas.iter().filter_map(move |vpa| {
            let mode = wanted(&vpa.mode)?;
            let followed = self.requests.iter().filter(|one| controls(vpa, one, pods));
            let resources: BTreeSet<&str> = followed.filter_map(|one| one.resource.name()).collect();
            let resources = resources.into_iter().collect::<Vec<_>>().join(" and ");
            (!resources.is_empty()).then_some((*vpa, resources, mode))
        })
    }
}

fn called(vpa: &Vpa) -> Arc<str> {
    format!("VerticalPodAutoscaler/{}", vpa.name).into()
}

fn controls(vpa: &Vpa, followed: &FollowedRequest, pods: &[&Arc<Pod>]) -> bool {
    let Some(resource) = followed.resource.name() else {
        return false;
    };
    if let Some(container) = &followed.container {
        return vpa.controls(resource, container);
    }
    if pods.is_empty() {
        return vpa.may_control(resource);
    }
    let mut containers = pods.iter().flat_map(|pod| pod.lasting());
    containers.any(|container| vpa.controls(resource, &container.name))
}

/// That some of `pods` do not come up, with the words of the first that tells why.
pub(super) fn not_starting<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<RaisedCondition> {
    let is_stuck = |pod: &&Pod| pod.counts() && !pod.is_ready() && pod.trouble.is_some();
    let stuck: Vec<&Pod> = pods.into_iter().filter(is_stuck).collect();
    let trouble = stuck.first()?.trouble.as_deref()?;
    Some(RaisedCondition::ReplicasNotStarting {
        replicas: Replicas::new(u32::try_from(stuck.len()).unwrap_or(u32::MAX)),
        because: words(trouble).into(),
    })
}

fn words(trouble: &PodTrouble) -> String {
    match trouble {
        PodTrouble::Unschedulable { message } if message.is_empty() => "no node takes it".to_owned(),
        PodTrouble::Unschedulable { message } => message.to_string(),
        PodTrouble::Waiting {
            container,
            reason,
            message,
        } => {
            let colon = if message.is_empty() { "" } else { ": " };
            format!("container {container}: {reason}{colon}{message}")
        }
    }
}
