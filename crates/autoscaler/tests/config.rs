//! The configuration from files: what loads, what it means, and what is said of what does not load.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use headroom_autoscaler::config::{self, Environment, LoadOptions, Loaded, Problems, SecretCheck};

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

fn load(paths: &[&str]) -> Result<Loaded, Problems> {
    load_with(paths, &[])
}

fn load_with(paths: &[&str], variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let environment: Environment = variables.iter().copied().collect();
    config::load(&paths, &environment, &LoadOptions::default())
}

/// The repository's examples, relative to this package.
const EXAMPLES: &str = "../../examples";

#[test]
fn every_example_loads() {
    let mut seen = 0;
    for entry in std::fs::read_dir(EXAMPLES).unwrap() {
        let path = entry.unwrap().path();
        let files = std::fs::read_dir(&path).unwrap().map(|file| file.unwrap().path());
        if !files
            .into_iter()
            .any(|file| file.extension().is_some_and(|extension| extension == "toml"))
        {
            continue;
        }
        let loaded =
            load(&[path.to_str().unwrap()]).unwrap_or_else(|problems| panic!("{}", drawn(&problems)));
        let warnings: Vec<_> = loaded
            .configuration
            .remarks
            .iter()
            .filter(|remark| is_warning(remark))
            .collect();
        assert!(warnings.is_empty(), "{path:?}: {warnings:#?}");
        seen += 1;
    }
    assert!(seen >= 4, "{seen} examples");
}

fn is_warning(remark: &headroom_autoscaler::Remark) -> bool {
    matches!(
        remark.kind,
        headroom_autoscaler::RemarkKind::Lint | headroom_autoscaler::RemarkKind::Warning
    )
}

/// Each file of `tests/invalid` is a case, and each directory: one layer, or one for each file in it.
#[test]
fn what_is_wrong_is_said_with_its_place_and_a_way_out() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir("tests/invalid")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() > 80, "{} cases", cases.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("invalid-snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for case in cases {
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let options = LoadOptions {
            secrets: SecretCheck::Sources,
            ..LoadOptions::default()
        };
        let said = match config::load(&layers_of(&case), &variables_of(&case), &options) {
            Err(problems) => drawn(&problems),
            // A warning is no error, and is still to be seen.
            Ok(loaded) => {
                let remarks = loaded.configuration.remarks.iter();
                remarks
                    .map(|remark| format!("{:?}: {}\n", remark.kind, remark.text))
                    .collect()
            }
        };
        assert!(!said.is_empty(), "{name} says nothing");
        settings.bind(|| insta::assert_snapshot!(name, said));
    }
}

/// A file is one layer, and a directory `…-in-one-layer` too; any other directory has one for each file.
fn layers_of(case: &Path) -> Vec<PathBuf> {
    if case.is_file() || case.to_str().unwrap().ends_with("in-one-layer") {
        return vec![case.to_owned()];
    }
    let mut layers: Vec<PathBuf> = std::fs::read_dir(case)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    layers.sort();
    layers
}

/// `# NAME=value` in the first lines of a case sets the environment.
fn variables_of(case: &Path) -> Environment {
    let text = std::fs::read(case).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let comments = text.lines().map_while(|line| line.strip_prefix("# "));
    let variables = comments.filter_map(|comment| comment.split_once('='));
    variables.collect()
}

/// Each case of `tests/valid`: what is in effect for its workloads, and where that comes from.
#[test]
fn what_is_in_effect_is_told_with_its_origin() {
    let mut cases: Vec<PathBuf> = std::fs::read_dir("tests/valid")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 9, "{} cases", cases.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("valid-snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for case in cases {
        let name = case.file_stem().unwrap().to_str().unwrap().to_owned();
        let loaded = config::load(
            &layers_of(&case),
            &Environment::default(),
            &LoadOptions::default(),
        )
        .unwrap_or_else(|problems| panic!("{}", drawn(&problems)));
        let told = told(&loaded);
        settings.bind(|| insta::assert_snapshot!(name, told));
    }
}

/// Settings, workloads and remarks of a configuration, a line each.
fn told(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut tell = |heading: &str, keys: Vec<config::EffectiveKey>| {
        text.push_str(&format!("{heading}\n"));
        for key in keys {
            text.push_str(&format!("  {} = {}  # {}\n", key.key, key.value, key.origin));
        }
    };
    tell("settings", loaded.origins.settings());
    for workload in &loaded.configuration.workloads {
        tell(workload.id.as_str(), loaded.origins.effective(&workload.id));
    }
    for remark in &loaded.configuration.remarks {
        text.push_str(&format!("{:?}: {}\n", remark.kind, remark.text));
    }
    text
}

#[test]
fn problems_are_also_plain_text_and_json() {
    let problems = load(&["tests/invalid/minimum-above-maximum.toml"]).unwrap_err();
    let expected = "\
error: the minimum, 10, is above the maximum, 4
   tests/invalid/minimum-above-maximum.toml:5  min_replicas = 10
   tests/invalid/minimum-above-maximum.toml:6  max_replicas = 4
   help: raise max_replicas or lower min_replicas
";
    assert_eq!(problems.to_string(), expected);
    let json = serde_json::json!([{
        "code": "bad_value",
        "message": "the minimum, 10, is above the maximum, 4",
        "file": "tests/invalid/minimum-above-maximum.toml",
        "line": 5,
        "column": 16,
        "help": "raise max_replicas or lower min_replicas",
    }]);
    assert_eq!(serde_json::to_value(&problems).unwrap(), json);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large.toml");
    std::fs::File::create(&large).unwrap().set_len(5 << 20).unwrap();
    let absent = directory.path().join("absent.toml");
    let said = load(&[large.to_str().unwrap(), absent.to_str().unwrap()])
        .unwrap_err()
        .to_string();
    assert!(said.contains("large.toml is too large"), "{said}");
    assert!(
        said.contains("absent.toml could not be read: there is no such file"),
        "{said}"
    );
    assert!(
        load(&[])
            .unwrap_err()
            .to_string()
            .contains("no configuration was named")
    );
}

#[test]
fn problems_of_all_files_are_told_together() {
    let said = load(&["tests/invalid/average.toml", "tests/invalid/unknown-source.toml"])
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("unknown key `average`") && said.contains("no Prometheus called `mian`"),
        "{said}"
    );
}

#[test]
fn a_problem_of_a_template_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("fleet.toml");
    let mut text =
        "[template.web]\nscale_target = \"deployment/${name}\"\nmax_replicas = 4\ninterval = \"soon\"\n\
                    metrics.cpu = { utilization = \"70%\" }\n"
            .to_owned();
    for number in 0..20 {
        text.push_str(&format!("[workload.\"shop/w{number}\"]\ntemplate = \"web\"\n"));
    }
    std::fs::write(&file, text).unwrap();
    let problems = load(&[file.to_str().unwrap()]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems}");
}

#[test]
fn secrets_of_parts_that_do_not_run_are_not_looked_for() {
    let path = "tests/invalid/secret-not-set.toml";
    assert!(load(&[path]).is_ok());
    let options = LoadOptions {
        secrets: SecretCheck::Sources,
        ..LoadOptions::default()
    };
    let environment: Environment = [("PROMETHEUS_TOKEN", "t")].into_iter().collect();
    assert!(config::load(&[path.into()], &environment, &options).is_ok());
    assert!(config::load(&[path.into()], &Environment::default(), &options).is_err());
}

#[test]
fn a_secret_in_plain_text_is_never_shown() {
    let loaded = load_with(&["tests/invalid/secret-in-plain-text.toml"], &[]).unwrap();
    let told = told(&loaded);
    assert!(
        told.contains("prometheus.main.bearer_token = \"(hidden)\""),
        "{told}"
    );
    assert!(!format!("{told}{:?}", loaded.configuration).contains("hunter2"));
}

#[test]
fn the_reference_has_every_key_and_every_default() {
    let page = config::reference();
    let mut keys = Vec::new();
    collect_keys(&config::schema(), &mut keys);
    assert!(keys.len() > 70, "{keys:?}");
    for key in keys {
        assert!(
            page.contains(&format!("**`{key}`**")),
            "{key} is not in the reference"
        );
    }
    for line in config::DEFAULTS.lines().filter(|line| !line.starts_with('#')) {
        if let Some((key, value)) = line.split_once(" = ") {
            assert!(
                page.contains(&format!("Default: `{value}`.")),
                "the default of {key} is not in the reference"
            );
        }
    }
    insta::assert_snapshot!("reference", page);
}

/// The names of all keys in a schema, each with a description.
fn collect_keys(schema: &serde_json::Value, keys: &mut Vec<String>) {
    for (key, inner) in schema
        .get("properties")
        .and_then(|properties| properties.as_object())
        .into_iter()
        .flatten()
    {
        assert!(
            inner["description"]
                .as_str()
                .is_some_and(|text| text.ends_with('.')),
            "{key} has no description"
        );
        keys.push(key.clone());
        collect_keys(inner, keys);
    }
    for deeper in ["additionalProperties", "items"] {
        if let Some(inner) = schema.get(deeper).filter(|inner| inner.is_object()) {
            collect_keys(inner, keys);
        }
    }
    for inner in schema
        .get("anyOf")
        .and_then(|any| any.as_array())
        .into_iter()
        .flatten()
    {
        collect_keys(inner, keys);
    }
}
