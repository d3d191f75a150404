use proptest::prelude::*;

use super::*;

const STEP: Duration = Duration::from_secs(15);

/// The values of a series that stops, as one text; the first three of one that goes on.
fn expanded(text: &str) -> String {
    let series = parse(text, STEP).unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
    let points = (0..series.steps().unwrap_or(3)).map(|index| match series.at(index).unwrap() {
        Point::Value(value) => value.to_string(),
        Point::Stale => "stale".to_owned(),
        Point::Missing => "_".to_owned(),
        Point::Failed => "error".to_owned(),
    });
    let end = if series.steps().is_some() { "" } else { " ..." };
    points.collect::<Vec<_>>().join(" ") + end
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(expanded(text), expected, "{text}");
}

#[track_caller]
fn refused(text: &str, at: &str, error: &str) {
    let problems = parse(text, STEP).expect_err(text);
    assert_eq!(problems.len(), 1, "{text}: {problems:?}");
    let problem = &problems[0];
    assert_eq!(&text[problem.span.clone()], at, "{text}");
    assert_eq!(problem.error.to_string(), error, "{text}");
}

#[test]
fn series_are_written_as_for_promtool() {
    check("errorx2 error 1", "error error error 1");
    check("-2+4x3", "-2 2 6 10");
    check(" 1-2x4", "1 -1 -3 -5 -7");
    check(" 1x4", "1 1 1 1 1");
    check(" 1 _x3 stale", "1 _ _ _ stale");
    check("0+10x4 5x0", "0 10 20 30 40 5");
    check(
        "NaN inf +Inf -INF 1e3 .5 5. 2e-1 1E+2x1",
        "NaN inf inf -inf 1000 0.5 5 0.2 100 100",
    );
    check("1e+1+1e1x2", "10 20 30");
}

#[test]
fn a_count_may_be_a_span_of_time() {
    check("5x1m", "5 5 5 5 5");
    check("5x1m 7", "5 5 5 5 7");
    check("1x30s _x30s 2x0", "1 1 _ _ 2");
    check("0+1x30s _x30s", "0 1 _ _ _");
    check("0+1x30s", "0 1 2");
    check("0+1x30s ...", "0 1 2 ...");
    refused(
        "1 5x50s",
        "5x50s",
        "`50s` is not a multiple of 15s, the distance of values",
    );
}

#[test]
fn a_single_value_holds_throughout_and_dots_go_on() {
    check("70%", "0.7 0.7 0.7 ...");
    check("_", "_ _ _ ...");
    check("1 2 ...", "1 2 2 ...");
    check("0+1x5 …", "0 1 2 ...");
    check("5x0", "5");
}

#[test]
fn numbers_have_the_units_of_the_configuration() {
    check(
        "70%x1 400ms 2s 10%+20%x1",
        "0.7 0.7 0.4 2 0.1 0.30000000000000004",
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    refused("", "", "there is no value");
    refused("1 many 2", "many", "`many` is not a value");
    refused("1 2y3", "2y3", "`2y3` is not a value");
    refused("0+10", "0+10", "`0+10` does not say how many values it is for");
    refused("_+1x3", "_+1x3", "`_+1` cannot rise or fall: it is no number");
    refused("1 1x", "1x", "`` is not a number of values");
    refused("1x-3", "1x-3", "`-3` is not a number of values");
    refused("1x2x3", "1x2x3", "`2x3` is not a number of values");
    refused("_x0", "_x0", "`_x0` is nothing at all");
    refused("5x0s 1", "5x0s", "`5x0s` is nothing at all");
    refused("... 1", "...", "`...` stands at the end, after a value");
    refused("1e999", "1e999", "`1e999` is larger than any number");
    refused(
        "1e308+1e308x9",
        "1e308+1e308x9",
        "`1e308+1e308` is larger than any number",
    );
    refused(
        "_ stale",
        "stale",
        "`stale` has no value before it that could be too old",
    );
    let both = parse("one 2 three", STEP).unwrap_err();
    assert_eq!(both.len(), 2, "all problems at once: {both:?}");
}

#[test]
fn no_series_is_longer_than_a_week_of_passes() {
    let too_many = "this would be more than 50000 values";
    let long = "0x99999999999999999999999999";
    refused("0x999999999", "0x999999999", too_many);
    refused(long, long, too_many);
    refused("1 0x365d", "0x365d", too_many);
    refused("0x49999 1x49998", "1x49998", too_many);
    assert!(parse("0x49999 ...", STEP).is_ok());
}

/// Pieces of the notation, right and wrong, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "x", "_", "stale", "error", "NaN", "-inf", "...", "…", " ", " ", " ", "+", "-", "%", "ms", "5m", "e",
        ".",
    ];
    let piece = prop_oneof![
        proptest::sample::select(words.to_vec()).prop_map(str::to_owned),
        any::<u64>().prop_map(|number| number.to_string()),
        (0_u32..60).prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| number.to_string()),
        "\\PC{0,3}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_a_series_or_has_problems_with_places(
        text in prop_oneof![pieces(), any::<String>()],
        millis in 1_u64..4_000_000_000,
    ) {
        match parse(&text, Duration::from_millis(millis)) {
            Ok(series) => {
                let steps = series.steps().unwrap_or(MOST_VALUES);
                prop_assert!((1..=MOST_VALUES + 1).contains(&steps));
                for index in [0, 1, steps / 2, steps - 1] {
                    prop_assert!(series.at(index).is_some() || index >= steps);
                }
                prop_assert!(series.steps().is_none() || series.at(steps).is_none());
            }
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
                    prop_assert!(!problem.error.to_string().is_empty());
                    prop_assert!(!problem.error.help().is_empty());
                }
            }
        }
    }

    #[test]
    fn numbers_are_read_as_they_were(values in proptest::collection::vec(any::<f64>(), 2..20)) {
        let text: Vec<String> = values.iter().map(f64::to_string).collect();
        let series = parse(&text.join("  "), STEP).unwrap();
        for (index, value) in values.iter().enumerate() {
            let Some(Point::Value(read)) = series.at(index) else { panic!("{value}") };
            prop_assert!(read == *value || (read.is_nan() && value.is_nan()));
        }
    }
}
