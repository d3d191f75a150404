//! Proof that a test leaves no process behind: finds every process of this machine that inherited a mark.

use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::process::{Pid, Signal, kill_process};

const VARIABLE: &str = "HEADROOM_TEST_MARK";

/// The ids of the processes whose environment, as they were started, holds exactly `assignment` (`NAME=VALUE`).
///
/// Processes of other users, and those that have ended and wait to be reaped, are not seen.
pub fn processes_with_env(assignment: &str) -> Vec<u32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found: Vec<u32> = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == assignment.as_bytes())
        })
        .collect();
    found.sort_unstable();
    found
}

/// A mark of its own that a test puts into the environment of what it starts, to find every descendant of it.
///
/// Environments are inherited, also by processes that leave their session or lose their parent. What still bears the
/// mark when the value is dropped is killed, so that a failing test leaves nothing either.
#[derive(Debug)]
pub struct LeftoverCheck {
    value: String,
}

impl LeftoverCheck {
    /// A mark that no other test has.
    #[expect(clippy::new_without_default, reason = "each one is another mark")]
    pub fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let started = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        Self {
            value: format!("{}-{number}-{started}", std::process::id()),
        }
    }

    /// Marks a command, and with it all that comes of it.
    pub fn mark<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env(VARIABLE, &self.value)
    }

    /// The environment variable that is the mark: name and value, for commands of other types.
    pub fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.value)
    }

    /// The processes that bear the mark now.
    pub fn pids(&self) -> Vec<u32> {
        processes_with_env(&format!("{VARIABLE}={}", self.value))
    }

    /// Waits until no process bears the mark. It blocks the thread.
    ///
    /// # Panics
    ///
    /// When some are left after `deadline`; the message says which.
    #[track_caller]
    pub fn assert_none(&self, deadline: Duration) {
        let end = Instant::now() + deadline;
        let mut left = self.pids();
        while !left.is_empty() && Instant::now() < end {
            thread::sleep(Duration::from_millis(25));
            left = self.pids();
        }
        let commands: Vec<String> = left.iter().map(|pid| describe(*pid)).collect();
        assert!(
            commands.is_empty(),
            "processes left behind:\n{}",
            commands.join("\n")
        );
    }
}

impl Drop for LeftoverCheck {
    fn drop(&mut self) {
        for pid in self.pids() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                // An error means that it has just ended.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn describe(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} {}", String::from_utf8_lossy(&line).replace('\0', " "))
}
