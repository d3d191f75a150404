//! What `check --live` asks: the cluster for what it allows, every source for each query, every target for its count and
//! whether it may be written, and each Prometheus whether it is there and scrapes often enough.
//!
//! It makes the look ahead of `plan`, and reads from it what answered. All of it together has the deadline of a pass.

mod cluster;
mod findings;
mod ranges;
mod servers;
mod workload;

use headroom_autoscaler::{Assembly, Clock as _, Configuration, SystemClock, Which};

pub(crate) use self::findings::Findings;
use self::findings::{Answer, Finding};
use crate::{commands::pass, configuration::environment, error::CliError};

/// Asks everything that a pass needs.
///
/// # Errors
/// When the parts cannot be put together, or asking did not end in time.
pub(super) async fn ask(configuration: &Configuration) -> Result<Findings, CliError> {
    pass::in_time(configuration, Box::pin(ask_all(configuration))).await?
}

async fn ask_all(configuration: &Configuration) -> Result<Findings, CliError> {
    let (autoscaler, probe) = Assembly::look_ahead(configuration.clone(), &environment())?;
    let now = SystemClock.now();
    let mut findings = Vec::new();
    if let Some(probe) = &probe {
        findings.extend(cluster::of_cluster(probe, configuration, now).await);
    }
    let record = autoscaler.locked_pass(&SystemClock, Which::All).await?;
    findings.extend(record.decisions.iter().flat_map(workload::of_workload));
    if let Some(probe) = &probe {
        findings.extend(cluster::of_targets(probe, configuration, &record.decisions, now).await);
    }
    findings.extend(ranges::of_ranges(configuration).await?);
    findings.extend(servers::of_servers(configuration).await?);
    let failures = record.notices.iter().filter(|notice| notice.is_failure());
    findings.extend(failures.map(|notice| Finding {
        answer: Answer::Failed,
        subject: "state".to_owned(),
        part: String::new(),
        text: notice.to_string(),
    }));
    Ok(Findings(findings))
}
