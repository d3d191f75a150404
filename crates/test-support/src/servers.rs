//! Builds the real servers that tests use, from small pinned Go modules, once per machine.
//!
//! Each server is a folder under `servers/` with a `go.mod` that names its main packages in a `tool` block, and
//! the `go.sum` to it. Its binaries go to `$XDG_CACHE_HOME/headroom/servers/<hash of the pins>`, outside every
//! clone, so that a second clone finds them and a changed pin makes a new folder. Another server is another
//! folder and another entry in [`ALL`]. Starting them is left to the rest of this crate.

use std::{
    env,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

mod error;
mod pins;
mod progress;
#[cfg(test)]
mod tests;

pub use self::{
    error::ServersError,
    pins::{ALL, ETCD, KUBERNETES, KWOK, METRICS_SERVER, PROMETHEUS, Server},
    progress::Progress,
};

use self::pins::ModuleFiles;

/// How often a build that goes on says so.
const SAY_SO_EVERY: Duration = Duration::from_secs(15);

/// The folder that holds the servers of this machine, and the Go that builds them.
#[derive(Clone, Debug)]
pub struct Servers {
    root: PathBuf,
    go: OsString,
}

impl Servers {
    /// The servers in `$XDG_CACHE_HOME/headroom/servers`, by default `~/.cache/headroom/servers`.
    ///
    /// # Errors
    ///
    /// When neither `XDG_CACHE_HOME` nor `HOME` names a directory.
    pub fn of_this_machine() -> Result<Self, ServersError> {
        let absolute = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .ok_or(ServersError::NoCacheDirectory)?;
        Ok(Self {
            root: cache.join("headroom/servers"),
            go: "go".into(),
        })
    }

    /// Where the binaries of `server` are, or will be.
    pub fn directory(&self, server: &Server) -> PathBuf {
        self.root.join(server.hash())
    }

    /// The path of one of a server's binaries.
    ///
    /// # Errors
    ///
    /// When it has not been built.
    pub fn binary(&self, server: &Server, name: &str) -> Result<PathBuf, ServersError> {
        self.product(server, name, Path::is_file)
    }

    /// The path of a folder of files that is kept with a server's binaries.
    ///
    /// # Errors
    ///
    /// When it has not been built.
    pub fn files(&self, server: &Server, name: &str) -> Result<PathBuf, ServersError> {
        self.product(server, name, Path::is_dir)
    }

    fn product(
        &self,
        server: &Server,
        name: &str,
        is_it: fn(&Path) -> bool,
    ) -> Result<PathBuf, ServersError> {
        let path = self.directory(server).join(name);
        if is_it(&path) {
            Ok(path)
        } else {
            Err(ServersError::NotBuilt {
                binary: name.to_owned(),
                path,
            })
        }
    }

    /// Builds `server` unless it is there. `report` hears what is being done while it is done.
    ///
    /// Two processes at once do not disturb each other: one builds, the other waits and finds it built. A build
    /// that is interrupted leaves nothing that could be taken for a finished one.
    ///
    /// # Errors
    ///
    /// When Go is missing or too old, or the build fails; [`ServersError::help`] says what to do.
    pub fn ensure(&self, server: &Server, mut report: impl FnMut(Progress)) -> Result<(), ServersError> {
        let directory = self.directory(server);
        if self.is_built(server) {
            report(Progress::Present {
                server: *server,
                directory,
            });
            return Ok(());
        }
        fs::create_dir_all(&self.root).map_err(at("create", &self.root))?;
        let _lock = self.lock(server, &mut report)?;
        if self.is_built(server) {
            report(Progress::Present {
                server: *server,
                directory,
            });
            return Ok(());
        }
        self.build(server, &directory, &mut report)
    }

    fn is_built(&self, server: &Server) -> bool {
        let directory = self.directory(server);
        server.products().all(|name| directory.join(name).exists())
    }

    /// Keeps other processes from building the same server. Released with the file.
    fn lock(&self, server: &Server, report: &mut impl FnMut(Progress)) -> Result<File, ServersError> {
        let path = self.root.join(format!("{}.lock", server.hash()));
        let file = File::options()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .map_err(at("open", &path))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => report(Progress::Waiting { server: *server }),
            Err(TryLockError::Error(source)) => return Err(at("lock", &path)(source)),
        }
        file.lock().map_err(at("lock", &path))?;
        Ok(file)
    }

    fn build(
        &self,
        server: &Server,
        directory: &Path,
        report: &mut impl FnMut(Progress),
    ) -> Result<(), ServersError> {
        let prefix = format!(".building-{}-", server.hash());
        self.remove_interrupted(&prefix)?;
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&self.root)
            .map_err(at("write into", &self.root))?;
        let [module, binaries] = ["module", "bin"].map(|name| staging.path().join(name));
        fs::create_dir(&module).map_err(at("create", &module))?;
        for (name, content) in [("go.mod", server.go_mod), ("go.sum", server.go_sum)] {
            let path = module.join(name);
            fs::write(&path, content).map_err(at("write", &path))?;
        }
        self.check_go(server, &module)?;

        let started = Instant::now();
        report(Progress::Building { server: *server });
        let log = staging.path().join("log");
        let child = self
            .go(&module)
            .args([
                "install",
                "-trimpath",
                "-tags",
                server.tags,
                "-ldflags",
                &server.link_flags(),
                "tool",
            ])
            .env("GOBIN", &binaries)
            .env("CGO_ENABLED", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(at("create", &log))?)
            .spawn()
            .map_err(at("run", Path::new(&self.go)))?;
        let said = follow(server, child, &log, started, report)?;
        for (built, name) in server.renames {
            // One that is not there is found missing below.
            drop(fs::rename(binaries.join(built), binaries.join(name)));
        }
        for files in server.files {
            self.keep_files(server, files, &module, &binaries.join(files.name))?;
        }
        if let Some(missing) = server.products().find(|name| !binaries.join(name).exists()) {
            return Err(ServersError::Failed {
                server: server.name,
                said: format!("{said}\nno {missing} came of it"),
            });
        }

        // What is there is not whole, or `is_built` had found it.
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(at("remove", directory))?;
        }
        fs::rename(&binaries, directory).map_err(at("write", directory))?;
        report(Progress::Built {
            server: *server,
            directory: directory.to_owned(),
            elapsed: started.elapsed(),
        });
        Ok(())
    }

    /// Copies a folder of one of the server's modules, as flat as it is, into `to`.
    fn keep_files(
        &self,
        server: &Server,
        files: &ModuleFiles,
        module: &Path,
        to: &Path,
    ) -> Result<(), ServersError> {
        let output = self
            .go(module)
            .args(["list", "-m", "-f", "{{.Dir}}", files.module])
            .stdin(Stdio::null())
            .output()
            .map_err(at("run", Path::new(&self.go)))?;
        if !output.status.success() {
            return Err(ServersError::Failed {
                server: server.name,
                said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            });
        }
        let from = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()).join(files.path);
        fs::create_dir(to).map_err(at("create", to))?;
        for entry in fs::read_dir(&from).map_err(at("read", &from))? {
            let path = entry.map_err(at("read", &from))?.path();
            let Some(name) = path.file_name().filter(|_| path.is_file()) else {
                continue;
            };
            let content = fs::read(&path).map_err(at("read", &path))?;
            let copy = to.join(name);
            fs::write(&copy, content).map_err(at("write", &copy))?;
        }
        Ok(())
    }

    /// Removes what builds of this server left that were killed. The lock says that none is running.
    fn remove_interrupted(&self, prefix: &str) -> Result<(), ServersError> {
        for entry in fs::read_dir(&self.root).map_err(at("read", &self.root))? {
            let entry = entry.map_err(at("read", &self.root))?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                fs::remove_dir_all(entry.path()).map_err(at("remove", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// Go, in the folder of the pins and free of settings that would bend the build.
    fn go(&self, module: &Path) -> Command {
        let mut command = Command::new(&self.go);
        command
            .current_dir(module)
            .env("GOFLAGS", "-mod=readonly -buildvcs=false")
            .env("GOWORK", "off");
        command
    }

    /// Asks Go about the pins, which it refuses to read if it is too old for them.
    fn check_go(&self, server: &Server, module: &Path) -> Result<(), ServersError> {
        let needed = server.go_version();
        match self.go(module).args(["list", "-m"]).stdin(Stdio::null()).output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(ServersError::GoRefused { needed, said })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ServersError::NoGo {
                server: server.name(),
                needed,
            }),
            Err(source) => Err(at("run", Path::new(&self.go))(source)),
        }
    }
}

/// Waits for a build to end, saying now and then that it goes on. Returns the last it said.
fn follow(
    server: &Server,
    mut child: Child,
    log: &Path,
    started: Instant,
    report: &mut impl FnMut(Progress),
) -> Result<String, ServersError> {
    let last_lines = |count: usize| {
        let text = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    };
    let mut said_so = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(at("wait for", Path::new("go")))? {
            let said = last_lines(20);
            return if status.success() {
                Ok(said)
            } else {
                Err(ServersError::Failed {
                    server: server.name,
                    said,
                })
            };
        }
        if said_so.elapsed() >= SAY_SO_EVERY {
            said_so = Instant::now();
            report(Progress::Still {
                server: *server,
                elapsed: started.elapsed(),
                said: last_lines(1),
            });
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServersError {
    let path = path.to_owned();
    move |source| ServersError::Io { what, path, source }
}
