//! A HorizontalPodAutoscaler as a policy.

use k8s_openapi::api::autoscaling::v2::{
    HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
};

use super::{behavior, draft::Draft, objects::Object, target::target};

/// The policy that means the same; an error where there is none.
pub(super) fn draft(object: &Object<'_>) -> Result<Draft, String> {
    if let Some(owner) = object.label("scaledobject.keda.sh/name") {
        return Err(format!(
            "KEDA made it from ScaledObject `{owner}`, and would make it again; move that one with `headroom import keda`"
        ));
    }
    match object.api_version {
        "autoscaling/v2" | "autoscaling/v2beta2" => {}
        other => {
            return Err(format!(
                "it is of {other}; `kubectl get hpa.v2.autoscaling -o yaml` gives it as autoscaling/v2"
            ));
        }
    }
    let (spec, unknown): (HorizontalPodAutoscalerSpec, _) = object.spec()?;
    let reference = &spec.scale_target_ref;
    let target = target(
        reference.api_version.as_deref().unwrap_or_default(),
        &reference.kind,
        &reference.name,
    )?;
    let (min, max) = (spec.min_replicas.unwrap_or(1), spec.max_replicas);
    if min < 0 || max < 1 || max < min {
        return Err(format!(
            "minReplicas {min} and maxReplicas {max} are none that the API server takes"
        ));
    }
    let mut draft = Draft::new(object, target, i64::from(min.max(1)), i64::from(max));
    draft.set("semantics", "hpa");
    for path in unknown {
        draft.lack(format!("{path}: unknown to this version of headroom"));
    }
    if min == 0 {
        draft.lack(
            "minReplicas 0 is written as 1: zero needs a metric with a query; once it is there, set min_replicas = 0, and \
             scale_to_zero = true under [hpa]",
        );
    }
    match spec.metrics.as_deref() {
        None | Some([]) => {
            draft.note("it has no metrics, which means cpu at 80% to the API server");
            draft.add_resource("cpu", None, 80);
        }
        Some(metrics) => metrics.iter().for_each(|one| metric(one, &mut draft)),
    }
    if let Some(behavior) = &spec.behavior {
        behavior::write(behavior, &mut draft)?;
    }
    if draft.metrics.is_empty() {
        return Err(format!(
            "none of its metrics can be carried over: {}",
            draft.missing.join("; ")
        ));
    }
    Ok(draft)
}

fn metric(metric: &MetricSpec, draft: &mut Draft) {
    match metric.type_.as_str() {
        "Resource" => {
            if let Some(source) = &metric.resource {
                return resource(&source.name, None, &source.target, draft);
            }
        }
        "ContainerResource" => {
            if let Some(source) = &metric.container_resource {
                return resource(&source.name, Some(&source.container), &source.target, draft);
            }
        }
        "Pods" => {
            if let Some(source) = &metric.pods {
                return draft.lack(format!(
                    "metric of the pods {}, {}: it needs a query; with prometheus-adapter, that of its rule (`metricsQuery`), \
                     summed up over the pods, as `query` with `per_replica`",
                    identified(&source.metric),
                    wanted(&source.target)
                ));
            }
        }
        "Object" => {
            if let Some(source) = &metric.object {
                let object = &source.described_object;
                return draft.lack(format!(
                    "metric {} of {} {}, {}: it needs a query; with prometheus-adapter, that of its rule (`metricsQuery`)",
                    identified(&source.metric),
                    object.kind,
                    object.name,
                    wanted(&source.target)
                ));
            }
        }
        "External" => {
            if let Some(source) = &metric.external {
                return draft.lack(format!(
                    "external metric {}, {}: an HPA does not say where it comes from; it needs a query, that of the \
                     adapter's rule where it is prometheus-adapter, otherwise that of an exporter",
                    identified(&source.metric),
                    wanted(&source.target)
                ));
            }
        }
        _ => {}
    }
    draft.lack(format!(
        "a metric of type `{}`: unknown to this version of headroom, or without its source",
        metric.type_
    ));
}

fn resource(name: &str, container: Option<&str>, target: &MetricTarget, draft: &mut Draft) {
    match (target.type_.as_str(), target.average_utilization) {
        ("Utilization", Some(percent)) => draft.add_resource(name, container, i64::from(percent)),
        _ => draft.lack(average_value(name, container, &wanted(target))),
    }
}

/// What is said of cpu or memory in absolute numbers.
pub(super) fn average_value(resource: &str, container: Option<&str>, wanted: &str) -> String {
    let of = container.map_or_else(String::new, |name| format!(" of container `{name}`"));
    let series = if resource == "memory" {
        "sum(container_memory_working_set_bytes{…})"
    } else {
        "sum(rate(container_cpu_usage_seconds_total{…}[2m]))"
    };
    format!(
        "{resource}{of}, {wanted}: only a share of the requests is read from Kubernetes; take that share as \
         `utilization`, or query = '{series}' with `per_replica`"
    )
}

fn identified(metric: &MetricIdentifier) -> String {
    let labels = metric
        .selector
        .as_ref()
        .and_then(|selector| serde_json::to_string(selector).ok())
        .filter(|text| text != "{}")
        .map_or_else(String::new, |text| format!(" with {text}"));
    format!("`{}`{labels}", metric.name)
}

fn wanted(target: &MetricTarget) -> String {
    let value = target
        .value
        .as_ref()
        .map(|quantity| format!("value {}", quantity.0));
    let average = target
        .average_value
        .as_ref()
        .map(|quantity| format!("{} for each pod", quantity.0));
    let utilization = target.average_utilization.map(|percent| format!("{percent}%"));
    value
        .or(average)
        .or(utilization)
        .unwrap_or_else(|| "without a target".to_owned())
}
