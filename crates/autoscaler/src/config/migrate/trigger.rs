//! The triggers of a ScaledObject: metrics, and schedules where they are of cron.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    super::{
        promql,
        servers::{carries_secret, is_header_name},
        words,
    },
    cron,
    draft::{Draft, Metric, free_name, plain_name, quoted},
    hpa::average_value,
    servers::Servers,
};
use crate::{Clock as _, SystemClock};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trigger {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Texts, in manifests that were never applied also numbers.
    #[serde(default)]
    metadata: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metric_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authentication_ref: Option<BTreeMap<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    use_cached_metrics: Option<bool>,
}

/// Whether a workload may have no replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zero {
    Reached,
    Never,
}

/// What a person can ask instead of a scaler that has no PromQL.
const INSTEAD: [(&str, &str); 9] = [
    ("kafka", "kafka_exporter's kafka_consumergroup_lag"),
    ("rabbitmq", "RabbitMQ's own rabbitmq_queue_messages_ready"),
    (
        "aws-sqs-queue",
        "the queue's ApproximateNumberOfMessagesVisible by a CloudWatch exporter",
    ),
    ("aws-cloudwatch", "the same metric by a CloudWatch exporter"),
    ("redis", "redis_exporter's redis_key_size"),
    (
        "redis-streams",
        "redis_exporter's redis_stream_group_messages_pending",
    ),
    ("postgresql", "sql_exporter with the same statement"),
    ("mysql", "sql_exporter with the same statement"),
    ("nats-jetstream", "nats-exporter's nats_consumer_num_pending"),
];

impl Trigger {
    /// Whether it becomes a metric that is known without pods.
    pub(super) fn is_startable(&self) -> bool {
        self.kind == "prometheus" && self.prometheus().is_ok()
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.metadata.get(key)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn needed(&self, key: &str) -> Result<String, String> {
        self.text(key).ok_or_else(|| format!("it has no `{key}`"))
    }

    fn called(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or_else(String::new, |name| format!(" `{name}`"));
        format!("trigger {}{name}", self.kind)
    }

    /// What its metadata has beyond `known`.
    fn beyond(&self, known: &[&str]) -> Vec<&str> {
        let keys = self.metadata.keys().map(String::as_str);
        keys.filter(|key| !known.contains(key)).collect()
    }

    fn prometheus(&self) -> Result<Asked, String> {
        let server = self.needed("serverAddress")?;
        let url = words::url(&server).map_err(|error| format!("serverAddress: {error}"))?;
        let query = self.needed("query")?;
        let query = query.trim().to_owned();
        promql::parse(&query).map_err(|reason| format!("its query is no PromQL ({reason})"))?;
        let threshold = self.needed("threshold")?;
        let threshold = amount(&threshold).ok_or_else(|| format!("threshold: `{threshold}` is no target"))?;
        let target = match self.metric_type.as_deref() {
            None | Some("AverageValue") => "per_replica",
            Some("Value") => "value",
            Some(other) => return Err(format!("metricType: `{other}` is none of it")),
        };
        Ok(Asked {
            url,
            query,
            target,
            threshold,
        })
    }
}

/// What a prometheus trigger asks.
struct Asked {
    url: String,
    query: String,
    target: &'static str,
    threshold: String,
}

/// A number above zero as TOML.
fn amount(text: &str) -> Option<String> {
    let number: f64 = text.trim().parse().ok()?;
    (number.is_finite() && number > 0.0).then(|| {
        if number.fract() == 0.0 && number < 1e15 {
            format!("{number:.0}")
        } else {
            format!("{number:?}")
        }
    })
}

/// Writes what a trigger means into `draft`.
pub(super) fn write(trigger: &Trigger, zero: Zero, draft: &mut Draft, servers: &mut Servers) {
    let written = match trigger.kind.as_str() {
        "prometheus" => prometheus(trigger, zero, draft, servers),
        "cpu" | "memory" => resource(trigger, draft),
        "cron" => cron(trigger, draft),
        other => {
            let instead = INSTEAD
                .iter()
                .find(|(kind, _)| *kind == other)
                .map_or("an exporter's metric of the same thing", |(_, instead)| instead);
            Err(format!(
                "headroom asks a Prometheus for it: {instead} as `query`; without one the workload stays on KEDA"
            ))
        }
    };
    if let Err(reason) = written {
        draft.lack(format!("{}: {reason}", trigger.called()));
    }
}

fn prometheus(trigger: &Trigger, zero: Zero, draft: &mut Draft, servers: &mut Servers) -> Result<(), String> {
    let asked = trigger.prometheus()?;
    let headers = headers(trigger, draft);
    let called = trigger.called();
    let mut keys = vec![("query", quoted(&asked.query)), (asked.target, asked.threshold)];
    match zero {
        Zero::Reached => keys.push(("activation", "true".to_owned())),
        Zero::Never => {}
    }
    if let Some(activation) = trigger.text("activationThreshold") {
        match (zero, activation.trim().parse::<f64>()) {
            (Zero::Never, _) => draft.note(format!(
                "{called}: activationThreshold {activation} has no say where the count is never zero"
            )),
            (Zero::Reached, Ok(0.0)) => {}
            (Zero::Reached, _) => draft.lack(format!(
                "{called}: activationThreshold {activation}: any value above zero starts a workload; where less is to count as \
                 none, write query = '({}) > {activation} or vector(0)'",
                asked.query
            )),
        }
    }
    prometheus_access(trigger, &called, draft);
    let name = trigger.name.clone().or_else(|| trigger.text("metricName"));
    draft.add(Metric {
        name: plain_name(name.as_deref().unwrap_or("prometheus"), "prometheus"),
        keys,
        server: Some(servers.number(asked.url, headers)),
    });
    Ok(())
}

/// What a prometheus trigger says about how it asks.
fn prometheus_access(trigger: &Trigger, called: &str, draft: &mut Draft) {
    if trigger.authentication_ref.is_some() || trigger.metadata.contains_key("authModes") {
        draft.lack(format!(
            "{called}: its credentials; give them to [prometheus.NAME] as bearer_token, username with password, or \
             client_certificate"
        ));
    }
    if trigger.text("ignoreNullValues").as_deref() != Some("false") {
        draft.note(format!(
            "{called}: an empty answer is a zero to KEDA, and unknown to headroom, which then lowers nothing; where the series \
             is absent when idle, end the query with `or vector(0)`"
        ));
    }
    if trigger.use_cached_metrics == Some(true) {
        draft.note(format!(
            "{called}: useCachedMetrics: headroom asks anew each time"
        ));
    }
    let known = [
        "serverAddress",
        "query",
        "threshold",
        "activationThreshold",
        "metricName",
        "authModes",
        "ignoreNullValues",
        "customHeaders",
        "timeout",
    ];
    if trigger.metadata.contains_key("timeout") {
        draft.note(format!(
            "{called}: its timeout; that of headroom is `timeout` in [prometheus.NAME]"
        ));
    }
    for key in trigger.beyond(&known) {
        draft.lack(match key {
            "unsafeSsl" => format!(
                "{called}: unsafeSsl: headroom always checks certificates; give the authority as `ca` in [prometheus.NAME]"
            ),
            "namespace" | "queryParameters" => format!(
                "{called}: {key}: headroom adds no parameters to a query; put a matcher into the query"
            ),
            other => format!("{called}: metadata.{other}: headroom has nothing like it"),
        });
    }
}

/// `customHeaders`, which are `NAME=VALUE` between commas. A secret among them is not copied, and no value is repeated.
fn headers(trigger: &Trigger, draft: &mut Draft) -> Vec<(String, String)> {
    let Some(text) = trigger.text("customHeaders") else {
        return Vec::new();
    };
    let called = trigger.called();
    let mut headers = Vec::new();
    for pair in text.split(',') {
        let Some((name, value)) = pair
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .filter(|(name, value)| is_header_name(name) && !value.is_empty())
        else {
            draft.lack(format!("{called}: customHeaders: a part of it is no NAME=VALUE"));
            continue;
        };
        if carries_secret(name) {
            draft.lack(format!(
                "{called}: customHeaders: the value of {name}, which is a secret; give it to `headers` in [prometheus.NAME] as \
                 \"env:NAME\" or \"file:PATH\""
            ));
        } else if value.starts_with("env:") || value.starts_with("file:") {
            draft.lack(format!(
                "{called}: customHeaders: the value of {name}, which headroom would take for the place of a secret"
            ));
        } else {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    headers
}

fn resource(trigger: &Trigger, draft: &mut Draft) -> Result<(), String> {
    let container = trigger.text("containerName");
    let value = trigger.needed("value")?;
    let kind = trigger.metric_type.clone().or_else(|| trigger.text("type"));
    for key in trigger.beyond(&["type", "value", "containerName", "activationValue"]) {
        draft.lack(format!(
            "{}: metadata.{key}: headroom has nothing like it",
            trigger.called()
        ));
    }
    if kind.as_deref() != Some("Utilization") {
        return Err(average_value(
            &trigger.kind,
            container.as_deref(),
            &format!("{value} for each pod"),
        ));
    }
    let percent: i64 = value
        .trim()
        .parse()
        .map_err(|_| format!("value: `{value}` is no percentage"))?;
    draft.add_resource(&trigger.kind, container.as_deref(), percent);
    Ok(())
}

fn cron(trigger: &Trigger, draft: &mut Draft) -> Result<(), String> {
    let (start, end) = (trigger.needed("start")?, trigger.needed("end")?);
    let zone = trigger.needed("timezone")?;
    let replicas = trigger.needed("desiredReplicas")?;
    let replicas: i64 = replicas
        .trim()
        .parse()
        .map_err(|_| format!("desiredReplicas: `{replicas}` is no count"))?;
    let length = cron::length(&start, &end).ok_or_else(|| {
        format!("from `{start}` to `{end}` is not the same span each time; write a `schedule` with `cron` and `duration`")
    })?;
    if cron::meets_a_change(start.trim(), zone.trim(), length, SystemClock.now()) {
        draft.note(format!(
            "{}: where the clocks of {} change within it, it does not end at `{}` by them, as with KEDA, but when its \
             `duration` has elapsed; let that be longer by as much as they change where it must not end earlier",
            trigger.called(),
            zone.trim(),
            end.trim()
        ));
    }
    // A floor of headroom's goes before the bounds, and one of KEDA's lies within them.
    let floor = replicas.clamp(draft.min.max(1), draft.max);
    let name = plain_name(trigger.name.as_deref().unwrap_or("cron"), "cron");
    let toml = format!(
        "{{ cron = {}, duration = {}, timezone = {}, min_replicas = {floor} }}",
        quoted(start.trim()),
        quoted(&words::duration_text(length)),
        quoted(zone.trim())
    );
    let name = free_name(&name, |name| {
        let mut keys = draft.keys.iter().map(|(key, _)| key.strip_prefix("schedule."));
        keys.any(|taken| taken == Some(name))
    });
    draft.set_toml(format!("schedule.{name}"), toml);
    Ok(())
}
