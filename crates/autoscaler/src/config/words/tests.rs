use proptest::prelude::*;

use super::*;

#[track_caller]
fn spans(text: &str, millis: u64) {
    assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
}

#[test]
fn reads_durations_as_prometheus_writes_them() {
    spans("0s", 0);
    spans("500ms", 500);
    spans("15s", 15_000);
    spans("5m", 300_000);
    spans("1h30m", 5_400_000);
    spans("7d", 7 * 24 * 3_600_000);
    spans("1w1d1h1m1s1ms", 694_861_001);
}

#[test]
fn refuses_what_is_no_duration() {
    for text in [
        "", "5", "m", "5 m", "-5m", "1.5s", "5min", "30m1h", "1m1m", "5M", "٥m", "5m ",
    ] {
        assert!(
            matches!(duration(text), Err(WordError::Duration { .. })),
            "{text:?}"
        );
    }
    for text in ["367d", "99999999999999999999s", "18446744073709551615w"] {
        assert!(
            matches!(duration(text), Err(WordError::TooLong { .. })),
            "{text:?}"
        );
    }
}

#[test]
fn reads_percentages_and_amounts() {
    assert_eq!(percentage("70%"), Ok(0.7));
    assert_eq!(percentage("12.5 %"), Ok(0.125));
    for text in ["70", "", "%", "-1%", "1e2%", "inf%", "NaN%", "+5%", "5%%"] {
        assert!(percentage(text).is_err(), "{text:?}");
    }
    assert_eq!(amount("2s"), Ok(2.0));
    assert_eq!(amount("250ms"), Ok(0.25));
    assert_eq!(amount("80%"), Ok(0.8));
    assert_eq!(amount("100"), Ok(100.0));
    assert!(amount("fast").is_err());
}

#[test]
fn reads_sizes() {
    assert_eq!(size("200MB"), Ok(200_000_000));
    assert_eq!(size("1 GiB"), Ok(1 << 30));
    for text in [
        "200",
        "MB",
        "-1MB",
        "1TB",
        "99999999999999999999B",
        "99999999999999GB",
    ] {
        assert!(size(text).is_err(), "{text:?}");
    }
}

#[test]
fn reads_change_limits() {
    let limit = change("4 per 15s").unwrap();
    assert_eq!(
        (limit.amount(), limit.period()),
        (ChangeAmount::Replicas(4), Duration::from_secs(15))
    );
    let limit = change("100% per 1m").unwrap();
    assert_eq!(
        (limit.amount(), limit.period()),
        (ChangeAmount::Percent(100), Duration::from_secs(60))
    );
    for text in [
        "4",
        "4 per",
        "per 15s",
        "-4 per 15s",
        "1.5% per 15s",
        "0 per 15s",
        "4 per 31m",
        "4 per 0s",
    ] {
        assert!(change(text).is_err(), "{text:?}");
    }
}

#[test]
fn two_ways_of_writing_one_target_are_equal() {
    let one = target("deployment/api").unwrap();
    for text in ["deploy/api", "Deployments/api", "deployments.apps/api"] {
        assert_eq!(target(text), Ok(one.clone()), "{text}");
    }
    assert_ne!(target("deployment.example.com/api").unwrap(), one);
    assert_eq!(target("deployments.v1.apps/api"), Ok(one));
    let rollout = target("rollout.v1alpha1.argoproj.io/api").unwrap();
    assert_eq!(rollout.version.as_deref(), Some("v1alpha1"));
    assert_eq!(rollout.group.as_deref(), Some("argoproj.io"));
    // Groups whose first part is no version, however much it looks like one.
    for group in ["vault.io", "v.io", "valpha1.io", "v1gamma1.io", "v1alpha.io"] {
        let words = target(&format!("thing.{group}/api")).unwrap();
        assert_eq!((words.version, words.group.as_deref()), (None, Some(group)));
    }
    for text in [
        "",
        "api",
        "/api",
        "deployment/",
        "deployment/A",
        "de ploy/api",
        "deployment./api",
        "a/b/c",
    ] {
        assert!(target(text).is_err(), "{text:?}");
    }
}

#[test]
fn reads_urls_of_servers() {
    assert_eq!(
        url("http://prometheus:9090/"),
        Ok("http://prometheus:9090".to_owned())
    );
    assert_eq!(
        url("https://[::1]:9090/prom"),
        Ok("https://[::1]:9090/prom".to_owned())
    );
    for text in [
        "prometheus:9090",
        "http://",
        "http://:9090",
        "http://a:0",
        "http://a:99999",
        "http://a b",
        "http://a?x=1",
        "http://[zz]:1",
        "ftp://a",
    ] {
        assert!(url(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_password_in_a_url_is_not_repeated() {
    let error = url("http://me:hunter2@prometheus:9090").unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

proptest! {
    #[test]
    fn parsers_are_total(text in ".*") {
        let _ = (duration(&text), percentage(&text), amount(&text), size(&text), change(&text), target(&text));
        let _ = (url(&text), url(&format!("http://{text}")), text.parse::<headroom_policy_engine::WorkloadId>());
    }

    #[test]
    fn near_misses_are_no_panic(text in "[0-9]{0,25}(ms|s|m|h|d|w|%| per |/|\\.|é)?[0-9]{0,25}[a-z%]{0,3}") {
        let _ = (duration(&text), percentage(&text), amount(&text), size(&text), change(&text), target(&text));
    }

    #[test]
    fn a_duration_is_read_back(millis in 0u64..31_000_000_000) {
        let span = Duration::from_millis(millis);
        prop_assert_eq!(duration(&duration_text(span)), Ok(span));
    }
}
