//! A ScaledObject of KEDA as a policy.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior as Behavior;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    behavior,
    draft::{Draft, seconds},
    objects::Object,
    servers::Servers,
    target::target,
    trigger::{self, Trigger, Zero},
};

/// KEDA's defaults, where a ScaledObject does not say.
const MAX_REPLICAS: i64 = 100;
const POLLING: i64 = 30;
const COOLDOWN: i64 = 300;
/// What the names of KEDA's annotations begin with.
const ANNOTATIONS: &str = "autoscaling.keda.sh/";

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    scale_target_ref: TargetRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    polling_interval: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cooldown_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_cooldown_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_replica_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_replica_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_replica_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fallback: Option<Fallback>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advanced: Option<Advanced>,
    #[serde(default)]
    triggers: Vec<Trigger>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    env_source_container_name: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Fallback {
    failure_threshold: i64,
    replicas: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    behavior: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Advanced {
    #[serde(skip_serializing_if = "Option::is_none")]
    restore_to_original_replica_count: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    horizontal_pod_autoscaler_config: Option<HpaConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scaling_modifiers: Option<BTreeMap<String, Value>>,
}

#[derive(Debug, Deserialize, Serialize)]
struct HpaConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    behavior: Option<Behavior>,
}

/// The policy that means the same; an error where there is none. `restores` becomes true where the count would be reset
/// when the object goes.
pub(super) fn draft(
    object: &Object<'_>,
    servers: &mut Servers,
    restores: &mut bool,
) -> Result<Draft, String> {
    let (spec, unknown): (Spec, _) = object.spec()?;
    let reference = &spec.scale_target_ref;
    let target = target(
        reference.api_version.as_deref().unwrap_or("apps/v1"),
        reference.kind.as_deref().unwrap_or("Deployment"),
        &reference.name,
    )?;
    let (min, max) = (
        spec.min_replica_count.unwrap_or(0),
        spec.max_replica_count.unwrap_or(MAX_REPLICAS),
    );
    if min < 0 || max < 1 || max < min || i32::try_from(max).is_err() {
        return Err(format!(
            "minReplicaCount {min} and maxReplicaCount {max} are none that KEDA takes"
        ));
    }
    let mut draft = Draft::new(object, target, min, max);
    for path in unknown {
        draft.lack(format!("{path}: unknown to this version of headroom"));
    }
    let zero = zero(&spec, min, &mut draft);
    draft.min = match zero {
        Zero::Reached => 0,
        Zero::Never => min.max(1),
    };
    draft.set(
        "semantics",
        match zero {
            Zero::Reached => "headroom",
            Zero::Never => "hpa",
        },
    );
    advanced(&spec, &mut draft, restores)?;
    fallback(&spec, &mut draft);
    if zero == Zero::Reached {
        let idle = spec.cooldown_period.unwrap_or(COOLDOWN);
        draft.set_toml("scale_to_zero.idle", seconds(whole(idle).max(1)));
    }
    for one in &spec.triggers {
        trigger::write(one, zero, &mut draft, servers);
    }
    small_things(object, &spec, zero, &mut draft);
    if draft.metrics.is_empty() {
        return Err(format!(
            "none of its triggers can be carried over as a metric; it stays on KEDA until one can{}",
            draft
                .missing
                .iter()
                .map(|text| format!("; {text}"))
                .collect::<String>()
        ));
    }
    if zero == Zero::Reached {
        draft.note(
            "it goes to zero, which is KEDA's doing and not the HPA's: it gets headroom's own semantics, which know a zero that \
             the load ends (`activation`, `scale_to_zero.idle`); the table of differences in the book says what else they do",
        );
    }
    Ok(draft)
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Whether the workload may have no replicas.
fn zero(spec: &Spec, min: i64, draft: &mut Draft) -> Zero {
    let idles = spec.idle_replica_count == Some(0);
    if let Some(idle) = spec.idle_replica_count.filter(|idle| *idle != 0) {
        draft.lack(format!("idleReplicaCount {idle}: only 0 means something to KEDA"));
    }
    if idles && min > 1 {
        draft.lack(format!(
            "idleReplicaCount 0 with minReplicaCount {min}: a workload of headroom starts with one replica, so it stays at \
             {min} or more"
        ));
        return Zero::Never;
    }
    if min > 0 && !idles {
        return Zero::Never;
    }
    if spec.triggers.iter().any(Trigger::is_startable) {
        return Zero::Reached;
    }
    draft.lack(
        "a minimum of zero is written as 1: zero needs a trigger that a policy can carry and that is known without pods",
    );
    Zero::Never
}

fn advanced(spec: &Spec, draft: &mut Draft, restores: &mut bool) -> Result<(), String> {
    let Some(advanced) = &spec.advanced else {
        return Ok(());
    };
    if let Some(modifiers) = &advanced.scaling_modifiers
        && !modifiers.is_empty()
    {
        return Err(
            "its scalingModifiers make one number of its triggers; write that formula as one PromQL query, with a target, \
             in a policy of your own"
                .to_owned(),
        );
    }
    if advanced.restore_to_original_replica_count == Some(true) {
        *restores = true;
        draft.note(
            "restoreToOriginalReplicaCount is true: when the ScaledObject goes, KEDA resets the count to what it was before; set \
             it to false first",
        );
    }
    if let Some(config) = &advanced.horizontal_pod_autoscaler_config {
        if let Some(name) = &config.name {
            draft.note(format!("its HPA `{name}` goes with it"));
        }
        if let Some(behavior) = &config.behavior {
            behavior::write(behavior, draft)?;
        }
    }
    Ok(())
}

fn fallback(spec: &Spec, draft: &mut Draft) {
    let Some(fallback) = &spec.fallback else {
        return;
    };
    let polling = spec.polling_interval.unwrap_or(POLLING).max(1);
    let after = whole(fallback.failure_threshold.saturating_mul(polling)).clamp(1, 24 * 3600);
    let replicas = fallback.replicas.clamp(1, draft.max);
    let action = match fallback.behavior.as_deref().unwrap_or("static") {
        "static" => {
            draft.note(
                "fallback: headroom keeps at least so many replicas while a metric is unknown; KEDA sets exactly so many, also \
                 where that is less than there are",
            );
            format!("replicas = {replicas}")
        }
        "currentReplicasIfHigher" => format!("replicas = {replicas}"),
        "currentReplicas" => "action = \"hold\"".to_owned(),
        other => {
            return draft.lack(format!(
                "fallback.behavior `{other}`: headroom holds the count (action = \"hold\"), keeps at least so many (replicas) \
                 or what it last knew to be right (action = \"last_known\")"
            ));
        }
    };
    let toml = format!("{{ {action}, after = {}, when = \"any\" }}", seconds(after));
    draft.set_toml("fallback", toml);
}

/// What changes nothing, or cannot be said in a policy.
fn small_things(object: &Object<'_>, spec: &Spec, zero: Zero, draft: &mut Draft) {
    if let (Some(polling), Zero::Reached) = (spec.polling_interval, zero) {
        draft.note(format!(
            "pollingInterval {polling}: headroom looks every `interval` (15s), at zero too"
        ));
    }
    if spec.initial_cooldown_period.is_some_and(|span| span > 0) && zero == Zero::Reached {
        draft.note("initialCooldownPeriod: headroom counts `scale_to_zero.idle` from when it first looks");
    }
    for (name, value) in object.annotations(ANNOTATIONS) {
        annotation(&name, &value, draft);
    }
}

/// What an annotation of KEDA's asks for; nothing where it is switched off.
fn annotation(name: &str, value: &str, draft: &mut Draft) {
    let key = name.strip_prefix(ANNOTATIONS).unwrap_or(name);
    if matches!(key, "paused" | "paused-scale-in" | "paused-scale-out") && is_false(value) {
        return;
    }
    let id = draft.id();
    let meaning = match key {
        "paused" | "paused-replicas" => format!("it is paused; `headroom pause {id}` keeps it so"),
        "paused-scale-in" => {
            format!("it is not scaled down; `headroom override {id} --hold-down --for SPAN` keeps it so")
        }
        "paused-scale-out" => {
            format!("it is not scaled up; `headroom override {id} --max COUNT --for SPAN` keeps it so")
        }
        _ => return draft.note(format!("annotation {name}: means nothing to headroom")),
    };
    draft.note(format!("{name} is `{value}`: {meaning}"));
}

/// Whether Go reads `value` as false. KEDA takes whatever is no truth value for true.
fn is_false(value: &str) -> bool {
    matches!(value, "0" | "f" | "F" | "false" | "False" | "FALSE")
}
