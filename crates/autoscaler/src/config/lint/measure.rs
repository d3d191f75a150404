//! What the value of a PromQL expression is a measure of: everything together, or one replica.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each question is about a few kinds of an expression, and the enum is another crate's"
)]

use promql_parser::parser::{BinaryExpr, Expr, VectorSelector};

use super::queries::walk;

/// What a value is a measure of, as far as its expression tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// Everything together: it does not fall as replicas are added.
    Total,
    /// A mean over the replicas: it is divided by their number already.
    PerReplica,
    /// A number that is written there.
    Constant,
    /// A share of something, the largest of some values, or what cannot be told.
    Other,
}

/// Functions whose value is of the kind of what they are given.
const KEEPING: [&str; 16] = [
    "abs",
    "avg_over_time",
    "ceil",
    "clamp",
    "clamp_max",
    "clamp_min",
    "floor",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "quantile_over_time",
    "round",
    "scalar",
    "sort",
    "sort_desc",
    "vector",
];

/// What `expression` is a measure of.
pub(super) fn measure(expression: &Expr) -> Measure {
    match expression {
        Expr::NumberLiteral(_) => Measure::Constant,
        Expr::Paren(inner) => measure(&inner.expr),
        Expr::Unary(unary) => measure(&unary.expr),
        Expr::Subquery(subquery) => measure(&subquery.expr),
        Expr::Aggregate(aggregate) => match aggregate.op.to_string().as_str() {
            "sum" | "count" => Measure::Total,
            "avg" => Measure::PerReplica,
            _ => Measure::Other,
        },
        Expr::Call(call) if KEEPING.contains(&call.func.name) => {
            let mut given = call.args.args.iter().map(|argument| measure(argument));
            given
                .find(|measure| *measure != Measure::Constant)
                .unwrap_or(Measure::Constant)
        }
        Expr::Binary(binary) => of_two(binary),
        _ => Measure::Other,
    }
}

fn of_two(binary: &BinaryExpr) -> Measure {
    use Measure::{Constant, Other, PerReplica, Total};
    let (left, right) = (measure(&binary.lhs), measure(&binary.rhs));
    let as_bool = binary
        .modifier
        .as_ref()
        .is_some_and(|modifier| modifier.return_bool);
    match binary.op.to_string().as_str() {
        "+" | "-" | "or" => match (left, right) {
            (Total, _) | (_, Total) => Total,
            (PerReplica, PerReplica | Constant) | (Constant, PerReplica) => PerReplica,
            (Constant, Constant) => Constant,
            _ => Other,
        },
        "*" => match (left, right) {
            // So much for each replica, times the replicas.
            (Total, PerReplica | Constant | Other) | (PerReplica | Constant | Other, Total) => Total,
            (PerReplica, PerReplica | Constant) | (Constant, PerReplica) => PerReplica,
            (Constant, Constant) => Constant,
            _ => Other,
        },
        "/" if counts_replicas(&binary.rhs) => PerReplica,
        "/" if right == Constant => left,
        // What is compared stays as it is, where it stays.
        "==" | "!=" | "<" | "<=" | ">" | ">=" if !as_bool => match (left, right) {
            (Constant, other) => other,
            (other, _) => other,
        },
        "and" | "unless" => left,
        _ => Other,
    }
}

/// Whether the value is a number of replicas: a count of series, of targets that are up, or what Kubernetes tells.
fn counts_replicas(expression: &Expr) -> bool {
    match expression {
        Expr::Paren(inner) => counts_replicas(&inner.expr),
        Expr::Call(call) if KEEPING.contains(&call.func.name) => {
            call.args.args.iter().any(|argument| counts_replicas(argument))
        }
        Expr::Aggregate(aggregate) => match aggregate.op.to_string().as_str() {
            "count" => true,
            "sum" => named(&aggregate.expr, |name| name == "up") || counts_replicas(&aggregate.expr),
            "max" | "min" | "avg" => counts_replicas(&aggregate.expr),
            _ => false,
        },
        Expr::Binary(binary) => match binary.op.to_string().as_str() {
            "==" | "!=" | "<" | "<=" | ">" | ">=" | "or" | "and" | "unless" => counts_replicas(&binary.lhs),
            _ => false,
        },
        Expr::VectorSelector(_) => named(expression, |name| name.split('_').any(|word| word == "replicas")),
        _ => false,
    }
}

/// Whether the value is a mean time: the sum of a histogram or summary of times, by its count.
pub(super) fn is_mean_time(expression: &Expr) -> bool {
    let mut found = false;
    walk(expression, &mut |part| {
        if let Expr::Binary(binary) = part
            && binary.op.to_string() == "/"
        {
            let name_of = |part| only_name(part).unwrap_or_default();
            let (sum, count) = (name_of(&binary.lhs), name_of(&binary.rhs));
            found |= sum
                .strip_suffix("_sum")
                .is_some_and(|stem| count.strip_suffix("_count") == Some(stem) && is_of_time(stem));
        }
    });
    found
}

fn is_of_time(name: &str) -> bool {
    let words = ["seconds", "milliseconds", "duration", "latency", "ms"];
    name.split('_').any(|word| words.contains(&word))
}

/// Whether the expression is one series, perhaps compared or bracketed, whose name is as `wanted`.
fn named(expression: &Expr, wanted: impl Fn(&str) -> bool) -> bool {
    only_name(expression).is_some_and(wanted)
}

/// The name of the only series that the expression is of.
fn only_name(expression: &Expr) -> Option<&str> {
    let mut selectors: Vec<&VectorSelector> = Vec::new();
    walk(expression, &mut |part| match part {
        Expr::VectorSelector(selector) => selectors.push(selector),
        Expr::MatrixSelector(matrix) => selectors.push(&matrix.vs),
        _ => {}
    });
    match selectors[..] {
        [only] => only.name.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::promql::parse;

    #[track_caller]
    fn check(expected: Measure, queries: &[&str]) {
        for query in queries {
            assert_eq!(measure(&parse(query).unwrap()), expected, "{query}");
        }
    }

    #[test]
    fn a_total_is_a_sum_that_nothing_divides() {
        check(
            Measure::Total,
            &[
                "sum(a)",
                "count(a)",
                "(sum(rate(a[2m])))",
                "sum(a) + sum(b)",
                "sum(a) * 100",
                "sum(a) / 2",
                "scalar(sum(a))",
                "sum(rate(a[2m])) or vector(0)",
                "vector(0) or sum(a)",
                "sum(a) > 0",
                "0 < sum(a)",
                "max_over_time(sum(a)[5m:1m])",
                "clamp(sum(a), 0, 10)",
                "sum(a) and on() b",
                "avg(a) * count(b)",
                "sum(avg by (pod) (a))",
            ],
        );
    }

    #[test]
    fn a_mean_is_divided_by_what_it_is_of() {
        check(
            Measure::PerReplica,
            &[
                "avg(a)",
                "sum(a) / count(b)",
                "sum(a) / scalar(count(up == 1))",
                "sum(a) / sum(up)",
                "sum(a) / sum(up{job=\"x\"} == 1)",
                "sum(a) / on() kube_deployment_spec_replicas{deployment=\"x\"}",
                "sum(a) / max(kube_deployment_status_replicas_ready)",
                "sum(a) / clamp_min(count(b), 1)",
                "sum(a) / (count(b) or vector(1))",
                "avg(a) * 100",
                "avg(a) / 1000",
                "avg(a) or vector(0)",
                "avg_over_time(avg(a)[5m:1m])",
            ],
        );
    }

    #[test]
    fn shares_and_single_series_are_neither() {
        check(
            Measure::Other,
            &[
                "sum(a) / sum(b)",
                "sum(a) / sum(sup)",
                "avg(a) / avg(b)",
                "1 - sum(a) / sum(b)",
                "max(a)",
                "a",
                "sum(a) > bool 0",
                "histogram_quantile(0.9, sum by (le) (a))",
            ],
        );
        check(Measure::Constant, &["1", "2 * 3", "vector(1)"]);
    }

    #[test]
    fn a_mean_time_is_a_sum_of_times_by_its_count() {
        let is = |query| is_mean_time(&parse(query).unwrap());
        assert!(is(
            "sum(rate(a_seconds_sum[2m])) / sum(rate(a_seconds_count[2m]))"
        ));
        assert!(is("1000 * (a_duration_sum / a_duration_count)"));
        assert!(!is("sum(rate(a_bytes_sum[2m])) / sum(rate(a_bytes_count[2m]))"));
        assert!(!is(
            "sum(rate(a_seconds_sum[2m])) / sum(rate(b_seconds_count[2m]))"
        ));
        assert!(!is("sum(rate(a_seconds_sum[2m]))"));
    }
}
