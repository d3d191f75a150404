//! What somebody does between the reading of a target and what is written to it.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use headroom_actuator::{
    Actuator, ScaleTarget, TargetError, TargetReader, TargetState, testing::ScriptedActuator,
};
use headroom_policy_engine::{Replicas, Timestamp, WorkloadId};

/// A scripted actuator, after each of whose readings somebody does something.
pub(crate) struct Meddler {
    actuator: Arc<ScriptedActuator>,
    meddles: Box<dyn Fn(&WorkloadId) + Send + Sync>,
}

impl Meddler {
    pub(crate) fn new(
        actuator: &Arc<ScriptedActuator>,
        meddles: impl Fn(&WorkloadId) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            actuator: Arc::clone(actuator),
            meddles: Box::new(meddles),
        })
    }
}

impl fmt::Debug for Meddler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.actuator.fmt(f)
    }
}

#[async_trait]
impl TargetReader for Meddler {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        let read = self.actuator.read(targets, now).await;
        (self.meddles)(targets[0].workload());
        read
    }
}

#[async_trait]
impl Actuator for Meddler {
    async fn tend(&self, _: &ScaleTarget, _: Timestamp) -> Result<(), TargetError> {
        Ok(())
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        self.actuator.set_replicas(target, from, to, now).await
    }
}
