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
    let mut file = NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))
        // Without the name of a file that nobody asked for.
        .map_err(|error| io::Error::from(error.kind()))?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(FOR_ALL))?;
    file.persist(path)?;
    Ok(())
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
