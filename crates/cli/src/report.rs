//! What is shown to people: decisions, passes, explanations, tables. Words of steps and reasons are the engine's.

pub(crate) mod beside;
pub(crate) mod cases;
pub(crate) mod decision;
pub(crate) mod explain;
pub(crate) mod in_force;
pub(crate) mod junit;
pub(crate) mod pass;
pub(crate) mod table;

#[cfg(test)]
pub(crate) mod samples;
