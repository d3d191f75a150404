//! Whether each Prometheus is there.

use std::collections::BTreeSet;

use futures::future::join_all;
use headroom_autoscaler::{Assembly, Configuration, MetricOrigin};

use super::findings::{Answer, Finding};
use crate::{configuration::environment, error::CliError};

/// The servers: those that some workload asks are asked what they are, and of the others nothing is known.
///
/// # Errors
/// When one cannot be asked as it is configured.
pub(super) async fn of_servers(configuration: &Configuration) -> Result<Vec<Finding>, CliError> {
    let used: BTreeSet<&str> = configuration
        .workloads
        .iter()
        .flat_map(|workload| workload.asked())
        .filter_map(|metric| match &metric.origin {
            MetricOrigin::Prometheus { server, .. } => Some(server.as_str()),
            MetricOrigin::Scrape { .. } | MetricOrigin::Recorded { .. } | MetricOrigin::Resource { .. } => {
                None
            }
        })
        .collect();
    let each = configuration.settings.prometheus.iter();
    let each = each.map(async |(name, settings)| {
        let (answer, text) = if used.contains(name.as_str()) {
            let source = Assembly::server(configuration, &environment(), (name, settings))?;
            match source.probe().await {
                Ok(info) => {
                    let version = info
                        .version
                        .map_or_else(String::new, |version| format!(", version {version}"));
                    (Answer::Ok, format!("{} answers{version}", settings.url))
                }
                Err(error) => (Answer::Failed, error.to_string()),
            }
        } else {
            (Answer::NotAsked, format!("no workload asks {}", settings.url))
        };
        Ok(Finding {
            answer,
            subject: format!("prometheus.{name}"),
            part: String::new(),
            text,
        })
    });
    join_all(each).await.into_iter().collect()
}
