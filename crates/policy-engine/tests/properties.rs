//! What is always true of the engine: the invariants, each test named by its number.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "a test fails by panicking, and this is one test"
)]

mod properties {
    pub mod curve;
    pub mod foresight;
    pub mod guards;
    pub mod hpa;
    pub mod invariants;
    pub mod rebuilding;
    pub mod resets;
    pub mod sequences;
    pub mod why_not;
    pub mod world;
    pub mod zero;
}
