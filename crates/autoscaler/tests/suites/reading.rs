//! What is said of files of tests that are wrong.

use std::path::{Path, PathBuf};

use headroom_autoscaler::config::{Problems, is_suite, load_suite};

/// The text a person sees, without color and of a fixed width.
fn drawn(problems: &Problems) -> String {
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_width(110)
        .with_links(false);
    let mut text = String::new();
    for problem in problems {
        handler.render_report(&mut text, problem).unwrap();
    }
    text
}

/// Each file of tests in `tests/suites/invalid` is a case.
#[test]
fn what_is_wrong_is_said_with_its_place_and_a_way_out() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir("tests/suites/invalid")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.retain(|path| is_suite(path));
    cases.sort();
    assert!(cases.len() > 20, "{} cases", cases.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("invalid-snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix(".test.toml").unwrap();
        let Err(problems) = load_suite(&case) else {
            panic!("{name} says nothing");
        };
        for problem in &problems {
            assert!(problem.way_out().is_some(), "{name}: no way out of: {problem}");
        }
        settings.bind(|| insta::assert_snapshot!(name, drawn(&problems)));
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let problems = load_suite(Path::new("no-such.test.toml")).unwrap_err();
    let said = drawn(&problems);
    assert!(
        said.contains("no-such.test.toml could not be read: there is no such file"),
        "{said}"
    );
}

#[test]
fn reasons_and_steps_are_suggested() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::copy("tests/suites/policy.toml", directory.path().join("policy.toml")).unwrap();
    let file = directory.path().join("a.test.toml");
    let tests = "config = [\"policy.toml\"]\n[case.a]\nworkload = \"job\"\nreplicas = 2\nmetrics.queue = 100\n\
                 expect = [{ reason = \"above_the_target\" }, { steps = [\"limit\"] }, { without = [\"stabilised\"] }]\n";
    std::fs::write(&file, tests).unwrap();
    let problems = load_suite(&file).unwrap_err();
    let ways_out: Vec<&str> = problems.iter().filter_map(|problem| problem.way_out()).collect();
    assert_eq!(ways_out.len(), 3, "{problems}");
    for (way_out, meant) in ways_out.iter().zip(["above_target", "limited", "stabilized"]) {
        assert!(
            way_out.starts_with(&format!("did you mean `{meant}`? It can be `")),
            "{way_out}"
        );
    }
}
