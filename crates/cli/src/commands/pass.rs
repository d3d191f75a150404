//! Making one pass: the autoscaler put together for some workloads, and run once within its deadline.

use headroom_autoscaler::{
    Assembly, Autoscaler, Configuration, PassError, PassRecord, Purpose, SystemClock, Which,
};
use headroom_policy_engine::WorkloadId;
use tokio::time::timeout;

use crate::{configuration, error::CliError};

/// An autoscaler for `workloads` alone. What cannot be had for others is no hindrance.
///
/// # Errors
/// When a part cannot be had.
pub(crate) fn assemble(
    configuration: &Configuration,
    workloads: &[WorkloadId],
    purpose: Purpose,
) -> Result<Autoscaler, CliError> {
    let mut configuration = configuration.clone();
    configuration
        .workloads
        .retain(|workload| workloads.contains(&workload.id));
    Ok(Assembly::build(
        configuration,
        &configuration::environment(),
        purpose,
    )?)
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
