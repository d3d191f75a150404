//! What can be told of a PromQL expression without a server: whether it parses, what it gives, what it adds up.

use promql_parser::parser::{self, Expr, value::ValueType};

/// Parses an expression that has to give numbers.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let expression = parser::parse(text)?;
    match expression.value_type() {
        ValueType::Vector | ValueType::Scalar => Ok(expression),
        ValueType::Matrix => {
            Err("it gives ranges, not numbers; put a function such as rate(…) around it".to_owned())
        }
        ValueType::String => Err("it gives a text, not a number".to_owned()),
    }
}

/// Whether `text` is a plain series with label matchers: no function, range, offset or time.
pub(super) fn is_series(text: &str) -> bool {
    matches!(
        parser::parse(text),
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
    fn a_series_is_a_name_with_matchers() {
        assert!(is_series("http_requests_total"));
        assert!(is_series("devtrip:active_users_total{code=\"200\"}"));
        for text in ["a[5m]", "sum(a)", "a offset 5m", "1", "a b", ""] {
            assert!(!is_series(text), "{text:?}");
        }
    }
}
