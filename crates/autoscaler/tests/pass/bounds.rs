//! Bounds beside the policy's own: a schedule is in force in the passes of its time, in those of any process.

use crate::world::*;
use headroom_autoscaler::{InForce, Schedule, When, Window};
use headroom_policy_engine::{ActiveBound, ActiveBounds, BoundSource, ScheduleName};

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
