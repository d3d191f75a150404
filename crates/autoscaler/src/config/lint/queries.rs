//! What a PromQL expression tells of its value: a total, a share, a mean, a quantile; over which windows, of whose series.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each question is about a few kinds of an expression, and the enum is another crate's"
)]

use std::time::Duration;

use promql_parser::parser::{Expr, VectorSelector};

/// The labels of which one should say whose series are meant.
const SCOPES: [&str; 2] = ["namespace", "job"];

/// Calls `visit` for each part of the expression, from the outside in.
fn walk<'e>(expression: &'e Expr, visit: &mut impl FnMut(&'e Expr)) {
    visit(expression);
    match expression {
        Expr::Aggregate(aggregate) => {
            walk(&aggregate.expr, visit);
            aggregate.param.iter().for_each(|param| walk(param, visit));
        }
        Expr::Unary(unary) => walk(&unary.expr, visit),
        Expr::Binary(binary) => {
            walk(&binary.lhs, visit);
            walk(&binary.rhs, visit);
        }
        Expr::Paren(inner) => walk(&inner.expr, visit),
        Expr::Subquery(subquery) => walk(&subquery.expr, visit),
        Expr::Call(call) => call.args.args.iter().for_each(|argument| walk(argument, visit)),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => {}
    }
}

/// The ranges of the expression, such as the two minutes of `rate(a[2m])`.
pub(super) fn ranges(expression: &Expr) -> Vec<Duration> {
    let mut ranges = Vec::new();
    walk(expression, &mut |part| match part {
        Expr::MatrixSelector(selector) => ranges.push(selector.range),
        Expr::Subquery(subquery) => ranges.push(subquery.range),
        _ => {}
    });
    ranges
}

/// The first selector that does not say whose series it means; recorded names (`team:name`) say so themselves.
pub(super) fn unscoped(expression: &Expr) -> Option<&VectorSelector> {
    let mut found = None;
    walk(expression, &mut |part| {
        let selector = match part {
            Expr::VectorSelector(selector) => selector,
            Expr::MatrixSelector(matrix) => &matrix.vs,
            _ => return,
        };
        let matchers = &selector.matchers;
        let mut all = matchers
            .matchers
            .iter()
            .chain(matchers.or_matchers.iter().flatten());
        let is_recorded = selector.name.as_ref().is_some_and(|name| name.contains(':'));
        if !is_recorded && !all.any(|matcher| SCOPES.contains(&matcher.name.as_str())) {
            found.get_or_insert(selector);
        }
    });
    found
}

/// Whether a quantile is among what the expression works out.
pub(super) fn is_quantile(expression: &Expr) -> bool {
    let mut found = false;
    walk(expression, &mut |part| {
        found |= match part {
            Expr::Call(call) => matches!(call.func.name, "histogram_quantile" | "quantile_over_time"),
            Expr::Aggregate(aggregate) => aggregate.op.to_string() == "quantile",
            _ => false,
        };
    });
    found
}

/// Whether the expression is a total over series, which does not fall as replicas are added.
pub(super) fn is_total(expression: &Expr) -> bool {
    match inside(expression) {
        Expr::Aggregate(aggregate) => matches!(aggregate.op.to_string().as_str(), "sum" | "count"),
        Expr::Binary(binary) => match binary.op.to_string().as_str() {
            "+" | "-" => is_total(&binary.lhs) || is_total(&binary.rhs),
            "*" => is_total(&binary.lhs) != is_total(&binary.rhs),
            "/" => is_total(&binary.lhs) && is_number(&binary.rhs),
            _ => false,
        },
        _ => false,
    }
}

/// Whether the expression is a mean over series: divided by the replicas already.
pub(super) fn is_mean(expression: &Expr) -> bool {
    match inside(expression) {
        Expr::Aggregate(aggregate) => aggregate.op.to_string() == "avg",
        Expr::Binary(binary) => match binary.op.to_string().as_str() {
            "/" => is_count(&binary.rhs) || (is_mean(&binary.lhs) && is_number(&binary.rhs)),
            "*" => is_mean(&binary.lhs) || is_mean(&binary.rhs),
            _ => false,
        },
        _ => false,
    }
}

fn is_count(expression: &Expr) -> bool {
    matches!(inside(expression), Expr::Aggregate(aggregate) if aggregate.op.to_string() == "count")
}

fn is_number(expression: &Expr) -> bool {
    matches!(inside(expression), Expr::NumberLiteral(_))
}

/// The expression without what leaves its value as it is.
fn inside(expression: &Expr) -> &Expr {
    match expression {
        Expr::Paren(inner) => inside(&inner.expr),
        Expr::Unary(unary) => inside(&unary.expr),
        Expr::Call(call)
            if matches!(
                call.func.name,
                "scalar" | "vector" | "ceil" | "floor" | "round" | "clamp_min"
            ) =>
        {
            call.args
                .args
                .first()
                .map_or(expression, |argument| inside(argument))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::promql::parse;

    #[track_caller]
    fn check(question: fn(&Expr) -> bool, yes: &[&str], no: &[&str]) {
        for (queries, expected) in [(yes, true), (no, false)] {
            for query in queries {
                assert_eq!(question(&parse(query).unwrap()), expected, "{query}");
            }
        }
    }

    #[test]
    fn a_total_is_a_sum_that_nothing_divides() {
        check(
            is_total,
            &[
                "sum(a)",
                "count(a)",
                "(sum(rate(a[2m])))",
                "sum(a) + sum(b)",
                "sum(a) * 100",
                "sum(a) / 2",
                "scalar(sum(a))",
            ],
            &[
                "avg(a)",
                "sum(a) / sum(b)",
                "sum(a) / count(b)",
                "max(a)",
                "a",
                "histogram_quantile(0.9, sum by (le) (a))",
            ],
        );
    }

    #[test]
    fn a_mean_is_divided_by_what_it_is_of() {
        check(
            is_mean,
            &[
                "avg(a)",
                "sum(a) / count(b)",
                "sum(a) / scalar(count(up == 1))",
                "avg(a) * 100",
                "avg(a) / 1000",
            ],
            &["sum(a)", "sum(a) / sum(b)", "max(a)", "sum(avg by (pod) (a))"],
        );
    }

    #[test]
    fn quantiles_are_found_inside_too() {
        check(
            is_quantile,
            &[
                "histogram_quantile(0.9, sum by (le) (a))",
                "quantile(0.9, a)",
                "max(quantile_over_time(0.9, a[5m]))",
            ],
            &["avg(a)", "sum(a{quantile=\"0.9\"})"],
        );
    }

    #[test]
    fn each_selector_says_whose_series_it_means() {
        check(
            |query| unscoped(query).is_some(),
            &[
                "a",
                "sum(a{pod=\"x\"})",
                "sum(a{job=\"x\"}) / sum(b)",
                "rate(a[2m])",
            ],
            &[
                "a{namespace=\"x\"}",
                "sum(rate(a{job=~\"x|y\"}[2m]))",
                "sum(team:a)",
                "1",
                "a{job=\"x\" or namespace=\"y\"}",
            ],
        );
    }

    #[test]
    fn ranges_are_those_of_selectors_and_subqueries() {
        let seconds = |query| {
            let found = ranges(&parse(query).unwrap());
            found.iter().map(Duration::as_secs).collect::<Vec<_>>()
        };
        assert_eq!(seconds("sum(rate(a[2m])) / sum(rate(b[5m]))"), [120, 300]);
        assert_eq!(seconds("max_over_time(rate(a[1m])[10m:1m])"), [600, 60]);
        assert!(seconds("sum(a)").is_empty());
    }
}
