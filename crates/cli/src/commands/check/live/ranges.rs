//! Whether the ranges of queries are long enough for how often their series are scraped.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::future::join_all;
use headroom_autoscaler::{Assembly, Configuration, MetricOrigin};
use headroom_metrics_source::{PrometheusSource, ShortRange};

use super::findings::{Answer, Finding};
use crate::{configuration::environment, error::CliError, moment};

/// Each query of one server, with the workloads that ask it.
type Queries<'a> = BTreeMap<&'a Arc<str>, BTreeSet<&'a str>>;

/// The ranges into which too few scrapes fit, at the workloads that ask for them. A query that is not answered has said so
/// already.
///
/// # Errors
/// When a server cannot be asked as it is configured.
pub(super) async fn of_ranges(configuration: &Configuration) -> Result<Vec<Finding>, CliError> {
    let mut findings = Vec::new();
    for (server, queries) in queries(configuration) {
        let Some(settings) = configuration.settings.prometheus.get(server) else {
            continue;
        };
        let source = Assembly::server(configuration, &environment(), (server, settings))?;
        let asked = queries
            .iter()
            .map(|(query, workloads)| of_query(&source, query, workloads));
        findings.extend(join_all(asked).await.into_iter().flatten());
    }
    Ok(findings)
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

async fn of_query(source: &PrometheusSource, query: &Arc<str>, workloads: &BTreeSet<&str>) -> Vec<Finding> {
    let short = source.short_ranges(query).await.unwrap_or_default();
    let each = short
        .iter()
        .flat_map(|short| workloads.iter().map(move |workload| (short, workload)));
    let findings = each.map(|(short, workload)| Finding {
        answer: Answer::Look,
        subject: (*workload).to_owned(),
        part: "range".to_owned(),
        text: words(short),
    });
    findings.collect()
}

fn words(short: &ShortRange) -> String {
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
