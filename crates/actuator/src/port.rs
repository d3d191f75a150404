//! The ports: reading targets, and writing to them.

use std::{fmt, net::IpAddr, sync::Arc};

use async_trait::async_trait;
use headroom_cluster::NamedPort;
use headroom_policy_engine::{Pod, Replicas, Timestamp, Workload};

use crate::{ScaleTarget, TargetError};

/// Reads what targets want and have. Cannot change anything.
#[async_trait]
pub trait TargetReader: fmt::Debug + Send + Sync {
    /// Reads each of `targets`, in their order; `now` is the time of the pass.
    ///
    /// A target that cannot be read gets an error of its own and never keeps others from being read.
    async fn read(&self, targets: &[ScaleTarget], now: Timestamp) -> Vec<Result<TargetState, TargetError>>;
}

/// Sets replica counts.
#[async_trait]
pub trait Actuator: TargetReader {
    /// Keeps what was asked for running: replicas that died are started again, those that drain are ended.
    /// Called once a pass before reading. Nothing to do where something else does that (Kubernetes, commands).
    async fn tend(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError>;

    /// Changes the wanted count of `target` from `from`, on which was decided, to `to`.
    ///
    /// Returns when the new count is durably wanted, not when its replicas are ready.
    ///
    /// # Errors
    /// [`TargetError::Conflict`] when the target no longer wants `from`; otherwise why it could not be written.
    async fn set_replicas(
        &self,
        target: &ScaleTarget,
        from: Replicas,
        to: Replicas,
        now: Timestamp,
    ) -> Result<(), TargetError>;

    /// Says at `target` itself why its count was changed, where it has a place for that. The others do nothing.
    ///
    /// # Errors
    /// Why it could not be written. The count stays as it was set.
    async fn annotate(&self, target: &ScaleTarget, reason: &str) -> Result<(), TargetError> {
        let _ = (target, reason);
        Ok(())
    }
}

/// One target as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetState {
    /// What the engine is told: count, readiness, holds.
    pub workload: Workload,
    /// What identifies this target and no later one of its name; `None` where nothing does.
    pub identity: Option<Arc<str>>,
    /// The pods that its selector matches, for a target that is to tell of them; `None` where it is not, or cannot.
    pub pods: Option<Vec<Pod>>,
    /// Where its replicas can be asked for metrics, where the target knows. Draining replicas are not among them.
    pub replicas: Vec<ReplicaEndpoint>,
}

/// Where one replica can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaEndpoint {
    /// What identifies this replica and no later one in its place.
    pub id: Arc<str>,
    /// Where it listens.
    pub address: ReplicaAddress,
    /// Whether it is ready.
    pub ready: bool,
}

/// Where a replica listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaAddress {
    /// At this URL without a path, such as `http://127.0.0.1:8080`.
    Url(Arc<str>),
    /// At the address of its pod, on ports of which a metric chooses one.
    Pod {
        /// The pod's address; `None` where it has none yet.
        ip: Option<IpAddr>,
        /// The ports that have a name.
        ports: Arc<[NamedPort]>,
        /// What the pod's annotation `headroom.dev/scrape-address` says, as it stands there. It may be honored only
        /// where the operator allows it: whoever may write pods can write it.
        scrape_address: Option<Arc<str>>,
    },
}

impl ReplicaAddress {
    /// The URL, where the replica has one without a metric's choice.
    #[must_use]
    pub const fn url(&self) -> Option<&Arc<str>> {
        match self {
            Self::Url(url) => Some(url),
            Self::Pod { .. } => None,
        }
    }
}
