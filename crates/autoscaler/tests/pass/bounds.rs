//! Bounds beside the policy's own: schedules and overrides are in force in the passes of their time, in those of any
//! process.

use crate::world::*;
use headroom_autoscaler::{InForce, Override, OverrideAsks, ScaleDown, Schedule, Verdict, When, Window};
use headroom_policy_engine::{ActiveBound, ActiveBounds, BoundSource, Operator, ScheduleName};

fn floor(count: u32, by: &BoundSource) -> ActiveBounds {
    ActiveBounds {
        floor: ActiveBound::new(replicas(count), by.clone()).ok(),
        ceiling: None,
    }
}

/// At least so many from `from` to `until`.
fn sale(count: u32, from: i64, until: i64) -> Schedule {
    let name = ScheduleName::new("sale");
    Schedule {
        bounds: floor(count, &BoundSource::Schedule(name.clone())),
        when: When::Once(Window {
            from: at(from),
            until: at(until),
        }),
        name,
    }
}

#[tokio::test]
async fn a_schedule_is_in_force_in_the_passes_of_its_time() {
    let mut world = World::new(&["web"]);
    world.workloads[0].schedules.push(sale(6, 60, 300));
    let mut counts = Vec::new();
    for number in 0..12 {
        // Each pass is another process's.
        let record = pass(&world.start(), at(number * 30)).await;
        let by = BoundSource::Schedule(ScheduleName::new("sale"));
        let in_force = InForce {
            bounds: floor(6, &by),
            hold: None,
            until: at(300),
            by,
        };
        let expected = if (60..300).contains(&(number * 30)) {
            vec![in_force]
        } else {
            Vec::new()
        };
        assert_eq!(about(&record, "web").in_force, expected, "pass {number}");
        counts.push(world.count("web"));
    }
    assert_eq!(counts, [2, 2, 6, 6, 6, 6, 6, 6, 6, 6, 2, 2]);
}

#[tokio::test]
async fn a_decision_under_another_schedule_is_another_row() {
    let mut world = World::new(&["web"]);
    world.workloads[0].schedules.push(sale(2, 60, 120));
    let autoscaler = world.start();
    for number in 0..6 {
        let record = pass(&autoscaler, at(number * 30)).await;
        assert_eq!(told(about(&record, "web")), "2 OnTarget");
    }
    let rows = world.rows("web");
    let counts: Vec<_> = rows
        .iter()
        .map(|row| (row.count, row.record.in_force.len()))
        .collect();
    assert_eq!(counts, [(2, 0), (2, 1), (2, 0)]);
}

fn person(name: &str) -> Operator {
    Operator {
        by: Some(name.into()),
        reason: None,
    }
}

fn override_of(
    name: &str,
    floor: Option<u32>,
    ceiling: Option<u32>,
    scale_down: ScaleDown,
    until: i64,
) -> Override {
    Override {
        workload: id("web"),
        since: at(0),
        until: at(until),
        operator: person(name),
        asks: OverrideAsks::new(floor.map(replicas), ceiling.map(replicas), scale_down).unwrap(),
    }
}

#[tokio::test]
async fn an_override_is_in_force_until_it_ends() {
    let world = World::new(&["api", "web"]);
    let one = override_of("ada", Some(6), None, ScaleDown::Allowed, 240);
    world.operator().override_bounds(one.clone()).unwrap();
    let mut counts = Vec::new();
    for number in 0..10 {
        let record = pass(&world.start(), at(number * 30)).await;
        assert_eq!(about(&record, "api").in_force, [], "another's");
        let expected = if number * 30 < 240 {
            vec![one.in_force()]
        } else {
            Vec::new()
        };
        assert_eq!(about(&record, "web").in_force, expected, "pass {number}");
        counts.push(world.count("web"));
    }
    assert_eq!(counts, [6, 6, 6, 6, 6, 6, 6, 6, 2, 2]);
}

#[tokio::test]
async fn the_highest_floor_and_the_lowest_ceiling_of_all_count_and_are_named() {
    let mut world = World::new(&["web"]);
    world.workloads[0].schedules.push(sale(4, 0, 600));
    let file = world.operator();
    for (name, floor, ceiling) in [
        ("ada", Some(3), Some(9)),
        ("bob", Some(4), None),
        ("eve", None, Some(7)),
    ] {
        let one = override_of(name, floor, ceiling, ScaleDown::Allowed, 600);
        file.override_bounds(one).unwrap();
    }
    let decided = async |load| {
        world.load("web", load);
        let record = pass(&world.look(), at(0)).await;
        let Verdict::Decided {
            decision,
            explanation,
            ..
        } = about(&record, "web").verdict.clone()
        else {
            panic!("it was read");
        };
        let last = explanation.0.last().unwrap().to_string();
        (decision.desired().get(), last)
    };
    let floor = "2 would be enough, and the override of bob asks for at least 4".to_owned();
    assert_eq!(decided(200.0).await, (4, floor));
    let ceiling = "20 are wanted, and the override of eve allows at most 7".to_owned();
    assert_eq!(decided(2000.0).await, (7, ceiling));
}

#[tokio::test]
async fn scaling_down_is_held_for_as_long_as_somebody_asks() {
    let world = World::new(&["web"]);
    world.actuator.put(&id("web"), replicas(6));
    let one = override_of("ada", None, None, ScaleDown::Held, 300);
    world.operator().override_bounds(one).unwrap();
    let autoscaler = world.start();
    let mut counts = Vec::new();
    for number in 0..12 {
        pass(&autoscaler, at(number * 30)).await;
        counts.push(world.count("web"));
    }
    assert_eq!(counts, [6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 2, 2]);
}
