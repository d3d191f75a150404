use std::time::Duration;

use super::*;
use crate::{
    Activation, ActiveBound, Breach, ChangeAmount, ChangeLimit, Decision, Fallback, FallbackAction,
    FallbackWhen, Hold, LimitSelection, Memory, MetricKind, MetricName, MetricPolicy, MetricRule,
    MissingCause, Observation, OnMissing, Outcome, PolicyError, Readiness, ReplicaBounds, ScheduleName,
    StepRule, Target, Tolerance, Workload,
    evaluate::world::{GONE, World, fresh, metric, rules},
    hpa::MetricError,
};

fn starting(name: &str) -> MetricPolicy {
    MetricPolicy {
        activation: Activation::FromZero,
        ..metric(name)
    }
}

/// A queue that starts the workload, and the rate of the replicas; to zero after a minute.
fn world(current: u32) -> World {
    let metrics = vec![starting("queue"), metric("rate")];
    let mut world = World::new(current, metrics);
    world.policy.zero = Some(ScaleToZero::new(Duration::from_secs(60), &world.policy.metrics).unwrap());
    world
}

const IDLE: [Observation; 2] = [NONE, NONE];
const NONE: Observation = Observation::Fresh(crate::Sample {
    value: 0.0,
    measured_at: None,
    coverage: crate::Coverage {
        replicas: None,
        window: None,
    },
});

fn part(value: f64) -> Observation {
    Observation::Partial(crate::Sample {
        value,
        measured_at: None,
        coverage: crate::Coverage::default(),
    })
}

#[track_caller]
fn check(decision: Decision, desired: u32, reason: Reason) {
    assert_eq!((decision.desired().get(), decision.reason()), (desired, reason));
}

#[test]
fn a_zero_without_what_ends_it_cannot_be_built() {
    let minute = Duration::from_secs(60);
    assert_eq!(
        ScaleToZero::new(minute, &[metric("rate")]),
        Err(PolicyError::NoActivation)
    );
    assert_eq!(ScaleToZero::new(minute, &[]), Err(PolicyError::NoActivation));
    assert_eq!(
        ScaleToZero::new(Duration::ZERO, &[starting("queue")]),
        Err(PolicyError::Idle)
    );
    let zero = ScaleToZero::new(minute, &[metric("rate"), starting("queue")]).unwrap();
    assert_eq!(zero.activation(), [MetricName::new("queue")]);
    let bounds = |min, max| ReplicaBounds::new(Replicas::new(min), Replicas::new(max));
    assert_eq!(bounds(0, 5), Err(crate::BoundsError::Zero));
}

#[test]
fn bounds_from_zero_are_the_hpa_s_and_allow_none_here() {
    let mut world = World::new(3, vec![metric("rate")]);
    world.policy.bounds = ReplicaBounds::from_zero(Replicas::new(100)).unwrap();
    world.look(0, &[NONE]);
    check(world.look(15, &[NONE]), 1, Reason::BelowTarget);
}

#[test]
fn to_zero_only_after_the_idle_window() {
    let mut world = world(3);
    check(world.pass(0, &[fresh(300.0), NONE]), 3, Reason::OnTarget);
    check(world.pass(15, &IDLE), 1, Reason::BelowTarget);
    for _ in 0..3 {
        check(world.pass(15, &IDLE), 1, Reason::NotIdle);
    }
    assert_eq!(
        world.steps.0.last().unwrap().to_string(),
        "0 would be enough, but there has been no load for only 45 s of 1 min: 1 for at least another 15 s"
    );
    check(world.pass(15, &IDLE), 0, Reason::BelowTarget);
    check(world.pass(15, &IDLE), 0, Reason::OnTarget);
}

#[test]
fn any_load_anything_unknown_and_any_gap_begin_the_window_anew() {
    let skewed = Observation::Missing {
        cause: MissingCause::ClockSkew,
    };
    for between in [
        [fresh(0.001), NONE],
        [NONE, fresh(0.001)],
        [GONE, NONE],
        [NONE, skewed],
        [NONE, part(0.0)],
    ] {
        let mut world = world(1);
        let mut passes = vec![IDLE; 4];
        passes.push(between);
        passes.extend([IDLE; 5]);
        let counts = world.counts(passes.iter().map(<[_; 2]>::as_slice));
        assert_eq!(counts, [1, 1, 1, 1, 1, 1, 1, 1, 1, 0], "{between:?}");
    }
    let mut world = world(1);
    world.counts([IDLE; 4].iter().map(<[_; 2]>::as_slice));
    check(world.pass(600, &IDLE), 1, Reason::NotIdle);
    assert_eq!(
        world.counts([IDLE; 4].iter().map(<[_; 2]>::as_slice)),
        [1, 1, 1, 0],
        "a minute after the gap"
    );
}

#[test]
fn a_metric_that_may_be_ignored_has_to_be_known_too() {
    let mut world = world(1);
    world.policy.metrics[1].on_missing = OnMissing::Ignore;
    let counts = world.counts([[NONE, GONE]; 8].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [1; 8]);
}

#[test]
fn absent_when_idle_is_zero_where_the_policy_says_so() {
    let mut world = world(1);
    world.policy.metrics[0].on_missing = OnMissing::Zero;
    let absent = Observation::Missing {
        cause: MissingCause::NoData,
    };
    let counts = world.counts([[absent, NONE]; 6].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [1, 1, 1, 1, 0, 0]);
}

#[test]
fn a_quantile_over_no_requests_is_no_load() {
    let above = Breach {
        threshold: 2.0,
        lasting: None,
        step: Replicas::new(1),
    };
    let mut world = world(1);
    world.policy.metrics[1].rule = MetricRule::Step(StepRule::new(Some(above), None).unwrap());
    let nan = Observation::Missing {
        cause: MissingCause::NotANumber,
    };
    let counts = world.counts([[NONE, nan]; 6].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [1, 1, 1, 1, 0, 0]);
}

#[test]
fn the_window_of_scaling_down_holds_too() {
    let mut world = world(1);
    world.policy.scale_down = rules(120);
    let counts = world.counts([IDLE; 9].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [1, 1, 1, 1, 1, 1, 1, 0, 0], "four fifths of two minutes");
}

#[test]
fn time_in_which_the_policy_had_no_zero_counts_for_nothing() {
    let mut world = world(1);
    world.counts([IDLE; 5].iter().take(4).map(<[_; 2]>::as_slice));
    let zero = world.policy.zero.take();
    check(world.pass(15, &[fresh(1.0), NONE]), 1, Reason::OnTarget);
    world.policy.zero = zero;
    check(world.pass(15, &IDLE), 1, Reason::NotIdle);
}

/// A workload that headroom brought to zero.
fn resting() -> World {
    let mut world = world(1);
    let counts = world.counts([IDLE; 6].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts.last(), Some(&0));
    world
}

#[test]
fn any_positive_signal_starts_it_at_once() {
    for signal in [fresh(1e-9), part(1e-9), fresh(0.5)] {
        let mut world = resting();
        world.policy.metrics[0].rule = MetricRule::Value(Target::new(1e12).unwrap());
        world.policy.metrics[0].tolerance = Tolerance::new(1e6, 1.0).unwrap();
        world.policy.scale_up = rules(3600);
        world.policy.scale_up.limits.select = LimitSelection::Disabled;
        check(world.pass(15, &[signal, GONE]), 1, Reason::Activated);
        assert_eq!(
            world.steps.0.last().unwrap().to_string(),
            "there is load again, says queue: 1 at once instead of 0"
        );
    }
}

#[test]
fn a_signal_brings_the_minimum_and_more_where_the_limits_allow() {
    let mut world = resting();
    world.policy.bounds = ReplicaBounds::new(Replicas::new(2), Replicas::new(100)).unwrap();
    check(world.look(15, &[fresh(1.0), NONE]), 2, Reason::OutOfBounds);
    world.policy.scale_up.limits.limits =
        vec![ChangeLimit::new(ChangeAmount::Replicas(4), Duration::from_secs(60)).unwrap()];
    check(world.pass(15, &[fresh(900.0), NONE]), 4, Reason::AboveTarget);
}

#[test]
fn what_does_not_start_it_follows_its_target_with_windows_and_limits() {
    let mut world = resting();
    world.policy.scale_up = rules(30);
    check(world.pass(15, &[NONE, fresh(50.0)]), 0, Reason::Stabilizing);
}

#[test]
fn at_zero_nothing_known_changes_nothing() {
    let mut world = resting();
    check(world.pass(15, &[GONE, GONE]), 0, Reason::Blind);
    check(world.pass(15, &[GONE, NONE]), 0, Reason::OnTarget);
}

#[test]
fn a_fallback_works_from_zero_and_is_not_begun_by_metrics_of_the_replicas() {
    let no_pods = MissingCause::Unusable {
        why: MetricError::NoPods,
    };
    let nobody = [MissingCause::NoReplicas, no_pods].map(|cause| Observation::Missing { cause });
    let both = |when| nobody.map(|nobody| (when, nobody));
    for (when, nobody) in [both(FallbackWhen::All), both(FallbackWhen::Any)].concat() {
        let mut world = resting();
        world.policy.fallback = Some(Fallback {
            action: FallbackAction::AtLeast(Replicas::new(3)),
            after: Duration::from_secs(30),
            when,
        });
        let counts = world.counts([[NONE, nobody]; 5].iter().map(<[_; 2]>::as_slice));
        assert_eq!(counts, [0; 5], "{when:?}: no replicas, so nobody answers");
        let counts = world.counts([[GONE, nobody]; 3].iter().map(<[_; 2]>::as_slice));
        assert_eq!(counts, [0, 0, 3], "{when:?}");
    }
}

#[test]
fn a_floor_keeps_it_above_zero_and_brings_it_there() {
    let by = crate::BoundSource::Schedule(ScheduleName::new("office-hours"));
    let floor = Some(ActiveBound::new(Replicas::new(2), by).unwrap());
    let mut world = resting();
    world.workload.bounds.floor.clone_from(&floor);
    check(world.pass(15, &IDLE), 2, Reason::OutOfBounds);
    let counts = world.counts([IDLE; 8].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [2; 8]);
    world.workload.bounds.floor = None;
    check(world.pass(15, &IDLE), 0, Reason::BelowTarget);
}

#[test]
fn without_a_zero_a_zero_of_ours_is_left_at_once() {
    let mut world = resting();
    world.policy.zero = None;
    check(world.pass(15, &IDLE), 1, Reason::OutOfBounds);
}

/// Whose a zero is, by what the target tells and what is remembered: under a signal, one of ours becomes one.
#[track_caller]
fn check_zero(origin: CountOrigin, remembered: &[(u32, u32)], has_zero: bool, desired: u32, reason: Reason) {
    let mut world = world(0);
    world.workload = Workload {
        origin,
        readiness: Readiness::Unknown,
        ..Workload::running(Replicas::ZERO)
    };
    if !has_zero {
        world.policy.zero = None;
    }
    for &(from, to) in remembered {
        let decision = Decision::Scale {
            from: Replicas::new(from),
            to: Replicas::new(to),
            reason: Reason::BelowTarget,
        };
        world
            .memory
            .record_outcome(&decision, Outcome::Written, world.now);
    }
    let signal = [fresh(50.0), NONE];
    let decision = world.look(15, &signal);
    assert_eq!(
        (decision.desired().get(), decision.reason()),
        (desired, reason),
        "{origin:?}, written: {remembered:?}"
    );
}

#[test]
fn a_zero_is_ours_where_memory_or_the_target_says_so_or_nothing_is_known_and_zero_is_allowed() {
    use CountOrigin::{NeverStarted, Read, WrittenByHeadroom, WrittenByOthers};
    let ours = Reason::AboveTarget;
    // Memory says that headroom wrote it.
    check_zero(Read, &[(1, 0)], true, 1, ours);
    check_zero(WrittenByOthers, &[(1, 0)], true, 1, ours);
    // The target says so, with and without memory.
    check_zero(WrittenByHeadroom, &[], true, 1, ours);
    check_zero(WrittenByHeadroom, &[(1, 3)], true, 1, ours);
    check_zero(WrittenByHeadroom, &[], false, 1, ours);
    // Nothing is known: the state was lost, and the target does not tell.
    check_zero(Read, &[], true, 1, ours);
    check_zero(Read, &[], false, 0, Reason::Off);
    // Memory says that headroom wrote something else.
    check_zero(Read, &[(1, 3)], true, 0, Reason::Off);
    // The target says that somebody else wrote it: with the state lost, a person turned it off.
    check_zero(WrittenByOthers, &[], true, 0, Reason::Off);
    check_zero(WrittenByOthers, &[(1, 3)], true, 0, Reason::Off);
    // Nobody decided on it.
    check_zero(NeverStarted, &[], true, 1, ours);
    check_zero(NeverStarted, &[], false, 1, ours);
}

#[test]
fn a_zero_after_another_count_was_seen_is_a_person_s() {
    let mut world = resting();
    world.workload.current = Replicas::new(4);
    world.look(15, &[fresh(400.0), NONE]);
    world.workload.current = Replicas::ZERO;
    check(world.pass(15, &[fresh(400.0), NONE]), 0, Reason::Off);
}

#[test]
fn what_was_never_started_begins_with_the_minimum_and_is_watched_first() {
    let mut world = world(0);
    world.workload.origin = CountOrigin::NeverStarted;
    check(world.pass(0, &IDLE), 1, Reason::OutOfBounds);
    world.workload.origin = CountOrigin::Read;
    let counts = world.counts([IDLE; 4].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [1, 1, 1, 0]);
}

#[test]
fn a_pause_keeps_a_zero_and_the_window_is_watched_meanwhile() {
    let mut world = resting();
    world.workload.holds = vec![Hold::Paused { until: None }];
    check(world.pass(15, &[fresh(50.0), NONE]), 0, Reason::Paused);
    let mut world = self::world(1);
    world.workload.holds = vec![Hold::Paused { until: None }];
    let counts = world.counts([IDLE; 5].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [1; 5]);
    world.workload.holds.clear();
    check(world.pass(15, &IDLE), 0, Reason::BelowTarget);
}

#[test]
fn other_metrics_than_those_it_was_made_from_start_nothing_and_rest_nowhere() {
    let mut world = resting();
    world.policy.metrics[0] = MetricPolicy::new(
        MetricName::new("other"),
        MetricKind::External,
        MetricRule::PerReplica(Target::new(100.0).unwrap()),
        Tolerance::new(0.0, 0.0).unwrap(),
    );
    world.workload.current = Replicas::new(1);
    world.memory = Memory::default();
    let counts = world.counts([IDLE; 8].iter().map(<[_; 2]>::as_slice));
    assert_eq!(counts, [1; 8]);
}
