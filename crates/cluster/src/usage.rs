//! What is kept of a pod's metrics (metrics.k8s.io): what each of its containers used, and when.

use std::time::Duration;

use headroom_policy_engine::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _, de::IgnoredAny};

use crate::{
    Labels, Requests,
    meta::{Identified, RawMeta, Time},
    pod::RawRequests,
    view::Kept,
};

/// What one pod used within a window of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodMetrics {
    /// The name of the pod.
    pub name: Box<str>,
    /// The labels of the pod, as the metrics server has seen them.
    pub labels: Labels,
    /// The end of the window.
    pub measured_at: Timestamp,
    /// How long it was.
    pub window: Duration,
    /// What each container used. One that has just started is not there.
    pub containers: Box<[ContainerUsage]>,
}

/// What one container used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerUsage {
    /// Its name.
    pub name: Box<str>,
    /// How much of each resource. What is absent is not zero.
    pub used: Requests,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct RawPodMetrics {
    metadata: RawMeta<IgnoredAny>,
    timestamp: Time,
    window: Span,
    #[serde(default = "Option::default")]
    containers: Option<Vec<RawContainer>>,
}

#[derive(Clone, Debug, Deserialize)]
struct RawContainer {
    name: String,
    #[serde(default)]
    usage: RawRequests,
}

/// A span as Go writes it: `15.06s`, `1m0s`.
#[derive(Clone, Copy, Debug)]
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        span(&text)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no span of time")))
    }
}

impl Identified for RawPodMetrics {
    fn name(&self) -> &str {
        &self.metadata.name
    }

    fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl Kept for PodMetrics {
    type Raw = RawPodMetrics;
    type How = ();

    fn keep(raw: RawPodMetrics, (): &()) -> Self {
        let container = |raw: RawContainer| ContainerUsage {
            name: raw.name.into(),
            used: raw.usage.read(),
        };
        Self {
            name: raw.metadata.name.into(),
            labels: raw.metadata.labels.unwrap_or_default().into_iter().collect(),
            measured_at: raw.timestamp.0,
            window: raw.window.0,
            containers: raw.containers.into_iter().flatten().map(container).collect(),
        }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// The span that `text` says; `None` where it is none, or a negative one.
fn span(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut total) = (text, Duration::ZERO);
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, after) = rest.split_at(number);
        let unit = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        let amount: f64 = amount.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(amount * seconds).ok()?)?;
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use headroom_policy_engine::Milli;

    use super::*;

    fn metrics(json: serde_json::Value) -> Result<PodMetrics, serde_json::Error> {
        serde_json::from_value(json).map(|raw| PodMetrics::keep(raw, &()))
    }

    #[test]
    fn a_pods_metrics_are_kept_by_container() {
        let kept = metrics(serde_json::json!({
            "metadata": {"name": "api-1", "namespace": "shop", "creationTimestamp": null, "labels": {"app": "api"}},
            "timestamp": "2026-09-21T13:33:21Z", "window": "15.064s",
            "containers": [
                {"name": "app", "usage": {"cpu": "1234567n", "memory": "20Ki"}},
                {"name": "log", "usage": {"cpu": "0"}},
            ],
        }))
        .unwrap();
        assert_eq!((&*kept.name, kept.labels.get("app")), ("api-1", Some("api")));
        assert_eq!(kept.measured_at, Timestamp::from_unix_millis(1_789_997_601_000));
        assert_eq!(kept.window, Duration::from_millis(15_064));
        let used = |index: usize| {
            let used = kept.containers[index].used;
            (used.cpu.map(Milli::get), used.memory.map(Milli::get))
        };
        assert_eq!(
            used(0),
            (Some(2), Some(20_480_000)),
            "finer than a thousandth is rounded up"
        );
        assert_eq!(used(1), (Some(0), None), "what is absent is not zero");
    }

    #[test]
    fn a_window_is_read_as_go_writes_it() {
        let millis = |text| span(text).map(|span| span.as_millis());
        assert_eq!(
            [
                millis("15.064s"),
                millis("1m0s"),
                millis("1h2m3.5s"),
                millis("500ms"),
                millis("0"),
                millis("0s")
            ],
            [
                Some(15_064),
                Some(60_000),
                Some(3_723_500),
                Some(500),
                Some(0),
                Some(0)
            ]
        );
        for text in ["", "s", "15", "-1s", "1.2.3s", "1d", "1 s", "NaNs"] {
            assert_eq!(span(text), None, "{text:?}");
        }
    }

    #[test]
    fn metrics_without_a_time_are_none() {
        let without = serde_json::json!({"metadata": {"name": "a"}, "window": "15s", "containers": []});
        assert!(metrics(without).is_err());
    }
}
