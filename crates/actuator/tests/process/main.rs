//! The process adapter on real processes: small shell scripts, a clock that the test turns, and crashes at every point.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod adopting;
mod ending;
mod failing;
mod keeping;
mod killed;
mod ready;
mod world;
