//! What is sent next through a channel, and when; what is left out; and what is given to another channel.

mod due;

use std::{collections::HashMap, sync::Arc, time::Duration};

use headroom_policy_engine::Timestamp;

use super::{
    Change, ChannelName, ChannelRules, Phase, Route, RowId, Sent, Silence, Standing, Thread, View, Waiting,
    bound, failing,
    folding::{self, Folded},
};
use crate::Receipt;
pub(super) use due::MOST_BUSY;
use due::{Candidate, Scheduling};

/// An urgent notice that is not taken for so long goes to another channel too.
const PATIENCE: Duration = Duration::from_secs(60);
/// So does one that so many attempts did not hand over.
const ATTEMPTS: u32 = 3;

/// What is decided about a channel by.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Its name.
    pub channel: &'a ChannelName,
    /// The cluster's name, for what is told about the channel itself.
    pub cluster: Option<&'a Arc<str>>,
    /// What it is told, how much, and when.
    pub rules: &'a ChannelRules,
    /// Whether a message that was sent can be changed.
    pub can_edit: bool,
    /// Whether what goes on is sent to it again.
    pub forgets: bool,
    /// Who is told where it does not take what is urgent, in this order.
    pub alternates: &'a [ChannelName],
    /// When people do not want to be told.
    pub silences: &'a [Silence],
}

impl Terms<'_> {
    /// Who is given `one` where the channel does not take it, and where it is besides then.
    pub(super) fn next(&self, one: &Waiting) -> Option<(ChannelName, Route)> {
        one.route.next(self.channel, self.alternates)
    }
}

/// What is done about what waits for a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is recorded before anything is sent.
    pub changes: Vec<Change>,
    /// What is not told, and why not.
    pub left_out: Vec<LeftOut>,
    /// How the channel is after `changes`.
    pub standing: Standing,
    /// What is sent, and when.
    pub next: Next,
}

/// A notice that is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Which.
    pub row: RowId,
    /// Why not.
    pub reason: Reason,
}

/// Why a notice is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The channel knows that it goes on.
    AlreadyTold,
    /// It began and ended, or ended and began again, before it was told.
    Passed,
    /// It ended, and the channel was not told that it began.
    NothingToClose,
    /// Somebody did not want to be told.
    Silenced,
    /// There was more than the channel's rules let wait.
    TooMany,
    /// The rules of the channel held it back for too long.
    HeldTooLong,
    /// The channel did not take it for too long.
    NotTaken,
}

impl Reason {
    /// Whether the channel's next message says that something was left out.
    #[must_use]
    pub const fn is_told(self) -> bool {
        match self {
            Self::TooMany | Self::HeldTooLong | Self::NotTaken => true,
            Self::AlreadyTold | Self::Passed | Self::NothingToClose | Self::Silenced => false,
        }
    }
}

/// What is sent next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This message, now.
    Send(Draft),
    /// Nothing before then.
    Wait(Timestamp),
    /// Nothing waits.
    Idle,
}

/// A message that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// [`crate::Message::key`].
    pub key: Arc<str>,
    /// The incident that it is about.
    pub incident: Arc<str>,
    /// What was not sent before, oldest first.
    pub rows: Vec<RowId>,
    /// Whether it is a new message.
    pub form: Form,
    /// Whether it was tried before, and may have arrived then.
    pub may_have_arrived: bool,
    /// [`crate::Message::left_out`].
    pub left_out: u32,
    /// Whether it counts against the channel's limit, where it is a new message.
    pub is_counted: bool,
}

/// How a message lies to those that were sent before about the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A new one.
    New {
        /// The one before, where the channel finds it.
        earlier: Option<Receipt>,
    },
    /// This one, changed.
    Edit {
        /// Which.
        earlier: Receipt,
    },
}

/// What is done about what waits for a channel at `now`.
#[must_use]
pub fn plan(terms: &Terms<'_>, view: &View, now: Timestamp) -> Plan {
    let scheduling = Scheduling::new(terms, &view.standing, now);
    let mut planning = Planning {
        scheduling,
        left_out: Vec::new(),
        changes: Vec::new(),
    };
    let mut incidents = planning.fold(view);
    for incident in &mut incidents {
        planning.leave_out_late(incident);
    }
    planning.leave_out_surplus(terms, &mut incidents);
    for incident in &incidents {
        planning.pass_on(incident);
    }
    let next = planning.next(&incidents);
    planning.finish(terms, view, next, now)
}

/// What is left to tell about one incident.
pub(super) struct Incident<'v> {
    pub(super) thread: Option<&'v Thread>,
    /// In the order of rows; those that are about to be sent in a message come first.
    pub(super) kept: Vec<&'v Waiting>,
}

impl<'v> Incident<'v> {
    /// What goes into the next message: that which it was about to be sent in, so that it is the same message.
    pub(super) fn head(&self) -> &[&'v Waiting] {
        let Some(key) = self.kept.first().and_then(|first| first.claimed.as_ref()) else {
            return &self.kept;
        };
        let same = |one: &&&Waiting| one.claimed.as_ref() == Some(key);
        let claimed = self.kept.iter().take_while(same).count();
        self.kept.get(..claimed).unwrap_or_default()
    }
}

struct Planning<'a> {
    scheduling: Scheduling<'a>,
    left_out: Vec<LeftOut>,
    changes: Vec<Change>,
}

impl Planning<'_> {
    /// What is left to tell, incident by incident.
    fn fold<'v>(&mut self, view: &'v View) -> Vec<Incident<'v>> {
        let threads: HashMap<&str, &Thread> = view
            .threads
            .iter()
            .map(|thread| (&*thread.incident, thread))
            .collect();
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(view.waiting.len());
        let mut rows: Vec<Vec<&Waiting>> = Vec::new();
        for one in &view.waiting {
            if self.scheduling.is_silenced_for_good(one) {
                self.leave_out(one, Reason::Silenced);
                continue;
            }
            let place = *places.entry(&one.incident).or_insert_with(|| {
                rows.push(Vec::new());
                rows.len() - 1
            });
            if let Some(rows) = rows.get_mut(place) {
                rows.push(one);
            }
        }
        let mut incidents = Vec::with_capacity(rows.len());
        for rows in rows {
            let thread = rows.first().and_then(|one| threads.get(&*one.incident).copied());
            let Folded { kept, left_out } = folding::fold(self.scheduling.rules(), thread, rows.into_iter());
            for (one, reason) in left_out {
                self.leave_out(one, reason);
            }
            incidents.push(Incident { thread, kept });
        }
        incidents
    }

    fn leave_out(&mut self, one: &Waiting, reason: Reason) {
        self.left_out.push(LeftOut { row: one.row, reason });
    }

    /// What was about to be sent together is given up together.
    fn leave_out_late(&mut self, incident: &mut Incident<'_>) {
        let scheduling = &self.scheduling;
        let is_late = |one: &Waiting| scheduling.is_late(one);
        let claimed = |one: &Waiting| one.claimed.is_some();
        let keeps_claimed = incident.kept.iter().any(|one| claimed(one) && !is_late(one));
        let (late, kept): (Vec<_>, Vec<_>) = incident
            .kept
            .iter()
            .partition(|one| is_late(one) && !(claimed(one) && keeps_claimed));
        if late.is_empty() {
            return;
        }
        incident.kept = kept;
        let told = perhaps_told(incident.thread, &late, claimed, self.scheduling.now());
        self.changes.extend(told.map(|thread| Change::Thread {
            thread,
            notices: None,
        }));
        for one in late {
            let reason = self.scheduling.reason_of_late(one);
            self.leave_out(one, reason);
        }
    }

    fn leave_out_surplus(&mut self, terms: &Terms<'_>, incidents: &mut [Incident<'_>]) {
        let kept = incidents
            .iter()
            .flat_map(|incident| incident.kept.iter().copied());
        let gone = bound::beyond(terms.rules.bound, kept);
        if gone.is_empty() {
            return;
        }
        let mut rows: Vec<_> = gone.iter().map(|one| one.row).collect();
        rows.sort_unstable();
        for one in gone {
            self.leave_out(one, Reason::TooMany);
        }
        for incident in incidents {
            incident.kept.retain(|one| rows.binary_search(&one.row).is_err());
        }
    }

    /// Gives what is urgent and not taken to the next channel, with all that follows about the same: an end must not get
    /// there before what it ends.
    fn pass_on(&mut self, incident: &Incident<'_>) {
        let kept = &incident.kept;
        if !kept.iter().any(|one| self.scheduling.is_to_be_passed_on(one)) {
            return;
        }
        let first = kept.iter().position(|one| one.is_urgent()).unwrap_or_default();
        let rest = kept.get(first..).unwrap_or_default();
        self.changes
            .extend(passing_on(rest, |one| self.scheduling.terms().next(one)));
    }

    fn next(&self, incidents: &[Incident<'_>]) -> Next {
        let mut best: Option<(Candidate, &Incident<'_>)> = None;
        let mut wake: Option<Timestamp> = None;
        for incident in incidents.iter().filter(|incident| !incident.kept.is_empty()) {
            let candidate = self.scheduling.candidate(incident);
            let at = self.scheduling.looks_again_at(incident, &candidate);
            wake = Some(wake.map_or(at, |wake| wake.min(at)));
            if candidate.at <= self.scheduling.now()
                && best.as_ref().is_none_or(|(best, _)| candidate.order < best.order)
            {
                best = Some((candidate, incident));
            }
        }
        match (best, wake) {
            (Some((candidate, incident)), _) => Next::Send(self.scheduling.draft(incident, candidate)),
            (None, Some(at)) => Next::Wait(at),
            (None, None) => Next::Idle,
        }
    }

    fn finish(mut self, terms: &Terms<'_>, view: &View, mut next: Next, now: Timestamp) -> Plan {
        let mut standing = view.standing.clone();
        let told = self.left_out.iter().filter(|one| one.reason.is_told()).count();
        standing.left_out = standing
            .left_out
            .saturating_add(u32::try_from(told).unwrap_or(u32::MAX));
        if self.left_out.iter().any(|one| one.reason == Reason::NotTaken) {
            let begun = failing::begin(terms, &mut standing, now);
            self.changes.extend(begun.map(Change::Put));
        }
        if !self.left_out.is_empty() {
            self.changes.push(Change::Remove {
                rows: self.left_out.iter().map(|one| one.row).collect(),
            });
        }
        if let Next::Send(draft) = &mut next {
            draft.left_out = standing.left_out;
            self.changes.push(Change::Claim {
                rows: draft.rows.clone(),
                key: Arc::clone(&draft.key),
            });
            if draft.is_counted && matches!(draft.form, Form::New { .. }) {
                count(&mut standing.sent, &draft.key, now);
            }
        }
        if standing != view.standing {
            self.changes.push(Change::Standing(standing.clone()));
        }
        Plan {
            changes: self.changes,
            left_out: self.left_out,
            standing,
            next,
        }
    }
}

/// Gives those of `waiting`, which are about one incident, to the next channel that each was not given to before, where
/// there is one.
pub(super) fn passing_on(
    waiting: &[&Waiting],
    next: impl Fn(&Waiting) -> Option<(ChannelName, Route)>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut last = None;
    for one in waiting.iter().filter(|one| !one.is_passed_on) {
        // An end follows what it ends, even where it was given to that channel before: there it came too early.
        if one.phase != Phase::Closed || last.is_none() {
            last = next(one);
        }
        changes.extend(last.clone().map(|to| Change::PassOn {
            row: one.row,
            to: Some(to),
        }));
    }
    changes
}

/// Counts the message with `key` as sent now, and forgets those that do not count any more.
pub(super) fn count(sent: &mut Vec<Sent>, key: &Arc<str>, now: Timestamp) {
    sent.retain(|sent| sent.key != *key && now.since(sent.at) < due::HOUR);
    sent.push(Sent {
        key: Arc::clone(key),
        at: now,
    });
}

/// What is known about an incident once these are given up: what may have arrived counts as told, so that its end is, and
/// an end is one, because nothing else will say so. `None` where nothing is other than before.
pub(super) fn perhaps_told(
    thread: Option<&Thread>,
    given_up: &[&Waiting],
    may_have_arrived: impl Fn(&Waiting) -> bool,
    now: Timestamp,
) -> Option<Thread> {
    let before = thread.and_then(|thread| thread.open);
    let open = given_up.iter().fold(before, |open, one| match one.phase {
        Phase::Once => open,
        Phase::Closed => None,
        Phase::Opened if may_have_arrived(one) => open.max(Some(one.severity)),
        Phase::Opened => open,
    });
    if open == before {
        return None;
    }
    let unknown = || Thread {
        incident: given_up
            .first()
            .map_or_else(|| "".into(), |one| Arc::clone(&one.incident)),
        receipt: None,
        began_at: now,
        last_at: now,
        notices: 0,
        open,
    };
    Some(Thread {
        open,
        ..thread.cloned().unwrap_or_else(unknown)
    })
}

#[cfg(test)]
mod tests;
