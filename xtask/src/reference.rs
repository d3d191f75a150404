//! The generated pages of the book: what `headroom` says about itself, written into `docs/src/reference/`.

use std::{fs, io, path::PathBuf};

use crate::{cargo, problem::Problem};

/// A page, and the arguments of `headroom` that print it.
struct Page {
    file: &'static str,
    arguments: &'static [&'static str],
}

const PAGES: [Page; 9] = [
    Page {
        file: "configuration.md",
        arguments: &["reference", "config"],
    },
    Page {
        file: "lints.md",
        arguments: &["reference", "lints"],
    },
    Page {
        file: "commands.md",
        arguments: &["reference", "commands"],
    },
    Page {
        file: "test-files.md",
        arguments: &["reference", "tests"],
    },
    Page {
        file: "headroom.schema.json",
        arguments: &["schema"],
    },
    Page {
        file: "headroom.test.schema.json",
        arguments: &["schema", "tests"],
    },
    Page {
        file: "headroom.decision.schema.json",
        arguments: &["schema", "decision"],
    },
    Page {
        file: "headroom.check.schema.json",
        arguments: &["schema", "check"],
    },
    Page {
        file: "headroom.notice.schema.json",
        arguments: &["schema", "notice"],
    },
];

impl Page {
    fn path(&self) -> PathBuf {
        cargo::root().join("docs/src/reference").join(self.file)
    }

    fn generate(&self) -> Result<String, Problem> {
        let mut arguments = vec![
            "run",
            "--quiet",
            "--package",
            "headroom-cli",
            "--bin",
            "headroom",
            "--",
        ];
        arguments.extend(self.arguments);
        let text = cargo::output(&arguments)?;
        // Nothing would be current wherever the page is missing too.
        if text.trim().is_empty() {
            Err(Problem::EmptyPage { file: self.file })
        } else {
            Ok(text)
        }
    }
}

/// Writes every page that is not current.
pub(crate) fn write() -> Result<(), Problem> {
    for page in PAGES {
        let path = page.path();
        let text = page.generate()?;
        if committed(&page)? == text {
            eprintln!("{} is current", page.file);
            continue;
        }
        fs::write(&path, text).map_err(|source| Problem::File {
            path,
            what: "written",
            source,
        })?;
        eprintln!("{} is written", page.file);
    }
    Ok(())
}

/// Compares every page with what would be written, and shows where they part.
pub(crate) fn check() -> Result<(), Problem> {
    let mut stale = 0;
    for page in PAGES {
        let text = page.generate()?;
        match first_difference(&committed(&page)?, &text) {
            None => eprintln!("{} is current", page.file),
            Some(difference) => {
                stale += 1;
                eprintln!("{} is not current. {difference}", page.path().display());
            }
        }
    }
    if stale == 0 {
        Ok(())
    } else {
        Err(Problem::NotCurrent { pages: stale })
    }
}

/// The page as it stands; empty where there is none.
fn committed(page: &Page) -> Result<String, Problem> {
    match fs::read_to_string(page.path()) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(Problem::File {
            path: page.path(),
            what: "read",
            source,
        }),
    }
}

/// Where two texts part, for people.
fn first_difference(committed: &str, generated: &str) -> Option<String> {
    if committed == generated {
        return None;
    }
    let [mut old, mut new] = [committed, generated].map(str::lines);
    let mut number = 0;
    loop {
        number += 1;
        match (old.next(), new.next()) {
            (None, None) => return Some("They differ in how the last line ends".to_owned()),
            (old, new) if old == new => {}
            (old, new) => {
                let show = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return Some(format!("Line {number}:\n   - {}\n   + {}", show(old), show(new)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_line_that_differs_is_shown() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            first_difference("a\nb\nc\n", "a\nB\nC\n").unwrap(),
            "Line 2:\n   - b\n   + B"
        );
        assert_eq!(
            first_difference("", "a\n").unwrap(),
            "Line 1:\n   - (the end)\n   + a"
        );
        assert_eq!(
            first_difference("a\nb\n", "a\n").unwrap(),
            "Line 2:\n   - b\n   + (the end)"
        );
        assert!(first_difference("a\n", "a").is_some());
    }
}
