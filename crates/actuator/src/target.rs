//! What can be scaled.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use headroom_cluster::ObjectName;
use headroom_policy_engine::{Resource, WorkloadId};

/// The thing whose replica count is set. Each adapter knows one kind, and refuses the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScaleTarget {
    /// An object in a Kubernetes cluster.
    Kubernetes(Arc<KubernetesTarget>),
    /// Copies of a command on this machine.
    Process(Arc<ProcessTarget>),
    /// Whatever the user's own commands scale.
    Command(Arc<CommandTarget>),
}

impl ScaleTarget {
    /// Whose target it is.
    #[must_use]
    pub fn workload(&self) -> &WorkloadId {
        match self {
            Self::Kubernetes(target) => &target.workload,
            Self::Process(target) => &target.workload,
            Self::Command(target) => &target.workload,
        }
    }
}

/// An object in a Kubernetes cluster that has a scale subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesTarget {
    /// Whose count it is.
    pub workload: WorkloadId,
    /// Which object.
    pub object: ObjectName,
    /// The requests of its pods that its count follows. Who changes one of these changes the count.
    pub requests: Vec<FollowedRequest>,
    /// Whether its pods are told of one by one: its count is worked out from them, and no source of a metric has them.
    pub tells_pods: bool,
}

/// A request of pods that a count follows: what they use is measured as a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedRequest {
    /// Of which resource.
    pub resource: Resource,
    /// Of which container; `None`: of all together.
    pub container: Option<String>,
}

/// Copies of a command on this machine, each in a session of its own with its `PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessTarget {
    /// Whose replicas they are.
    pub workload: WorkloadId,
    /// The program and its arguments. Not empty.
    pub command: Vec<String>,
    /// The directory they run in.
    pub directory: PathBuf,
    /// Environment on top of headroom's own. `PORT` is set for each replica.
    pub environment: BTreeMap<String, String>,
    /// How a replica shows that it can serve.
    pub ready: ReadyCheck,
    /// How long a replica may take to end after SIGTERM before it is killed.
    pub drain: Duration,
    /// Where each replica's output goes, one file each.
    pub log_directory: PathBuf,
}

/// How a replica shows that it can serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadyCheck {
    /// A GET of this path on its `PORT` answers with a status from 200 to 399.
    Http {
        /// The path, such as `/healthz`.
        path: String,
    },
    /// Its `PORT` accepts a connection.
    Tcp,
    /// It is alive.
    Alive,
}

/// Whatever the user's own commands scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandTarget {
    /// Whose count it is.
    pub workload: WorkloadId,
    /// Prints the wanted count: the program and its arguments. Not empty.
    pub get: Vec<String>,
    /// Sets the wanted count: the program and its arguments, with `{replicas}` where the count belongs. Not empty.
    pub set: Vec<String>,
    /// Prints the number of ready replicas, if there is such a command.
    pub ready: Option<Vec<String>>,
    /// The directory they run in.
    pub directory: PathBuf,
    /// How long each may take.
    pub timeout: Duration,
}
