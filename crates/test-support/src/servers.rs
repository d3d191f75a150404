//! Builds the real servers that tests use, from pins, once per machine.
//!
//! Each server is a folder under `servers/`: a `go.mod` that names its main packages in a `tool` block and the
//! `go.sum` to it, or a `requirements.txt` of Python packages with their hashes. What is built goes to
//! `$XDG_CACHE_HOME/headroom/servers/<hash of the pins>`, outside every clone, so that a second clone finds it and a
//! changed pin makes a new folder. Another server is another folder and another entry in [`ALL`]. Starting them is
//! left to the rest of this crate.

use std::{
    env,
    ffi::OsString,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

mod building;
mod error;
mod go;
mod pins;
mod progress;
mod python;
#[cfg(test)]
mod tests;

pub use self::{
    error::ServersError,
    pins::{AIOSMTPD, ALERTMANAGER, ALL, ETCD, KUBERNETES, KWOK, METRICS_SERVER, PROMETHEUS, Server},
    progress::Progress,
};

use self::{building::Building, pins::Source};

/// The folder that holds the servers of this machine, and the programs that build them.
#[derive(Clone, Debug)]
pub struct Servers {
    root: PathBuf,
    go: OsString,
    python: OsString,
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
            python: "python3".into(),
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
    /// When Go or Python is missing or too old, or the build fails; [`ServersError::help`] says what to do.
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
        server.products().iter().all(|name| directory.join(name).exists())
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
        report: &mut dyn FnMut(Progress),
    ) -> Result<(), ServersError> {
        let prefix = format!(".building-{}-", server.hash());
        self.remove_interrupted(&prefix)?;
        let staging = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir_in(&self.root)
            .map_err(at("write into", &self.root))?;
        let products = staging.path().join("products");
        let mut building = Building::new(*server, report);
        match &server.source {
            Source::Go(module) => self.build_go(module, staging.path(), &products, &mut building)?,
            Source::Python(packages) => {
                self.fetch_python(packages, staging.path(), &products, &mut building)?;
            }
        }

        // What is there is not whole, or `is_built` had found it.
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(at("remove", directory))?;
        }
        fs::rename(&products, directory).map_err(at("write", directory))?;
        building.end(directory.to_owned());
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
}

/// What `find` finds of the servers of this machine.
///
/// # Panics
///
/// When it has not been built: without its servers a test cannot run.
#[cfg(feature = "harness")]
#[expect(clippy::panic, reason = "without its servers the test cannot run")]
pub(crate) fn built(find: impl FnOnce(&Servers) -> Result<PathBuf, ServersError>) -> PathBuf {
    let found = Servers::of_this_machine().and_then(|servers| find(&servers));
    found.unwrap_or_else(|error| panic!("{error}\nhelp: {}", error.help().unwrap_or_default()))
}

fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ServersError {
    let path = path.to_owned();
    move |source| ServersError::Io { what, path, source }
}
