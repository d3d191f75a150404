//! A deadline for each call to a target. What to do about a late answer is the caller's.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::future::join_all;
use headroom_policy_engine::{Replicas, Timestamp};
use tokio::time::timeout;

use crate::{Actuator, ScaleTarget, TargetError, TargetReader, TargetState};

/// Asks the port within, and stops waiting after the deadline.
///
/// Targets are read each on its own, so that one that hangs delays none of the others beyond the deadline. A late
/// write is [`TargetError::Unanswered`]: it may have been carried out.
#[derive(Debug)]
pub struct WithDeadline<A: ?Sized> {
    inner: Arc<A>,
    deadline: Duration,
}

impl<A: ?Sized> WithDeadline<A> {
    /// Gives each call to `inner` no longer than `deadline`.
    pub fn new(inner: Arc<A>, deadline: Duration) -> Self {
        Self { inner, deadline }
    }
}

#[async_trait]
impl<A: TargetReader + ?Sized> TargetReader for WithDeadline<A> {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        let each = targets.iter().map(async |target| {
            let reading = self.inner.read(std::slice::from_ref(target), now);
            match timeout(self.deadline, reading).await {
                Ok(mut read) => read.pop().unwrap_or(Err(TargetError::Unsupported)),
                Err(_) => Err(TargetError::NoAnswer { after: self.deadline }),
            }
        });
        join_all(each).await
    }
}

#[async_trait]
impl<A: Actuator + ?Sized> Actuator for WithDeadline<A> {
    async fn tend(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError> {
        match timeout(self.deadline, self.inner.tend(target, now)).await {
            Ok(tended) => tended,
            Err(_) => Err(TargetError::NoAnswer { after: self.deadline }),
        }
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        match timeout(self.deadline, self.inner.set_replicas(target, from, to, now)).await {
            Ok(set) => set,
            Err(_) => Err(TargetError::Unanswered { after: self.deadline }),
        }
    }

    async fn annotate(&self, target: &ScaleTarget, reason: &str) -> Result<(), TargetError> {
        match timeout(self.deadline, self.inner.annotate(target, reason)).await {
            Ok(said) => said,
            Err(_) => Err(TargetError::NoAnswer { after: self.deadline }),
        }
    }
}
