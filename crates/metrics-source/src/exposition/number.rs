//! Numbers as Go's `strconv` reads and writes them, which is what Prometheus goes by.

/// Reads a value: decimal with or without exponent, `Inf`, `Infinity`, `NaN` in any case. A finite text that 64 bits
/// cannot hold is none.
pub(super) fn parse(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let names_infinity = text.contains(['i', 'I']);
    let is_signed = text.starts_with(['+', '-']);
    let is_refused = (value.is_infinite() && !names_infinity) || (value.is_nan() && is_signed);
    (!is_refused).then_some(value)
}

/// Writes a bound of a histogram or summary as OpenMetrics does, so that `le="1"` and `le="1.0"` are one series.
pub(super) fn canonical(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    if value == 0.0 {
        return "0.0".to_owned();
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // Go's %g with the fewest digits writes an exponent below -4, and from 6 on.
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let plain = value.to_string();
    if plain.contains('.') {
        plain
    } else {
        format!("{plain}.0")
    }
}
