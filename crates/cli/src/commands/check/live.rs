//! What `check --live` asks: the cluster for what it allows, every source for each query, every target for its count and
//! whether it may be written, and each Prometheus whether it is there and scrapes often enough.
//!
//! It makes the look ahead of `plan`, and reads from it what answered. The rest is asked at once by the same connections, so
//! that nothing is fetched again that this pass knows. All of it together has the deadline of a pass.

mod cluster;
mod evictions;
mod findings;
mod servers;
mod workload;

use futures::{future::OptionFuture, join};
use headroom_autoscaler::{Assembly, Configuration, SystemClock, Which};

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
    let (autoscaler, probes) = Assembly::look_ahead(configuration.clone(), &environment())?;
    let record = autoscaler.locked_pass(&SystemClock, Which::All).await?;
    let cluster = probes.cluster.as_ref();
    let (of_cluster, of_targets, of_servers) = join!(
        OptionFuture::from(cluster.map(|probe| cluster::of_cluster(probe, configuration, record.at))),
        OptionFuture::from(cluster.map(|probe| cluster::of_targets(probe, configuration, &record))),
        servers::of_servers(configuration, &probes),
    );
    let mut findings = of_cluster.unwrap_or_default();
    findings.extend(record.decisions.iter().flat_map(workload::of_workload));
    findings.extend(of_targets.into_iter().flatten());
    findings.extend(of_servers);
    let failures = record.notices.iter().filter(|notice| notice.is_failure());
    findings.extend(failures.map(|notice| Finding {
        answer: Answer::Failed,
        subject: "state".to_owned(),
        part: String::new(),
        text: notice.to_string(),
    }));
    Ok(Findings(findings))
}
