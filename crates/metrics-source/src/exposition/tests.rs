use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_unix_millis(1_000_000);

fn read(text: &[u8], format: Format) -> Result<Samples, ExpositionError> {
    let mut exposition = Exposition::new(text, format);
    let mut samples = Samples::default();
    while let Some(entry) = exposition.next_entry()? {
        if let Entry::Sample(sample) = entry {
            samples.add(&sample, NOW);
        }
    }
    Ok(samples)
}

#[track_caller]
fn check_as(format: Format, text: &str, expected: &[(&str, f64)]) {
    let samples = read(text.as_bytes(), format).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let got: Vec<(&str, f64)> = samples
        .iter()
        .map(|(series, measured)| (series, measured.value))
        .collect();
    // Compared as text, where NaN is NaN.
    assert_eq!(format!("{got:?}"), format!("{expected:?}"), "{text:?}");
}

#[track_caller]
fn check(text: &str, expected: &[(&str, f64)]) {
    check_as(Format::Prometheus, text, expected);
}

#[track_caller]
fn check_refused_as(format: Format, text: &[u8], line: usize, flaw: Flaw) {
    let error = read(text, format).expect_err(&String::from_utf8_lossy(text));
    assert_eq!((error.line, error.flaw), (line, flaw), "{error}");
}

#[track_caller]
fn check_refused(text: &str, line: usize, flaw: Flaw) {
    check_refused_as(Format::Prometheus, text.as_bytes(), line, flaw);
}

#[test]
fn reads_what_other_parsers_lose() {
    check(
        "devtrip:active_users_total{path=\"/a{b}\"} 7\n",
        &[("devtrip:active_users_total{path=\"/a{b}\"}", 7.0)],
    );
    check(
        "a{b=\"}\",c=\"x,y=\\\"z\"} 1",
        &[("a{b=\"}\",c=\"x,y=\\\"z\"}", 1.0)],
    );
    check("a{b=\"# {\"} 1 2", &[("a{b=\"# {\"}", 1.0)]);
}

#[test]
fn reads_names_in_quotes() {
    check("{\"a.b\",c=\"d\"} 1", &[("{\"a.b\",c=\"d\"}", 1.0)]);
    check("{c=\"d\", \"a.b\"} 1", &[("{\"a.b\",c=\"d\"}", 1.0)]);
    check("{\"plain\"} 1", &[("plain", 1.0)]);
    check("a{\"la.bel\"=\"x\"} 1", &[("a{\"la.bel\"=\"x\"}", 1.0)]);
}

#[test]
fn escapes_are_the_three_of_the_format() {
    check(
        r#"a{b="\\ \" \n \t \x"} 1"#,
        &[(r#"a{b="\\ \" \n \\t \\x"}"#, 1.0)],
    );
    check("a{b=\"one\ntwo\"} 1", &[(r#"a{b="one\ntwo"}"#, 1.0)]);
}

#[test]
fn white_space_and_commas_are_free_where_prometheus_has_them_free() {
    check(
        "  a \t{ b = \"c\" , } \t 1 \t 5 \n\n\t\nd 2",
        &[("a{b=\"c\"}", 1.0), ("d", 2.0)],
    );
    check("a{b=\"c\"d=\"e\"} 1", &[("a{b=\"c\",d=\"e\"}", 1.0)]);
    check("a{} 1", &[("a", 1.0)]);
    check("a{b=\"c\"}1", &[("a{b=\"c\"}", 1.0)]);
}

#[test]
fn reads_numbers_as_go_does() {
    check(
        "a +Inf\nb -inf\nc NaN\nd nan\ne 1e3\nf .5\ng 5.\nh +1\ni -0\nj Infinity\n",
        &[
            ("a", f64::INFINITY),
            ("b", f64::NEG_INFINITY),
            ("c", f64::NAN),
            ("d", f64::NAN),
            ("e", 1000.0),
            ("f", 0.5),
            ("g", 5.0),
            ("h", 1.0),
            ("i", -0.0),
            ("j", f64::INFINITY),
        ],
    );
    for number in [
        "1e999", "-1e999", "+NaN", "-nan", "0x10", "0x1p3", "1_000", ".", "1e", "1,5", "١",
    ] {
        check_refused(&format!("a 1\nb {number}\n"), 2, Flaw::NotANumber);
    }
}

#[test]
fn a_line_that_does_not_parse_refuses_the_text() {
    let cases = [
        ("a 1\nb\n", 2, Flaw::NotANumber),
        ("a 1\nb{c=\"d} 1\n", 3, Flaw::Expected("the closing quote")),
        ("a 1\n\nb{c=d} 1\n", 3, Flaw::Expected("a text in quotes")),
        ("b{c\"d\"} 1\n", 1, Flaw::Expected("`=`")),
        ("b{,c=\"d\"} 1\n", 1, Flaw::Expected("a label's name")),
        ("b{c=\"d\",,} 1\n", 1, Flaw::Expected("a label's name")),
        ("b{1c=\"d\"} 1\n", 1, Flaw::Expected("a label's name")),
        ("1b 1\n", 1, Flaw::Expected("a metric's name, `{` or `#`")),
        ("<html>\n", 1, Flaw::Expected("a metric's name, `{` or `#`")),
        ("{c=\"d\"} 1\n", 1, Flaw::NoName),
        ("{} 1\n", 1, Flaw::NoName),
        ("{\"\"} 1\n", 1, Flaw::NoName),
        ("a{\"b\"} 1\n", 1, Flaw::NameTwice),
        ("{\"a\",\"b\"} 1\n", 1, Flaw::NameTwice),
        ("a{b=\"1\",b=\"2\"} 1\n", 1, Flaw::LabelTwice),
        ("a{__name__=\"b\"} 1\n", 1, Flaw::LabelTwice),
        ("a 1 2 3\n", 1, Flaw::Expected("the end of the line")),
        ("a 1 -2\n", 1, Flaw::Expected("the end of the line")),
        ("a 1 99999999999999999999\n", 1, Flaw::NotATime),
        ("a 1 # {b=\"c\"} 1\n", 1, Flaw::Expected("the end of the line")),
        ("# TYPE a thing\n", 1, Flaw::UnknownType),
        ("# TYPE a counter \n", 1, Flaw::UnknownType),
        ("# TYPE a\n", 1, Flaw::UnknownType),
        ("# TYPE 1 counter\n", 1, Flaw::Expected("a metric's name")),
    ];
    for (text, line, flaw) in cases {
        check_refused(text, line, flaw);
    }
}

#[test]
fn a_carriage_return_is_refused_as_prometheus_refuses_it() {
    check_refused("a 1\r\n", 1, Flaw::NotANumber);
    check_refused("# TYPE a counter\r\na 1\n", 1, Flaw::UnknownType);
    check_refused("\r\n", 1, Flaw::Expected("a metric's name, `{` or `#`"));
    check("# HELP a text\r\n# comment\r\na 1\n", &[("a", 1.0)]);
}

#[test]
fn what_is_not_utf8_is_refused() {
    check_refused_as(Format::Prometheus, b"a{b=\"\xff\"} 1\n", 1, Flaw::NotUtf8);
    check_refused_as(Format::Prometheus, b"{\"\xff\"} 1\n", 1, Flaw::NotUtf8);
    check_refused_as(Format::Prometheus, b"# HELP a \xff\n", 1, Flaw::NotUtf8);
    assert!(read(b"# \xff\na 1\n", Format::Prometheus).is_ok());
}

#[test]
fn comments_say_nothing() {
    check(
        "#\n# \n#HELP\n# HELPING 1\n# TYPES x\n# EOF\na 1\n# a 2",
        &[("a", 1.0)],
    );
}

#[test]
fn types_are_told() {
    let mut exposition = Exposition::new(b"# TYPE a counter\n# TYPE \"b.c\" untyped\n", Format::Prometheus);
    let counter = Entry::Type {
        name: "a",
        kind: MetricKind::Counter,
    };
    assert_eq!(exposition.next_entry(), Ok(Some(counter)));
    let untyped = Entry::Type {
        name: "b.c",
        kind: MetricKind::Unknown,
    };
    assert_eq!(exposition.next_entry(), Ok(Some(untyped)));
    assert_eq!(exposition.next_entry(), Ok(None));
}

#[test]
fn bounds_of_buckets_have_one_spelling() {
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"1.0\"} 2\nh_bucket{le=\"1e6\"} 3\nh_bucket{le=\"0.00001\"} 4\nh_bucket{le=\"+inf\"} 5\nh_bucket{le=\"x\"} 6\n",
        &[
            ("h_bucket{le=\"+Inf\"}", 5.0),
            ("h_bucket{le=\"1.0\"}", 1.0),
            ("h_bucket{le=\"1e+06\"}", 3.0),
            ("h_bucket{le=\"1e-05\"}", 4.0),
            ("h_bucket{le=\"x\"}", 6.0),
        ],
    );
    check(
        "# TYPE s summary\ns{quantile=\"0.50\"} 1\n",
        &[("s{quantile=\"0.5\"}", 1.0)],
    );
    check("# TYPE g gauge\ng{le=\"1\"} 1\n", &[("g{le=\"1\"}", 1.0)]);
}

#[test]
fn of_a_series_that_stands_there_twice_the_first_stays_and_the_newest() {
    check(
        "a{b=\"1\",c=\"2\"} 1\na{c=\"2\",b=\"1\"} 2\n",
        &[("a{b=\"1\",c=\"2\"}", 1.0)],
    );
    check("a 1 10\na 2 20\na 3 15\na 4\n", &[("a", 2.0)]);
    check("a{b=\"\"} 1\na 2\n", &[("a", 1.0)]);
}

#[test]
fn open_metrics_has_exemplars_and_an_end() {
    check_as(
        Format::OpenMetrics,
        "# HELP a h\n# TYPE a counter\n# UNIT a_seconds seconds\na_total 1 # {t=\"x\"} 0.5 1.5\na_total{b=\"c\"} 2 1.5 # {} 1\n# EOF\n",
        &[("a_total", 1.0), ("a_total{b=\"c\"}", 2.0)],
    );
    check_as(Format::OpenMetrics, "a 1 1.25\n# EOF", &[("a", 1.0)]);
}

#[test]
fn open_metrics_is_strict() {
    let cases = [
        ("a 1\n", 2, Flaw::NoEof),
        ("a 1", 1, Flaw::NoEof),
        ("# EOF\na 1\n", 2, Flaw::AfterEof),
        ("\n# EOF\n", 1, Flaw::Expected("a metric's name, `{` or `#`")),
        (
            "# a comment\n# EOF\n",
            1,
            Flaw::Expected("# HELP, # TYPE, # UNIT or # EOF"),
        ),
        ("a  1\n# EOF\n", 1, Flaw::Expected("a space and a value")),
        ("a 1 \n# EOF\n", 1, Flaw::Expected("a timestamp")),
        ("a 1 NaN\n# EOF\n", 1, Flaw::NotATime),
        ("a{b=\"c\"d=\"e\"} 1\n# EOF\n", 1, Flaw::Expected("`,` or `}`")),
        ("a{b=\"c\nd\"} 1\n# EOF\n", 1, Flaw::Expected("the closing quote")),
        (
            "a 1 # {b=\"c\"}\n# EOF\n",
            1,
            Flaw::Expected("the exemplar's value"),
        ),
        ("a 1 # {\"b\"} 1\n# EOF\n", 1, Flaw::Expected("`=`")),
        ("# UNIT a seconds\n# EOF\n", 1, Flaw::UnitNotInName),
        ("# TYPE a untyped\n# EOF\n", 1, Flaw::UnknownType),
    ];
    for (text, line, flaw) in cases {
        check_refused_as(Format::OpenMetrics, text.as_bytes(), line, flaw);
    }
}

#[test]
fn a_line_without_end_is_refused() {
    let long = format!("a 1\nb{{c=\"{}\"}} 1\n", "x".repeat(MAX_LINE));
    check_refused(&long, 2, Flaw::LineTooLong { limit: MAX_LINE });
}

#[test]
fn an_error_names_the_line_and_shows_its_start() {
    let error = read(b"a 1\nb one\n", Format::Prometheus).unwrap_err();
    assert_eq!(error.to_string(), "line 2: the value is not a number: \"b one\"");
}

fn label_value() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![any::<char>(), Just('"'), Just('\\'), Just('\n'), Just('}')],
        1..8,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        name in "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}|[a-z. é]{1,8}",
        labels in proptest::collection::btree_map("[a-z][a-z0-9_]{0,5}|[a-z.-]{1,5}", label_value(), 0..4),
        value in any::<f64>(),
    ) {
        let mut written: Vec<Label<'_>> = labels
            .iter()
            .map(|(name, value)| Label { name: name.into(), value: value.into() })
            .collect();
        written.push(Label { name: NAME.into(), value: name.as_str().into() });
        let mut series = String::new();
        samples::write_series(&mut series, &written).unwrap();
        let number = if value.is_nan() { "NaN".to_owned() } else { value.to_string() };
        let text = format!("{series} {number}\n");
        let open = format!("{text}# EOF\n");
        for (text, format) in [(&text, Format::Prometheus), (&open, Format::OpenMetrics)] {
            let samples = read(text.as_bytes(), format).unwrap();
            let all: Vec<_> = samples.iter().collect();
            prop_assert_eq!(all.len(), 1);
            prop_assert_eq!(all[0].0, &series);
            prop_assert!(all[0].1.value.to_bits() == value.to_bits() || value.is_nan());
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes, Format::Prometheus);
        let _ = read(&bytes, Format::OpenMetrics);
    }

    #[test]
    fn anything_that_looks_like_it_is_read_or_refused(text in "[a#{}\", =\\\\\n\t01.TYPEHLFO]{0,60}") {
        let _ = read(text.as_bytes(), Format::Prometheus);
        let _ = read(text.as_bytes(), Format::OpenMetrics);
    }
}
