//! Where replica counts are read and set: the ports [`TargetReader`] and [`Actuator`], and their adapters.
//!
//! Reading and writing are two ports, so that what must not write has no way to: a preview is built from a reader.

mod error;
mod port;
mod target;

pub use error::TargetError;
pub use port::{Actuator, ReplicaEndpoint, TargetReader, TargetState};
pub use target::{CommandTarget, ProcessTarget, ReadyCheck, ScaleTarget};
