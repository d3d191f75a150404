//! The command line as a user meets it: help, output, exit codes, signals. Needs nothing but this program and a shell.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;

mod bounding;
mod checking;
mod choosing;
mod dry_runs;
mod ends;
mod explaining;
mod help;
mod notifying;
mod pausing;
mod planning;
mod plugin;
mod rbac;
mod remembering;
mod running;
mod showing;
mod testing;

/// Compares what a run said with its snapshot, without what differs from run to run.
macro_rules! assert_said {
    ($name:expr, $ran:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[MOMENT]"),
                (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[DATE AND TIME]"),
                (r"\b\d\d:\d\d:\d\d\b", "[TIME]"),
                (r#""age_seconds": \d+\.\d+"#, r#""age_seconds": [AGE]"#),
                (r"\b\d+(\.\d)? (s|min|h|d)( \d+ (s|min|h))? (old|ago)", "[SPAN] $5"),
                (r"\b(another|only|in) \d+(\.\d+)? (s|min|h)( \d+ (s|min))?\b", "$1 [SPAN]"),
                (r"\bafter \d+ (s|min)( \d+ s)? at the earliest", "after [SPAN] at the earliest"),
                (r"\(now\)|\(\[SPAN\] ago\)", "([AGE])"),
                (r"process \d+ on [^)]+", "process [PID] on [HOST]"),
            ],
            omit_expression => true,
        }, {
            insta::assert_snapshot!($name, $ran.to_string());
        })
    };
}
pub(crate) use assert_said;

/// The same for a table, whose columns are as wide as the times in them.
macro_rules! assert_table_said {
    ($name:expr, $ran:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[DATE AND TIME]"),
                (r"\b(now|\d+(\.\d)? (s|min) ago)\b", "[AGO]"),
                (r"\b\d+ s\b", "[SPAN]"),
                (r" {2,}", "  "),
            ],
            omit_expression => true,
        }, {
            insta::assert_snapshot!($name, $ran.to_string());
        })
    };
}
pub(crate) use assert_table_said;
