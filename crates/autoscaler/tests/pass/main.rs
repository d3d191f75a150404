//! The pass, its state and the loop, in a world where load and targets do as they are told.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "where a part of the world is missing, the test has failed"
)]

mod as_in_tests;
mod assembly;
mod beside;
mod bounds;
mod crash;
mod digests;
mod fleet_brake;
mod history;
mod hold_query;
mod hpa;
mod loop_times;
mod meddler;
mod order;
mod past;
mod paused;
mod processes;
mod restart;
mod state_files;
mod telling;
mod upgrade;
mod world;
mod zero;
