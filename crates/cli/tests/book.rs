//! The book's commands do what the book says.
//!
//! Of each page, `toml` blocks that begin with a file's name are that file, and `console` blocks are run in order, in a
//! new directory for each page: lines after `$ ` are commands, the others what they print.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use headroom_test_support::temp_dir;

fn pages() -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let mut pages: Vec<PathBuf> = fs::read_dir(source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

/// The fenced blocks of a page: language and text.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some((language.trim().to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, body))) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Runs `command` as a reader would, and returns all it printed, in one stream.
fn run(directory: &Path, command: &str) -> String {
    let binary = Path::new(env!("CARGO_BIN_EXE_headroom")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec 2>&1\n{command}")])
        .current_dir(directory)
        .env("PATH", path)
        .env("USER", "ada");
    for name in ["HEADROOM_CONFIG", "DEBUG", "RUST_LOG", "SUDO_USER"] {
        shell.env_remove(name);
    }
    String::from_utf8(shell.output().unwrap().stdout).unwrap()
}

/// What is the same each time: moments, ages and what is left of a time are left out.
fn settled(line: &str) -> String {
    let line = &without_rests(&without_moments(line.trim_end()));
    match (line.strip_prefix("decided "), line.rsplit_once(", ")) {
        (Some(_), _) => "decided".to_owned(),
        (None, Some((rest, age))) if age.ends_with(" old") => rest.to_owned(),
        (None, Some(_) | None) => line.to_owned(),
    }
}

/// The line with one word in place of each date and time.
fn without_moments(line: &str) -> String {
    let is_moment = |text: &str| {
        let digit = |(byte, like): (u8, u8)| byte == like || like == b'0' && byte.is_ascii_digit();
        text.bytes().zip(*b"0000-00-00 00:00:00").all(digit)
    };
    let (mut said, mut rest) = (String::new(), line);
    while let Some(first) = rest.chars().next() {
        let (word, length) = match rest.get(..19) {
            Some(text) if is_moment(text) => ("MOMENT", 19),
            Some(_) | None => (&rest[..first.len_utf8()], first.len_utf8()),
        };
        said.push_str(word);
        rest = &rest[length..];
    }
    said
}

/// The line with one word in place of each span that is said to be left, or to be known so far.
fn without_rests(line: &str) -> String {
    let is_number = |word: &str| word.parse::<f64>().is_ok();
    let is_unit = |word: &str| ["s", "min", "h"].contains(&word.trim_end_matches([',', ')', ':', '.']));
    let mut said: Vec<String> = Vec::new();
    let mut words = line.split(' ').peekable();
    while let Some(word) = words.next() {
        let is_left = said
            .last()
            .is_some_and(|before| ["in", "another", "only", "REST"].contains(&before.as_str()));
        match words.peek() {
            Some(unit) if is_left && is_number(word) && is_unit(unit) => {
                let end = unit.trim_start_matches(char::is_alphabetic);
                said.pop_if(|before| before == "REST");
                said.push(format!("REST{end}"));
                words.next();
            }
            Some(_) | None => said.push(word.to_owned()),
        }
    }
    said.join(" ")
}

fn check_page(page: &Path) -> usize {
    let directory = temp_dir();
    let mut commands = 0;
    for (language, body) in blocks(&fs::read_to_string(page).unwrap()) {
        if language == "toml" {
            let name = body
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("# "))
                .unwrap_or_else(|| {
                    panic!(
                        "{}: a toml block must begin with `# ` and a file's name:\n{body}",
                        page.display()
                    )
                });
            fs::write(directory.path().join(name), &body).unwrap();
        }
        if language != "console" {
            continue;
        }
        let mut lines = body.lines().peekable();
        while let Some(line) = lines.next() {
            let command = line
                .strip_prefix("$ ")
                .unwrap_or_else(|| panic!("{}: {line}", page.display()));
            let mut expected = Vec::new();
            while let Some(line) = lines.next_if(|line| !line.starts_with("$ ")) {
                expected.push(settled(line));
            }
            let got: Vec<String> = run(directory.path(), command).lines().map(settled).collect();
            assert_eq!(got, expected, "{}: `{command}`", page.display());
            commands += 1;
        }
    }
    commands
}

#[test]
fn commands_in_the_book_print_what_the_book_says() {
    let commands: usize = pages().iter().map(|page| check_page(page)).sum();
    assert!(commands >= 10, "only {commands} commands were found");
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src");
    let summary = fs::read_to_string(source.join("SUMMARY.md")).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(
            name == "SUMMARY.md" || summary.contains(&format!("({name})")),
            "{name} is not in the summary"
        );
        let text = fs::read_to_string(&page).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')').map(|(link, _)| link))
        {
            let path = link.split('#').next().unwrap_or_default();
            let leads = path.is_empty() || path.contains("://") || source.join(path).exists();
            assert!(leads, "{name}: {link} leads nowhere");
        }
    }
}

/// The table of differences has a row for each test, and no other.
#[test]
fn every_difference_from_the_hpa_has_its_test_and_its_row() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/src/differences.md")).unwrap();
    let tests = fs::read_to_string(root.join("crates/policy-engine/tests/differences.rs")).unwrap();
    let rows = page
        .lines()
        .filter_map(|line| line.strip_suffix("` |")?.rsplit_once('`'));
    let mut rows: Vec<_> = rows.map(|(_, test)| test).collect();
    let lines: Vec<_> = tests.lines().collect();
    let named = lines.windows(2).filter(|pair| pair[0] == "#[test]");
    let mut named: Vec<_> = named
        .map(|pair| pair[1].trim_start_matches("fn ").trim_end_matches("() {"))
        .collect();
    rows.sort_unstable();
    named.sort_unstable();
    assert!(!rows.is_empty());
    assert_eq!(rows, named);
}
