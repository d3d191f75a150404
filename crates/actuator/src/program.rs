//! Finding the program of a command, so that a missing one is named with the place where it was looked for.

use std::{
    env,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

/// Where the program of `command` is, and the directory it is to run in, both absolute.
///
/// A name with a slash is looked up from `directory`, as the user wrote it beside their policy; any other in `search`
/// (the value of `PATH` that the program will see), or headroom's own `PATH`.
pub(crate) fn locate(
    command: &[String],
    directory: &Path,
    search: Option<&OsStr>,
) -> Result<(PathBuf, PathBuf), io::Error> {
    let directory = std::path::absolute(directory)?;
    if !directory.is_dir() {
        return Err(not_found(format!(
            "there is no directory {} to run it in",
            directory.display()
        )));
    }
    let Some(name) = command.first().filter(|name| !name.is_empty()) else {
        return Err(not_found("no program is named".to_owned()));
    };
    if name.contains('/') {
        let path = directory.join(name);
        check(&path)?;
        return Ok((path, directory));
    }
    let own = env::var_os("PATH");
    let search = search.or(own.as_deref()).unwrap_or_default();
    env::split_paths(search)
        .map(|place| directory.join(place).join(name))
        .find(|path| check(path).is_ok())
        .map(|path| (path, directory))
        .ok_or_else(|| {
            not_found(format!(
                "there is no program `{name}` in PATH, which is {}; a program beside the policy is written `./{name}`",
                search.display()
            ))
        })
}

fn check(path: &Path) -> Result<(), io::Error> {
    if !path.exists() {
        return Err(not_found(format!("there is no file {}", path.display())));
    }
    let denied = |why| {
        let text = format!("{} {why}", path.display());
        io::Error::new(io::ErrorKind::PermissionDenied, text)
    };
    if !path.is_file() {
        return Err(denied("is not a file"));
    }
    access(path, Access::EXEC_OK).map_err(|_| denied("may not be executed: chmod +x it"))
}

fn not_found(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, text)
}

/// The program and its arguments as a person would type them.
pub(crate) fn written(command: &[String]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_{}".contains(&byte);
    let words: Vec<String> = command
        .iter()
        .map(|word| {
            if !word.is_empty() && word.bytes().all(plain) {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        })
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[track_caller]
    fn check_refused(command: &[&str], directory: &Path, expected: &str) {
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let error = locate(&command, directory, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_name_with_a_slash_starts_from_the_directory() {
        let directory = headroom_test_support::temp_dir();
        let path = directory.path().join("web");
        check_refused(
            &["./web"],
            directory.path(),
            &format!("there is no file {}/./web", directory.path().display()),
        );
        fs::write(&path, "").unwrap();
        check_refused(&["./web"], directory.path(), "may not be executed");
        check_refused(
            &[directory.path().to_str().unwrap()],
            directory.path(),
            "is not a file",
        );
    }

    #[test]
    fn other_names_are_looked_up_in_path() {
        let directory = headroom_test_support::temp_dir();
        let (program, _) = locate(&["sh".to_owned()], directory.path(), None).unwrap();
        assert!(program.is_absolute() && program.ends_with("sh"), "{program:?}");
        check_refused(
            &["headroom-no-such-program"],
            directory.path(),
            "there is no program `headroom-no-such-program`",
        );
        let elsewhere = locate(&["sh".to_owned()], directory.path(), Some(OsStr::new("/nowhere")));
        assert!(elsewhere.is_err(), "the PATH of the replica counts");
    }

    #[test]
    fn a_missing_directory_is_named() {
        check_refused(
            &["sh"],
            Path::new("/nowhere/at/all"),
            "there is no directory /nowhere/at/all",
        );
        check_refused(&[], Path::new("/"), "no program is named");
    }

    #[test]
    fn a_command_is_written_as_a_person_types_it() {
        let command = ["sh", "-c", "echo it's", "", "{replicas}"].map(str::to_owned);
        assert_eq!(written(&command), r"sh -c 'echo it'\''s' '' {replicas}");
    }
}
