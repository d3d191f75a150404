//! Counts that deploys set back: the one that is not undone yet, and how often it happened lately.
//!
//! A drop counts as set back where headroom did not make it and whoever did wrote the template of the replicas in the same
//! stroke. A count that a person lowers is theirs.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use crate::{Decision, Hold, Reason, Replicas, Timestamp, Workload};

/// A count that was set back is of interest for so long.
const LATELY: Duration = Duration::from_secs(600);
/// So many times within [`LATELY`] are a fight.
const FIGHT: usize = 3;
/// In a fight the count is restored no more often than this.
const RESTORE_EVERY: Duration = Duration::from_secs(60);

/// What is remembered of counts that deploys set back.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Resets {
    /// The count that the last evaluation saw, or what was written then.
    left: Option<Replicas>,
    /// The newest deploy that was seen, so that a look at something older is none.
    seen: Option<Timestamp>,
    /// The count that is to be restored.
    open: Option<Open>,
    /// The newest of them, oldest first, at most [`FIGHT`].
    newest: VecDeque<Reset>,
    /// When a count was restored for the last time.
    restored_at: Option<Timestamp>,
}

/// A count that is to be restored.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Open {
    since: Timestamp,
    /// What it was before.
    from: Replicas,
}

/// That a deploy set the count back.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Reset {
    at: Timestamp,
    by: Arc<str>,
}

/// What is to be done about a count that was set back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Restore {
    /// What it was before.
    pub(crate) from: Replicas,
    /// Who set it back.
    pub(crate) by: Arc<str>,
    /// How long it takes until it may be restored. Zero but in a fight.
    pub(crate) after: Duration,
}

impl Resets {
    /// Takes note of the count and of who wrote it. The same again at the same moment changes nothing.
    pub(super) fn notice(&mut self, workload: &Workload, now: Timestamp) {
        let current = workload.current;
        let left = self.left.replace(current);
        let is_someone_elses = workload.deploy.is_none() && left.is_some_and(|left| left != current);
        self.open = self
            .open
            .filter(|open| current < open.from && now.since(open.since) < LATELY && !is_someone_elses);
        let Some(deploy) = workload
            .deploy
            .as_ref()
            .filter(|deploy| self.seen != Some(deploy.at))
        else {
            return;
        };
        self.seen = Some(deploy.at);
        let Some(left) = left.filter(|left| *left > current) else {
            return;
        };
        let from = self.open.map_or(left, |open| open.from.max(left));
        self.open = Some(Open { since: now, from });
        self.newest.push_back(Reset {
            at: now,
            by: deploy.by.clone(),
        });
        while self.newest.len() > FIGHT {
            self.newest.pop_front();
        }
    }

    /// Takes note of a decision that was written.
    pub(super) fn note_written(&mut self, decision: &Decision, now: Timestamp) {
        self.left = Some(decision.desired());
        if decision.reason() == Reason::Restored {
            self.restored_at = Some(now);
            self.open = None;
        }
    }

    /// What is to be done about a count that was set back; `None` where there is none.
    pub(crate) fn restore(&self, now: Timestamp) -> Option<Restore> {
        let open = self.open?;
        let waits = self.fight(now).and(self.restored_at);
        Some(Restore {
            from: open.from,
            by: self.newest.back()?.by.clone(),
            after: waits.map_or(Duration::ZERO, |restored| {
                RESTORE_EVERY.saturating_sub(now.since(restored))
            }),
        })
    }

    /// That somebody keeps setting the count back; `None` where it did not happen often enough.
    pub(crate) fn fight(&self, now: Timestamp) -> Option<Hold> {
        let first = self.newest.front().filter(|_| self.newest.len() == FIGHT)?;
        let until = first.at.plus(LATELY);
        (now < until).then(|| Hold::Contested {
            by: self.newest.back().map(|reset| reset.by.clone()),
            until: Some(until),
        })
    }

    /// Who set the count back for the last time; `None` where that is long ago.
    pub(crate) fn lately_by(&self, now: Timestamp) -> Option<&Arc<str>> {
        let last = self.newest.back().filter(|reset| now.since(reset.at) < LATELY);
        last.map(|reset| &reset.by)
    }

    /// Whether the count stands where a deploy set it back to.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn shift_back(&mut self, by: Duration) {
        let own = self.newest.iter_mut().map(|reset| &mut reset.at);
        let own = own.chain(&mut self.restored_at);
        for moment in own.chain(self.open.as_mut().map(|open| &mut open.since)) {
            *moment = moment.minus(by);
        }
    }

    /// Whether it is one that evaluating can make.
    #[cfg(feature = "serde")]
    pub(super) fn is_sound(&self) -> bool {
        self.newest.len() <= FIGHT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Deploy;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    /// Ten replicas that the last evaluation left.
    fn ten() -> Resets {
        Resets {
            left: Some(Replicas::new(10)),
            ..Resets::default()
        }
    }

    fn workload(count: u32, deployed_at: Option<Timestamp>) -> Workload {
        Workload {
            deploy: deployed_at.map(|at| Deploy {
                by: "helm".into(),
                at,
            }),
            ..Workload::running(Replicas::new(count))
        }
    }

    fn from(resets: &Resets, now: Timestamp) -> Option<u32> {
        resets.restore(now).map(|restore| restore.from.get())
    }

    #[test]
    fn only_a_lower_count_that_came_with_a_deploy_is_set_back() {
        for (count, deployed_at, expected) in [
            (3, Some(NOW), Some(10)),
            (0, Some(NOW), Some(10)),
            (3, None, None),
            (10, Some(NOW), None),
            (12, Some(NOW), None),
        ] {
            let mut resets = ten();
            resets.notice(&workload(count, deployed_at), after(5));
            assert_eq!(from(&resets, after(5)), expected, "{count} {deployed_at:?}");
        }
        let mut resets = Resets::default();
        resets.notice(&workload(3, Some(NOW)), after(5));
        assert_eq!(from(&resets, after(5)), None, "nothing is known of before");
    }

    #[test]
    fn a_deploy_that_was_seen_before_sets_nothing_back() {
        let mut resets = Resets::default();
        resets.notice(&workload(3, Some(NOW)), after(5));
        resets.left = Some(Replicas::new(10));
        resets.notice(&workload(3, Some(NOW)), after(20));
        assert_eq!(from(&resets, after(20)), None);
    }

    #[test]
    fn it_is_open_until_it_is_restored_or_somebody_else_sets_the_count_or_it_is_long_ago() {
        let set_back = || {
            let mut resets = ten();
            resets.notice(&workload(3, Some(NOW)), after(5));
            resets.left = Some(Replicas::new(3));
            resets
        };
        for (count, deployed_at, seconds, expected) in [
            (3, Some(NOW), 604, Some(10)),
            (3, Some(NOW), 605, None),
            (3, None, 20, Some(10)),
            (10, Some(NOW), 20, None),
            (4, None, 20, None),
            (2, Some(after(15)), 20, Some(10)),
        ] {
            let mut resets = set_back();
            resets.notice(&workload(count, deployed_at), after(seconds));
            assert_eq!(from(&resets, after(seconds)), expected, "{count} after {seconds}");
        }
    }

    #[test]
    fn the_third_within_ten_minutes_is_a_fight_until_ten_minutes_after_the_first() {
        let mut resets = ten();
        for (number, seconds) in [0, 100, 599].into_iter().enumerate() {
            assert_eq!(resets.fight(after(seconds)), None, "before number {number}");
            resets.left = Some(Replicas::new(10));
            resets.notice(&workload(3, Some(after(seconds))), after(seconds));
        }
        let until = Some(after(600));
        let by = Some("helm".into());
        assert_eq!(resets.fight(after(599)), Some(Hold::Contested { by, until }));
        assert_eq!(resets.fight(after(600)), None);
        assert_eq!(resets.lately_by(after(1198)).map(|by| &**by), Some("helm"));
        assert_eq!(resets.lately_by(after(1199)), None);
    }

    #[test]
    fn a_clock_that_goes_back_keeps_their_ages() {
        let mut resets = ten();
        resets.notice(&workload(3, Some(NOW)), after(100));
        resets.restored_at = Some(after(100));
        resets.shift_back(Duration::from_secs(60));
        assert_eq!(resets.restored_at, Some(after(40)));
        assert_eq!(resets.open.map(|open| open.since), Some(after(40)));
        assert!(resets.lately_by(after(639)).is_some() && resets.lately_by(after(640)).is_none());
    }
}
