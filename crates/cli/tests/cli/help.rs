//! Help: of every command, with examples that are understood.

use crate::{assert_said, common::World};

/// Every command that is offered, as typed.
fn commands(world: &World) -> Vec<String> {
    let help = world.headroom(&["--help"]).expect(0).stdout;
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let names = listed
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_has_help() {
    let world = World::empty();
    assert_said!("help", world.headroom(&["--help"]));
    let commands = commands(&world);
    assert_eq!(
        commands,
        [
            "demo",
            "check",
            "test",
            "plan",
            "run",
            "explain",
            "status",
            "history",
            "pause",
            "resume",
            "override",
            "notify",
            "config",
            "import",
            "rbac",
            "schema",
            "completions"
        ]
    );
    for command in commands.iter().filter(|command| *command != "demo") {
        assert_said!(format!("help_{command}"), world.headroom(&[command, "--help"]));
    }
    assert_said!("help_config_show", world.headroom(&["config", "show", "--help"]));
    for command in ["test", "status", "silence", "unsilence"] {
        let help = world.headroom(&["notify", command, "--help"]);
        assert_said!(format!("help_notify_{command}"), help);
    }
    assert_said!("help_import_env", world.headroom(&["import", "env", "--help"]));
    assert_said!("help_import_hpa", world.headroom(&["import", "hpa", "--help"]));
    assert_said!("help_import_keda", world.headroom(&["import", "keda", "--help"]));
}

#[test]
fn examples_in_help_are_understood() {
    let world = World::empty();
    let mut tried = 0;
    for command in commands(&world) {
        let help = world.headroom(&[&command, "--help"]).expect(0).stdout;
        let examples = help
            .lines()
            .skip_while(|line| *line != "Examples:")
            .skip(1)
            .take_while(|line| !line.is_empty());
        for example in examples {
            let typed = example
                .split("   ")
                .find(|part| !part.trim().is_empty())
                .unwrap()
                .trim();
            let typed = typed
                .split(" | ")
                .next()
                .unwrap()
                .split(" > ")
                .next()
                .unwrap()
                .split(" >> ")
                .next()
                .unwrap();
            let Some((_, arguments)) = typed.split_once("headroom ") else {
                continue;
            };
            let arguments: Vec<&str> = arguments.split_whitespace().collect();
            if arguments.iter().any(|argument| argument.contains('"')) || arguments.first() == Some(&"demo") {
                continue;
            }
            // There is no configuration here: an example that clap does not know would end with its usage.
            let ran = world.headroom(&arguments);
            assert!(!ran.stderr.contains("Usage:"), "{example}\n{ran}");
            tried += 1;
        }
    }
    assert!(tried > 25, "only {tried} examples were found");
}

#[test]
fn without_a_command_it_shows_help_and_refuses() {
    let ran = World::empty().headroom(&[]).expect(2);
    assert!(ran.stdout.is_empty(), "{ran}");
    assert!(ran.stderr.contains("headroom demo"), "{ran}");
}

#[test]
fn what_is_not_known_is_refused_with_a_suggestion() {
    let world = World::empty();
    assert_said!("unknown_command", world.headroom(&["plam"]).expect(2));
    assert_said!(
        "unknown_option",
        world.headroom(&["plan", "--detailed-exit-code"]).expect(2)
    );
}

#[test]
fn says_its_version() {
    let ran = World::empty().headroom(&["--version"]).expect(0);
    assert_eq!(ran.stdout, concat!("headroom ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn completions_and_schema_are_whole() {
    let world = World::empty();
    for shell in ["bash", "fish", "zsh", "elvish", "powershell"] {
        let ran = world.headroom(&["completions", shell]).expect(0);
        assert!(ran.stdout.contains("detailed-exitcode"), "{shell}");
        assert!(ran.stdout.contains("unsilence"), "{shell}");
    }
    let schema = world.headroom(&["schema"]).expect(0).json();
    assert!(schema.pointer("/properties/workload").is_some(), "{schema}");
}

#[test]
fn reference_pages_are_printed() {
    let world = World::empty();
    let page = world.headroom(&["reference", "commands"]).expect(0).stdout;
    assert!(
        page.contains("## `headroom explain`") && page.contains("| 130 |"),
        "{page}"
    );
    let page = world.headroom(&["reference", "config"]).expect(0).stdout;
    assert!(page.contains("per_replica"), "{page}");
}
