//! Why a server could not be built or found, and what to do about it.

use std::{io, path::PathBuf};

use thiserror::Error;

/// Why a server is not there.
#[derive(Debug, Error)]
pub enum ServersError {
    /// No place to keep them.
    #[error("neither XDG_CACHE_HOME nor HOME names a directory")]
    NoCacheDirectory,
    /// Go is not installed.
    #[error("Go is not installed, and {server} is built from source with it")]
    NoGo {
        /// The server that was to be built.
        server: &'static str,
        /// The oldest Go that will do.
        needed: &'static str,
    },
    /// Go is too old, or cannot read the pins.
    #[error("Go refused the pinned module, which needs Go {needed}:\n{said}")]
    GoRefused {
        /// The oldest Go that will do.
        needed: &'static str,
        /// What it said.
        said: String,
    },
    /// Go ended with an error.
    #[error("building {server} failed:\n{said}")]
    Failed {
        /// The server that was to be built.
        server: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// Python is not installed.
    #[error("python3 is not installed, and {server} is a Python package")]
    NoPython {
        /// The server that was to be fetched.
        server: &'static str,
    },
    /// Python is there without a part of it that is packaged apart.
    #[error("python3 could not make the virtual environment in which {server} is fetched:\n{said}")]
    NoVenv {
        /// The server that was to be fetched.
        server: &'static str,
        /// What it said.
        said: String,
    },
    /// pip ended with an error.
    #[error("fetching {server} failed:\n{said}")]
    NotFetched {
        /// The server that was to be fetched.
        server: &'static str,
        /// The end of what it said.
        said: String,
    },
    /// A binary that a test wants has not been built.
    #[error("{binary} has not been built: {} is not there", .path.display())]
    NotBuilt {
        /// The binary's name.
        binary: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// A file or process could not be used.
    #[error("could not {what} {}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ServersError {
    /// What a person can do about it.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::NoCacheDirectory => Some("set XDG_CACHE_HOME to an absolute path".to_owned()),
            Self::NoGo { needed, .. } | Self::GoRefused { needed, .. } => Some(format!(
                "install Go {needed} or newer (https://go.dev/dl/), see that `go version` answers, and run this again"
            )),
            Self::Failed { .. } => {
                Some("the first build fetches Go modules: is a Go module proxy reachable?".to_owned())
            }
            Self::NoPython { .. } => Some(
                "install Python 3.9 or newer with its venv (on Debian: `apt-get install python3 python3-venv`), see \
                 that `python3 --version` answers, and run this again"
                    .to_owned(),
            ),
            Self::NoVenv { .. } => Some(
                "install the venv of this Python (on Debian: `apt-get install python3-venv`), and run this again"
                    .to_owned(),
            ),
            Self::NotFetched { .. } => Some(
                "pip fetches Python packages: is a package index reachable, and is Python at least 3.9?".to_owned(),
            ),
            Self::NotBuilt { .. } => Some("run `cargo xtask servers`".to_owned()),
            Self::Io { .. } => None,
        }
    }
}
