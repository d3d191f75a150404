//! What a workload scales.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use headroom_actuator::{
    CommandTarget, FollowedRequest, KubernetesTarget, ProcessTarget, ReadyCheck, ScaleTarget,
};
use headroom_cluster::{KindName, ObjectName};
use headroom_policy_engine::{Resource, Semantics, WorkloadId};

use super::{
    at::At,
    place::Place,
    problem::{Finding, ProblemKind},
    raw::{RawCommand, RawProcess, RawReady, RawWorkload},
    reader::{Reader, absent, conflict},
    words::{self, PathText, TargetText},
};
use crate::{MetricOrigin, MetricSettings};

/// Reads the target with its place; `None` after reporting what is wrong with it.
pub(super) fn target(
    id: &WorkloadId,
    named_at: Place,
    raw: &RawWorkload,
    state_dir: &Path,
    deadline: Duration,
    reader: &mut Reader<'_>,
) -> Option<At<ScaleTarget>> {
    let targets: Vec<(&str, Place)> = [
        ("scale_target", raw.scale_target.as_ref().map(|at| at.place)),
        ("process", raw.process.as_ref().map(|at| at.place)),
        ("command", raw.command.as_ref().map(|at| at.place)),
    ]
    .into_iter()
    .filter_map(|(key, place)| Some((key, place?)))
    .collect();
    if targets.len() > 1 {
        let message = format!("workload `{id}` has two targets");
        reader.report(conflict(
            message,
            &targets,
            "keep one; a second workload may have the other",
        ));
        return None;
    }
    if let Some(text) = &raw.scale_target {
        return kubernetes(id, named_at, text, reader);
    }
    if let Some(process) = &raw.process {
        let target = self::process(id, process, state_dir, reader)?;
        return Some(At {
            value: ScaleTarget::Process(Arc::new(target)),
            place: process.place,
        });
    }
    if let Some(command) = &raw.command {
        let target = self::command(id, command, deadline, reader)?;
        return Some(At {
            value: ScaleTarget::Command(Arc::new(target)),
            place: command.place,
        });
    }
    let help = "set scale_target = \"deployment/NAME\" (Kubernetes), process = { command = [\"./web\"] } (this machine) or \
                command = { get = [\"./replicas\"], set = [\"./scale\", \"{replicas}\"] }";
    reader.report(absent(format!("workload `{id}` has no target"), named_at, help));
    None
}

fn kubernetes(
    id: &WorkloadId,
    named_at: Place,
    text: &At<TargetText>,
    reader: &mut Reader<'_>,
) -> Option<At<ScaleTarget>> {
    let words = reader.word(words::target(&text.value.0), text.place);
    let Some(namespace) = id.namespace() else {
        let finding = Finding::new(ProblemKind::Absent, "a target in Kubernetes needs a namespace")
            .at(text.place)
            .labelled(named_at, "this workload has none");
        reader.report(finding.help(format!("call the workload \"NAMESPACE/{}\"", id.name())));
        return None;
    };
    let words = words?;
    Some(At {
        value: ScaleTarget::Kubernetes(Arc::new(KubernetesTarget {
            workload: id.clone(),
            object: ObjectName {
                kind: KindName {
                    kind: words.kind,
                    version: words.version,
                    group: words.group,
                },
                namespace: namespace.to_owned(),
                name: words.name,
            },
            requests: Vec::new(),
            tells_pods: false,
        })),
        place: text.place,
    })
}

/// The target of a workload whose count follows `metrics` by the rules of `semantics`.
pub(super) fn following(
    target: ScaleTarget,
    metrics: &[MetricSettings],
    semantics: Semantics,
) -> ScaleTarget {
    let mut target = match target {
        ScaleTarget::Kubernetes(target) => target,
        ScaleTarget::Process(_) | ScaleTarget::Command(_) => return target,
    };
    let followed = metrics.iter().filter_map(|metric| match &metric.origin {
        MetricOrigin::Resource { resource, container } => Some(FollowedRequest {
            resource: Resource::named(resource)?,
            container: container.clone(),
        }),
        MetricOrigin::Prometheus { .. } | MetricOrigin::Scrape { .. } | MetricOrigin::Recorded { .. } => None,
    });
    let following = Arc::make_mut(&mut target);
    following.requests = followed.collect();
    following.tells_pods = match semantics {
        // The HPA counts the pods that are ready, also while what they use cannot be measured.
        Semantics::Hpa(_) => true,
        Semantics::Headroom => false,
    };
    ScaleTarget::Kubernetes(target)
}

fn process(
    id: &WorkloadId,
    at: &At<RawProcess>,
    state_dir: &Path,
    reader: &mut Reader<'_>,
) -> Option<ProcessTarget> {
    let raw = &at.value;
    let command = arguments("command", raw.command.as_ref(), at.place, reader);
    let drain = reader.duration(raw.drain.as_ref());
    let ready = match &raw.ready {
        None => Some(ReadyCheck::Alive),
        Some(ready) => ready_check(ready, reader),
    };
    let environment: BTreeMap<String, String> = raw
        .environment
        .iter()
        .flat_map(|variables| &variables.0)
        .filter(|(name, _)| check_variable(name, reader))
        .map(|(name, value)| (name.value.clone(), value.value.clone()))
        .collect();
    let defined_at = raw.command.as_ref().map_or(at.place, |command| command.place);
    let directory = directory(raw.directory.as_ref(), defined_at, reader);
    Some(ProcessTarget {
        workload: id.clone(),
        command: command?,
        directory: directory?,
        environment,
        ready: ready?,
        drain: drain?.value,
        log_directory: state_dir.join("logs").join(id.as_str()),
    })
}

fn check_variable(name: &At<String>, reader: &mut Reader<'_>) -> bool {
    let problem = if name.value.is_empty() || name.value.contains(['=', '\0']) {
        format!("`{}` is no name for an environment variable", name.value)
    } else if name.value == "PORT" {
        "`PORT` is set by headroom, differently for each replica".to_owned()
    } else {
        return true;
    };
    let finding = Finding::new(ProblemKind::BadValue, problem).at(name.place);
    reader.report(finding.help("remove it; a replica listens on the PORT it is given"));
    false
}

fn ready_check(at: &At<RawReady>, reader: &mut Reader<'_>) -> Option<ReadyCheck> {
    match (&at.value.http, &at.value.tcp) {
        (Some(http), Some(tcp)) => {
            let keys = [("http", http.place), ("tcp", tcp.place)];
            reader.report(conflict(
                "a replica is ready by one check",
                &keys,
                "keep one of the two",
            ));
            None
        }
        (Some(path), None) if path.value.starts_with('/') => Some(ReadyCheck::Http {
            path: path.value.clone(),
        }),
        (Some(path), None) => {
            let finding =
                Finding::new(ProblemKind::BadValue, "a path on a replica starts with /").at(path.place);
            reader.report(finding.help(format!("write http = \"/{}\"", path.value)));
            None
        }
        (None, Some(tcp)) => Some(if tcp.value {
            ReadyCheck::Tcp
        } else {
            ReadyCheck::Alive
        }),
        (None, None) => {
            let help = "set http = \"/healthz\" or tcp = true, or remove `ready`";
            reader.report(absent("`ready` does not say how", at.place, help));
            None
        }
    }
}

fn command(
    id: &WorkloadId,
    at: &At<RawCommand>,
    deadline: Duration,
    reader: &mut Reader<'_>,
) -> Option<CommandTarget> {
    let raw = &at.value;
    let get = arguments("get", raw.get.as_ref(), at.place, reader);
    let set = arguments("set", raw.set.as_ref(), at.place, reader);
    let ready = match &raw.ready {
        None => Some(None),
        Some(_) => arguments("ready", raw.ready.as_ref(), at.place, reader).map(Some),
    };
    if let (Some(set), Some(written)) = (&set, &raw.set)
        && !set.iter().any(|argument| argument.contains("{replicas}"))
    {
        let finding = Finding::new(ProblemKind::Absent, "`set` is not told the count").at(written.place);
        reader.report(finding.help("write {replicas} where it belongs: [\"./scale\", \"{replicas}\"]"));
    }
    let timeout = match &raw.timeout {
        None => Some(deadline),
        Some(_) => reader.span("timeout", raw.timeout.as_ref()),
    };
    let defined_at = raw.set.as_ref().map_or(at.place, |set| set.place);
    let directory = directory(raw.directory.as_ref(), defined_at, reader);
    Some(CommandTarget {
        workload: id.clone(),
        get: get?,
        set: set?,
        ready: ready?,
        directory: directory?,
        timeout: timeout?,
    })
}

/// The directory that was set, else that of the file that `defined_at` is in.
fn directory(
    set: Option<&At<PathText>>,
    defined_at: Place,
    reader: &mut Reader<'_>,
) -> Option<std::path::PathBuf> {
    match set {
        Some(path) => reader.path(path),
        None => Some(reader.sources.directory(defined_at)),
    }
}

/// A program with its arguments.
fn arguments(
    key: &str,
    list: Option<&At<Vec<At<String>>>>,
    otherwise: Place,
    reader: &mut Reader<'_>,
) -> Option<Vec<String>> {
    let Some(list) = list else {
        let help = format!("set {key} = [\"PROGRAM\", \"ARGUMENT\"]");
        reader.report(absent(format!("`{key}` is not set"), otherwise, help));
        return None;
    };
    let words: Vec<String> = list.value.iter().map(|word| word.value.clone()).collect();
    if words.first().is_none_or(String::is_empty) {
        let finding = Finding::new(ProblemKind::BadValue, format!("`{key}` names no program")).at(list.place);
        reader.report(finding.help(format!("write {key} = [\"PROGRAM\", \"ARGUMENT\"]")));
        return None;
    }
    if let Some(word) = list.value.iter().find(|word| word.value.contains('\0')) {
        let message = format!("`{key}` has a NUL character in it");
        reader.report(
            Finding::new(ProblemKind::BadValue, message)
                .at(word.place)
                .help("remove it"),
        );
        return None;
    }
    Some(words)
}

/// Reports workloads that scale the same thing: they would undo each other's work.
pub(super) fn check_distinct(targets: &[(&WorkloadId, At<ScaleTarget>)], reader: &mut Reader<'_>) {
    let mut seen: BTreeMap<String, (&WorkloadId, Place)> = BTreeMap::new();
    for (id, target) in targets {
        // Each process target has replicas of its own.
        let Some(what) = identity_of(&target.value) else {
            continue;
        };
        match seen.get(&what) {
            None => {
                seen.insert(what, (id, target.place));
            }
            Some((first, first_at)) => {
                let message = format!("workloads `{first}` and `{id}` scale the same target");
                let mut finding = Finding::new(ProblemKind::Conflict, message).at(*first_at);
                if *first_at != target.place {
                    finding = finding.at(target.place);
                }
                reader.report(finding.help("one target has one policy; bring the two together"));
            }
        }
    }
}

fn identity_of(target: &ScaleTarget) -> Option<String> {
    match target {
        // One object has one count, in whatever version it is written.
        ScaleTarget::Kubernetes(target) => {
            let ObjectName {
                kind,
                namespace,
                name,
            } = &target.object;
            let group = kind.group.as_deref().unwrap_or_default();
            Some(format!("{namespace}/{}.{group}/{name}", kind.kind))
        }
        ScaleTarget::Command(target) => Some(format!("{:?} in {:?}", target.set, target.directory)),
        ScaleTarget::Process(_) => None,
    }
}
