//! Objects in a Kubernetes cluster that have a scale subresource.
//!
//! Owns what the cluster's facts mean for a workload, and when a count may be written over another version of its
//! object. How the cluster is asked belongs to `headroom-cluster`; what a count should be, to the engine.

mod state;

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::{join, join_all};
use headroom_cluster::{
    ClusterError, ClusterView, Connection, FIELD_MANAGER, Scalable, ScaleProbe, ScaleWriter,
};
use headroom_policy_engine::{Replicas, Timestamp};
use tracing::debug;

use self::state::state;
use crate::{Actuator, KubernetesTarget, ScaleTarget, TargetError, TargetReader, TargetState};

/// How often a count is written again over changes of the object that leave the count alone. Each is a status update
/// that came in between, of which a rollout makes a few a second.
const ATTEMPTS: usize = 5;

/// Reads targets of kind Kubernetes. It has no way to write.
#[derive(Clone, Debug)]
pub struct KubernetesReader {
    view: Arc<ClusterView>,
}

/// Reads and sets targets of kind Kubernetes, through their scale subresource alone.
///
/// A count is written only over the version of the object that was read. Where that changed in between, the object is
/// read again: one that still wants what was decided on is written over, any other is a conflict.
#[derive(Debug)]
pub struct KubernetesActuator {
    reader: KubernetesReader,
    writer: ScaleWriter,
}

/// Finds out whether counts may be written, without writing any.
#[derive(Debug)]
pub struct KubernetesProbe {
    reader: KubernetesReader,
    probe: ScaleProbe,
}

impl KubernetesReader {
    /// Reads what `view` knows.
    #[must_use]
    pub const fn new(view: Arc<ClusterView>) -> Self {
        Self { view }
    }

    async fn read_one(&self, target: &ScaleTarget, now: Timestamp) -> Result<TargetState, TargetError> {
        let target = kubernetes(target)?;
        let object = &target.object;
        let (scalable, pods) = join(
            self.view.scalable(object, now),
            self.view.pods(&object.namespace, now),
        )
        .await;
        let scalable = scalable?;
        let pods = match pods {
            Ok(pods) => Some(pods),
            // Without the permission nothing is known of pods, and that is said by the guards that need them.
            Err(error) if error.is_forbidden() => {
                debug!(workload = %target.workload, error = %error, "pods may not be read");
                None
            }
            Err(error) => return Err(error.into()),
        };
        Ok(state(&scalable, pods.as_deref(), now)?)
    }
}

impl KubernetesActuator {
    /// Reads what `view` knows, and writes over `connection`.
    #[must_use]
    pub fn new(connection: Arc<Connection>, view: Arc<ClusterView>) -> Self {
        Self {
            reader: KubernetesReader::new(Arc::clone(&view)),
            writer: ScaleWriter::new(connection, view),
        }
    }

    /// Sets the count, and again where the object changed in between and still wants `from`.
    async fn set(
        &self,
        target: &KubernetesTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        let mut seen = self.wanting(target, from, now).await?;
        if from == to {
            return Ok(());
        }
        for _ in 1..ATTEMPTS {
            let conflict = match self.writer.set(&target.object, &seen, to).await {
                Err(conflict @ ClusterError::Conflict { .. }) => conflict,
                other => return Ok(other?),
            };
            let found = self.reader.view.fetch(&target.object).await?;
            if found.uid != seen.uid {
                return Err(conflict.into());
            }
            if is_done(&found, to) {
                return Ok(());
            }
            expect(&found, from)?;
            seen = Arc::new(found);
        }
        Ok(self.writer.set(&target.object, &seen, to).await?)
    }

    /// The object, if it wants `count`. What is known of it may be a moment old, so a conflict is looked at again.
    async fn wanting(
        &self,
        target: &KubernetesTarget,
        count: Replicas,
        now: Timestamp,
    ) -> Result<Arc<Scalable>, TargetError> {
        let known = self.reader.view.scalable(&target.object, now).await?;
        if known.wanted()? == count {
            return Ok(known);
        }
        let found = self.reader.view.fetch(&target.object).await?;
        expect(&found, count)?;
        Ok(Arc::new(found))
    }
}

impl KubernetesProbe {
    /// Asks over `connection` about the objects that `view` knows.
    #[must_use]
    pub fn new(connection: Arc<Connection>, view: Arc<ClusterView>) -> Self {
        Self {
            reader: KubernetesReader::new(Arc::clone(&view)),
            probe: ScaleProbe::new(connection, view),
        }
    }

    /// Has the API server check a write of the count that `target` has, and keep nothing of it (a server-side dry run).
    ///
    /// # Errors
    /// Why it would not be accepted: a permission, admission, or that the target cannot be read.
    pub async fn try_write(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError> {
        let target = kubernetes(target)?;
        let known = self.reader.view.scalable(&target.object, now).await?;
        Ok(self
            .probe
            .try_set(&target.object, &known, known.wanted()?)
            .await?)
    }
}

/// Whether the object wants `to` already, because an attempt whose answer was lost was carried out.
///
/// A count that once was zero by way of the scale subresource has no owner any more.
fn is_done(found: &Scalable, to: Replicas) -> bool {
    let may_be_ours = found
        .replicas_owner
        .as_ref()
        .is_none_or(|owner| &*owner.manager == FIELD_MANAGER);
    may_be_ours && found.replicas == Some(to)
}

fn expect(found: &Scalable, expected: Replicas) -> Result<(), TargetError> {
    let found = found.wanted()?;
    if found == expected {
        Ok(())
    } else {
        Err(TargetError::Conflict { expected, found })
    }
}

fn kubernetes(target: &ScaleTarget) -> Result<&KubernetesTarget, TargetError> {
    match target {
        ScaleTarget::Kubernetes(target) => Ok(target),
        ScaleTarget::Process(_) | ScaleTarget::Command(_) => Err(TargetError::Unsupported),
    }
}

#[async_trait]
impl TargetReader for KubernetesReader {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        join_all(targets.iter().map(|target| self.read_one(target, now))).await
    }
}

#[async_trait]
impl TargetReader for KubernetesActuator {
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>> {
        self.reader.read(targets, now).await
    }
}

#[async_trait]
impl Actuator for KubernetesActuator {
    async fn tend(&self, _target: &ScaleTarget, _now: Timestamp) -> Result<(), TargetError> {
        Ok(())
    }

    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError> {
        self.set(kubernetes(target)?, from, to, now).await
    }
}
