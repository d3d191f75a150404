//! Schedules: what is in force is shown wherever a decision is.

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
    for arguments in [
        &["plan"][..],
        &["explain", "api"],
        &["explain", "api", "--last"],
        &["status"],
        &["history"],
    ] {
        let json = world
            .headroom(&[arguments, &["--format", "json"]].concat())
            .expect(0)
            .json();
        let at = json
            .pointer("/decisions/0")
            .or_else(|| json.pointer("/decision"))
            .or_else(|| json.pointer("/workloads/0"))
            .or_else(|| json.pointer("/rows/0/decision"))
            .unwrap_or(&json);
        let in_force = &at["in_force"][0];
        assert_eq!(in_force["kind"], "schedule", "{arguments:?}: {json}");
        assert_eq!(in_force["name"], "always", "{arguments:?}: {json}");
        assert_eq!(in_force["min_replicas"], 4, "{arguments:?}: {json}");
        assert!(
            in_force["until"].as_str().unwrap().ends_with("T01:00:00.000Z"),
            "{arguments:?}: {json}"
        );
    }
}
