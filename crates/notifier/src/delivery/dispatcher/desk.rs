//! One channel's part of delivery: looks at what waits, sends what is due, records the answer, and sleeps.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

use futures::FutureExt as _;
use headroom_policy_engine::Timestamp;
use tokio::{
    sync::{Notify, watch},
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, error, info, warn};

use super::{Channel, Shared};
use crate::{
    Message, Receipt, SendError,
    channel::LONGEST,
    delivery::{
        Addressed, Change, ChannelName, ChannelRules, Draft, Form, LeftOut, Next, Outbox, OutboxError, Plan,
        Reason, Standing, Terms, View, outcome, scheduler,
    },
};

/// It looks again after so long even if nothing is due: clocks are set, and other processes put notices too.
const LOOKS_EVERY: Duration = Duration::from_secs(30);
/// It looks again after so long where the outbox could not be read.
const LOOKS_AFTER_FAULT: Duration = Duration::from_secs(5);
/// So many answers are remembered that could not be recorded. Beyond that nothing is sent from an outbox that does not
/// record it.
const MOST_UNRECORDED: usize = 500;

/// One channel's part of delivery.
pub(super) struct Desk {
    channel: Channel,
    shared: Arc<Shared>,
    woken: Arc<Notify>,
    /// How the channel is, once that was read: nobody else changes it, whatever can be recorded.
    standing: Mutex<Option<Standing>>,
    /// What happened and could not be recorded.
    unrecorded: Mutex<Vec<Vec<Change>>>,
}

/// Which outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    /// In memory, because the other could not keep it.
    Spare,
    Durable,
}

/// Whether more is about to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    /// It may be, so what comes first waits for it.
    None,
    /// Nothing is.
    End,
}

/// What looking at what waits led to.
enum Looked {
    Message(Box<Due>),
    Wait(Timestamp),
    Idle,
}

/// A message that is to be sent, with all that recording the answer takes.
struct Due {
    view: View,
    standing: Standing,
    draft: Draft,
    message: Message,
}

/// What became of one step.
enum Step {
    Taken,
    NotTaken,
    /// Nothing is due before then.
    Wait(Option<Timestamp>),
}

impl Desk {
    pub(super) fn new(channel: Channel, woken: Arc<Notify>, shared: Arc<Shared>) -> Self {
        Self {
            channel,
            shared,
            woken,
            standing: Mutex::default(),
            unrecorded: Mutex::default(),
        }
    }

    pub(super) const fn name(&self) -> &ChannelName {
        &self.channel.name
    }

    /// Delivers until somebody says stop.
    pub(super) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        while !*stopped.borrow() {
            let Step::Wait(until) = self.step(Haste::None).await else {
                continue;
            };
            tokio::select! {
                _ = stopped.changed() => return,
                () = self.woken.notified() => {}
                () = sleep(self.pause(until)) => {}
            }
        }
    }

    /// Delivers what is due before `until`. So many messages were taken.
    pub(super) async fn flush(self: Arc<Self>, until: Instant) -> usize {
        let mut sent = 0;
        while let Ok(step) = tokio::time::timeout_at(until, self.step(Haste::End)).await {
            match step {
                Step::Taken => sent += 1,
                Step::NotTaken => {}
                Step::Wait(None) => break,
                Step::Wait(Some(at)) => {
                    let pause = self.pause(Some(at));
                    if Instant::now() + pause >= until {
                        break;
                    }
                    sleep(pause).await;
                }
            }
        }
        sent
    }

    /// So many notices wait in the durable outbox, as far as can be read.
    pub(super) async fn waiting(self: &Arc<Self>) -> usize {
        let desk = Arc::clone(self);
        let counting = spawn_blocking(move || {
            let _alone = desk.alone();
            desk.view(Kept::Durable).map_or(0, |view| view.waiting.len())
        });
        counting.await.unwrap_or_default()
    }

    fn pause(&self, until: Option<Timestamp>) -> Duration {
        let now = (self.shared.now)();
        let pause = until.map_or(LOOKS_EVERY, |until| until.since(now));
        pause.clamp(Duration::from_millis(1), LOOKS_EVERY)
    }

    /// Sends the next message that is due: of what is kept nowhere else first.
    async fn step(self: &Arc<Self>, haste: Haste) -> Step {
        let mut until = None;
        for kept in [Kept::Spare, Kept::Durable] {
            if kept == Kept::Spare && self.shared.spare.is_empty() {
                continue;
            }
            match self.look(kept, haste).await {
                Looked::Message(due) => return self.hand_over(kept, haste, *due).await,
                Looked::Wait(at) => until = Some(until.map_or(at, |until: Timestamp| until.min(at))),
                Looked::Idle => {}
            }
        }
        Step::Wait(until)
    }

    async fn hand_over(self: &Arc<Self>, kept: Kept, haste: Haste, due: Due) -> Step {
        let answer = self.send(&due.message).await;
        self.log(&due, &answer);
        let desk = Arc::clone(self);
        let settling = spawn_blocking(move || {
            let silences = desk.silences();
            let rules = desk.rules(haste);
            let Due {
                view,
                standing,
                draft,
                message,
            } = &due;
            let terms = desk.terms(&rules, &silences);
            let now = (desk.shared.now)();
            let changes = outcome::settle(&terms, view, standing, (draft, message), &answer, now);
            desk.record(kept, changes, now);
            answer.is_ok()
        });
        match settling.await {
            Ok(true) => Step::Taken,
            Ok(false) => Step::NotTaken,
            Err(error) => self.fault(&error),
        }
    }

    async fn send(&self, message: &Message) -> Result<Receipt, SendError> {
        let sending = AssertUnwindSafe(self.channel.notifier.send(message)).catch_unwind();
        let unanswered = |reason: &str| {
            Err(SendError::Unanswered {
                reason: reason.to_owned(),
            })
        };
        match timeout(LONGEST, sending).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => unanswered("sending ended with a fault in headroom"),
            Err(_) => unanswered("no answer came"),
        }
    }

    fn fault(&self, error: &tokio::task::JoinError) -> Step {
        error!(channel = %self.name(), error = %error, "delivery ended with a fault in headroom");
        Step::Wait(Some((self.shared.now)().plus(LOOKS_AFTER_FAULT)))
    }

    /// Looks at what waits, records what is left out and what is about to be sent.
    async fn look(self: &Arc<Self>, kept: Kept, haste: Haste) -> Looked {
        let desk = Arc::clone(self);
        let looking = spawn_blocking(move || {
            let _alone = desk.alone();
            desk.look_now(kept, haste)
        });
        match looking.await {
            Ok(Ok(looked)) => looked,
            Ok(Err(error)) => {
                warn!(channel = %self.name(), error = %error, "what waits to be told cannot be read");
                Looked::Wait((self.shared.now)().plus(LOOKS_AFTER_FAULT))
            }
            Err(error) => {
                self.fault(&error);
                Looked::Wait((self.shared.now)().plus(LOOKS_AFTER_FAULT))
            }
        }
    }

    fn look_now(&self, kept: Kept, haste: Haste) -> Result<Looked, OutboxError> {
        let now = (self.shared.now)();
        if kept == Kept::Durable && !self.record_what_is_not(now) {
            return Ok(Looked::Wait(now.plus(LOOKS_AFTER_FAULT)));
        }
        let mut view = self.view(kept)?;
        let (silences, rules) = (self.silences(), self.rules(haste));
        let Plan {
            changes,
            left_out,
            standing,
            next,
        } = scheduler::plan(&self.terms(&rules, &silences), &view, now);
        self.log_left_out(&left_out);
        for change in &changes {
            view.apply(change);
        }
        let message = match &next {
            Next::Send(draft) => Some(self.message(kept, draft)?),
            Next::Wait(_) | Next::Idle => None,
        };
        self.record(kept, changes, now);
        Ok(match (next, message) {
            (Next::Send(draft), Some(message)) if !message.notices.is_empty() => {
                Looked::Message(Box::new(Due {
                    view,
                    standing,
                    draft,
                    message,
                }))
            }
            (Next::Send(draft), _) => {
                let notices = draft.rows.len();
                error!(channel = %self.name(), notices, "notices cannot be read, and are not told");
                self.record(kept, vec![Change::Remove { rows: draft.rows }], now);
                Looked::Wait(now)
            }
            (Next::Wait(at), _) => Looked::Wait(at),
            (Next::Idle, _) => Looked::Idle,
        })
    }

    fn message(&self, kept: Kept, draft: &Draft) -> Result<Message, OutboxError> {
        let outbox = self.outbox(kept);
        let fresh = outbox.notices(&draft.rows)?;
        let (earlier, mut notices) = match &draft.form {
            Form::New { earlier } => (earlier.clone(), Vec::new()),
            Form::Edit { earlier } => {
                let told = outbox.told(self.name(), &draft.incident)?;
                // Without them it cannot be written again.
                ((!told.is_empty()).then(|| earlier.clone()), told)
            }
        };
        let told = notices.len();
        if fresh.is_empty() {
            return Ok(Message {
                key: draft.key.to_string(),
                notices: fresh,
                told: 0,
                earlier,
                left_out: 0,
            });
        }
        notices.extend(fresh);
        Ok(Message {
            key: draft.key.to_string(),
            notices,
            told,
            earlier,
            left_out: draft.left_out,
        })
    }

    fn outbox(&self, kept: Kept) -> &dyn Outbox {
        match kept {
            Kept::Spare => &self.shared.spare,
            Kept::Durable => &*self.shared.outbox,
        }
    }

    /// What waits, with what could not be recorded of it.
    fn view(&self, kept: Kept) -> Result<View, OutboxError> {
        let mut view = self.outbox(kept).view(self.name())?;
        if kept == Kept::Durable {
            for change in self.unrecorded().iter().flatten() {
                view.apply(change);
            }
        }
        view.standing = self.standing(kept, view.standing);
        Ok(view)
    }

    /// How the channel is, which is the same whatever is sent: limits hold for both outboxes together.
    fn standing(&self, kept: Kept, read: Standing) -> Standing {
        let mut known = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Kept::Durable => known.get_or_insert(read).clone(),
            Kept::Spare => {
                if known.is_none() {
                    let durable = self.shared.outbox.view(self.name());
                    *known = durable.ok().map(|view| view.standing);
                }
                let mut standing = known.clone().unwrap_or_default();
                let left_out = self.shared.spare.take_left_out(self.name());
                standing.left_out = standing.left_out.saturating_add(left_out);
                *known = Some(standing.clone());
                standing
            }
        }
    }

    fn remember_standing(&self, changes: &[Change]) {
        let newest = changes.iter().rev().find_map(|change| match change {
            Change::Standing(standing) => Some(standing.clone()),
            Change::Claim { .. }
            | Change::Release { .. }
            | Change::Retry { .. }
            | Change::Remove { .. }
            | Change::PassOn { .. }
            | Change::Thread { .. }
            | Change::Put(_) => None,
        });
        if newest.is_some() {
            *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = newest;
        }
    }

    /// Records what happened. Where that fails it is remembered, and what other channels are to tell is kept in memory.
    fn record(&self, kept: Kept, mut changes: Vec<Change>, now: Timestamp) {
        if changes.is_empty() {
            return;
        }
        self.remember_standing(&changes);
        let hands_on =
            |change: &Change| matches!(change, Change::Put(_) | Change::PassOn { to: Some(_), .. });
        let hands_on = changes.iter().any(hands_on);
        let recorded = if kept == Kept::Durable && !self.unrecorded().is_empty() {
            Err(None)
        } else {
            self.outbox(kept).apply(self.name(), &changes, now).map_err(Some)
        };
        if let Err(error) = recorded {
            if let Some(error) = error {
                warn!(channel = %self.name(), error = %error, "what became of notices could not be recorded");
            }
            self.keep_what_is_handed_on(kept, &mut changes, now);
            self.unrecorded().push(changes);
        }
        if hands_on {
            self.shared.handed_on.store(true, Ordering::Relaxed);
            self.shared.wake_all();
        }
    }

    fn keep_what_is_handed_on(&self, kept: Kept, changes: &mut Vec<Change>, now: Timestamp) {
        let mut handed_on = Vec::new();
        for change in changes.iter_mut() {
            match change {
                Change::Put(addressed) => handed_on.push(addressed.clone()),
                Change::PassOn { row, to } => {
                    let notices = self.outbox(kept).notices(&[*row]).unwrap_or_default();
                    if let Some((to, then)) = to.take() {
                        handed_on.extend(notices.into_iter().map(|notice| Addressed {
                            notice,
                            to: vec![to.clone()],
                            then: Some(then.clone()),
                        }));
                    }
                }
                Change::Claim { .. }
                | Change::Release { .. }
                | Change::Retry { .. }
                | Change::Remove { .. }
                | Change::Thread { .. }
                | Change::Standing(_) => {}
            }
        }
        changes.retain(|change| !matches!(change, Change::Put(_)));
        if let Err(error) = self.shared.spare.put(&handed_on, now) {
            error!(channel = %self.name(), error = %error, "notices are kept nowhere, and not told");
        }
    }

    /// Records what could not be recorded so far. False where that is still so and too much to go on.
    fn record_what_is_not(&self, now: Timestamp) -> bool {
        let mut unrecorded = self.unrecorded();
        while let Some(changes) = unrecorded.first() {
            if self.shared.outbox.apply(self.name(), changes, now).is_err() {
                break;
            }
            unrecorded.remove(0);
        }
        unrecorded.len() < MOST_UNRECORDED
    }

    fn unrecorded(&self) -> MutexGuard<'_, Vec<Vec<Change>>> {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.shared
            .planning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn silences(&self) -> Arc<[crate::delivery::Silence]> {
        let silences = self
            .shared
            .silences
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&silences)
    }

    fn rules(&self, haste: Haste) -> ChannelRules {
        let mut rules = self.channel.rules.clone();
        if haste == Haste::End {
            rules.group_wait = Duration::ZERO;
        }
        rules
    }

    fn terms<'a>(&'a self, rules: &'a ChannelRules, silences: &'a [crate::delivery::Silence]) -> Terms<'a> {
        Terms {
            channel: self.name(),
            cluster: self.shared.cluster.as_ref(),
            rules,
            can_edit: self.channel.notifier.can_edit(),
            alternates: &self.channel.alternates,
            silences,
        }
    }

    fn log(&self, due: &Due, answer: &Result<Receipt, SendError>) {
        let (channel, key) = (self.name(), &due.message.key);
        match answer {
            Ok(_) => {
                if due.standing.failures > 0 {
                    info!(%channel, "the channel takes notices again");
                }
                debug!(%channel, key, notices = due.message.fresh().len(), "a message was taken");
            }
            Err(error @ (SendError::Refused { .. } | SendError::Partly { .. })) => {
                warn!(%channel, key, error = %error, "a message was refused");
            }
            Err(error) if due.standing.failures == 0 => {
                warn!(%channel, key, error = %error, "the channel does not take notices");
            }
            Err(error) => debug!(%channel, key, error = %error, "the channel does not take notices"),
        }
    }

    fn log_left_out(&self, left_out: &[LeftOut]) {
        let channel = self.name();
        let count = |reason| left_out.iter().filter(|one| one.reason == reason).count();
        for (reason, text) in [
            (
                Reason::TooMany,
                "more waited than may, and the oldest are not told",
            ),
            (
                Reason::HeldTooLong,
                "the channel's limit held notices back for too long",
            ),
        ] {
            let notices = count(reason);
            if notices > 0 {
                warn!(%channel, notices, "{text}");
            }
        }
        let notices = count(Reason::NotTaken);
        if notices > 0 {
            error!(%channel, notices, "the channel did not take notices for too long, and they are not told");
        }
    }
}
