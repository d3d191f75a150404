//! A directory that goes with its value, and with the process too.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{process::Watcher, temp_dir};

/// Where a cluster keeps its files. It is removed when the value is dropped, and when the process dies.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    watcher: Watcher,
}

impl Folder {
    /// A new one at `path`, or in the system's directory for temporary files.
    #[expect(clippy::panic, reason = "without a directory the test cannot run")]
    pub(super) fn new(path: Option<&Path>) -> Self {
        let path = match path {
            Some(path) => {
                let created = fs::create_dir_all(path).and_then(|()| path.canonicalize());
                created.unwrap_or_else(|error| panic!("{} could not be made: {error}", path.display()))
            }
            None => temp_dir().keep(),
        };
        let watcher = Watcher::over_folder(&path);
        Self { path, watcher }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is left to the directory's owner; the test has its result.
        drop(fs::remove_dir_all(&self.path));
        self.watcher.dismiss();
    }
}
