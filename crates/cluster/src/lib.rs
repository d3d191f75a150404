//! One view of a Kubernetes cluster, for everything that asks it.
//!
//! Owns the way to the API server ([`Connection`]), what is known of the namespaces in use ([`ClusterView`]: objects
//! that can be scaled, pods and what they use, other autoscalers, each asked once a pass or watched), the writes there
//! are ([`ScaleWriter`]: counts, and why they were changed), and which permission each question takes ([`Need`]). What
//! the facts mean for a workload is the adapters' to say.
//!
//! Unknown is never empty: a list that failed and a watch that is not in step are errors, not views without pods.

mod connection;
mod discovery;
mod error;
mod field_manager;
mod hpa;
mod index;
mod inquiry;
mod meta;
mod pdb;
mod permission;
mod pod;
mod quantity;
mod resource;
mod rollout;
mod scalable;
mod scaled_object;
mod usage;
mod view;
mod vpa;
mod write;

pub use connection::{Connection, ConnectionOptions};
pub use error::ClusterError;
pub use field_manager::FieldManager;
pub use hpa::Hpa;
pub use inquiry::Inquiry;
pub use meta::{FieldOwner, Labels};
pub use pdb::{Budget, Pdb, Share};
pub use permission::{Need, Permission, Verb};
pub use pod::{Container, NamedPort, Pod, PodTrouble, Requests};
pub use resource::{KindName, ObjectName, Resource};
pub use rollout::Rollout;
pub use scalable::Scalable;
pub use scaled_object::ScaledObject;
pub use usage::{ContainerUsage, PodMetrics};
pub use view::{ClusterView, Filling, Objects};
pub use vpa::{UpdateMode, Vpa};
pub use write::{REASON, ScaleProbe, ScaleWriter};
