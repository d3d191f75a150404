//! What is asked of an API server, and what its answers and failures become. The server is scripted, for what a real
//! one does not do when it is told to.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod kubeconfig;
mod listing;
mod memory;
mod retrying;
mod watching;
mod world;
