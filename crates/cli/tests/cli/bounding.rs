//! Schedules and overrides: what is in force is shown wherever a decision is.

use crate::{assert_said, assert_table_said, common::World};

/// A world whose workload is to have at least four replicas, at any time.
fn scheduled() -> World {
    let world = World::new(2, 300);
    let policy = world.read("headroom.toml");
    let schedule = "schedule.always = { cron = \"0 0 * * *\", duration = \"25h\", min_replicas = 4 }\n";
    world.write(
        "headroom.toml",
        &format!("{policy}timezone = \"UTC\"\n{schedule}"),
    );
    world
}

#[test]
fn a_schedule_is_named_wherever_a_decision_is_shown() {
    let world = scheduled();
    assert_said!("plan_scheduled", world.headroom(&["plan"]).expect(0));
    assert_said!("explain_scheduled", world.headroom(&["explain", "api"]).expect(0));
    assert_said!("run_once_scheduled", world.headroom(&["run", "--once"]).expect(0));
    assert_eq!(world.read("count"), "4\n");
    assert_table_said!("status_scheduled", world.headroom(&["status"]).expect(0));
    assert_said!("history_scheduled", world.headroom(&["history"]).expect(0));
    for in_force in in_force_everywhere(&world) {
        assert_eq!(in_force["kind"], "schedule", "{in_force}");
        assert_eq!(in_force["name"], "always", "{in_force}");
        assert_eq!(in_force["min_replicas"], 4, "{in_force}");
        let until = in_force["until"].as_str().unwrap();
        assert!(until.ends_with("T01:00:00.000Z"), "{in_force}");
    }
}

/// The first that is in force, as JSON has it for each command that shows decisions. A pass has been made.
fn in_force_everywhere(world: &World) -> Vec<serde_json::Value> {
    let commands = [
        (&["plan"][..], "/decisions/0/in_force/0"),
        (&["explain", "api"], "/in_force/0"),
        (&["explain", "api", "--last"], "/decision/in_force/0"),
        (&["status"], "/workloads/0/in_force/0"),
        (&["history"], "/rows/0/decision/in_force/0"),
    ];
    let found = commands.into_iter().map(|(arguments, place)| {
        let ran = world.headroom(&[arguments, &["--format", "json"]].concat());
        let json = ran.expect(0).json();
        let in_force = json.pointer(place);
        assert!(in_force.is_some(), "{arguments:?} has none: {json}");
        in_force.cloned().unwrap()
    });
    found.collect()
}

#[test]
fn an_override_is_in_force_until_it_is_cleared() {
    let world = World::new(2, 300);
    let black_friday = [
        "override",
        "api",
        "--min",
        "5",
        "--for",
        "2h",
        "--reason",
        "Black Friday",
    ];
    assert_said!("override", world.headroom(&black_friday).expect(0));
    assert_said!("plan_overridden", world.headroom(&["plan"]).expect(0));
    assert_said!(
        "explain_overridden",
        world.headroom(&["explain", "api"]).expect(0)
    );
    assert_said!(
        "run_once_overridden",
        world.headroom(&["run", "--once"]).expect(0)
    );
    assert_eq!(world.read("count"), "5\n");
    assert_table_said!("status_overridden", world.headroom(&["status"]).expect(0));
    assert_said!("history_overridden", world.headroom(&["history"]).expect(0));
    for in_force in in_force_everywhere(&world) {
        assert_eq!(in_force["kind"], "override", "{in_force}");
        assert_eq!(in_force["by"], "tester", "{in_force}");
        assert_eq!(in_force["reason"], "Black Friday", "{in_force}");
        assert_eq!(in_force["min_replicas"], 5, "{in_force}");
        assert_eq!(in_force["hold_down"], false, "{in_force}");
    }
    assert_said!(
        "override_clear",
        world.headroom(&["override", "api", "--clear"]).expect(0)
    );
    assert_said!(
        "override_clear_again",
        world.headroom(&["override", "api", "--clear"]).expect(0)
    );
    let ran = world.headroom(&["override", "-A", "--clear"]).expect(0);
    assert_eq!(ran.stdout, "nothing was overridden\n");
    let json = world.headroom(&["status", "--format", "json"]).expect(0).json();
    assert_eq!(json["workloads"][0]["in_force"], serde_json::json!([]));
}

#[test]
fn what_one_asks_for_anew_goes_before_what_they_asked_for() {
    let world = World::new(2, 300);
    let json = |arguments: &[&str]| {
        let ran = world.headroom(&[&["override", "api", "--format", "json"], arguments].concat());
        ran.expect(0).json()
    };
    assert_said!(
        "override_json",
        world
            .headroom(&[
                "override", "api", "--min", "5", "--max", "6", "--for", "2h", "--format", "json"
            ])
            .expect(0)
    );
    let anew = json(&["--hold-down", "--for", "1h"]);
    assert_eq!(anew["overridden"][0]["hold_down"], true, "{anew}");
    assert_eq!(anew["ended"][0]["min_replicas"], 5, "{anew}");
    let cleared = json(&["--clear"]);
    assert_eq!(cleared["ended"].as_array().unwrap().len(), 1, "{cleared}");
    assert_eq!(cleared["ended"][0]["hold_down"], true, "{cleared}");
}

#[test]
fn scaling_down_can_be_held() {
    let world = World::new(6, 100);
    // Without a window, the second pass would lower the count.
    let policy = world.read("headroom.toml");
    world.write(
        "headroom.toml",
        &format!("{policy}scale_down.stabilization = \"0s\"\n"),
    );
    assert_said!(
        "override_hold_down",
        world
            .headroom(&["override", "api", "--hold-down", "--for", "30m"])
            .expect(0)
    );
    world.headroom(&["run", "--once"]).expect(0);
    assert_said!("explain_held_down", world.headroom(&["explain", "api"]).expect(0));
    world.headroom(&["override", "api", "--clear"]).expect(0);
    world.headroom(&["run", "--once"]).expect(0);
    assert_eq!(world.read("count"), "2\n");
}

#[test]
fn a_minimum_that_wins_against_the_policy_is_said() {
    let world = World::new(2, 300);
    let warned = |arguments: &[&str], said: &str| {
        let ran = world.headroom(&[&["override", "api", "--for", "1h"], arguments].concat());
        let ran = ran.expect(0);
        assert!(ran.stderr.contains(said), "{ran}");
        assert_eq!(ran.stderr.is_empty(), said.is_empty(), "{ran}");
    };
    warned(
        &["--min", "9"],
        "above `max_replicas`, 6, and wins: there will be exactly 9",
    );
    warned(
        &["--max", "1"],
        "below `min_replicas`, 2, which wins: there will be exactly 2",
    );
    warned(&["--min", "9", "--max", "12"], "");
    assert_eq!(world.headroom(&["run", "--once"]).expect(0).code, Some(0));
    assert_eq!(world.read("count"), "9\n");
}

#[test]
fn an_override_says_what_and_until_when() {
    let world = World::new(2, 300);
    assert_said!(
        "override_of_nothing",
        world.headroom(&["override", "api", "--for", "2h"]).expect(2)
    );
    assert_said!(
        "override_without_end",
        world.headroom(&["override", "api", "--min", "5"]).expect(2)
    );
    assert_said!(
        "override_crossed",
        world
            .headroom(&["override", "api", "--min", "5", "--max", "4", "--for", "2h"])
            .expect(2)
    );
    for wrong in [
        &["api", "--min", "0", "--for", "2h"][..],
        &["api", "--min", "5", "--for", "2h", "--until", "18:00"],
        &["api", "--min", "5", "--until", "2020-01-01 00:00"],
        &["api", "--clear", "--min", "5"],
        &["api", "--clear", "--for", "2h"],
        &["--min", "5", "--for", "2h"],
        &["nobody", "--min", "5", "--for", "2h"],
    ] {
        world.headroom(&[&["override"], wrong].concat()).expect(2);
    }
    assert!(!world.path().join(".headroom/pauses.json").exists());
}

#[test]
fn overrides_that_cannot_be_read_hold_everything_and_say_so() {
    let world = World::new(2, 930);
    world.write(".headroom/pauses.json", "not what headroom writes");
    let ran = world.headroom(&["run", "--once"]).expect(1);
    assert!(ran.stderr.contains("the pauses and overrides in"), "{ran}");
    assert_eq!(world.read("count"), "2\n");
    world.headroom(&["status"]).expect(1);
    world
        .headroom(&["override", "api", "--min", "5", "--for", "1h"])
        .expect(1);
}
