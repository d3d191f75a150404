//! What becomes of what waits for a channel that nobody delivers, because the configuration has changed.

use std::{collections::HashSet, time::Duration};

use headroom_policy_engine::Timestamp;

use super::{
    Change, ChannelName, Route, View, Waiting,
    scheduler::{passing_on, perhaps_told},
};

/// What waits for a channel that is no more is removed after so long: until then it may come back.
const ORPHANED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What is done about what waits for the channel `gone`, where there are these `channels`: what is urgent is given to the
/// first of them that was not given it before, with what follows about the same, and what is old is removed.
pub(super) fn look_after(
    gone: &ChannelName,
    view: &View,
    channels: &[ChannelName],
    now: Timestamp,
) -> Vec<Change> {
    let mut changes = pass_on(gone, &view.waiting, channels);
    let is_old = |one: &&Waiting| now.since(one.put_at) > ORPHANED_FOR;
    let old: Vec<_> = view.waiting.iter().filter(is_old).collect();
    for one in &old {
        // Or each end that follows would wait for it again.
        let thread = view.threads.iter().find(|thread| thread.incident == one.incident);
        let told = perhaps_told(thread, &[one], |_| false, now);
        changes.extend(told.map(|thread| Change::Thread {
            thread,
            notices: None,
        }));
    }
    if !old.is_empty() {
        changes.push(Change::Remove {
            rows: old.iter().map(|one| one.row).collect(),
        });
    }
    changes
}

fn pass_on(gone: &ChannelName, waiting: &[Waiting], channels: &[ChannelName]) -> Vec<Change> {
    // Its own alternates are those of a configuration that is no more.
    let next = |one: &Waiting| {
        let also = one.route.also.clone();
        Route { also, then: None }.next(gone, channels)
    };
    let urgent = waiting.iter().enumerate().filter(|(_, one)| one.is_urgent());
    let mut known = HashSet::new();
    let first = urgent.filter(|(_, one)| known.insert(&one.incident));
    first
        .flat_map(|(at, first)| {
            let rest = waiting
                .iter()
                .skip(at)
                .filter(|one| one.incident == first.incident);
            passing_on(&rest.collect::<Vec<_>>(), next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Severity,
        delivery::testing::{Row, after, thread},
    };

    fn look(rows: &str, seconds: u64, change: impl FnOnce(&mut View)) -> Vec<Change> {
        let mut view = View {
            waiting: Row::parse(rows),
            ..View::default()
        };
        change(&mut view);
        let channels = ["email", "pager"].map(ChannelName::from);
        look_after(&"slack".into(), &view, &channels, after(seconds))
    }

    fn passed_on(changes: &[Change]) -> Vec<(i64, String)> {
        let to = |change: &'_ Change| {
            if let Change::PassOn {
                row,
                to: Some((to, _)),
            } = change
            {
                Some((row.0, to.to_string()))
            } else {
                None
            }
        };
        changes.iter().filter_map(to).collect()
    }

    #[test]
    fn what_is_urgent_goes_to_the_first_that_does_not_have_it_with_what_follows() {
        let changes = look("e e! c e:b", 1, |_| {});
        assert_eq!(
            passed_on(&changes),
            [(2, "email".to_owned()), (3, "email".to_owned())]
        );
        let Change::PassOn {
            to: Some((_, route)), ..
        } = &changes[0]
        else {
            panic!("{changes:?}");
        };
        assert_eq!(
            (&*route.also, route.then.as_deref()),
            (&["slack".into()][..], Some(&["pager".into()][..]))
        );
        let also = |names: &'static [&str]| {
            move |view: &mut View| {
                view.waiting[0].route.also = names.iter().map(|name| (*name).into()).collect();
            }
        };
        assert_eq!(
            passed_on(&look("e!", 1, also(&["email"]))),
            [(1, "pager".to_owned())]
        );
        assert_eq!(passed_on(&look("e!", 1, also(&["email", "pager"]))), []);
        assert_eq!(
            passed_on(&look("e!", 1, |view| view.waiting[0].is_passed_on = true)),
            []
        );
        // Whoever came after it may be gone as well.
        assert_eq!(
            passed_on(&look("e!", 1, |view| view.waiting[0].route.then = Some(Vec::new()))),
            [(1, "email".to_owned())]
        );
    }

    #[test]
    fn what_is_old_is_removed_and_what_it_ends_has_ended() {
        let day = 24 * 3600;
        let open = |view: &mut View| view.threads.push(thread(Some(Severity::Warning)));
        assert_eq!(look("c e", day, open), []);
        let changes = look("c e", day + 1, open);
        let [Change::Thread { thread, .. }, Change::Remove { rows }] = &changes[..] else {
            panic!("{changes:?}");
        };
        assert_eq!((thread.open, rows.len()), (None, 2));
    }
}
