use super::*;

/// The questions beside `query`: those for ages, and those for counts.
#[track_caller]
fn check(query: &str, ages: &[&str], counts: &[&str]) -> Plan {
    let plan = Plan::of(query);
    let got: Vec<&str> = plan.parts.iter().map(|part| &*part.age).collect();
    assert_eq!(got, ages, "{query}");
    let windows = plan.parts.iter().filter_map(|part| part.window.as_ref());
    let got: Vec<&str> = windows.map(|window| &*window.count).collect();
    assert_eq!(got, counts, "{query}");
    for question in ages.iter().chain(counts) {
        let parsed = promql_parser::parser::parse(question);
        assert!(parsed.is_ok(), "{question}: {parsed:?}");
    }
    plan
}

#[track_caller]
fn cannot_ask(query: &str, words: &str) {
    let plan = Plan::of(query);
    assert_eq!(plan.parts, [], "{query}");
    assert!(
        plan.unasked.iter().any(|remark| remark.contains(words)),
        "{query}: {:?}",
        plan.unasked
    );
}

#[test]
fn each_selector_is_asked_once() {
    check("sum(up)", &["max by (job) (timestamp(up))"], &[]);
    check(
        "sum(a{x=\"1\"}) / (sum(b) + scalar(a{x=\"1\"}))",
        &[
            "max by (job) (timestamp(a{x=\"1\"}))",
            "max by (job) (timestamp(b))",
        ],
        &[],
    );
    check(
        "quantile(scalar(q), v) > bool 3",
        &["max by (job) (timestamp(q))", "max by (job) (timestamp(v))"],
        &[],
    );
}

#[test]
fn a_range_is_also_asked_for_its_count() {
    let plan = check(
        r#"histogram_quantile(0.95, sum by (le) (rate(d_bucket{ns="shop",p=~"a|b"}[5m])))"#,
        &[r#"max by (job) (timestamp(d_bucket{ns="shop",p=~"a|b"}))"#],
        &[r#"max by (job) (count_over_time(d_bucket{ns="shop",p=~"a|b"}[5m]))"#],
    );
    let window = plan.parts[0].window.as_ref().unwrap();
    assert_eq!(window.length, Duration::from_mins(5));
    assert_eq!(window.spacing, Spacing::Scrapes);
}

#[test]
fn an_offset_is_asked_at_the_moment_it_looks_at() {
    let plan = check(
        "rate(x[90s] offset 1h) / rate(x[90s]) + y offset -1500ms",
        &[
            "max by (job) (timestamp(x offset 1h))",
            "max by (job) (timestamp(x))",
            "max by (job) (timestamp(y offset -1500ms))",
        ],
        &[
            "max by (job) (count_over_time(x[90s] offset 1h))",
            "max by (job) (count_over_time(x[90s]))",
        ],
    );
    let looks_back: Vec<i64> = plan.parts.iter().map(|part| part.looks_back).collect();
    assert_eq!(looks_back, [3_600_000, 0, -1500]);
}

#[test]
fn a_selector_in_a_subquery_is_asked_at_its_steps() {
    let plan = check(
        "max_over_time(sum(rate(x[1m] offset 10s))[10m:30s] offset 5m)",
        &["max by (job) (max_over_time(timestamp(x offset 10s)[10m:30s] offset 5m))"],
        &["max by (job) (count_over_time(timestamp(x offset 10s)[10m:30s] offset 5m))"],
    );
    assert_eq!(plan.parts[0].looks_back, 310_000);
    let window = plan.parts[0].window.as_ref().unwrap();
    assert_eq!(window.spacing, Spacing::Step(Duration::from_secs(30)));
    assert_eq!(plan.parts[0].late_age(None), None);
    // How far apart the steps are is the server's setting.
    check(
        "max_over_time(x[10m:])",
        &["max by (job) (max_over_time(timestamp(x)[10m:]))"],
        &[],
    );
}

#[test]
fn selectors_are_written_as_promql_reads_them() {
    check(
        r#"count({job="api"}) + {__name__=~"a|b",x="q\"\\\n"}"#,
        &[
            r#"max by (job) (timestamp({job="api"}))"#,
            r#"max by (job) (timestamp({__name__=~"a|b",x="q\"\\\n"}))"#,
        ],
        &[],
    );
    check(
        r#"devtrip:active_users_total + {"http.server/active",a="b"} + {"pod.label"="v","m.n"}"#,
        &[
            "max by (job) (timestamp(devtrip:active_users_total))",
            r#"max by (job) (timestamp({__name__="http.server/active",a="b"}))"#,
            r#"max by (job) (timestamp({"pod.label"="v",__name__="m.n"}))"#,
        ],
        &[],
    );
}

#[test]
fn what_has_no_age_to_ask_says_so() {
    cannot_ask("vector(1)", "reads no series");
    cannot_ask("time()", "reads no series");
    cannot_ask("x @ 1609746000", "@ fixes its time");
    cannot_ask("max_over_time(x[5m:] @ 1609746000)", "@ fixes its time");
    cannot_ask(
        "max_over_time(max_over_time(x[5m:1m])[1h:5m])",
        "a subquery in another",
    );
    cannot_ask("rate(x[5m] smoothed)", "cannot read");
    cannot_ask("sum(", "cannot read");
}

#[test]
fn at_the_end_is_now() {
    check(
        "x @ end() + y @ start()",
        &["max by (job) (timestamp(x))", "max by (job) (timestamp(y))"],
        &[],
    );
}

#[test]
fn the_last_sample_of_ended_series_is_looked_for_step_by_step() {
    let plan = Plan::of("rate(x[5m] offset 1h)");
    #[track_caller]
    fn late(plan: &Plan, interval: Option<u64>, expected: &str) {
        let asked = plan.parts[0]
            .late_age(interval.map(Duration::from_millis))
            .unwrap();
        assert_eq!(
            &*asked,
            format!("max by (job) (max_over_time(timestamp(x offset 1h){expected}))")
        );
    }
    late(&plan, Some(15_000), "[5m:15s]");
    late(&plan, None, "[5m:5s]");
    // Never more than some hundreds of steps.
    late(&plan, Some(1), "[5m:600ms]");
}

#[test]
fn a_window_is_full_with_one_sample_less_than_fit() {
    let plan = Plan::of("rate(x[2m])");
    let window = plan.parts[0].window.as_ref().unwrap();
    let share = |count| window.share(count, Duration::from_secs(15));
    assert_eq!(share(8.0), 1.0);
    assert_eq!(share(7.0), 1.0);
    assert!(share(5.0) < 0.8, "{}", share(5.0));
    assert_eq!(share(0.0), 0.0);
    // A window of one scrape is full with one sample, and a spacing of nothing divides nothing by zero.
    assert_eq!(window.share(1.0, Duration::from_secs(120)), 1.0);
    assert!(window.share(1.0, Duration::ZERO).is_finite());
}
