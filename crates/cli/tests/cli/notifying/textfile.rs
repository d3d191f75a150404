//! `run --once --textfile`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::{assert_said, common::World};

const TEXTFILE: [&str; 4] = ["run", "--once", "--textfile", "headroom.prom"];

/// The value of a series of the file.
#[track_caller]
fn value(world: &World, series: &str) -> u64 {
    let text = world.read("headroom.prom");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{series} ")));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
        .parse()
        .unwrap()
}

#[track_caller]
fn check(world: &World, code: i32) {
    world.headroom(&TEXTFILE).expect(code);
    let said = value(world, "headroom_last_run_exit_code");
    assert_eq!(i32::try_from(said), Ok(code), "{}", world.read("headroom.prom"));
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let at = value(world, "headroom_last_run_timestamp_seconds");
    assert!((now - 60..=now).contains(&at), "{at} at {now}");
}

#[test]
fn the_file_says_when_the_run_ended_and_how() {
    let world = World::new(2, 930);
    check(&world, 0);
    insta::with_settings!({filters => vec![(r"\b\d{10}\b", "[SECONDS]")], omit_expression => true}, {
        insta::assert_snapshot!("textfile", world.read("headroom.prom"));
    });
    world.write("set.sh", "exit 3\n");
    world.write("count", "2\n");
    check(&world, 1);
    world.write("load.csv", "timestamp,value\n1,5\n");
    check(&world, 3);
    world.write(
        "headroom.toml",
        "[workload.api]\nmin_replicas = 5\nmax_replicas = 2\n",
    );
    check(&world, 2);
}

#[test]
fn the_file_is_replaced_whole_and_everybody_can_read_it() {
    let world = World::new(2, 930);
    world.write("headroom.prom", &"an older file that is longer\n".repeat(100));
    let path = world.path().join("headroom.prom");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    // Whoever reads the old one at this moment reads it to its end.
    let mut reading = fs::File::open(&path).unwrap();
    check(&world, 0);
    let mut old = String::new();
    std::io::Read::read_to_string(&mut reading, &mut old).unwrap();
    assert_eq!(old.lines().count(), 100);
    assert!(!world.read("headroom.prom").contains("older"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let left: Vec<_> = fs::read_dir(world.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".tmp"))
        .collect();
    assert_eq!(left, [""; 0], "nothing is left beside it");
}

#[test]
fn a_directory_that_is_not_there_is_said_with_the_way_out_and_the_pass_is_made() {
    let world = World::new(2, 930);
    let arguments = ["run", "--once", "--textfile", "metrics/headroom.prom"];
    assert_said!("textfile_unwritten", world.headroom(&arguments).expect(1));
    assert_eq!(world.read("count"), "6\n");
}

#[test]
fn a_file_that_cannot_be_written_hides_no_problem() {
    let world = World::new(2, 930);
    world.write(
        "headroom.toml",
        "[workload.api]\nmin_replicas = 5\nmax_replicas = 2\n",
    );
    let arguments = ["run", "--once", "--textfile", "metrics/headroom.prom"];
    let ran = world.headroom(&arguments).expect(2);
    assert!(
        ran.stderr.contains("min_replicas") && ran.stderr.contains("metrics/headroom.prom"),
        "{ran}"
    );
}

#[test]
fn it_is_for_single_passes() {
    World::new(2, 930)
        .headroom(&["run", "--textfile", "headroom.prom"])
        .expect(2);
}
