//! What is said while a server is built.

use std::{fmt, path::PathBuf, time::Duration};

#[cfg(doc)]
use super::Servers;
use super::{Server, pins::Source};

/// What [`Servers::ensure`] is doing. Its `Display` is a line for people.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Nothing had to be done.
    Present {
        /// The server.
        server: Server,
        /// Where its binaries are.
        directory: PathBuf,
    },
    /// Another process is building it.
    Waiting {
        /// The server.
        server: Server,
    },
    /// The build begins.
    Building {
        /// The server.
        server: Server,
    },
    /// The build goes on.
    Still {
        /// The server.
        server: Server,
        /// Time since it began.
        elapsed: Duration,
        /// The last line that Go wrote, or nothing.
        said: String,
    },
    /// The build is done.
    Built {
        /// The server.
        server: Server,
        /// Where its binaries are.
        directory: PathBuf,
        /// Time it took.
        elapsed: Duration,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present { server, directory } => {
                write!(
                    f,
                    "{} {} is there: {}",
                    server.name,
                    server.version(),
                    directory.display()
                )
            }
            Self::Waiting { server } => {
                write!(
                    f,
                    "{}: waiting for another process that is building it …",
                    server.name
                )
            }
            Self::Building { server } => write!(
                f,
                "{} {} (about {} the first time) …",
                begun(server),
                server.version(),
                match server.minutes {
                    1 => "a minute".to_owned(),
                    minutes => format!("{minutes} minutes"),
                }
            ),
            Self::Still {
                server,
                elapsed,
                said,
            } => {
                write!(
                    f,
                    "  {}: still building after {} s",
                    server.name,
                    elapsed.as_secs()
                )?;
                if said.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {said}")
                }
            }
            Self::Built {
                server,
                directory,
                elapsed,
            } => {
                write!(
                    f,
                    "built {} in {} s: {}",
                    server.name,
                    elapsed.as_secs(),
                    directory.display()
                )
            }
        }
    }
}

/// What is being done, and with what.
fn begun(server: &Server) -> String {
    match &server.source {
        Source::Go(module) => format!("building {}", listed(module.binaries)),
        Source::Python(_) => format!("fetching {}", server.name),
    }
}

/// Names as people list them.
fn listed(names: &[&str]) -> String {
    match names {
        [first @ .., second_last, last] => {
            let first: String = first.iter().map(|name| format!("{name}, ")).collect();
            format!("{first}{second_last} and {last}")
        }
        names => names.concat(),
    }
}
