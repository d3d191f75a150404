//! What has to be asked beside a query, to know how old and how complete its value is.
//!
//! An instant query answers with the time of its evaluation, never with its samples'. So each selector S of the query
//! is asked for the time of its newest sample, and each range S\[w\] for how many samples are in it, both by job:
//! Prometheus scrapes a job at one interval. Asking and judging are done elsewhere.
//!
//! A selector with an `offset` looks at a moment its author chose. Its age is counted from that moment: the rate of a
//! week ago is no older than today's, and a ratio of both still ages when its targets vanish.

use std::{sync::Arc, time::Duration};

use promql_parser::parser::{AtModifier, Expr, Offset, SubqueryExpr, VectorSelector};

/// The most steps of the query that looks for the last sample of a series that has ended.
const MAX_STEPS: u32 = 500;

/// What has to be asked beside one query.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// Each selector once.
    pub(super) parts: Vec<Part>,
    /// What cannot be asked, in words for the record.
    pub(super) unasked: Vec<Arc<str>>,
    /// What would mean another moment in a range query: there, each of its moments should be as in an instant query.
    pub(super) other_moment: Option<&'static str>,
}

/// One selector of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    /// As a person would write it.
    pub(super) selector: Arc<str>,
    /// The query for the time of its newest sample, in seconds, by job.
    pub(super) age: Arc<str>,
    /// How far before the evaluation it looks, in milliseconds; below zero: after it.
    pub(super) looks_back: i64,
    /// What it reads over, if not one sample.
    pub(super) window: Option<Window>,
}

/// The span a selector reads over.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Window {
    /// How long it is.
    pub(super) length: Duration,
    /// The query for how many samples are in it, by job.
    pub(super) count: Arc<str>,
    /// How far apart these samples should be.
    pub(super) spacing: Spacing,
    /// The time of each series' sample, for [`Part::late_age`].
    timestamps: Arc<str>,
}

/// How far apart the samples of a window should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spacing {
    /// As its job is scraped.
    Scrapes,
    /// As the step of a subquery says.
    Step(Duration),
}

impl Plan {
    /// What has to be asked beside `query`.
    pub(super) fn of(query: &str) -> Self {
        let mut plan = Self::default();
        match promql_parser::parser::parse(query) {
            Ok(expression) => plan.walk(&expression, None),
            // The server may know more PromQL than we do; it is asked all the same.
            Err(_) => {
                plan.cannot_ask("the age is unknown: this version cannot read the query's PromQL");
                plan.other_moment = Some("PromQL that this version cannot read");
            }
        }
        if plan.parts.is_empty() && plan.unasked.is_empty() {
            plan.cannot_ask("the age is unknown: the query reads no series");
        }
        plan
    }

    fn walk(&mut self, expression: &Expr, within: Option<&SubqueryExpr>) {
        match expression {
            Expr::VectorSelector(selector) => self.add(selector, None, within),
            Expr::MatrixSelector(matrix) => self.add(&matrix.vs, Some(matrix.range), within),
            Expr::Aggregate(aggregate) => {
                if let Some(parameter) = &aggregate.param {
                    self.walk(parameter, within);
                }
                self.walk(&aggregate.expr, within);
            }
            Expr::Unary(unary) => self.walk(&unary.expr, within),
            Expr::Paren(paren) => self.walk(&paren.expr, within),
            Expr::Binary(binary) => {
                self.walk(&binary.lhs, within);
                self.walk(&binary.rhs, within);
            }
            Expr::Call(call) => {
                // The second argument of `info` names labels to add, and no samples that count.
                let read = if call.func.name == "info" {
                    1
                } else {
                    call.args.args.len()
                };
                for argument in call.args.args.iter().take(read) {
                    self.walk(argument, within);
                }
            }
            Expr::Subquery(subquery) if within.is_none() => {
                self.note_moment(subquery.at.as_ref());
                self.walk(&subquery.expr, Some(subquery));
            }
            Expr::Subquery(subquery) => {
                // What stands in it is not looked at.
                self.other_moment = Some("a subquery in another");
                self.cannot_ask(&format!(
                    "the age of {subquery} is unknown: it is a subquery in another"
                ));
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    fn note_moment(&mut self, at: Option<&AtModifier>) {
        match at {
            Some(AtModifier::Start) => self.other_moment = Some("@ start()"),
            Some(AtModifier::End) => self.other_moment = Some("@ end()"),
            Some(AtModifier::At(_)) | None => {}
        }
    }

    fn add(&mut self, selector: &VectorSelector, range: Option<Duration>, within: Option<&SubqueryExpr>) {
        self.note_moment(selector.at.as_ref());
        let written = written(selector, range);
        if is_fixed(selector.at.as_ref()) || within.is_some_and(|subquery| is_fixed(subquery.at.as_ref())) {
            self.cannot_ask(&format!("the age of {written} is unknown: @ fixes its time"));
            return;
        }
        let looks_back = millis(selector.offset.as_ref()) + millis(within.and_then(|it| it.offset.as_ref()));
        let name = bare(selector);
        let offset = offset(selector.offset.as_ref());
        let timestamps = format!("timestamp({name}{offset})");
        let part = match within {
            None => Part {
                selector: Arc::from(written),
                age: Arc::from(format!("max by (job) ({timestamps})")),
                looks_back,
                window: range.map(|length| Window {
                    length,
                    count: Arc::from(format!(
                        "max by (job) (count_over_time({name}[{}]{offset}))",
                        span(length)
                    )),
                    spacing: Spacing::Scrapes,
                    timestamps: Arc::from(timestamps),
                }),
            },
            Some(subquery) => within_subquery(subquery, &timestamps, &written, looks_back),
        };
        if !self.parts.contains(&part) {
            self.parts.push(part);
        }
    }

    fn cannot_ask(&mut self, remark: &str) {
        self.unasked.push(Arc::from(remark));
    }
}

impl Part {
    /// The query for the newest sample of a range whose series have ended: gone targets are marked stale at once, while
    /// a range still gives a value over what they left in it. `interval` is how often they were scraped, if known.
    pub(super) fn late_age(&self, interval: Option<Duration>) -> Option<Arc<str>> {
        let window = self.window.as_ref()?;
        match window.spacing {
            // The age of a subquery is asked over all its steps in the first place.
            Spacing::Step(_) => None,
            Spacing::Scrapes => {
                let step = interval
                    .unwrap_or(Duration::from_secs(5))
                    .max(window.length / MAX_STEPS)
                    .max(Duration::from_millis(1));
                Some(Arc::from(format!(
                    "max by (job) (max_over_time({}[{}:{}]))",
                    window.timestamps,
                    span(window.length),
                    span(step)
                )))
            }
        }
    }
}

impl Window {
    /// The share of the window that had samples, from 0 to 1, where `count` were found and they should be `spacing`
    /// apart. One sample less than fit counts as full: how many do depends on where the window's edges lie.
    pub(super) fn share(&self, count: f64, spacing: Duration) -> f64 {
        let fit = self.length.as_secs_f64() / spacing.as_secs_f64().max(0.001);
        (count / (fit - 1.0).max(1.0)).clamp(0.0, 1.0)
    }
}

/// A selector inside a subquery: its samples are those seen at the subquery's steps.
fn within_subquery(subquery: &SubqueryExpr, timestamps: &str, written: &str, looks_back: i64) -> Part {
    let step = subquery.step.map(span).unwrap_or_default();
    let steps = format!(
        "[{}:{step}]{}",
        span(subquery.range),
        offset(subquery.offset.as_ref())
    );
    Part {
        selector: Arc::from(format!("{written} in {steps}")),
        age: Arc::from(format!("max by (job) (max_over_time({timestamps}{steps}))")),
        looks_back,
        window: subquery.step.filter(|step| !step.is_zero()).map(|step| Window {
            length: subquery.range,
            count: Arc::from(format!("max by (job) (count_over_time({timestamps}{steps}))")),
            spacing: Spacing::Step(step),
            timestamps: Arc::from(timestamps),
        }),
    }
}

/// Whether it looks at one moment, whatever the time of the evaluation.
const fn is_fixed(at: Option<&AtModifier>) -> bool {
    match at {
        Some(AtModifier::At(_)) => true,
        // In an instant query both are its time.
        Some(AtModifier::Start | AtModifier::End) | None => false,
    }
}

/// The selector without range, offset and @, as PromQL. A name of other characters than PromQL's own is a matcher
/// already: the parser makes it one.
fn bare(selector: &VectorSelector) -> String {
    let name = selector.name.as_deref().unwrap_or_default();
    let matchers = selector.matchers.to_string();
    if matchers.is_empty() {
        name.to_owned()
    } else {
        format!("{name}{{{matchers}}}")
    }
}

fn written(selector: &VectorSelector, range: Option<Duration>) -> String {
    let name = bare(selector);
    let range = range
        .map(|range| format!("[{}]", span(range)))
        .unwrap_or_default();
    format!("{name}{range}{}", offset(selector.offset.as_ref()))
}

fn offset(offset: Option<&Offset>) -> String {
    match offset {
        None => String::new(),
        Some(Offset::Pos(by)) => format!(" offset {}", span(*by)),
        Some(Offset::Neg(by)) => format!(" offset -{}", span(*by)),
    }
}

fn millis(offset: Option<&Offset>) -> i64 {
    let whole = |by: &Duration| {
        i64::try_from(by.as_millis())
            .unwrap_or(i64::MAX / 4)
            .min(i64::MAX / 4)
    };
    match offset {
        None => 0,
        Some(Offset::Pos(by)) => whole(by),
        Some(Offset::Neg(by)) => -whole(by),
    }
}

/// A duration as PromQL takes it, in the largest unit that is exact.
fn span(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis >= length && millis.is_multiple_of(length) {
            return format!("{}{unit}", millis / length);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests;
