//! Files of tests: what is said of those that are wrong, and how those that are right are played.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "suites/playing.rs"]
mod playing;
#[path = "suites/properties.rs"]
mod properties;
#[path = "suites/reading.rs"]
mod reading;
