//! The steps of a pass for the workloads whose targets have answered: observe, decide, record, write, record.

use std::{mem, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use headroom_actuator::{Actuator, TargetError};
use headroom_metrics_source::{Answer, ScrapeSource};
use headroom_policy_engine::{
    Decision, Hold, Observations, Outcome, Pod, Pods, Replicas, Timestamp, Workload,
};
use tokio::time::{Instant, interval_at, timeout};

use super::{
    Autoscaler, Due, Managed, Pass,
    evaluate::{Found, conclude, decide, decide_again, decide_anew, recognize, settle},
    observe::{Place, Questions},
    past::Pasts,
    report::in_one_line,
    states::Taken,
    targets::{patience, read_one},
};
use crate::{
    DecisionRecord, Notice, StoreError, Tripped, Verdict,
    notify::Incidents,
    store::{Decided, Finished, OpenIntent, RowId},
};

/// What came of a cohort.
#[derive(Debug, Default)]
pub(super) struct Cohort {
    /// The decisions, each with its place in the configuration.
    pub(super) records: Vec<(usize, DecisionRecord)>,
    pub(super) notices: Vec<Notice>,
}

/// A workload with the places of the answers about it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) due: Due,
    /// Those of its metrics, in their order. None where its target could not be read.
    pub(super) places: Vec<Place>,
    /// That of the query that holds scaling down.
    hold: Option<Place>,
}

/// One workload on its way through the steps.
#[derive(Debug)]
pub(super) struct Item {
    taken: Taken,
    pub(super) record: DecisionRecord,
    /// What the decision was based on.
    seen: Observations,
    settled: Option<(OpenIntent, Outcome)>,
    /// The change to write; `None` where there is none, or none that may be written.
    change: Option<Decision>,
    /// Whether it was decided about once before in this pass. A second conflict is left to the next one.
    is_anew: bool,
    /// What goes on with it that people are told of, where the state is to have that anew.
    incidents: Option<String>,
}

impl Autoscaler {
    /// Takes `due` through the pass.
    pub(super) async fn cohort(&self, pass: &Pass, mut due: Vec<Due>) -> Cohort {
        let mut cohort = Cohort::default();
        if due.is_empty() {
            return cohort;
        }
        cohort.notices = due.iter_mut().filter_map(|due| self.recognize(due)).collect();
        let mut items = self.decide_all(pass, due).await;
        if self.store.is_read_only() {
            self.brake(pass, &mut items);
            cohort
                .records
                .extend(items.into_iter().map(|item| (item.taken.index, item.record)));
            return cohort;
        }
        let conflicts = self.carry_out(pass, items, &mut cohort).await;
        let anew = self.decide_anew(pass, conflicts, &mut cohort).await;
        self.carry_out(pass, anew, &mut cohort).await;
        cohort
    }

    /// Records what was decided, writes the changes, and records what became of them. Those that are to be decided about
    /// anew, because their count was changed in between.
    async fn carry_out(&self, pass: &Pass, mut items: Vec<Item>, cohort: &mut Cohort) -> Vec<Item> {
        if items.is_empty() {
            return items;
        }
        self.hold_what_is_paused(pass, &mut items);
        let tripped = self.brake(pass, &mut items);
        let (mut items, recorded) = self.record_decided(pass, items, tripped).await;
        if let Err(error) = recorded {
            refuse_all(&mut items, &error);
            cohort.notices.push(not_written(&error));
            cohort
                .records
                .extend(items.into_iter().map(|item| (item.taken.index, item.record)));
            return Vec::new();
        }
        let (to_write, done): (Vec<_>, Vec<_>) = items.into_iter().partition(Item::is_change);
        for item in done {
            cohort.records.push((item.taken.index, item.record));
            item.taken.saved();
        }
        self.write_all(pass, to_write, cohort).await
    }

    /// Uses nothing that is remembered of another target than the one that was read, and says so.
    fn recognize(&self, due: &mut Due) -> Option<Notice> {
        let read = due.read.as_ref().ok()?;
        due.settled = recognize(due.taken.remembered_mut(), read)?;
        Some(Notice::TargetReplaced {
            workload: self.workloads[due.taken.index].settings.id.clone(),
        })
    }

    /// Observes everything together, and decides about each workload.
    async fn decide_all(&self, pass: &Pass, due: Vec<Due>) -> Vec<Item> {
        let mut questions = Questions::default();
        let asked: Vec<Asked> = due
            .into_iter()
            .map(|due| {
                let settings = &self.workloads[due.taken.index].settings;
                let Ok(state) = &due.read else {
                    return Asked {
                        due,
                        places: Vec::new(),
                        hold: None,
                    };
                };
                let replicas = &state.replicas;
                let places = 0..settings.metrics.len();
                let places = places.map(|index| questions.add_metric(settings, index, replicas));
                Asked {
                    places: places.collect(),
                    hold: settings
                        .hold_query
                        .as_ref()
                        .map(|hold| questions.add(&hold.asked.origin, replicas)),
                    due,
                }
            })
            .collect();
        let answers = questions.ask(&self.sources, pass.now).await;
        self.outages.note(&answers);
        let pasts = Pasts::ask(self, &asked, &answers, pass.now).await;
        asked
            .into_iter()
            .enumerate()
            .map(|(number, asked)| {
                let Asked {
                    mut due,
                    places,
                    hold,
                } = asked;
                let managed = &self.workloads[due.taken.index];
                let rebuilt = due.read.as_ref().ok().and_then(|state| {
                    let memory = &mut due.taken.remembered_mut().memory;
                    pasts.rebuild(number, &managed.settings, &state.workload, memory, pass.now)
                });
                let metrics = places.into_iter().map(|place| answers.get(place)).collect();
                let hold = hold.map(|place| answers.get(place));
                let mut item = decide_one(pass, managed, due, metrics, hold);
                item.record.rebuilt = rebuilt;
                item
            })
            .collect()
    }

    /// Decides anew about those whose count somebody changed while it was decided on, on the count that is there now. A
    /// target that cannot be read again, or is another one by now, is left to the next pass.
    async fn decide_anew(&self, pass: &Pass, items: Vec<Item>, cohort: &mut Cohort) -> Vec<Item> {
        let read = items.into_iter().map(|item| async {
            let managed = &self.workloads[item.taken.index];
            let patience = patience(&managed.target, self.deadline);
            (read_one(managed, patience, pass.now).await, managed, item)
        });
        let mut anew = Vec::new();
        for (read, managed, mut item) in join_all(read).await {
            match read {
                Ok(state) if item.is_of(state.identity.as_deref()) => {
                    pass.brake.forget(&item.record, &managed.settings);
                    item.decide_anew(managed, state.workload, pass.now);
                    anew.push(item);
                }
                Ok(_) | Err(_) => {
                    cohort.records.push((item.taken.index, item.record));
                    item.taken.saved();
                }
            }
        }
        anew
    }

    /// Records decisions and intents, durably.
    async fn record_decided(
        &self,
        pass: &Pass,
        items: Vec<Item>,
        tripped: Option<Tripped>,
    ) -> (Vec<Item>, Result<(), StoreError>) {
        let now = pass.now;
        let scrape = self.scrape.clone();
        let store = Arc::clone(&self.store);
        let mut items = items;
        let told = self.learn(pass, &mut items, |item| item.change.is_none());
        let notifications = Arc::clone(&self.notifications);
        let (items, recorded) = blocking(items, move |items| {
            let decided: Vec<_> = items.iter_mut().map(Item::decided).collect();
            let rows = notifications.record(&told, |told| {
                let readings = scrape.as_deref().map(readings).transpose()?;
                store.record_decided(&decided, readings.as_deref(), tripped, told, now)
            })?;
            for (item, row) in items.iter_mut().zip(rows) {
                item.taken.remembered_mut().last = Some(row);
            }
            Ok(())
        })
        .await;
        (items, recorded)
    }

    /// Writes the changes, and records what became of them: those that are quick together, the others as they come. Those
    /// that are to be decided about anew.
    async fn write_all(&self, pass: &Pass, items: Vec<Item>, cohort: &mut Cohort) -> Vec<Item> {
        let mut writes: FuturesUnordered<_> = items
            .into_iter()
            .map(|item| self.write(&self.workloads[item.taken.index], item, pass))
            .collect();
        let every = self.deadline.max(Duration::from_millis(1));
        let mut late = interval_at(Instant::now() + every, every);
        let (mut written, mut conflicts) = (Vec::new(), Vec::new());
        loop {
            let is_last = tokio::select! {
                biased;
                next = writes.next() => match next {
                    Some(item) => {
                        written.push(item);
                        continue;
                    }
                    None => true,
                },
                _ = late.tick() => false,
            };
            conflicts.extend(self.record_finished(pass, mem::take(&mut written), cohort).await);
            if is_last {
                return conflicts;
            }
        }
    }

    async fn record_finished(&self, pass: &Pass, items: Vec<Item>, cohort: &mut Cohort) -> Vec<Item> {
        if items.is_empty() {
            return items;
        }
        let (store, now) = (Arc::clone(&self.store), pass.now);
        let mut items = items;
        let told = self.learn(pass, &mut items, |item| item.is_anew || !item.is_conflict());
        let notifications = Arc::clone(&self.notifications);
        let (items, recorded) = blocking(items, move |items| {
            let finished: Vec<_> = items.iter_mut().filter_map(Item::finished).collect();
            notifications.record(&told, |told| store.record_finished(&finished, told, now))
        })
        .await;
        if let Err(error) = &recorded {
            cohort.notices.push(not_written(error));
        }
        let is_done = |item: &Item| recorded.is_err() || item.is_anew || !item.is_conflict();
        let (done, conflicts): (Vec<_>, Vec<_>) = items.into_iter().partition(is_done);
        for item in done {
            let is_settled = item.record.is_settled();
            cohort.records.push((item.taken.index, item.record));
            // Otherwise the intent is still in the state, and the next pass settles it.
            if recorded.is_ok() && is_settled {
                item.taken.saved();
            }
        }
        conflicts
    }
}

impl Item {
    /// Its place in the configuration.
    pub(super) fn index(&self) -> usize {
        self.taken.index
    }

    /// Whether there is a change to write.
    pub(super) fn is_change(&self) -> bool {
        self.change.is_some()
    }

    /// The row of the change that an earlier pass left open, where that turned out to be written and is not recorded yet.
    pub(super) fn settled_change(&self) -> Option<RowId> {
        let (open, outcome) = self.settled.as_ref()?;
        (*outcome == Outcome::Written).then_some(open.row)
    }

    /// The decision, what the fallback keeps, and what is known to go on with the workload.
    pub(super) fn lesson(&mut self) -> (&DecisionRecord, Option<Replicas>, &mut Incidents) {
        let remembered = self.taken.remembered_mut();
        (
            &self.record,
            remembered.memory.fallback(),
            &mut remembered.incidents,
        )
    }

    /// Decides again about what was to be changed, with one more hold.
    pub(super) fn hold(&mut self, managed: &Managed, hold: Hold, now: Timestamp) {
        let (settings, record) = (&managed.settings, &mut self.record);
        let memory = &mut self.taken.remembered_mut().memory;
        decide_again(record, &self.seen, settings, hold, memory, now);
        self.look_for_change(managed, now);
    }

    /// Decides about the target as it is now.
    fn decide_anew(&mut self, managed: &Managed, read: Workload, now: Timestamp) {
        let (settings, record) = (&managed.settings, &mut self.record);
        let memory = &mut self.taken.remembered_mut().memory;
        decide_anew(record, &self.seen, settings, read, memory, now);
        self.is_anew = true;
        self.look_for_change(managed, now);
    }

    /// Finds out whether its decision is to be written. One that is not has nothing to wait for.
    fn look_for_change(&mut self, managed: &Managed, now: Timestamp) {
        self.change = change(&self.record, managed);
        if self.change.is_none() {
            let memory = &mut self.taken.remembered_mut().memory;
            conclude(
                &mut self.record,
                &managed.settings,
                memory,
                Outcome::NotAttempted,
                now,
            );
        }
    }

    /// Whether what is remembered is of the target with this identity.
    fn is_of(&self, identity: Option<&str>) -> bool {
        let remembered = self.taken.remembered().target.as_deref();
        identity.is_none_or(|identity| remembered == Some(identity))
    }

    /// Whether somebody changed the count while it was decided on.
    fn is_conflict(&self) -> bool {
        self.record.outcome() == Some(Outcome::Conflict)
    }

    fn decided(&mut self) -> Decided<'_> {
        let settled = self.settled.take();
        self.incidents = self.taken.remembered_mut().incidents.take_change();
        let remembered = self.taken.remembered();
        let is_decided =
            matches!(self.record.verdict, Verdict::Decided { .. }) || self.record.round.is_some();
        Decided {
            record: &self.record,
            memory: is_decided.then_some(&remembered.memory),
            target: remembered.target.as_deref(),
            incidents: self.incidents.as_deref(),
            last: remembered.last.as_ref(),
            is_intent: self.change.is_some(),
            settled,
        }
    }

    fn finished(&mut self) -> Option<Finished<'_>> {
        self.incidents = self.taken.remembered_mut().incidents.take_change();
        let remembered = self.taken.remembered();
        Some(Finished {
            record: &self.record,
            memory: &remembered.memory,
            incidents: self.incidents.as_deref(),
            row: remembered.last.as_ref()?.id,
        })
    }
}

/// Does `work` on `items` where it may block. Once begun it is done, also when nobody waits for it any more.
async fn blocking(
    items: Vec<Item>,
    work: impl FnOnce(&mut Vec<Item>) -> Result<(), StoreError> + Send + 'static,
) -> (Vec<Item>, Result<(), StoreError>) {
    let done = tokio::task::spawn_blocking(move || {
        let mut items = items;
        let result = work(&mut items);
        (items, result)
    });
    match done.await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is being shut down, and this pass with it.
            Err(_) => std::future::pending().await,
        },
    }
}

/// What is kept of the readings of replicas.
fn readings(scrape: &ScrapeSource) -> Result<Vec<u8>, StoreError> {
    postcard::to_stdvec(&scrape.readings()).map_err(|error| StoreError::Encode {
        what: "the readings of replicas",
        reason: error.to_string(),
    })
}

/// The pods, with what was measured of them for each metric; `None` where neither a source nor the target tells of pods.
fn pods(answers: &[Answer], of_target: Option<&[Pod]>) -> Option<Pods> {
    let measured = answers.iter().find_map(|answer| answer.pods.as_ref());
    let pods = measured.map(|measured| &*measured.pods).or(of_target)?;
    let samples = answers
        .iter()
        .map(|answer| answer.pods.as_ref().map(|measured| measured.samples.clone()));
    Some(Pods {
        samples: samples.collect(),
        pods: pods.to_vec(),
    })
}

fn decide_one(pass: &Pass, managed: &Managed, due: Due, answers: Vec<Answer>, hold: Option<Answer>) -> Item {
    let Due {
        mut taken,
        read,
        settled,
        tend_error,
    } = due;
    let settings = &managed.settings;
    let settled = settled.or_else(|| settle(taken.remembered_mut(), read.as_ref().ok()?));
    let (read, of_target) = match read {
        Ok(state) => (Ok(state.workload), state.pods),
        Err(error) => (Err(error), None),
    };
    let found = Found {
        target: read.map_err(|error| in_one_line(&error)),
        pods: pods(&answers, of_target.as_deref()),
        answers: answers.into_iter(),
        hold,
        pause: pass.acts.pause(&settings.id),
        overrides: pass.acts.overrides(&settings.id),
    };
    let memory = &mut taken.remembered_mut().memory;
    let (mut record, seen) = decide(settings, found, memory, pass.now);
    if let Verdict::Decided { error, .. } = &mut record.verdict {
        *error = tend_error;
    }
    let mut item = Item {
        change: None,
        taken,
        record,
        seen,
        settled,
        is_anew: false,
        incidents: None,
    };
    item.look_for_change(managed, pass.now);
    item
}

/// The change that is to be written, if one is decided on and may be.
fn change(record: &DecisionRecord, managed: &Managed) -> Option<Decision> {
    managed.access.writer()?;
    let decision = record.decision().copied();
    decision.filter(|decision| decision.direction().is_some())
}

impl Autoscaler {
    /// Writes the change of `item` to its target.
    async fn write(&self, managed: &Managed, mut item: Item, pass: &Pass) -> Item {
        let (Some(actuator), Some(change)) = (managed.access.writer(), item.change) else {
            return item;
        };
        let patience = patience(&managed.target, self.deadline);
        let set = actuator.set_replicas(&managed.target, change.current(), change.desired(), pass.now);
        let written = timeout(patience, set)
            .await
            .unwrap_or(Err(TargetError::Unanswered { after: patience }));
        let (outcome, error) = match written {
            Ok(()) => (Outcome::Written, None),
            Err(error @ TargetError::Conflict { .. }) => (Outcome::Conflict, Some(error)),
            Err(error) if error.leaves_outcome_unknown() => (Outcome::NotConfirmed, Some(error)),
            Err(error) => (Outcome::Failed, Some(error)),
        };
        if outcome == Outcome::Written && managed.settings.annotate {
            let said = annotate(managed, actuator, &item.record, patience).await;
            self.unannotated.note(&managed.settings.id, &said);
        }
        item.record
            .set_outcome(outcome, error.as_ref().map(|error| in_one_line(error)));
        if item.record.is_settled() {
            let memory = &mut item.taken.remembered_mut().memory;
            conclude(&mut item.record, &managed.settings, memory, outcome, pass.now);
        }
        item
    }
}

/// Tells the target why its count was changed. It is changed either way.
async fn annotate(
    managed: &Managed,
    actuator: &dyn Actuator,
    record: &DecisionRecord,
    patience: Duration,
) -> Result<(), TargetError> {
    let Verdict::Decided {
        decision,
        explanation,
        ..
    } = &record.verdict
    else {
        return Ok(());
    };
    let why = explanation
        .of_change()
        .unwrap_or_else(|| decision.reason().to_string());
    let reason = format!("{} to {}: {why}", decision.current(), decision.desired());
    let said = timeout(patience, actuator.annotate(&managed.target, &reason)).await;
    said.unwrap_or(Err(TargetError::NoAnswer { after: patience }))
}

/// Without a record of what is about to be done, nothing is.
fn refuse_all(items: &mut [Item], error: &StoreError) {
    for item in items.iter_mut().filter(|item| item.is_change()) {
        let why = format!("the state could not be written: {}", in_one_line(error));
        item.record.set_outcome(Outcome::NotAttempted, Some(why));
    }
}

fn not_written(error: &StoreError) -> Notice {
    Notice::StateNotWritten {
        reason: in_one_line(error),
    }
}
