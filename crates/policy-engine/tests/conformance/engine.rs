//! From the words of a case to the engine's types. Names become numbers here, and nowhere in the engine.

use std::time::Duration;

use headroom_policy_engine::{hpa::*, *};

use super::json;

/// What was wrong with a case.
pub type Bad = String;

/// The moment of every decision.
pub const NOW: Timestamp = Timestamp::from_unix_millis(1_800_000_000_000);

pub fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub fn ago(age_seconds: f64) -> Timestamp {
    NOW.minus(seconds(age_seconds))
}

/// Gives equal names equal numbers.
#[derive(Default)]
pub struct Names(Vec<String>);

impl Names {
    fn number(&mut self, name: &str) -> u16 {
        let index = self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        });
        u16::try_from(index).expect("a case has few names")
    }

    pub fn container(&mut self, name: &str) -> ContainerId {
        ContainerId(self.number(name))
    }

    pub fn resource(&mut self, name: &str) -> Resource {
        match name {
            "cpu" => Resource::Cpu,
            "memory" => Resource::Memory,
            other => Resource::Other(self.number(other)),
        }
    }

    fn amounts(&mut self, milli: Option<&json::Milli>) -> Amounts {
        milli
            .into_iter()
            .flatten()
            .fold(Amounts::default(), |amounts, (name, &amount)| {
                amounts.with(self.resource(name), Milli::new(amount))
            })
    }

    fn containers(&mut self, containers: &[json::Container]) -> Vec<Container> {
        let container = |container: &json::Container| Container {
            id: self.container(&container.name),
            requests: self.amounts(container.requests_milli.as_ref()),
        };
        containers.iter().map(container).collect()
    }

    pub fn pod(&mut self, pod: &json::Pod) -> Result<Pod, Bad> {
        let init = pod.init_containers.as_deref().unwrap_or_default();
        let kinds = init
            .iter()
            .map(|container| match container.restart_policy_always {
                true => InitKind::Sidecar,
                false => InitKind::Ordinary,
            });
        let ready = pod.ready.as_deref().map(status).transpose()?;
        Ok(Pod {
            phase: phase(pod.phase.as_deref().unwrap_or("Running"))?,
            deleted: pod.deleted,
            ready: ready.map(|status| ReadyCondition {
                status,
                since: pod.ready_transition_age_seconds.map_or(Timestamp::MIN, ago),
            }),
            started_at: pod.start_age_seconds.map(ago),
            containers: self.containers(&pod.containers),
            init_containers: self
                .containers(init)
                .into_iter()
                .zip(kinds)
                .map(|(container, kind)| InitContainer { container, kind })
                .collect(),
            pod_level: pod
                .pod_requests_milli
                .as_ref()
                .map(|asked| self.amounts(Some(asked))),
        })
    }

    pub fn pods(&mut self, pods: &[json::Pod]) -> Result<Vec<Pod>, Bad> {
        pods.iter().map(|pod| self.pod(pod)).collect()
    }

    pub fn kind(&mut self, metric: &json::Metric) -> Result<MetricKind, Bad> {
        let mut resource = || {
            let name = metric
                .resource
                .as_deref()
                .ok_or("a resource metric without a resource")?;
            Ok::<_, Bad>(self.resource(name))
        };
        Ok(match metric.kind.as_str() {
            "Resource" => MetricKind::Resource(resource()?),
            "ContainerResource" => {
                let resource = resource()?;
                let container = metric
                    .container
                    .as_deref()
                    .ok_or("a container's metric without its name")?;
                MetricKind::ContainerResource(resource, self.container(container))
            }
            "Pods" => MetricKind::Pods,
            "Object" => MetricKind::Object,
            "External" => MetricKind::External,
            _ => MetricKind::Unsupported,
        })
    }

    /// What a source returned, joined to the pods in the order of their `names`.
    pub fn samples(
        &mut self,
        kind: MetricKind,
        samples: Option<&json::Samples>,
        names: &[&str],
    ) -> Result<MetricSamples, MetricError> {
        let samples = samples.ok_or(MetricError::Source)?;
        if samples.error.is_some() {
            return Err(MetricError::Source);
        }
        let pods = samples.pods.as_deref().unwrap_or_default();
        Ok(match kind {
            MetricKind::Resource(_) | MetricKind::ContainerResource(..) => {
                MetricSamples::Usage(join(pods, names, |sample| self.usage(sample)))
            }
            MetricKind::Pods => MetricSamples::Values(join(pods, names, value)),
            MetricKind::Object => {
                MetricSamples::Object(Milli::new(samples.value_milli.ok_or(MetricError::NoMetrics)?))
            }
            MetricKind::External | MetricKind::Unsupported => {
                let values = samples.values_milli.as_deref().unwrap_or_default();
                MetricSamples::Series(values.iter().copied().map(Milli::new).collect())
            }
        })
    }

    fn usage(&mut self, sample: &json::PodSample) -> PodUsage {
        let containers = sample.containers.as_deref().unwrap_or_default();
        PodUsage {
            measured_at: ago(sample.age_seconds),
            window: seconds(sample.window_seconds.unwrap_or(60.0)),
            containers: containers
                .iter()
                .map(|container| ContainerUsage {
                    id: self.container(&container.name),
                    usage: self.amounts(container.usage_milli.as_ref()),
                })
                .collect(),
        }
    }
}

fn value(sample: &json::PodSample) -> PodValue {
    PodValue {
        measured_at: ago(sample.age_seconds),
        window: sample.window_seconds.map(seconds),
        value: Milli::new(sample.value_milli.expect("a pod's own metric has a value")),
    }
}

fn join<T>(
    samples: &[json::PodSample],
    names: &[&str],
    mut make: impl FnMut(&json::PodSample) -> T,
) -> PerPod<T> {
    let mut joined = PerPod {
        of_pods: names.iter().map(|_| None).collect(),
        strangers: Vec::new(),
    };
    for sample in samples {
        match names.iter().position(|name| *name == sample.pod) {
            Some(index) => joined.of_pods[index] = Some(make(sample)),
            None => joined.strangers.push(make(sample)),
        }
    }
    joined
}

pub fn names(pods: &[json::Pod]) -> Vec<&str> {
    pods.iter().map(|pod| pod.name.as_str()).collect()
}

fn phase(phase: &str) -> Result<PodPhase, Bad> {
    Ok(match phase {
        "Pending" => PodPhase::Pending,
        "Running" => PodPhase::Running,
        "Succeeded" => PodPhase::Succeeded,
        "Failed" => PodPhase::Failed,
        "Unknown" => PodPhase::Unknown,
        other => return Err(format!("unknown phase {other}")),
    })
}

pub fn status(status: &str) -> Result<ConditionStatus, Bad> {
    Ok(match status {
        "True" => ConditionStatus::True,
        "False" => ConditionStatus::False,
        "Unknown" => ConditionStatus::Unknown,
        other => return Err(format!("unknown status {other}")),
    })
}

pub fn target(metric: &json::Metric) -> Result<HpaTarget, Bad> {
    let target = metric.target.as_ref().ok_or("a metric without a target")?;
    if let Some(percent) = target.average_utilization {
        Ok(HpaTarget::Utilization(percent))
    } else if let Some(value) = target.average_value_milli {
        Ok(HpaTarget::AverageValue(Milli::new(value)))
    } else if let Some(value) = target.value_milli {
        Ok(HpaTarget::Value(Milli::new(value)))
    } else {
        Err("a target without a value".to_owned())
    }
}

pub fn rules(rules: Option<&json::Rules>) -> Result<HpaRules, Bad> {
    let Some(rules) = rules else {
        return Ok(HpaRules::default());
    };
    let window = rules.stabilization_window_seconds.map(seconds);
    let limit = |policy: &json::Policy| {
        let amount = match policy.kind.as_str() {
            "Pods" => ChangeAmount::Replicas(policy.value),
            "Percent" => ChangeAmount::Percent(policy.value),
            other => return Err(format!("unknown type of policy {other}")),
        };
        ChangeLimit::new(amount, seconds(policy.period_seconds)).map_err(|error| error.to_string())
    };
    let limits = rules
        .policies
        .as_ref()
        .map(|policies| policies.iter().map(limit).collect());
    let select = rules.select_policy.as_deref().map(|select| {
        Ok::<_, Bad>(match select {
            "Max" => LimitSelection::Max,
            "Min" => LimitSelection::Min,
            "Disabled" => LimitSelection::Disabled,
            other => return Err(format!("unknown select policy {other}")),
        })
    });
    Ok(HpaRules {
        stabilization: window
            .map(StabilizationWindow::new)
            .transpose()
            .map_err(|error| error.to_string())?,
        select: select.transpose()?,
        limits: limits.transpose()?,
    })
}

pub fn changes(events: Option<&Vec<json::Event>>) -> Vec<ChangeBefore> {
    let events = events.into_iter().flatten();
    events
        .map(|event| (event.replica_change, seconds(event.age_seconds)))
        .collect()
}

pub fn recommended(log: &[json::Recommendation]) -> impl Iterator<Item = Recommended> {
    log.iter()
        .map(|one| Recommended::new(one.replicas, seconds(one.age_seconds)))
}

pub const fn error_kind(error: MetricError) -> &'static str {
    match error {
        MetricError::Source => "metrics_api_error",
        MetricError::NoMetrics => "no_metrics",
        MetricError::NoPods => "no_pods",
        MetricError::NoMetricsForTargetedPods => "no_metrics_for_targeted_pods",
        MetricError::NoMetricsMatchKnownPods => "no_metrics_match_known_pods",
        MetricError::MissingRequest => "missing_request",
        MetricError::ContainerNotFound => "container_not_found",
        MetricError::UnknownKind => "unknown_kind",
        MetricError::WrongTarget => "wrong_target",
    }
}
