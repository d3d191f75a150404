//! When the last one-shot run was and how it ended, for the textfile collector of node_exporter.

use std::{
    fs::Permissions,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use headroom_policy_engine::Timestamp;
use tempfile::NamedTempFile;

use crate::{error::CliError, exit::ExitCode, moment};

/// What everybody may read: node_exporter runs as another user.
const FOR_ALL: u32 = 0o644;

/// Replaces `path` as a whole, so that nobody reads half of it.
pub(super) fn write(path: &Path, code: ExitCode) -> Result<(), CliError> {
    replace(path, &text(code, moment::now())).map_err(|source| CliError::Textfile {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new("."))).map_err(without_its_path)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(FOR_ALL))?;
    file.persist(path)?;
    Ok(())
}

/// `error` without the name of the file that was to be there for a moment only.
fn without_its_path(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|about_path| about_path.source());
    let inner = inner.and_then(|inner| inner.downcast_ref::<io::Error>());
    match inner.and_then(io::Error::raw_os_error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => error,
    }
}

fn text(code: ExitCode, now: Timestamp) -> String {
    let seconds = now.unix_millis() / 1000;
    let code = code.number();
    format!(
        "# HELP headroom_last_run_timestamp_seconds When the last `headroom run --once` ended.\n\
         # TYPE headroom_last_run_timestamp_seconds gauge\n\
         headroom_last_run_timestamp_seconds {seconds}\n\
         # HELP headroom_last_run_exit_code Its exit code: 0 done, 1 could not, 2 bad policy, 3 blind.\n\
         # TYPE headroom_last_run_exit_code gauge\n\
         headroom_last_run_exit_code {code}\n"
    )
}
