//! Whether each Prometheus is there, and whether the ranges of what it is asked are long enough for how often their series
//! are scraped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{
    future::{join, join_all},
    stream::{self, StreamExt as _},
};
use headroom_autoscaler::{Configuration, MetricOrigin, Probes, PrometheusSettings};
use headroom_metrics_source::{PrometheusSource, RangeRemark, ShortRange};

use super::findings::{Answer, Finding};
use crate::moment;

/// Each query of one server, with the workloads that ask it.
type Queries<'a> = BTreeMap<&'a Arc<str>, BTreeSet<&'a str>>;

/// The servers: those that some workload asks are asked what they are and of their queries, and of the others nothing is
/// known.
pub(super) async fn of_servers(configuration: &Configuration, probes: &Probes) -> Vec<Finding> {
    let queries = queries(configuration);
    let each = configuration.settings.prometheus.iter();
    let each = each.map(async |(name, settings)| {
        let asked = (probes.servers.get(name), queries.get(name.as_str()));
        let (mut findings, answer, text) = if let (Some(source), Some(queries)) = asked {
            let (ranges, (answer, text)) =
                join(of_ranges(source, settings, queries), of_server(source, settings)).await;
            (ranges, answer, text)
        } else {
            let text = format!("no workload asks {}", settings.url);
            (Vec::new(), Answer::NotAsked, text)
        };
        findings.push(Finding {
            answer,
            subject: format!("prometheus.{name}"),
            part: String::new(),
            text,
        });
        findings
    });
    join_all(each).await.into_iter().flatten().collect()
}

fn queries(configuration: &Configuration) -> BTreeMap<&str, Queries<'_>> {
    let mut servers: BTreeMap<&str, Queries<'_>> = BTreeMap::new();
    for workload in &configuration.workloads {
        for metric in workload.asked() {
            match &metric.origin {
                MetricOrigin::Prometheus { server, query } => {
                    let queries = servers.entry(server).or_default();
                    for query in [Some(&query.query), query.coverage.as_ref()]
                        .into_iter()
                        .flatten()
                    {
                        queries.entry(query).or_default().insert(workload.id.as_str());
                    }
                }
                MetricOrigin::Scrape { .. }
                | MetricOrigin::Recorded { .. }
                | MetricOrigin::Resource { .. } => {}
            }
        }
    }
    servers
}

async fn of_server(source: &PrometheusSource, settings: &PrometheusSettings) -> (Answer, String) {
    match source.probe().await {
        Ok(info) => {
            let version = info
                .version
                .map_or_else(String::new, |version| format!(", version {version}"));
            (Answer::Ok, format!("{} answers{version}", settings.url))
        }
        Err(error) => (Answer::Failed, error.to_string()),
    }
}

/// What there is to look at in the ranges of `queries`, at the workloads that ask them. No more are asked at once than the
/// server takes, so that none waits for its turn until its time is over.
async fn of_ranges(
    source: &PrometheusSource,
    settings: &PrometheusSettings,
    queries: &Queries<'_>,
) -> Vec<Finding> {
    let asked = queries.iter().map(async |(query, workloads)| {
        let remarks = source.range_remarks(query).await;
        let each = remarks
            .iter()
            .flat_map(|remark| workloads.iter().map(move |workload| (remark, workload)));
        let findings = each.map(|(remark, workload)| Finding {
            answer: Answer::Look,
            subject: (*workload).to_owned(),
            part: "range".to_owned(),
            text: words(remark),
        });
        findings.collect::<Vec<_>>()
    });
    let asked: Vec<_> = asked.collect();
    let findings: Vec<_> = stream::iter(asked)
        .buffered(settings.max_concurrent)
        .collect()
        .await;
    findings.into_iter().flatten().collect()
}

fn words(remark: &RangeRemark) -> String {
    match remark {
        RangeRemark::Short(short) => words_of_short(short),
        RangeRemark::Unknown { selector, because } => {
            format!("whether {selector} is long enough is not known: {because}")
        }
    }
}

fn words_of_short(short: &ShortRange) -> String {
    let scrapes = match short.scrapes() {
        0 => "no scrape".to_owned(),
        1 => "1 scrape".to_owned(),
        several => format!("{several} scrapes"),
    };
    format!(
        "{} has room for {scrapes} of the job `{}`, every {}, and with fewer than four one that is late or lost leaves a \
         gap: make the range {} or longer, or scrape more often",
        short.selector,
        short.job,
        moment::span(short.interval),
        moment::span(short.enough())
    )
}
