//! A real browser without a screen, to look at pages with.
//!
//! Owns finding it and how it is started; what it is to show is the caller's. It is Debian's Chromium or another one, as
//! the machine has it: nothing is fetched.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use thiserror::Error;

/// Under which names Chromium is installed.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];
/// Neither a screen nor a network, and nothing of its own doing.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--virtual-time-budget=5000",
];

/// A browser of this machine.
#[derive(Clone, Debug)]
pub struct Browser {
    program: PathBuf,
}

/// No browser is installed.
#[derive(Debug, Error)]
#[error("no Chromium is installed")]
pub struct NoBrowser;

impl NoBrowser {
    /// What a person can do about it.
    pub fn help(&self) -> String {
        "install it (on Debian: `apt-get install chromium fonts-noto-cjk`), and see that `chromium --version` answers"
            .to_owned()
    }
}

impl Browser {
    /// The Chromium that is installed.
    ///
    /// # Errors
    ///
    /// When none is; [`NoBrowser::help`] says what to do.
    pub fn find() -> Result<Self, NoBrowser> {
        let path = env::var_os("PATH").unwrap_or_default();
        let directories: Vec<PathBuf> = env::split_paths(&path).collect();
        let program = NAMES
            .iter()
            .flat_map(|name| directories.iter().map(move |directory| directory.join(name)))
            .find(|program| program.is_file());
        program.map(|program| Self { program }).ok_or(NoBrowser)
    }

    /// Prints the page in `file` as it is after its scripts have run, in a window of this size.
    ///
    /// `profile` is a new empty folder for what the browser keeps.
    pub fn dump(&self, file: &Path, window: (u32, u32), profile: &Path) -> Command {
        let mut command = self.command(window, profile);
        command.arg("--dump-dom").arg(address(file));
        command
    }

    /// Takes a picture of the page in `file` to `picture`, in a window of this size.
    ///
    /// `profile` is a new empty folder for what the browser keeps.
    pub fn screenshot(&self, file: &Path, picture: &Path, window: (u32, u32), profile: &Path) -> Command {
        let mut command = self.command(window, profile);
        command
            .arg(format!("--screenshot={}", picture.display()))
            .arg(address(file));
        command
    }

    fn command(&self, (width, height): (u32, u32), profile: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(format!("--window-size={width},{height}"));
        command
    }
}

fn address(file: &Path) -> String {
    format!("file://{}", file.display())
}
