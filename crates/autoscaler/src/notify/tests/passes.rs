//! Passes that fail, and those in which all is well.

use super::*;
use crate::{
    PassRecord,
    notify::{Notifications, Teller},
};

/// A pass that decided about these, none of which is blind, at this second.
fn passed(seconds: u64, names: &[&str]) -> PassRecord {
    let decided = |name: &&str| DecisionRecord {
        workload: name.parse().unwrap(),
        ..record(seconds, Vec::new())
    };
    PassRecord {
        at: at(seconds),
        decisions: names.iter().map(decided).collect(),
        skipped: Vec::new(),
        notices: Vec::new(),
    }
}

/// Settings under which somebody is told of passes.
fn told_of_passes() -> NotifySettings {
    let (_, routes) = router();
    NotifySettings {
        channels: settings().channels,
        general: routes,
        ..NotifySettings::default()
    }
}

fn stages(told: Vec<Addressed>) -> Vec<Stage> {
    told.iter().map(|one| one.notice.stage).collect()
}

#[test]
fn a_pass_that_fails_is_made_up_for_by_those_that_go_well_for_all_that_it_was_about() {
    let settings = told_of_passes();
    let mut teller = Teller::new(None, &settings, None);
    let about = ["a", "b"].map(|name| name.parse().unwrap());
    let failed = teller.learn_failure("it did not end", about.into(), at(0));
    assert_eq!(stages(failed), [Stage::Opened]);
    assert_eq!(stages(teller.learn_pass(&passed(15, &["c"]), |_| true)), []);
    assert_eq!(stages(teller.learn_pass(&passed(30, &["a", "c"]), |_| true)), []);
    let text = teller.take_unsaved();
    assert_eq!(teller.take_unsaved(), None);
    teller = Teller::new(None, &settings, text.as_deref());
    assert_eq!(
        stages(teller.learn_pass(&passed(60, &["b"]), |_| true)),
        [closed(60)]
    );
    assert_eq!(stages(teller.learn_pass(&passed(90, &["a"]), |_| true)), []);
}

#[test]
fn a_pass_that_failed_for_a_workload_that_there_is_no_more_is_made_up_for_without_it() {
    let settings = told_of_passes();
    let teller = Teller::new(None, &settings, None);
    let about = ["a", "gone"].map(|name| name.parse().unwrap());
    teller.learn_failure("it did not end", about.into(), at(0));
    let is_named = |id: &headroom_policy_engine::WorkloadId| id.as_str() != "gone";
    let told = teller.learn_pass(&passed(30, &["a"]), is_named);
    assert_eq!(stages(told), [closed(30)]);
}

#[test]
fn all_is_well_once_the_last_pass_of_each_workload_went_well() {
    let notifications = Notifications::default();
    assert!(notifications.note_health(&passed(0, &["a", "b"])));
    let mut unwell = passed(60, &["b"]);
    unwell.decisions[0] = DecisionRecord {
        workload: "b".parse().unwrap(),
        ..blind(60)
    };
    assert!(!notifications.note_health(&unwell));
    assert!(
        !notifications.note_health(&passed(75, &["a"])),
        "b is still blind"
    );
    assert!(notifications.note_health(&passed(120, &["b"])));
    let mut skipped = passed(135, &["a"]);
    skipped.skipped.push("b".parse().unwrap());
    assert!(!notifications.note_health(&skipped));
}
