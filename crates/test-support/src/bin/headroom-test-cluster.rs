//! A cluster for a person to play with: holds one in a folder until it is asked to stop with SIGTERM.
//!
//! `cargo xtask cluster` starts and stops it. A file `ready` in the folder says that the cluster is whole.

use std::{env, ffi::OsString, fs, path::PathBuf, process::ExitCode};

use headroom_test_support::cluster::Cluster;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let [folder] = arguments.as_slice() else {
        return ExitCode::FAILURE;
    };
    match hold(PathBuf::from(folder)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Starts the cluster and keeps it until a signal asks for its end. Dropping it removes its processes and its folder.
async fn hold(folder: PathBuf) -> std::io::Result<()> {
    let mut asked = Asked::new()?;
    tokio::select! {
        cluster = Cluster::builder().folder(&folder).start() => {
            fs::write(folder.join("ready"), cluster.url())?;
            asked.wait().await;
        }
        () = asked.wait() => {}
    }
    Ok(())
}

/// The signals that ask for the end.
struct Asked([Signal; 2]);

impl Asked {
    fn new() -> std::io::Result<Self> {
        Ok(Self([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        ]))
    }

    async fn wait(&mut self) {
        let [terminate, interrupt] = &mut self.0;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

#[expect(clippy::print_stderr, reason = "its standard error is its log")]
fn report(problem: &str) {
    eprintln!("error: {problem}");
}
