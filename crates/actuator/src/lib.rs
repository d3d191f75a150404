//! Where replica counts are read and set: the ports [`TargetReader`] and [`Actuator`], and their adapters.
//!
//! Reading and writing are two ports, so that what must not write has no way to: a preview is built from a reader.

mod access;
mod by_kind;
mod command;
mod deadline;
mod error;
mod kubernetes;
mod port;
mod process;
mod program;
mod target;
#[cfg(feature = "testing")]
pub mod testing;

pub use access::Access;
pub use by_kind::ByKind;
pub use command::{CommandActuator, CommandReader};
pub use deadline::WithDeadline;
pub use error::{BoxError, TargetError};
pub use kubernetes::{KubernetesActuator, KubernetesProbe, KubernetesReader};
pub use port::{Actuator, ReplicaAddress, ReplicaEndpoint, TargetReader, TargetState};
pub use process::{ProcessActuator, ProcessReader, ProcessRecords, ProcessTable};
pub use target::{CommandTarget, FollowedRequest, KubernetesTarget, ProcessTarget, ReadyCheck, ScaleTarget};
