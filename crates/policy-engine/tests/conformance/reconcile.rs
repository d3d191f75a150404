//! One full round, as the live pass makes it: `begin`, `evaluate`, `record_outcome`.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use headroom_policy_engine::{hpa::*, *};
use serde_json::{Value, json};

use super::{
    engine::{Bad, NOW, Names, changes, names, rules, seconds, status, target},
    json::{self, Case},
    ops::read,
};

pub fn reconcile(case: &Case) -> Result<Value, Bad> {
    let round: json::Round = read(case)?;
    let mut known = Names::default();
    let pods = known.pods(&round.pods)?;
    let policy = policy(&round, &mut known)?;
    let mut memory = memory(&round)?;
    let read = if round.scale.get_error {
        Err(TargetUnreadable)
    } else {
        Ok(workload(&round)?)
    };
    let mut explanation = Explanation::default();
    let status = match memory.begin(&policy, read, NOW) {
        Err(status) => status,
        Ok(workload) => {
            let seen = seen(&round, &policy, pods, &mut known)?;
            let decision = evaluate(&policy, &workload, &seen, &mut memory, NOW, &mut explanation);
            let outcome = match decision.direction() {
                None => Outcome::NotAttempted,
                Some(_) if round.scale.update_error => Outcome::Failed,
                Some(_) => Outcome::Written,
            };
            memory.record_outcome(&decision, outcome, NOW)
        }
    };
    Ok(told(&status, &explanation))
}

fn told(status: &RoundStatus, explanation: &Explanation) -> Value {
    let condition = |(kind, condition): (ConditionType, Condition)| {
        json!({
            "type": format!("{kind:?}"),
            "status": format!("{:?}", condition.status),
            "reason": format!("{:?}", condition.reason),
        })
    };
    let recommended = explanation.0.iter().filter_map(|step| match step {
        Step::Recommended { seen, .. } => Some(seen.known().map(|sample| (sample.value * 100.0).round())),
        _ => None,
    });
    json!({
        "desired_replicas": status.desired.map(Replicas::get),
        "rescale": status.rescaled,
        "error": status.error.is_some(),
        "conditions": status.conditions.iter().map(condition).collect::<Vec<_>>(),
        "utilization_percent": recommended.collect::<Vec<_>>(),
    })
}

fn replicas(count: i32) -> Result<Replicas, Bad> {
    let count = u32::try_from(count).map_err(|_| format!("a count of {count} replicas"))?;
    Ok(Replicas::new(count))
}

fn policy(round: &json::Round, known: &mut Names) -> Result<WorkloadPolicy, Bad> {
    let controller = &round.controller;
    let text = |error: PolicyError| error.to_string();
    let settings = HpaSettings {
        tolerance: Tolerance::new(controller.tolerance, controller.tolerance).map_err(text)?,
        cpu_initialization: seconds(controller.cpu_initialization_period_seconds),
        initial_readiness_delay: seconds(controller.initial_readiness_delay_seconds),
        downscale_stabilization: seconds(controller.downscale_stabilization_seconds),
        scale_up_limit: ScaleUpLimit::new(
            controller.scale_up_limit_factor,
            controller.scale_up_limit_minimum,
        )
        .map_err(text)?,
        gates: Gates {
            scale_to_zero: controller.features.scale_to_zero,
            configurable_tolerance: controller.features.configurable_tolerance,
            pod_level_resources: controller.features.pod_level_resources,
        },
        zero: match controller.zero_replicas_rule.as_deref() {
            Some("scaled_to_zero_condition") | None => ZeroReplicasRule::ScaledToZeroCondition,
            Some("min_replicas") => ZeroReplicasRule::MinReplicas,
            Some(other) => return Err(format!("unknown rule for zero replicas {other}")),
        },
    };
    let behavior = round.hpa.behavior.as_ref();
    let up = behavior.and_then(|behavior| behavior.scale_up.as_ref());
    let down = behavior.and_then(|behavior| behavior.scale_down.as_ref());
    let own = |given: Option<&json::Rules>| {
        given
            .and_then(|given| given.tolerance)
            .unwrap_or(controller.tolerance)
    };
    let tolerance = Tolerance::new(own(up), own(down)).map_err(text)?;
    let metric = |(index, metric): (usize, &json::Metric)| {
        let kind = known.kind(metric)?;
        let name = MetricName::new(&format!("metric-{index}"));
        Ok(MetricPolicy::new(name, kind, rule(metric, kind)?, tolerance))
    };
    let (min, max) = (
        replicas(round.hpa.min_replicas.unwrap_or(1))?,
        replicas(round.hpa.max_replicas)?,
    );
    let bounds = if min == Replicas::ZERO {
        ReplicaBounds::from_zero(max)
    } else {
        ReplicaBounds::new(min, max)
    };
    Ok(WorkloadPolicy {
        semantics: Semantics::Hpa(match behavior {
            Some(_) => HpaPath::WithBehavior,
            None => HpaPath::WithoutBehavior,
        }),
        bounds: bounds.map_err(|error| error.to_string())?,
        zero: None,
        metrics: round
            .hpa
            .metrics
            .iter()
            .enumerate()
            .map(metric)
            .collect::<Result<_, Bad>>()?,
        scale_up: complete_rules(&rules(up)?, Direction::Up, &settings),
        scale_down: complete_rules(&rules(down)?, Direction::Down, &settings),
        hpa: Arc::new(settings),
        fallback: None,
        guards: Guards {
            startup: Duration::from_secs(120),
            max_reversals: 4,
        },
        interval: EvaluationInterval::new(Duration::from_secs(15)).map_err(text)?,
    })
}

fn rule(metric: &json::Metric, kind: MetricKind) -> Result<MetricRule, Bad> {
    let text = |error: PolicyError| error.to_string();
    let target = match target(metric) {
        Ok(target) => target,
        // One that is unknown need not have a target.
        Err(_) if kind == MetricKind::Unsupported => HpaTarget::Value(Milli::new(1)),
        Err(error) => return Err(error),
    };
    Ok(match target {
        HpaTarget::Utilization(percent) => {
            MetricRule::Utilization(TargetUtilization::of_requests(percent).map_err(text)?)
        }
        HpaTarget::AverageValue(value) => MetricRule::PerReplica(Target::from_milli(value).map_err(text)?),
        HpaTarget::Value(value) => MetricRule::Value(Target::from_milli(value).map_err(text)?),
    })
}

fn memory(round: &json::Round) -> Result<Memory, Bad> {
    let state = &round.state;
    let mut conditions = Conditions::default();
    for condition in state.conditions.iter().flatten() {
        let kind = word(&condition.kind, "type of condition")?;
        let reason = word(&condition.reason, "reason of a condition")?;
        conditions.set(kind, status(&condition.status)?, reason, NOW);
    }
    let recommendation =
        |one: &json::Recommendation| Ok::<_, Bad>((replicas(one.replicas)?, seconds(one.age_seconds)));
    let recommendations = state.recommendations.as_ref();
    let recommendations = recommendations.map(|log| log.iter().map(recommendation).collect());
    let state = HpaState {
        recommendations: recommendations.transpose()?,
        scale_up_events: changes(state.scale_up_events.as_ref()),
        scale_down_events: changes(state.scale_down_events.as_ref()),
        conditions,
        desired: round.status_desired_replicas.map(replicas).transpose()?,
    };
    Ok(Memory::of_hpa(&state, NOW))
}

/// A word of the HPA as the engine's own enum has it.
fn word<T: serde::de::DeserializeOwned>(word: &str, what: &str) -> Result<T, Bad> {
    serde_json::from_value(Value::from(word)).map_err(|_| format!("unknown {what} {word}"))
}

fn workload(round: &json::Round) -> Result<Workload, Bad> {
    let selector = round.scale.selector.as_deref().unwrap_or_default();
    let own = Selector::parse(selector).unwrap_or_default();
    // A pod that does not say otherwise carries just what the selector wants.
    let wanted: BTreeMap<_, _> = own
        .requirements()
        .iter()
        .filter_map(|requirement| match &requirement.wants {
            Wants::OneOf(values) => Some((requirement.key.clone(), values.first()?.clone())),
            Wants::Present => Some((requirement.key.clone(), String::new())),
            _ => None,
        })
        .collect();
    let labels: Vec<Vec<(&str, &str)>> = round
        .pods
        .iter()
        .map(|pod| pod.labels.as_ref().unwrap_or(&wanted))
        .map(|labels| {
            labels
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect()
        })
        .collect();
    let others = round.other_hpas.iter().flatten().map(|hpa| hpa.selector.as_str());
    let mut workload = Workload::running(replicas(round.scale.spec_replicas)?);
    workload.observed = Some(replicas(round.scale.status_replicas)?);
    workload.selector = check_selector(selector, labels.iter().map(Vec::as_slice), others);
    Ok(workload)
}

fn seen(
    round: &json::Round,
    policy: &WorkloadPolicy,
    pods: Vec<Pod>,
    known: &mut Names,
) -> Result<Observations, Bad> {
    let names = names(&round.pods);
    let (mut each, mut samples) = (Vec::new(), Vec::new());
    for (index, metric) in policy.metrics.iter().enumerate() {
        let returned = round.samples.get(index).ok_or("fewer samples than metrics")?;
        let (observation, returned) = match known.samples(metric.kind, returned.as_ref(), &names) {
            Ok(samples) => {
                let sample = Sample {
                    value: 0.0,
                    measured_at: Some(NOW),
                    coverage: Coverage::default(),
                };
                (Observation::Fresh(sample), Some(samples))
            }
            Err(MetricError::NoMetrics) => (missing(MissingCause::NoData), None),
            Err(_) => (missing(MissingCause::Unreachable), None),
        };
        each.push(observation);
        samples.push(returned);
    }
    Ok(each
        .into_iter()
        .collect::<Observations>()
        .with_pods(Pods { pods, samples }))
}

const fn missing(cause: MissingCause) -> Observation {
    Observation::Missing { cause }
}
