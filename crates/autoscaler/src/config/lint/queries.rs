//! What a PromQL expression tells of what it reads: over which ranges, of whose series, whether a quantile.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each question is about a few kinds of an expression, and the enum is another crate's"
)]

use std::time::Duration;

use promql_parser::{
    label::{Matcher, Matchers},
    parser::{Expr, VectorSelector},
};

/// The labels of which one should say whose series are meant.
const SCOPES: [&str; 2] = ["namespace", "job"];

/// A value that no such label has: what matches it, matches other services' series.
const ANOTHER: &str = "?";

/// Functions that tell nothing of a single sample.
const OF_TWO_SAMPLES: [&str; 7] = [
    "delta",
    "deriv",
    "idelta",
    "increase",
    "irate",
    "predict_linear",
    "rate",
];

/// What the expression is made of directly.
fn parts(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Aggregate(aggregate) => {
            let param = aggregate.param.as_deref();
            std::iter::once(&*aggregate.expr).chain(param).collect()
        }
        Expr::Unary(unary) => vec![&*unary.expr],
        Expr::Binary(binary) => vec![&*binary.lhs, &*binary.rhs],
        Expr::Paren(inner) => vec![&*inner.expr],
        Expr::Subquery(subquery) => vec![&*subquery.expr],
        Expr::Call(call) => call.args.args.iter().map(|argument| &**argument).collect(),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => Vec::new(),
    }
}

/// Calls `visit` for each part of the expression, from the outside in.
pub(super) fn walk<'e>(expression: &'e Expr, visit: &mut impl FnMut(&'e Expr)) {
    visit(expression);
    for part in parts(expression) {
        walk(part, visit);
    }
}

/// How far the expression looks back: the longest of its ranges, with those around it.
pub(super) fn reach(expression: &Expr) -> Duration {
    let own = match expression {
        Expr::MatrixSelector(selector) => selector.range,
        Expr::Subquery(subquery) => subquery.range,
        _ => Duration::ZERO,
    };
    let inner = parts(expression).into_iter().map(reach).max();
    own.saturating_add(inner.unwrap_or_default())
}

/// The shortest range of samples that has to hold two of them, such as that of `rate(a[2m])`.
pub(super) fn shortest_rate(expression: &Expr) -> Option<Duration> {
    let mut shortest = None;
    walk(expression, &mut |part| {
        if let Expr::Call(call) = part
            && OF_TWO_SAMPLES.contains(&call.func.name)
        {
            for argument in &call.args.args {
                if let Expr::MatrixSelector(selector) = &**argument {
                    let before = shortest.unwrap_or(selector.range);
                    shortest = Some(selector.range.min(before));
                }
            }
        }
    });
    shortest
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
        let is_recorded = selector.name.as_ref().is_some_and(|name| name.contains(':'));
        if !is_recorded && !is_scoped(&selector.matchers) {
            found.get_or_insert(selector);
        }
    });
    found
}

fn is_scoped(matchers: &Matchers) -> bool {
    let scopes = |matcher: &Matcher| {
        SCOPES.contains(&matcher.name.as_str()) && !matcher.is_match("") && !matcher.is_match(ANOTHER)
    };
    let alternatives = &matchers.or_matchers;
    matchers.matchers.iter().any(scopes)
        || (!alternatives.is_empty() && alternatives.iter().all(|one| one.iter().any(scopes)))
}

/// Whether a quantile is among what the expression works out, or reads.
pub(super) fn is_quantile(expression: &Expr) -> bool {
    let mut found = false;
    walk(expression, &mut |part| {
        found |= match part {
            Expr::Call(call) => matches!(call.func.name, "histogram_quantile" | "quantile_over_time"),
            Expr::Aggregate(aggregate) => aggregate.op.to_string() == "quantile",
            Expr::VectorSelector(selector) => is_of_summary(selector),
            Expr::MatrixSelector(matrix) => is_of_summary(&matrix.vs),
            _ => false,
        };
    });
    found
}

/// Whether alerts are read that are only pending: `ALERTS` without a say on `alertstate`.
pub(super) fn reads_pending_alerts(expression: &Expr) -> bool {
    selects(expression, |selector| {
        is_of_alerts(selector) && selector.matchers.find_matchers("alertstate").is_empty()
    })
}

/// Whether the expression gives nothing, or zero, as a matter of course: it reads alerts, compares, asks for what is
/// absent, or is a plain number.
pub(super) fn can_be_silent(expression: &Expr) -> bool {
    let mut found = selects(expression, is_of_alerts);
    let mut reads = false;
    walk(expression, &mut |part| match part {
        Expr::Binary(binary) => {
            let narrows = matches!(binary.op.to_string().as_str(), "and" | "unless");
            found |= narrows || binary.op.is_comparison_operator();
        }
        Expr::Call(call) => found |= matches!(call.func.name, "absent" | "absent_over_time"),
        Expr::VectorSelector(_) | Expr::MatrixSelector(_) => reads = true,
        _ => {}
    });
    found || !reads
}

/// Whether `is_meant` holds of one of the selectors.
fn selects(expression: &Expr, is_meant: impl Fn(&VectorSelector) -> bool) -> bool {
    let mut found = false;
    walk(expression, &mut |part| {
        found |= match part {
            Expr::VectorSelector(selector) => is_meant(selector),
            Expr::MatrixSelector(matrix) => is_meant(&matrix.vs),
            _ => false,
        };
    });
    found
}

fn is_of_alerts(selector: &VectorSelector) -> bool {
    selector.name.as_deref() == Some("ALERTS")
}

/// Whether the series is a quantile that a summary exposes.
fn is_of_summary(selector: &VectorSelector) -> bool {
    !selector.matchers.find_matchers("quantile").is_empty()
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
    fn quantiles_are_found_inside_too() {
        check(
            is_quantile,
            &[
                "histogram_quantile(0.9, sum by (le) (a))",
                "quantile(0.9, a)",
                "max(quantile_over_time(0.9, a[5m]))",
                "max(a{quantile=\"0.9\"})",
            ],
            &["avg(a)", "sum(a{pod=\"0.9\"})"],
        );
    }

    #[test]
    fn alerts_that_are_only_pending_are_told_from_those_that_fire() {
        check(
            reads_pending_alerts,
            &[
                "ALERTS",
                "count(ALERTS{alertname=\"a\"})",
                "max_over_time(ALERTS[5m])",
            ],
            &["ALERTS{alertstate=\"firing\"}", "ALERTS_FOR_STATE", "up"],
        );
    }

    #[test]
    fn a_query_is_silent_when_nothing_is_wrong_where_it_compares() {
        check(
            can_be_silent,
            &[
                "ALERTS{alertstate=\"firing\"}",
                "rate(a[5m]) > 0.1",
                "count(a == 0)",
                "absent(up)",
                "a unless b",
                "vector(0)",
            ],
            &["rate(a[5m])", "sum(a) / sum(b)", "up", "a or b"],
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
                "a{namespace=~\".+\"}",
                "a{namespace=~\".*\", pod=\"x\"}",
                "a{job!=\"x\"}",
                "a{job!~\"x|y\"}",
                "a{job=\"\"}",
                "a{job=\"x\" or pod=\"y\"}",
            ],
            &[
                "a{namespace=\"x\"}",
                "sum(rate(a{job=~\"x|y\"}[2m]))",
                "a{namespace=~\"shop-.*\"}",
                "a{namespace!=\"x\", job=\"y\"}",
                "sum(team:a)",
                "1",
                "a{job=\"x\" or namespace=\"y\"}",
            ],
        );
    }

    #[test]
    fn nested_ranges_reach_further_back_together() {
        let seconds = |query| reach(&parse(query).unwrap()).as_secs();
        assert_eq!(seconds("sum(rate(a[2m])) / sum(rate(b[5m]))"), 300);
        assert_eq!(seconds("max_over_time(rate(a[1m])[10m:1m])"), 660);
        assert_eq!(seconds("sum(a)"), 0);
    }

    #[test]
    fn a_range_that_needs_two_samples_is_that_of_a_rate() {
        let seconds = |query| Some(shortest_rate(&parse(query).unwrap())?.as_secs());
        assert_eq!(seconds("sum(rate(a[2m])) / sum(increase(b[1m]))"), Some(60));
        assert_eq!(seconds("max_over_time(rate(a[2m])[30s:5s])"), Some(120));
        assert_eq!(seconds("max_over_time(a[30s])"), None);
        assert_eq!(seconds("rate(sum(a)[30s:5s])"), None);
    }
}
