//! Builds the real servers that tests use, from small pinned Go modules, once per machine.
//!
//! Each server is a folder under `servers/` with a `go.mod` that names its main packages in a `tool` block, and
//! the `go.sum` to it. Its binaries go to `$XDG_CACHE_HOME/headroom/servers/<hash of the pins>`, outside every
//! clone, so that a second clone finds them and a changed pin makes a new folder. Another server is another
//! folder and another entry in [`ALL`]. Starting them is left to the rest of this crate.

use std::{
    env,
    ffi::OsString,
    fmt,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use sha2::{Digest, Sha256};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// Prometheus and promtool.
///
/// `remove_all_sd` leaves static targets and files of targets, which is all that tests use, and halves the build.
pub const PROMETHEUS: Server = Server {
    name: "prometheus",
    go_mod: include_str!("../servers/prometheus/go.mod"),
    go_sum: include_str!("../servers/prometheus/go.sum"),
    version_of: "github.com/prometheus/prometheus",
    tags: "netgo,remove_all_sd",
    link_flags: "-s -w",
    binaries: &["prometheus", "promtool"],
    minutes: 4,
};

/// Every server that tests use.
pub const ALL: &[Server] = &[PROMETHEUS];

/// How often a build that goes on says so.
const SAY_SO_EVERY: Duration = Duration::from_secs(15);

/// One pinned Go module, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    name: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    /// The module whose version is the server's.
    version_of: &'static str,
    tags: &'static str,
    link_flags: &'static str,
    binaries: &'static [&'static str],
    /// How long the first build takes on two cores, to tell people.
    minutes: u32,
}

impl Server {
    /// The server's name, also that of its folder of pins.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The pinned version, such as `v0.316.0`.
    pub fn version(&self) -> &'static str {
        directive(self.go_mod, self.version_of).unwrap_or("unknown")
    }

    /// The oldest Go that builds it, such as `1.26.7`.
    pub fn go_version(&self) -> &'static str {
        directive(self.go_mod, "go").unwrap_or("unknown")
    }

    /// Names the folder of the binaries: other pins, flags or machines give another hash.
    fn hash(&self) -> String {
        let mut hash = Sha256::new();
        let parts = [
            ("name", self.name),
            ("go.mod", self.go_mod),
            ("go.sum", self.go_sum),
            ("tags", self.tags),
            ("ldflags", self.link_flags),
            ("os", env::consts::OS),
            ("arch", env::consts::ARCH),
        ];
        for (name, content) in parts {
            // Lengths keep two neighbours from trading characters.
            hash.update(format!("{name} {}\n{content}\n", content.len()));
        }
        let digest = hash.finalize();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The word after `name` on the first line of a `go.mod` that starts with it.
fn directive(go_mod: &'static str, name: &str) -> Option<&'static str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == name).then(|| words.next())?
    })
}

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
        let path = self.directory(server).join(name);
        if path.is_file() {
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
        server.binaries.iter().all(|name| directory.join(name).is_file())
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
                server.link_flags,
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
        if let Some(missing) = server.binaries.iter().find(|name| !binaries.join(name).is_file()) {
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

    /// Asks Go for its version beside the pins, where it refuses if it is too old for them.
    fn check_go(&self, server: &Server, module: &Path) -> Result<(), ServersError> {
        let needed = server.go_version();
        let output = match self
            .go(module)
            .args(["env", "GOVERSION"])
            .stdin(Stdio::null())
            .output()
        {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ServersError::NoGo {
                    server: server.name,
                    needed,
                });
            }
            Err(source) => return Err(at("run", Path::new(&self.go))(source)),
        };
        // `go env` answers even where the toolchain is too old for the module; `go list` does not.
        let list = self.go(module).args(["list", "-m"]).stdin(Stdio::null()).output();
        let list = list.map_err(at("run", Path::new(&self.go)))?;
        if output.status.success() && list.status.success() {
            return Ok(());
        }
        let said = [output.stderr, list.stderr].concat();
        Err(ServersError::GoRefused {
            needed,
            said: String::from_utf8_lossy(&said).trim().to_owned(),
        })
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
                "building {} {} (about {} minutes the first time) …",
                server.binaries.join(" and "),
                server.version(),
                server.minutes
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
            Self::NotBuilt { .. } => Some("run `cargo xtask servers`".to_owned()),
            Self::Io { .. } => None,
        }
    }
}

fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServersError {
    let path = path.to_owned();
    move |source| ServersError::Io { what, path, source }
}
