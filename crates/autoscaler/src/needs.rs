//! What the policies of a configuration need of the cluster that their targets are in, namespace by namespace.

use std::collections::{BTreeMap, BTreeSet};

use headroom_actuator::{KubernetesTarget, ScaleTarget};
use headroom_cluster::{ClusterError, ClusterView, Need, ObjectName, Resource};
use thiserror::Error;

use crate::{AssemblyError, Configuration, Mode, Purpose, WorkloadSettings, assembly::Cluster};

/// What is needed in each namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs(pub BTreeMap<String, BTreeSet<Need>>);

/// Why it cannot be known what is needed.
#[derive(Debug, Error)]
pub enum NeedsError {
    /// The cluster cannot be reached as it is configured, and has to be asked.
    #[error("what `{object}` is called in a Role is known to its cluster alone")]
    NoCluster {
        /// The target whose kind is none of Kubernetes' own.
        object: String,
        /// Why it cannot be reached.
        #[source]
        source: Box<AssemblyError>,
    },
    /// The cluster does not say.
    #[error("what `{object}` is called in a Role is known to its cluster alone")]
    Kind {
        /// The target whose kind is none of Kubernetes' own.
        object: String,
        /// Why not.
        #[source]
        source: Box<ClusterError>,
    },
}

impl Needs {
    /// What has to be granted for `configuration`, and nothing that belongs to no namespace.
    ///
    /// A cluster is asked only where some target is of a kind that is none of Kubernetes' own: for the name that the
    /// kind has in rules. The count of such a target may be read both ways, because it is not known here whether the
    /// definition of its kind may be read there.
    ///
    /// # Errors
    /// When a cluster would have to be asked, and cannot be.
    pub async fn to_grant(configuration: &Configuration) -> Result<Self, NeedsError> {
        let mut needs = Self::default();
        let cluster = cluster_of_foreign_kinds(configuration)?;
        for (workload, target) in in_cluster(configuration) {
            let object = &target.object;
            let (resource, name) = match (Resource::own(&object.kind), &cluster) {
                (None, Some(cluster)) => {
                    let found = cluster.view.resource(&object.kind).await;
                    let found = found.map_err(|error| NeedsError::Kind {
                        object: object.to_string(),
                        source: Box::new(error),
                    });
                    (found?, Some(object.name.clone()))
                }
                (Some(resource), _) => (resource, None),
                // The cluster is there wherever a kind is none of Kubernetes' own.
                (None, None) => continue,
            };
            needs.add(workload, target, &resource, Need::Targets(resource.clone()));
            if let Some(name) = name {
                let resource = resource.clone();
                needs.insert(object, Need::ReadCount { resource, name });
            }
        }
        Ok(needs)
    }

    /// What is used of the cluster that `view` sees. A target whose kind cannot be found is left out: it has nothing
    /// that could be allowed.
    pub async fn in_use(configuration: &Configuration, view: &ClusterView) -> Self {
        let mut needs = Self::default();
        for (workload, target) in in_cluster(configuration) {
            let object = &target.object;
            let found = (
                view.resource(&object.kind).await,
                view.need_of_reading(object).await,
            );
            if let (Ok(resource), Ok(reading)) = found {
                needs.add(workload, target, &resource, reading);
            }
        }
        needs
    }

    fn add(
        &mut self,
        workload: &WorkloadSettings,
        target: &KubernetesTarget,
        resource: &Resource,
        reading: Need,
    ) {
        let object = &target.object;
        for need in [reading, Need::Pods, Need::Hpas, Need::ScaledObjects, Need::Pdbs] {
            self.insert(object, need);
        }
        if !target.requests.is_empty() {
            self.insert(object, Need::Usage);
            self.insert(object, Need::Vpas);
        }
        match workload.mode {
            Mode::Apply => {
                let (resource, name) = (resource.clone(), object.name.clone());
                if workload.annotate {
                    let (resource, name) = (resource.clone(), name.clone());
                    self.insert(object, Need::Annotate { resource, name });
                }
                self.insert(object, Need::SetCount { resource, name });
            }
            Mode::Preview | Mode::Shadow => {}
        }
    }

    fn insert(&mut self, object: &ObjectName, need: Need) {
        self.0.entry(object.namespace.clone()).or_default().insert(need);
    }
}

fn in_cluster(configuration: &Configuration) -> impl Iterator<Item = (&WorkloadSettings, &KubernetesTarget)> {
    let workloads = configuration.workloads.iter();
    workloads.filter_map(|workload| match &workload.target {
        ScaleTarget::Kubernetes(target) => Some((workload, &**target)),
        ScaleTarget::Process(_) | ScaleTarget::Command(_) => None,
    })
}

/// The cluster, where some target is of a kind that is none of Kubernetes' own.
fn cluster_of_foreign_kinds(configuration: &Configuration) -> Result<Option<Cluster>, NeedsError> {
    let is_foreign = |(_, target): &(_, &KubernetesTarget)| Resource::own(&target.object.kind).is_none();
    let Some((_, target)) = in_cluster(configuration).find(is_foreign) else {
        return Ok(None);
    };
    let Configuration {
        settings, workloads, ..
    } = configuration;
    Cluster::of(settings, workloads, Purpose::ReadOnly).map_err(|error| NeedsError::NoCluster {
        object: target.object.to_string(),
        source: Box::new(error),
    })
}
