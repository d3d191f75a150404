//! Keeps replicas of `sleep`, and changes how many again and again until it is killed. For a test of just that.

use std::{
    env,
    error::Error,
    io::{self, Write as _},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use headroom_actuator::{
    Actuator as _, ProcessActuator, ProcessTarget, ReadyCheck, ScaleTarget, TargetReader as _,
    testing::FileRecords,
};
use headroom_policy_engine::{Replicas, Timestamp};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("usage: restless RECORDS LOGS VARIABLE VALUE")
    };
    let (records, logs, variable, value) = (PathBuf::from(next()?), PathBuf::from(next()?), next()?, next()?);
    let actuator = ProcessActuator::new(Arc::new(FileRecords::new(records.clone())));
    let target = ScaleTarget::Process(Arc::new(ProcessTarget {
        workload: "shop/web".parse()?,
        command: ["sh", "-c", "exec sleep 600"].map(str::to_owned).to_vec(),
        directory: records,
        environment: [(variable, value)].into(),
        ready: ReadyCheck::Alive,
        drain: Duration::from_secs(10),
        log_directory: logs,
    }));
    for count in [3, 1, 5, 0, 2, 4].into_iter().cycle() {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let now = Timestamp::from_unix_millis(i64::try_from(since.as_millis())?);
        actuator.tend(&target, now).await?;
        let state = actuator
            .read(std::slice::from_ref(&target), now)
            .await
            .pop()
            .ok_or("no answer")??;
        actuator
            .set_replicas(&target, state.workload.current, Replicas::new(count), now)
            .await?;
        writeln!(io::stdout(), "{count}")?;
    }
    Ok(())
}
