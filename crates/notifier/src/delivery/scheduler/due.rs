//! When what is left to tell about an incident is due, and in which message.

use std::{sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;

use super::{ATTEMPTS, Draft, Form, Incident, PATIENCE, Reason, Terms};
use crate::{
    EventKind, Severity,
    delivery::{
        ChannelRules, Phase, Sent, Silence, Standing, Waiting, backoff, folding::MOST_TOGETHER,
        silence::silenced_until,
    },
};

/// The limit of messages is one of any hour.
pub(in crate::delivery) const HOUR: Duration = Duration::from_secs(3600);
/// The longest that another side is left alone, whatever it asks for.
pub(in crate::delivery) const MOST_BUSY: Duration = HOUR;

/// Which of several messages that are due goes first: the smaller one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Order {
    class: Class,
    /// What is not taken lets others pass, lest it holds them up for as long as it is tried.
    attempts: u32,
    at: Timestamp,
    row: super::RowId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Urgent,
    Digest,
    Closes,
    Usual,
}

/// The next message about an incident.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// When it is sent.
    pub(super) at: Timestamp,
    pub(super) order: Order,
    form: Form,
    key: Arc<str>,
    is_counted: bool,
}

/// What holds for the whole channel at one moment.
pub(super) struct Scheduling<'a> {
    terms: &'a Terms<'a>,
    standing: &'a Standing,
    now: Timestamp,
    in_force: Vec<&'a Silence>,
    rest_until: Timestamp,
    busy_until: Timestamp,
    /// The first moment from now on that is in no quiet hours.
    quiet_until: Timestamp,
    /// Until when the limit holds back a message that was not tried before; `None` where it does not.
    limit_until: Option<Timestamp>,
}

impl<'a> Scheduling<'a> {
    pub(super) fn new(terms: &'a Terms<'a>, standing: &'a Standing, now: Timestamp) -> Self {
        let until = |until: Option<Timestamp>, most| until.map_or(Timestamp::MIN, |at| sane(at, most, now));
        Self {
            terms,
            standing,
            now,
            in_force: terms
                .silences
                .iter()
                .filter(|silence| silence.is_in_force(now))
                .collect(),
            rest_until: until(standing.rest_until, backoff::MOST),
            busy_until: until(standing.busy_until, MOST_BUSY),
            quiet_until: out_of_quiet_hours(terms.rules, now),
            limit_until: limit_until(terms.rules, standing, None, now),
        }
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) const fn rules(&self) -> &'a ChannelRules {
        self.terms.rules
    }

    pub(super) const fn terms(&self) -> &'a Terms<'a> {
        self.terms
    }

    fn silenced_until(&self, one: &Waiting) -> Option<Timestamp> {
        if self.in_force.is_empty() {
            None
        } else {
            silenced_until(&self.in_force, one)
        }
    }

    /// Whether `one` is not told after the silence either, because it is past by then. What was about to be sent is, lest
    /// it is sent by half.
    pub(super) fn is_silenced_for_good(&self, one: &Waiting) -> bool {
        one.phase == Phase::Once && one.claimed.is_none() && self.silenced_until(one).is_some()
    }

    /// Whether nothing holds `one` back.
    fn is_urgent(&self, one: &Waiting) -> bool {
        one.is_urgent() && self.silenced_until(one).is_none()
    }

    /// When `one` was, or will be, due first, by itself.
    fn due_first(&self, one: &Waiting) -> Timestamp {
        let wait = if one.is_urgent() || one.kind == EventKind::Digest {
            Duration::ZERO
        } else {
            self.terms.rules.group_wait
        };
        let at = sane(one.put_at.plus(wait), wait, self.now);
        if one.is_urgent() {
            at
        } else {
            self.out_of_quiet_hours(at)
        }
    }

    fn out_of_quiet_hours(&self, at: Timestamp) -> Timestamp {
        if at == self.now {
            self.quiet_until
        } else {
            out_of_quiet_hours(self.terms.rules, at)
        }
    }

    /// When `one` is given up, if something holds it back. Hours in which it is to be held do not count.
    fn gives_up_at(&self, one: &Waiting) -> Timestamp {
        let tried = self.terms.rules.deadlines.of(one);
        let at = self.out_of_silences(one, self.due_first(one)).plus(tried);
        if one.is_urgent() {
            return at;
        }
        let begins_again = self.out_of_quiet_hours(at);
        if begins_again == at {
            at
        } else {
            begins_again.plus(tried)
        }
    }

    fn out_of_silences(&self, one: &Waiting, at: Timestamp) -> Timestamp {
        let known = self.terms.silences.iter();
        known
            .filter(|silence| silence.is_in_force(at) && silence.covers(one))
            .map(|silence| silence.until)
            .max()
            .unwrap_or(at)
    }

    /// Whether the time of `one` is over. What nothing holds back is tried once more first, because nobody may have tried
    /// it until now.
    pub(super) fn is_late(&self, one: &Waiting) -> bool {
        self.held_until(one) > self.now && self.gives_up_at(one) <= self.now
    }

    /// Until when the channel or its limit keeps `one` from being sent.
    fn held_until(&self, one: &Waiting) -> Timestamp {
        let asked = self.retries_at(one).max(self.busy_until);
        if one.is_urgent() {
            return asked;
        }
        let limit = self.limit_until.filter(|_| one.kind != EventKind::Digest);
        asked.max(self.rest_until).max(limit.unwrap_or(Timestamp::MIN))
    }

    fn retries_at(&self, one: &Waiting) -> Timestamp {
        one.retry_at
            .map_or(Timestamp::MIN, |at| sane(at, MOST_BUSY, self.now))
    }

    fn fails(&self, one: &Waiting) -> bool {
        one.attempts > 0 || self.standing.failures > 0 || self.busy_until > self.now
    }

    /// Whether it is the channel that did not take `one`, or its rules that did not let it through.
    pub(super) fn reason_of_late(&self, one: &Waiting) -> Reason {
        if self.fails(one) {
            Reason::NotTaken
        } else {
            Reason::HeldTooLong
        }
    }

    pub(super) fn is_to_be_passed_on(&self, one: &Waiting) -> bool {
        if one.is_passed_on || !self.is_urgent(one) {
            return false;
        }
        one.attempts >= ATTEMPTS || (self.fails(one) && self.now.since(one.put_at) >= PATIENCE)
    }

    /// When the next message about `incident` is sent, and which it is.
    pub(super) fn candidate(&self, incident: &Incident<'_>) -> Candidate {
        let head = incident.head();
        let class = self.class(head);
        let form = self.form(incident, head, class);
        let key = key(head);
        let is_counted = matches!(class, Class::Closes | Class::Usual);
        let is_limited = is_counted && matches!(form, Form::New { .. });
        let due = self.due(incident, head, class, &form);
        let at = if class == Class::Urgent {
            due
        } else {
            let earliest = self.out_of_quiet_hours(due.max(self.now));
            let limit = is_limited.then(|| self.limit_of(&key, head)).flatten();
            limit.map_or(earliest, |free| earliest.max(free))
        };
        let row = head.first().map_or(super::RowId(0), |one| one.row);
        let attempts = head.iter().map(|one| one.attempts).max().unwrap_or_default();
        Candidate {
            at,
            order: Order {
                class,
                attempts,
                at: due,
                row,
            },
            form,
            key,
            is_counted,
        }
    }

    fn class(&self, head: &[&Waiting]) -> Class {
        if head.iter().any(|one| self.is_urgent(one)) {
            Class::Urgent
        } else if head.iter().all(|one| one.kind == EventKind::Digest) {
            Class::Digest
        } else if head.iter().all(|one| one.phase == Phase::Closed) {
            Class::Closes
        } else {
            Class::Usual
        }
    }

    /// When it would be sent if there were no quiet hours and no limit.
    fn due(&self, incident: &Incident<'_>, head: &[&Waiting], class: Class, form: &Form) -> Timestamp {
        let retries_at = head.iter().map(|one| self.retries_at(one)).max();
        let mut due = self.busy_until.max(retries_at.unwrap_or(Timestamp::MIN));
        if let Some(first) = head.first() {
            due = due.max(self.begins_at(first));
        }
        if class == Class::Urgent {
            return due;
        }
        due = due.max(self.rest_until);
        if let Some(until) = head.iter().filter_map(|one| self.silenced_until(one)).max() {
            due = due.max(until);
        }
        if let Some(thread) = incident.thread {
            let rules = self.terms.rules;
            let apart = match form {
                Form::Edit { .. } => rules.group_wait,
                Form::New { .. } if class == Class::Closes => Duration::ZERO,
                Form::New { .. } => rules.group_interval,
            };
            due = due.max(sane(thread.last_at.plus(apart), apart, self.now));
        }
        due
    }

    /// When what begins a message is due: what is urgent at once, and what else belongs to it a little later.
    fn begins_at(&self, first: &Waiting) -> Timestamp {
        if self.is_urgent(first) || first.kind == EventKind::Digest {
            return sane(first.put_at, Duration::ZERO, self.now);
        }
        let wait = self.terms.rules.group_wait;
        sane(first.put_at.plus(wait), wait, self.now)
    }

    /// Until when the limit holds the message with `key` back. One that was tried before counts already.
    fn limit_of(&self, key: &str, head: &[&Waiting]) -> Option<Timestamp> {
        if head.iter().all(|one| one.claimed.is_none()) {
            return self.limit_until;
        }
        limit_until(self.terms.rules, self.standing, Some(key), self.now)
    }

    fn form(&self, incident: &Incident<'_>, head: &[&Waiting], class: Class) -> Form {
        let Some(thread) = incident.thread else {
            return Form::New { earlier: None };
        };
        let Some(receipt) = thread.receipt.clone() else {
            return Form::New { earlier: None };
        };
        if !self.terms.can_edit {
            return Form::New {
                earlier: Some(receipt),
            };
        }
        // It was sent in another way, or what it says is not known.
        if receipt.0.is_empty() || thread.notices == 0 {
            return Form::New { earlier: None };
        }
        let only_closes = head.iter().all(|one| one.phase == Phase::Closed);
        let belongs_to_it = if only_closes {
            thread.open.is_some()
        } else {
            class != Class::Urgent
                && !head.last().is_some_and(|one| is_loud(one))
                && self.now.since(thread.began_at) < self.terms.rules.group_interval
        };
        let fits = usize::try_from(thread.notices).is_ok_and(|told| told + head.len() <= MOST_TOGETHER);
        if belongs_to_it && (fits || only_closes) {
            Form::Edit { earlier: receipt }
        } else {
            Form::New { earlier: None }
        }
    }

    /// When something about `incident` changes by time alone.
    pub(super) fn looks_again_at(&self, incident: &Incident<'_>, candidate: &Candidate) -> Timestamp {
        let patience_ends = |one: &Waiting| {
            let waits = !one.is_passed_on && self.is_urgent(one);
            waits.then(|| one.put_at.plus(PATIENCE))
        };
        let times = incident.kept.iter().flat_map(|one| {
            let late = (self.held_until(one) > self.now).then(|| self.gives_up_at(one));
            [late, patience_ends(one)].into_iter().flatten()
        });
        times
            .filter(|at| *at > self.now)
            .fold(candidate.at, Timestamp::min)
    }

    pub(super) fn draft(&self, incident: &Incident<'_>, candidate: Candidate) -> Draft {
        let head = incident.head();
        Draft {
            key: candidate.key,
            incident: head
                .first()
                .map_or_else(|| "".into(), |one| Arc::clone(&one.incident)),
            rows: head.iter().map(|one| one.row).collect(),
            form: candidate.form,
            may_have_arrived: head.iter().any(|one| one.claimed.is_some()),
            left_out: 0,
            is_counted: candidate.is_counted,
        }
    }
}

fn out_of_quiet_hours(rules: &ChannelRules, at: Timestamp) -> Timestamp {
    rules.quiet_hours.as_ref().map_or(at, |hours| hours.after(at))
}

/// Until when the limit of `rules` holds a message back, where that with `key` does not count.
fn limit_until(
    rules: &ChannelRules,
    standing: &Standing,
    key: Option<&str>,
    now: Timestamp,
) -> Option<Timestamp> {
    let most = usize::try_from(rules.max_per_hour?.get()).ok()?;
    // A clock that was set back must not hold messages for long.
    let counts = |sent: &&Sent| now.since(sent.at) < HOUR && sent.at.since(now) < HOUR;
    let others = standing.sent.iter().filter(|sent| Some(&*sent.key) != key);
    let mut times: Vec<_> = others.filter(counts).map(|sent| sent.at).collect();
    times.sort_unstable();
    let leaves = times.len().checked_sub(most)?;
    times.get(leaves).map(|at| at.plus(HOUR))
}

/// Whether people are to notice that `one` goes on.
fn is_loud(one: &Waiting) -> bool {
    one.phase == Phase::Opened && one.severity >= Severity::Warning
}

/// The key of the message with `head` in it: the same for each attempt, and another one where something else is in it.
fn key(head: &[&Waiting]) -> Arc<str> {
    let Some(first) = head.first() else {
        return "".into();
    };
    if let Some(key) = &first.claimed {
        return Arc::clone(key);
    }
    if head.len() == 1 {
        return Arc::clone(&first.id.0);
    }
    // No name has a zero in it.
    let names = head.iter().flat_map(|one| one.id.0.bytes().chain([0]));
    format!("{}+{:016x}", first.id, backoff::hash(names)).into()
}

/// `at`, unless it is further from `now` than it can be while nobody sets the clock back.
fn sane(at: Timestamp, most: Duration, now: Timestamp) -> Timestamp {
    if at > now.plus(most) { now } else { at }
}
