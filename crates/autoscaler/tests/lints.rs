//! What is legal and dangerous: each lint fires where its file says so, and nowhere else.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::PathBuf};

use headroom_autoscaler::{
    Remark, RemarkKind,
    config::{self, Environment, LoadOptions},
};

fn remarks(files: &[(&str, &str)]) -> Vec<Remark> {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = files.iter().map(|(name, _)| dir.path().join(name)).collect();
    for (path, (_, text)) in paths.iter().zip(files) {
        fs::write(path, text).unwrap();
    }
    let loaded = config::load(&paths, &Environment::default(), &LoadOptions::default());
    loaded
        .unwrap_or_else(|problems| panic!("{problems}"))
        .configuration
        .remarks
}

fn codes() -> BTreeSet<String> {
    let page = config::lints_page();
    let headings = page
        .lines()
        .filter_map(|line| line.strip_prefix("## `")?.strip_suffix('`'));
    headings.map(str::to_owned).collect()
}

/// The lines of a text that say `# fires`.
fn marked(text: &str) -> BTreeSet<usize> {
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| line.ends_with("# fires"));
    lines.map(|(index, _)| index + 1).collect()
}

#[test]
fn each_lint_fires_where_its_file_says_so_and_nowhere_else() {
    let codes = codes();
    assert!(codes.len() >= 15, "{codes:?}");
    for code in codes {
        let path = format!("tests/lints/{code}.toml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let found = remarks(&[("headroom.toml", &text)]);
        let lines = found
            .iter()
            .filter(|remark| remark.code.as_deref() == Some(&code))
            .map(|remark| {
                assert_eq!(remark.kind, RemarkKind::Lint);
                let (_, line) = remark.place.as_ref().unwrap().rsplit_once(':').unwrap();
                line.parse().unwrap()
            });
        let lines: BTreeSet<usize> = lines.collect();
        assert!(!lines.is_empty(), "{path} shows nothing");
        assert_eq!(lines, marked(&text), "{path}: {found:#?}");
    }
}

#[test]
fn every_file_is_of_a_lint() {
    let codes = codes();
    for entry in fs::read_dir("tests/lints").unwrap() {
        let path = entry.unwrap().path();
        assert!(
            codes.contains(path.file_stem().unwrap().to_str().unwrap()),
            "{path:?}"
        );
    }
}

const PLATFORM: &str = r#"
[prometheus.main]
url = "http://prometheus:9090"
bearer_token = "plain"

[defaults.lints]
secret_in_plain_text = "a token of the test cluster"

[template.fixed.lints]
min_equals_max = "fixed on purpose"
"#;

const TEAM: &str = r#"
[workload.fixed]
template = "fixed"
min_replicas = 4
max_replicas = 4
command = { get = ["./get"], set = ["./set", "{replicas}"] }
metrics.load = { query = 'avg(a{job="web"})', value = 100 }

[workload.other]
min_replicas = 4
max_replicas = 4
command = { get = ["./get2"], set = ["./set2", "{replicas}"] }
metrics.load = { query = 'avg(a{job="web"})', value = 100 }
"#;

#[test]
fn a_lint_is_silenced_by_defaults_templates_and_workloads_for_those_who_have_them() {
    let found = remarks(&[("platform.toml", PLATFORM), ("team.toml", TEAM)]);
    let told: Vec<_> = found
        .iter()
        .filter_map(|remark| {
            Some((
                remark.code.as_deref()?,
                remark.place.as_ref()?.rsplit('/').next()?,
            ))
        })
        .collect();
    assert_eq!(told, [("min_equals_max", "team.toml:11")]);
}

#[test]
fn the_examples_are_free_of_lints() {
    let examples = fs::read_dir("../../examples").unwrap();
    for example in examples.map(|entry| entry.unwrap().path()) {
        let loaded = config::load(
            std::slice::from_ref(&example),
            &Environment::default(),
            &LoadOptions::default(),
        );
        let remarks = loaded
            .unwrap_or_else(|problems| panic!("{problems}"))
            .configuration
            .remarks;
        let lints: Vec<_> = remarks
            .iter()
            .filter(|remark| remark.kind == RemarkKind::Lint)
            .collect();
        assert!(lints.is_empty(), "{example:?}: {lints:#?}");
    }
}
