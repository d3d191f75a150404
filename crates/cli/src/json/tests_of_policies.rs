//! Results of tests of policies as objects.

use std::time::Duration;

use headroom_autoscaler::{
    DecisionRecord,
    policy_test::{Case, Difference, Failure, Row, Suite},
};
use serde::Serialize;

use super::{Decision, VERSION};
use crate::report::cases::{Passes, Played, Totals};

/// What came of all cases.
#[derive(Debug, Serialize)]
pub(crate) struct Tests<'a> {
    version: u32,
    passed: usize,
    failed: usize,
    /// How many cases `--filter` leaves out.
    left_out: usize,
    cases: Vec<CaseObject<'a>>,
}

#[derive(Debug, Serialize)]
struct CaseObject<'a> {
    file: String,
    line: usize,
    name: &'a str,
    workload: &'a str,
    passed: bool,
    passes: usize,
    failures: Vec<FailureObject<'a>>,
    /// Every pass, with `--timeline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeline: Option<Vec<PassObject>>,
}

/// An expectation that was not met.
#[derive(Debug, Serialize)]
struct FailureObject<'a> {
    line: Option<usize>,
    expectation: Option<&'a str>,
    /// The first pass that is not as expected, from the start; `null` where there is no pass at all.
    at_seconds: Option<f64>,
    differences: Vec<DifferenceObject<'a>>,
    /// The decision of that pass.
    decision: Option<Decision<'a>>,
}

#[derive(Debug, Serialize)]
struct DifferenceObject<'a> {
    key: &'static str,
    expected: &'a str,
    got: &'a str,
}

/// One pass of a timeline.
#[derive(Debug, Serialize)]
struct PassObject {
    at_seconds: f64,
    current: u32,
    recommended: Option<u32>,
    desired: Option<u32>,
    /// The count after it.
    replicas: u32,
    reason: Option<&'static str>,
}

impl<'a> Tests<'a> {
    /// Of cases that were played.
    pub(crate) fn new(played: &'a [Played<'a>], totals: Totals, passes: Passes) -> Self {
        Self {
            version: VERSION,
            passed: totals.passed,
            failed: totals.failed,
            left_out: totals.left_out,
            cases: played.iter().map(|one| CaseObject::new(one, passes)).collect(),
        }
    }
}

impl<'a> CaseObject<'a> {
    fn new(played: &'a Played<'a>, shown: Passes) -> Self {
        let Played { suite, case, run } = played;
        Self {
            file: suite.file.display().to_string(),
            line: case.line,
            name: &case.name,
            workload: case.workload.id.as_str(),
            passed: run.is_passed(),
            passes: case.passes,
            failures: run
                .failures
                .iter()
                .map(|failure| FailureObject::new(case, &run.rows, failure))
                .collect(),
            timeline: (shown == Passes::All).then(|| run.rows.iter().map(PassObject::new).collect()),
        }
    }
}

impl<'a> FailureObject<'a> {
    fn new(case: &'a Case, rows: &[Row], failure: &'a Failure) -> Self {
        let expectation = case.expectations.get(failure.expectation);
        let at = failure.at.as_ref();
        Self {
            line: expectation.map(|expectation| expectation.line),
            expectation: expectation.map(|expectation| expectation.text.as_str()),
            at_seconds: at.and_then(|(row, _)| Some(rows.get(*row)?.at.as_secs_f64())),
            differences: failure.differences.iter().map(DifferenceObject::new).collect(),
            decision: at.map(|(_, record)| Decision::new(record)),
        }
    }
}

impl<'a> DifferenceObject<'a> {
    fn new(difference: &'a Difference) -> Self {
        Self {
            key: difference.key,
            expected: &difference.expected,
            got: &difference.got,
        }
    }
}

impl PassObject {
    fn new(row: &Row) -> Self {
        Self {
            at_seconds: row.at.as_secs_f64(),
            current: row.before.get(),
            recommended: row.recommended.map(|count| count.get()),
            desired: row.decision.map(|decision| decision.desired().get()),
            replicas: row.after.get(),
            reason: row.decision.map(|decision| decision.reason().code()),
        }
    }
}

/// The decisions of cases at one time.
#[derive(Debug, Serialize)]
pub(crate) struct TestDecisions<'a> {
    version: u32,
    at_seconds: f64,
    cases: Vec<CaseDecision<'a>>,
}

#[derive(Debug, Serialize)]
struct CaseDecision<'a> {
    file: String,
    name: &'a str,
    /// `null` where no pass was made by then.
    decision: Option<Decision<'a>>,
}

impl<'a> TestDecisions<'a> {
    /// Of cases with their decisions.
    pub(crate) fn new(decisions: &'a [(&Suite, &'a Case, Option<DecisionRecord>)], at: Duration) -> Self {
        let decided = decisions.iter().map(|(suite, case, record)| CaseDecision {
            file: suite.file.display().to_string(),
            name: &case.name,
            decision: record.as_ref().map(Decision::new),
        });
        Self {
            version: VERSION,
            at_seconds: at.as_secs_f64(),
            cases: decided.collect(),
        }
    }
}
