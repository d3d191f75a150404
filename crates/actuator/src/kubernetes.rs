//! Objects in a Kubernetes cluster that have a scale subresource.
//!
//! Owns what the cluster's facts mean for a workload, and when a count may be written over another version of its
//! object. How the cluster is asked belongs to `headroom-cluster`; what a count should be, to the engine.

mod guards;
mod state;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use futures::future::{join_all, join5};
use headroom_cluster::{
    ClusterError, ClusterView, Connection, FieldManager, Need, Objects, Rollout, Scalable, ScaleProbe,
    ScaleWriter, Vpa,
};
use headroom_policy_engine::{RaisedCondition, Replicas, Timestamp};
use tracing::warn;

use self::state::{Seen, state};
use crate::{Actuator, KubernetesTarget, ScaleTarget, TargetError, TargetReader, TargetState};

/// How often a count is written again over changes of the object that leave the count alone. Each is a status update
/// that came in between, of which a rollout makes a few a second.
const ATTEMPTS: usize = 5;

const NOT_READY: &str = "the guard against replicas that do not become ready";
const SECOND_SCALER: &str = "the guard against a second scaler";
const SECOND_HEADROOM: &str = "the guard against a second headroom";
const REQUESTS: &str = "the guard against requests that change";
const RESET: &str = "the guard against a count that a deploy sets back";
const ROLLOUT: &str = "the guard against scaling down in a rollout";

/// Reads targets of kind Kubernetes. It has no way to write.
#[derive(Clone, Debug)]
pub struct KubernetesReader {
    view: Arc<ClusterView>,
    /// Whose writes are our own.
    own: FieldManager,
    /// What was warned of already.
    warned: Arc<Mutex<BTreeSet<String>>>,
}

/// Reads and sets targets of kind Kubernetes: their counts through the scale subresource alone. Why a count was changed
/// is written at the object itself, where a policy asks for it.
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
    view: Arc<ClusterView>,
    probe: ScaleProbe,
}

impl KubernetesReader {
    /// Reads what `view` knows, for the headroom that writes as `own`.
    #[must_use]
    pub fn new(view: Arc<ClusterView>, own: FieldManager) -> Self {
        Self {
            view,
            own,
            warned: Arc::default(),
        }
    }

    async fn read_one(&self, target: &ScaleTarget, now: Timestamp) -> Result<TargetState, TargetError> {
        let target = kubernetes(target)?;
        let (object, namespace) = (&target.object, &target.object.namespace);
        let (scalable, pods, hpas, scaled_objects, vpas) = join5(
            self.view.scalable(object, now),
            self.view.pods(namespace, now),
            self.view.hpas(namespace, now),
            self.view.scaled_objects(namespace, now),
            self.vpas(target, now),
        )
        .await;
        let scalable = scalable?;
        let mut off = Vec::new();
        let mut allowed = Allowed {
            reader: self,
            namespace,
            off: &mut off,
        };
        let pods = allowed.or_off(pods, NOT_READY, &Need::Pods)?;
        let hpas = allowed.or_off(hpas, SECOND_SCALER, &Need::Hpas)?;
        let scaled_objects = allowed.or_off(scaled_objects, SECOND_SCALER, &Need::ScaledObjects)?;
        let vpas = allowed.or_off(vpas, REQUESTS, &Need::Vpas)?;
        if scalable.rollout == Rollout::Unknown {
            off.push(RaisedCondition::GuardOff {
                guard: ROLLOUT.into(),
                because: "nothing is known of the rollouts of this kind".into(),
            });
        }
        if !scalable.tells_owners {
            off.extend([RESET, SECOND_HEADROOM].map(|guard| RaisedCondition::GuardOff {
                guard: guard.into(),
                because: "the object as it may be read does not tell who wrote its fields".into(),
            }));
        }
        let resource = self.view.resource(&object.kind).await?;
        let others = guards::second_scalers(object, &resource, hpas.as_deref(), scaled_objects.as_deref());
        let headroom = guards::second_headroom(&scalable, &self.own);
        let seen = Seen {
            object: &scalable,
            pods: pods.as_deref(),
            tells_pods: target.tells_pods,
            second_scalers: others.into_iter().chain(headroom).collect(),
            vertical: guards::Vertical::of(target, &resource, vpas.as_ref().and_then(Option::as_deref)),
            off,
        };
        Ok(state(seen, now)?)
    }

    /// What may change the requests that the count follows; `None` where it follows none, so that nothing has to be
    /// known of them.
    async fn vpas(
        &self,
        target: &KubernetesTarget,
        now: Timestamp,
    ) -> Result<Option<Arc<Objects<Vpa>>>, ClusterError> {
        if target.requests.is_empty() {
            return Ok(None);
        }
        self.view.vpas(&target.object.namespace, now).await.map(Some)
    }

    /// Warns once of a guard that is off.
    fn warn_once(&self, off: &RaisedCondition) {
        let off = off.to_string();
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if !warned.contains(&off) {
            warn!("{off}");
            warned.insert(off);
        }
    }
}

/// Takes a missing permission for what it is: the guard that needs it is off.
struct Allowed<'a> {
    reader: &'a KubernetesReader,
    namespace: &'a str,
    off: &'a mut Vec<RaisedCondition>,
}

impl Allowed<'_> {
    fn or_off<T>(
        &mut self,
        answer: Result<T, ClusterError>,
        guard: &str,
        need: &Need,
    ) -> Result<Option<T>, ClusterError> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_forbidden() => {
                let off = guards::off(guard, need, self.namespace);
                self.reader.warn_once(&off);
                self.off.push(off);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl KubernetesActuator {
    /// Reads what `view` knows, and writes over `connection` as `own`.
    #[must_use]
    pub fn new(connection: Arc<Connection>, view: Arc<ClusterView>, own: FieldManager) -> Self {
        Self {
            reader: KubernetesReader::new(Arc::clone(&view), own.clone()),
            writer: ScaleWriter::new(connection, view, own),
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
        let mut attempt = 1;
        loop {
            let conflict = match self.writer.set(&target.object, &seen, to).await {
                Err(conflict @ ClusterError::Conflict { .. }) => conflict,
                other => return Ok(other?),
            };
            let found = match self.reader.view.fetch(&target.object).await {
                Err(_) if conflict.leaves_outcome_unknown() => return Err(conflict.into()),
                found => found.map_err(TargetError::NotWritten)?,
            };
            if found.uid != seen.uid {
                return Err(conflict.into());
            }
            if self.is_done(&found, to) {
                return Ok(());
            }
            expect(&found, from)?;
            if attempt == ATTEMPTS {
                return Err(conflict.into());
            }
            attempt += 1;
            seen = Arc::new(found);
        }
    }

    /// Whether the object wants `to` already, because an attempt whose answer was lost was carried out.
    ///
    /// A count that once was zero by way of the scale subresource has no owner any more.
    fn is_done(&self, found: &Scalable, to: Replicas) -> bool {
        let owner = found.replicas_owner.as_ref();
        found.replicas == Some(to) && owner.is_none_or(|owner| self.reader.own.is_own(&owner.manager))
    }

    /// The object, if it wants `count`. What is known of it may be a moment old, so a conflict is looked at again.
    async fn wanting(
        &self,
        target: &KubernetesTarget,
        count: Replicas,
        now: Timestamp,
    ) -> Result<Arc<Scalable>, TargetError> {
        let view = &self.reader.view;
        let known = view.scalable(&target.object, now).await;
        let known = known.map_err(TargetError::NotWritten)?;
        if known.wanted()? == count {
            return Ok(known);
        }
        let found = view.fetch(&target.object).await;
        let found = found.map_err(TargetError::NotWritten)?;
        expect(&found, count)?;
        Ok(Arc::new(found))
    }
}

impl KubernetesProbe {
    /// Asks over `connection` about the objects that `view` knows.
    #[must_use]
    pub fn new(connection: Arc<Connection>, view: Arc<ClusterView>) -> Self {
        Self {
            view: Arc::clone(&view),
            probe: ScaleProbe::new(connection, view),
        }
    }

    /// Has the API server check a write of the count that `target` has, and keep nothing of it (a server-side dry run).
    ///
    /// # Errors
    /// Why it would not be accepted: a permission, admission, or that the target cannot be read.
    pub async fn try_write(&self, target: &ScaleTarget, now: Timestamp) -> Result<(), TargetError> {
        let target = kubernetes(target)?;
        let mut known = self.view.scalable(&target.object, now).await?;
        let mut attempt = 1;
        loop {
            match self.probe.try_set(&target.object, &known, known.wanted()?).await {
                // Status updates come in between all the time, and are no reason for a write not to be accepted.
                Err(ClusterError::Conflict { .. }) if attempt < ATTEMPTS => {
                    known = Arc::new(self.view.fetch(&target.object).await?);
                    attempt += 1;
                }
                other => return Ok(other?),
            }
        }
    }
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

    async fn annotate(&self, target: &ScaleTarget, reason: &str) -> Result<(), TargetError> {
        Ok(self.writer.annotate(&kubernetes(target)?.object, reason).await?)
    }
}
