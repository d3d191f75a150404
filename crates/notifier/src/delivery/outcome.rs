//! What is recorded of what a channel said about a message.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;

use super::{
    Change, Draft, Form, Standing, Terms, Thread, View, Waiting,
    backoff::{self, Urgency},
    failing,
    scheduler::{MOST_BUSY, count, passing_on, perhaps_told},
};
use crate::{Message, Notice, Receipt, SendError, Severity, Stage};

/// What is recorded of the `answer` to `message`, which was made of `draft`, by a plan that left the channel as `standing`.
#[must_use]
pub fn settle(
    terms: &Terms<'_>,
    view: &View,
    standing: &Standing,
    (draft, message): (&Draft, &Message),
    answer: &Result<Receipt, SendError>,
    now: Timestamp,
) -> Vec<Change> {
    let mut settling = Settling {
        terms,
        view,
        draft,
        standing: standing.clone(),
        changes: Vec::new(),
        now,
    };
    settling.count_from_the_answer();
    match answer {
        Ok(receipt) => {
            settling.take(message, receipt);
            let ended = failing::end(terms, &mut settling.standing, now);
            settling.changes.extend(ended.map(Change::Put));
        }
        Err(SendError::Partly { reason, receipt }) => {
            settling.take(message, receipt);
            settling.fail_for_good(reason);
        }
        Err(SendError::Busy { after, reason }) => settling.wait(*after, reason),
        Err(SendError::Unanswered { reason }) => settling.retry(reason),
        Err(SendError::Refused { reason }) => settling.refuse(reason),
    }
    if settling.standing != *standing {
        settling.changes.push(Change::Standing(settling.standing));
    }
    settling.changes
}

struct Settling<'a> {
    terms: &'a Terms<'a>,
    view: &'a View,
    draft: &'a Draft,
    standing: Standing,
    changes: Vec<Change>,
    now: Timestamp,
}

impl<'a> Settling<'a> {
    fn take(&mut self, message: &Message, receipt: &Receipt) {
        self.changes.push(Change::Remove {
            rows: self.draft.rows.clone(),
        });
        let is_changed = self.is_changed(receipt);
        if !is_changed && self.draft.is_counted {
            // Where it was to be changed, and could not be, this is known only now.
            count(&mut self.standing.sent, &self.draft.key, self.now);
        }
        let said = if is_changed {
            &message.notices
        } else {
            message.fresh()
        };
        let thread = self.told(message, receipt, said);
        let notices = if self.terms.can_edit {
            Some(said.to_vec())
        } else if self.terms.forgets {
            going_on(&thread, said)
        } else {
            None
        };
        self.changes.push(Change::Thread { thread, notices });
        let standing = &mut self.standing;
        standing.failures = 0;
        standing.rest_until = None;
        standing.busy_until = None;
        standing.last_error = None;
        standing.left_out = standing.left_out.saturating_sub(message.left_out);
    }

    fn told(&self, message: &Message, receipt: &Receipt, said: &[Notice]) -> Thread {
        let before = self.thread();
        let began_at = before
            .filter(|_| self.is_changed(receipt))
            .map(|thread| thread.began_at);
        let open = before.and_then(|thread| thread.open);
        Thread {
            incident: Arc::clone(&self.draft.incident),
            receipt: Some(receipt.clone()),
            began_at: began_at.unwrap_or(self.now),
            last_at: self.now,
            notices: u32::try_from(said.len()).unwrap_or(u32::MAX),
            open: message.fresh().iter().fold(open, after),
        }
    }

    /// Whether the message before was changed, and none that is new was sent in its place.
    fn is_changed(&self, receipt: &Receipt) -> bool {
        matches!(&self.draft.form, Form::Edit { earlier } if earlier == receipt)
    }

    fn thread(&self) -> Option<&'a Thread> {
        let mut threads = self.view.threads.iter();
        threads.find(|thread| thread.incident == self.draft.incident)
    }

    /// It is asked to wait, so nothing has arrived, unless it did before.
    fn wait(&mut self, after: Option<Duration>, reason: &str) {
        self.count_failure(reason);
        let wait = after.map_or_else(|| self.channel_backoff(), |after| after.min(MOST_BUSY));
        let until = self.now.plus(wait);
        self.standing.busy_until = Some(until);
        self.uncount();
        let rows = self.draft.rows.clone();
        self.changes.push(if self.draft.may_have_arrived {
            Change::Retry {
                rows,
                retry_at: until,
            }
        } else {
            Change::Release {
                rows,
                retry_at: until,
            }
        });
    }

    fn retry(&mut self, reason: &str) {
        self.count_failure(reason);
        self.standing.rest_until = Some(self.now.plus(self.channel_backoff()));
        let is_urgent = self.rows().iter().any(|one| one.is_urgent());
        self.retry_later(if is_urgent {
            Urgency::Urgent
        } else {
            Urgency::Usual
        });
    }

    fn retry_later(&mut self, urgency: Urgency) {
        // The one that failed is among them.
        let attempts = self
            .rows()
            .iter()
            .map(|one| one.attempts)
            .max()
            .unwrap_or(1)
            .max(1);
        let wait = backoff::retry_after(attempts, &self.draft.key, urgency);
        self.changes.push(Change::Retry {
            rows: self.draft.rows.clone(),
            retry_at: self.now.plus(wait),
        });
    }

    /// What is refused is given up, but for what is urgent: that is given to somebody else at once, and tried until its
    /// time is over, because what is wrong may be put right.
    fn refuse(&mut self, reason: &str) {
        self.uncount();
        let rows = self.rows();
        if rows.iter().any(|one| one.is_urgent()) {
            self.changes.extend(passing_on(&rows, |one| self.terms.next(one)));
            self.retry_later(Urgency::Usual);
        } else {
            let arrived = |_: &Waiting| self.draft.may_have_arrived;
            let told = perhaps_told(self.thread(), &rows, arrived, self.now);
            self.changes.extend(told.map(|thread| Change::Thread {
                thread,
                notices: None,
            }));
            let left_out = u32::try_from(rows.len()).unwrap_or(u32::MAX);
            self.standing.left_out = self.standing.left_out.saturating_add(left_out);
            self.changes.push(Change::Remove {
                rows: self.draft.rows.clone(),
            });
        }
        self.fail_for_good(reason);
    }

    fn fail_for_good(&mut self, reason: &str) {
        self.standing.last_error = Some(reason.into());
        let begun = failing::begin(self.terms, &mut self.standing, self.now);
        self.changes.extend(begun.map(Change::Put));
    }

    fn count_failure(&mut self, reason: &str) {
        self.standing.failures = self.standing.failures.saturating_add(1);
        self.standing.last_error = Some(reason.into());
    }

    /// It has arrived by now if it has at all, so the hour in which it counts against the limit begins no earlier.
    fn count_from_the_answer(&mut self) {
        let (key, now) = (&self.draft.key, self.now);
        let counted = self.standing.sent.iter_mut().find(|sent| sent.key == *key);
        if let Some(sent) = counted {
            sent.at = now;
        }
    }

    /// What has not arrived does not count against the limit.
    fn uncount(&mut self) {
        if self.draft.may_have_arrived {
            return;
        }
        let key = &self.draft.key;
        self.standing.sent.retain(|sent| sent.key != *key);
    }

    fn channel_backoff(&self) -> Duration {
        backoff::backoff(self.standing.failures, self.terms.channel.as_str())
    }

    fn rows(&self) -> Vec<&'a Waiting> {
        let waiting = self.view.waiting.iter();
        waiting.filter(|one| self.draft.rows.contains(&one.row)).collect()
    }
}

/// What is to be sent again of what was `said` in `thread`; `None` where that is as it was.
fn going_on(thread: &Thread, said: &[Notice]) -> Option<Vec<Notice>> {
    if thread.open.is_none() {
        return Some(Vec::new());
    }
    let opened = said.iter().rfind(|notice| notice.stage == Stage::Opened);
    opened.map(|notice| vec![notice.clone()])
}

/// How severe what goes on is once `notice` was told.
fn after(open: Option<Severity>, notice: &Notice) -> Option<Severity> {
    match notice.stage {
        Stage::Once => open,
        Stage::Opened => open.max(Some(notice.severity)),
        Stage::Closed { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delivery::{
            ChannelName, Next, Plan, plan,
            testing::{Row, after, thread},
        },
        testing::{rules, scaled},
    };

    /// How the channel is after the answer to a first message that counts, and the changes.
    fn answered(rows: &str, answer: &Result<Receipt, SendError>) -> (Standing, Vec<Change>) {
        let (rules, channel) = (rules(), ChannelName::from("slack"));
        let terms = Terms {
            channel: &channel,
            cluster: None,
            rules: &rules,
            can_edit: false,
            forgets: false,
            alternates: &["email".into()],
            silences: &[],
        };
        let view = View {
            waiting: Row::parse(rows),
            ..View::default()
        };
        let Plan { standing, next, .. } = plan(&terms, &view, after(10));
        let Next::Send(draft) = next else {
            panic!("it is due");
        };
        let message = Message::of(scaled());
        let changes = settle(&terms, &view, &standing, (&draft, &message), answer, after(11));
        let mut after = view;
        after.standing = standing;
        for change in &changes {
            after.apply(change);
        }
        (after.standing, changes)
    }

    fn reason() -> String {
        "as it says".to_owned()
    }

    #[test]
    fn what_may_have_arrived_counts_against_the_limit_and_what_has_not_does_not() {
        let counted = |answer| answered("e", &answer).0.sent.len();
        assert_eq!(counted(Ok(Receipt::default())), 1);
        assert_eq!(counted(Err(SendError::Unanswered { reason: reason() })), 1);
        assert_eq!(counted(Err(SendError::Refused { reason: reason() })), 0);
        let busy = SendError::Busy {
            after: None,
            reason: reason(),
        };
        assert_eq!(counted(Err(busy)), 0);
    }

    #[test]
    fn the_hour_of_the_limit_begins_with_the_answer_and_not_with_the_attempt() {
        let (standing, _) = answered("e", &Ok(Receipt::default()));
        assert_eq!(standing.sent.first().map(|sent| sent.at), Some(after(11)));
    }

    #[test]
    fn what_has_not_arrived_may_go_with_something_else_next_time() {
        let releases = |rows, answer| {
            let (_, changes) = answered(rows, &answer);
            changes
                .iter()
                .any(|change| matches!(change, Change::Release { .. }))
        };
        let busy = || SendError::Busy {
            after: None,
            reason: reason(),
        };
        assert!(releases("e", Err(busy())));
        assert!(!releases("e", Err(SendError::Unanswered { reason: reason() })));
        // The attempt before may have arrived.
        assert!(!releases("e?", Err(busy())));
    }

    #[test]
    fn the_end_of_what_was_refused_is_not_told_unless_it_may_have_arrived_before() {
        let is_told = |rows| {
            let (_, changes) = answered(rows, &Err(SendError::Refused { reason: reason() }));
            changes
                .iter()
                .any(|change| matches!(change, Change::Thread { thread, .. } if thread.open.is_some()))
        };
        assert!(!is_told("o"));
        assert!(is_told("o?"));
    }

    #[test]
    fn a_message_that_could_not_be_changed_is_a_new_one_and_counts() {
        let (rules, channel) = (rules(), ChannelName::from("slack"));
        let terms = Terms {
            channel: &channel,
            cluster: None,
            rules: &rules,
            can_edit: true,
            forgets: false,
            alternates: &[],
            silences: &[],
        };
        let mut view = View {
            waiting: Row::parse("e"),
            threads: vec![thread(None)],
            ..View::default()
        };
        let Plan { standing, next, .. } = plan(&terms, &view, after(20));
        let Next::Send(draft) = next else {
            panic!("it is due");
        };
        let Form::Edit { earlier } = draft.form.clone() else {
            panic!("it is changed");
        };
        assert_eq!(standing.sent, []);
        let message = Message {
            notices: vec![scaled(), scaled()],
            told: 1,
            ..Message::of(scaled())
        };
        let mut settled = |receipt| {
            let changes = settle(
                &terms,
                &view,
                &standing,
                (&draft, &message),
                &Ok(receipt),
                after(21),
            );
            changes.iter().for_each(|change| view.apply(change));
            let thread = view.threads[0].clone();
            (view.standing.sent.len(), thread.notices, thread.began_at)
        };
        assert_eq!(settled(earlier), (0, 2, after(0)));
        assert_eq!(settled(Receipt("another".to_owned())), (1, 1, after(21)));
    }

    #[test]
    fn another_side_is_left_alone_for_as_long_as_it_asks_but_not_for_ever() {
        let until = |wait| {
            let busy = SendError::Busy {
                after: Some(Duration::from_secs(wait)),
                reason: reason(),
            };
            answered("e!", &Err(busy)).0.busy_until
        };
        assert_eq!(until(30), Some(after(41)));
        assert_eq!(until(100_000), Some(after(11).plus(MOST_BUSY)));
    }
}
