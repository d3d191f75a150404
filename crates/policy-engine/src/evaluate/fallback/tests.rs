use std::time::Duration;

use super::*;
use crate::{
    Activation, Decision, HpaPath, Observation, OnMissing, ScaleToZero, Semantics, Workload,
    evaluate::world::{GONE, World, fresh, metric},
};

/// Falls back after a minute.
fn falling_back(action: FallbackAction, when: FallbackWhen) -> World {
    let mut world = World::new(2, vec![metric("rps"), metric("users")]);
    world.policy.fallback = Some(Fallback {
        action,
        after: Duration::from_secs(60),
        when,
    });
    world
}

fn at_least(replicas: u32) -> FallbackAction {
    FallbackAction::AtLeast(Replicas::new(replicas))
}

fn scale(from: u32, to: u32) -> Decision {
    Decision::Scale {
        from: Replicas::new(from),
        to: Replicas::new(to),
        reason: Reason::Fallback,
    }
}

/// Counts after a pass with a load for two, and then after each of `passes`, 15 seconds apart.
#[track_caller]
fn check(action: FallbackAction, when: FallbackWhen, passes: &[[Observation; 2]], expected: &[u32]) {
    let mut world = falling_back(action, when);
    world.pass(0, &[fresh(200.0), fresh(100.0)]);
    let got = world.counts(passes.iter().map(<[Observation; 2]>::as_slice));
    assert_eq!(got, expected, "{action:?} when {when:?}");
}

const BLIND: [Observation; 2] = [GONE, GONE];

#[test]
fn it_comes_when_the_time_is_over_and_not_before() {
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    world.pass(0, &BLIND);
    assert_eq!(world.pass(59, &BLIND).reason(), Reason::Blind);
    assert_eq!(world.pass(1, &BLIND), scale(2, 5));
    assert_eq!(
        world.steps.0.last(),
        Some(&Step::FellBack {
            wanted: Replicas::new(2),
            raised: Replicas::new(5),
            action: at_least(5),
            unknown_for: Duration::from_secs(60),
            metric: None,
        })
    );
    assert_eq!(
        world.pass(15, &BLIND).reason(),
        Reason::Blind,
        "nothing is left to raise"
    );
}

#[test]
fn it_turns_nothing_on_that_a_person_turned_off_under_the_rules_of_the_hpa_either() {
    for when in [FallbackWhen::All, FallbackWhen::Any] {
        let mut world = falling_back(at_least(5), when);
        world.policy.semantics = Semantics::Hpa(HpaPath::WithBehavior);
        world.pass(0, &[fresh(200.0), fresh(100.0)]);
        world.pass(15, &[GONE, GONE]);
        world.workload.current = Replicas::ZERO;
        for _ in 0..8 {
            let decision = world.pass(15, &BLIND);
            assert_eq!(
                (decision.desired(), decision.reason()),
                (Replicas::ZERO, Reason::Off)
            );
        }
        world.workload.current = Replicas::new(2);
        let decision = world.pass(15, &BLIND);
        assert_eq!(decision.desired(), Replicas::new(2), "the time begins anew");
    }
}

#[test]
fn time_counts_and_not_the_number_of_failures() {
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    for _ in 0..59 {
        assert_eq!(world.pass(1, &BLIND).desired(), Replicas::new(2));
    }
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    world.pass(0, &BLIND);
    assert_eq!(
        world.pass(600, &BLIND),
        scale(2, 5),
        "two failures, ten minutes apart"
    );
}

#[test]
fn each_action_does_what_it_says() {
    let high = [fresh(800.0), fresh(0.0)];
    let passes = [high, BLIND, BLIND, BLIND, BLIND, BLIND];
    check(at_least(20), FallbackWhen::All, &passes, &[8, 8, 8, 8, 8, 20]);
    check(
        FallbackAction::Hold,
        FallbackWhen::All,
        &passes,
        &[8, 8, 8, 8, 8, 8],
    );
    check(
        FallbackAction::LastKnown,
        FallbackWhen::All,
        &passes,
        &[8, 8, 8, 8, 8, 8],
    );
    check(at_least(1), FallbackWhen::All, &passes, &[8, 8, 8, 8, 8, 8]);
}

#[test]
fn the_last_known_recommendation_is_one_that_was_not_yet_carried_out() {
    let mut world = falling_back(FallbackAction::LastKnown, FallbackWhen::All);
    world.policy.scale_up = crate::evaluate::world::rules(300);
    assert_eq!(
        world.counts(
            [[fresh(200.0), fresh(0.0)], [fresh(900.0), fresh(0.0)]]
                .iter()
                .map(<[_; 2]>::as_slice)
        ),
        [2, 2]
    );
    let blind = [BLIND; 5];
    assert_eq!(
        world.counts(blind.iter().map(<[_; 2]>::as_slice)),
        [2, 2, 2, 2, 9]
    );
}

#[test]
fn one_unknown_metric_is_enough_only_where_the_policy_says_any() {
    let half = [fresh(200.0), GONE];
    check(at_least(5), FallbackWhen::All, &[half; 5], &[2; 5]);
    check(at_least(5), FallbackWhen::Any, &[half; 5], &[2, 2, 2, 2, 5]);
    let mut world = falling_back(at_least(5), FallbackWhen::Any);
    world.pass(0, &half);
    world.pass(60, &half);
    assert_eq!(
        world.steps.0.last().unwrap().to_string(),
        "users has not been known for 1 min, so the fallback asks for 5 instead of 2"
    );
}

#[test]
fn the_time_of_each_metric_counts_for_itself() {
    let (one, other) = ([fresh(200.0), GONE], [GONE, fresh(200.0)]);
    check(
        at_least(5),
        FallbackWhen::Any,
        &[one, one, one, other, other, other],
        &[2; 6],
    );
    check(
        at_least(5),
        FallbackWhen::Any,
        &[one, one, BLIND, BLIND, other, one, one, one],
        &[2, 2, 2, 2, 2, 2, 2, 2],
    );
    check(
        at_least(5),
        FallbackWhen::Any,
        &[one, BLIND, BLIND, BLIND, BLIND],
        &[2, 2, 2, 2, 5],
    );
}

#[test]
fn what_is_known_still_raises_further() {
    let half = [fresh(900.0), GONE];
    check(at_least(5), FallbackWhen::Any, &[half; 5], &[9; 5]);
}

#[test]
fn a_metric_that_may_be_ignored_does_not_decide() {
    let mut world = falling_back(at_least(5), FallbackWhen::Any);
    world.policy.metrics[1].on_missing = OnMissing::Ignore;
    let only_hint = [GONE, fresh(100.0)];
    let only_rps = [fresh(200.0), GONE];
    let counts = |world: &mut World, seen: &[Observation; 2]| {
        world.counts([seen; 6].map(<[Observation; 2]>::as_slice))
    };
    assert_eq!(counts(&mut world, &only_rps), [2; 6]);
    world.policy.fallback.as_mut().unwrap().when = FallbackWhen::All;
    assert_eq!(counts(&mut world, &only_hint), [2, 2, 2, 2, 5, 5]);
    // Where all may be ignored, all decide.
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    for metric in &mut world.policy.metrics {
        metric.on_missing = OnMissing::Ignore;
    }
    assert_eq!(counts(&mut world, &only_hint), [2, 1, 1, 1, 1, 1]);
    assert_eq!(counts(&mut world, &BLIND), [1, 1, 1, 1, 5, 5]);
}

#[test]
fn it_works_from_zero() {
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    world.workload = Workload {
        origin: crate::CountOrigin::Read,
        ..Workload::running(Replicas::ZERO)
    };
    world.policy.metrics[0].activation = Activation::FromZero;
    world.policy.zero = Some(ScaleToZero::new(Duration::from_secs(60), &world.policy.metrics).unwrap());
    world.pass(0, &BLIND);
    assert_eq!(world.pass(60, &BLIND), scale(0, 5));
}

#[test]
fn the_first_good_samples_lower_nothing() {
    let low = [fresh(100.0), fresh(0.0)];
    let mut passes = vec![BLIND; 5];
    passes.extend([low; 6]);
    // The window of scaling down is zero, so without the fallback's end the first good sample would lower.
    check(
        at_least(5),
        FallbackWhen::All,
        &passes,
        &[2, 2, 2, 2, 5, 5, 5, 5, 5, 1, 1],
    );
    check(
        FallbackAction::Hold,
        FallbackWhen::All,
        &passes,
        &[2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1],
    );
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    world.counts(passes[..8].iter().map(<[_; 2]>::as_slice));
    let held = world.pass(15, &low);
    assert_eq!(held.reason(), Reason::Recovering);
    assert_eq!(
        world.steps.0.last().unwrap().to_string(),
        "1 would be enough, but after a fallback the load has to be known for 1 min again, and has been for 45 s: 5 for \
         another 15 s"
    );
}

#[test]
fn its_end_starts_anew_when_the_load_is_lost_again() {
    let low = [fresh(100.0), fresh(0.0)];
    let mut passes = vec![BLIND; 5];
    passes.extend([low, low, low, low, BLIND, low, low, low, low, low]);
    check(
        at_least(5),
        FallbackWhen::All,
        &passes,
        &[2, 2, 2, 2, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 1],
    );
}

#[test]
fn its_end_raises_nothing_by_itself() {
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    world.pass(0, &BLIND);
    world.pass(60, &BLIND);
    world.workload.current = Replicas::new(3); // a person lowered it
    assert_eq!(
        world.pass(15, &[fresh(100.0), fresh(0.0)]).desired(),
        Replicas::new(3)
    );
}

#[test]
fn without_a_fallback_nothing_is_kept_after_an_outage_but_by_the_window() {
    let mut world = World::new(4, vec![metric("rps"), metric("users")]);
    let low = [fresh(100.0), fresh(0.0)];
    let passes = [low, BLIND, BLIND, low];
    assert_eq!(world.counts(passes.iter().map(<[_; 2]>::as_slice)), [4, 4, 4, 1]);
}

#[test]
fn in_force_it_lowers_nothing_even_where_what_is_unknown_may_be_ignored() {
    let mut world = falling_back(at_least(5), FallbackWhen::Any);
    world.workload.current = Replicas::new(10);
    world.policy.scale_down = crate::evaluate::world::rules(90);
    for metric in &mut world.policy.metrics {
        metric.on_missing = OnMissing::Ignore;
    }
    let (busy, half) = ([fresh(1000.0), fresh(0.0)], [fresh(100.0), GONE]);
    let passes = std::iter::repeat_n(&busy, 8).chain(std::iter::repeat_n(&half, 10));
    assert_eq!(world.counts(passes.map(<[_; 2]>::as_slice)), [10; 18]);
}

#[test]
fn a_metric_that_left_the_policy_keeps_nothing_waiting() {
    let mut world = falling_back(at_least(5), FallbackWhen::Any);
    world.pass(0, &[fresh(200.0), GONE]);
    world.policy.metrics.pop();
    assert_eq!(world.pass(60, &[fresh(200.0)]).reason(), Reason::OnTarget);
}

#[test]
fn a_clock_that_went_back_keeps_what_was_waited_for() {
    for when in [FallbackWhen::All, FallbackWhen::Any] {
        let mut world = falling_back(at_least(5), when);
        world.pass(0, &BLIND);
        assert_eq!(world.pass(45, &BLIND).desired(), Replicas::new(2));
        world.now = world.now.minus(Duration::from_secs(3600));
        assert_eq!(world.pass(0, &BLIND).desired(), Replicas::new(2), "{when:?}");
        assert_eq!(world.pass(14, &BLIND).desired(), Replicas::new(2), "{when:?}");
        assert_eq!(world.pass(1, &BLIND).desired(), Replicas::new(5), "{when:?}");
    }
}

#[test]
fn a_clock_that_went_back_neither_ends_nor_lengthens_the_recovery() {
    let known = [fresh(200.0), fresh(100.0)];
    let mut world = falling_back(at_least(5), FallbackWhen::All);
    world.pass(0, &BLIND);
    world.pass(60, &BLIND);
    let passes = |world: &mut World| {
        (0..40)
            .take_while(|_| world.pass(15, &known).desired() == Replicas::new(5))
            .count()
    };
    let mut undisturbed = world.clone();
    world.pass(15, &known);
    world.now = world.now.minus(Duration::from_secs(3600));
    // The pass in which the clock goes back takes no time.
    world.pass(0, &known);
    assert_eq!(passes(&mut world) + 1, passes(&mut undisturbed));
}
