//! The words of every kind of step: read aloud what changes in the snapshot.

use std::fmt::Write as _;

use headroom_policy_engine::testing;

#[test]
fn every_kind_of_step_has_a_line_for_somebody_who_was_woken() {
    let mut page = String::new();
    let mut kind = "";
    for step in testing::steps() {
        if step.code() != kind {
            kind = step.code();
            let _ = writeln!(page, "\n{kind}");
        }
        let _ = writeln!(page, "  {step}");
    }
    insta::assert_snapshot!(page);
}
