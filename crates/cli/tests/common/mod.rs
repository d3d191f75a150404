//! A world of its own for each test of the command line: a directory, and an environment in which nothing of the
//! machine's shows.
//!
//! Test files take it with `mod common;`, those in a folder with `#[path = "../common/mod.rs"] mod common;`.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    ffi::OsStr,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use headroom_test_support::temp_dir;
use serde_json::json;
use tempfile::TempDir;

/// A directory with a policy and what it scales, and an environment without anything else.
pub(crate) struct World {
    directory: TempDir,
}

/// A policy with one workload, `shop/api`, whose count stands in the file `count` and whose load in `load.csv`.
pub(crate) const ONE_WORKLOAD: &str = r#"
[workload."shop/api"]
min_replicas = 2
max_replicas = 6
command = { get = ["cat", "count"], set = ["sh", "set.sh", "{replicas}"] }
scale_up = { limit = [] }
metrics.load = { recorded = "load.csv", per_replica = 100 }
"#;

/// Writes the count, and down what was written.
const SET: &str = "echo \"$1\" >> writes && echo \"$1\" > count\n";

impl World {
    /// An empty directory.
    pub(crate) fn empty() -> Self {
        Self {
            directory: temp_dir(),
        }
    }

    /// [`ONE_WORKLOAD`] at `count` replicas under `load`.
    pub(crate) fn new(count: u32, load: u32) -> Self {
        let world = Self::empty();
        world.write("headroom.toml", ONE_WORKLOAD);
        world.write("set.sh", SET);
        world.write("count", &format!("{count}\n"));
        world.set_load("load.csv", load);
        world
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Reads a file in it.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A recording of a load that stays as it is, from a minute ago for an hour.
    pub(crate) fn set_load(&self, name: &str, load: u32) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let lines: String = (now - 60..now + 3600)
            .step_by(5)
            .map(|second| format!("{second},{load}\n"))
            .collect();
        self.write(name, &format!("timestamp,value\n{lines}"));
    }

    /// A `kubeconfig` for a server that asks for no credentials.
    pub(crate) fn write_kubeconfig(&self, server: &str) {
        let kubeconfig = json!({
            "current-context": "c", "users": [],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
        });
        self.write("kubeconfig", &kubeconfig.to_string());
    }

    /// headroom with these arguments, in the directory, with nothing of the machine's environment.
    pub(crate) fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_headroom"), arguments)
    }

    /// The same of headroom under another name.
    pub(crate) fn command_of<A: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, arguments: &[A]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path());
        command
            .env("TZ", "UTC")
            .env("USER", "tester")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs headroom to its end.
    pub(crate) fn headroom(&self, arguments: &[&str]) -> Ran {
        self.ran(&mut self.command(arguments))
    }

    /// Runs a command of this world to its end.
    pub(crate) fn ran(&self, command: &mut Command) -> Ran {
        self.read_output(command.output().unwrap())
    }

    /// [`World::ran`] for a test whose servers run on the same runtime, which goes on meanwhile.
    pub(crate) async fn finished(&self, mut command: Command) -> Ran {
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        self.read_output(output.await.unwrap())
    }

    /// What a command of this world said and ended with.
    fn read_output(&self, output: Output) -> Ran {
        Ran::new(output, self.path())
    }
}

/// What a run said and ended with. Displays as one text for a snapshot.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(output: Output, directory: &Path) -> Self {
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(&*directory.to_string_lossy(), "[DIR]")
        };
        Self {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// The result as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON: {error}\n{self}"))
    }

    /// That it said `words`, as a result or beside it.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        let is_said = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(is_said, "`{words}` is not said:\n{self}");
        self
    }

    /// That a line of the result begins with `words`, however far they are apart in it.
    #[track_caller]
    pub(crate) fn lists(self, words: &str) -> Self {
        let mut lines = self.stdout.lines();
        let is_listed = lines.any(|line| {
            let line: Vec<&str> = line.split_whitespace().collect();
            line.join(" ").starts_with(words)
        });
        assert!(is_listed, "`{words}` is not listed:\n{self}");
        self
    }

    /// That it did not say `words`.
    #[track_caller]
    pub(crate) fn says_nothing_of(self, words: &str) -> Self {
        let is_said = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(!is_said, "`{words}` is said:\n{self}");
        self
    }

    /// That it ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self
            .code
            .map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        write!(
            f,
            "exit: {code}\n--- stdout\n{}--- stderr\n{}",
            self.stdout, self.stderr
        )
    }
}
