//! One actuator, or reader, for targets of all kinds: hands each to the adapter of its kind.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::join_all;
use headroom_policy_engine::{Replicas, Timestamp};

use crate::{Actuator, ScaleTarget, TargetError, TargetReader, TargetState};

/// An adapter for each kind of target: `ByKind<dyn Actuator>` writes, `ByKind<dyn TargetReader>` only reads.
#[derive(Debug)]
pub struct ByKind<A: ?Sized> {
    /// For objects in a cluster.
    pub kubernetes: Arc<A>,
    /// For processes of this machine.
    pub process: Arc<A>,
    /// For the user's own commands.
    pub command: Arc<A>,
}

impl<A: ?Sized> ByKind<A> {
    fn of(&self, target: &ScaleTarget) -> &A {
        match target {
            ScaleTarget::Kubernetes(_) => &self.kubernetes,
            ScaleTarget::Process(_) => &self.process,
            ScaleTarget::Command(_) => &self.command,
        }
    }
}

#[async_trait]
impl<A: TargetReader + ?Sized> TargetReader for ByKind<A> {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        let each = targets.iter().map(async |target| {
            let mut read = self.of(target).read(std::slice::from_ref(target), now).await;
            read.pop().unwrap_or(Err(TargetError::Unsupported))
        });
        join_all(each).await
    }
}

#[async_trait]
impl<A: Actuator + ?Sized> Actuator for ByKind<A> {
    async fn tend(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError> {
        self.of(target).tend(target, now).await
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        self.of(target).set_replicas(target, from, to, now).await
    }

    async fn annotate(&self, target: &ScaleTarget, reason: &str) -> Result<(), TargetError> {
        self.of(target).annotate(target, reason).await
    }
}
