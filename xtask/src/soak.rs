//! The engine's properties with many cases: more than a test run has time for.

use std::{num::NonZeroU32, time::Instant};

use crate::{cargo, problem::Problem};

const TESTS: [&str; 7] = [
    "test",
    "--quiet",
    "--release",
    "--package",
    "headroom-policy-engine",
    "--test",
    "properties",
];

/// Runs each property with its share of `cases`, and says how many it had.
pub(crate) fn run(cases: NonZeroU32) -> Result<(), Problem> {
    let listed = cargo::output(&[&TESTS[..], &["--", "--list", "--format", "terse"]].concat())?;
    let properties: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    let count = u32::try_from(properties.len()).unwrap_or(u32::MAX);
    let Some(count) = NonZeroU32::new(count) else {
        return Err(Problem::NoProperties);
    };
    let each = cases.get().div_ceil(count.get());
    eprintln!("{count} properties with {each} cases each");
    let (begun, mut failed) = (Instant::now(), 0);
    let share = each.to_string();
    // What a property throws away does not count, and must not end it.
    let environment = [
        ("PROPTEST_CASES", share.as_str()),
        ("PROPTEST_MAX_GLOBAL_REJECTS", "4000000000"),
    ];
    for property in properties {
        let since = Instant::now();
        let one = [&TESTS[..], &["--", "--exact", property, "--format", "terse"]].concat();
        let name = property.rsplit("::").next().unwrap_or(property);
        let (result, output) = cargo::captured(&one, &environment)?;
        let seconds = since.elapsed().as_secs_f64();
        if result.success() {
            eprintln!("{name}: {each} cases, {seconds:.1} s");
        } else {
            failed += 1;
            eprintln!("{output}{name}: failed after {seconds:.1} s");
        }
    }
    let all = u64::from(each) * u64::from(count.get());
    eprintln!(
        "{all} cases in {:.0} s, {failed} of {count} properties failed",
        begun.elapsed().as_secs_f64()
    );
    if failed == 0 {
        Ok(())
    } else {
        Err(Problem::Properties { failed })
    }
}
