//! Quantities as Kubernetes writes them: `250m`, `1.5`, `64Mi`, `1e3`.

use headroom_policy_engine::Milli;

/// The thousandths that `text` says, rounded up as Kubernetes does; `None` where it is no quantity.
///
/// What does not fit is the most that does.
pub(crate) fn parse(text: &str) -> Option<Milli> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+' || c == '-'))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (mantissa, decimals) = decimal(number)?;
    let (binary, power) = scale(suffix)?;
    Some(thousandths(
        mantissa,
        binary,
        power.saturating_sub(decimals).saturating_add(3),
    ))
}

/// The digits of a decimal number as a whole one, and how many of them stand behind the point.
fn decimal(number: &str) -> Option<(i128, i32)> {
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{part}");
    if digits.is_empty() || digits.len() > 30 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude: i128 = digits.parse().ok()?;
    let signed = if number.starts_with('-') {
        -magnitude
    } else {
        magnitude
    };
    Some((signed, i32::try_from(part.len()).ok()?))
}

/// What a suffix multiplies by: a whole number, and a power of ten.
fn scale(suffix: &str) -> Option<(i128, i32)> {
    let scale = match suffix {
        "" => (1, 0),
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(scale)
}

/// `mantissa` times `binary` times ten to the `power`.
fn thousandths(mantissa: i128, binary: i128, power: i32) -> Milli {
    let scaled = mantissa.saturating_mul(binary);
    let value = match u32::try_from(power) {
        Ok(up) => 10_i128.checked_pow(up).map_or_else(
            || {
                if scaled == 0 {
                    0
                } else {
                    scaled.signum() * i128::MAX
                }
            },
            |factor| scaled.saturating_mul(factor),
        ),
        Err(_) => match 10_i128.checked_pow(power.unsigned_abs()) {
            Some(divisor) => away_from_zero(scaled, divisor),
            None => scaled.signum(),
        },
    };
    let limit = if value < 0 { i64::MIN } else { i64::MAX };
    Milli::new(i64::try_from(value).unwrap_or(limit))
}

fn away_from_zero(value: i128, divisor: i128) -> i128 {
    let whole = value / divisor;
    if value % divisor == 0 {
        whole
    } else {
        whole + value.signum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parse(text).map(Milli::get), expected, "{text:?}");
    }

    #[test]
    fn quantities_are_thousandths() {
        check("0", Some(0));
        check("1", Some(1_000));
        check("250m", Some(250));
        check("1.5", Some(1_500));
        check(".5", Some(500));
        check("64Mi", Some(64 * 1024 * 1024 * 1_000));
        check("1.5Gi", Some(1_610_612_736_000));
        check("1e3", Some(1_000_000));
        check("2E-3", Some(2));
        check("1k", Some(1_000_000));
        check("-2", Some(-2_000));
        check("128974848", Some(128_974_848_000));
    }

    #[test]
    fn what_is_finer_is_rounded_up() {
        check("1n", Some(1));
        check("1500u", Some(2));
        check("0.0001", Some(1));
        check("1e-40", Some(1));
    }

    #[test]
    fn what_does_not_fit_is_the_most_that_does() {
        check("16Ei", Some(i64::MAX));
        check("1e40", Some(i64::MAX));
        check("0e40", Some(0));
        check("1e2147483647", Some(i64::MAX));
        check("-1e2147483647", Some(i64::MIN));
        check("0.1e-2147483648", Some(1));
    }

    #[test]
    fn other_text_is_no_quantity() {
        for text in [
            "", "m", "Mi", "1 Gi", "1GB", "one", "1.2.3", "1e", "0x10", "--1", "1-1", "∞",
        ] {
            check(text, None);
        }
    }

    /// A quantity as the API's documentation has its grammar: a signed number with at most three digits behind the
    /// point that it may do without, and one of the suffixes, or an exponent.
    fn quantity() -> impl Strategy<Value = String> {
        let number = "[+-]?([0-9]{1,12}(\\.[0-9]{0,3})?|\\.[0-9]{1,3})";
        let suffix = "([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?";
        (number, suffix).prop_map(|(number, suffix)| number + &suffix)
    }

    proptest! {
        #[test]
        fn every_quantity_of_the_grammar_is_read(text in quantity()) {
            prop_assert!(parse(&text).is_some(), "{text:?}");
        }

        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,40}", exponent: i32, digits in "[-+.0-9eEnumki]{0,40}") {
            let exponent = format!("0.1e{exponent}");
            // There is an answer to each, whatever it is.
            let _ = [&text, &exponent, &digits].map(|text| parse(text));
        }

        /// Whatever is written as thousandths is read as those.
        #[test]
        fn thousandths_come_back(milli: i64) {
            prop_assert_eq!(parse(&format!("{milli}m")).map(Milli::get), Some(milli));
            let (whole, part) = (milli / 1000, (milli % 1000).abs());
            let sign = if milli < 0 { "-" } else { "" };
            let decimal = format!("{sign}{}.{part:03}", whole.unsigned_abs());
            prop_assert_eq!(parse(&decimal).map(Milli::get), Some(milli));
        }

        /// What is more is never read as less, in whatever units the two are written.
        #[test]
        fn the_order_stays(number in 0_u32..1_000_000, more in 0_u32..1_000, units in 0_usize..12) {
            const SUFFIXES: [&str; 13] =
                ["n", "u", "m", "", "k", "Ki", "M", "Mi", "G", "Gi", "T", "Ti", "P"];
            let read = |number: u32, unit: usize| parse(&format!("{number}{}", SUFFIXES[unit]));
            prop_assert!(read(number, units) <= read(number + more, units));
            prop_assert!(read(number, units) <= read(number, units + 1));
            let less = format!("-{number}{}", SUFFIXES[units]);
            prop_assert!(parse(&less) <= read(more, units));
        }

        /// A suffix and the power of ten that it stands for are the same.
        #[test]
        fn suffixes_are_powers(number in 0_u32..1_000_000, power in 0_usize..9) {
            const POWERS: [(&str, &str); 9] = [
                ("n", "e-9"), ("u", "E-6"), ("m", "e-3"), ("", "e0"), ("k", "e3"), ("M", "E6"), ("G", "e9"), ("T", "e+12"),
                ("P", "E15"),
            ];
            let (suffix, exponent) = POWERS[power];
            prop_assert_eq!(parse(&format!("{number}{suffix}")), parse(&format!("{number}{exponent}")));
        }
    }
}
