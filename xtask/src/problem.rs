//! Why a task could not do what it should.

use std::{
    io,
    path::PathBuf,
    process::{ExitCode, ExitStatus},
};

use headroom_test_support::{browser::NoBrowser, servers::ServersError};
use thiserror::Error;

#[derive(Debug, Error)]
pub(crate) enum Problem {
    #[error(transparent)]
    Servers(#[from] ServersError),
    #[error(transparent)]
    Browser(#[from] NoBrowser),
    #[error("{} has {size} bytes, which is more than the book is to carry", .path.display())]
    LargePicture { path: PathBuf, size: u64 },
    #[error("the browser did not show {}", .page.display())]
    NotShown { page: PathBuf },
    /// The program has said what is wrong.
    #[error("`{command}` failed: {status}")]
    Failed { command: String, status: ExitStatus },
    #[error("`{command}` could not be run")]
    NotRun { command: String, source: io::Error },
    #[error("{} could not be {what}", .path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        source: io::Error,
    },
    #[error("{pages} generated pages are not current")]
    NotCurrent { pages: usize },
    #[error("headroom prints nothing for {file}")]
    EmptyPage { file: &'static str },
    #[error("among the dependencies: {}", .found.join(", "))]
    OtherTls { found: Vec<String> },
    #[error("aws-lc-rs is not among the dependencies, so this check sees nothing")]
    NoTls,
    #[error("there are no properties to run")]
    NoProperties,
    #[error("{failed} properties failed")]
    Properties { failed: u32 },
    #[error("no cluster is running")]
    NoCluster,
    #[error("another `cargo xtask cluster up` is at work")]
    ClusterBeingStarted,
    #[error("the cluster ended while it was started: {status}\n{said}")]
    ClusterEnded { status: ExitStatus, said: String },
    #[error("the engine's dependencies are not those in {}", .list.display())]
    Fence { list: PathBuf },
}

impl Problem {
    fn help(&self) -> Option<String> {
        match self {
            Self::Servers(error) => error.help(),
            Self::Browser(error) => Some(error.help()),
            Self::LargePicture { .. } => Some("show less on the page".to_owned()),
            Self::NotCurrent { .. } => Some("run `cargo xtask reference`, and commit what it writes".to_owned()),
            Self::OtherTls { .. } => Some(
                "two TLS providers make the first client panic: choose features without this one".to_owned(),
            ),
            Self::Fence { .. } => Some(
                "the engine is pure arithmetic: leave the dependency out, or write it into the list and say why in \
                 the commit"
                    .to_owned(),
            ),
            Self::Properties { .. } => Some(
                "the smallest failing input stands above: make a named test of it in tests/regressions.rs".to_owned(),
            ),
            Self::NoCluster => Some("run `cargo xtask cluster up`".to_owned()),
            Self::NotShown { .. }
            | Self::NoProperties
            | Self::Failed { .. } | Self::ClusterBeingStarted | Self::ClusterEnded { .. } | Self::NotRun { .. } | Self::File { .. } | Self::EmptyPage { .. } | Self::NoTls => None,
        }
    }

    pub(crate) fn explain(&self) {
        eprintln!("error: {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            eprintln!("   {error}");
            cause = error.source();
        }
        if let Some(help) = self.help() {
            eprintln!("   help: {help}");
        }
    }

    /// That of the program that failed, where one did.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let code = if let Self::Failed { status, .. } = self {
            status.code()
        } else {
            None
        };
        code.and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from)
    }
}
