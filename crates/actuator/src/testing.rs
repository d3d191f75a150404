//! What tests of this and other crates need in place of real targets: [`ScriptedActuator`], records of processes that
//! need no state file, and the [`contract`] that every adapter keeps.

pub mod contract;
mod records;
mod scripted;

pub use records::{FileRecords, MemoryRecords};
pub use scripted::{Fault, ScriptedActuator, Write};
