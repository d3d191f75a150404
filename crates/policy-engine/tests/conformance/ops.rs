//! One function for each `op`: asks the engine, and gives back the answer in the words of the cases.

use std::collections::{BTreeMap, BTreeSet};

use headroom_policy_engine::{hpa::*, *};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    engine::{Bad, NOW, Names, ago, changes, error_kind, names, recommended, rules, seconds, target},
    json::{self, Case},
    reconcile::reconcile,
};

/// What an operation answers: every field that a case may ask for.
pub type Answer = Map<String, Value>;

pub fn answer(case: &Case) -> Result<Answer, Bad> {
    let ask = match case.op.as_str() {
        "desired_replicas" => desired,
        "classify_pods" => classify,
        "pod_requests" => requests,
        "utilization_ratio" => utilization,
        "usage_ratio" => usage,
        "aggregate_samples" => aggregate,
        "rate_limit" => limit,
        "rate_limit_legacy" => limit_legacy,
        "scale_up_limit" | "scale_down_limit" => step_limit,
        "stabilize" => stabilized,
        "stabilize_legacy" => stabilized_legacy,
        "store_scale_event" => store,
        "reconcile" => reconcile,
        other => return Err(format!("unknown op {other}")),
    };
    match ask(case)? {
        Value::Object(answer) => Ok(answer),
        other => Err(format!("not an answer: {other}")),
    }
}

pub fn read<T: DeserializeOwned>(case: &Case) -> Result<T, Bad> {
    T::deserialize(&case.input).map_err(|error| format!("the input cannot be read: {error}"))
}

#[derive(Deserialize)]
struct Periods {
    cpu_initialization_period_seconds: f64,
    initial_readiness_delay_seconds: f64,
    #[serde(default)]
    features: json::Features,
}

impl Periods {
    fn settings(&self) -> HpaSettings {
        HpaSettings {
            cpu_initialization: seconds(self.cpu_initialization_period_seconds),
            initial_readiness_delay: seconds(self.initial_readiness_delay_seconds),
            gates: Gates {
                pod_level_resources: self.features.pod_level_resources,
                ..Gates::default()
            },
            ..HpaSettings::default()
        }
    }
}

fn desired(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        current_replicas: i32,
        status_replicas: i32,
        tolerance: json::Tolerances,
        #[serde(flatten)]
        periods: Periods,
        pods: Vec<json::Pod>,
        metric: json::Metric,
        samples: Option<json::Samples>,
    }
    let input: Input = read(case)?;
    let mut known = Names::default();
    let kind = known.kind(&input.metric)?;
    let pods = known.pods(&input.pods)?;
    let samples = known.samples(kind, input.samples.as_ref(), &names(&input.pods));
    let tolerance = Tolerance::new(input.tolerance.scale_up, input.tolerance.scale_down)
        .map_err(|error| error.to_string())?;
    let asked = Asked {
        scale: ScaleCounts {
            spec: input.current_replicas,
            status: input.status_replicas,
        },
        pods: &pods,
        settings: &input.periods.settings(),
        now: NOW,
    };
    let samples = samples.as_ref().map_err(|error| *error);
    Ok(
        match desired_replicas(kind, target(&input.metric)?, samples, tolerance, asked) {
            Err(error) => json!({ "error": error_kind(error) }),
            Ok(MetricReplicas { replicas, shown }) => match shown {
                Shown::Utilization { percent, average } => json!({
                    "replicas": replicas, "utilization_percent": percent, "average_value_milli": average.get(),
                }),
                Shown::Average(average) => {
                    json!({ "replicas": replicas, "average_value_milli": average.get() })
                }
                Shown::Value(value) => json!({ "replicas": replicas, "value_milli": value.get() }),
            },
        },
    )
}

fn classify(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        resource: String,
        #[serde(flatten)]
        periods: Periods,
        pods: Vec<json::Pod>,
        samples: BTreeMap<String, json::OneSample>,
    }
    let input: Input = read(case)?;
    let mut known = Names::default();
    let pods = known.pods(&input.pods)?;
    let sample = |index: usize| {
        let sample = input.samples.get(&input.pods[index].name)?;
        Some(PodSample {
            value: Milli::new(sample.value_milli),
            measured_at: ago(sample.age_seconds),
            window: seconds(sample.window_seconds),
        })
    };
    let starting = StartingPods::of(Some(known.resource(&input.resource)));
    let settings = input.periods.settings();
    let mut sorted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let classes = classify_pods(&pods, sample, starting, &settings, NOW);
    for (pod, class) in input.pods.iter().zip(classes) {
        let name = match class {
            PodClass::Ready => "ready",
            PodClass::Unready => "unready",
            PodClass::Missing => "missing",
            PodClass::Ignored => "ignored",
        };
        sorted.entry(name).or_default().insert(&pod.name);
    }
    let of = |class| sorted.get(class).cloned().unwrap_or_default();
    Ok(json!({
        "ready_count": of("ready").len(), "unready": of("unready"), "missing": of("missing"), "ignored": of("ignored"),
    }))
}

fn requests(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        resource: String,
        container: String,
        #[serde(default)]
        features: json::Features,
        pods: Vec<json::Pod>,
    }
    let input: Input = read(case)?;
    let mut known = Names::default();
    let pods = known.pods(&input.pods)?;
    let resource = known.resource(&input.resource);
    let container = (!input.container.is_empty()).then(|| known.container(&input.container));
    let gates = Gates {
        pod_level_resources: input.features.pod_level_resources,
        ..Gates::default()
    };
    let requests: Result<Vec<_>, _> = pod_requests(&pods, resource, container, &gates).collect();
    Ok(match requests {
        Err(error) => json!({ "error": error_kind(error) }),
        Ok(requests) => {
            let named = names(&input.pods)
                .into_iter()
                .zip(requests.iter().map(|request| request.get()));
            json!({ "requests_milli": named.collect::<BTreeMap<_, _>>() })
        }
    })
}

fn utilization(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        usage_milli: json::Milli,
        requests_milli: json::Milli,
        target_utilization: i32,
    }
    let input: Input = read(case)?;
    let all: BTreeSet<_> = input
        .usage_milli
        .keys()
        .chain(input.requests_milli.keys())
        .collect();
    let of = |map: &json::Milli, pod: &String| map.get(pod).copied().map(Milli::new);
    let pods = all
        .into_iter()
        .map(|pod| (of(&input.usage_milli, pod), of(&input.requests_milli, pod)));
    Ok(match utilization_ratio(pods, input.target_utilization) {
        Err(error) => json!({ "error": error_kind(error) }),
        Ok(found) => json!({
            "ratio": found.ratio, "utilization_percent": found.percent, "average_value_milli": found.average.get(),
        }),
    })
}

fn usage(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        usage_milli: json::Milli,
        target_average_milli: i64,
    }
    let input: Input = read(case)?;
    let values = input.usage_milli.values().copied().map(Milli::new);
    let found = usage_ratio(values, Milli::new(input.target_average_milli));
    Ok(json!({ "ratio": found.ratio, "average_value_milli": found.average.get() }))
}

fn aggregate(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        metric: json::Metric,
        samples: Option<json::Samples>,
    }
    let input: Input = read(case)?;
    let mut known = Names::default();
    let kind = known.kind(&input.metric)?;
    let samples = input.samples.as_ref();
    let pods: Vec<_> = samples
        .iter()
        .filter_map(|samples| samples.pods.as_deref())
        .flatten()
        .collect();
    let pods: Vec<_> = pods.iter().map(|sample| sample.pod.as_str()).collect();
    let returned = known.samples(kind, samples, &pods);
    let found = returned
        .as_ref()
        .map_err(|error| *error)
        .and_then(|samples| aggregate_samples(kind, samples));
    Ok(match found {
        Err(error) => json!({ "error": error_kind(error) }),
        Ok(Aggregated::PerPod(each)) => {
            let each = pods
                .iter()
                .enumerate()
                .filter_map(|(index, pod)| Some((*pod, each.of_pod(index)?.value.get())));
            json!({ "per_pod_milli": each.collect::<BTreeMap<_, _>>() })
        }
        Ok(Aggregated::Object(value)) => json!({ "value_milli": value.get() }),
        Ok(Aggregated::Total(total)) => {
            json!({ "values_milli": input.samples.and_then(|samples| samples.values_milli), "total_milli": total.get() })
        }
    })
}

#[derive(Deserialize)]
struct Limits {
    current_replicas: i32,
    #[serde(default)]
    scale_up_events: Option<Vec<json::Event>>,
    #[serde(default)]
    scale_down_events: Option<Vec<json::Event>>,
}

impl Limits {
    fn changes(&self) -> Changes<Vec<ChangeBefore>, Vec<ChangeBefore>> {
        Changes {
            up: changes(self.scale_up_events.as_ref()),
            down: changes(self.scale_down_events.as_ref()),
        }
    }
}

fn limit(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        #[serde(flatten)]
        limits: Limits,
        desired_replicas: i32,
        min_replicas: i32,
        max_replicas: i32,
        scale_up: Option<json::Rules>,
        scale_down: Option<json::Rules>,
    }
    let input: Input = read(case)?;
    let settings = HpaSettings::default();
    let up = complete_rules(&rules(input.scale_up.as_ref())?, Direction::Up, &settings);
    let down = complete_rules(&rules(input.scale_down.as_ref())?, Direction::Down, &settings);
    let bounds = HpaBounds {
        min: input.min_replicas,
        max: input.max_replicas,
    };
    let changes = input.limits.changes();
    let current = input.limits.current_replicas;
    let limited = rate_limit(
        current,
        input.desired_replicas,
        bounds,
        &up.limits,
        &down.limits,
        &changes,
    );
    Ok(json!({ "replicas": limited.replicas, "reason": format!("{:?}", limited.reason) }))
}

fn limit_legacy(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        current_replicas: i32,
        desired_replicas: i32,
        min_replicas: i32,
        max_replicas: i32,
        scale_up_limit_factor: f64,
        scale_up_limit_minimum: f64,
    }
    let input: Input = read(case)?;
    let bounds = HpaBounds {
        min: input.min_replicas,
        max: input.max_replicas,
    };
    let up = ScaleUpLimit::new(input.scale_up_limit_factor, input.scale_up_limit_minimum);
    let up = up.map_err(|error| error.to_string())?;
    let limited = rate_limit_legacy(input.current_replicas, input.desired_replicas, bounds, up);
    Ok(json!({ "replicas": limited.replicas, "reason": format!("{:?}", limited.reason) }))
}

fn step_limit(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        #[serde(flatten)]
        limits: Limits,
        rules: Option<json::Rules>,
    }
    let input: Input = read(case)?;
    let given = rules(input.rules.as_ref())?;
    let settings = HpaSettings::default();
    let (current, changes) = (input.limits.current_replicas, input.limits.changes());
    let limit = if case.op == "scale_up_limit" {
        let rules = complete_rules(&given, Direction::Up, &settings);
        scale_up_limit(current, &rules.limits, &changes)
    } else {
        let rules = complete_rules(&given, Direction::Down, &settings);
        scale_down_limit(current, &rules.limits, &changes)
    };
    Ok(json!({ "limit": limit }))
}

fn stabilized(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        current_replicas: i32,
        desired_replicas: i32,
        recommendations: Vec<json::Recommendation>,
        scale_up_window_seconds: f64,
        scale_down_window_seconds: f64,
    }
    let input: Input = read(case)?;
    let windows = Windows {
        up: seconds(input.scale_up_window_seconds),
        down: seconds(input.scale_down_window_seconds),
    };
    let log = recommended(&input.recommendations);
    Ok(told(stabilize(
        input.current_replicas,
        input.desired_replicas,
        log,
        windows,
    )))
}

fn stabilized_legacy(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        desired_replicas: i32,
        recommendations: Vec<json::Recommendation>,
        downscale_stabilization_seconds: f64,
    }
    let input: Input = read(case)?;
    let window = seconds(input.downscale_stabilization_seconds);
    let log = recommended(&input.recommendations);
    Ok(told(stabilize_legacy(input.desired_replicas, log, window)))
}

fn told(stabilized: Stabilized) -> Value {
    match stabilized.reason {
        StabilizeReason::ReadyForNewScale => json!({ "replicas": stabilized.replicas }),
        reason @ (StabilizeReason::ScaleUpStabilized | StabilizeReason::ScaleDownStabilized) => {
            json!({ "replicas": stabilized.replicas, "reason_if_changed": format!("{reason:?}") })
        }
    }
}

fn store(case: &Case) -> Result<Value, Bad> {
    #[derive(Deserialize)]
    struct Input {
        direction: String,
        previous_replicas: i32,
        new_replicas: i32,
        rules: Option<json::Rules>,
        events: Vec<json::Event>,
        query_period_seconds: f64,
    }
    let input: Input = read(case)?;
    let direction = match input.direction.as_str() {
        "up" => Direction::Up,
        "down" => Direction::Down,
        other => return Err(format!("unknown direction {other}")),
    };
    let mut before = changes(Some(&input.events));
    before.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
    let mut events = ScaleEvents::default();
    for (amount, age) in before {
        events.add(NOW.minus(age), amount);
    }
    let changed = change_within(events.changes(NOW), seconds(input.query_period_seconds));
    let path = match input.rules {
        Some(_) => HpaPath::WithBehavior,
        None => HpaPath::WithoutBehavior,
    };
    store_scale_event(
        path,
        input.previous_replicas,
        input.new_replicas,
        &mut events,
        NOW,
    );
    let live = match &input.rules {
        None => Value::Null,
        Some(given) => {
            let rules = complete_rules(&rules(Some(given))?, direction, &HpaSettings::default());
            let longest = rules
                .limits
                .limits
                .iter()
                .map(|limit| limit.period())
                .max()
                .unwrap_or_default();
            let mut live: Vec<_> = events.live(longest, NOW).collect();
            live.sort_unstable();
            json!(live)
        }
    };
    Ok(json!({ "change_in_query_period_before": changed, "live_changes_after": live }))
}
