//! What programs read: versioned objects, made from decisions and kept apart from the engine's own types.
//!
//! Fields are added without a new version; a field that changes its meaning or goes raises [`VERSION`].

mod decision;
mod in_force;
mod observation;
mod round;
mod schema;
mod source;
mod step;
mod tests_of_policies;
mod want;

use std::time::Duration;

use headroom_autoscaler::{Notice, PassRecord, Remark, config::Problems};
use serde::Serialize;

pub(crate) use self::{
    decision::{Decision, mode},
    in_force::InForceObject,
    schema::{decision_schema, schema_of, version as version_schema},
    source::SourceObject,
    tests_of_policies::{TestDecisions, Tests},
};
use crate::{error::CliError, moment, report::pass::Counts};

/// The version of every object here.
pub(crate) const VERSION: u32 = 1;

/// A span as every object has it: in seconds.
fn seconds(span: Duration) -> f64 {
    span.as_secs_f64()
}

/// A command that could not do what it was asked to.
#[derive(Debug, Serialize)]
pub(crate) struct Failure<'a> {
    version: u32,
    error: FailureBody<'a>,
}

#[derive(Debug, Serialize)]
struct FailureBody<'a> {
    code: &'static str,
    message: String,
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problems: Option<&'a Problems>,
}

impl<'a> Failure<'a> {
    /// Of one error.
    pub(crate) fn new(error: &'a CliError) -> Self {
        Self {
            version: VERSION,
            error: FailureBody {
                code: error.code(),
                message: error.with_causes(),
                help: error.help(),
                problems: if let CliError::Policy(problems) | CliError::Tests(problems) = error {
                    Some(problems)
                } else {
                    None
                },
            },
        }
    }
}

/// A pass, or the look ahead at one.
#[derive(Debug, Serialize)]
pub(crate) struct Pass<'a> {
    version: u32,
    at: String,
    summary: Summary,
    decisions: Vec<Decision<'a>>,
    skipped: Vec<String>,
    notices: Vec<String>,
    remarks: &'a [Remark],
}

/// How many workloads go which way.
#[derive(Debug, Serialize)]
struct Summary {
    workloads: usize,
    scale_up: usize,
    scale_down: usize,
    hold: usize,
    unknown: usize,
    not_carried_out: usize,
    written: usize,
    failed: usize,
    not_confirmed: usize,
}

impl<'a> Pass<'a> {
    /// Of one pass, under a configuration with these remarks.
    pub(crate) fn new(record: &'a PassRecord, remarks: &'a [Remark]) -> Self {
        let counts = Counts::of(record);
        Self {
            version: VERSION,
            at: moment::rfc3339(record.at),
            summary: Summary {
                workloads: counts.looked_at(),
                scale_up: counts.up,
                scale_down: counts.down,
                hold: counts.hold,
                unknown: counts.unknown,
                not_carried_out: counts.not_carried_out,
                written: counts.written,
                failed: counts.failed,
                not_confirmed: counts.not_confirmed,
            },
            decisions: record.decisions.iter().map(Decision::new).collect(),
            skipped: record.skipped.iter().map(ToString::to_string).collect(),
            notices: record.notices.iter().map(Notice::to_string).collect(),
            remarks,
        }
    }
}

/// A pass that was not made, because somebody else works on the same state.
#[derive(Debug, Serialize)]
pub(crate) struct NotMade {
    version: u32,
    already_running: String,
}

impl NotMade {
    /// Because `holder` makes passes.
    pub(crate) fn new(holder: &impl std::fmt::Display) -> Self {
        Self {
            version: VERSION,
            already_running: holder.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_pass_is_one_object() {
        let record = samples::pass();
        insta::assert_json_snapshot!(Pass::new(&record, &[]));
    }
}
