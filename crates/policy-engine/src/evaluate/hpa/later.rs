//! What the HPA's windows and limits allow later, for explanations alone.

use std::{iter, time::Duration};

use crate::{
    ChangeLimits, Direction, Easing, HpaPath, Memory, Replicas,
    evaluate::{Evaluation, easing},
    hpa::{Changes, scale_down_limit, scale_up_limit},
};

/// What the window allows as recommendations leave it.
pub(super) fn easing(
    memory: &Memory,
    at: Evaluation<'_>,
    path: HpaPath,
    (direction, window): (Direction, Duration),
    (kept, wanted): (Replicas, Replicas),
) -> Vec<Easing> {
    // Without `behavior`, one exactly as old as the window still counts.
    let window = match path {
        HpaPath::WithoutBehavior => window.saturating_add(Duration::from_millis(1)),
        HpaPath::WithBehavior => window,
    };
    let newest_first = memory.recommendations.log(at.now).rev();
    let counting = newest_first.take_while(|recommended| recommended.age < window);
    let each = counting.map(|recommended| {
        let replicas = match direction {
            Direction::Up => recommended.lowest,
            Direction::Down => recommended.highest,
        };
        (Replicas::of_hpa(replicas), window.saturating_sub(recommended.age))
    });
    easing::levels(each, direction, kept, wanted)
}

/// How long it takes until the count may move on, once `allowed` is written now; `None` where waiting does not help.
pub(super) fn room_after(
    memory: &Memory,
    at: Evaluation<'_>,
    path: HpaPath,
    direction: Direction,
    allowed: Replicas,
) -> Option<Duration> {
    let from = allowed.as_hpa();
    match (path, direction) {
        // That limit is one of each round.
        (HpaPath::WithoutBehavior, Direction::Up) => {
            (at.policy.hpa.scale_up_limit.most(from) > from).then_some(Duration::ZERO)
        }
        (HpaPath::WithoutBehavior, Direction::Down) => None,
        (HpaPath::WithBehavior, _) => {
            let limits = match direction {
                Direction::Up => &at.policy.scale_up.limits,
                Direction::Down => &at.policy.scale_down.limits,
            };
            let written = allowed.get().abs_diff(at.workload.current.get());
            moments(limits, memory, at)
                .into_iter()
                .find(|&later| may_move_on(limits, memory, at, direction, (from, written), later))
        }
    }
}

/// When changes leave the period of a limit, soonest first: at no other time does any allow more.
fn moments(limits: &ChangeLimits, memory: &Memory, at: Evaluation<'_>) -> Vec<Duration> {
    let mut moments = Vec::new();
    for limit in &limits.limits {
        let (ups, downs) = (memory.increases.changes(at.now), memory.decreases.changes(at.now));
        let ages = ups
            .chain(downs)
            .map(|(_, age)| age)
            .chain(iter::once(Duration::ZERO));
        let left = ages.map(|age| limit.period().saturating_sub(age));
        moments.extend(left.filter(|left| !left.is_zero()));
    }
    moments.sort_unstable();
    moments.dedup();
    moments
}

fn may_move_on(
    limits: &ChangeLimits,
    memory: &Memory,
    at: Evaluation<'_>,
    direction: Direction,
    (from, written): (i32, u32),
    later: Duration,
) -> bool {
    let older = move |(amount, age): (u32, Duration)| (amount, age.saturating_add(later));
    let now = |is: Direction| (direction == is).then_some((written, later));
    let changes = Changes {
        up: memory
            .increases
            .changes(at.now)
            .map(older)
            .chain(now(Direction::Up)),
        down: memory
            .decreases
            .changes(at.now)
            .map(older)
            .chain(now(Direction::Down)),
    };
    match direction {
        Direction::Up => scale_up_limit(from, limits, &changes) > from,
        Direction::Down => scale_down_limit(from, limits, &changes) < from,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ChangeAmount, ChangeLimit, Observations, Semantics, Stabilizing, Step,
        evaluate::world::{World, any_limits, fresh, metric, rules},
        hpa::{ChangeBefore, HpaState},
    };

    fn world(current: u32, path: HpaPath) -> World {
        let mut world = World::new(current, vec![metric("rps")]);
        world.policy.semantics = Semantics::Hpa(path);
        world
    }

    /// Passes of the same load, a second apart, until the count is `until`; how many there were.
    fn passes_until(world: &mut World, load: f64, until: u32) -> u64 {
        for pass in 1..10_000 {
            if world.pass(1, &[fresh(load)]).desired() == Replicas::new(until) {
                return pass;
            }
        }
        panic!("the count never became {until}: {}", world.steps)
    }

    #[test]
    fn a_window_lets_the_count_fall_when_it_is_said_to() {
        for path in [HpaPath::WithBehavior, HpaPath::WithoutBehavior] {
            let mut world = world(9, path);
            world.policy.scale_down = rules(60);
            let all = ChangeLimit::new(ChangeAmount::Percent(100), Duration::from_secs(15));
            world.policy.scale_down.limits.limits = vec![all.unwrap()];
            world.pass(0, &[fresh(900.0)]);
            world.pass(10, &[fresh(700.0)]);
            world.pass(10, &[fresh(200.0)]);
            let Some(Step::Stabilized {
                by: Stabilizing::Recommendations { easing },
                ..
            }) = world.steps.0.last()
            else {
                panic!("{}", world.steps)
            };
            let easing = easing.clone();
            let told: Vec<u32> = easing.iter().map(|level| level.replicas.get()).collect();
            assert_eq!(told, [7, 2], "{path:?}");
            let mut passed = 0;
            for level in easing {
                passed += passes_until(&mut world, 200.0, level.replicas.get());
                // Passes are a second apart, so one comes up to a second late.
                let late = Duration::from_secs(passed).saturating_sub(level.after);
                assert!(
                    late < Duration::from_secs(1),
                    "{path:?}: {passed} s for {level:?}"
                );
                assert!(
                    Duration::from_secs(passed) >= level.after,
                    "{path:?}: {passed} s for {level:?}"
                );
            }
        }
    }

    #[test]
    fn without_behavior_there_is_room_in_the_next_round() {
        let mut world = world(4, HpaPath::WithoutBehavior);
        world.pass(0, &[fresh(2000.0)]);
        let step = world.steps.0.last();
        assert!(
            matches!(
                step,
                Some(Step::LimitedAsHpa {
                    room_after: Some(Duration::ZERO),
                    ..
                })
            ),
            "{step:?}"
        );
        assert_eq!(world.workload.current, Replicas::new(8));
        assert_eq!(world.pass(1, &[fresh(2000.0)]).desired(), Replicas::new(16));
    }

    proptest! {
        #[test]
        fn there_is_room_again_when_it_is_said_to(
            limits in any_limits(),
            ups in proptest::collection::vec((1_u32..50, 0_u64..200), 0..6),
            downs in proptest::collection::vec((1_u32..50, 0_u64..200), 0..6),
            direction in prop_oneof![Just(Direction::Up), Just(Direction::Down)],
        ) {
            let ages = |changes: &[(u32, u64)]| -> Vec<ChangeBefore> {
                changes.iter().map(|&(amount, age)| (amount, Duration::from_secs(age))).collect()
            };
            let state = HpaState { scale_up_events: ages(&ups), scale_down_events: ages(&downs), ..HpaState::default() };
            let mut world = world(500, HpaPath::WithBehavior);
            world.policy.scale_up.limits = limits.clone();
            world.policy.scale_down.limits = limits.clone();
            // Where the limits leave the count `later`, with `written` changed now.
            let left = |from: i32, written: u32, later: Duration| {
                let older = |changes: &[ChangeBefore]| changes.iter().map(|&(amount, age)| (amount, age + later)).collect::<Vec<_>>();
                let mut changes = Changes { up: older(&state.scale_up_events), down: older(&state.scale_down_events) };
                match direction {
                    Direction::Up => {
                        changes.up.push((written, later));
                        scale_up_limit(from, &limits, &changes).max(from)
                    }
                    Direction::Down => {
                        changes.down.push((written, later));
                        scale_down_limit(from, &limits, &changes).min(from)
                    }
                }
            };
            let allowed = left(500, 0, Duration::ZERO);
            prop_assume!(allowed > 0);
            let seen = Observations::default();
            let at = Evaluation { policy: &world.policy, workload: &world.workload, seen: &seen, now: world.now };
            let memory = Memory::of_hpa(&state, world.now);
            let after = room_after(&memory, at, HpaPath::WithBehavior, direction, Replicas::of_hpa(allowed));
            let after = after.expect("what was written leaves the period too");
            let written = allowed.abs_diff(500);
            prop_assert_ne!(left(allowed, written, after), allowed);
            prop_assert_eq!(left(allowed, written, after - Duration::from_millis(1)), allowed);
        }
    }
}
