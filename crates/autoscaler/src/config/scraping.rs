//! A metric that is read from the replicas' own `/metrics`: which series, and who is asked for it.

use std::sync::Arc;

use headroom_metrics_source::Across;

use super::{
    at::At,
    lint::Lint,
    metrics::{Surroundings, TargetKind},
    place::Place,
    problem::{Finding, ProblemKind},
    promql,
    raw::{AcrossReplicas, RawMetric},
    reader::{Reader, absent, conflict},
    words::{self, NumberOrText, PortText, PromqlText, WordError},
};
use crate::{MetricOrigin, PodPort, Scraped};

/// Where the metric comes from; `None` after reporting what is wrong.
pub(super) fn scrape(
    name: &At<String>,
    series: &At<PromqlText>,
    raw: &RawMetric,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> Option<MetricOrigin> {
    let is_series = promql::is_series(&series.value.0);
    if !is_series {
        let message = format!("`{}` is no series", series.value.0);
        let finding = Finding::new(ProblemKind::BadValue, message).at(series.place);
        reader.report(finding.help(
            "write a metric's name, with label matchers if need be: 'http_requests_total{code=\"200\"}'; \
             rates and sums are made with rate_over and across",
        ));
    }
    let asked = asked(name, series.place, raw, around, reader);
    let rate_over = reader.span("rate_over", raw.rate_over.as_ref());
    if rate_over.is_none() && raw.rate_over.is_none() && series.value.0.contains("_total") {
        let warning = format!(
            "metric `{}` reads a counter without `rate_over`: it only ever grows; set rate_over = \"30s\"",
            name.value
        );
        reader.lint(Lint::CounterWithoutRate, series.place, &warning);
    }
    let path = raw.path.as_ref()?;
    if !path.value.starts_with('/') {
        let finding = Finding::new(ProblemKind::BadValue, "a path on a replica starts with /").at(path.place);
        reader.report(finding.help(format!("write path = \"/{}\"", path.value)));
        return None;
    }
    let asked = asked.filter(|_| is_series)?;
    Some(MetricOrigin::Scrape {
        series: Arc::from(series.value.0.trim()),
        path: Arc::from(path.value.as_str()),
        rate_over,
        across: match raw.across.as_ref().map(|choice| choice.value) {
            Some(AcrossReplicas::Average) => Across::Average,
            Some(AcrossReplicas::Sum) | None => Across::Sum,
        },
        asked,
    })
}

fn asked(
    name: &At<String>,
    series: Place,
    raw: &RawMetric,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> Option<Scraped> {
    let listed = raw.endpoints.as_ref().filter(|list| !list.value.is_empty());
    match (listed, &raw.port, around.target) {
        (Some(list), Some(port), _) => {
            let message = format!("metric `{}` says twice where to scrape", name.value);
            let ways = [("endpoints", list.place), ("port", port.place)];
            let help = "keep `port` for the target's pods, or `endpoints` for fixed servers";
            reader.report(conflict(message, &ways, help));
            None
        }
        (Some(list), None, _) => {
            let urls = list
                .value
                .iter()
                .map(|url| reader.word(words::url(&url.value.0), url.place));
            let urls: Vec<_> = urls.collect();
            let urls: Option<Vec<_>> = urls.into_iter().map(|url| url.map(Arc::from)).collect();
            urls.map(Scraped::Fixed)
        }
        (None, Some(port), Some(TargetKind::Kubernetes) | None) => {
            let port = reader.word(self::port(&port.value), port.place)?;
            Some(Scraped::Pods {
                port,
                annotation: around.scrape_address,
            })
        }
        (None, Some(port), Some(TargetKind::Process | TargetKind::Command)) => {
            let finding = Finding::new(
                ProblemKind::BadValue,
                "`port` is one of pods, and this target has none",
            );
            reader.report(finding.at(port.place).help(
                "remove it: a process target knows the port of each replica; for any other, set endpoints = \
                 [\"http://HOST:PORT\"]",
            ));
            None
        }
        (None, None, Some(TargetKind::Process) | None) => Some(Scraped::Replicas),
        (None, None, Some(TargetKind::Kubernetes)) => {
            let message = format!(
                "metric `{}` does not say on which port the pods are scraped",
                name.value
            );
            let help = "set port = \"metrics\", the name that a container gives its port, or its number; or endpoints = \
                        [\"http://HOST:PORT\"] for a fixed server";
            reader.report(absent(message, series, help));
            None
        }
        (None, None, Some(TargetKind::Command)) => {
            let message = format!("metric `{}` does not say where to scrape", name.value);
            let help = "set endpoints = [\"http://HOST:PORT\"]: a command does not tell where its replicas are; or ask a \
                        Prometheus with `query`";
            reader.report(absent(message, series, help));
            None
        }
    }
}

/// A number, or a name as Kubernetes lets ports have.
fn port(text: &PortText) -> Result<PodPort, WordError> {
    let bad = |text: String| WordError::Port { text };
    let name = match &text.0 {
        NumberOrText::Number(number) => {
            let text = number.to_string();
            return text.parse().map(PodPort::Number).map_err(|_| bad(text));
        }
        NumberOrText::Text(name) => name.as_str(),
    };
    let symbols = |symbol: char| symbol.is_ascii_lowercase() || symbol.is_ascii_digit() || symbol == '-';
    let is_name = name.len() <= 15
        && name.chars().all(symbols)
        && name.contains(|symbol: char| symbol.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--");
    if is_name {
        Ok(PodPort::Named(name.into()))
    } else {
        Err(bad(name.to_owned()))
    }
}
