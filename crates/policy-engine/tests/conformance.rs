//! Whether the engine answers what the HPA answers: the cases in `conformance/`, and those in the directories that
//! `HEADROOM_CONFORMANCE_DIR` names (several separated by `:`, with their subfolders).
//!
//! Takes the arguments of any test. Ends with one line for each case that failed, and a line that counts them all.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    clippy::match_bool,
    clippy::disallowed_methods,
    clippy::print_stdout,
    unreachable_pub,
    reason = "a test fails by panicking, and this one reads files and prints"
)]

mod conformance {
    pub mod engine;
    pub mod json;
    pub mod ops;
    pub mod reconcile;
    pub mod runner;
}

fn main() -> std::process::ExitCode {
    conformance::runner::run()
}
