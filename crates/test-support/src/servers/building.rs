//! One build under way: what it says meanwhile, and how it ends.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{Progress, Server, ServersError, at, pins::Source};

/// How often a build that goes on says so.
const SAY_SO_EVERY: Duration = Duration::from_secs(15);

/// A build that is under way.
pub(super) struct Building<'r> {
    server: Server,
    report: &'r mut dyn FnMut(Progress),
    started: Instant,
}

impl<'r> Building<'r> {
    pub(super) fn new(server: Server, report: &'r mut dyn FnMut(Progress)) -> Self {
        Self {
            server,
            report,
            started: Instant::now(),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.server.name
    }

    /// Says that it begins: all that it needs is there.
    pub(super) fn begin(&mut self) {
        self.started = Instant::now();
        (self.report)(Progress::Building { server: self.server });
    }

    /// Says that it is done.
    pub(super) fn end(self, directory: PathBuf) {
        (self.report)(Progress::Built {
            server: self.server,
            directory,
            elapsed: self.started.elapsed(),
        });
    }

    /// What went wrong, in the words of the program that builds.
    pub(super) fn failed(&self, said: String) -> ServersError {
        let server = self.server.name;
        match &self.server.source {
            Source::Go(_) => ServersError::Failed { server, said },
            Source::Python(_) => ServersError::NotFetched { server, said },
        }
    }

    /// Runs `command`, saying now and then that it goes on. Returns the last it said.
    pub(super) fn follow(&mut self, command: &mut Command, log: &Path) -> Result<String, ServersError> {
        let program = PathBuf::from(command.get_program());
        let create = |path| File::create(path).map_err(at("create", log));
        let output = create(log)?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(at("create", log))?)
            .stderr(output)
            .spawn()
            .map_err(at("run", &program))?;
        let last_lines = |count: usize| {
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(count)..].join("\n")
        };
        let mut said_so = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(at("wait for", &program))? {
                let said = last_lines(20);
                return if status.success() {
                    Ok(said)
                } else {
                    Err(self.failed(said))
                };
            }
            if said_so.elapsed() >= SAY_SO_EVERY {
                said_so = Instant::now();
                (self.report)(Progress::Still {
                    server: self.server,
                    elapsed: self.started.elapsed(),
                    said: last_lines(1),
                });
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}
