//! What a cluster is asked about itself, about what it allows, and about the objects that are scaled in it.

use std::collections::{BTreeMap, BTreeSet, HashMap, hash_map::Entry};

use futures::stream::{self, StreamExt as _};
use headroom_actuator::{KubernetesTarget, ScaleTarget};
use headroom_autoscaler::{ClusterProbe, Configuration, Mode, Needs, PassRecord, Verdict, WorkloadSettings};
use headroom_cluster::{FieldManager, Need, Objects, Pod, PodMetrics, Requests, Scalable};
use headroom_policy_engine::{Timestamp, WorkloadId, hpa::Selector};

use super::{
    evictions,
    findings::{Answer, Finding},
};
use crate::moment;

/// The most questions that are asked at once.
const AT_ONCE: usize = 16;
/// How old what metrics.k8s.io says may be at least, however short its windows are.
const FRESH: std::time::Duration = std::time::Duration::from_secs(60);

fn finding(answer: Answer, subject: &str, part: &str, text: impl Into<String>) -> Finding {
    Finding {
        answer,
        subject: subject.to_owned(),
        part: part.to_owned(),
        text: text.into(),
    }
}

/// The cluster itself: whether it answers, what it allows, and whether it measures pods where that is asked for.
pub(super) async fn of_cluster(
    probe: &ClusterProbe,
    configuration: &Configuration,
    now: Timestamp,
) -> Vec<Finding> {
    let (server, origin) = (probe.inquiry.server(), probe.inquiry.origin());
    let answered = match probe.inquiry.version().await {
        Ok(version) => finding(
            Answer::Ok,
            "cluster",
            "api server",
            format!("Kubernetes {version} at {server} ({origin})"),
        ),
        // Whatever else is asked would say the same.
        Err(error) => {
            let text = format!("{error} ({origin})");
            return vec![finding(Answer::Failed, "cluster", "api server", text)];
        }
    };
    let needs = Needs::in_use(configuration, &probe.view).await;
    let mut findings = vec![answered];
    findings.extend(permissions(probe, &needs, now).await);
    let measured = needs.0.iter().filter(|(_, needs)| needs.contains(&Need::Usage));
    let asked: Vec<_> = measured
        .map(|(namespace, _)| metrics_api(probe, namespace, now))
        .collect();
    let metrics: Vec<_> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    findings.extend(metrics);
    findings
}

async fn permissions(probe: &ClusterProbe, needs: &Needs, now: Timestamp) -> Vec<Finding> {
    let each = needs.0.iter();
    let each = each.flat_map(|(namespace, needs)| needs.iter().map(move |need| (namespace, need)));
    let asked: Vec<_> = each
        .map(|(namespace, need)| permission(probe, namespace, need, now))
        .collect();
    let findings: Vec<Option<Finding>> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    findings.into_iter().flatten().collect()
}

/// One permission; `None` for one that is not missed, because there is nothing to read.
async fn permission(probe: &ClusterProbe, namespace: &str, need: &Need, now: Timestamp) -> Option<Finding> {
    let permission = need.permission(namespace);
    let (answer, text) = match probe.inquiry.missing(&permission).await {
        Ok(missing) if missing.is_empty() => (Answer::Ok, permission.to_string()),
        Ok(_) if !is_missed(probe, need, now).await => return None,
        Ok(missing) => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let text = format!(
                "{permission}: {} not allowed; add the rule {} (`headroom rbac` prints the whole Role)",
                missing.join(", "),
                permission.rule()
            );
            (if_missing(need), text)
        }
        Err(error) => (Answer::Failed, error.to_string()),
    };
    Some(finding(answer, "cluster", "permission", text))
}

/// Whether there is anything that `need` is needed for. Where that cannot be asked, there may be.
async fn is_missed(probe: &ClusterProbe, need: &Need, now: Timestamp) -> bool {
    match need.only_where_served() {
        Some(resource) => probe.view.is_served(&resource, now).await.unwrap_or(true),
        None => true,
    }
}

/// A guard can be off, an annotation left out, and a remark not be made; everything else is needed.
const fn if_missing(need: &Need) -> Answer {
    match need {
        Need::Pods | Need::Hpas | Need::ScaledObjects | Need::Vpas | Need::Pdbs | Need::Annotate { .. } => {
            Answer::Look
        }
        Need::Targets(_) | Need::ReadCount { .. } | Need::SetCount { .. } | Need::Usage => Answer::Failed,
    }
}

async fn metrics_api(probe: &ClusterProbe, namespace: &str, now: Timestamp) -> Finding {
    let (answer, text) = match probe.view.usage(namespace, now).await {
        Ok(usage) => freshness(&usage, namespace, now),
        Err(error) => (Answer::Failed, error.to_string()),
    };
    finding(answer, "cluster", "metrics API", text)
}

fn freshness(usage: &Objects<PodMetrics>, namespace: &str, now: Timestamp) -> (Answer, String) {
    let oldest = usage.all().iter().min_by_key(|one| one.measured_at);
    let Some(oldest) = oldest else {
        let text = format!("it answers, and has measured no pod of namespace {namespace}");
        return (Answer::Look, text);
    };
    let age = now.since(oldest.measured_at);
    let pods = usage.all().len();
    let text = format!(
        "{pods} measured pods in namespace {namespace}, the oldest value {} old",
        moment::span(age)
    );
    if age > FRESH.max(oldest.window.saturating_mul(3)) {
        (
            Answer::Failed,
            format!("{text}: look at the log of metrics-server"),
        )
    } else {
        (Answer::Ok, text)
    }
}

/// What is around each target that could be read, and whether its count may be written.
pub(super) async fn of_targets(
    probe: &ClusterProbe,
    configuration: &Configuration,
    record: &PassRecord,
) -> Vec<Finding> {
    let is_read = |workload: &&WorkloadSettings| {
        let mut records = record.decisions.iter();
        // One that is not read has said so already.
        records
            .any(|record| record.workload == workload.id && matches!(record.verdict, Verdict::Decided { .. }))
    };
    let asked: Vec<_> = configuration
        .workloads
        .iter()
        .filter(is_read)
        .filter_map(|workload| match &workload.target {
            ScaleTarget::Kubernetes(target) => Some(of_target(probe, workload, target, record.at)),
            ScaleTarget::Process(_) | ScaleTarget::Command(_) => None,
        })
        .collect();
    // Collected first: a stream over borrowed closures is not known to be `Send`.
    let mut answers: Vec<OfTarget> = stream::iter(asked).buffered(AT_ONCE).collect().await;
    say_what_is_scaled_twice(&mut answers);
    answers.into_iter().flat_map(|of| of.findings).collect()
}

/// What was found out about one target.
struct OfTarget {
    /// Whose it is.
    workload: WorkloadId,
    /// The uid of the object, where headroom is to write to it and it could be read.
    written: Option<Box<str>>,
    findings: Vec<Finding>,
}

/// Says of which objects several workloads would set the count. A kind has several names, and only the cluster knows which
/// of them mean the same.
fn say_what_is_scaled_twice(answers: &mut [OfTarget]) {
    let mut known: HashMap<Box<str>, WorkloadId> = HashMap::new();
    for of in answers {
        let Some(uid) = of.written.take() else {
            continue;
        };
        match known.entry(uid) {
            Entry::Vacant(first) => drop(first.insert(of.workload.clone())),
            Entry::Occupied(first) => {
                let text = format!(
                    "is the object of {} too, by another name of its kind: each would set the count that the other does \
                     not want; take one of them out",
                    first.get()
                );
                let found = finding(Answer::Failed, of.workload.as_str(), "target", text);
                of.findings.insert(0, found);
            }
        }
    }
}

async fn of_target(
    probe: &ClusterProbe,
    workload: &WorkloadSettings,
    target: &KubernetesTarget,
    now: Timestamp,
) -> OfTarget {
    let object = &target.object;
    let mut found: Vec<(Answer, &str, String)> = Vec::new();
    let mut written = None;
    if let Ok(scalable) = probe.view.scalable(object, now).await {
        written = (workload.mode == Mode::Apply).then(|| scalable.uid.clone());
        found.extend(owner(&scalable).map(|(answer, text)| (answer, "count", text)));
        // Where pods may not be read, that was said of the cluster.
        if let Ok(pods) = probe.view.pods(&object.namespace, now).await {
            found.extend(of_pods(target, &scalable, &pods));
            let own = (scalable.selector.as_deref().unwrap_or_default(), &*pods);
            let evictions = evictions::of_target(probe, workload, &object.namespace, own, now).await;
            found.extend(
                evictions
                    .into_iter()
                    .map(|(answer, text)| (answer, "evictions", text)),
            );
        }
    }
    match workload.mode {
        Mode::Apply => found.push(match probe.writing.try_write(&workload.target, now).await {
            Ok(()) => (Answer::Ok, "writing", "would be accepted (dry run)".to_owned()),
            Err(error) => (Answer::Failed, "writing", error.to_string()),
        }),
        Mode::Preview | Mode::Shadow => {}
    }
    let subject = workload.id.as_str();
    let findings = found.into_iter();
    OfTarget {
        workload: workload.id.clone(),
        written,
        findings: findings
            .map(|(answer, part, text)| finding(answer, subject, part, text))
            .collect(),
    }
}

/// Who wrote the count; nothing where nobody says that it did.
fn owner(scalable: &Scalable) -> Option<(Answer, String)> {
    let owner = scalable.replicas_owner.as_ref()?;
    Some(if FieldManager::is_headroom(&owner.manager) {
        let text = format!(
            "spec.replicas was set by headroom last (field manager {})",
            owner.manager
        );
        (Answer::Ok, text)
    } else {
        let text = format!(
            "spec.replicas was set by `{}` last; where that is a deploy, take the field out of its manifest, or each \
             deploy sets the count back",
            owner.manager
        );
        (Answer::Look, text)
    })
}

fn of_pods(
    target: &KubernetesTarget,
    scalable: &Scalable,
    pods: &Objects<Pod>,
) -> Vec<(Answer, &'static str, String)> {
    let text = scalable.selector.as_deref().unwrap_or_default();
    let selector = match Selector::parse(text) {
        Ok(selector) if !text.is_empty() => selector,
        Ok(_) => {
            let text = "it has no selector, so nothing is known of its pods".to_owned();
            return vec![(Answer::Look, "pods", text)];
        }
        Err(error) => {
            let text = format!("its selector `{text}` cannot be read: {error}");
            return vec![(Answer::Failed, "pods", text)];
        }
    };
    let selected = pods.selected(&selector).into_iter().map(|pod| &**pod);
    let selected: Vec<&Pod> = selected.filter(|pod| pod.counts()).collect();
    let wants_some = scalable.replicas.is_some_and(|wanted| wanted.get() > 0);
    let answer = if selected.is_empty() && wants_some {
        Answer::Look
    } else {
        Answer::Ok
    };
    let count = selected.len();
    let pods = if count == 1 { "pod" } else { "pods" };
    let mut found = vec![(answer, "pods", format!("{count} {pods} of `{text}`"))];
    found.extend(requests(&measured(target), &selected).map(|(answer, text)| (answer, "requests", text)));
    found
}

/// What metrics measure as a part of what is requested, each of one container or of all.
fn measured(target: &KubernetesTarget) -> Vec<(&str, Option<&str>)> {
    let requests = target.requests.iter();
    let measured = requests.filter_map(|one| Some((one.resource.name()?, one.container.as_deref())));
    measured.collect()
}

/// Whether every container that is needed has a request of its resource; nothing where none is needed.
fn requests(needed: &[(&str, Option<&str>)], pods: &[&Pod]) -> Option<(Answer, String)> {
    if needed.is_empty() || pods.is_empty() {
        return None;
    }
    let named: BTreeSet<&str> = needed.iter().filter_map(|(_, container)| *container).collect();
    let is_there = |name: &str| pods.iter().any(|pod| pod.lasting().any(|one| &*one.name == name));
    if let Some(absent) = named.into_iter().find(|name| !is_there(name)) {
        let text =
            format!("no pod has a container `{absent}`: name one that there is as `container` of the metric");
        return Some((Answer::Failed, text));
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for &(resource, container) in needed {
        for pod in pods {
            missing
                .entry(resource)
                .or_default()
                .extend(without(pod, resource, container));
        }
    }
    missing.retain(|_, containers| !containers.is_empty());
    if missing.is_empty() {
        return Some((Answer::Ok, "every container that is measured has them".to_owned()));
    }
    let missing = missing.into_iter().map(|(resource, containers)| {
        let containers: Vec<String> = containers.into_iter().map(|name| format!("`{name}`")).collect();
        format!("{} requests no {resource}", containers.join(", "))
    });
    let text = missing.collect::<Vec<_>>().join("; ");
    Some((
        Answer::Failed,
        format!("{text}: set resources.requests in the pod template"),
    ))
}

/// The containers of `pod` that request none of `resource` and have to: the one that is meant, or all that go on, where
/// the pod does not ask for them (as [`headroom_policy_engine::hpa::pod_requests`] has it).
fn without<'p>(pod: &'p Pod, resource: &str, container: Option<&str>) -> Vec<&'p str> {
    let has = |requests: &Requests| match resource {
        "memory" => requests.memory.is_some(),
        _ => requests.cpu.is_some(),
    };
    let asks = |pod: &Requests| pod.cpu.is_some() || pod.memory.is_some();
    if container.is_none()
        && let Some(whole) = pod.requests.as_ref().filter(|whole| asks(whole))
    {
        // Then what any container asks for is enough.
        let starting = pod.init_containers.iter().map(|(one, _)| one);
        let mut each = pod.containers.iter().chain(starting);
        if has(whole) || each.any(|one| has(&one.requests)) {
            return Vec::new();
        }
    }
    let meant = pod
        .lasting()
        .filter(|one| container.is_none_or(|name| name == &*one.name));
    meant
        .filter(|one| !has(&one.requests))
        .map(|one| &*one.name)
        .collect()
}

#[cfg(test)]
mod tests;
