//! Making one pass: the autoscaler put together for some workloads, and run once within its deadline.

use headroom_autoscaler::{
    Assembly, Autoscaler, Configuration, PassError, PassRecord, Purpose, SystemClock, Which,
};
use headroom_policy_engine::WorkloadId;
use tokio::time::timeout;

use crate::{configuration, error::CliError};

/// An autoscaler for `workloads` alone. What cannot be had for others is no hindrance. Where there are others, it tells
/// nobody how all of them are: it makes no digests and gives no sign of life.
///
/// # Errors
/// When a part cannot be had.
pub(crate) fn assemble(
    configuration: &Configuration,
    workloads: &[WorkloadId],
    purpose: Purpose,
) -> Result<Autoscaler, CliError> {
    Ok(Assembly::build(
        part_of(configuration, workloads),
        &configuration::environment(),
        purpose,
    )?)
}

/// What `configuration` says of `workloads`.
fn part_of(configuration: &Configuration, workloads: &[WorkloadId]) -> Configuration {
    let mut part = configuration.clone();
    let others = part
        .workloads
        .extract_if(.., |workload| !workloads.contains(&workload.id));
    let others: Vec<WorkloadId> = others.map(|workload| workload.id).collect();
    if !others.is_empty() {
        let notify = &mut part.settings.notify;
        notify.others = others;
        notify.heartbeat = None;
        for channel in &mut notify.channels {
            channel.digest = None;
        }
    }
    part
}

/// What a pass over `workloads` would do now. Nothing is written, and no lock is needed.
///
/// # Errors
/// When the pass could not be made, or did not end in time.
pub(crate) async fn look_ahead(
    configuration: &Configuration,
    workloads: &[WorkloadId],
) -> Result<PassRecord, CliError> {
    let autoscaler = assemble(configuration, workloads, Purpose::ReadOnly)?;
    let pass = autoscaler.locked_pass(&SystemClock, Which::All);
    Ok(in_time(configuration, Box::pin(pass)).await??)
}

/// What comes of `work`, within the deadline of a pass.
///
/// # Errors
/// When it did not end in time.
pub(crate) async fn in_time<T>(
    configuration: &Configuration,
    work: impl Future<Output = T>,
) -> Result<T, PassError> {
    let after = configuration.settings.pass_deadline;
    timeout(after, work)
        .await
        .map_err(|_| PassError::TimedOut { after })
}

#[cfg(test)]
mod tests {
    use headroom_autoscaler::config::{self, Environment, LoadOptions};
    use headroom_test_support::temp_dir;

    use super::*;

    const POLICY: &str = r#"
[defaults]
max_replicas = 4
command      = { get = ["cat", "${name}"], set = ["sh", "set.sh", "${name}", "{replicas}"] }
metrics.load = { recorded = "load.csv", per_replica = 100 }

[notify]
heartbeat = "env:HEARTBEAT_URL"

[notify.slack.ops]
webhook = "env:SLACK_WEBHOOK"
digest  = "0 9 * * *"

[workload.api]
[workload.web]
"#;

    #[test]
    fn whoever_looks_at_a_part_does_not_speak_for_all() {
        let directory = temp_dir();
        let path = directory.path().join("headroom.toml");
        std::fs::write(&path, POLICY).unwrap();
        let loaded = config::load(&[path], &Environment::default(), &LoadOptions::default()).unwrap();
        let speaks = |names: &[&str]| {
            let ids: Vec<WorkloadId> = names.iter().map(|name| name.parse().unwrap()).collect();
            let part = part_of(&loaded.configuration, &ids);
            assert_eq!(part.workloads.len(), names.len());
            let notify = &part.settings.notify;
            let others = notify.others.iter().map(ToString::to_string).collect::<Vec<_>>();
            let has_digest = notify.channels[0].digest.is_some();
            (notify.heartbeat.is_some(), has_digest, others)
        };
        assert_eq!(speaks(&["api", "web"]), (true, true, vec![]));
        assert_eq!(speaks(&["web"]), (false, false, vec!["api".to_owned()]));
    }
}
