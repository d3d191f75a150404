//! What tests on real parts need: the real servers, processes that never outlive a test, and waiting on a condition.
//!
//! Owns how the servers are built ([`servers`]), started, watched and stopped. What a test asks of them is the
//! test's own. Functions here fail the test by panicking, with the log of the process in question;
//! [`servers`] and [`browser`] alone return errors, because `cargo xtask` uses them too.

#[cfg(feature = "harness")]
mod alertmanager;
pub mod browser;
#[cfg(feature = "cluster")]
pub mod cluster;
#[cfg(feature = "harness")]
mod leftovers;
#[cfg(feature = "harness")]
mod ports;
#[cfg(feature = "harness")]
mod process;
#[cfg(feature = "harness")]
mod prometheus;
pub mod servers;
#[cfg(feature = "cluster")]
pub mod side_by_side;
#[cfg(feature = "smtp")]
pub mod smtp;
#[cfg(feature = "harness")]
mod wait;
#[cfg(feature = "harness")]
mod web;

#[cfg(feature = "harness")]
pub use crate::{
    alertmanager::Alertmanager,
    leftovers::{LeftoverCheck, processes_with_env},
    ports::{ClosedPort, free_port},
    process::Process,
    prometheus::{Job, Prometheus, PrometheusBuilder},
    wait::{wait_for, wait_for_seen, wait_until, wait_until_blocking},
};

/// Installs the TLS provider of headroom, aws-lc-rs, for this test process. Calling it again does nothing.
#[cfg(feature = "harness")]
pub fn install_tls() {
    // An error means that it is installed already, by another test of this process.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// A new empty directory, removed with all it holds when the value is dropped.
///
/// # Panics
///
/// When the system's directory for temporary files cannot be written.
#[cfg(feature = "harness")]
#[expect(clippy::expect_used, reason = "without a directory the test cannot run")]
pub fn temp_dir() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("headroom-test-")
        .tempdir()
        .expect("a temporary directory")
}
