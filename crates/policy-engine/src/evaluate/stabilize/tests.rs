use std::time::Duration;

use crate::{
    Direction, End, Replicas, Stabilizing, Step,
    evaluate::world::{GONE, World, fresh, metric, rules},
};

const MINUTE: Duration = Duration::from_secs(60);

/// Passes a second apart, each of a load for so many replicas, under a window of a minute in both directions.
fn after(current: u32, loads: impl IntoIterator<Item = u32>) -> World {
    let mut world = World::new(current, vec![metric("rps")]);
    world.policy.scale_up = rules(60);
    world.policy.scale_down = rules(60);
    for load in loads {
        world.pass(1, &[fresh(f64::from(load) * 100.0)]);
    }
    world
}

/// What held the last change back, and when it would let `want` through.
#[track_caller]
fn held(world: &World, want: u32) -> (Direction, Stabilizing, End) {
    let held = world.steps.0.iter().find_map(|step| {
        if let Step::Stabilized { direction, by, .. } = step {
            Some((*direction, by.clone(), step.end(Replicas::new(want))?))
        } else {
            None
        }
    });
    held.unwrap_or_else(|| panic!("{}", world.steps))
}

/// How long it takes until the count is `until` under a load for `load`, with passes a second apart.
fn until(world: &mut World, load: u32, until: u32) -> Duration {
    let before = world.now;
    for _ in 0..1000 {
        if world.pass(1, &[fresh(f64::from(load) * 100.0)]).desired() == Replicas::new(until) {
            return world.now.since(before);
        }
    }
    panic!("the count never became {until}: {}", world.steps)
}

#[test]
fn a_fall_comes_when_it_is_said_to() {
    let loads = [[9; 100].as_slice(), &[7; 20], &[2; 1]].concat();
    let mut world = after(9, loads);
    let (direction, by, end) = held(&world, 2);
    assert_eq!(direction, Direction::Down);
    let Stabilizing::Recommendations { easing } = by else {
        panic!("{by:?}")
    };
    assert_eq!(
        easing
            .iter()
            .map(|level| level.replicas.get())
            .collect::<Vec<_>>(),
        [7, 2]
    );
    let seven = until(&mut world, 2, 7);
    assert_eq!(seven, easing[0].after);
    let two = seven + until(&mut world, 2, 2);
    assert_eq!((End::After(two), two), (end, easing[1].after));
}

#[test]
fn a_rise_comes_when_it_is_said_to() {
    let loads = [[4; 100].as_slice(), &[6; 20], &[9; 1]].concat();
    let mut world = after(4, loads);
    let (direction, _, end) = held(&world, 9);
    assert_eq!(direction, Direction::Up);
    assert_eq!(held(&world, 6).2, End::After(until(&mut world.clone(), 9, 6)));
    assert_eq!(end, End::After(until(&mut world, 9, 9)));
}

#[test]
fn with_too_little_known_a_fall_comes_no_sooner_than_it_is_said_to() {
    let mut world = after(9, [9, 2]);
    let (_, by, end) = held(&world, 2);
    let (known, needed) = (Duration::from_secs(1), Duration::from_secs(48));
    assert_eq!(by, Stabilizing::Gaps { known, needed });
    assert_eq!(end, End::NotBefore(needed - known));
    // What was asked for first lies in the window for longer than that.
    assert!(until(&mut world, 2, 2) > needed - known);
    let mut empty = after(9, [2]);
    let gaps = Stabilizing::Gaps {
        known: Duration::ZERO,
        needed,
    };
    assert_eq!(held(&empty, 2).1, gaps);
    assert_eq!(until(&mut empty, 2, 2), needed);
}

#[test]
fn what_somebody_else_raised_is_lowered_once_in_a_window() {
    let mut world = after(5, [2; 60]);
    assert_eq!(world.workload.current, Replicas::new(2));
    world.workload.current = Replicas::new(8);
    world.pass(10, &[fresh(200.0)]);
    let ago = world
        .now
        .since(world.memory.undone_fall(Replicas::new(8)).unwrap());
    let (_, by, end) = held(&world, 2);
    assert_eq!(
        (by, end),
        (Stabilizing::Undone { ago }, End::NotBefore(MINUTE - ago))
    );
    assert_eq!(until(&mut world, 2, 2), MINUTE - ago);
    // It is lowered from what it is, not from what it was set to.
    world.workload.current = Replicas::new(6);
    assert_eq!(world.pass(1, &[fresh(200.0)]).current(), Replicas::new(6));
    assert_eq!(until(&mut world, 2, 2), MINUTE - Duration::from_secs(1));
}

#[test]
fn what_somebody_else_lowered_may_fall_further() {
    let mut world = after(9, [2; 60]);
    world.policy.scale_down = rules(0);
    world.workload.current = Replicas::new(2);
    world.pass(1, &[fresh(100.0)]);
    assert_eq!(world.workload.current, Replicas::new(1));
}

#[test]
fn after_a_rise_a_fall_comes_no_sooner_than_it_is_said_to() {
    let mut world = after(2, [2; 100]);
    // A bound raises the count: the load has asked for two all the time.
    world.policy.bounds = crate::ReplicaBounds::new(Replicas::new(5), Replicas::new(9)).unwrap();
    world.pass(1, &[fresh(200.0)]);
    world.policy.bounds = crate::ReplicaBounds::new(Replicas::new(1), Replicas::new(9)).unwrap();
    world.pass(10, &[fresh(200.0)]);
    let (_, by, end) = held(&world, 2);
    let ago = Duration::from_secs(10);
    assert_eq!(
        (by, end),
        (Stabilizing::Raised { ago }, End::NotBefore(MINUTE - ago))
    );
    assert_eq!(until(&mut world, 2, 2), MINUTE - ago);
}

#[test]
fn what_is_recommended_while_a_metric_is_unknown_does_not_cover_the_window() {
    let mut world = World::new(10, ["rps", "users"].map(metric).into());
    world.policy.scale_down = rules(60);
    world.pass(0, &[fresh(1000.0); 2]);
    for _ in 0..60 {
        world.pass(1, &[fresh(200.0), GONE]);
    }
    // The users are known again. What they asked for in between is not.
    let counts: Vec<u32> = (0..60)
        .map(|_| world.pass(1, &[fresh(200.0); 2]).desired().get())
        .collect();
    assert_eq!((counts[0], counts[30], counts[59]), (10, 10, 2), "{counts:?}");
}
