//! Objects in a cluster: a real one, and for conflicts that it does not make when it is told to, a scripted API server.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod guards;
mod real;
mod writing;
