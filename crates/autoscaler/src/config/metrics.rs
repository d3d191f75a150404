//! One metric: where it comes from, and how its value becomes a count.

use std::sync::Arc;

use headroom_actuator::ScaleTarget;
use headroom_metrics_source::PromqlQuery;
use headroom_policy_engine::{
    ContainerId, Freshness, GroupName, MetricKind, MetricName, MetricPolicy, MetricRule, OnMissing, Resource,
    Semantics, Tolerance, Votes,
};
use promql_parser::parser::Expr;

use super::{
    at::At,
    lint::Lint,
    place::Place,
    problem::{Finding, ProblemKind},
    promql,
    raw::{RawMetric, WhenMissing},
    reader::{Reader, absent, conflict},
    rules, scraping,
    servers::{Servers, check_name},
    words::PromqlText,
    zero,
};
use crate::{MetricOrigin, MetricSettings, ScrapeAddress, Threshold, settings};

/// What a metric needs to know of its workload.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) servers: &'a Servers,
    pub(super) source: Option<&'a At<String>>,
    pub(super) target: Option<TargetKind>,
    /// What a pod's own word on where it is scraped is worth.
    pub(super) scrape_address: ScrapeAddress,
    /// Whose rules decide.
    pub(super) semantics: Semantics,
    /// The workload's tolerances, up and down.
    pub(super) tolerance: Tolerance,
}

/// One metric as it was read.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) policy: MetricPolicy,
    pub(super) settings: MetricSettings,
    pub(super) queries: Queries,
    pub(super) threshold: Threshold,
}

/// The expressions of a metric that asks a Prometheus. Parsed once, for all that look into them.
#[derive(Debug, Default)]
pub(super) struct Queries {
    pub(super) query: Option<Expr>,
    pub(super) coverage: Option<Expr>,
}

/// What a target can tell about its replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetKind {
    Process,
    Command,
    Kubernetes,
}

impl From<&ScaleTarget> for TargetKind {
    fn from(target: &ScaleTarget) -> Self {
        match target {
            ScaleTarget::Process(_) => Self::Process,
            ScaleTarget::Command(_) => Self::Command,
            ScaleTarget::Kubernetes(_) => Self::Kubernetes,
        }
    }
}

/// Reads one metric; `None` after reporting what is wrong with it.
pub(super) fn metric(
    name: &At<String>,
    raw: &RawMetric,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> Option<Metric> {
    let named = check_name("a metric", name, reader);
    let origin = origin(name, raw, around, reader);
    let rule = rules::rule(name, raw, around.semantics, reader);
    let tolerance = match &raw.tolerance {
        None => Some(around.tolerance),
        Some(text) => rules::tolerance(text, reader).and_then(|band| Tolerance::new(band, band).ok()),
    };
    let max_age = reader.span("max_age", raw.max_age.as_ref());
    let warn_above = match &raw.warn_above {
        Some(text) => reader.amount(text).map(Some),
        None => Some(None),
    };
    let warn_for = reader.duration(raw.warn_for.as_ref());
    let votes = match raw.scale_down.as_ref().map(|flag| flag.value) {
        Some(false) => Votes::UpOnly,
        Some(true) | None => Votes::UpAndDown,
    };
    let on_missing = match raw.on_missing.as_ref().map(|choice| choice.value) {
        Some(WhenMissing::Ignore) => OnMissing::Ignore,
        Some(WhenMissing::Zero) => OnMissing::Zero,
        Some(WhenMissing::Block) | None => OnMissing::Block,
    };
    let group = raw
        .group
        .as_ref()
        .map(|group| self::group(name, group, rule.as_ref(), reader));
    let (Some(rule), Some((origin, queries)), true) = (rule, origin, named) else {
        return None;
    };
    // The HPA takes what was measured in part as it is.
    if around.semantics == Semantics::Headroom
        && may_lower(&rule, votes)
        && raw.coverage.is_none()
        && queries.query.as_ref().is_some_and(promql::adds_up)
    {
        let warning = format!(
            "metric `{}` adds up its replicas and may scale down without `coverage`: lost targets look like less load; \
             set coverage = 'count(up{{…}} == 1)', or scale_down = false",
            name.value
        );
        reader.lint(Lint::NoCoverage, name.place, &warning);
    }
    let max_age = max_age.map(|max_age| Freshness { max_age });
    let settings = MetricSettings { origin, max_age };
    let activation = zero::activation(name, raw, &rule, &settings, reader);
    let policy = MetricPolicy {
        kind: MetricKind::External,
        name: MetricName::new(&name.value),
        rule,
        votes,
        on_missing,
        tolerance: tolerance?,
        group: group.map_or(Some(None), |group| group.map(Some))?,
        activation: activation?,
    };
    Some(Metric {
        policy,
        settings,
        queries,
        threshold: Threshold {
            above: warn_above?,
            lasting: warn_for?.value,
        },
    })
}

/// What each metric is a value of. The containers of a workload's metrics are numbered in their order, each name once.
pub(super) fn kinds(metrics: &[MetricSettings]) -> Vec<MetricKind> {
    let containers = settings::containers(metrics);
    let number = |name: &str| {
        let number = containers.iter().position(|known| *known == name);
        ContainerId(number.map_or(u16::MAX, |number| u16::try_from(number).unwrap_or(u16::MAX)))
    };
    let mut kinds = Vec::with_capacity(metrics.len());
    for metric in metrics {
        kinds.push(match &metric.origin {
            MetricOrigin::Resource { resource, container } => {
                let resource = match resource.as_str() {
                    "cpu" => Resource::Cpu,
                    _ => Resource::Memory,
                };
                match container {
                    Some(name) => MetricKind::ContainerResource(resource, number(name)),
                    None => MetricKind::Resource(resource),
                }
            }
            MetricOrigin::Prometheus { .. } | MetricOrigin::Scrape { .. } | MetricOrigin::Recorded { .. } => {
                MetricKind::External
            }
        });
    }
    kinds
}

fn may_lower(rule: &MetricRule, votes: Votes) -> bool {
    votes == Votes::UpAndDown && !only_adds(rule)
}

fn only_adds(rule: &MetricRule) -> bool {
    matches!(rule, MetricRule::Step(step) if step.below().is_none())
}

/// The group that a metric belongs to.
fn group(
    name: &At<String>,
    group: &At<String>,
    rule: Option<&MetricRule>,
    reader: &mut Reader<'_>,
) -> Option<GroupName> {
    if rule.is_some_and(only_adds) {
        let message = format!(
            "metric `{}` can only add, so the group `{}` would never let the count fall",
            name.value, group.value
        );
        let help = "set `below` with `remove` too, or take the metric out of the group";
        reader.report(
            Finding::new(ProblemKind::BadValue, message)
                .at(group.place)
                .help(help),
        );
        return None;
    }
    check_name("a group", group, reader).then(|| GroupName::new(&group.value))
}

/// Where the metric comes from, with the expressions where that is PromQL.
fn origin(
    name: &At<String>,
    raw: &RawMetric,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> Option<(MetricOrigin, Queries)> {
    let strays = check_companions(raw, reader);
    let ways: Vec<(&str, Place)> = [
        ("query", raw.query.as_ref().map(|at| at.place)),
        ("scrape", raw.scrape.as_ref().map(|at| at.place)),
        ("recorded", raw.recorded.as_ref().map(|at| at.place)),
        ("container", raw.container.as_ref().map(|at| at.place)),
    ]
    .into_iter()
    .filter_map(|(key, place)| Some((key, place?)))
    .collect();
    if ways.len() > 1 {
        let message = format!("metric `{}` comes from two places at once", name.value);
        let help = "keep one; `container` goes with Kubernetes' own cpu and memory, without a query";
        reader.report(conflict(message, &ways, help));
        return None;
    }
    let origin = match (&raw.query, &raw.scrape, &raw.recorded) {
        (Some(query), _, _) => prometheus(name, query, raw, around, reader),
        (None, Some(series), _) => without_queries(scraping::scrape(name, series, raw, around, reader)),
        (None, None, Some(file)) => {
            let series = raw
                .series
                .as_ref()
                .map_or(name.value.as_str(), |series| &series.value);
            without_queries(reader.path(file).map(|file| MetricOrigin::Recorded {
                file,
                series: Arc::from(series),
            }))
        }
        (None, None, None) => without_queries(resource(name, raw, around, reader)),
    };
    if strays { None } else { origin }
}

fn without_queries(origin: Option<MetricOrigin>) -> Option<(MetricOrigin, Queries)> {
    Some((origin?, Queries::default()))
}

/// Keys that mean something only beside another one. `true`: there were strays.
fn check_companions(raw: &RawMetric, reader: &mut Reader<'_>) -> bool {
    let place = |at: Option<Place>| at;
    let query = raw.query.is_some();
    let scrape = raw.scrape.is_some();
    let step = raw.above.is_some() || raw.below.is_some();
    let strays = [
        (
            "coverage",
            "query",
            query,
            place(raw.coverage.as_ref().map(|at| at.place)),
        ),
        ("source", "query", query, raw.source.as_ref().map(|at| at.place)),
        ("path", "scrape", scrape, raw.path.as_ref().map(|at| at.place)),
        (
            "rate_over",
            "scrape",
            scrape,
            raw.rate_over.as_ref().map(|at| at.place),
        ),
        ("across", "scrape", scrape, raw.across.as_ref().map(|at| at.place)),
        ("port", "scrape", scrape, raw.port.as_ref().map(|at| at.place)),
        (
            "endpoints",
            "scrape",
            scrape,
            raw.endpoints.as_ref().map(|at| at.place),
        ),
        (
            "series",
            "recorded",
            raw.recorded.is_some(),
            raw.series.as_ref().map(|at| at.place),
        ),
        (
            "add",
            "above",
            raw.above.is_some(),
            raw.add.as_ref().map(|at| at.place),
        ),
        (
            "remove",
            "below",
            raw.below.is_some(),
            raw.remove.as_ref().map(|at| at.place),
        ),
        ("for", "above", step, raw.lasting.as_ref().map(|at| at.place)),
        (
            "compare",
            "high",
            raw.high.is_some() || raw.low.is_some(),
            raw.compare.as_ref().map(|at| at.place),
        ),
    ];
    let mut found = false;
    for (key, beside, present, stray) in strays {
        if let (false, Some(place)) = (present, stray) {
            let message = format!("`{key}` means nothing without `{beside}`");
            reader.report(
                Finding::new(ProblemKind::Absent, message)
                    .at(place)
                    .help(format!("set `{beside}` in the same metric, or remove `{key}`")),
            );
            found = true;
        }
    }
    found
}

fn prometheus(
    name: &At<String>,
    query: &At<PromqlText>,
    raw: &RawMetric,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> Option<(MetricOrigin, Queries)> {
    let expression = promql(query, reader);
    let coverage = raw.coverage.as_ref();
    let measured = coverage.map_or(Some(None), |coverage| promql(coverage, reader).map(Some));
    let source = raw.source.as_ref().or(around.source);
    let server = around.servers.choose(source, name, reader);
    let (Some(server), Some(expression), Some(measured)) = (server, expression, measured) else {
        return None;
    };
    let query = PromqlQuery {
        query: Arc::from(query.value.0.trim()),
        coverage: coverage.map(|text| Arc::from(text.value.0.trim())),
    };
    let queries = Queries {
        query: Some(expression),
        coverage: measured,
    };
    Some((MetricOrigin::Prometheus { server, query }, queries))
}

pub(super) fn promql(text: &At<PromqlText>, reader: &mut Reader<'_>) -> Option<Expr> {
    promql::parse(&text.value.0)
        .map_err(|reason| {
            let reason = reason.lines().map(str::trim).collect::<Vec<_>>().join(" ");
            // The parser's words for what it cannot place.
            let message = if reason == "invalid promql query" {
                "this is not PromQL".to_owned()
            } else {
                format!("PromQL refuses this: {reason}")
            };
            let finding = Finding::new(ProblemKind::BadValue, message);
            reader.report(
                finding
                    .at(text.place)
                    .help("try it on the Prometheus, under Graph"),
            );
        })
        .ok()
}

/// Kubernetes' own cpu or memory of the pods.
fn resource(
    name: &At<String>,
    raw: &RawMetric,
    around: &Surroundings<'_>,
    reader: &mut Reader<'_>,
) -> Option<MetricOrigin> {
    if raw.utilization.is_none() || !matches!(name.value.as_str(), "cpu" | "memory") {
        let message = format!("metric `{}` comes from nowhere", name.value);
        let help = "set query = '…' (Prometheus), scrape = \"…\" (the replicas' own /metrics) or recorded = \"FILE\"; only \
                    the `utilization` of `cpu` and `memory` needs none of them, on Kubernetes";
        reader.report(absent(message, name.place, help));
        return None;
    }
    if around
        .target
        .is_some_and(|target| target != TargetKind::Kubernetes)
    {
        let message = format!(
            "the utilization of `{}` comes from Kubernetes, and this target is not there",
            name.value
        );
        let help = "set query = '…', which gives the fraction of capacity in use: 0.7 is 70 %";
        reader.report(absent(message, name.place, help));
        return None;
    }
    Some(MetricOrigin::Resource {
        resource: name.value.clone(),
        container: raw.container.as_ref().map(|container| container.value.clone()),
    })
}
