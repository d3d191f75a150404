//! Starting one replica: its port, its environment with the mark, its log file, a session of its own.

use std::{
    fs::{self, File, OpenOptions},
    io,
    net::TcpListener,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use headroom_policy_engine::WorkloadId;
use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessSession};

use super::kernel::{Environment, ProcessIdentity};
use crate::{ProcessTarget, program::locate};

/// Whose replica a process is.
const WORKLOAD: &str = "HEADROOM_WORKLOAD";
/// Which replica: its id.
const REPLICA: &str = "HEADROOM_REPLICA";
/// Which of the log files is its own.
const SLOT: &str = "HEADROOM_SLOT";
/// Whose records it stands in: the directory of the log files, which lies beside them.
const STATE: &str = "HEADROOM_STATE";
/// Where it is to listen.
const PORT: &str = "PORT";

/// A log file that has grown beyond this is set aside once, over the one set aside before.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;
/// Attempts to find a port that no other replica was given.
const PORT_ATTEMPTS: usize = 64;

/// What a process says of itself in its environment, which its children inherit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) id: String,
    pub(super) slot: Option<u32>,
    pub(super) port: Option<u16>,
    workload: Vec<u8>,
    state: Vec<u8>,
}

impl Mark {
    /// The mark in the environment of a process, if it bears one.
    pub(super) fn of(environment: &Environment) -> Option<Self> {
        Some(Self {
            id: environment.parse(REPLICA)?,
            slot: environment.parse(SLOT),
            port: environment.parse(PORT),
            workload: environment.get(WORKLOAD)?.to_vec(),
            state: environment.get(STATE)?.to_vec(),
        })
    }

    /// Whether it was made for this workload by a headroom with this state.
    pub(super) fn is_of(&self, workload: &WorkloadId, state: &Path) -> bool {
        self.workload == workload.as_str().as_bytes() && self.state == state.as_os_str().as_bytes()
    }
}

/// Where the state of the target is, as marks name it.
pub(super) fn state_of(target: &ProcessTarget) -> PathBuf {
    // Without a current directory a relative path is as good a name as any.
    std::path::absolute(&target.log_directory).unwrap_or_else(|_| target.log_directory.clone())
}

/// A process that was just started.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) process: ProcessIdentity,
    pub(super) port: u16,
    pub(super) child: Box<dyn ChildWrapper>,
}

/// Starts the replica `id` in slot `number`, on a port that is none of `taken`.
pub(super) fn start(
    target: &ProcessTarget,
    id: &str,
    number: u32,
    taken: &[u16],
    boot: &str,
) -> io::Result<Started> {
    let search = target.environment.get("PATH").map(AsRef::as_ref);
    let (program, directory) = locate(&target.command, &target.directory, search)?;
    let port = free_port(taken)?;
    let log = open_log(&log_file(target, number))?;
    let error_log = log.try_clone()?;
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", program.display()));
    let child = CommandWrap::with_new(&program, |command| {
        command.args(target.command.iter().skip(1)).current_dir(directory);
        command.envs(&target.environment);
        command
            .env(PORT, port.to_string())
            .env(SLOT, number.to_string())
            .env(REPLICA, id);
        command
            .env(WORKLOAD, target.workload.as_str())
            .env(STATE, state_of(target));
        command.stdin(Stdio::null()).stdout(log).stderr(error_log);
    })
    .wrap(ProcessSession)
    .spawn()
    .map_err(named)?;
    // The wrapper would reap by group, behind the back of what waits for the child.
    let mut child = child.into_inner();
    // Not reaped, so it is in the kernel's list even if it has ended.
    let identity = child
        .id()
        .ok_or_else(|| io::Error::other("the process has no id"));
    match identity.and_then(|pid| ProcessIdentity::of(pid, boot)) {
        Ok(process) => Ok(Started { process, port, child }),
        Err(error) => {
            // Without its identity it could never be found again.
            child.start_kill()?;
            Err(error)
        }
    }
}

/// A port of 127.0.0.1 that is free now and none of `taken`.
fn free_port(taken: &[u16]) -> io::Result<u16> {
    for _ in 0..PORT_ATTEMPTS {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        if !taken.contains(&port) {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "no port of 127.0.0.1 is free",
    ))
}

/// The beginning of the names of the workload's files. A namespace and a name hold no dot.
pub(super) fn file_stem(target: &ProcessTarget) -> String {
    target.workload.as_str().replace('/', ".")
}

/// Where the replica in slot `number` writes.
pub(super) fn log_file(target: &ProcessTarget, number: u32) -> PathBuf {
    target
        .log_directory
        .join(format!("{}-{number}.log", file_stem(target)))
}

fn open_log(path: &Path) -> io::Result<File> {
    let in_path = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    bound_log(path).map_err(in_path)?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(in_path)
}

/// Keeps a log file from growing without end: sets its content aside and empties it.
///
/// Copied, not moved, because the replica that writes to it keeps it open. What is written meanwhile is lost.
pub(super) fn bound_log(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(about) if about.len() > LOG_LIMIT => {
            fs::copy(path, path.with_extension("log.old"))?;
            OpenOptions::new().write(true).open(path)?.set_len(0)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grew_too_large_is_set_aside_and_goes_on_from_empty() {
        let directory = headroom_test_support::temp_dir();
        let path = directory.path().join("web-1.log");
        bound_log(&path).unwrap();
        let log = open_log(&path).unwrap();
        log.set_len(LOG_LIMIT).unwrap();
        bound_log(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().len(),
            LOG_LIMIT,
            "not before it is too large"
        );
        io::Write::write_all(&mut &log, b"x").unwrap();
        bound_log(&path).unwrap();
        io::Write::write_all(&mut &log, b"after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        assert_eq!(
            fs::metadata(directory.path().join("web-1.log.old"))
                .unwrap()
                .len(),
            LOG_LIMIT + 1
        );
    }

    #[test]
    fn a_port_that_a_replica_was_given_is_not_given_again() {
        let all_but_one: Vec<u16> = (0..=u16::MAX).collect();
        assert!(free_port(&all_but_one).is_err());
        assert!(free_port(&[]).is_ok());
    }
}
