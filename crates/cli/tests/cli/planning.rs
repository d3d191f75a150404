//! `plan` and `explain`: what a pass would do, touching nothing.

use crate::{assert_said, common::World};

#[test]
fn a_plan_is_a_diff_and_touches_nothing() {
    let world = World::new(2, 930);
    assert_said!("plan_up", world.headroom(&["plan"]).expect(0));
    assert_eq!(world.read("count"), "2\n");
    assert!(!world.path().join(".headroom").exists());
    assert!(!world.path().join("writes").exists());
}

#[test]
fn the_detailed_exit_code_tells_what_would_be() {
    World::new(2, 930)
        .headroom(&["plan", "--detailed-exitcode"])
        .expect(10);
    World::new(4, 400)
        .headroom(&["plan", "--detailed-exitcode"])
        .expect(0);
    let blind = World::new(2, 930);
    blind.write("load.csv", "timestamp,value\n1,5\n");
    blind.headroom(&["plan", "--detailed-exitcode"]).expect(3);
    assert_said!("plan_blind", blind.headroom(&["plan"]).expect(0));
}

#[test]
fn a_target_that_cannot_be_read_is_said_and_ends_with_1() {
    let world = World::new(2, 930);
    world.write("count", "two\n");
    assert_said!("plan_unreadable", world.headroom(&["plan"]).expect(1));
}

#[test]
fn json_has_every_input_and_step() {
    let ran = World::new(2, 930)
        .headroom(&["plan", "--format", "json"])
        .expect(0);
    assert_said!("plan_json", ran);
}

#[test]
fn a_preview_is_planned_and_never_counted_as_a_change() {
    let world = World::new(2, 930);
    let policy = world.read("headroom.toml");
    world.write(
        "headroom.toml",
        &format!("[defaults]\nmode = \"preview\"\n{policy}"),
    );
    let ran = world.headroom(&["plan", "--detailed-exitcode"]).expect(0);
    assert_said!("plan_preview", ran);
    world.headroom(&["run", "--once"]).expect(0);
    assert_eq!(world.read("count"), "2\n");
}

#[test]
fn of_many_workloads_quiet_ones_are_counted() {
    let world = World::new(3, 300);
    let workload = |number: usize| {
        format!(
            "[workload.w{number:02}]\nmin_replicas = 1\nmax_replicas = 6\n\
             command = {{ get = [\"cat\", \"count\"], set = [\"sh\", \"set.sh\", \"{{replicas}}\", \"{number}\"] }}\n\
             metrics.load = {{ recorded = \"load.csv\", per_replica = 100 }}\n"
        )
    };
    let many: String = (0..11).map(workload).collect();
    world.write(
        "headroom.toml",
        &many.replacen("per_replica = 100", "per_replica = 50", 1),
    );
    assert_said!("plan_many", world.headroom(&["plan"]).expect(0));
    let all = world.headroom(&["plan", "-v"]).expect(0).stdout;
    assert_eq!(
        all.lines().filter(|line| line.starts_with("= ")).count(),
        10,
        "{all}"
    );
}

#[test]
fn explains_what_would_be_decided_now() {
    let world = World::new(2, 930);
    assert_said!("explain_now", world.headroom(&["explain", "api"]).expect(0));
    assert_said!(
        "explain_now_json",
        world.headroom(&["explain", "api", "--format", "json"]).expect(0)
    );
    assert!(!world.path().join(".headroom").exists());
}

#[test]
fn a_source_that_fails_is_told_of_without_where_in_the_code() {
    let world = World::new(2, 100);
    let closed = headroom_test_support::ClosedPort::new();
    let policy = world.read("headroom.toml");
    let (workload, _) = policy.split_once("metrics.").unwrap();
    world.write(
        "headroom.toml",
        &format!(
            "[prometheus.main]\nurl = \"{}\"\n{workload}\
             metrics.load = {{ query = 'sum(up)', per_replica = 1 }}\n",
            closed.url()
        ),
    );
    let ran = world.headroom(&["plan"]).expect(0);
    assert!(ran.stderr.contains("a source fails"), "{ran}");
    assert!(!ran.stderr.contains("::"), "{ran}");
}
