//! What is always true of reading a configuration: any text gives a configuration or problems, each with its place.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use headroom_autoscaler::config::{self, Environment, LoadOptions, ProblemKind};
use proptest::prelude::*;

/// Loads `text` as a file; returns how many problems it has.
fn load(text: &str) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("headroom.toml");
    std::fs::write(&file, text).unwrap();
    let environment: Environment = [("NAMESPACE", "shop"), ("CPU_THRESHOLD", "70")]
        .into_iter()
        .collect();
    let Err(problems) = config::load(&[file], &environment, &LoadOptions::default()) else {
        return 0;
    };
    assert!(!problems.is_empty());
    for problem in &problems {
        let about_the_file =
            problem.kind() == ProblemKind::Unreadable || problem.message() == "there is no workload";
        let place = problem.place();
        assert!(place.is_some() || about_the_file, "{problem:?}");
        if let Some((name, line, column)) = place {
            let lines = if name.ends_with("headroom.toml") {
                text.lines().count() + 1
            } else {
                1
            };
            assert!(line >= 1 && column >= 1 && line <= lines, "{problem:?}");
        }
        assert!(
            problem.way_out().is_some(),
            "no way out of: {}",
            problem.message()
        );
    }
    // Every way of showing them works on any text.
    let _ = problems.to_string();
    let _ = serde_json::to_string(&problems).unwrap();
    let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
    let mut drawn = String::new();
    for problem in &problems {
        handler.render_report(&mut drawn, problem).unwrap();
    }
    problems.len()
}

/// Values of every type, many of them right for some key.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\"5m\"".to_owned()),
        Just("\"70%\"".to_owned()),
        Just("\"avg(up)\"".to_owned()),
        Just("\"deployment/${name}\"".to_owned()),
        Just("\"${\"".to_owned()),
        Just("\"env:NAME\"".to_owned()),
        Just("[\"./web\", \"{replicas}\"]".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("1979-05-27".to_owned()),
        Just("1979-05-27T07:32:00".to_owned()),
        Just("\"2026-11-27T08:00\"".to_owned()),
        Just("\"0 8 * * 1-5\"".to_owned()),
        Just("\"Europe/Berlin\"".to_owned()),
        "[0-9*/,#LW@+ -]{0,12}".prop_map(|text| format!("\"{text}\"")),
        Just("{}".to_owned()),
        Just("{ http = \"/\" }".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}").to_lowercase()),
        "[a-z0-9%/{}$. é]{0,12}".prop_map(|text| format!("\"{text}\"")),
    ]
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "cluster",
        "state_dir",
        "deadline",
        "script_environment",
        "history.keep_for",
        "prometheus.main.url",
        "prometheus.main.bearer_token",
        "prometheus.main.headers.a",
        "notify.slack.ops.webhook",
        "notify.email.a.to",
        "defaults.template",
        "defaults.min_replicas",
        "template.web.template",
        "template.web.scale_target",
        "template.other.template",
        "workload.web.template",
        "workload.web.max_replicas",
        "workload.web.min_replicas",
        "workload.web.process",
        "workload.web.process.command",
        "workload.web.command.set",
        "workload.web.command.get",
        "workload.web.interval",
        "workload.web.tolerance",
        "workload.web.source",
        "workload.web.notify",
        "workload.web.metrics.cpu.utilization",
        "workload.web.metrics.cpu.query",
        "workload.web.metrics.cpu.above",
        "workload.web.metrics.rps.scrape",
        "workload.web.metrics.rps.rate_over",
        "workload.web.metrics.rps.for",
        "workload.web.metrics.rps.per_replica",
        "workload.web.metrics.rps.average",
        "workload.web.scale_down.limit",
        "workload.web.scale_up.select",
        "workload.web.fallback.replicas",
        "workload.web.timezone",
        "workload.web.schedule.sale.cron",
        "workload.web.schedule.sale.duration",
        "workload.web.schedule.sale.timezone",
        "workload.web.schedule.sale.min_replicas",
        "workload.web.schedule.sale.from",
        "workload.web.schedule.sale.until",
        "workload.web.schedule.sale.enabled",
        "workload.web.guards.startup",
        "workload.web.semantics",
        "workload.web.lints.min_equals_max",
        "workload.web.metrics.cpu.coverage",
        "workload.web.metrics.cpu.high",
        "workload.web.metrics.cpu.low",
        "workload.web.metrics.cpu.group",
        "workload.web.metrics.cpu.max_age",
        "hpa.tolerance",
        "hpa.downscale_stabilization",
        "workload.\"a/b\".mode",
        "workload.\"A/b/c\".mode",
        "nonsense",
        "workload.web.nonsense",
    ])
}

proptest! {
    #[test]
    fn random_text_is_no_panic(text in "\\PC*\n?\\PC*") {
        load(&text);
    }

    #[test]
    fn random_toml_gives_places(lines in prop::collection::vec((key(), value()), 0..12)) {
        let mut text = String::new();
        for (key, value) in lines {
            writeln!(text, "{key} = {value}").unwrap();
        }
        load(&text);
    }

    #[test]
    fn a_broken_example_gives_places(cut in 0usize..4000, garbage in "[\\[\\]{}=\"'#a-z0-9. \n]{0,6}") {
        let example = include_str!("../../../examples/devtrip/headroom.toml");
        let cut = (0..=cut.min(example.len())).rev().find(|at| example.is_char_boundary(*at)).unwrap();
        load(&format!("{}{garbage}{}", &example[..cut], &example[cut..]));
        load(&example[..cut]);
    }

    #[test]
    fn texts_of_the_small_languages_give_a_value_or_a_place(
        duration in near("0123456789wdhms. "), percentage in near("0123456789.%-e"), amount in near("0123456789.kMGmsu%-e"),
        size in near("0123456789kKMGTiB"), change in near("0123456789% pershm"), query in near("sumrate(a){}[]\\\"=~+-/5m, by"),
    ) {
        let text = format!(
            "[prometheus.main]\nurl = 'http://p'\n[history]\nmax_size = '{size}'\n[workload.web]\nmax_replicas = 4\n\
             interval = '{duration}'\ntolerance = '{percentage}'\nscale_up.limit = ['{change}']\n\
             command = {{ get = ['g'], set = ['s', '{{replicas}}'] }}\nmetrics.m = {{ query = '{query}', value = '{amount}' }}\n\
             [workload.other]\nmax_replicas = 4\nprocess = {{ command = ['./web'] }}\nmetrics.m = {{ scrape = '{query}', value = 1 }}\n"
        );
        load(&text);
    }

    #[test]
    fn an_example_with_anything_broken_gives_places(
        example in prop::sample::select(EXAMPLES.to_vec()),
        changes in prop::collection::vec((any::<prop::sample::Index>(), change()), 1..5),
    ) {
        let mut text: Vec<char> = example.chars().collect();
        for (index, change) in changes {
            let at = index.index(text.len());
            match change {
                Change::Remove(count) => drop(text.drain(at..(at + count).min(text.len()))),
                Change::Insert(new) => drop(text.splice(at..at, new.chars())),
                Change::Repeat(count) => {
                    let again: Vec<char> = text[at..(at + count).min(text.len())].to_vec();
                    text.splice(at..at, again);
                }
            }
            if text.is_empty() {
                return Ok(());
            }
        }
        load(&text.into_iter().collect::<String>());
    }
}

/// Texts of the letters of a language, and of any.
fn near(letters: &'static str) -> impl Strategy<Value = String> {
    let of_it = prop::collection::vec(prop::sample::select(letters.chars().collect::<Vec<_>>()), 0..16);
    let text = prop_oneof![
        4 => of_it.prop_map(|letters| letters.into_iter().collect::<String>()),
        1 => "\\PC{0,16}",
        1 => "[0-9]{15,40}",
    ];
    text.prop_map(|text| text.replace(['\'', '\n', '\r'], ""))
}

const EXAMPLES: [&str; 4] = [
    include_str!("../../../examples/devtrip/headroom.toml"),
    include_str!("../../../examples/demo/headroom.toml"),
    include_str!("../../../examples/command/headroom.toml"),
    include_str!("valid/hpa.toml"),
];

/// Something that happens to a file.
#[derive(Clone, Debug)]
enum Change {
    Remove(usize),
    Insert(String),
    Repeat(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (1_usize..40).prop_map(Change::Remove),
        "[\\[\\]{}=\"'#\n.$%0-9a-zé]{1,6}".prop_map(Change::Insert),
        (1_usize..200).prop_map(Change::Repeat),
    ]
}
