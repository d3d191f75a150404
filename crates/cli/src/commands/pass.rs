//! Making one pass: the autoscaler put together for some workloads, and run once within its deadline.

use headroom_autoscaler::{
    Assembly, Autoscaler, Configuration, Once, PassError, PassRecord, Purpose, SystemClock, Which, run_once,
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
    let after = configuration.settings.pass_deadline;
    let pass = autoscaler.locked_pass(&SystemClock, Which::All);
    match timeout(after, Box::pin(pass)).await {
        Ok(passed) => Ok(passed?),
        Err(_) => Err(PassError::TimedOut { after }.into()),
    }
}

/// One pass of `autoscaler` for real, within its deadline.
///
/// # Errors
/// When the pass could not be made, or did not end in time.
pub(crate) async fn once(configuration: &Configuration, autoscaler: &Autoscaler) -> Result<Once, CliError> {
    let after = configuration.settings.pass_deadline;
    match timeout(after, Box::pin(run_once(autoscaler, &SystemClock, Which::All))).await {
        Ok(passed) => Ok(passed?),
        Err(_) => Err(PassError::TimedOut { after }.into()),
    }
}
