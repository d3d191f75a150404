use super::*;
use crate::exposition::{Entry, Exposition, Format};

const WAIT: Duration = Duration::from_secs(120);

fn samples(text: &str, now: Timestamp) -> Samples {
    let mut exposition = Exposition::new(text.as_bytes(), Format::Prometheus);
    let mut samples = Samples::default();
    while let Some(entry) = exposition.next_entry().unwrap() {
        if let Entry::Sample(sample) = entry {
            samples.add(&sample, now);
        }
    }
    samples
}

fn key(replica: &str, rate_over: u64) -> TrackKey {
    TrackKey {
        page: PageKey {
            replica: replica.into(),
            base_url: "http://127.0.0.1:1".into(),
            path: "/metrics".into(),
        },
        series: "a".into(),
        rate_over: Duration::from_secs(rate_over),
    }
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_unix_millis(1_000_000_000_000).plus(Duration::from_secs_f64(seconds))
}

/// One replica, read again and again, with a window of ten seconds.
#[derive(Default)]
struct Replica(Readings);

impl Replica {
    fn read(&mut self, seconds: f64, text: &str) -> Rated {
        self.read_within(seconds, text, WAIT)
    }

    fn read_within(&mut self, seconds: f64, text: &str, longest: Duration) -> Rated {
        let now = at(seconds);
        self.0
            .record(key("r", 10), &samples(text, now), now, longest)
            .unwrap()
    }
}

#[track_caller]
fn check(rated: Rated, expected: Option<f64>) {
    match (rated, expected) {
        (Rated::NotYet, None) => {}
        (Rated::Rate { per_second, .. }, Some(expected)) if (per_second - expected).abs() < 1e-9 => {}
        (Rated::NotYet | Rated::Rate { .. }, _) => panic!("{rated:?} is not {expected:?}"),
    }
}

#[test]
fn a_rate_needs_two_readings_about_a_window_apart() {
    let mut replica = Replica::default();
    check(replica.read(0.0, "a 100"), None);
    check(replica.read(4.0, "a 120"), None);
    check(replica.read(10.0, "a 150"), Some(5.0));
}

#[test]
fn half_a_window_gives_a_rate_that_says_so() {
    let mut replica = Replica::default();
    replica.read(0.0, "a 0");
    let rated = replica.read(6.0, "a 60");
    assert_eq!(
        rated,
        Rated::Rate {
            per_second: 10.0,
            at: at(6.0),
            window: 0.6
        }
    );
    assert!(!rated.is_whole());
    assert!(replica.read(8.0, "a 80").is_whole());
}

/// Whatever the spacing, once there is a rate there is one in every pass, over 0.8 to 2.4 windows.
#[test]
fn passes_of_any_spacing_have_a_rate_each_time() {
    for spacing in [
        0.1, 0.5, 1.0, 3.0, 4.9, 6.5, 8.0, 9.7, 10.0, 15.0, 19.0, 60.0, 110.0,
    ] {
        let mut replica = Replica::default();
        let mut seen_at = Vec::new();
        for pass in 0..200 {
            let seconds = f64::from(pass) * spacing;
            // The counter tells the time since its base: the square grows at twice the middle of the span.
            let text = format!("a {}", seconds * seconds);
            let rated = replica.read(seconds, &text);
            if seconds < f64::max(8.0, spacing) {
                continue;
            }
            let Rated::Rate {
                per_second, window, ..
            } = rated
            else {
                panic!("no rate at {seconds} with passes {spacing} apart");
            };
            let span = 2.0 * seconds - per_second;
            assert!(span > 7.99, "{span} at {seconds} with passes {spacing} apart");
            assert!(
                span < f64::max(24.1, spacing + 0.01),
                "{span} with passes {spacing} apart"
            );
            assert!(window >= 0.79, "{window}");
            seen_at.push(seconds);
        }
        assert!(seen_at.len() > 2);
    }
}

#[test]
fn a_counter_that_starts_anew_is_noticed_between_the_ends_of_the_window() {
    let mut replica = Replica::default();
    replica.read(0.0, "a 100");
    replica.read(3.0, "a 130");
    // 5 since the restart, which the ends, 100 and 110, do not show.
    replica.read(6.0, "a 5");
    check(replica.read(10.0, "a 110"), Some((30.0 + 5.0 + 105.0) / 10.0));
}

#[test]
fn each_series_is_looked_at_alone() {
    let mut replica = Replica::default();
    replica.read(0.0, "a{b=\"1\"} 100\na{b=\"2\"} 100");
    // The first started anew; the sum alone would have grown by 10.
    check(replica.read(10.0, "a{b=\"1\"} 10\na{b=\"2\"} 200"), Some(11.0));
}

#[test]
fn a_series_that_appears_started_at_zero_since() {
    let mut replica = Replica::default();
    replica.read(0.0, "a{b=\"1\"} 100");
    check(replica.read(10.0, "a{b=\"1\"} 100\na{b=\"2\"} 20"), Some(2.0));
    let mut fresh = Replica::default();
    fresh.read(0.0, "");
    check(fresh.read(10.0, "a 20"), Some(2.0));
}

#[test]
fn readings_too_far_apart_give_no_rate() {
    let mut once = Replica::default();
    once.read_within(0.0, "a 0", Duration::ZERO);
    check(once.read_within(20.0, "a 100", Duration::ZERO), None);
    check(once.read_within(30.0, "a 200", Duration::ZERO), Some(10.0));
    check(once.read_within(49.9, "a 399", Duration::ZERO), Some(10.0));
    let mut pass = Replica::default();
    pass.read(0.0, "a 0");
    check(pass.read(119.0, "a 1190"), Some(10.0));
    check(pass.read(300.0, "a 3000"), None);
}

#[test]
fn a_clock_that_went_back_starts_anew() {
    let mut replica = Replica::default();
    replica.read(0.0, "a 0");
    replica.read(10.0, "a 100");
    check(replica.read(5.0, "a 150"), None);
    check(replica.read(15.0, "a 250"), Some(10.0));
}

#[test]
fn a_text_with_timestamps_is_no_new_reading_before_they_move() {
    let mut replica = Replica::default();
    let text = |value: u32, seconds: f64| format!("a {value} {}", at(seconds).unix_millis());
    check(replica.read(0.0, &text(0, 0.0)), None);
    check(replica.read(10.0, &text(0, 0.0)), None);
    let rated = replica.read(12.0, &text(100, 10.0));
    assert_eq!(
        rated,
        Rated::Rate {
            per_second: 10.0,
            at: at(10.0),
            window: 1.0
        }
    );
    assert_eq!(replica.read(13.0, &text(100, 10.0)), rated);
    // A value that changes without its time is not believed.
    assert_eq!(replica.read(14.0, &text(150, 10.0)), rated);
}

#[test]
fn what_no_counter_can_be_is_refused() {
    let mut replica = Replica::default();
    let now = at(0.0);
    for value in ["NaN", "+Inf"] {
        let samples = samples(&format!("a 1\na{{b=\"c\"}} {value}"), now);
        let refusal = replica.0.record(key("r", 10), &samples, now, WAIT);
        assert!(matches!(refusal, Err(Lost::NotACounter { .. })), "{refusal:?}");
    }
}

#[test]
fn restored_readings_give_the_same_rates_bit_for_bit() {
    let mut replica = Replica::default();
    for pass in 0..30 {
        let seconds = f64::from(pass) * 0.7;
        replica.read(
            seconds,
            &format!("a{{b=\"1\"}} {}\na {}", seconds * 0.1, seconds / 3.0),
        );
    }
    let json = serde_json::to_string(&replica.0.export()).unwrap();
    let mut restored = Replica::default();
    restored.0.restore(serde_json::from_str(&json).unwrap()).unwrap();
    assert_eq!(restored.0.export(), replica.0.export());
    for pass in 30..60 {
        let seconds = f64::from(pass) * 0.7;
        let text = format!("a{{b=\"1\"}} {}\na {}", seconds * 0.1, seconds / 3.0);
        let (kept, again) = (replica.read(seconds, &text), restored.read(seconds, &text));
        assert_eq!(kept, again);
        assert!(matches!(kept, Rated::Rate { .. }));
    }
}

#[test]
fn readings_of_another_version_are_refused_and_those_here_stay() {
    let mut replica = Replica::default();
    replica.read(0.0, "a 1");
    let stored = ScrapeReadings {
        version: VERSION + 1,
        tracks: Vec::new(),
    };
    let refusal = replica.0.restore(stored);
    assert_eq!(refusal, Err(ReadingsVersionError { found: VERSION + 1 }));
    assert_eq!(replica.0.tracks.len(), 1);
}

#[test]
fn what_is_too_old_to_give_a_rate_goes() {
    let mut readings = Readings::default();
    for (replica, seconds) in [("old", 0.0), ("new", 100.0)] {
        let now = at(seconds);
        readings
            .record(key(replica, 10), &samples("a 1", now), now, WAIT)
            .unwrap();
    }
    readings.prune(at(119.0), WAIT);
    assert_eq!(readings.tracks.len(), 2);
    readings.prune(at(120.0), WAIT);
    let left: Vec<&str> = readings.tracks.keys().map(|key| &*key.page.replica).collect();
    assert_eq!((left, readings.series), (vec!["new"], 1));
    // The clock was set to the past: nothing here will ever be of use again.
    readings.prune(at(0.0).minus(WAIT), WAIT);
    assert!(readings.export().is_empty());
}

fn many(series: usize) -> String {
    (0..series).fold(String::new(), |text, index| {
        text + &format!("a{{b=\"{index}\"}} 1\n")
    })
}

#[test]
fn series_are_limited_for_a_replica_and_in_all() {
    let now = at(0.0);
    let mut readings = Readings::default();
    let too_many = samples(&many(MAX_SERIES_OF_REPLICA + 1), now);
    let refusal = readings.record(key("r", 10), &too_many, now, WAIT);
    assert!(matches!(refusal, Err(Lost::TooManySeries { .. })));
    let most = samples(&many(MAX_SERIES_OF_REPLICA), now);
    for replica in 0..MAX_SERIES / MAX_SERIES_OF_REPLICA {
        readings
            .record(key(&replica.to_string(), 10), &most, now, WAIT)
            .unwrap();
    }
    let one_more = samples("a 1", now);
    let refusal = readings.record(key("r", 10), &one_more, now, WAIT);
    assert!(matches!(refusal, Err(Lost::NoRoom { .. })));
    // Those that have their place go on.
    let later = at(10.0);
    let rated = readings.record(
        key("0", 10),
        &samples(&many(MAX_SERIES_OF_REPLICA), later),
        later,
        WAIT,
    );
    check(rated.unwrap(), Some(0.0));
    assert_eq!(readings.series, MAX_SERIES);
}

#[test]
fn series_that_come_and_go_do_not_pile_up() {
    let mut replica = Replica::default();
    for pass in 0..200 {
        replica.read(f64::from(pass), &format!("a{{b=\"{pass}\"}} 1"));
    }
    assert!(replica.0.series <= 20, "{}", replica.0.series);
}
