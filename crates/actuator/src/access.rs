//! Whether a pass may write. A preview holds a reader and nothing else, so there is nothing in it that writes.

use std::sync::Arc;

use crate::{Actuator, TargetReader};

/// What a pass holds of the targets.
#[derive(Clone, Debug)]
pub enum Access {
    /// Reads, tends and writes.
    Write(Arc<dyn Actuator>),
    /// Only reads: preview, shadow, plan. The type that writes was not constructed.
    ReadOnly(Arc<dyn TargetReader>),
}

impl Access {
    /// What reads the targets.
    #[must_use]
    pub fn reader(&self) -> &dyn TargetReader {
        match self {
            Self::Write(actuator) => &**actuator,
            Self::ReadOnly(reader) => &**reader,
        }
    }

    /// What writes, if there is such a thing.
    #[must_use]
    pub fn writer(&self) -> Option<&dyn Actuator> {
        match self {
            Self::Write(actuator) => Some(&**actuator),
            Self::ReadOnly(_) => None,
        }
    }
}
