//! `status`, `history`, and `explain` of what was decided before.

use crate::{assert_said, assert_table_said, common::World};

#[test]
fn without_any_pass_there_is_nothing_to_tell() {
    let world = World::new(2, 930);
    assert_table_said!("status_new", world.headroom(&["status"]).expect(0));
    assert_said!("history_new", world.headroom(&["history"]).expect(0));
    assert_said!(
        "explain_last_new",
        world.headroom(&["explain", "api", "--last"]).expect(1)
    );
    assert!(!world.path().join(".headroom").exists(), "looking makes no state");
}

#[test]
fn decisions_are_remembered_each_once_with_its_count() {
    let world = World::new(2, 600);
    for _ in 0..3 {
        world.headroom(&["run", "--once"]).expect(0);
    }
    assert_table_said!("status", world.headroom(&["status"]).expect(0));
    assert_said!("history", world.headroom(&["history"]).expect(0));
    let json = world.headroom(&["history", "--format", "json"]).expect(0).json();
    assert_eq!(json["rows"].as_array().unwrap().len(), 2, "{json}");
    assert_eq!(json["rows"][0]["count"], 2, "{json}");
    let changes = world
        .headroom(&["history", "--changes", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(changes["rows"].as_array().unwrap().len(), 1, "{changes}");
    assert_said!(
        "explain_last",
        world.headroom(&["explain", "api", "--last"]).expect(0)
    );
    let then = json["rows"][1]["first_at"].as_str().unwrap();
    assert_said!(
        "explain_at",
        world.headroom(&["explain", "api", "--at", then]).expect(0)
    );
    world.headroom(&["explain", "api", "--at", "2h"]).expect(1);
    world.headroom(&["explain", "api", "--at", "yesterday"]).expect(2);
}

#[test]
fn state_that_cannot_be_read_is_said() {
    let world = World::new(2, 930);
    world.headroom(&["run", "--once"]).expect(0);
    world.write(
        ".headroom/state.db",
        "this is no database, and long enough to be looked at by somebody who knows",
    );
    let ran = world.headroom(&["status"]);
    assert!(ran.stderr.contains("cannot be used"), "{ran}");
    let ran = world.headroom(&["run", "--once"]);
    assert!(ran.stderr.contains("was set aside"), "{ran}");
}
