//! `pause` and `resume`.

use crate::{assert_said, assert_table_said, common::World};

#[test]
fn a_paused_workload_is_left_alone_until_it_is_resumed() {
    let world = World::new(2, 930);
    assert_said!(
        "pause",
        world
            .headroom(&["pause", "api", "--reason", "load test"])
            .expect(0)
    );
    let ran = world.headroom(&["run", "--once"]).expect(0);
    assert_said!("run_once_paused", ran);
    assert_eq!(world.read("count"), "2\n");
    assert_table_said!("status_paused", world.headroom(&["status"]).expect(0));
    assert_said!("resume", world.headroom(&["resume", "api"]).expect(0));
    world.headroom(&["run", "--once"]).expect(0);
    assert_eq!(world.read("count"), "6\n");
    assert_said!("resume_again", world.headroom(&["resume", "-A"]).expect(0));
}

#[test]
fn a_pause_for_a_time_says_until_when() {
    let world = World::new(2, 930);
    assert_said!(
        "pause_for",
        world.headroom(&["pause", "api", "--for", "2h"]).expect(0)
    );
    let json = world
        .headroom(&["pause", "api", "--for", "2h", "--format", "json"])
        .expect(0)
        .json();
    assert_eq!(json["paused"][0]["by"], "tester");
    assert!(json["paused"][0]["until"].is_string(), "{json}");
    world.headroom(&["pause", "api", "--for", "a while"]).expect(2);
    world
        .headroom(&["pause", "api", "--until", "2020-01-01"])
        .expect(2);
    world.headroom(&["pause", "api", "--until", "18:00"]).expect(0);
}

#[test]
fn nothing_named_is_not_everything() {
    let world = World::new(2, 930);
    assert_said!("pause_nothing", world.headroom(&["pause"]).expect(2));
    world.headroom(&["pause", "-A"]).expect(0);
}
