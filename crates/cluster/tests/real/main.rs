//! The view and the connection on a real API server: what they follow, and what they say when it fails them.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod credentials;
mod outage;
mod scalers;
mod world;
