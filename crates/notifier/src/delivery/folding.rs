//! What is left to tell of one incident: what is known already, or has passed meanwhile, is not told.

use crate::Severity;

use super::{ChannelRules, Phase, Reason, Thread, Waiting};

/// At most so many notices are told about one incident in one message.
pub(super) const MOST_TOGETHER: usize = 100;

/// What waits about one incident, sorted into what is told and what is not.
#[derive(Debug, Default)]
pub(super) struct Folded<'v> {
    /// In the order of rows. Those that were about to be sent come first.
    pub(super) kept: Vec<&'v Waiting>,
    pub(super) left_out: Vec<(&'v Waiting, Reason)>,
}

/// Sorts what waits about the incident of `thread`, in the order of rows.
pub(super) fn fold<'v>(
    rules: &ChannelRules,
    thread: Option<&Thread>,
    waiting: impl Iterator<Item = &'v Waiting>,
) -> Folded<'v> {
    let mut folding = Folding {
        rules,
        told: thread.and_then(|thread| thread.open),
        opened: Vec::new(),
        ended: None,
        folded: Folded::default(),
    };
    for one in waiting {
        match one.phase {
            Phase::Once => folding.folded.kept.push(one),
            Phase::Opened => folding.open(one),
            Phase::Closed => folding.close(one),
        }
    }
    folding.folded.shorten();
    folding.folded
}

struct Folding<'v, 'r> {
    rules: &'r ChannelRules,
    /// How severe what goes on is, as the channel knows it once it has what is kept so far, but for `opened`.
    told: Option<Severity>,
    /// What waits and says that it goes on.
    opened: Vec<&'v Waiting>,
    /// What waits and says that it ended, and how severe it was, as it was told.
    ended: Option<(&'v Waiting, Severity)>,
    folded: Folded<'v>,
}

impl<'v> Folding<'v, '_> {
    fn open(&mut self, one: &'v Waiting) {
        let known = self
            .opened
            .iter()
            .map(|opened| opened.severity)
            .max()
            .max(self.told);
        if one.claimed.is_some() {
            // It may have arrived.
            self.told = self.told.max(Some(one.severity));
        } else if known >= Some(one.severity) {
            return self.folded.leave_out(one, Reason::AlreadyTold);
        } else if let Some((end, severity)) = self.ended.take()
            && !end.is_urgent()
            && !one.is_urgent()
        {
            // It goes on as it was told to.
            self.folded.take_out(end);
            self.told = Some(severity);
            if severity >= one.severity {
                return self.folded.leave_out(one, Reason::Passed);
            }
            self.opened.push(one);
        } else {
            self.opened.push(one);
        }
        self.ended = None;
        self.folded.kept.push(one);
    }

    fn close(&mut self, one: &'v Waiting) {
        let told = self.told.take();
        let opened = std::mem::take(&mut self.opened);
        self.ended = None;
        if one.claimed.is_some() {
            self.folded.kept.push(one);
            return;
        }
        if told.is_none() && opened.is_empty() {
            if self.rules.tells_end_alone(one) {
                self.folded.kept.push(one);
            } else {
                self.folded.leave_out(one, Reason::NothingToClose);
            }
            return;
        }
        let (urgent, passed): (Vec<_>, Vec<_>) = opened.into_iter().partition(|opened| opened.is_urgent());
        for opened in passed {
            self.folded.take_out(opened);
        }
        if told.is_none() && urgent.is_empty() {
            return self.folded.leave_out(one, Reason::Passed);
        }
        if urgent.is_empty() {
            self.ended = told.map(|severity| (one, severity));
        }
        self.folded.kept.push(one);
    }
}

impl<'v> Folded<'v> {
    fn leave_out(&mut self, one: &'v Waiting, reason: Reason) {
        self.left_out.push((one, reason));
    }

    fn take_out(&mut self, kept: &'v Waiting) {
        self.kept.retain(|one| one.row != kept.row);
        self.leave_out(kept, Reason::Passed);
    }

    /// Leaves out the oldest of what is more than one message tells.
    fn shorten(&mut self) {
        let mut surplus = self.kept.len().saturating_sub(MOST_TOGETHER);
        if surplus == 0 {
            return;
        }
        let left_out = &mut self.left_out;
        self.kept.retain(|one| {
            let goes = surplus > 0 && one.phase == Phase::Once && !must_stay(one);
            if goes {
                surplus -= 1;
                left_out.push((one, Reason::TooMany));
            }
            !goes
        });
    }
}

/// Whether one that is kept stays whatever else waits: what is urgent, what closes something that was told, and what may
/// have arrived.
pub(super) fn must_stay(kept: &Waiting) -> bool {
    kept.is_urgent() || kept.phase == Phase::Closed || kept.claimed.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delivery::testing::{Row, thread},
        testing::rules,
    };

    /// `told` is how severe what goes on is, as the channel was told; the rows are as [`Row::parse`] reads them. What is
    /// kept, by number.
    #[track_caller]
    fn check(told: Option<Severity>, rows: &str, expected: &[usize]) {
        let waiting = Row::parse(rows);
        let thread = told.map(|severity| thread(Some(severity)));
        let folded = fold(&rules(), thread.as_ref(), waiting.iter());
        let kept: Vec<_> = folded.kept.iter().map(|one| one.row.0).collect();
        let expected: Vec<_> = expected.iter().map(|row| i64::try_from(*row).unwrap()).collect();
        assert_eq!(kept, expected, "{rows}");
        assert_eq!(folded.kept.len() + folded.left_out.len(), waiting.len(), "{rows}");
    }

    #[test]
    fn what_is_known_is_not_told_again() {
        check(None, "o o o", &[1]);
        check(Some(Severity::Info), "o", &[]);
        check(Some(Severity::Critical), "o! w", &[]);
    }

    #[test]
    fn what_became_worse_is_told_again() {
        check(Some(Severity::Info), "w", &[1]);
        check(None, "o w o!", &[1, 2, 3]);
        check(Some(Severity::Warning), "c o!", &[1, 2]);
        check(Some(Severity::Info), "c w", &[2]);
    }

    #[test]
    fn what_began_and_ended_before_it_was_told_is_not_told() {
        check(None, "o c", &[]);
        check(None, "o c o c o", &[5]);
        check(None, "w o! c", &[2, 3]);
        check(None, "o! c!", &[1, 2]);
        check(None, "o c!", &[]);
    }

    #[test]
    fn the_end_of_what_was_told_is_told() {
        check(Some(Severity::Info), "c", &[1]);
        check(Some(Severity::Warning), "c!", &[1]);
        // Where it goes on again, nothing is new.
        check(Some(Severity::Info), "c o", &[]);
        check(Some(Severity::Info), "c o c", &[3]);
        // What became worse and ended: the end of what was told.
        check(Some(Severity::Info), "w c", &[2]);
    }

    #[test]
    fn the_end_of_what_was_not_told_is_not_told() {
        check(None, "c", &[]);
        check(None, "c!", &[]);
    }

    #[test]
    fn what_may_have_arrived_counts_as_told() {
        check(None, "o? c", &[1, 2]);
        check(None, "o? o", &[1]);
        check(Some(Severity::Info), "c? o", &[1, 2]);
    }

    #[test]
    fn of_very_many_the_newest_are_told() {
        let rows = vec!["e"; MOST_TOGETHER + 20].join(" ");
        let expected: Vec<usize> = (21..=MOST_TOGETHER + 20).collect();
        check(None, &rows, &expected);
    }
}
