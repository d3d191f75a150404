use std::num::NonZeroU32;

use headroom_policy_engine::Operator;
use jiff::tz::TimeZone;

use super::*;
use crate::{
    Event, Failure, Severity,
    delivery::{
        Addressed, QuietHours,
        testing::{Row, after, thread},
    },
    testing::rules,
};

/// A channel `slack` with the alternates `email` and `pager`, and what waits for it.
struct World {
    rules: ChannelRules,
    can_edit: bool,
    silences: Vec<Silence>,
    view: View,
    /// Whether the channel has just failed, whenever it is looked at.
    is_down: bool,
}

impl World {
    /// Rows as [`Row::parse`] reads them.
    fn new(rows: &str) -> Self {
        Self {
            rules: rules(),
            can_edit: false,
            silences: Vec::new(),
            view: View {
                waiting: Row::parse(rows),
                ..View::default()
            },
            is_down: false,
        }
    }

    fn down(self) -> Self {
        self.with(|world| {
            world.is_down = true;
            world.view.standing.failures = 9;
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn told(self, open: Option<Severity>) -> Self {
        self.with(|world| world.view.threads.push(thread(open)))
    }

    fn plan(&self, seconds: u64) -> Plan {
        let alternates = [ChannelName::from("email"), ChannelName::from("pager")];
        let terms = Terms {
            channel: &"slack".into(),
            cluster: None,
            rules: &self.rules,
            can_edit: self.can_edit,
            forgets: false,
            alternates: &alternates,
            silences: &self.silences,
        };
        let mut view = self.view.clone();
        if self.is_down {
            let until = Some(after(seconds + 60));
            view.standing.rest_until = until;
            let tried = view.waiting.iter_mut().filter(|one| one.attempts > 0);
            tried.for_each(|one| one.retry_at = until);
        }
        plan(&terms, &view, after(seconds))
    }

    /// What is next so many seconds after the rows were put: the rows that are sent, `edit` before them where it is a
    /// message that is changed, or in how many seconds to look again.
    #[track_caller]
    fn check(&self, seconds: u64, expected: &str) {
        let shown = match self.plan(seconds).next {
            Next::Send(draft) => {
                let edit = match draft.form {
                    Form::New { .. } => "",
                    Form::Edit { .. } => "edit ",
                };
                let rows: Vec<_> = draft.rows.iter().map(|row| row.0.to_string()).collect();
                format!("{edit}{}", rows.join(" "))
            }
            Next::Wait(at) => format!("at {}", at.since(after(0)).as_secs()),
            Next::Idle => "idle".to_owned(),
        };
        assert_eq!(shown, expected, "after {seconds} s");
    }

    #[track_caller]
    fn check_left_out(&self, seconds: u64, expected: &[(i64, Reason)]) {
        let left_out = self.plan(seconds).left_out;
        let left_out: Vec<_> = left_out.iter().map(|one| (one.row.0, one.reason)).collect();
        assert_eq!(left_out, expected, "after {seconds} s");
    }
}

fn silence(from: u64, until: u64) -> Silence {
    Silence {
        workload: None,
        from: after(from),
        until: after(until),
        operator: Operator::default(),
        silences_critical: false,
    }
}

fn passed_on(plan: &Plan) -> Vec<(i64, &str)> {
    let changes = plan.changes.iter();
    changes
        .filter_map(|change| {
            let Change::PassOn { row, to } = change else {
                return None;
            };
            Some((row.0, to.as_ref().map_or("nobody", |(to, _)| to.as_str())))
        })
        .collect()
}

#[test]
fn what_belongs_together_goes_together_after_a_little_while() {
    World::new("e e e:b").check(9, "at 10");
    World::new("e e e:b").check(10, "1 2");
    World::new("").check(0, "idle");
}

#[test]
fn a_later_message_about_the_same_waits_for_its_turn() {
    World::new("e").told(None).check(299, "at 300");
    World::new("e").told(None).check(300, "1");
}

#[test]
fn where_it_can_be_changed_what_comes_later_goes_into_the_same_message() {
    let editing = |rows, open| World::new(rows).told(open).with(|world| world.can_edit = true);
    editing("e", None).check(10, "edit 1");
    editing("e", None).check(299, "edit 1");
    editing("e", None).check(300, "1");
    // What people are to notice is a message of its own.
    editing("w", None).check(10, "at 300");
    editing("w", None).check(300, "1");
    editing("e!", None).check(0, "1");
    // What has ended goes into the message that said that it goes on, however old that is.
    editing("c", Some(Severity::Warning)).check(4000, "edit 1");
    editing("c!", Some(Severity::Critical)).check(0, "edit 1");
    // What was sent in another way cannot be found, and what is not known cannot be said again.
    for change in [
        |thread: &mut Thread| thread.receipt = Some(Receipt(String::new())),
        |thread: &mut Thread| thread.notices = 0,
    ] {
        editing("e", None)
            .with(|world| change(&mut world.view.threads[0]))
            .check(10, "at 300");
    }
    // A message does not grow for ever.
    let full = editing("e", None).with(|world| world.view.threads[0].notices = 100);
    full.check(299, "at 300");
}

#[test]
fn the_end_does_not_wait_for_the_next_message() {
    World::new("c").told(Some(Severity::Info)).check(10, "1");
}

#[test]
fn what_is_urgent_is_held_by_nothing_but_the_other_side() {
    let quiet = |world: &mut World| {
        // All day long, but for a minute: AT is 08:30.
        let time = |hour, minute| jiff::civil::time(hour, minute, 0, 0);
        world.rules.quiet_hours = QuietHours::new(time(8, 0), time(7, 59), TimeZone::UTC).ok();
        world.rules.max_per_hour = NonZeroU32::new(1);
        world.view.standing.sent.push(Sent {
            key: "x".into(),
            at: after(0),
        });
        world.view.standing.rest_until = Some(after(200));
        world.silences.push(silence(0, 1000));
    };
    World::new("e! e:b").told(None).with(quiet).check(0, "1");
    let busy = |world: &mut World| world.view.standing.busy_until = Some(after(50));
    World::new("e!").with(busy).check(49, "at 50");
    World::new("e!").with(busy).check(50, "1");
    let failure = World::new("e").with(|world| world.view.waiting[0].kind = crate::EventKind::Error);
    failure.with(quiet).check(0, "1");
}

#[test]
fn what_is_urgent_goes_first_and_then_what_ended() {
    let world = World::new("e:x c e!:b d:c").told(Some(Severity::Info));
    world.check(10, "3");
    let without = |rows: &str, told| World::new(rows).told(told);
    without("e:x c d:c", Some(Severity::Info)).check(10, "3");
    without("e:x c", Some(Severity::Info)).check(10, "2");
}

#[test]
fn quiet_hours_hold_the_rest_until_they_end() {
    // AT is 08:30.
    let quiet = |world: &mut World| {
        let time = |hour, minute| jiff::civil::time(hour, minute, 0, 0);
        world.rules.quiet_hours = QuietHours::new(time(22, 0), time(9, 0), TimeZone::UTC).ok();
    };
    World::new("e d:b").with(quiet).check(60, "at 1800");
    World::new("e d:b").with(quiet).check(1800, "2");
    World::new("e").with(quiet).check(1800, "1");
    // They are not given up for that, though they waited longer than their deadline.
    let held = World::new("e").with(quiet).with(|world| {
        world.rules.deadlines.info = Duration::from_secs(60);
    });
    let held = held.down();
    held.check_left_out(1800, &[]);
    held.check_left_out(1860, &[(1, Reason::NotTaken)]);
}

#[test]
fn there_are_no_more_messages_in_an_hour_than_the_channel_allows() {
    let limited = |rows| {
        World::new(rows).with(|world| {
            world.rules.max_per_hour = NonZeroU32::new(2);
            for (key, at) in [("x", 0), ("y", 100)] {
                world.view.standing.sent.push(Sent {
                    key: key.into(),
                    at: after(at),
                });
            }
        })
    };
    limited("e").check(200, "at 3600");
    limited("e").check(3600, "1");
    limited("d").check(200, "1");
    limited("e!").check(200, "1");
    // An attempt at one of them is none more.
    let again = limited("e?").with(|world| world.view.waiting[0].claimed = Some("x".into()));
    again.check(200, "1");
    // A message that is changed is none more.
    let edit = limited("e").told(None).with(|world| world.can_edit = true);
    edit.check(200, "edit 1");
    // What is held for too long is not told, and that is.
    limited("e")
        .with(|world| world.rules.deadlines.info = Duration::from_secs(300))
        .check_left_out(311, &[(1, Reason::HeldTooLong)]);
}

#[test]
fn a_message_that_may_have_arrived_is_sent_again_as_it_was() {
    let world = World::new("e? e? e");
    let Next::Send(draft) = world.plan(500).next else {
        panic!("it is due");
    };
    assert_eq!((&*draft.key, draft.rows), ("key", vec![RowId(1), RowId(2)]));
    assert!(draft.may_have_arrived);
}

#[test]
fn a_message_has_the_key_of_what_is_in_it() {
    let key = |ids: &[&str]| {
        let rows = vec!["e"; ids.len()].join(" ");
        let world = World::new(&rows).with(|world| {
            for (one, id) in world.view.waiting.iter_mut().zip(ids) {
                one.id = crate::NoticeId((*id).into());
            }
        });
        let Next::Send(draft) = world.plan(500).next else {
            panic!("it is due");
        };
        assert!(!draft.may_have_arrived);
        draft.key.to_string()
    };
    assert_eq!(key(&["a"]), "a");
    assert_eq!(key(&["a", "b"]), key(&["a", "b"]));
    assert!(key(&["a", "b"]).starts_with("a+"));
    for other in [&["a", "d"][..], &["a", "b", "c"], &["a", "bc"], &["a"]] {
        assert_ne!(key(&["a", "b"]), key(other), "{other:?}");
    }
    assert_ne!(key(&["a", "bc", "d"]), key(&["a", "b", "cd"]));
}

#[test]
fn what_is_sent_is_claimed_and_counted_first() {
    let plan = World::new("e").plan(10);
    let claim = Change::Claim {
        rows: vec![RowId(1)],
        key: "n-1".into(),
    };
    assert_eq!(plan.changes[0], claim);
    assert_eq!(plan.changes[1], Change::Standing(plan.standing.clone()));
    assert_eq!(plan.standing.sent.len(), 1);
    assert_eq!(World::new("e!").plan(10).standing.sent.len(), 0);
}

#[test]
fn a_silence_drops_what_happened_in_it_but_for_what_goes_on() {
    let silent = |rows| World::new(rows).with(|world| world.silences.push(silence(0, 500)));
    silent("e").check_left_out(1, &[(1, Reason::Silenced)]);
    silent("w").check(400, "at 500");
    silent("w").check(500, "1");
    silent("w c").check_left_out(400, &[(1, Reason::Passed), (2, Reason::Passed)]);
    silent("c").told(Some(Severity::Warning)).check(400, "at 500");
    silent("w!").check(0, "1");
    let deep = |rows| silent(rows).with(|world| world.silences[0].silences_critical = true);
    deep("e!").check_left_out(1, &[(1, Reason::Silenced)]);
    deep("w!").check(400, "at 500");
    let other = silent("e").with(|world| world.silences[0].workload = "shop/other".parse().ok());
    other.check(10, "1");
    // After a silence that was longer than its deadline it is told all the same.
    let long = silent("w").with(|world| {
        world.rules.deadlines.warning = Duration::from_secs(60);
    });
    let long = long.down();
    long.check_left_out(501, &[]);
}

#[test]
fn what_is_urgent_and_not_taken_goes_to_another_channel_too() {
    let failing = |rows: &str, attempts| {
        World::new(rows).with(|world| {
            for one in &mut world.view.waiting {
                one.attempts = attempts;
                one.retry_at = Some(after(1000));
            }
        })
    };
    assert_eq!(passed_on(&failing("w!", 2).plan(59)), []);
    assert_eq!(passed_on(&failing("w!", 1).plan(60)), [(1, "email")]);
    assert_eq!(passed_on(&failing("w!", 3).plan(5)), [(1, "email")]);
    failing("w!", 1).check(5, "at 60");
    // Its end goes with it, and what is not urgent does not.
    assert_eq!(
        passed_on(&failing("w! c", 3).plan(5)),
        [(1, "email"), (2, "email")]
    );
    assert_eq!(passed_on(&failing("w", 3).plan(100)), []);
    // An end that the other has already comes after what it ends.
    let given = failing("w! c", 3).with(|world| world.view.waiting[1].route.also = vec!["email".into()]);
    assert_eq!(passed_on(&given.plan(5)), [(1, "email"), (2, "email")]);
    // Nor does the end go before it, where the clock was set back between the two.
    let set_back = failing("w! c!", 0).with(|world| {
        world.view.standing.failures = 1;
        world.view.waiting[0].put_at = after(5);
    });
    assert_eq!(passed_on(&set_back.plan(60)), [(1, "email"), (2, "email")]);
    // It is tried further, and passed on once.
    failing("w!", 3).check(1000, "1");
    let done = failing("w!", 3).with(|world| world.view.waiting[0].is_passed_on = true);
    assert_eq!(passed_on(&done.plan(100)), []);
    // Whoever was given it anyway is not given it again.
    let also = failing("w!", 3).with(|world| world.view.waiting[0].route.also = vec!["email".into()]);
    assert_eq!(passed_on(&also.plan(5)), [(1, "pager")]);
    let last = failing("w!", 3).with(|world| world.view.waiting[0].route.then = Some(Vec::new()));
    assert_eq!(passed_on(&last.plan(5)), []);
    // A channel that is asked for nothing does not fail.
    assert_eq!(passed_on(&failing("w!", 0).plan(100)), []);
}

#[test]
fn what_is_not_taken_for_too_long_is_given_up_and_another_channel_says_so() {
    let failing = |rows: &str| {
        World::new(rows).down().with(|world| {
            world.view.standing.last_error = Some("connection refused".into());
            for one in &mut world.view.waiting {
                one.is_passed_on = true;
                one.attempts = 9;
            }
        })
    };
    let world = failing("e w:b e!:c");
    world.check_left_out(3609, &[]);
    world.check_left_out(3610, &[(1, Reason::NotTaken)]);
    world.check_left_out(6 * 3600 + 10, &[(1, Reason::NotTaken), (2, Reason::NotTaken)]);
    let all = [1, 2, 3].map(|row| (row, Reason::NotTaken));
    world.check_left_out(24 * 3600, &all);
    let plan = failing("e").plan(3610);
    let told: Vec<&Addressed> = plan
        .changes
        .iter()
        .filter_map(|change| {
            let Change::Put(addressed) = change else {
                return None;
            };
            Some(addressed)
        })
        .collect();
    let [told] = told[..] else {
        panic!("one channel is told: {told:?}");
    };
    assert_eq!(told.to, ["email".into()]);
    assert_eq!(told.then, Some(vec!["pager".into()]));
    let failure = Failure::Channel {
        channel: "slack".into(),
        error: "connection refused".into(),
    };
    assert_eq!(told.notice.event, Event::Error { failure });
    assert_eq!(plan.standing.left_out, 1);
    // Once.
    let known = failing("e").with(|world| world.view.standing.failing = plan.standing.failing.clone());
    assert!(
        !known
            .plan(3610)
            .changes
            .iter()
            .any(|change| matches!(change, Change::Put(_)))
    );
}

#[test]
fn what_nobody_tried_to_hand_over_for_long_is_tried_once_more() {
    let world = || World::new("w!? w:b e:c").with(|world| world.view.standing.failures = 9);
    let days = 3 * 24 * 3600;
    world().check_left_out(days, &[]);
    world().check(days, "1");
    assert_eq!(passed_on(&world().plan(days)), [(1, "email")]);
    let all = [1, 2, 3].map(|row| (row, Reason::NotTaken));
    world().down().check_left_out(days, &all);
}

#[test]
fn what_is_not_taken_lets_others_pass() {
    let stuck = World::new("e:a e:b").with(|world| {
        world.view.waiting[0].attempts = 1;
        world.view.waiting[0].retry_at = Some(after(90));
        world.view.standing.busy_until = Some(after(90));
    });
    stuck.check(90, "2");
}

#[test]
fn the_end_of_what_may_have_arrived_is_told_even_where_that_was_given_up() {
    let world = World::new("o?").down();
    let plan = world.plan(3610);
    let told = plan.changes.iter().find_map(|change| {
        let Change::Thread { thread, .. } = change else {
            return None;
        };
        Some(thread.clone())
    });
    assert_eq!(told.clone().unwrap().open, Some(Severity::Info));
    let end = World::new("c").with(|world| world.view.threads.extend(told));
    end.check(3700, "1");
}

#[test]
fn a_message_says_how_many_notices_were_left_out_before_it() {
    let world = World::new("e e:b e:c").with(|world| {
        world.rules.bound.notices = 1;
        world.view.standing.left_out = 3;
    });
    world.check_left_out(10, &[(1, Reason::TooMany), (2, Reason::TooMany)]);
    let Next::Send(draft) = world.plan(10).next else {
        panic!("it is due");
    };
    assert_eq!((draft.rows, draft.left_out), (vec![RowId(3)], 5));
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_for_long() {
    let world = World::new("e").told(None).with(|world| {
        let tomorrow = 24 * 3600;
        world.view.waiting[0].put_at = after(tomorrow);
        world.view.waiting[0].retry_at = Some(after(tomorrow));
        world.view.threads[0].last_at = after(tomorrow);
        world.view.standing.rest_until = Some(after(tomorrow));
        world.view.standing.busy_until = Some(after(tomorrow));
        world.rules.max_per_hour = NonZeroU32::new(1);
        world.view.standing.sent.push(Sent {
            key: "x".into(),
            at: after(tomorrow),
        });
    });
    world.check(0, "1");
}
