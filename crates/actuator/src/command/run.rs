//! Runs one command to its end, or to its deadline: no shell, no input, no terminal, and nothing left behind.

use std::{io, process::Stdio, time::Duration};

use futures::future::join;
use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessSession};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::timeout,
};

use crate::{
    CommandTarget, TargetError,
    program::{locate, written},
};

/// The most bytes of output that are a count; more are read and thrown away.
pub(super) const LIMIT: usize = 64 * 1024;
/// The most characters of stderr that an error repeats.
const SAID: usize = 500;
/// How long output is awaited after the command ended. Only what it left running can write then.
const GRACE: Duration = Duration::from_millis(250);

/// Runs `command` in the target's directory, and returns what it printed, at most one byte more than [`LIMIT`].
///
/// After the target's timeout, and when the future is dropped, the command and its process group are killed.
pub(super) async fn run(command: &[String], target: &CommandTarget) -> Result<Vec<u8>, TargetError> {
    let cannot_start = |source| TargetError::Start {
        command: written(command),
        source,
    };
    let (mut child, mut group) = start(command, target).map_err(cannot_start)?;
    let (stdout, stderr) = (child.stdout().take(), child.stderr().take());
    let (mut printed, mut said) = (Vec::new(), Vec::new());
    let ended = {
        let reading = join(keep_first(stdout, &mut printed), keep_last(stderr, &mut said));
        let mut reading = std::pin::pin!(reading);
        let mut read_all = false;
        let running = async {
            let status = loop {
                tokio::select! {
                    _ = &mut reading, if !read_all => read_all = true,
                    status = child.wait() => break status,
                }
            };
            group.ended();
            status
        };
        let ended = timeout(target.timeout, running).await;
        if !read_all && ended.is_ok() {
            // What is still open is held by something that the command started and left to run.
            let _ = timeout(GRACE, reading).await;
        }
        ended
    };
    let stderr = last_words(&said);
    match ended {
        Err(_) => Err(TargetError::TimedOut {
            command: written(command),
            after: target.timeout,
            stderr,
        }),
        Ok(Err(source)) => Err(TargetError::Io {
            what: format!("waiting for `{}`", written(command)),
            source,
        }),
        Ok(Ok(status)) if status.success() => Ok(printed),
        Ok(Ok(status)) => Err(TargetError::Failed {
            command: written(command),
            status: status.to_string(),
            stderr,
        }),
    }
}

fn start(command: &[String], target: &CommandTarget) -> io::Result<(Box<dyn ChildWrapper>, Group)> {
    let (program, directory) = locate(command, &target.directory, None)?;
    let child = CommandWrap::with_new(&program, |started| {
        started.args(command.iter().skip(1)).current_dir(directory);
        started
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    })
    // A session of its own has no terminal: what would ask a question there fails instead of waiting.
    .wrap(ProcessSession)
    .spawn()
    .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
    let leader = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    // The wrapper would wait for the whole group; only the command itself counts here.
    Ok((child.into_inner(), Group { leader }))
}

/// The process group of a command that runs. Dropped, it is killed.
///
/// Declared after the child, so that it is dropped before it, while the leader is not reaped and its id is nobody else's.
#[derive(Debug)]
struct Group {
    leader: Option<Pid>,
}

impl Group {
    /// The command ended by itself: what it left running is meant to.
    fn ended(&mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            // An error means that it is gone.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Reads to the end, and keeps the first [`LIMIT`] bytes and one more.
async fn keep_first(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    each_chunk(from, |chunk| {
        let room = (LIMIT + 1).saturating_sub(kept.len()).min(chunk.len());
        kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
    })
    .await;
}

/// Reads to the end, and keeps the last few kilobytes.
async fn keep_last(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    each_chunk(from, |chunk| {
        kept.extend_from_slice(chunk);
        let beyond = kept.len().saturating_sub(4 * SAID);
        kept.drain(..beyond);
    })
    .await;
}

async fn each_chunk(from: Option<impl AsyncRead + Unpin>, mut keep: impl FnMut(&[u8])) {
    let Some(mut from) = from else { return };
    let mut chunk = vec![0; 4096];
    // An error ends the output as its end does: the command's own status says how it went.
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        keep(chunk.get(..length).unwrap_or_default());
    }
}

/// The end of `said`, in one line without control characters.
fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let plain: Vec<char> = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let beyond = plain.len().saturating_sub(SAID);
    plain.get(beyond..).unwrap_or_default().iter().collect()
}
