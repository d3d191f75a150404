//! What can be told of a PromQL expression without a server: whether it parses, what it gives, what it adds up.

use promql_parser::parser::{self, Expr, value::ValueType};

/// The longest expression, in bytes.
const LONGEST: usize = 64 * 1024;
/// The most brackets and operators of an expression: each may be one level deeper, and what walks over it has a stack.
const MOST_PARTS: usize = 1000;

/// Parses an expression that has to give numbers.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let expression = parse_any(text)?;
    match expression.value_type() {
        ValueType::Vector | ValueType::Scalar => Ok(expression),
        ValueType::Matrix => {
            Err("it gives ranges, not numbers; put a function such as rate(…) around it".to_owned())
        }
        ValueType::String => Err("it gives a text, not a number".to_owned()),
    }
}

/// Parses an expression that is neither too long nor too deep.
fn parse_any(text: &str) -> Result<Expr, String> {
    if text.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    if parts(text) > MOST_PARTS {
        return Err(format!("it has more than {MOST_PARTS} brackets and operators"));
    }
    parser::parse(text)
}

/// How many brackets and operators stand outside of quoted texts.
fn parts(text: &str) -> usize {
    let (mut count, mut quote, mut chars) = (0, None, text.chars());
    while let Some(char) = chars.next() {
        match (quote, char) {
            (Some('"' | '\''), '\\') => {
                chars.next();
            }
            (Some(open), close) if open == close => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(char),
            (None, '(' | '[' | '{' | '+' | '-' | '*' | '/' | '%' | '^' | '=' | '<' | '>' | '!') => count += 1,
            (None, _) => {}
        }
    }
    // Words between vectors: `and`, `or`, `unless`, `atan2`.
    let words = text.split(|char: char| !char.is_ascii_alphanumeric());
    count
        + words
            .filter(|word| {
                matches!(
                    word.to_ascii_lowercase().as_str(),
                    "and" | "or" | "unless" | "atan2"
                )
            })
            .count()
}

/// Whether `text` is a plain series with label matchers: no function, range, offset or time.
pub(super) fn is_series(text: &str) -> bool {
    matches!(
        parse_any(text),
        Ok(Expr::VectorSelector(selector)) if selector.offset.is_none() && selector.at.is_none()
    )
}

/// Whether the expression adds up or counts series, so that a lost target looks like less load.
///
/// A quantile of a histogram is no such sum: its buckets shrink together.
pub(super) fn adds_up(expression: &Expr) -> bool {
    match expression {
        Expr::Aggregate(aggregate) => {
            matches!(aggregate.op.to_string().as_str(), "sum" | "count") || adds_up(&aggregate.expr)
        }
        Expr::Unary(unary) => adds_up(&unary.expr),
        Expr::Binary(binary) => adds_up(&binary.lhs) || adds_up(&binary.rhs),
        Expr::Paren(inner) => adds_up(&inner.expr),
        Expr::Subquery(subquery) => adds_up(&subquery.expr),
        Expr::Call(call) => {
            call.func.name != "histogram_quantile" && call.args.args.iter().any(|argument| adds_up(argument))
        }
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: bool) {
        assert_eq!(adds_up(&parse(query).unwrap()), expected, "{query}");
    }

    #[test]
    fn sums_and_counts_add_up_wherever_they_stand() {
        check("sum(rate(a[2m]))", true);
        check("sum(a) / sum(b)", true);
        check("scalar(count(a))", true);
        check("max_over_time(sum(a)[5m:1m])", true);
        check("avg(a)", false);
        check("avg(sum by (pod) (a))", true);
        check(
            "histogram_quantile(0.95, sum by (le) (rate(a_bucket[5m])))",
            false,
        );
    }

    #[test]
    fn what_gives_no_number_is_refused() {
        for query in ["", " ", "a[5m]", "\"text\"", "sum(", "rate(a)", "sum(a) by"] {
            assert!(parse(query).is_err(), "{query:?}");
        }
    }

    #[test]
    fn what_is_too_deep_to_walk_over_is_refused() {
        let deep = |open: &str, close: &str, depth: usize| {
            format!("{}up{}", open.repeat(depth), close.repeat(depth))
        };
        for (open, close) in [
            ("(", ")"),
            ("-", ""),
            ("", " + up"),
            ("sum(", ")"),
            ("", " and up"),
        ] {
            let refused = parse(&deep(open, close, 100_000 / (open.len() + close.len()) + 1_000));
            assert!(refused.is_err(), "{open} {close}");
            assert!(!is_series(&deep(open, close, 1_000_000)), "{open} {close}");
            assert!(parse(&deep(open, close, 400)).is_ok(), "{open} {close}");
        }
        let texts = format!("up{{a=~\"{}\"}}", "(x)|".repeat(5_000));
        assert!(parse(&texts).is_ok(), "brackets in a text are no parts");
        assert!(parse(&format!("up{{a=\"{}\"}}", "x".repeat(70_000))).is_err());
    }

    #[test]
    fn a_series_is_a_name_with_matchers() {
        assert!(is_series("http_requests_total"));
        assert!(is_series("devtrip:active_users_total{code=\"200\"}"));
        for text in ["a[5m]", "sum(a)", "a offset 5m", "1", "a b", ""] {
            assert!(!is_series(text), "{text:?}");
        }
    }
}
