//! One channel's part of delivery: looks at what waits, sends what is due, records the answer, and sleeps.

mod recording;
mod repeat;

use std::{
    collections::HashSet,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
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

use super::{Channel, Shared, log, unrecorded::Unrecorded};
use crate::{
    Message, Notice, Receipt, SendError,
    channel::LONGEST,
    delivery::{
        Change, ChannelName, ChannelRules, Draft, Form, Next, Outbox, OutboxError, Phase, Plan, RowId,
        Standing, Terms, View, Waiting, outcome, scheduler,
    },
};

/// It looks again after so long even if nothing is due: clocks are set, and other processes put notices too.
const LOOKS_EVERY: Duration = Duration::from_secs(30);
/// It looks again after so long where the outbox could not be read.
const LOOKS_AFTER_FAULT: Duration = Duration::from_secs(5);

/// One channel's part of delivery.
pub(super) struct Desk {
    channel: Channel,
    shared: Arc<Shared>,
    woken: Arc<Notify>,
    known: Mutex<Known>,
    /// What happened and could not be recorded. Changed while nobody else plans or settles; read by passes at any time, which
    /// must not wait for the disk.
    unrecorded: RwLock<Unrecorded>,
}

/// How the channel is, as far as this process knows: nobody else changes it, whatever can be recorded.
#[derive(Debug, Default)]
struct Known {
    standing: Standing,
    /// Whether what was recorded of it before is in that.
    is_read: bool,
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
            known: Mutex::default(),
            unrecorded: RwLock::default(),
        }
    }

    pub(super) const fn name(&self) -> &ChannelName {
        &self.channel.name
    }

    /// Delivers until somebody says stop.
    pub(super) async fn run(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut repeats = repeat::ticks();
        while !*stopped.borrow() {
            let Step::Wait(until) = self.step(Haste::None).await else {
                continue;
            };
            tokio::select! {
                _ = stopped.changed() => return,
                () = self.woken.notified() => {}
                () = sleep(self.pause(until)) => {}
                _ = repeats.tick(), if self.channel.notifier.forgets() => self.repeat().await,
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

    /// Whether the channel was told that `incident` goes on, and that could not be recorded.
    pub(super) fn has_told(&self, incident: &str) -> bool {
        let unrecorded = self.unrecorded();
        unrecorded
            .thread(incident)
            .is_some_and(|thread| thread.open.is_some())
    }

    fn pause(&self, until: Option<Timestamp>) -> Duration {
        let now = (self.shared.now)();
        let pause = until.map_or(LOOKS_EVERY, |until| until.since(now));
        pause.clamp(Duration::from_millis(1), LOOKS_EVERY)
    }

    /// Sends the next message that is due.
    async fn step(self: &Arc<Self>, haste: Haste) -> Step {
        match self.look(haste).await {
            Looked::Message(due) => self.hand_over(haste, *due).await,
            Looked::Wait(at) => Step::Wait(Some(at)),
            Looked::Idle => Step::Wait(None),
        }
    }

    async fn hand_over(self: &Arc<Self>, haste: Haste, due: Due) -> Step {
        let answer = self.send(&due.message).await;
        self.log(&due, &answer);
        let desk = Arc::clone(self);
        let settling = spawn_blocking(move || {
            let _alone = desk.alone();
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
            desk.record(changes, now);
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
    async fn look(self: &Arc<Self>, haste: Haste) -> Looked {
        let desk = Arc::clone(self);
        let looking = spawn_blocking(move || {
            let _alone = desk.alone();
            desk.look_now(haste)
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

    fn look_now(&self, haste: Haste) -> Result<Looked, OutboxError> {
        let now = (self.shared.now)();
        let mut view = self.view(now)?;
        let (silences, rules) = (self.silences(), self.rules(haste));
        let Plan {
            changes,
            left_out,
            standing,
            next,
        } = scheduler::plan(&self.terms(&rules, &silences), &view, now);
        log::left_out(self.name(), &left_out);
        for change in &changes {
            view.apply(change);
        }
        let message = match &next {
            Next::Send(draft) => self.message(draft)?,
            Next::Wait(_) | Next::Idle => None,
        };
        self.record(changes, now);
        Ok(match (next, message) {
            (Next::Send(draft), Some(message)) => {
                // All else is not needed for as long as it is on its way.
                view.waiting.retain(|one| draft.rows.contains(&one.row));
                view.threads.retain(|thread| thread.incident == draft.incident);
                Looked::Message(Box::new(Due {
                    view,
                    standing,
                    draft,
                    message,
                }))
            }
            (Next::Send(draft), None) => {
                let notices = draft.rows.len();
                error!(channel = %self.name(), notices, "notices cannot be read, and are not told");
                self.record(vec![Change::Remove { rows: draft.rows }], now);
                Looked::Wait(now)
            }
            (Next::Wait(at), _) => Looked::Wait(at),
            (Next::Idle, _) => Looked::Idle,
        })
    }

    /// The message of `draft`; `None` where nothing of it can be read.
    fn message(&self, draft: &Draft) -> Result<Option<Message>, OutboxError> {
        let fresh = self.notices(&draft.rows)?;
        if fresh.is_empty() {
            return Ok(None);
        }
        let (earlier, mut notices) = match &draft.form {
            Form::New { earlier } => (earlier.clone(), Vec::new()),
            Form::Edit { earlier } => {
                let told = self.told(&draft.incident)?;
                // Without them it cannot be written again.
                ((!told.is_empty()).then(|| earlier.clone()), told)
            }
        };
        let told = notices.len();
        notices.extend(fresh);
        Ok(Some(Message {
            key: draft.key.to_string(),
            notices,
            told,
            earlier,
            left_out: draft.left_out,
        }))
    }

    /// The notices of `rows`, wherever they are kept.
    fn notices(&self, rows: &[RowId]) -> Result<Vec<Notice>, OutboxError> {
        let (outbox, spare) = (&self.shared.outbox, &self.shared.spare);
        let mut notices = Vec::with_capacity(rows.len());
        for rows in rows.chunk_by(|one, next| spare.has(*one) == spare.has(*next)) {
            let is_spare = rows.first().is_some_and(|row| spare.has(*row));
            notices.extend(if is_spare {
                spare.notices(rows)
            } else {
                outbox.notices(rows)
            }?);
        }
        Ok(notices)
    }

    fn told(&self, incident: &str) -> Result<Vec<Notice>, OutboxError> {
        if let Some(notices) = self.unrecorded().told(incident) {
            return Ok(notices.to_vec());
        }
        self.shared.outbox.told(self.name(), incident)
    }

    /// What waits, in the outbox and in memory: together, because the one may close what the other opens.
    fn view(&self, now: Timestamp) -> Result<View, OutboxError> {
        let spare = self.shared.spare.view(self.name())?.waiting;
        match self.recorded(now) {
            Ok(mut view) => {
                self.add_spare(&mut view, spare)?;
                view.standing = self.standing(Some(view.standing), now);
                Ok(view)
            }
            Err(error) if spare.is_empty() => Err(error),
            Err(_) => Ok(self.view_of_spare(spare, now)),
        }
    }

    /// What waits in the outbox, with what could not be recorded of it.
    fn recorded(&self, now: Timestamp) -> Result<View, OutboxError> {
        self.record_what_is_not(now)?;
        let mut view = self.shared.outbox.view(self.name())?;
        for change in self.unrecorded().changes() {
            view.apply(change);
        }
        Ok(view)
    }

    /// Puts what waits in memory where it belongs by its time; what may have arrived comes first.
    fn add_spare(&self, view: &mut View, spare: Vec<Waiting>) -> Result<(), OutboxError> {
        if spare.is_empty() {
            return Ok(());
        }
        let threads = view.threads.iter();
        let mut known: HashSet<_> = threads.map(|thread| Arc::clone(&thread.incident)).collect();
        for one in spare {
            if known.insert(Arc::clone(&one.incident)) {
                view.threads
                    .extend(self.shared.outbox.thread(self.name(), &one.incident)?);
            }
            let later = view.waiting.iter().position(|other| other.put_at > one.put_at);
            view.waiting.insert(later.unwrap_or(view.waiting.len()), one);
        }
        view.waiting.sort_by_key(|one| one.claimed.is_none());
        Ok(())
    }

    /// What waits in memory, where nothing else can be read: what is urgent is told. The end of something waits until it
    /// is known who was told of it.
    fn view_of_spare(&self, spare: Vec<Waiting>, now: Timestamp) -> View {
        let mut view = View {
            standing: self.standing(None, now),
            ..View::default()
        };
        let unrecorded = self.unrecorded();
        let is_known =
            |one: &Waiting| one.phase != Phase::Closed || unrecorded.thread(&one.incident).is_some();
        view.waiting = spare.into_iter().filter(is_known).collect();
        for change in unrecorded.changes() {
            view.apply(change);
        }
        view
    }

    /// How the channel is, of which this was recorded. Where that cannot be read, it is not known how much it was sent, so
    /// nothing is sent but what is urgent.
    fn standing(&self, recorded: Option<Standing>, now: Timestamp) -> Standing {
        let mut known = self.known();
        if let Some(recorded) = recorded
            && !known.is_read
        {
            let own = std::mem::take(&mut known.standing);
            known.standing = recorded.clone().joined(own);
            known.is_read = true;
            if known.standing != recorded {
                self.unrecorded_mut()
                    .push(vec![Change::Standing(known.standing.clone())]);
            }
        }
        let left_out = self.shared.spare.take_left_out(self.name());
        known.standing.left_out = known.standing.left_out.saturating_add(left_out);
        let mut standing = known.standing.clone();
        if !known.is_read {
            standing.rest_until = standing.rest_until.max(Some(now.plus(LOOKS_AFTER_FAULT)));
        }
        standing
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unrecorded(&self) -> RwLockReadGuard<'_, Unrecorded> {
        self.unrecorded.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn unrecorded_mut(&self) -> RwLockWriteGuard<'_, Unrecorded> {
        self.unrecorded.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.shared.alone()
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
            forgets: self.channel.notifier.forgets(),
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
}
