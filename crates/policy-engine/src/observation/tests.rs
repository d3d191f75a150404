use super::*;

const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
const FRESHNESS: Freshness = Freshness {
    max_age: Duration::from_secs(60),
};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn reading(value: f64) -> Reading {
    Reading {
        value,
        answered_at: None,
        newest_sample: None,
        coverage: Coverage::default(),
    }
}

/// Judged for ten wanted replicas of which four are ready.
fn judge(reading: Reading) -> Observation {
    let readiness = Readiness::Known {
        ready: Replicas::new(4),
        longest_unready: None,
    };
    Observation::judge(Ok(reading), FRESHNESS, Replicas::new(10), readiness, NOW)
}

fn is_skewed(observation: Observation) -> bool {
    observation
        == Observation::Missing {
            cause: MissingCause::ClockSkew,
        }
}

#[test]
fn what_is_no_load_is_missing_and_says_why() {
    for (value, cause) in [
        (f64::NAN, MissingCause::NotANumber),
        (f64::INFINITY, MissingCause::Infinite),
        (f64::NEG_INFINITY, MissingCause::Infinite),
        (-0.001, MissingCause::Negative),
    ] {
        assert_eq!(judge(reading(value)), Observation::Missing { cause }, "{value}");
    }
    let zero = judge(reading(-0.0)).known().map(|sample| sample.value.to_bits());
    assert_eq!(zero, Some(0.0_f64.to_bits()), "a negative zero is zero");
}

#[test]
fn an_answer_may_be_dated_five_minutes_away_and_no_more() {
    let dated = |answered_at| {
        is_skewed(judge(Reading {
            answered_at: Some(answered_at),
            ..reading(1.0)
        }))
    };
    let (within, beyond) = (ms(300_000), ms(300_001));
    let answers = [
        NOW.plus(within),
        NOW.minus(within),
        NOW.plus(beyond),
        NOW.minus(beyond),
    ];
    assert_eq!(answers.map(dated), [false, false, true, true]);
}

#[test]
fn a_sample_may_be_ninety_seconds_ahead_of_its_answer_and_no_more() {
    let ahead = |lead| {
        judge(Reading {
            answered_at: Some(NOW.minus(ms(1000))),
            newest_sample: Some(NOW.minus(ms(1000)).plus(lead)),
            ..reading(1.0)
        })
    };
    let sample = ahead(ms(90_000)).known().copied();
    assert_eq!(sample.and_then(|sample| sample.measured_at), Some(NOW));
    assert!(is_skewed(ahead(ms(90_001))));
}

#[test]
fn age_is_counted_on_the_clock_of_the_source() {
    // The source's clock is two minutes ahead, its sample 60 s old.
    let answered_at = NOW.plus(ms(120_000));
    let aged = |age| {
        judge(Reading {
            answered_at: Some(answered_at),
            newest_sample: Some(answered_at.minus(age)),
            ..reading(1.0)
        })
    };
    let Observation::Fresh(sample) = aged(ms(60_000)) else {
        panic!("{:?}", aged(ms(60_000)));
    };
    assert_eq!(sample.measured_at, Some(NOW.minus(ms(60_000))));
    let late = ms(60_001);
    assert!(matches!(aged(late), Observation::Stale { age, .. } if age == late));
}

#[test]
fn an_unknown_age_counts_as_fresh_and_stays_unknown() {
    let Observation::Fresh(sample) = judge(reading(1.0)) else {
        panic!("{:?}", judge(reading(1.0)));
    };
    assert_eq!(sample.measured_at, None);
}

#[test]
fn four_fifths_of_what_was_meant_have_to_take_part() {
    let is_partial = |replicas, window, readiness| {
        let answer = Ok(Reading {
            coverage: Coverage { replicas, window },
            ..reading(1.0)
        });
        let judged = Observation::judge(answer, FRESHNESS, Replicas::new(10), readiness, NOW);
        matches!(judged, Observation::Partial(_))
    };
    let known = Readiness::Known {
        ready: Replicas::new(5),
        longest_unready: None,
    };
    let none = Readiness::Known {
        ready: Replicas::ZERO,
        longest_unready: None,
    };
    // Five are ready; ten are wanted.
    for (replicas, window, readiness, partial) in [
        (Some(4.0), None, known, false),
        (Some(3.9), None, known, true),
        (Some(f64::NAN), None, known, true),
        (Some(8.0), None, Readiness::Unknown, false),
        (Some(7.9), None, Readiness::Unknown, true),
        (None, Some(0.8), known, false),
        (None, Some(0.79), known, true),
        (Some(5.0), Some(0.79), known, true),
        (None, None, known, false),
        (Some(0.0), None, none, true),
        (Some(8.0), None, none, false),
    ] {
        assert_eq!(
            is_partial(replicas, window, readiness),
            partial,
            "{replicas:?} {window:?} {readiness:?}"
        );
    }
}

#[test]
fn what_nobody_asked_for_is_missing() {
    let seen: Observations = [judge(reading(1.0))].into_iter().collect();
    assert_eq!(seen.get(0), judge(reading(1.0)));
    let cause = MissingCause::NotAsked;
    assert_eq!(seen.get(1), Observation::Missing { cause });
}
