//! Processes that do not outlive the test that started them.
//!
//! Owns starting, output, asking to stop and the end of it. What is started is the caller's business.

use std::{
    ffi::OsStr,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use tempfile::TempDir;

use crate::{temp_dir, wait_for};

/// How long a process may take to leave by itself before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How much of the output a failing test prints.
const LINES_SHOWN: usize = 200;

/// A process that is stopped when the value is dropped, and killed when the test process dies.
///
/// It leads a process group of its own, which is what is killed, so that its children go too unless they left the
/// group. Its output is kept, and printed when the test fails.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    watcher: Watcher,
    output: Output,
    status: Option<ExitStatus>,
}

/// Where a process writes.
#[derive(Debug)]
struct Output {
    stdout: PathBuf,
    stderr: PathBuf,
    /// Removed with the process, where the files are in one of its own.
    _folder: Option<TempDir>,
}

impl Process {
    /// Starts `command` with no input. `name` stands before its output when a test fails.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn start(name: &str, command: &mut Command) -> Self {
        let folder = temp_dir();
        let output = Output {
            stdout: folder.path().join("stdout"),
            stderr: folder.path().join("stderr"),
            _folder: Some(folder),
        };
        Self::start_with(name, command, output)
    }

    /// [`Process::start`] with the output in `<name>.out` and `<name>.log` of a folder that outlives the process.
    #[cfg(feature = "cluster")]
    pub(crate) fn start_in(folder: &Path, name: &str, command: &mut Command) -> Self {
        let output = Output {
            stdout: folder.join(format!("{name}.out")),
            stderr: folder.join(format!("{name}.log")),
            _folder: None,
        };
        Self::start_with(name, command, output)
    }

    #[expect(clippy::panic, reason = "a process that does not start fails the test")]
    fn start_with(name: &str, command: &mut Command, output: Output) -> Self {
        use std::os::unix::process::CommandExt as _;

        let create = |path| File::create(path).unwrap_or_else(|error| panic!("{error}"));
        let child = command
            .stdin(Stdio::null())
            .stdout(create(&output.stdout))
            .stderr(create(&output.stderr))
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} could not be started: {error}"));
        let watcher = Watcher::over_group(child.id());
        Self {
            name: name.to_owned(),
            child,
            watcher,
            output,
            status: None,
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to its standard output so far.
    pub fn stdout(&self) -> String {
        written(&self.output.stdout)
    }

    /// What it wrote to its standard error so far.
    pub fn stderr(&self) -> String {
        written(&self.output.stderr)
    }

    /// Sends `signal` to the process alone. One that has ended already gets none.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none() {
            // An error means that it has just ended, which the caller will see.
            let _ = kill_process(pid_of(&self.child), signal);
        }
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() && self.has_ended() {
            self.reap();
        }
        self.status
    }

    /// Waits until it ends by itself, and returns how.
    ///
    /// # Panics
    ///
    /// When it has not ended after `deadline`.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait_for(deadline, &what, async || self.exit_status()).await
    }

    /// [`Process::wait`] for a test without an async runtime. It blocks the thread.
    ///
    /// # Panics
    ///
    /// When it has not ended after `deadline`.
    #[track_caller]
    pub fn wait_blocking(&mut self, deadline: Duration) -> ExitStatus {
        self.ends_within(deadline);
        self.status.unwrap_or_else(|| ended_late(&self.name, deadline))
    }

    /// Waits until a GET of `url` is answered with a status of success.
    ///
    /// # Panics
    ///
    /// When the process ends before that, or `deadline` passes.
    pub async fn wait_until_answers(&mut self, url: &str, deadline: Duration) {
        let what = format!("{} answers at {url}", self.name);
        let client = http_client();
        wait_for(deadline, &what, async || {
            if let Some(status) = self.exit_status() {
                never_answered(&self.name, url, status);
            }
            answers(&client, url).await.then_some(())
        })
        .await;
    }

    /// Asks it to leave with SIGTERM, kills it and its process group where it stays for ten seconds, and returns how
    /// it ended, or nothing where even that did not end it. Does nothing where it has ended.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        if !self.ends_within(GRACE) {
            self.kill();
        }
        self.exit_status()
    }

    /// Kills it and its process group at once, as a crash would.
    pub fn kill(&mut self) {
        if self.status.is_none() {
            // An error means that the group is gone.
            let _ = kill_process_group(pid_of(&self.child), Signal::KILL);
            self.ends_within(GRACE);
        }
    }

    fn ends_within(&mut self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        while self.exit_status().is_none() {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// Whether it has ended, without reaping it: its id, and so that of its group, stays taken.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(waitid(WaitId::Pid(pid_of(&self.child)), options), Ok(None))
    }

    /// Takes leave of a process that has ended, and of what it left in its group.
    fn reap(&mut self) {
        // An error means that nobody else is in the group.
        let _ = kill_process_group(pid_of(&self.child), Signal::KILL);
        self.status = Some(self.child.wait().unwrap_or_default());
        self.watcher.dismiss();
    }

    fn print_output(&self) {
        for (stream, text) in [("output", self.stdout()), ("error output", self.stderr())] {
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
            if !shown.is_empty() {
                print_for_people(&format!(
                    "---- {} of {} ----\n{}\n",
                    stream,
                    self.name,
                    shown.join("\n")
                ));
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print_output();
        }
        self.stop();
    }
}

fn written(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A shell that cleans up when the process that started the shell dies, however it dies.
///
/// It waits at a pipe whose other end only this process holds: the kernel closes it with the process. (The kernel's
/// own signal at the death of a parent follows the thread that started the child, and tests run in threads.)
#[derive(Debug)]
pub(crate) struct Watcher {
    shell: Option<(Child, ChildStdin)>,
}

impl Watcher {
    /// Kills a process group.
    fn over_group(group: u32) -> Self {
        Self::start(r#"kill -s KILL -- "-$1""#, group.to_string().as_ref())
    }

    /// Removes a folder, also while what is being killed still writes into it.
    #[cfg(feature = "cluster")]
    pub(crate) fn over_folder(folder: &Path) -> Self {
        let script = r#"{ n=0; until rm -rf -- "$1" 2>/dev/null || [ "$n" -ge 100 ]; do n=$((n + 1)); sleep 0.1; done; }"#;
        Self::start(script, folder.as_os_str())
    }

    #[expect(
        clippy::panic,
        reason = "without its watcher a process could outlive the test"
    )]
    fn start(script: &str, argument: &OsStr) -> Self {
        use std::os::unix::process::CommandExt as _;

        let mut shell = Command::new("/bin/sh")
            // A line says that all is well; the end of the pipe without one, that the process died.
            .args(["-c", &format!("read -r line || {script}"), "watcher"])
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C, which would end it before its time.
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("/bin/sh could not be started: {error}"));
        let pipe = shell.stdin.take();
        Self {
            shell: pipe.map(|pipe| (shell, pipe)),
        }
    }

    /// Lets the shell go without a deed: the process has ended and its id may be another's soon.
    pub(crate) fn dismiss(&mut self) {
        use std::io::Write as _;

        if let Some((mut shell, mut pipe)) = self.shell.take() {
            // Errors mean that the shell is gone, and with it the danger.
            drop(pipe.write_all(b"\n"));
            drop(pipe);
            drop(shell.wait());
        }
    }
}

/// A client that goes straight to 127.0.0.1, whatever proxy the environment names.
#[expect(
    clippy::expect_used,
    reason = "a client without settings from outside cannot fail to be built"
)]
pub(crate) fn http_client() -> reqwest::Client {
    crate::install_tls();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .expect("an HTTP client")
}

/// Whether a GET of `url` is answered with a status of success.
pub(crate) async fn answers(client: &reqwest::Client, url: &str) -> bool {
    matches!(client.get(url).send().await, Ok(response) if response.status().is_success())
}

#[expect(
    clippy::print_stderr,
    reason = "the test harness shows it with the failing test"
)]
pub(crate) fn print_for_people(text: &str) {
    eprint!("{text}");
}

#[expect(clippy::panic, reason = "a process that ends too soon fails the test")]
#[track_caller]
fn never_answered(name: &str, url: &str, status: ExitStatus) -> ! {
    panic!("{name} ended ({status}) before it answered at {url}")
}

#[expect(clippy::panic, reason = "a process that ends too late fails the test")]
#[track_caller]
fn ended_late(name: &str, deadline: Duration) -> ! {
    panic!("{name} did not end within {deadline:?}")
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}
