//! Faults that were found by reading, each as the smallest run that shows it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use headroom_policy_engine::*;
use std::time::Duration;
fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}
fn at(n: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + n * 1000)
}
fn n(c: u32) -> Replicas {
    Replicas::new(c)
}
fn rules(w: u64, limits: Vec<ChangeLimit>) -> ScalingRules {
    ScalingRules {
        stabilization: StabilizationWindow::new(s(w)).unwrap(),
        limits: ChangeLimits {
            select: LimitSelection::Max,
            limits,
        },
    }
}
fn m(name: &str, rule: MetricRule) -> MetricPolicy {
    MetricPolicy::new(
        MetricName::new(name),
        MetricKind::External,
        rule,
        Tolerance::new(0.1, 0.1).unwrap(),
    )
}
fn per(t: f64) -> MetricPolicy {
    m("load", MetricRule::PerReplica(Target::new(t).unwrap()))
}
fn br(t: f64, lasting: Option<u64>) -> Option<Breach> {
    Some(Breach {
        threshold: t,
        lasting: lasting.map(s),
        step: n(1),
    })
}
/// With `min` 0, the first metric starts the workload, and a minute without load stops it.
fn policy(min: u32, mut metrics: Vec<MetricPolicy>, up: u64, down: u64) -> WorkloadPolicy {
    let zero = (min == 0).then(|| {
        metrics[0].activation = Activation::FromZero;
        ScaleToZero::new(s(60), &metrics).unwrap()
    });
    WorkloadPolicy {
        semantics: Semantics::Headroom,
        hpa: Default::default(),
        bounds: ReplicaBounds::new(n(min.max(1)), n(100)).unwrap(),
        zero,
        metrics,
        scale_up: rules(up, vec![]),
        scale_down: rules(down, vec![]),
        fallback: None,
        guards: Guards {
            startup: s(120),
            max_reversals: 1000,
        },
        interval: EvaluationInterval::new(s(15)).unwrap(),
    }
}
fn fresh(v: f64, t: Timestamp) -> Observation {
    Observation::Fresh(Sample {
        value: v,
        measured_at: Some(t),
        coverage: Coverage::default(),
    })
}
fn ev(p: &WorkloadPolicy, w: &Workload, o: &[Observation], mem: &mut Memory, t: Timestamp) -> Decision {
    let seen: Observations = o.iter().copied().collect();
    evaluate(p, w, &seen, mem, t, &mut NoSteps)
}
/// 15 s apart for `passes`; acts. Returns counts.
fn run(
    p: &WorkloadPolicy,
    start: u32,
    passes: i64,
    f: impl Fn(i64, Timestamp) -> Vec<Observation>,
) -> Vec<u32> {
    let mut w = Workload::running(n(start));
    let mut mem = Memory::default();
    let mut out = vec![];
    for i in 0..passes {
        let t = at(i * 15);
        let d = ev(p, &w, &f(i, t), &mut mem, t);
        mem.record_outcome(&d, Outcome::Written, t);
        w.current = d.desired();
        out.push(w.current.get());
    }
    out
}
#[test]
fn a_zero_down_window_still_scales_down() {
    let c = run(&policy(1, vec![per(100.0)], 0, 0), 10, 400, |_, t| {
        vec![fresh(300.0, t)]
    });
    assert_eq!(c.last(), Some(&3), "100 minutes at a load for 3, no window");
}
#[test]
fn b_zero_is_ours_where_nothing_is_known_and_min_is_zero() {
    let d = ev(
        &policy(0, vec![per(100.0)], 0, 300),
        &Workload::running(n(0)),
        &[fresh(500.0, at(0))],
        &mut Memory::default(),
        at(0),
    );
    assert_eq!(d.reason(), Reason::AboveTarget, "{d:?}");
}
#[test]
fn c_from_zero_a_value_metric_scales_up() {
    let p = policy(
        0,
        vec![m("age", MetricRule::Value(Target::new(10.0).unwrap()))],
        0,
        300,
    );
    let w = Workload {
        origin: CountOrigin::NeverStarted,
        ..Workload::running(n(0))
    };
    assert_eq!(
        ev(&p, &w, &[fresh(50.0, at(0))], &mut Memory::default(), at(0)).desired(),
        n(5)
    );
}
#[test]
fn d_a_remove_step_gets_through_its_window() {
    let p = policy(
        1,
        vec![m(
            "p95",
            MetricRule::Step(StepRule::new(None, br(0.5, Some(60))).unwrap()),
        )],
        0,
        300,
    );
    let c = run(&p, 10, 400, |_, t| vec![fresh(0.1, t)]);
    assert!(
        *c.last().unwrap() < 10,
        "100 minutes below the threshold: {:?}",
        c.last()
    );
}
#[test]
fn e_an_add_step_gets_through_an_up_window() {
    let p = policy(
        1,
        vec![m(
            "p95",
            MetricRule::Step(StepRule::new(br(2.0, Some(60)), None).unwrap()),
        )],
        60,
        300,
    );
    let c = run(&p, 2, 400, |_, t| vec![fresh(9.0, t)]);
    assert!(*c.last().unwrap() > 2, "100 minutes above the threshold");
}
#[test]
fn f_i32_less_load_never_means_more_replicas() {
    let p = policy(
        1,
        vec![
            per(100.0),
            m(
                "p95",
                MetricRule::Step(StepRule::new(br(2.0, Some(60)), br(0.5, Some(60))).unwrap()),
            ),
        ],
        0,
        60,
    );
    let base = {
        let mut w = Memory::default();
        for i in 0..20 {
            ev(
                &p,
                &Workload::running(n(10)),
                &[fresh(300.0, at(i * 15)), fresh(1.0, at(i * 15))],
                &mut w,
                at(i * 15),
            );
        }
        w
    };
    let go = |v| {
        ev(
            &p,
            &Workload::running(n(10)),
            &[fresh(300.0, at(300)), fresh(v, at(300))],
            &mut base.clone(),
            at(300),
        )
        .desired()
    };
    assert!(
        go(0.1) <= go(1.0),
        "latency 0.1 → {}, latency 1.0 → {}",
        go(0.1),
        go(1.0)
    );
}
#[test]
fn g_i5_a_sample_of_nan_is_missing() {
    let p = policy(1, vec![per(100.0)], 0, 60);
    for bad in [f64::NAN, -5.0, f64::INFINITY] {
        let mut mem = Memory::default();
        for i in 0..20 {
            ev(
                &p,
                &Workload::running(n(10)),
                &[fresh(bad, at(i * 15))],
                &mut mem,
                at(i * 15),
            );
        }
        let d = ev(
            &p,
            &Workload::running(n(10)),
            &[fresh(bad, at(300))],
            &mut mem,
            at(300),
        );
        assert_eq!(d.desired(), n(10), "{bad}");
    }
}
#[test]
fn h_i22_every_sliding_window() {
    let mut p = policy(1, vec![per(100.0)], 0, 60);
    p.scale_up = rules(
        0,
        vec![ChangeLimit::new(ChangeAmount::Percent(100), s(60)).unwrap()],
    );
    let mut mem = Memory::default();
    mem.record_outcome(
        &Decision::Scale {
            from: n(10),
            to: n(5),
            reason: Reason::BelowTarget,
        },
        Outcome::Written,
        at(0),
    );
    let d = ev(
        &p,
        &Workload::running(n(5)),
        &[fresh(5000.0, at(10))],
        &mut mem,
        at(10),
    );
    assert!(
        d.desired() <= n(10),
        "the window from 1 s on starts with 5, so 100 % allows 5 more; got {}",
        d.desired()
    );
}
#[test]
fn i_i1_percent_does_not_overflow() {
    let mut p = policy(1, vec![per(100.0)], 0, 60);
    p.scale_down = rules(
        60,
        vec![ChangeLimit::new(ChangeAmount::Percent(u32::MAX), s(1800)).unwrap()],
    );
    let mut mem = Memory::default();
    let big = Workload::running(n(u32::MAX));
    for i in 0..20 {
        ev(&p, &big, &[fresh(100.0, at(i * 15))], &mut mem, at(i * 15));
    }
    mem.record_outcome(
        &Decision::Scale {
            from: n(u32::MAX),
            to: n(10),
            reason: Reason::BelowTarget,
        },
        Outcome::Written,
        at(290),
    );
    ev(&p, &big, &[fresh(100.0, at(300))], &mut mem, at(300));
}
#[test]
fn j_a_partial_value_never_lowers_even_where_missing_is_ignored() {
    let mut b = per(100.0);
    b.on_missing = OnMissing::Ignore;
    let p = policy(
        1,
        vec![m("other", MetricRule::PerReplica(Target::new(100.0).unwrap())), b],
        0,
        60,
    );
    let part = |t| {
        Observation::Partial(Sample {
            value: 800.0,
            measured_at: Some(t),
            coverage: Coverage::default(),
        })
    };
    let c = run(&p, 10, 40, |_, t| vec![fresh(300.0, t), part(t)]);
    assert!(
        c.iter().all(|&x| x >= 8),
        "part of the replicas alone carry a load for 8; got {:?}",
        c.last()
    );
}
#[test]
fn k_at_most_one_step_per_window_without_for() {
    let mut p = policy(
        1,
        vec![m(
            "p95",
            MetricRule::Step(StepRule::new(br(2.0, None), None).unwrap()),
        )],
        0,
        300,
    );
    p.interval = EvaluationInterval::new(s(60)).unwrap(); // two intervals: 120 s; passes every 15 s
    let c = run(&p, 2, 8, |i, t| {
        vec![fresh(if i % 2 == 0 { 9.0 } else { 1.0 }, t)]
    });
    assert!(*c.last().unwrap() <= 3, "120 s, one step: {c:?}");
}
#[test]
fn l_blocked_without_vote_says_unknown() {
    let p = policy(
        1,
        vec![
            per(100.0),
            m(
                "p95",
                MetricRule::Step(StepRule::new(br(2.0, None), None).unwrap()),
            ),
        ],
        0,
        300,
    );
    let d = ev(
        &p,
        &Workload::running(n(5)),
        &[
            Observation::Missing {
                cause: MissingCause::TimedOut,
            },
            fresh(1.0, at(0)),
        ],
        &mut Memory::default(),
        at(0),
    );
    assert_eq!(d.reason(), Reason::MetricUnknown);
}
#[test]
fn m_restoring_refuses_what_no_memory_holds() {
    let p = policy(1, vec![per(100.0)], 0, 60);
    let mut mem = Memory::default();
    for i in 0..3 {
        ev(
            &p,
            &Workload::running(n(3)),
            &[fresh(300.0, at(i * 15))],
            &mut mem,
            at(i * 15),
        );
    }
    let text = serde_json::to_string(&mem).unwrap();
    let bad = text.replacen("\"low\":3", "\"low\":9", 1);
    assert_ne!(text, bad, "{text}");
    assert!(
        serde_json::from_str::<Memory>(&bad).is_err(),
        "lowest above highest is accepted"
    );
}
#[test]
fn n_the_count_written_by_us_then_changed_by_a_person_then_zero_is_theirs() {
    let p = policy(0, vec![per(100.0)], 0, 60);
    let mut mem = Memory::default();
    mem.record_outcome(
        &Decision::Scale {
            from: n(1),
            to: n(0),
            reason: Reason::BelowTarget,
        },
        Outcome::Written,
        at(0),
    );
    ev(
        &p,
        &Workload::running(n(5)),
        &[fresh(500.0, at(15))],
        &mut mem,
        at(15),
    );
    let d = ev(
        &p,
        &Workload::running(n(0)),
        &[fresh(500.0, at(30))],
        &mut mem,
        at(30),
    );
    assert_eq!(d.reason(), Reason::Off);
}

#[test]
fn a_ceiling_in_between_does_not_end_the_wait_after_a_rise() {
    // The load asks for 1 all the time. A floor raises to 20, a ceiling brings 15; the rise holds for its window.
    let p = policy(1, vec![per(100.0)], 0, 60);
    let mut memory = Memory::default();
    let mut count = n(1);
    let bound =
        |replicas| ActiveBound::new(n(replicas), BoundSource::Schedule(ScheduleName::new("sale"))).unwrap();
    for second in 0..=120 {
        let mut workload = Workload::running(count);
        match second {
            60 => workload.bounds.floor = Some(bound(20)),
            61 => workload.bounds.ceiling = Some(bound(15)),
            _ => {}
        }
        let now = at(second);
        let decision = ev(&p, &workload, &[fresh(100.0, now)], &mut memory, now);
        memory.record_outcome(&decision, Outcome::Written, now);
        count = decision.desired();
        let expected = match second {
            ..60 => 1,
            60 => 20,
            61..120 => 15,
            _ => 1,
        };
        assert_eq!(count, n(expected), "after {second} s");
    }
}

/// Passes 15 s apart; what is decided is done. `each` says what is seen, and a count that somebody sets before.
fn play(
    p: &WorkloadPolicy,
    start: u32,
    passes: i64,
    each: impl Fn(i64, Timestamp) -> (Observation, Option<u32>),
) -> Vec<u32> {
    let (mut memory, mut count, mut counts) = (Memory::default(), n(start), Vec::new());
    for pass in 0..passes {
        let now = at(pass * 15);
        let (seen, set) = each(pass, now);
        count = set.map_or(count, n);
        let decision = ev(p, &Workload::running(count), &[seen], &mut memory, now);
        memory.record_outcome(&decision, Outcome::Written, now);
        count = decision.desired();
        counts.push(count.get());
    }
    counts
}

const GONE: Observation = Observation::Missing {
    cause: MissingCause::NoData,
};

#[test]
fn kubernetes_98174_old_recommendations_raised_the_count_while_the_metric_asked_for_less() {
    // Nine were needed for a while. Somebody lowers the count to four, and the load asks for three from then on.
    let p = policy(1, vec![per(100.0)], 0, 300);
    let counts = play(&p, 9, 40, |pass, now| match pass {
        ..10 => (fresh(900.0, now), None),
        10 => (fresh(300.0, now), Some(4)),
        _ => (fresh(300.0, now), None),
    });
    assert!(counts[10..].iter().all(|count| *count <= 4), "{counts:?}");
    assert_eq!(counts[39], 3);
}

#[test]
fn kubernetes_96671_a_window_of_scaling_up_moved_the_count_away_from_what_was_asked_for() {
    // Both directions have a window. The load asks for eight now and then, and for two in between.
    let p = policy(1, vec![per(100.0)], 60, 120);
    let counts = play(&p, 6, 30, |pass, now| {
        let load = if pass % 3 == 1 { 800.0 } else { 200.0 };
        (fresh(load, now), None)
    });
    assert!(
        counts.iter().all(|count| *count == 6),
        "neither more nor less: {counts:?}"
    );
}

#[test]
fn kubernetes_105187_what_was_left_of_the_metrics_lowered_the_count() {
    // CPU says two. The metric that carries the load fails at the peak.
    let mut rps = per(100.0);
    rps.name = MetricName::new("rps");
    let p = policy(1, vec![per(100.0), rps], 0, 0);
    let mut memory = Memory::default();
    for pass in 0..20 {
        let now = at(pass * 15);
        let rps = if pass < 5 { fresh(900.0, now) } else { GONE };
        let decision = ev(
            &p,
            &Workload::running(n(9)),
            &[fresh(200.0, now), rps],
            &mut memory,
            now,
        );
        assert_eq!(decision.desired(), n(9), "at pass {pass}");
    }
}

#[test]
fn keda_3065_an_empty_answer_was_taken_for_zero_and_production_went_to_its_minimum_at_peak() {
    let p = policy(1, vec![per(100.0)], 0, 0);
    let counts = play(&p, 8, 40, |pass, now| {
        (if pass < 5 { fresh(800.0, now) } else { GONE }, None)
    });
    assert!(counts.iter().all(|count| *count == 8), "{counts:?}");
}

#[test]
fn keda_7239_a_fallback_did_nothing_for_a_workload_at_zero() {
    // The queue grew, headroom had brought the workers to zero, and then the source was gone for good.
    let mut queue = per(100.0);
    queue.activation = Activation::FromZero;
    let mut p = policy(1, vec![queue], 0, 0);
    p.zero = ScaleToZero::new(s(30), &p.metrics).ok();
    assert!(p.zero.is_some());
    p.fallback = Some(Fallback {
        action: FallbackAction::AtLeast(n(4)),
        after: s(60),
        when: FallbackWhen::All,
    });
    let counts = play(&p, 1, 30, |pass, now| {
        (if pass < 10 { fresh(0.0, now) } else { GONE }, None)
    });
    assert_eq!(counts[9], 0, "idle: {counts:?}");
    assert_eq!(counts[29], 4, "blind for long: {counts:?}");
}

#[test]
fn mimir_7691_a_source_that_came_back_with_half_a_window_lowered_the_count() {
    // While the range of the query fills up again its average is low.
    let p = policy(1, vec![per(100.0)], 0, 30);
    let counts = play(&p, 10, 20, |pass, now| {
        let seen = match pass {
            ..5 => fresh(1000.0, now),
            5..10 => GONE,
            10..14 => Observation::Partial(Sample {
                value: 300.0,
                measured_at: Some(now),
                coverage: Coverage {
                    replicas: None,
                    window: Some(0.4),
                },
            }),
            _ => fresh(1000.0, now),
        };
        (seen, None)
    });
    assert!(counts.iter().all(|count| *count == 10), "{counts:?}");
}

#[test]
fn datadog_agent_39638_what_a_limit_let_through_was_taken_for_what_was_recommended() {
    // The limit lets one replica go a minute. What it let through must not stand in the window as a wish, or each step
    // would wait for the whole window again.
    let limit = ChangeLimit::new(ChangeAmount::Replicas(1), s(60)).unwrap();
    let mut p = policy(1, vec![per(100.0)], 0, 120);
    p.scale_down = rules(120, vec![limit]);
    let counts = play(&p, 10, 80, |pass, now| {
        (fresh(if pass < 10 { 1000.0 } else { 200.0 }, now), None)
    });
    let falls: Vec<usize> = (1..counts.len())
        .filter(|pass| counts[*pass] < counts[pass - 1])
        .collect();
    assert_eq!(counts[79], 2, "{counts:?}");
    let spaces: Vec<usize> = falls.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(spaces, [4; 7], "one a minute: {counts:?}");
}
