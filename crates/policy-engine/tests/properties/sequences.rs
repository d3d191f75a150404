//! What holds over time, in any world.

use std::time::Duration;

use headroom_policy_engine::*;
use proptest::prelude::*;

use super::world::*;

fn window_start(now: Timestamp, span: Duration) -> Timestamp {
    now.minus(span)
}

proptest! {
    #[test]
    fn i11_a_restart_after_every_step_changes_nothing(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        let whole = run(&policy, current, &events);
        let restarted = run_with(&policy, current, &events, |memory| {
            postcard::from_bytes(&postcard::to_stdvec(&memory).unwrap()).unwrap()
        });
        for (whole, restarted) in whole.iter().zip(&restarted) {
            prop_assert_eq!(whole.decision, restarted.decision);
            prop_assert_eq!(&whole.after, &restarted.after);
        }
    }

    #[test]
    fn i16_after_a_gap_nothing_falls_until_the_window_is_known_again(policy in any_policy(), current in 10_u32..40, events in calm_events(10_000, 40), gap in 1_400_i64..100_000) {
        let window = policy.scale_down.stabilization.get();
        let mut events = events;
        events[20].millis = gap * 1000;
        let turns = run(&policy, current, &events);
        let resumed = turns[20].now;
        // A recommendation reaches 15 minutes at most, whatever the spacing was before, and no window here is above 400 s.
        for turn in &turns[20..] {
            let known = turn.now.since(resumed) + Duration::from_secs(120);
            if turn.desired() < turn.current() && !turn.is_exempt() {
                prop_assert!(known.as_millis() * 100 >= window.as_millis() * 80, "fell {:?} after the gap, window {window:?}", turn.now.since(resumed));
            }
        }
    }

    #[test]
    fn i17_a_sample_seen_before_moves_no_step_rule(add in 1_u32..5, lasting in 1_u64..60, times in proptest::collection::vec(1_i64..60_000, 2..30)) {
        let breach = Breach { threshold: 1.0, lasting: Some(Duration::from_secs(lasting)), step: Replicas::new(add) };
        let sample = Sample { value: 5.0, measured_at: Some(Timestamp::from_unix_millis(0)), coverage: Coverage::default() };
        let policy = WorkloadPolicy {
            semantics: Semantics::Headroom,
            hpa: Default::default(),
            bounds: ReplicaBounds::new(Replicas::new(1), Replicas::new(100)).unwrap(),
            zero: None,
            metrics: vec![MetricPolicy::new(MetricName::new("p95"), MetricKind::External, MetricRule::Step(StepRule::new(Some(breach), None).unwrap()), Tolerance::new(0.0, 0.0).unwrap())],
            scale_up: ScalingRules { stabilization: StabilizationWindow::new(Duration::ZERO).unwrap(), limits: ChangeLimits { select: LimitSelection::Max, limits: Vec::new() } },
            scale_down: ScalingRules { stabilization: StabilizationWindow::new(Duration::ZERO).unwrap(), limits: ChangeLimits { select: LimitSelection::Max, limits: Vec::new() } },
            fallback: None,
            guards: Guards { startup: Duration::from_secs(30), max_reversals: 4 },
            interval: EvaluationInterval::new(Duration::from_secs(15)).unwrap(),
        };
        let mut memory = Memory::default();
        let mut now = 0;
        for millis in times {
            now += millis;
            let seen: Observations = [Observation::Fresh(sample)].into_iter().collect();
            let decision = evaluate(&policy, &Workload::running(Replicas::new(5)), &seen, &mut memory, Timestamp::from_unix_millis(now), &mut NoSteps);
            prop_assert_eq!(decision.desired(), Replicas::new(5));
        }
    }

    #[test]
    fn i19_nothing_falls_below_what_the_window_asked_for(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        let window = policy.scale_down.stabilization.get();
        let turns = run(&policy, current, &events);
        for (index, turn) in turns.iter().enumerate() {
            let back = turns[..=index].windows(2).any(|pair| pair[1].now < pair[0].now);
            if turn.desired() >= turn.current() || turn.is_exempt() || back {
                continue;
            }
            let start = window_start(turn.now, window);
            let asked = turns[..=index].iter().filter(|past| past.now > start && past.knows_anything()).map(Turn::recommended).max();
            prop_assert!(Some(turn.desired()) >= asked, "{} below {asked:?}", turn.desired());
            prop_assert!(turns[..index].iter().any(|past| past.now < turn.now && past.knows_anything()), "fell without history");
        }
    }

    #[test]
    fn i20_nothing_rises_above_what_the_window_asked_for(policy in any_policy(), current in 0_u32..60, events in any_events()) {
        let window = policy.scale_up.stabilization.get();
        let turns = run(&policy, current, &events);
        for (index, turn) in turns.iter().enumerate() {
            let back = turns[..=index].windows(2).any(|pair| pair[1].now < pair[0].now);
            if turn.desired() <= turn.current() || turn.is_exempt() || back {
                continue;
            }
            let start = window_start(turn.now, window);
            let asked = turns[..=index].iter().filter(|past| past.now > start && past.knows_anything()).map(Turn::recommended).min();
            prop_assert!(asked.is_none_or(|asked| turn.desired() <= asked), "{} above {asked:?}", turn.desired());
        }
    }

    #[test]
    fn i21_what_was_decided_is_no_recommendation(policy in any_policy(), current in 1_u32..40, events in calm_events(15_000, 30)) {
        // The same load with every write failing leaves the same recommendations behind, for rules that do not depend on the count.
        let mut policy = policy;
        for metric in &mut policy.metrics {
            metric.rule = MetricRule::PerReplica(Target::new(100.0).unwrap());
            metric.tolerance = Tolerance::new(0.0, 0.0).unwrap();
            metric.votes = Votes::UpAndDown;
        }
        let failing: Vec<_> = events.iter().cloned().map(|event| Event { outcome: Outcome::Failed, ..event }).collect();
        for (written, failed) in run(&policy, current, &events).iter().zip(&run(&policy, current, &failing)) {
            prop_assert_eq!(written.recommended(), failed.recommended());
        }
    }

    #[test]
    fn i22_no_window_holds_more_change_than_its_limit(policy in any_policy(), current in 1_u32..60, events in any_events()) {
        let turns = run(&policy, current, &events);
        // A clock that went back moves every age, so only the turns before that are looked at.
        let forward = turns.windows(2).take_while(|pair| pair[1].now >= pair[0].now).count() + 1;
        let turns = &turns[..forward];
        for (direction, rules) in [(Direction::Up, &policy.scale_up), (Direction::Down, &policy.scale_down)] {
            let [limit] = rules.limits.limits[..] else { continue };
            for (first, start) in turns.iter().enumerate() {
                let in_window: Vec<_> = turns[first..].iter().take_while(|turn| turn.now.since(start.now) < limit.period()).collect();
                if in_window.iter().any(|turn| turn.is_exempt() || turn.outcome != Outcome::Written)
                    || in_window.windows(2).any(|pair| pair[1].current() != pair[0].desired())
                {
                    continue;
                }
                let moved: u32 = in_window.iter().filter(|turn| turn.decision.direction() == Some(direction)).map(|turn| turn.desired().abs_diff(turn.current())).sum();
                let allowance = match limit.amount() {
                    ChangeAmount::Replicas(replicas) => replicas,
                    ChangeAmount::Percent(percent) => {
                        // The largest count of the window bounds what its start can have been for any change in it.
                        let most = in_window.iter().map(|turn| turn.current().max(turn.desired())).max().unwrap_or(0);
                        (most * percent).div_ceil(100).max(1)
                    }
                };
                prop_assert!(moved <= allowance, "{moved} {direction} within {:?}, allowed {allowance}", limit.period());
            }
        }
    }

    #[test]
    fn i30_what_a_fallback_kept_stays_until_the_load_has_been_known_for_as_long(
        mut policy in any_policy(),
        current in 1_u32..40,
        action in any_action(),
        after in 1_u64..300,
        blind in 1_u64..300,
        calm in calm_events(10_000, 40),
        window in 0_u64..200,
    ) {
        for metric in &mut policy.metrics {
            metric.on_missing = OnMissing::Block;
        }
        policy.fallback = Some(Fallback { action, after: Duration::from_secs(after), when: FallbackWhen::All });
        policy.scale_down.stabilization = StabilizationWindow::new(Duration::from_secs(window)).unwrap();
        let lost = |millis| Event {
            millis,
            values: vec![Observation::Missing { cause: MissingCause::Unreachable }; 3],
            ..calm[0].clone()
        };
        let mut events = vec![lost(1000), lost(i64::try_from((after + blind) * 1000).unwrap())];
        events.extend(calm.iter().cloned());
        let turns = run(&policy, current, &events);
        let kept = turns[1].desired();
        let known_since = turns[2].now;
        for turn in turns[2..].iter().take_while(|turn| turn.now.since(known_since) < Duration::from_secs(after)) {
            prop_assert!(turn.desired() >= kept, "{} below {kept}, {:?} after the outage", turn.desired(), turn.now.since(known_since));
        }
    }

    #[test]
    fn i42_a_pause_changes_nothing_and_learns_on(policy in any_policy(), current in 1_u32..60, events in any_events()) {
        let paused: Vec<_> = events.iter().cloned().map(|event| Event { holds: vec![Hold::Paused { until: None }], ..event }).collect();
        for turn in run(&policy, current, &paused) {
            prop_assert_eq!(turn.desired(), turn.current());
            prop_assert_eq!(turn.decision.reason(), Reason::Paused);
            let mut unpaused = turn.before.clone();
            let mut workload = turn.workload.clone();
            workload.holds.retain(|hold| !matches!(hold, Hold::Paused { .. }));
            evaluate(&policy, &workload, &turn.seen, &mut unpaused, turn.now, &mut NoSteps);
            prop_assert_eq!(&unpaused, &turn.after, "the memory is what it would be without the pause");
        }
    }

    #[test]
    fn i24_a_written_rise_is_not_undone_within_the_window(policy in any_policy(), current in 1_u32..60, events in any_events()) {
        let window = policy.scale_down.stabilization.get();
        let mut rose: Option<Timestamp> = None;
        let mut last: Option<Timestamp> = None;
        for turn in run(&policy, current, &events) {
            if last.is_some_and(|last| turn.now < last) {
                return Ok(());
            }
            last = Some(turn.now);
            if turn.decision.direction() == Some(Direction::Down) && !turn.is_exempt() {
                prop_assert!(rose.is_none_or(|at| turn.now.since(at) >= window));
            }
            if turn.decision.direction() == Some(Direction::Up) && turn.outcome == Outcome::Written {
                rose = Some(turn.now);
            }
        }
    }
}
