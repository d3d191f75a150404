//! headroom on a real cluster, as a user who may do what `headroom rbac` prints, and where a test says so, what it needs
//! beyond that. All tests share one cluster, but for those that break it.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "../common/mod.rs"]
mod common;

mod devtrip;
mod evictions;
mod faults;
mod headrooms;
mod midst;
mod moving;
mod permissions;
mod plugin;
mod resets;
mod scaling;
mod scraped;
mod scripted;
mod side_by_side;
mod troubles;
mod twice;
mod usage;
mod world;
